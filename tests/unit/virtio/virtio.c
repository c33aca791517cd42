/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rings of both layouts, transports, negotiation, drivers that break the rules; by a device that
   answers each buffer with what it read, upside down. */
#include "virtio/virtio.h"
#include "../test.h"
#include "driver.h"

#include <errno.h>

#define SIZE 16u

struct echo {
    struct virtio virtio;
    struct virtq_buf buf;
    unsigned served, resets, queue_resets, hold; /* hold: keep that many */
    struct virtq_head held[SIZE];
};

static struct drv d;
static struct echo e;

static void serve(void *opaque, struct virtq *q)
{
    u8 bytes[64];

    while (e.hold && virtq_pop(q, &e.buf)) {
        e.held[--e.hold] = e.buf.head;
        return;
    }
    while (virtq_pop(q, &e.buf)) {
        u64 n = virtq_read(&e.buf, 0, bytes, sizeof(bytes));
        for (u64 i = 0; i < n; i++)
            bytes[i] = (u8)~bytes[i];
        virtq_push(q, e.buf.head, (u32)virtq_write(q, &e.buf, 0, bytes, n));
        e.served++;
    }
    virtq_interrupt(q);
}

static void on_reset(void *opaque)
{
    e.resets++;
}

static void on_queue_reset(void *opaque, struct virtq *q)
{
    e.queue_resets++;
}

static const struct virtio_ops ops = {
    .notify = serve, .reset = on_reset, .queue_reset = on_queue_reset};

static const struct state_field echo_fields[] = {
    STATE_STRUCTS(struct echo, virtio, 1, virtio_fields), STATE_END};

static int echo_loaded(void *opaque)
{
    return virtio_loaded(&((struct echo *)opaque)->virtio);
}

static const struct state_table echo_state = {"echo", 1, 1, echo_fields, NULL, echo_loaded};

static void make(struct echo *dev)
{
    struct virtio_init init = {.name = "echo",
                               .type = VIRTIO_BLK,
                               .class = 0x0100,
                               .ops = &ops,
                               .opaque = dev,
                               .mem = d.p.mem,
                               .clk = d.p.rig.clk,
                               .features = BIT64(VIRTIO_F_RING_PACKED),
                               .config_len = 12};

    memset(dev, 0, sizeof(*dev));
    virtio_init(&dev->virtio, &init);
    virtio_add_queue(&dev->virtio, SIZE);
    virtio_add_queue(&dev->virtio, SIZE);
    memcpy(dev->virtio.config, "configurati", 12);
    dev->virtio.config_wmask[4] = 0x0f;
}

static void start(bool mmio, u64 features)
{
    drv_open(&d);
    make(&e);
    drv_attach(&d, &e.virtio, mmio);
    CHECK(drv_negotiate(&d, features));
    drv_add_queue(&d, 0, SIZE);
    drv_start(&d);
}

static u64 layout(bool packed)
{
    return DRV_ALL | (packed ? BIT64(VIRTIO_F_RING_PACKED) : 0);
}

static void put_bytes(u32 at, const char *text)
{
    memcpy(drv_ram(&d, at), text, strlen(text));
}

/* Sends a buffer of two parts and takes the answer in two. */
static void round_trip(u8 seed)
{
    struct drv_seg s[] = {{DRV_DATA, 3, false},
                          {DRV_DATA + 0x1000, 4, false},
                          {DRV_DATA + 0x2000, 2, true},
                          {DRV_DATA + 0x3000, 9, true}};
    u16 id, got = 0xffff;
    u32 len = 0;

    for (u8 i = 0; i < 7; i++)
        *drv_ram(&d, i < 3 ? DRV_DATA + i : DRV_DATA + 0x1000 - 3 + i) = (u8)(seed + i);
    id = drv_add(&d, 0, s, 4);
    drv_kick(&d, 0);
    CHECK(drv_used(&d, 0, &got, &len));
    CHECK_EQ(got, id);
    CHECK_EQ(len, 7);
    for (u8 i = 0; i < 7; i++)
        CHECK_EQ(*drv_ram(&d, i < 2 ? DRV_DATA + 0x2000 + i : DRV_DATA + 0x3000 - 2 + i),
                 (u8) ~(seed + i));
}

