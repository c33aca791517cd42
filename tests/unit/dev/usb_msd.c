/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "dev/usb_msd.h"
#include "../test.h"
#include "fakeblock.h"
#include "usbrig.h"

#define ADDR 7u
#define IN   0x80u
#define OUT  0x00u

static struct usbrig r;
static struct block disk;
static struct usb_msd *msd;
static u8 buf[48 * 1024];
static u32 residue;

static void open_disk(bool read_only, u64 delay)
{
    struct usb_msd_config cfg = {.block = &disk, .serial = "0123456789AB", .removable = true};

    usbrig_open(&r);
    fake_init(&disk, 128 * KiB, r.rig.clk);
    disk.read_only = read_only;
    disk.delay = delay;
    CHECK_EQ(usb_msd_new(&msd, &cfg), 0);
    CHECK_EQ(usb_attach(uhci_port(r.uhci, 0), usb_msd_device(msd)), 0);
    usbrig_start(&r);
    enumerate(&r, 0, ADDR);
}

static void close_disk(void)
{
    block_drain(&disk);
    usb_detach(uhci_port(r.uhci, 0));
    usb_msd_free(msd);
    usbrig_close(&r);
}

static int send_cbw(const char *cdb, unsigned cdb_len, u8 dir, u32 len)
{
    u8 cbw[31] = {0};

    put_le32(cbw, 0x43425355);
    put_le32(cbw + 4, 0xabcd1234);
    put_le32(cbw + 8, len);
    cbw[12] = dir;
    cbw[14] = (u8)cdb_len;
    memcpy(cbw + 15, cdb, cdb_len);
    return transfer(&r, ADDR, USB_PID_OUT, 2, cbw, 31, 64);
}

/* The CSW's status, or what else the transfer came to. */
static int get_csw(void)
{
    u8 csw[13];
    int n = transfer(&r, ADDR, USB_PID_IN, 1, csw, 13, 64);

    if (n != 13)
        return n < 0 ? n : -10;
    CHECK_EQ(le32(csw), 0x53425355);
    CHECK_EQ(le32(csw + 4), 0xabcd1234);
    residue = le32(csw + 8);
    return csw[12];
}

/* A whole command; `moved` is what the data stage came to. */
static int command(const char *cdb, unsigned cdb_len, u8 dir, u32 len, int *moved)
{
    int n = 0;

    CHECK_EQ(send_cbw(cdb, cdb_len, dir, len), 31);
    if (len)
        n = transfer(&r, ADDR, dir ? USB_PID_IN : USB_PID_OUT, dir ? 1 : 2, buf, len, 64);
    if (moved)
        *moved = n;
    return get_csw();
}

static u32 get_sense(void)
{
    CHECK_EQ(command("\x03\0\0\0\x12\0", 6, IN, 18, NULL), 0);
    CHECK_EQ(buf[0], 0x70);
    return (u32)buf[2] << 16 | (u32)buf[12] << 8 | buf[13];
}

static void tells_of_itself(void)
{
    int n;

    open_disk(false, 0);
    CHECK_EQ(control(&r, ADDR, 0xa1, 0xfe, 0, 0, buf, 1), 1);
    CHECK_EQ(buf[0], 0);
    CHECK_EQ(command("\x12\0\0\0\x24\0", 6, IN, 36, &n), 0);
    CHECK_EQ(n, 36);
    CHECK(!memcmp(buf, "\x00\x80\x05\x02\x1f\0\0\0QEMU    QEMU HARDDISK   ", 32));
    CHECK_EQ(command("\x12\x01\x80\0\xff\0", 6, IN, 255, &n), 0);
    CHECK_EQ(n, 16);
    CHECK_EQ(residue, 255 - 16);
    CHECK(!memcmp(buf,
                  "\x00\x80\x00\x0c"
                  "0123456789AB",
                  16));
    CHECK_EQ(command("\x12\x01\x83\0\xff\0", 6, IN, 255, &n), 0);
    CHECK_EQ(n, 4 + 28 + 12);
    CHECK_EQ(command("\x12\x01\xb0\0\xff\0", 6, IN, 64, &n), 0);
    CHECK_EQ(n, 64);
    CHECK_EQ(buf[27], 31);
    CHECK_EQ(command("\x12\x01\x99\0\xff\0", 6, IN, 64, &n), 1);
    CHECK_EQ(n, 0);
    CHECK_EQ(get_sense(), 0x052400);
    CHECK_EQ(get_sense(), 0);
    CHECK_EQ(command("\x00\0\0\0\0\0", 6, OUT, 0, &n), 0);
    CHECK_EQ(command("\x25\0\0\0\0\0\0\0\0\0", 10, IN, 8, &n), 0);
    CHECK(!memcmp(buf, "\x00\x00\x00\xff\x00\x00\x02\x00", 8));
    CHECK_EQ(command("\x9e\x10\0\0\0\0\0\0\0\0\0\0\0\x20\0\0", 16, IN, 32, &n), 0);
    CHECK_EQ(n, 32);
    CHECK(!memcmp(buf, "\0\0\0\0\x00\x00\x00\xff\x00\x00\x02\x00\0\0\x80", 15));
    CHECK_EQ(command("\x1a\0\x3f\0\xc0\0", 6, IN, 192, &n), 0);
    CHECK_EQ(n, 4 + 8 + 24 + 20 + 12);
    CHECK_EQ(buf[0], n - 1);
    CHECK_EQ(buf[2], 0x10);
    CHECK_EQ(command("\x5a\x08\x08\0\0\0\0\0\xff\0", 10, IN, 255, &n), 0);
    CHECK_EQ(n, 8 + 20);
    CHECK_EQ(buf[10], 4);
    CHECK_EQ(command("\xa0\0\0\0\0\0\0\0\0\x10\0\0", 12, IN, 16, &n), 0);
    CHECK_EQ(command("\x1e\0\0\0\x01\0", 6, OUT, 0, &n), 0);
    CHECK_EQ(command("\xde\0\0\0\x01\0", 6, OUT, 0, &n), 1);
    CHECK_EQ(get_sense(), 0x052000);
    close_disk();
}

