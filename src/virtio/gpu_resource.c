/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Resources of the graphics adapter: pixels, and the list of guest memory that they come from
 * (VIRTIO 1.2, section 5.7.6.8). Both lie in the device's own memory, of a fixed size, so that a
 * driver can neither have more of the host nor keep anything from being saved.
 */
#include "base/le.h"
#include "virtio/gpu_priv.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

/* Where the last of the backing was found: offsets only grow. */
struct place {
    u32 entry;
    u64 start; /* its offset in the backing */
};

struct gpu_resource *gpu_resource_find(struct virtio_gpu *gpu, u32 id)
{
    for (unsigned n = 0; n < GPU_RESOURCES && id; n++)
        if (gpu->resource[n].id == id)
            return &gpu->resource[n];
    return NULL;
}

static bool overlap(const struct gpu_block *a, const struct gpu_block *b)
{
    return a->at < b->at + b->len && b->at < a->at + a->len;
}

/* A block in use that has some of b; NULL: it is free. Blocks do not reach 2^63. */
static const struct gpu_block *in_the_way(const struct virtio_gpu *gpu, const struct gpu_block *b)
{
    for (unsigned n = 0; n < GPU_RESOURCES; n++) {
        const struct gpu_resource *r = &gpu->resource[n];
        if (r->pixels.len && overlap(b, &r->pixels))
            return &r->pixels;
        if (r->backing.len && overlap(b, &r->backing))
            return &r->backing;
    }
    return NULL;
}

/* The first place that is large enough. */
static bool take_block(const struct virtio_gpu *gpu, struct gpu_block *out, u64 len)
{
    struct gpu_block b = {0, align_up(len, PAGE_SIZE)};
    const struct gpu_block *other;

    while ((other = in_the_way(gpu, &b)))
        b.at = other->at + other->len;
    if (b.len > gpu->memory_size - b.at)
        return false;
    *out = b;
    return true;
}

static void clear(struct virtio_gpu *gpu, u64 at, u64 len)
{
    if (madvise(gpu->memory + at, len, MADV_DONTNEED))
        memset(gpu->memory + at, 0, len);
}

static void give_block(struct virtio_gpu *gpu, struct gpu_block *b)
{
    if (b->len)
        clear(gpu, b->at, b->len);
    *b = (struct gpu_block){0};
}

static u64 pixels_len(const struct gpu_resource *r)
{
    return (u64)r->width * r->height * GPU_PIXEL;
}

static bool size_is_sane(const struct gpu_resource *r)
{
    return r->width && r->height && r->width <= SURFACE_MAX && r->height <= SURFACE_MAX;
}

u32 gpu_resource_create(struct virtio_gpu *gpu, const struct gpu_resource *wanted)
{
    struct gpu_resource r = {.id = wanted->id,
                             .format = wanted->format,
                             .width = wanted->width,
                             .height = wanted->height};
    struct gpu_resource *to = NULL;

    if (!r.id || gpu_resource_find(gpu, r.id))
        return GPU_ERR_INVALID_RESOURCE;
    if (!gpu_format_known(r.format) || !size_is_sane(&r))
        return GPU_ERR_INVALID_PARAM;
    for (unsigned n = 0; n < GPU_RESOURCES && !to; n++)
        if (!gpu->resource[n].id)
            to = &gpu->resource[n];
    if (!to || !take_block(gpu, &r.pixels, pixels_len(&r)))
        return GPU_ERR_OUT_OF_MEMORY;
    *to = r;
    return GPU_OK_NODATA;
}

void gpu_resource_free(struct virtio_gpu *gpu, struct gpu_resource *r)
{
    if (r->id && gpu->shown == r->id)
        gpu->shown = 0;
    give_block(gpu, &r->pixels);
    give_block(gpu, &r->backing);
    *r = (struct gpu_resource){0};
}

void gpu_resources_reset(struct virtio_gpu *gpu)
{
    memset(gpu->resource, 0, sizeof(gpu->resource));
    clear(gpu, 0, gpu->memory_size);
}

u32 gpu_resource_attach(struct virtio_gpu *gpu, struct gpu_resource *r, u32 entries, u64 off)
{
    u64 len = (u64)entries * GPU_ENTRY_LEN;

    if (r->entries)
        return GPU_ERR_UNSPEC;
    if (!entries || entries > GPU_ENTRIES || off > gpu->buf.out_len || len > gpu->buf.out_len - off)
        return GPU_ERR_INVALID_PARAM;
    if (!take_block(gpu, &r->backing, len))
        return GPU_ERR_OUT_OF_MEMORY;
    r->entries = entries;
    virtq_read(&gpu->buf, off, gpu->memory + r->backing.at, len);
    return GPU_OK_NODATA;
}

