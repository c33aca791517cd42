/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Graphics adapter in 2D (VIRTIO 1.2, section 5.7) with one scanout, a cursor and EDID. Together
 * with a VGA (dev/bochsvga.c) it is what QEMU has as virtio-vga. Left out: 3D, blobs, UUIDs,
 * a monitor that changes its size. Runs under the machine's lock; what a driver has it move goes on
 * by timer after TURN bytes.
 */
#include "virtio/gpu.h"
#include "base/le.h"
#include "virtio/gpu_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define CONTROL_QUEUE_SIZE 64u
#define CURSOR_QUEUE_SIZE  16u
#define TURN               (64 * MiB)

/* Configuration space, 5.7.4. There are no events. */
#define CFG_NUM_SCANOUTS 8u
#define CFG_LEN          16u

static void notify(void *opaque, struct virtq *q)
{
    struct virtio_gpu *gpu = opaque;

    gpu->work = 0;
    gpu->changed = true;
    while (gpu->work < TURN && virtq_pop(q, &gpu->buf))
        virtq_push(q, gpu->buf.head, gpu_serve(gpu, q));
    if (gpu->work >= TURN)
        virtio_go_on(q);
    virtq_interrupt(q);
}

static void reset(void *opaque)
{
    struct virtio_gpu *gpu = opaque;

    gpu_resources_reset(gpu);
    gpu->shown = 0;
    gpu->shows = (struct gpu_rect){0};
    gpu->taken = false;
    gpu->changed = true;
    memset(&gpu->cursor, 0, sizeof(gpu->cursor));
}

static const struct virtio_ops ops = {.notify = notify, .reset = reset};

static void fill_config(struct virtio_gpu *gpu)
{
    memset(gpu->virtio.config, 0, CFG_LEN);
    put_le32(gpu->virtio.config + CFG_NUM_SCANOUTS, 1);
}

static void set_up(struct virtio_gpu *gpu, struct mem *mem, struct clock *clk,
                   const struct virtio_gpu_config *cfg)
{
    struct virtio_init init = {.name = "virtio-gpu",
                               .type = VIRTIO_GPU,
                               .class = cfg->vga ? 0x0300 : 0x0380,
                               .ops = &ops,
                               .opaque = gpu,
                               .mem = mem,
                               .clk = clk,
                               .features = BIT64(VIRTIO_GPU_F_EDID),
                               .config_len = CFG_LEN};

    if (cfg->packed)
        init.features |= BIT64(VIRTIO_F_RING_PACKED);
    virtio_init(&gpu->virtio, &init);
    virtio_add_queue(&gpu->virtio, CONTROL_QUEUE_SIZE);
    virtio_add_queue(&gpu->virtio, CURSOR_QUEUE_SIZE);
    fill_config(gpu);
    edid_make(gpu->edid, gpu->width, gpu->height);
    gpu->display = (struct display){.ops = &gpu_display_ops, .opaque = gpu};
}

int virtio_gpu_new(struct virtio_gpu **out, struct mem *mem, struct clock *clk,
                   const struct virtio_gpu_config *cfg)
{
    u32 width = cfg->width ? cfg->width : 1024, height = cfg->height ? cfg->height : 768;
    u64 memory = cfg->memory ? cfg->memory : VIRTIO_GPU_MEMORY_DEFAULT;
    struct virtio_gpu *gpu;

    if (width < 640 || width > 4088 || height < 480 || height > 4095 || memory % PAGE_SIZE)
        return -EINVAL;
    gpu = calloc(1, sizeof(*gpu));
    if (!gpu)
        return -ENOMEM;
    gpu->memory = mmap(NULL, memory, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (gpu->memory == MAP_FAILED) {
        free(gpu);
        return -ENOMEM;
    }
    gpu->memory_size = memory;
    gpu->width = width;
    gpu->height = height;
    gpu->vga = cfg->vga;
    gpu->changed = true;
    set_up(gpu, mem, clk, cfg);
    *out = gpu;
    return 0;
}

void virtio_gpu_free(struct virtio_gpu *gpu)
{
    if (!gpu)
        return;
    virtio_dispose(&gpu->virtio);
    surface_dispose(&gpu->display.surface);
    munmap(gpu->memory, gpu->memory_size);
    free(gpu);
}

struct virtio *virtio_gpu_dev(struct virtio_gpu *gpu)
{
    return &gpu->virtio;
}

struct display *virtio_gpu_display(struct virtio_gpu *gpu)
{
    return &gpu->display;
}

static u8 *memory(void *obj, u64 *len)
{
    struct virtio_gpu *gpu = obj;

    *len = gpu->memory_size;
    return gpu->memory;
}

static const struct state_field rect_fields[] = {
    STATE_UINT(struct gpu_rect, x),
    STATE_UINT(struct gpu_rect, y),
    STATE_UINT(struct gpu_rect, w),
    STATE_UINT(struct gpu_rect, h),
    STATE_END,
};

static const struct state_field block_fields[] = {
    STATE_UINT(struct gpu_block, at),
    STATE_UINT(struct gpu_block, len),
    STATE_END,
};

static const struct state_field resource_fields[] = {
    STATE_UINT(struct gpu_resource, id),
    STATE_UINT(struct gpu_resource, format),
    STATE_UINT(struct gpu_resource, width),
    STATE_UINT(struct gpu_resource, height),
    STATE_STRUCTS(struct gpu_resource, pixels, 1, block_fields),
    STATE_STRUCTS(struct gpu_resource, backing, 1, block_fields),
    STATE_UINT(struct gpu_resource, entries),
    STATE_END,
};

static const struct state_field cursor_fields[] = {
    STATE_BOOL(struct gpu_cursor, visible),
    STATE_UINT(struct gpu_cursor, x),
    STATE_UINT(struct gpu_cursor, y),
    STATE_ARRAY(struct gpu_cursor, pixels),
    STATE_END,
};

static const struct state_field fields[] = {
    STATE_STRUCTS(struct virtio_gpu, virtio, 1, virtio_fields),
    STATE_STRUCTS(struct virtio_gpu, resource, GPU_RESOURCES, resource_fields),
    STATE_UINT(struct virtio_gpu, shown),
    STATE_STRUCTS(struct virtio_gpu, shows, 1, rect_fields),
    STATE_BOOL(struct virtio_gpu, taken),
    STATE_STRUCTS(struct virtio_gpu, cursor, 1, cursor_fields),
    STATE_PAGES("memory", memory, 0),
    STATE_END,
};

static int loaded(void *opaque)
{
    struct virtio_gpu *gpu = opaque;
    const struct gpu_resource *r = gpu_resource_find(gpu, gpu->shown);
    int rc = virtio_loaded(&gpu->virtio);

    fill_config(gpu);
    gpu->changed = true;
    if (!rc)
        rc = gpu_resources_loaded(gpu);
    if (rc || (gpu->shown && (!r || !gpu->taken || !gpu_can_show(&gpu->shows, r))) ||
        gpu->virtio.queue[0].in_use || gpu->virtio.queue[1].in_use)
        return -EINVAL;
    return 0;
}

const struct state_table virtio_gpu_state = {
    .name = "virtio-gpu", .version = 1, .oldest = 1, .fields = fields, .loaded = loaded};