static void reads_and_writes_for(u64 delay)
{
    int n;

    open_disk(false, delay);
    CHECK_EQ(command("\x28\0\0\0\0\x01\0\0\x02\0", 10, IN, 1024, &n), 0);
    CHECK_EQ(n, 1024);
    CHECK(!memcmp(buf, disk.data + 512, 1024));
    CHECK_EQ(residue, 0);
    CHECK_EQ(command("\x28\0\0\0\0\0\0\0\x60\0", 10, IN, 0x60 * 512, &n), 0);
    CHECK_EQ(n, 0x60 * 512); /* more than a chunk */
    CHECK(!memcmp(buf, disk.data, 0x60 * 512));
    for (unsigned i = 0; i < sizeof(buf); i++)
        buf[i] = (u8)(i / 64 + 1);
    CHECK_EQ(command("\x2a\x08\0\0\0\x10\0\0\x58\0", 10, OUT, 0x58 * 512, &n), 0);
    CHECK_EQ(n, 0x58 * 512);
    CHECK(!memcmp(disk.data + 0x2000, buf, 0x58 * 512));
    CHECK_EQ(disk.flushes, 1); /* FUA */
    CHECK_EQ(command("\x08\0\0\x03\x01\0", 6, IN, 512, &n), 0);
    CHECK_EQ(n, 512);
    CHECK_EQ(command("\x88\0\0\0\0\0\0\0\0\x05\0\0\0\x01\0\0", 16, IN, 512, &n), 0);
    CHECK(!memcmp(buf, disk.data + 0xa00, 512));
    CHECK_EQ(command("\xaa\0\0\0\0\0\0\0\0\x01\0\0", 12, OUT, 512, &n), 0);
    CHECK(!memcmp(buf, disk.data, 512));
    CHECK_EQ(command("\x35\0\0\0\0\0\0\0\0\0", 10, OUT, 0, &n), 0);
    CHECK_EQ(disk.flushes, 2);
    CHECK_EQ(command("\x2f\0\0\0\0\xf0\0\0\x10\0", 10, OUT, 0, &n), 0);
    CHECK_EQ(command("\x2f\0\0\0\0\xf0\0\0\x11\0", 10, OUT, 0, &n), 1);
    CHECK_EQ(get_sense(), 0x052100);
    CHECK_EQ(command("\x28\0\0\0\0\xff\0\0\x02\0", 10, IN, 1024, &n), 1);
    CHECK_EQ(n, 0);
    CHECK_EQ(residue, 1024);
    CHECK_EQ(command("\x88\0\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\x01\0\0", 16, IN, 512, &n), 1);
    close_disk();
}

static void reads_and_writes(void)
{
    reads_and_writes_for(0);
    reads_and_writes_for(3 * MS);
}

static void discards(void)
{
    int n;

    open_disk(false, 1 * MS);
    memset(buf, 0, 512);
    CHECK_EQ(command("\x41\0\0\0\0\x01\0\0\x02\0", 10, OUT, 512, &n), 0);
    CHECK_EQ(disk.zeros, 1);
    CHECK_EQ(disk.data[1024], 0);
    buf[9] = 1;
    CHECK_EQ(command("\x93\x08\0\0\0\0\0\0\0\x01\0\0\0\x02\0\0", 16, OUT, 512, &n), 1);
    CHECK_EQ(get_sense(), 0x052600);
    memset(buf, 0, 512);
    buf[3] = 32;
    buf[8 + 7] = 4;
    buf[8 + 11] = 2;
    buf[24 + 7] = 0xff;
    buf[24 + 11] = 1;
    CHECK_EQ(command("\x42\0\0\0\0\0\0\0\x28\0", 10, OUT, 40, &n), 0);
    CHECK_EQ(disk.discards, 2);
    CHECK_EQ(disk.data[0x1fe01], 0);
    buf[24 + 11] = 2;
    CHECK_EQ(command("\x42\0\0\0\0\0\0\0\x28\0", 10, OUT, 40, &n), 1);
    CHECK_EQ(disk.discards, 3);
    close_disk();
}