static void buffers_go_round(void)
{
    for (unsigned variant = 0; variant < 4; variant++) {
        start(variant & 1, layout(variant & 2));
        for (unsigned i = 0; i < 40; i++)
            round_trip((u8)(i * 7));
        CHECK_EQ(e.served, 40);
        CHECK(!e.virtio.broken);
        CHECK(drv_line(&d));
        CHECK_EQ(drv_isr(&d), 1);
        CHECK(!drv_line(&d));
        drv_close(&d);
    }
}

static void an_odd_size_of_a_packed_ring(void)
{
    drv_open(&d);
    make(&e);
    drv_attach(&d, &e.virtio, false);
    CHECK(drv_negotiate(&d, layout(true)));
    drv_add_queue(&d, 0, 7);
    drv_start(&d);
    for (unsigned i = 0; i < 30; i++)
        round_trip((u8)i);
    CHECK(!e.virtio.broken);
    drv_close(&d);
}

/* A table of two descriptors, behind a plain one where the layout allows it. */
static void indirect(void)
{
    for (unsigned packed = 0; packed < 2; packed++) {
        struct drv_queue *q = &d.q[0];
        u32 table = DRV_DATA + 0x8000;
        u16 id = 0;
        u32 len = 0;
        start(false, layout(packed));
        put_bytes(DRV_DATA, "ab");
        drv_write_desc(&d, table, DRV_DATA, 2, packed ? 9 : 1, packed ? 0 : 1);
        drv_write_desc(&d, table + 16, DRV_DATA + 0x100, 2, packed ? 9 : 2, packed ? 2 : 0);
        if (packed) {
            drv_write_desc(&d, q->desc, table, 32, 5, 0x84);
        } else {
            drv_write_desc(&d, q->desc, table, 32, 4, 0);
            put_le16(drv_ram(&d, q->driver + 2), 1);
        }
        q->slots[5] = 1;
        drv_kick(&d, 0);
        CHECK(drv_used(&d, 0, &id, &len));
        CHECK_EQ(id, packed ? 5 : 0);
        CHECK_EQ(len, 2);
        CHECK_EQ(*drv_ram(&d, DRV_DATA + 0x100), (u8) ~'a');
        drv_close(&d);
    }
}

static void expect_broken(const char *part)
{
    CHECK(e.virtio.broken);
    CHECK(e.virtio.why && strstr(e.virtio.why, part));
    if (e.virtio.why && !strstr(e.virtio.why, part))
        fprintf(stderr, "  it says: %s\n", e.virtio.why);
    CHECK(drv_status(&d) & VIRTIO_NEEDS_RESET);
    CHECK_EQ(drv_isr(&d) & 2, 2);
    CHECK_EQ(e.served, 0);
    /* Stands still until it is reset, then works. */
    drv_kick(&d, 0);
    CHECK_EQ(e.served, 0);
    CHECK(drv_negotiate(&d, layout(d.packed)));
    drv_add_queue(&d, 0, SIZE);
    drv_start(&d);
    round_trip(3);
    drv_close(&d);
}

static void split_desc(u16 n, u64 addr, u32 len, u16 flags, u16 next)
{
    drv_write_desc(&d, d.q[0].desc + 16u * n, addr, len, flags, next);
}

static void offer_head(u16 head, u16 idx)
{
    put_le16(drv_ram(&d, d.q[0].driver + 4), head);
    put_le16(drv_ram(&d, d.q[0].driver + 2), idx);
    drv_kick(&d, 0);
}

static void split_rules(void)
{
    start(false, layout(false));
    split_desc(0, DRV_DATA, 4, 1, 1);
    split_desc(1, DRV_DATA, 4, 1, 0); /* a loop */
    offer_head(0, 1);
    expect_broken("loop");
    start(false, layout(false));
    offer_head(SIZE, 1);
    expect_broken("outside its table");
    start(false, layout(false));
    offer_head(0, SIZE + 1);
    expect_broken("more buffers are available");
    start(false, layout(false));
    split_desc(0, 0xfffffffffffffff0ull, 0x20, 0, 0);
    offer_head(0, 1);
    expect_broken("outside memory");
    start(false, layout(false));
    split_desc(0, DRV_DATA, 4, 3, 1);
    split_desc(1, DRV_DATA, 4, 0, 0);
    offer_head(0, 1);
    expect_broken("follows one to be written");
    start(false, layout(false));
    split_desc(0, DRV_DATA, 40, 4, 0); /* no multiple of 16 */
    offer_head(0, 1);
    expect_broken("impossible length");
    start(false, layout(false));
    split_desc(0, DRV_DATA, 16, 4, 0);
    drv_write_desc(&d, DRV_DATA, DRV_DATA, 16, 4, 0); /* nested */
    offer_head(0, 1);
    expect_broken("where none may be");
    start(false, layout(false) & ~BIT64(VIRTIO_F_INDIRECT_DESC));
    split_desc(0, DRV_DATA, 16, 4, 0);
    offer_head(0, 1);
    CHECK(e.virtio.why && strstr(e.virtio.why, "not negotiated"));
    drv_close(&d);
}

