/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A virtqueue alone, split or packed: descriptors, rings and indirect tables that a driver may
 * change at any moment, and a device that takes, gives back and uses buffers in any order. What
 * comes out must lie in guest memory and be as long as it says.
 */
#include "base/le.h"
#include "dev_input.h"
#include "mem/mem.h"
#include "virtio/virtio.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

#define RAM    (2 * MiB)
#define DESC   0x10000u /* the three areas, then a page for indirect tables and one of data */
#define DRIVER 0x11000u
#define DEVICE 0x12000u
#define TABLES 0x13000u
#define END    0x15000u
#define HELD   8u

struct ring {
    struct mem *mem;
    struct clock *clk;
    struct virtio dev;
    struct virtq *q;
    struct virtq_head held[HELD]; /* buffers that the device has, the last one on top */
    unsigned n;
};

static struct virtq_buf buf;

static void ignore(void *opaque, struct virtq *q)
{
}

static void ignore_config(void *opaque)
{
}

static const struct virtio_ops ops = {.queue_reset = ignore};
static const struct virtio_transport transport = {.queue_interrupt = ignore,
                                                  .config_interrupt = ignore_config};

/* Mostly near the rings; else where memory ends, or is none. */
static u64 place(struct input *in)
{
    static const u64 edges[] = {RAM - 8, RAM, 0x9fff8, 0xa0000, 0xfffffffffffffff8, 0, 0xfff0, 1};
    u64 at = input_take(in, 2);

    return at >> 15 ? edges[at & 7] + (at >> 12 & 7) : DESC + at % (END - DESC);
}

static void put_desc(struct ring *r, struct input *in, u32 table)
{
    u32 n = (u32)input_take(in, 1) % 32;
    u8 *p = mem_ptr(r->mem, table + 16 * n);
    u64 addr = place(in), len = input_take(in, 2), flags = input_take(in, 2);

    put_le64(p, addr);
    put_le32(p + 8, len >> 15 ? (u32)(len << 17) : (u32)len & 0xff0u);
    put_le16(p + 12, (u16)(r->q->packed ? input_take(in, 1) : flags & 7));
    put_le16(p + 14, (u16)(r->q->packed ? flags & 0x8087u : input_take(in, 1) & 31));
}

static void set_up(struct ring *r, struct input *in)
{
    static const u16 sizes[] = {8, 1, 2, 16, 3, 7, 32, 0};
    u8 how = (u8)input_take(in, 1);

    virtio_reset(&r->dev);
    r->dev.status = VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER | VIRTIO_FEATURES_OK | VIRTIO_DRIVER_OK;
    r->dev.accepted = BIT64(VIRTIO_F_VERSION_1) | (u64)(how & 1) << VIRTIO_F_RING_PACKED |
                      (u64)(how >> 1 & 1) << VIRTIO_F_EVENT_IDX |
                      (u64)(~how >> 2 & 1) << VIRTIO_F_INDIRECT_DESC;
    r->q->size = sizes[how >> 3 & 7];
    r->q->desc = how >> 6 & 1 ? place(in) : DESC;
    r->q->driver = how >> 7 ? place(in) : DRIVER;
    r->q->device = DEVICE;
    r->n = 0;
    if (virtq_enable(r->q))
        BUG_ON(r->q->ready);
}

static void check(const struct ring *r)
{
    u64 out = 0, in = 0;

    BUG_ON(buf.nout + buf.nin > VIRTQ_IOV_MAX || r->q->in_use > r->q->size || !buf.head.slots);
    for (unsigned i = 0; i < buf.nout + buf.nin; i++) {
        u8 *p = buf.iov[i].iov_base;
        BUG_ON(!buf.iov[i].iov_len || p < r->mem->ram ||
               p + buf.iov[i].iov_len > r->mem->ram + RAM);
        *(i < buf.nout ? &out : &in) += buf.iov[i].iov_len;
    }
    BUG_ON(out != buf.out_len || in != buf.in_len);
}

static void use(struct ring *r, struct input *in)
{
    u8 bytes[256];
    u64 off = input_take(in, 1), n = virtq_read(&buf, off, bytes, sizeof(bytes));

    BUG_ON(n > buf.out_len);
    /* Small, so that it does not fill memory all the time, yet may hit the ring. */
    BUG_ON(virtq_fill(r->q, &buf, off, (u8)input_take(in, 1), 64) > buf.in_len);
}

static void take(struct ring *r, struct input *in)
{
    if (r->n == HELD || !virtq_pop(r->q, &buf))
        return;
    check(r);
    r->held[r->n++] = buf.head;
    use(r, in);
}

static void give(struct ring *r, struct input *in)
{
    u32 written[HELD];
    unsigned from = r->n ? (unsigned)input_take(in, 1) % r->n : 0;

    for (unsigned i = 0; i < HELD; i++)
        written[i] = (u32)input_take(in, 1);
    virtq_push_all(r->q, r->held + from, written, r->n - from);
    r->n = from;
}

static void step(struct ring *r, struct input *in)
{
    u8 op = (u8)input_take(in, 1);

    switch (op & 15) {
    case 0:
    case 1:
    case 2:
        put_desc(r, in, DESC);
        break;
    case 3:
        put_desc(r, in, TABLES);
        break;
    case 4: /* a word of the driver's area */
        put_le16(mem_ptr(r->mem, DRIVER + (op >> 4) * 2), (u16)input_take(in, op >> 7 ? 2 : 1));
        break;
    case 5: /* one more is available, of a split ring */
        put_le16(mem_ptr(r->mem, DRIVER + 2), (u16)(le16(mem_ptr(r->mem, DRIVER + 2)) + 1));
        break;
    case 6:
        give(r, in);
        virtq_interrupt(r->q);
        break;
    case 7:
        if (r->n)
            virtq_unpop(r->q, r->held[--r->n]);
        break;
    case 8:
        BUG_ON(virtq_pending(r->q) && !virtio_live(&r->dev));
        break;
    case 9:
        if (op >> 4 == 15)
            set_up(r, in);
        else if (op >> 4 == 14)
            virtio_queue_reset(&r->dev, r->q);
        break;
    default:
        take(r, in);
    }
}

static void make(struct ring *r)
{
    static struct bus mmio;
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    struct virtio_init init = {.name = "ring", .ops = &ops, .features = ~0ull};
    struct err err;

    bus_init(&mmio, "mmio", &lock);
    BUG_ON(mem_new(&r->mem, RAM, &mmio, &err) || clock_new_manual(&r->clk));
    init.mem = r->mem;
    init.clk = r->clk;
    virtio_init(&r->dev, &init);
    r->q = virtio_add_queue(&r->dev, 32);
    virtio_connect(&r->dev, &transport, r);
    virtio_set_dma(&r->dev, true);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    static struct ring r; /* made once: memory costs more than a run */
    struct input in = {data, size};

    if (!r.mem)
        make(&r);
    BUG_ON(mem_fill(r.mem, DESC, 0, END - DESC));
    set_up(&r, &in);
    while (input_left(&in))
        step(&r, &in);
    virtio_reset(&r.dev);
    return 0;
}