static void tells_of_errors(void)
{
    open_disk(false, 0);
    disk.fail = -EIO;
    CHECK_EQ(command("\x28\0\0\0\0\0\0\0\x01\0", 10, IN, 512, NULL), 1);
    CHECK_EQ(get_sense(), 0x031100);
    CHECK_EQ(command("\x2a\0\0\0\0\0\0\0\x01\0", 10, OUT, 512, NULL), 1);
    CHECK_EQ(get_sense(), 0x030c00);
    disk.fail = -ENOSPC;
    CHECK_EQ(command("\x2a\0\0\0\0\0\0\0\x01\0", 10, OUT, 512, NULL), 1);
    CHECK_EQ(get_sense(), 0x072707);
    close_disk();
    open_disk(true, 0);
    CHECK_EQ(command("\x2a\0\0\0\0\0\0\0\x01\0", 10, OUT, 512, NULL), 1);
    CHECK_EQ(get_sense(), 0x072700);
    CHECK_EQ(command("\x1a\0\x3f\0\xc0\0", 6, IN, 192, NULL), 0);
    CHECK_EQ(buf[2], 0x90);
    close_disk();
}

/* Section 6.7 of the transport. */
static void knows_thirteen_cases(void)
{
    static const char read2[] = "\x28\0\0\0\0\0\0\0\x02\0", write2[] = "\x2a\0\0\0\0\0\0\0\x02\0";
    int n;

    open_disk(false, 0);
    CHECK_EQ(command("\x00\0\0\0\0\0", 6, OUT, 0, &n), 0);  /* 1 */
    CHECK_EQ(command(read2, 10, IN, 0, &n), 2);             /* 2 */
    CHECK_EQ(command(write2, 10, OUT, 0, &n), 2);           /* 3 */
    CHECK_EQ(command("\x00\0\0\0\0\0", 6, IN, 100, &n), 0); /* 4 */
    CHECK_EQ(n, 0);
    CHECK_EQ(residue, 100);
    CHECK_EQ(command(read2, 10, IN, 2048, &n), 0); /* 5 */
    CHECK_EQ(n, 1024);
    CHECK_EQ(residue, 1024);
    CHECK_EQ(command(read2, 10, IN, 1024, &n), 0); /* 6 */
    CHECK_EQ(command(read2, 10, IN, 512, &n), 2);  /* 7 */
    memset(buf, 0x5a, 4096);
    CHECK_EQ(command(write2, 10, IN, 1024, &n), 2);          /* 8 */
    CHECK_EQ(command("\x00\0\0\0\0\0", 6, OUT, 100, &n), 0); /* 9 */
    CHECK_EQ(residue, 100);
    CHECK_EQ(command(read2, 10, OUT, 1024, &n), 2); /* 10 */
    CHECK(disk.data[0] != 0x5a);
    CHECK_EQ(command(write2, 10, OUT, 1500, &n), 0); /* 11 */
    CHECK_EQ(residue, 476);
    CHECK_EQ(disk.data[1023], 0x5a);
    CHECK(disk.data[1024] != 0x5a);
    CHECK_EQ(command(write2, 10, OUT, 1024, &n), 0); /* 12 */
    CHECK_EQ(command(write2, 10, OUT, 512, &n), 2);  /* 13 */
    close_disk();
}

