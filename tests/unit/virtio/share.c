/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The queue in front of the 9P server, which p9/p9.c tests by itself. */
#include "virtio/share.h"
#include "../test.h"
#include "driver.h"

#include <errno.h>
#include <unistd.h>

#define MESSAGE DRV_DATA
#define ANSWER  (DRV_DATA + 0x1000)

static struct drv d;
static struct virtio_share *s;
static char folder[64];

static void make(bool thread)
{
    struct virtio_share_config cfg = {
        .folder = {.path = folder}, .tag = "tag", .no_thread = !thread, .packed = true};
    struct err err = {""};

    CHECK_EQ(virtio_share_new(&s, d.p.mem, d.p.rig.clk, &cfg, &err), 0);
}

static void start(u64 features, bool thread)
{
    strcpy(folder, "/tmp/domus-share-XXXXXX");
    BUG_ON(!mkdtemp(folder));
    drv_open(&d);
    make(thread);
    drv_attach(&d, virtio_share_dev(s), false);
    CHECK(drv_negotiate(&d, DRV_ALL | features | 1));
    drv_add_queue(&d, 0, 64);
    drv_start(&d);
}

static void stop(void)
{
    char path[80];

    drv_detach(&d);
    virtio_share_free(s);
    drv_close(&d);
    snprintf(path, sizeof(path), "%s/file", folder);
    unlink(path);
    BUG_ON(rmdir(folder));
}

/* Puts a message into the queue, in two parts, with room for an answer of `room` bytes in two. */
static void submit(const char *bytes, u32 len, u32 room)
{
    struct drv_seg seg[] = {{MESSAGE, 5, false},
                            {MESSAGE + 5, len - 5, false},
                            {ANSWER, 4, true},
                            {ANSWER + 4, room - 4, true}};

    memcpy(drv_ram(&d, MESSAGE), bytes, len);
    memset(drv_ram(&d, ANSWER), 0xaa, 256);
    drv_add(&d, 0, seg, 4);
    drv_kick(&d, 0);
}

static u32 used(void)
{
    u16 id;
    u32 len = 0;

    virtio_share_drain(s);
    CHECK(drv_used(&d, 0, &id, &len));
    CHECK_EQ(len, le32(drv_ram(&d, ANSWER)));
    return len;
}

/* clang-format off */
#define VERSION "\x15\0\0\0\x64\xff\xff\0\0\1\0\x08\0" "9P2000.L"
#define ATTACH  "\x1b\0\0\0\x68\1\0\1\0\0\0\xff\xff\xff\xff\x04\0root\0\0\0\0\0\0"
#define CREATE  "\x1d\0\0\0\x0e\1\0\1\0\0\0\x04\0" "file" "\x42\0\0\0\x80\1\0\0\0\0\0\0"
#define WRITE   "\x1b\0\0\0\x76\1\0\1\0\0\0\0\0\0\0\0\0\0\0\4\0\0\0text"
#define READ    "\x17\0\0\0\x74\1\0\1\0\0\0\0\0\0\0\0\0\0\0\x40\0\0\0"
/* clang-format on */

static void session(void)
{
    submit(VERSION, 21, 256);
    CHECK_EQ(used(), 21);
    CHECK_EQ(*drv_ram(&d, ANSWER + 4), 101);
    submit(ATTACH, 27, 256);
    CHECK_EQ(used(), 20);
    submit(CREATE, 29, 256);
    CHECK_EQ(used(), 24);
    submit(WRITE, 27, 256);
    CHECK_EQ(used(), 11);
}

static void files_are_there(void)
{
    for (unsigned n = 0; n < 4; n++) {
        start(n & 1 ? BIT64(VIRTIO_F_RING_PACKED) : 0, n & 2);
        CHECK_EQ(drv_get(&d, 0x2000, 2), 3);
        CHECK_EQ(drv_get(&d, 0x2002, 1), 't');
        session();
        submit(READ, 23, 256);
        CHECK_EQ(used(), 15);
        CHECK(!memcmp(drv_ram(&d, ANSWER + 11), "text", 4));
        submit(READ, 23, 13); /* what there is room for */
        CHECK_EQ(used(), 13);
        CHECK_EQ(*drv_ram(&d, ANSWER + 13), 0xaa);
        stop();
    }
}

static void odd_messages(void)
{
    struct drv_seg none = {MESSAGE, 21, false}, no_message = {ANSWER, 64, true};
    u16 id;
    u32 len;

    start(0, false);
    drv_add(&d, 0, &none, 1); /* no room */
    drv_add(&d, 0, &no_message, 1);
    drv_kick(&d, 0);
    virtio_share_drain(s);
    CHECK(drv_used(&d, 0, &id, &len) && !len);
    CHECK(drv_used(&d, 0, &id, &len) && !len);
    none.len = P9_MESSAGE_MAX + 1;
    drv_add(&d, 0, &none, 1);
    drv_kick(&d, 0);
    CHECK(drv_status(&d) & VIRTIO_NEEDS_RESET);
    stop();
}

static void reset_forgets(void)
{
    start(0, true);
    session();
    submit(READ, 23, 256);
    drv_negotiate(&d, DRV_ALL);
    drv_add_queue(&d, 0, 64);
    drv_start(&d);
    submit(READ, 23, 256);
    CHECK_EQ(used(), 11);
    CHECK_EQ(*drv_ram(&d, ANSWER + 4), 7);
    stop();
}

static void state_moves(void)
{
    struct state_stream stream = {0};
    struct err err = {""};

    start(0, true);
    session();
    submit(WRITE, 27, 256); /* it is waited for */
    virtio_share_drain(s);
    CHECK_EQ(state_save(&stream, &virtio_pci_state, d.pci), 0);
    CHECK_EQ(state_save(&stream, &virtio_share_state, s), 0);
    CHECK_EQ(used(), 11);
    CHECK(stream.len < 200000);
    drv_detach(&d);
    virtio_share_free(s);
    make(true);
    drv_attach(&d, virtio_share_dev(s), false);
    CHECK_EQ(state_load(&stream, &virtio_pci_state, d.pci, &err), 0);
    CHECK_EQ(state_load(&stream, &virtio_share_state, s, &err), 0);
    submit(READ, 23, 256);
    CHECK_EQ(used(), 15);
    CHECK(!memcmp(drv_ram(&d, ANSWER + 11), "text", 4));
    state_dispose(&stream);
    stop();
}

static void what_cannot_be_shared(void)
{
    struct virtio_share_config cfg = {.folder = {.path = "/no/such"}, .tag = "t"};
    struct err err = {""};

    drv_open(&d);
    CHECK_EQ(virtio_share_new(&s, d.p.mem, d.p.rig.clk, &cfg, &err), -ENOENT);
    CHECK(strstr(err.text, "/no/such"));
    cfg.folder.path = "/etc/passwd";
    CHECK_EQ(virtio_share_new(&s, d.p.mem, d.p.rig.clk, &cfg, &err), -ENOTDIR);
    drv_close(&d);
}

int main(void)
{
    TEST_RUN(files_are_there);
    TEST_RUN(odd_messages);
    TEST_RUN(reset_forgets);
    TEST_RUN(state_moves);
    TEST_RUN(what_cannot_be_shared);
    return test_result();
}