static void packed_rules(void)
{
    start(false, layout(true));
    for (u16 n = 0; n < SIZE; n++) /* a chain without end */
        split_desc(n, DRV_DATA, 4, 1, 0x81);
    drv_kick(&d, 0);
    expect_broken("longer than the queue");
    start(false, layout(true));
    split_desc(0, DRV_DATA, 4, 0, 0x81);
    split_desc(1, DRV_DATA, 16, 0, 0x84);
    drv_kick(&d, 0);
    expect_broken("where none may be");
    start(false, layout(true));
    split_desc(0, 0x7fffffff, 16, 0, 0x80);
    drv_kick(&d, 0);
    expect_broken("outside memory");
}

/* The same head again and again, while the device has not given it back. */
static void too_many_under_way(void)
{
    start(false, layout(false));
    split_desc(0, DRV_DATA, 4, 0, 0);
    for (u16 n = 1; n <= SIZE + 1; n++) {
        e.hold = 1;
        put_le16(drv_ram(&d, d.q[0].driver + 4 + 2u * ((n - 1) % SIZE)), 0);
        put_le16(drv_ram(&d, d.q[0].driver + 2), n);
        drv_kick(&d, 0);
    }
    CHECK(e.virtio.broken);
    CHECK(e.virtio.why && strstr(e.virtio.why, "under way"));
    drv_close(&d);
}

static void what_was_popped_before_a_reset_is_not_pushed(void)
{
    struct drv_seg s = {DRV_DATA, 4, true};
    u16 id = 0;
    u32 len = 0;

    start(false, layout(false));
    e.hold = 1;
    drv_add(&d, 0, &s, 1);
    drv_kick(&d, 0);
    drv_set_status(&d, 0);
    CHECK_EQ(e.resets, 2);
    CHECK(drv_negotiate(&d, layout(false)));
    drv_add_queue(&d, 0, SIZE);
    drv_start(&d);
    virtq_push(&e.virtio.queue[0], e.held[0], 4);
    CHECK(!drv_used(&d, 0, &id, &len));
    round_trip(9);
    drv_close(&d);
}

static void taken_back_and_given_together(void)
{
    for (unsigned packed = 0; packed < 2; packed++) {
        struct drv_seg s[] = {{DRV_DATA, 4, false}, {DRV_DATA + 64, 4, true}};
        struct virtq_head heads[3];
        u32 written[3] = {1, 2, 3}, len = 0;
        struct virtq *q = &e.virtio.queue[0];
        u16 id = 0;
        start(false, layout(packed));
        for (unsigned i = 0; i < 25; i++) {
            u16 ids[3];
            for (unsigned n = 0; n < 3; n++)
                ids[n] = drv_add(&d, 0, s, 2);
            for (unsigned turn = 0; turn < 2; turn++) {
                for (unsigned n = 0; n < 3; n++) {
                    CHECK(virtq_pop(q, &e.buf));
                    heads[n] = e.buf.head;
                }
                CHECK(!virtq_pop(q, &e.buf));
                for (unsigned n = 3; !turn && n--;)
                    virtq_unpop(q, heads[n]);
            }
            virtq_push_all(q, heads, written, 3);
            for (unsigned n = 0; n < 3; n++) {
                CHECK(drv_used(&d, 0, &id, &len));
                CHECK_EQ(id, ids[n]);
                CHECK_EQ(len, n + 1);
            }
        }
        CHECK_EQ(q->in_use, 0);
        drv_close(&d);
    }
}

