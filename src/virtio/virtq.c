/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What both layouts have in common: guest memory, buffers, life of a queue. */
#include "base/le.h"
#include "virtio/virtq_priv.h"

#include <errno.h>
#include <string.h>

bool virtq_wrong(struct virtq *q, const char *why)
{
    virtio_break(q->dev, why);
    return false;
}

/* An address that is even, as virtq_enable has seen to. */
static u16 *word(struct virtq *q, gpa_t gpa, enum mem_access how)
{
    u64 n;
    u8 *host = mem_stretch(q->dev->mem, gpa, 2, how, &n);

    if (!host)
        virtq_wrong(q, "a ring is outside memory");
    return (u16 *)(void *)host;
}

__attribute__((no_sanitize("thread"))) bool virtq_load16(struct virtq *q, gpa_t gpa, u16 *out)
{
    const u16 *host = word(q, gpa, MEM_READ);

    if (!host)
        return false;
    *out = __atomic_load_n(host, __ATOMIC_ACQUIRE);
    return true;
}

__attribute__((no_sanitize("thread"))) bool virtq_store16(struct virtq *q, gpa_t gpa, u16 val)
{
    u16 *host = word(q, gpa, MEM_WRITE);

    if (!host)
        return false;
    __atomic_store_n(host, val, __ATOMIC_RELEASE);
    mem_host_written(q->dev->mem, (const u8 *)host, 2);
    return true;
}

bool virtq_desc_read(struct virtq *q, gpa_t table, u32 n, struct virtq_desc *d)
{
    u8 raw[DESC_SIZE];

    if (mem_read(q->dev->mem, table + (u64)n * DESC_SIZE, raw, sizeof(raw)))
        return virtq_wrong(q, "a table of descriptors is outside memory");
    *d = (struct virtq_desc){le64(raw), le32(raw + 8), le16(raw + 12), le16(raw + 14)};
    if (q->packed) {
        d->next = le16(raw + 12);
        d->flags = le16(raw + 14);
    }
    return true;
}

u32 virtq_indirect_len(struct virtq *q, const struct virtq_desc *d)
{
    if (!virtio_has(q->dev, VIRTIO_F_INDIRECT_DESC))
        virtq_wrong(q, "an indirect descriptor that was not negotiated");
    else if (!d->len || d->len % DESC_SIZE || d->len / DESC_SIZE > UINT16_MAX + 1u)
        virtq_wrong(q, "an indirect table of an impossible length");
    else if (q->packed && d->len / DESC_SIZE > VIRTQ_CHAIN_MAX)
        virtq_wrong(q, "an indirect table is too long");
    else
        return d->len / DESC_SIZE;
    return 0;
}

bool virtq_add(struct virtq *q, struct virtq_buf *buf, const struct virtq_desc *d)
{
    bool in = d->flags & DESC_WRITE;
    u64 left = d->len, n;

    if (buf->nin && !in)
        return virtq_wrong(q, "a buffer to be read follows one to be written");
    for (gpa_t gpa = d->addr; left; gpa += n, left -= n) {
        u8 *host = mem_stretch(q->dev->mem, gpa, left, in ? MEM_WRITE : MEM_READ, &n);
        if (!host)
            return virtq_wrong(q, "a buffer is outside memory");
        if (buf->nout + buf->nin == VIRTQ_IOV_MAX)
            return virtq_wrong(q, "a buffer has too many parts");
        buf->iov[buf->nout + buf->nin] = (struct iovec){host, n};
        buf->nin += in;
        buf->nout += !in;
    }
    if (in)
        buf->in_len += d->len;
    else
        buf->out_len += d->len;
    return true;
}

static void want_notify(struct virtq *q, bool on)
{
    if (q->packed)
        packed_want_notify(q, on);
    else
        split_want_notify(q, on);
    q->quiet = !on;
}

bool virtq_pending(struct virtq *q)
{
    if (!q->ready || !virtio_live(q->dev))
        return false;
    return q->packed ? packed_pending(q) : split_pending(q);
}

/* A driver cannot have more buffers under way than descriptors. */
static int pop(struct virtq *q, struct virtq_buf *buf)
{
    int n;

    buf->head = (struct virtq_head){.generation = q->generation};
    buf->out_len = buf->in_len = 0;
    buf->nout = buf->nin = 0;
    n = q->packed ? packed_pop(q, buf) : split_pop(q, buf);
    if (n > 0 && buf->head.slots > q->size - q->in_use) {
        virtq_wrong(q, "more buffers are under way than the queue has descriptors");
        return -1;
    }
    if (n > 0)
        q->in_use = (u16)(q->in_use + buf->head.slots);
    return n;
}

bool virtq_pop(struct virtq *q, struct virtq_buf *buf)
{
    int n;

    if (!q->ready || !virtio_live(q->dev) || q->dev->held)
        return false;
    if (!q->budget) {
        virtio_go_on(q);
        return false;
    }
    n = pop(q, buf);
    if (!n) {
        want_notify(q, true);
        if (!virtq_pending(q)) /* one that came before the driver saw that */
            return false;
        n = pop(q, buf);
    }
    if (n > 0 && !q->quiet)
        want_notify(q, false);
    if (n > 0 && q->budget != VIRTQ_NO_LIMIT)
        q->budget--;
    return n > 0;
}

