/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Graphics adapter in 2D; see gpu.c. */
#pragma once
#include "ui/surface.h"
#include "virtio/virtio.h"

#define VIRTIO_GPU_MEMORY_DEFAULT (256 * MiB)

struct virtio_gpu;

struct virtio_gpu_config {
    u32 width, height;   /* the monitor's own size; 0: 1024x768 */
    u64 memory;          /* bytes for resources, whole pages; 0: VIRTIO_GPU_MEMORY_DEFAULT */
    struct display *vga; /* is shown until a driver sets a scanout; not owned; NULL: nothing is */
    bool packed;
};

/* -EINVAL for sizes that cannot be, -ENOMEM. */
must_check int virtio_gpu_new(struct virtio_gpu **out, struct mem *mem, struct clock *clk,
                              const struct virtio_gpu_config *cfg);
void virtio_gpu_free(struct virtio_gpu *gpu);
struct virtio *virtio_gpu_dev(struct virtio_gpu *gpu);
struct display *virtio_gpu_display(struct virtio_gpu *gpu);

extern const struct state_table virtio_gpu_state;
