/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of the graphics adapter share. */
#pragma once
#include "dev/edid.h"
#include "virtio/gpu.h"

#define VIRTIO_GPU_F_EDID 1u

#define GPU_RESOURCES   256u
#define GPU_ENTRIES     16384u /* of one resource's backing */
#define GPU_ENTRY_LEN   16u    /* struct virtio_gpu_mem_entry: le64 addr, le32 length, padding */
#define GPU_PIXEL       4u     /* bytes, in all formats */
#define GPU_CURSOR_SIZE 64u    /* both ways */

/* Responses, 5.7.6.7. */
#define GPU_OK_NODATA            0x1100u
#define GPU_OK_DISPLAY_INFO      0x1101u
#define GPU_OK_EDID              0x1104u
#define GPU_ERR_UNSPEC           0x1200u
#define GPU_ERR_OUT_OF_MEMORY    0x1201u
#define GPU_ERR_INVALID_SCANOUT  0x1202u
#define GPU_ERR_INVALID_RESOURCE 0x1203u
#define GPU_ERR_INVALID_PARAM    0x1205u

struct gpu_rect {
    u32 x, y, w, h;
};

/* Whole pages of the device's memory; len 0: none. */
struct gpu_block {
    u64 at, len;
};

struct gpu_resource {
    u32 id; /* 0: there is none */
    u32 format, width, height;
    struct gpu_block pixels;  /* rows of width */
    struct gpu_block backing; /* its entries, as the driver gave them */
    u32 entries;              /* 0: it has no backing */
};

struct gpu_cursor {
    bool visible;
    u32 x, y;                                      /* of its corner; two's complement */
    u32 pixels[GPU_CURSOR_SIZE * GPU_CURSOR_SIZE]; /* ARGB8888, multiplied by A */
};

struct virtio_gpu {
    struct virtio virtio;
    struct display display, *vga;
    u32 width, height; /* the monitor's */
    u8 edid[EDID_SIZE];
    u8 *memory; /* zeros where no block is */
    u64 memory_size;
    struct gpu_resource resource[GPU_RESOURCES];
    u32 shown;             /* the scanout's resource; 0: it is off */
    struct gpu_rect shows; /* … and the part of it */
    bool taken;            /* from the VGA, until reset */
    struct gpu_cursor cursor;
    bool changed; /* the picture may have, since it was drawn last */
    u64 work;     /* bytes that were moved in this turn */
    struct virtq_buf buf;
    u32 line[SURFACE_MAX];
};

/* gpu_resource.c: memory and what is in it. These return responses. */
struct gpu_resource *gpu_resource_find(struct virtio_gpu *gpu, u32 id); /* NULL: no such */
u32 gpu_resource_create(struct virtio_gpu *gpu, const struct gpu_resource *wanted);
void gpu_resource_free(struct virtio_gpu *gpu, struct gpu_resource *r);
/* `entries` of them are in gpu->buf from byte `off` on. */
u32 gpu_resource_attach(struct virtio_gpu *gpu, struct gpu_resource *r, u32 entries, u64 off);
void gpu_resource_detach(struct virtio_gpu *gpu, struct gpu_resource *r);
/* Copies a rectangle, which lies within it, from the backing, where it begins at byte `off`. */
u32 gpu_resource_transfer(struct virtio_gpu *gpu, struct gpu_resource *r,
                          const struct gpu_rect *rect, u64 off);
bool gpu_rect_within(const struct gpu_rect *rect, const struct gpu_resource *r);
/* Frees all, whatever a saved state that was refused has left there. */
void gpu_resources_reset(struct virtio_gpu *gpu);
/* After a saved state was read. */
must_check int gpu_resources_loaded(const struct virtio_gpu *gpu);

/* gpu_draw.c */
bool gpu_format_known(u32 format);
/* It may be shown: within the resource and a surface's limits. */
bool gpu_can_show(const struct gpu_rect *rect, const struct gpu_resource *r);
/* r is 64x64. */
void gpu_cursor_set(struct virtio_gpu *gpu, const struct gpu_resource *r);
extern const struct display_ops gpu_display_ops;

/* gpu_cmd.c: carries out the request in gpu->buf and answers it; how many bytes it wrote. */
u32 gpu_serve(struct virtio_gpu *gpu, struct virtq *q);