void virtq_unpop(struct virtq *q, struct virtq_head head)
{
    if (head.generation != q->generation)
        return;
    q->in_use = (u16)(q->in_use - head.slots);
    if (q->packed)
        packed_unpop(q, head.slots);
    else
        split_unpop(q);
}

void virtq_push_all(struct virtq *q, const struct virtq_head *heads, const u32 *written, unsigned n)
{
    if (!n || heads[0].generation != q->generation)
        return;
    for (unsigned i = 0; i < n; i++)
        q->in_use = (u16)(q->in_use - heads[i].slots);
    if (!q->ready || !virtio_gives_back(q->dev))
        return;
    if (q->packed)
        packed_push(q, heads, written, n);
    else
        split_push(q, heads, written, n);
    q->unsaid = true;
}

void virtq_push(struct virtq *q, struct virtq_head head, u32 written)
{
    virtq_push_all(q, &head, &written, 1);
}

void virtq_interrupt(struct virtq *q)
{
    struct virtio *dev = q->dev;

    if (!q->unsaid)
        return;
    q->unsaid = false;
    if (!q->ready || !virtio_gives_back(dev) || !dev->transport)
        return;
    if (q->packed ? packed_wants_interrupt(q) : split_wants_interrupt(q))
        dev->transport->queue_interrupt(dev->transport_opaque, q);
}

/* Goes over [off, off + len) of n parts; exactly one of to, from is set, or neither: `byte`. */
static __attribute__((no_sanitize("thread"))) u64 copy(struct mem *mem, const struct iovec *iov,
                                                       unsigned n, u64 off, void *to,
                                                       const void *from, u8 byte, u64 len)
{
    u64 done = 0;

    for (unsigned i = 0; i < n && done < len; i++) {
        u8 *host = iov[i].iov_base;
        u64 piece;
        if (off >= iov[i].iov_len) {
            off -= iov[i].iov_len;
            continue;
        }
        host += off;
        piece = min_u64(iov[i].iov_len - off, len - done);
        off = 0;
        if (to)
            memcpy((u8 *)to + done, host, piece);
        else if (from)
            memcpy(host, (const u8 *)from + done, piece);
        else
            memset(host, byte, piece);
        if (!to)
            mem_host_written(mem, host, piece);
        done += piece;
    }
    return done;
}

u64 virtq_read(const struct virtq_buf *buf, u64 off, void *to, u64 len)
{
    return copy(NULL, buf->iov, buf->nout, off, to, NULL, 0, len);
}

u64 virtq_write(struct virtq *q, const struct virtq_buf *buf, u64 off, const void *from, u64 len)
{
    return copy(q->dev->mem, buf->iov + buf->nout, buf->nin, off, NULL, from, 0, len);
}

u64 virtq_fill(struct virtq *q, const struct virtq_buf *buf, u64 off, u8 byte, u64 len)
{
    return copy(q->dev->mem, buf->iov + buf->nout, buf->nin, off, NULL, NULL, byte, len);
}

void virtq_reset(struct virtq *q)
{
    q->size = q->size_max;
    q->ready = q->packed = false;
    q->desc = q->driver = q->device = 0;
    q->vector = VIRTIO_NO_VECTOR;
    q->last_avail = q->used = q->signalled = q->in_use = 0;
    q->avail_wrap = q->used_wrap = true;
    q->signalled_valid = q->quiet = q->unsaid = q->starved = false;
    q->generation++;
}

/* What the specification demands of addresses and size (2.7, 2.8). */
static bool is_possible(const struct virtq *q, bool split)
{
    if (!q->size || q->size > q->size_max || (split && q->size & (q->size - 1)))
        return false;
    return !(q->desc & 15) && !(q->driver & (split ? 1 : 3)) && !(q->device & 3);
}

int virtq_enable(struct virtq *q)
{
    bool packed = virtio_has(q->dev, VIRTIO_F_RING_PACKED);

    if (!is_possible(q, !packed))
        return -EINVAL;
    q->packed = packed;
    q->ready = true;
    return 0;
}

void virtq_set_legacy(struct virtq *q, u32 pfn)
{
    u16 vector = q->vector;

    virtq_reset(q);
    q->vector = vector;
    if (!pfn)
        return;
    q->desc = (u64)pfn << PAGE_SHIFT;
    q->driver = q->desc + (u64)DESC_SIZE * q->size;
    q->device = align_up(q->driver + 6 + 2u * q->size, PAGE_SIZE);
    q->ready = true;
}

#define U(f) STATE_UINT(struct virtq, f)
#define B(f) STATE_BOOL(struct virtq, f)
const struct state_field virtq_fields[] = {
    U(size),
    B(ready),
    U(desc),
    U(driver),
    U(device),
    U(vector),
    B(packed),
    U(last_avail),
    U(used),
    B(avail_wrap),
    B(used_wrap),
    U(signalled),
    B(signalled_valid),
    B(quiet),
    U(in_use),
    STATE_END,
};
#undef U
#undef B

int virtq_loaded(struct virtq *q)
{
    if (q->size > q->size_max)
        return -EINVAL;
    if (!q->ready)
        return q->in_use ? -EINVAL : 0;
    if (q->in_use > q->size)
        return -EINVAL;
    if (!is_possible(q, !q->packed))
        return -EINVAL;
    return q->packed && (q->last_avail >= q->size || q->used >= q->size) ? -EINVAL : 0;
}