void gpu_resource_detach(struct virtio_gpu *gpu, struct gpu_resource *r)
{
    give_block(gpu, &r->backing);
    r->entries = 0;
}

static int read_guest(struct virtio_gpu *gpu, u64 addr, u64 skip, u8 *to, u64 len)
{
    if (skip + len > UINT64_MAX - addr)
        return -EFAULT;
    return mem_read(gpu->virtio.mem, addr + skip, to, len);
}

/* -EFAULT: the backing ends before, or is no memory. */
static int read_backing(struct virtio_gpu *gpu, const struct gpu_resource *r, struct place *at,
                        u64 off, u8 *to, u64 len)
{
    while (len) {
        const u8 *entry = gpu->memory + r->backing.at + (u64)at->entry * GPU_ENTRY_LEN;
        u64 skip = off - at->start, has, here;
        if (at->entry == r->entries)
            return -EFAULT;
        has = le32(entry + 8);
        if (skip >= has) {
            at->start += has;
            at->entry++;
            continue;
        }
        here = min_u64(len, has - skip);
        if (read_guest(gpu, le64(entry), skip, to, here))
            return -EFAULT;
        off += here;
        to += here;
        len -= here;
    }
    return 0;
}

bool gpu_rect_within(const struct gpu_rect *rect, const struct gpu_resource *r)
{
    return rect->x <= r->width && rect->w <= r->width - rect->x && rect->y <= r->height &&
           rect->h <= r->height - rect->y;
}

u32 gpu_resource_transfer(struct virtio_gpu *gpu, struct gpu_resource *r,
                          const struct gpu_rect *rect, u64 off)
{
    u64 pitch = (u64)r->width * GPU_PIXEL, len = (u64)rect->w * GPU_PIXEL, rows = rect->h;
    u8 *to = gpu->memory + r->pixels.at + rect->y * pitch + (u64)rect->x * GPU_PIXEL;
    struct place at = {0};

    if (!r->entries)
        return GPU_ERR_UNSPEC;
    if (off > (u64)GPU_ENTRIES * UINT32_MAX)
        return GPU_ERR_INVALID_PARAM;
    gpu->work += len * rows + (u64)r->entries * GPU_ENTRY_LEN;
    if (len == pitch) {
        len *= rows;
        rows = 1;
    }
    for (u64 y = 0; y < rows; y++)
        if (read_backing(gpu, r, &at, off + y * pitch, to + y * pitch, len))
            return GPU_ERR_INVALID_PARAM;
    return GPU_OK_NODATA;
}

static bool block_is_sane(const struct virtio_gpu *gpu, const struct gpu_block *b, u64 len)
{
    return b->len == align_up(len, PAGE_SIZE) && !(b->at % PAGE_SIZE) &&
           b->at <= gpu->memory_size && b->len <= gpu->memory_size - b->at;
}

static bool resource_is_sane(const struct virtio_gpu *gpu, const struct gpu_resource *r)
{
    if (!r->id)
        return !r->pixels.len && !r->backing.len && !r->entries;
    return gpu_format_known(r->format) && size_is_sane(r) && r->entries <= GPU_ENTRIES &&
           block_is_sane(gpu, &r->pixels, pixels_len(r)) &&
           block_is_sane(gpu, &r->backing, (u64)r->entries * GPU_ENTRY_LEN);
}

static bool are_apart(const struct gpu_resource *a, const struct gpu_resource *b)
{
    return a->id != b->id && !overlap(&a->pixels, &b->pixels) &&
           !overlap(&a->pixels, &b->backing) && !overlap(&a->backing, &b->pixels) &&
           !overlap(&a->backing, &b->backing);
}

int gpu_resources_loaded(const struct virtio_gpu *gpu)
{
    for (unsigned n = 0; n < GPU_RESOURCES; n++) {
        const struct gpu_resource *r = &gpu->resource[n];
        if (!resource_is_sane(gpu, r) || (r->id && overlap(&r->pixels, &r->backing)))
            return -EINVAL;
        for (unsigned i = 0; i < n && r->id; i++)
            if (gpu->resource[i].id && !are_apart(r, &gpu->resource[i]))
                return -EINVAL;
    }
    return 0;
}
