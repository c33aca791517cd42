/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "dev/edid.h"
#include "base/le.h"

#define DOTS_PER_10CM 400u /* about 100 dots an inch */

enum {
    AT_MAKER = 8,
    AT_VERSION = 18,
    AT_BASIC = 20,
    AT_CHROMA = 25,
    AT_ESTABLISHED = 35,
    AT_STANDARD = 38,
    AT_DETAILED = 54,
    AT_CHECKSUM = 127,
};

static const u8 srgb_chroma[10] = {0xee, 0x91, 0xa3, 0x54, 0x4c, 0x99, 0x26, 0x0f, 0x50, 0x54};

struct standard {
    u16 width, height;
    u8 aspect; /* bits 7-6: 16:10, 4:3, 5:4, 16:9 */
};

static const struct standard standards[8] = {
    {1920, 1080, 0xc0}, {1680, 1050, 0x00}, {1600, 1200, 0x40}, {1280, 1024, 0x80},
    {1440, 900, 0x00},  {1280, 960, 0x40},  {1280, 800, 0x00},  {1280, 720, 0xc0},
};

static void put_standards(u8 *edid, u32 width, u32 height)
{
    u8 *at = edid + AT_STANDARD;

    for (unsigned i = 0; i < ARRAY_SIZE(standards); i++) {
        const struct standard *s = &standards[i];
        if (s->width > width || s->height > height)
            continue;
        *at++ = (u8)(s->width / 8 - 31);
        *at++ = s->aspect; /* 60 Hz */
    }
    while (at < edid + AT_DETAILED)
        *at++ = 0x01; /* unused */
}

/* A detailed timing with short blanking: 160 dots and 30 lines at least. */
static void put_timing(u8 *at, u32 width, u32 height)
{
    u32 hblank = 160, vblank = height / 35 > 30 ? height / 35 : 30;
    u32 khz10 = (width + hblank) * (height + vblank) * 60u / 10000;
    u32 mm_x = width * 100 / DOTS_PER_10CM, mm_y = height * 100 / DOTS_PER_10CM;

    put_le16(at, (u16)khz10);
    at[2] = (u8)width;
    at[3] = (u8)hblank;
    at[4] = (u8)(width >> 8 << 4 | hblank >> 8);
    at[5] = (u8)height;
    at[6] = (u8)vblank;
    at[7] = (u8)(height >> 8 << 4 | vblank >> 8);
    at[8] = 48;          /* horizontal front porch */
    at[9] = 32;          /* and sync */
    at[10] = 3 << 4 | 6; /* vertical */
    at[12] = (u8)mm_x;
    at[13] = (u8)mm_y;
    at[14] = (u8)(mm_x >> 8 << 4 | mm_y >> 8);
    at[17] = 0x1e; /* digital separate sync, both positive */
}

static void put_descriptors(u8 *at)
{
    static const u8 range[18] = {0,   0,    0,    0xfd, 0,   50,  125, 30,  160,
                                 120, 0x01, 0x0a, ' ',  ' ', ' ', ' ', ' ', ' '};
    static const u8 name[18] = {0,   0,   0,   0xfc, 0,   'D',  'o', 'm', 'u',
                                's', ' ', 'V', 'G',  'A', 0x0a, ' ', ' ', ' '};
    static const u8 dummy[18] = {0, 0, 0, 0x10};

    memcpy(at, range, 18);
    memcpy(at + 18, name, 18);
    memcpy(at + 36, dummy, 18);
}

void edid_make(u8 out[EDID_SIZE], u32 width, u32 height)
{
    u8 sum = 0;

    memset(out, 0, EDID_SIZE);
    memset(out + 1, 0xff, 6);
    out[AT_MAKER] = (u8)((4 << 2) | (15 >> 3)); /* "DOM" in five bits each */
    out[AT_MAKER + 1] = (u8)((15 & 7) << 5 | 13);
    put_le16(out + AT_MAKER + 2, 0x0001);
    out[16] = 0xff; /* a model year instead of a week: */
    out[17] = 2024 - 1990;
    out[AT_VERSION] = 1;
    out[AT_VERSION + 1] = 4;
    out[AT_BASIC] = 0xa5; /* digital, 8 bits a colour, DisplayPort */
    out[AT_BASIC + 1] = (u8)(width * 10 / DOTS_PER_10CM);
    out[AT_BASIC + 2] = (u8)(height * 10 / DOTS_PER_10CM);
    out[AT_BASIC + 3] = 120;  /* gamma 2.2 */
    out[AT_BASIC + 4] = 0x06; /* sRGB; the first timing is the native one */
    memcpy(out + AT_CHROMA, srgb_chroma, sizeof(srgb_chroma));
    out[AT_ESTABLISHED] = 0x21;     /* 640x480, 800x600 at 60 Hz */
    out[AT_ESTABLISHED + 1] = 0x08; /* 1024x768 at 60 Hz */
    put_standards(out, width, height);
    put_timing(out + AT_DETAILED, width, height);
    put_descriptors(out + AT_DETAILED + 18);
    for (unsigned i = 0; i < AT_CHECKSUM; i++)
        sum += out[i];
    out[AT_CHECKSUM] = (u8)-sum;
}