static void recovers(void)
{
    open_disk(false, 5 * MS);
    CHECK_EQ(transfer(&r, ADDR, USB_PID_OUT, 2, buf, 30, 64), XFER_STALL);
    CHECK_EQ(transfer(&r, ADDR, USB_PID_IN, 1, buf, 13, 64), XFER_STALL);
    CHECK_EQ(control(&r, ADDR, 0x02, USB_CLEAR_FEATURE, 0, 0x81, NULL, 0), 0);
    CHECK_EQ(transfer(&r, ADDR, USB_PID_IN, 1, buf, 13, 64), XFER_STALL); /* still */
    CHECK_EQ(control(&r, ADDR, 0x21, 0xff, 0, 0, NULL, 0), 0);
    CHECK_EQ(transfer(&r, ADDR, USB_PID_IN, 1, buf, 13, 64), XFER_STALL);
    CHECK_EQ(control(&r, ADDR, 0x02, USB_CLEAR_FEATURE, 0, 0x81, NULL, 0), 0);
    CHECK_EQ(control(&r, ADDR, 0x02, USB_CLEAR_FEATURE, 0, 0x02, NULL, 0), 0);
    CHECK_EQ(command("\x00\0\0\0\0\0", 6, OUT, 0, NULL), 0);
    CHECK_EQ(send_cbw("\x28\0\0\0\0\0\0\0\x02\0", 10, IN, 1024), 31);
    CHECK_EQ(transfer(&r, ADDR, USB_PID_IN, 1, buf, 64, 64), 64);
    CHECK_EQ(send_cbw("\x28\0\0\0\0\0\0\0\x02\0", 10, IN, 1024), XFER_STALL); /* in the middle */
    enumerate(&r, 0, ADDR);
    CHECK_EQ(send_cbw("\x28\0\0\0\0\0\0\0\x02\0", 10, IN, 1024), 31);
    put_td(&r, 0, LINK_END, TD_ACTIVE, td_token(USB_PID_IN, ADDR, 1, 0, 64), SCHED_DATA);
    CHECK_EQ(run_tds(&r, 1, 0, 1, 2), XFER_LATE);
    CHECK_EQ(control(&r, ADDR, 0x21, 0xff, 0, 0, NULL, 0), 0); /* while the disk reads */
    CHECK_EQ(command("\x00\0\0\0\0\0", 6, OUT, 0, NULL), 0);
    CHECK_EQ(send_cbw("\x12\0\0\0\x24\0", 6, IN, 36), 31);
    close_disk();
}

static void keeps_its_state(void)
{
    struct state_stream s = {0};
    struct err err;
    u8 first[64 * 9], rest[64 * 7];

    open_disk(false, 2 * MS);
    CHECK_EQ(send_cbw("\x28\0\0\0\0\x03\0\0\x02\0", 10, IN, 1024), 31);
    CHECK_EQ(transfer(&r, ADDR, USB_PID_IN, 1, first, sizeof(first), 64), sizeof(first));
    CHECK_EQ(state_save(&s, &usb_msd_state, msd), 0);
    CHECK_EQ(transfer(&r, ADDR, USB_PID_IN, 1, rest, sizeof(rest), 64), sizeof(rest));
    CHECK_EQ(get_csw(), 0);
    memset(rest, 0, sizeof(rest));
    CHECK_EQ(state_load(&s, &usb_msd_state, msd, &err), 0);
    CHECK_EQ(transfer(&r, ADDR, USB_PID_IN, 1, rest, sizeof(rest), 64), sizeof(rest));
    CHECK(!memcmp(first, disk.data + 1536, sizeof(first)));
    CHECK(!memcmp(rest, disk.data + 1536 + sizeof(first), sizeof(rest)));
    CHECK_EQ(get_csw(), 0);
    CHECK_EQ(residue, 0);
    state_dispose(&s);

    s = (struct state_stream){0}; /* while the disk writes */
    memset(buf, 0x77, 512);
    CHECK_EQ(send_cbw("\x2a\0\0\0\0\0\0\0\x01\0", 10, OUT, 512), 31);
    CHECK_EQ(transfer(&r, ADDR, USB_PID_OUT, 2, buf, 512, 64), 512);
    CHECK_EQ(state_save(&s, &usb_msd_state, msd), 0);
    CHECK_EQ(disk.data[511], 0x77);
    CHECK_EQ(state_load(&s, &usb_msd_state, msd, &err), 0);
    CHECK_EQ(get_csw(), 0);
    state_dispose(&s);
    close_disk();
}

static void is_resized(void)
{
    open_disk(false, 0);
    CHECK(disk.on_resize);
    disk.size /= 2;
    disk.on_resize(disk.resize_opaque);
    CHECK_EQ(command("\x00\0\0\0\0\0", 6, OUT, 0, NULL), 1);
    CHECK_EQ(get_sense(), 0x062a09);
    CHECK_EQ(command("\x25\0\0\0\0\0\0\0\0\0", 10, IN, 8, NULL), 0);
    CHECK(!memcmp(buf, "\x00\x00\x00\x7f\x00\x00\x02\x00", 8));
    CHECK_EQ(command("\x28\0\0\0\0\x80\0\0\x01\0", 10, IN, 512, NULL), 1);
    CHECK_EQ(get_sense(), 0x052100);
    close_disk();
}

int main(void)
{
    TEST_RUN(tells_of_itself);
    TEST_RUN(reads_and_writes);
    TEST_RUN(discards);
    TEST_RUN(tells_of_errors);
    TEST_RUN(is_resized);
    TEST_RUN(knows_thirteen_cases);
    TEST_RUN(recovers);
    TEST_RUN(keeps_its_state);
    return test_result();
}