/* Interrupts are made where the driver wants to hear of it, and only there. */
static void event_index(void)
{
    struct drv_seg s = {DRV_DATA, 1, false};

    start(false, layout(false));
    put_le16(drv_ram(&d, d.q[0].driver + 4 + 2 * SIZE), 2); /* used_event: the third buffer */
    for (unsigned n = 0; n < 4; n++) {
        drv_isr(&d);
        drv_add(&d, 0, &s, 1);
        drv_kick(&d, 0);
        CHECK_EQ(drv_line(&d), n == 2 || n == 0); /* the first: nothing is known yet */
    }
    CHECK_EQ(le16(drv_ram(&d, d.q[0].device + 4 + 8 * SIZE)), 4); /* avail_event */
    drv_close(&d);
    start(false, layout(true));
    put_le16(drv_ram(&d, d.q[0].driver), 0x8002);
    put_le16(drv_ram(&d, d.q[0].driver + 2), 2);
    for (unsigned n = 0; n < 4; n++) {
        drv_isr(&d);
        drv_add(&d, 0, &s, 1);
        drv_kick(&d, 0);
        CHECK_EQ(drv_line(&d), n == 2 || n == 0);
    }
    CHECK_EQ(le16(drv_ram(&d, d.q[0].device)), 0x8004);
    CHECK_EQ(le16(drv_ram(&d, d.q[0].device + 2)), 2);
    drv_close(&d);
}

static void no_interrupts_without_event_index(void)
{
    struct drv_seg s = {DRV_DATA, 1, false};

    for (unsigned packed = 0; packed < 2; packed++) {
        start(false, layout(packed) & ~BIT64(VIRTIO_F_EVENT_IDX));
        put_le16(drv_ram(&d, d.q[0].driver + (packed ? 2 : 0)), 1);
        drv_add(&d, 0, &s, 1);
        drv_kick(&d, 0);
        CHECK_EQ(e.served, 1);
        CHECK(!drv_line(&d));
        put_le16(drv_ram(&d, d.q[0].driver + (packed ? 2 : 0)), 0);
        drv_add(&d, 0, &s, 1);
        drv_kick(&d, 0);
        CHECK(drv_line(&d));
        drv_close(&d);
    }
}

static void negotiation(void)
{
    drv_open(&d);
    make(&e);
    drv_attach(&d, &e.virtio, false);
    CHECK(
        !drv_negotiate(&d, BIT64(VIRTIO_F_INDIRECT_DESC))); /* a modern driver without VERSION_1 */
    CHECK(!drv_negotiate(&d, DRV_ALL | BIT64(50)));         /* not offered */
    drv_set_status(&d, 0x0f);
    CHECK(!(drv_status(&d) & VIRTIO_DRIVER_OK));
    CHECK(drv_negotiate(&d, DRV_ALL));
    drv_accept(&d, BIT64(VIRTIO_F_VERSION_1)); /* too late */
    CHECK_EQ(e.virtio.accepted, DRV_ALL);
    drv_add_queue(&d, 0, 12); /* no power of two */
    CHECK(drv_status(&d) & VIRTIO_NEEDS_RESET);
    CHECK_EQ(drv_get(&d, 0x1c, 2), 0);
    drv_set_status(&d, 0);
    CHECK_EQ(drv_status(&d), 0);
    drv_close(&d);
}

static void configuration_space(void)
{
    for (unsigned mmio = 0; mmio < 2; mmio++) {
        u32 at = mmio ? 0x100 : 0x2000;
        start(mmio, layout(false));
        CHECK_EQ(drv_get(&d, at, 4), le32("conf"));
        CHECK_EQ(drv_get(&d, at + 5, 1), 'g');
        CHECK_EQ(drv_get(&d, at + 12, 4), 0);
        drv_put(&d, at + 4, 2, 0xffff);
        CHECK_EQ(drv_get(&d, at + 4, 2), ('i' | 0x0f) | 'g' << 8);
        virtio_config_changed(&e.virtio);
        CHECK_EQ(drv_get(&d, mmio ? 0xfc : 0x15, mmio ? 4 : 1), 1);
        CHECK_EQ(drv_isr(&d), 2);
        drv_close(&d);
    }
}

