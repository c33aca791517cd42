/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "dev/i8237.h"
#include "../test.h"
#include "rig.h"

static struct rig rig;
static struct mem *mem;
static struct i8237 *dma;

static void open_dma(void)
{
    struct err err;

    rig_open(&rig);
    if (mem_new(&mem, 2 * MiB, &rig.mmio, &err) || i8237_new(&dma, &rig.pio, mem))
        exit(1);
}

static void close_dma(void)
{
    i8237_free(dma);
    mem_free(mem);
    rig_close(&rig);
}

/* Channel 2: mode, address and count, unmasked. */
static void program(u8 mode, u32 addr, u16 count)
{
    out8(&rig, 0x0a, 6);
    out8(&rig, 0x0c, 0);
    out8(&rig, 0x0b, mode | 2);
    out8(&rig, 0x04, (u8)addr);
    out8(&rig, 0x04, (u8)(addr >> 8));
    out8(&rig, 0x81, (u8)(addr >> 16));
    out8(&rig, 0x05, (u8)count);
    out8(&rig, 0x05, (u8)(count >> 8));
    out8(&rig, 0x0a, 2);
}

/* Two reads of a register, low byte first. */
static u16 read16(u16 port)
{
    u8 low = in8(&rig, port);

    return (u16)(low | in8(&rig, port) << 8);
}

static void moves_bytes_to_memory(void)
{
    u8 buf[512], back[512];
    bool tc;

    open_dma();
    memset(buf, 0x5a, sizeof(buf));
    CHECK_EQ(i8237_transfer(dma, 2, buf, 512, true, &tc), 0); /* masked */
    program(0x44, 0x12345, 999);
    CHECK_EQ(i8237_transfer(dma, 2, buf, 512, true, &tc), 512);
    CHECK(!tc);
    CHECK_EQ(mem_read(mem, 0x12345, back, 512), 0);
    CHECK_EQ(back[0], 0x5a);
    CHECK_EQ(back[511], 0x5a);
    out8(&rig, 0x0c, 0);
    CHECK_EQ(read16(0x04), 0x2545);
    CHECK_EQ(read16(0x05), 999 - 512);
    CHECK_EQ(i8237_transfer(dma, 2, buf, 512, true, &tc), 488);
    CHECK(tc);
    CHECK_EQ(in8(&rig, 0x08), 0x04);
    CHECK_EQ(in8(&rig, 0x08), 0x00);
    CHECK_EQ(i8237_transfer(dma, 2, buf, 512, true, &tc), 0);
    CHECK_EQ(in8(&rig, 0x0f) & 15, 15);
    close_dma();
}

static void reads_and_wraps_and_reloads(void)
{
    u8 buf[16], want[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    bool tc;

    open_dma();
    CHECK_EQ(mem_write(mem, 0x1fffc, want, 4), 0);
    CHECK_EQ(mem_write(mem, 0x10000, want + 4, 4), 0);
    program(0x58, 0x1fffc, 7); /* automatic */
    CHECK_EQ(i8237_transfer(dma, 2, buf, 16, false, &tc), 8);
    CHECK(tc);
    CHECK(!memcmp(buf, want, 8));
    CHECK_EQ(i8237_transfer(dma, 2, buf + 8, 8, false, &tc), 8);
    CHECK(!memcmp(buf + 8, want, 8));
    program(0x68, 0x10003, 3); /* downwards */
    CHECK_EQ(i8237_transfer(dma, 2, buf, 16, false, &tc), 4);
    CHECK_EQ(buf[0], 8);
    CHECK_EQ(buf[3], 5);
    program(0x40, 0x10000, 3); /* verify */
    CHECK_EQ(i8237_transfer(dma, 2, buf, 16, false, &tc), 4);
    CHECK_EQ(buf[0], 0xff);
    program(0x48, 0xff0000, 3); /* no memory there */
    CHECK_EQ(i8237_transfer(dma, 2, buf, 16, false, &tc), 4);
    CHECK_EQ(buf[0], 0xff);
    close_dma();
}

static void channel_5_moves_words(void)
{
    u8 buf[8] = {1, 2, 3, 4, 5, 6, 7, 8}, back[8];
    bool tc;

    open_dma();
    out8(&rig, 0xd8, 0);
    out8(&rig, 0xd6, 0x45);
    out8(&rig, 0xc4, 0x00);
    out8(&rig, 0xc4, 0x80); /* word 8000h */
    out8(&rig, 0x8b, 0x03); /* the lowest bit is not used */
    out8(&rig, 0xc6, 3);
    out8(&rig, 0xc6, 0);
    out8(&rig, 0xd4, 1);
    CHECK_EQ(i8237_transfer(dma, 5, buf, 8, true, &tc), 8);
    CHECK(tc);
    CHECK_EQ(mem_read(mem, 0x30000, back, 8), 0);
    CHECK(!memcmp(buf, back, 8));
    CHECK_EQ(in8(&rig, 0xd0), 0x02);
    CHECK_EQ(in8(&rig, 0x8b), 0x03);
    close_dma();
}

static unsigned woken;
static void on_ready(void *opaque)
{
    woken++;
}

static void a_device_waits_for_its_channel(void)
{
    struct state_stream s = {0};
    struct err err;

    open_dma();
    woken = 0;
    i8237_attach(dma, 2, on_ready, NULL);
    program(0x44, 0, 1);
    CHECK_EQ(woken, 0);
    out8(&rig, 0x0a, 6);
    i8237_request(dma, 2, true);
    CHECK_EQ(in8(&rig, 0x08), 0x40);
    out8(&rig, 0x0a, 2);
    CHECK_EQ(woken, 1);
    i8237_request(dma, 2, false);
    out8(&rig, 0x0e, 0);
    CHECK_EQ(woken, 1);
    CHECK_EQ(state_save(&s, &i8237_state, dma), 0);
    i8237_reset(dma);
    CHECK_EQ(state_load(&s, &i8237_state, dma, &err), 0);
    CHECK_EQ(in8(&rig, 0x0f), 0xf0);
    out8(&rig, 0x0d, 0);
    CHECK_EQ(in8(&rig, 0x0f), 0xff);
    state_dispose(&s);
    close_dma();
}

int main(void)
{
    TEST_RUN(moves_bytes_to_memory);
    TEST_RUN(reads_and_wraps_and_reloads);
    TEST_RUN(channel_5_moves_words);
    TEST_RUN(a_device_waits_for_its_channel);
    return test_result();
}
