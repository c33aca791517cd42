/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A virtio graphics adapter; see virtio_input.h. */
#include "virtio/gpu.h"
#include "virtio_input.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

#define REQUEST  DRV_DATA
#define RESPONSE (DRV_DATA + 0x8000)

static int vga_refresh(void *opaque, struct surface *s)
{
    int rc = surface_resize(s, 72, 40);

    if (!rc)
        surface_fill(s, 0x445566);
    return rc;
}

static const struct display_ops vga_ops = {.refresh = vga_refresh};

/* A command that reaches deep: words are small, or of the input as they are. */
static void command(struct virtio_target *t, struct input *in, u8 op)
{
    static const u16 types[] = {0x100, 0x101, 0x102, 0x103, 0x104, 0x105, 0x106,
                                0x107, 0x10a, 0x300, 0x301, 0x105, 0x106, 0x103};
    struct drv_seg s[] = {{REQUEST, 24 + 4 * 12, false}, {RESPONSE, 1056, true}};
    u32 type = types[op % ARRAY_SIZE(types)];
    u16 queue = type >= 0x300;

    put_le32(drv_ram(&t->d, REQUEST), type);
    for (unsigned n = 0; n < 12; n++) {
        u32 word = (u32)input_take(in, 1);
        if (word == 0xff)
            word = (u32)input_take(in, 4);
        put_le32(drv_ram(&t->d, REQUEST + 24 + 4 * n), word);
    }
    drv_add(&t->d, queue, s, 2);
    drv_kick(&t->d, queue);
}

static void host(struct virtio_target *t, struct input *in, u8 op)
{
    struct display *display = virtio_gpu_display(t->device);

    if (op & 16)
        command(t, in, op & 15);
    else if (!display_refresh(display))
        BUG_ON(!display->surface.pixels);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    struct display vga = {.ops = &vga_ops};
    struct virtio_gpu_config cfg = {.width = 640,
                                    .height = 480,
                                    .memory = MiB,
                                    .vga = size & 1 ? &vga : NULL,
                                    .packed = size & 2};
    struct virtio_target t = {.host = host, .state = &virtio_gpu_state, .queues = 2};
    struct input in = {data, size};
    struct virtio_gpu *gpu;

    drv_open(&t.d);
    BUG_ON(virtio_gpu_new(&gpu, t.d.p.mem, t.d.p.rig.clk, &cfg));
    t.device = gpu;
    t.virtio = virtio_gpu_dev(gpu);
    virtio_target_run(&t, &in);
    virtio_gpu_free(gpu);
    surface_dispose(&vga.surface);
    drv_close(&t.d);
    return 0;
}