static void message_interrupts(void)
{
    struct drv_seg s = {DRV_DATA, 1, false};
    u32 cap;

    start(false, layout(false));
    for (cap = pci_config_read(d.p.pci, DRV_DEVFN, PCI_CAP_LIST, 1);
         cap && pci_config_read(d.p.pci, DRV_DEVFN, cap, 1) != 0x11;)
        cap = pci_config_read(d.p.pci, DRV_DEVFN, cap + 1, 1);
    CHECK(cap);
    CHECK_EQ(pci_config_read(d.p.pci, DRV_DEVFN, cap + 2, 2), 2); /* two queues and a change */
    pci_config_write(d.p.pci, DRV_DEVFN, cap + 2, 2, 0x8000);
    for (unsigned v = 0; v < 3; v++)
        bus_write(&d.p.rig.mmio, DRV_MSIX + 16 * v + 12, 4, 0);
    drv_put(&d, 0x16, 2, 0);
    drv_put(&d, 0x1a, 2, 7); /* there is none such */
    CHECK_EQ(drv_get(&d, 0x1a, 2), 0xffff);
    drv_add(&d, 0, &s, 1);
    drv_kick(&d, 0);
    CHECK_EQ(d.p.msis, 0);
    drv_put(&d, 0x1a, 2, 1);
    put_le16(drv_ram(&d, d.q[0].driver + 4 + 2 * SIZE), 1);
    drv_add(&d, 0, &s, 1);
    drv_kick(&d, 0);
    CHECK_EQ(d.p.msis, 1);
    drv_put(&d, 0x10, 2, 0);
    virtio_config_changed(&e.virtio);
    CHECK_EQ(d.p.msis, 2);
    CHECK(!drv_line(&d));
    drv_close(&d);
}

/* Through the window in configuration space, as firmware does before it places bars. */
static void window_in_configuration_space(void)
{
    u32 cap;

    start(false, layout(false));
    for (cap = pci_config_read(d.p.pci, DRV_DEVFN, PCI_CAP_LIST, 1); cap;
         cap = pci_config_read(d.p.pci, DRV_DEVFN, cap + 1, 1))
        if (pci_config_read(d.p.pci, DRV_DEVFN, cap, 1) == 9 &&
            pci_config_read(d.p.pci, DRV_DEVFN, cap + 3, 1) == 5)
            break;
    CHECK(cap);
    pci_config_write(d.p.pci, DRV_DEVFN, PCI_COMMAND, 2, PCI_COMMAND_BME);
    pci_config_write(d.p.pci, DRV_DEVFN, cap + 4, 1, 4);
    pci_config_write(d.p.pci, DRV_DEVFN, cap + 8, 4, 0x14);
    pci_config_write(d.p.pci, DRV_DEVFN, cap + 12, 4, 1);
    CHECK_EQ(pci_config_read(d.p.pci, DRV_DEVFN, cap + 16, 1), 0x0f);
    pci_config_write(d.p.pci, DRV_DEVFN, cap + 16, 1, 0);
    CHECK_EQ(e.virtio.status, 0);
    pci_config_write(d.p.pci, DRV_DEVFN, cap + 8, 4, 0xfffffffe);
    pci_config_write(d.p.pci, DRV_DEVFN, cap + 12, 4, 4);
    pci_config_write(d.p.pci, DRV_DEVFN, cap + 16, 4, 0); /* nowhere */
    drv_close(&d);
}

static u32 io(unsigned off, unsigned size)
{
    return (u32)bus_read(&d.p.rig.pio, DRV_IO + off, size);
}

static void set_io(unsigned off, unsigned size, u32 val)
{
    bus_write(&d.p.rig.pio, DRV_IO + off, size, val);
}

static void legacy_driver(void)
{
    struct drv_seg s[] = {{DRV_DATA, 2, false}, {DRV_DATA + 64, 2, true}};
    struct drv_queue *q = &d.q[0];
    u16 id = 0;
    u32 len = 0;

    drv_open(&d);
    make(&e);
    drv_attach(&d, &e.virtio, false);
    CHECK_EQ(pci_config_read(d.p.pci, DRV_DEVFN, 0, 4), 0x10011af4);
    CHECK_EQ(io(0, 4),
             BIT(VIRTIO_F_ANY_LAYOUT) | BIT(VIRTIO_F_INDIRECT_DESC) | BIT(VIRTIO_F_EVENT_IDX));
    set_io(0x12, 1, 3);
    set_io(0x04, 4, 0);
    set_io(0x0e, 2, 0);
    CHECK_EQ(io(0x0c, 2), SIZE);
    *q = (struct drv_queue){.size = SIZE, .desc = 0x20000, .driver = 0x20000 + 16 * SIZE};
    q->device = 0x21000;
    set_io(0x08, 4, 0x20);
    CHECK_EQ(io(0x08, 4), 0x20);
    set_io(0x12, 1, 7);
    put_bytes(DRV_DATA, "xy");
    drv_add(&d, 0, s, 2);
    set_io(0x10, 2, 0);
    CHECK(drv_used(&d, 0, &id, &len));
    CHECK_EQ(*drv_ram(&d, DRV_DATA + 65), (u8) ~'y');
    CHECK(drv_line(&d));
    CHECK_EQ(io(0x13, 1), 1);
    CHECK(!drv_line(&d));
    CHECK_EQ(io(0x14, 4), le32("conf"));
    set_io(0x08, 4, 0); /* the driver goes */
    CHECK_EQ(io(0x12, 1), 0);
    drv_close(&d);
}

static void one_queue_is_reset(void)
{
    struct drv_seg s = {DRV_DATA, 1, false};

    for (unsigned mmio = 0; mmio < 2; mmio++) {
        start(mmio, layout(false) | BIT64(VIRTIO_F_RING_RESET));
        e.hold = 1;
        drv_add(&d, 0, &s, 1);
        drv_kick(&d, 0);
        drv_put(&d, mmio ? 0x30 : 0x16, mmio ? 4 : 2, 0);
        drv_put(&d, mmio ? 0xc0 : 0x3a, mmio ? 4 : 2, 1);
        CHECK_EQ(e.queue_resets, 1);
        CHECK_EQ(drv_get(&d, mmio ? 0x44 : 0x1c, mmio ? 4 : 2), 0);
        drv_add_queue(&d, 0, SIZE);
        round_trip(5);
        drv_close(&d);
    }
}

static void no_memory_without_bus_mastering(void)
{
    struct drv_seg s = {DRV_DATA, 1, false};

    start(false, layout(false));
    pci_config_write(d.p.pci, DRV_DEVFN, PCI_COMMAND, 2, PCI_COMMAND_MEM);
    drv_add(&d, 0, &s, 1);
    drv_kick(&d, 0);
    CHECK_EQ(e.served, 0);
    pci_config_write(d.p.pci, DRV_DEVFN, PCI_COMMAND, 2, PCI_COMMAND_MEM | PCI_COMMAND_BME);
    CHECK_EQ(e.served, 1); /* what waited */
    drv_close(&d);
}

static void is_saved(void)
{
    for (unsigned variant = 0; variant < 4; variant++) {
        struct state_stream stream = {0};
        struct err err;
        start(variant & 1, layout(variant & 2));
        for (u8 i = 0; i < 11; i++)
            round_trip(i);
        CHECK_EQ(state_save(&stream, d.pci ? &virtio_pci_state : &virtio_mmio_state,
                            d.pci ? (void *)d.pci : (void *)d.mmio),
                 0);
        CHECK_EQ(state_save(&stream, &echo_state, &e), 0);
        drv_detach(&d);
        make(&e);
        drv_attach(&d, &e.virtio, variant & 1);
        if (d.pci)
            virtio_pci_reset(d.pci);
        CHECK_EQ(state_load(&stream, d.pci ? &virtio_pci_state : &virtio_mmio_state,
                            d.pci ? (void *)d.pci : (void *)d.mmio, &err),
                 0);
        CHECK_EQ(state_load(&stream, &echo_state, &e, &err), 0);
        CHECK(drv_line(&d));
        for (u8 i = 0; i < 30; i++)
            round_trip(i);
        CHECK_EQ(e.served, 30);
        state_dispose(&stream);
        drv_close(&d);
    }
}

static void a_wrong_state_is_refused(void)
{
    struct state_stream stream = {0};
    struct err err;

    start(false, layout(true));
    round_trip(1);
    e.virtio.queue[0].last_avail = SIZE; /* beyond the packed ring */
    CHECK_EQ(state_save(&stream, &echo_state, &e), 0);
    virtio_reset(&e.virtio);
    CHECK_EQ(state_load(&stream, &echo_state, &e, &err), -EINVAL);
    state_dispose(&stream);
    drv_close(&d);
}

int main(void)
{
    TEST_RUN(buffers_go_round);
    TEST_RUN(an_odd_size_of_a_packed_ring);
    TEST_RUN(indirect);
    TEST_RUN(split_rules);
    TEST_RUN(packed_rules);
    TEST_RUN(too_many_under_way);
    TEST_RUN(what_was_popped_before_a_reset_is_not_pushed);
    TEST_RUN(taken_back_and_given_together);
    TEST_RUN(event_index);
    TEST_RUN(no_interrupts_without_event_index);
    TEST_RUN(negotiation);
    TEST_RUN(configuration_space);
    TEST_RUN(message_interrupts);
    TEST_RUN(window_in_configuration_space);
    TEST_RUN(legacy_driver);
    TEST_RUN(one_queue_is_reset);
    TEST_RUN(no_memory_without_bus_mastering);
    TEST_RUN(is_saved);
    TEST_RUN(a_wrong_state_is_refused);
    return test_result();
}
