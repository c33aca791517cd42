/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Floppy disk controller and the DMA controllers it works with: their ports, time, disks that
   change and fail, saved states. */
#include "dev/i82078.h"
#include "disk_input.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

struct guest {
    struct rig rig;
    struct wire irq6;
    struct mem *mem;
    struct i8237 *dma;
    struct i82078 *fdc;
    struct memdisk *m[2];
    struct block *blk[2];
};

static void settle(struct guest *g)
{
    block_drain(g->blk[0]);
    block_drain(g->blk[1]);
}

/* A command of nine bytes, so that few inputs reach deep. */
static void command(struct guest *g, struct input *in)
{
    static const u8 start[16] = {0xe6, 0xc5, 0x4d, 0x56, 0x42, 0x4c, 0x49, 0x4a,
                                 0x07, 0x0f, 0xcf, 0x13, 0x03, 0x08, 0x94, 0x0e};

    out8(&g->rig, 0x3f2, 0x1c);
    clock_advance(g->rig.clk, MS);
    out8(&g->rig, 0x3f5, start[input_take(in, 1) & 15]);
    for (unsigned i = 0; i < 8; i++)
        out8(&g->rig, 0x3f5, (u8)input_take(in, 1));
}

static void pump(struct guest *g, struct input *in)
{
    unsigned n = (unsigned)input_take(in, 1) * 4;

    for (unsigned i = 0; i < n; i++)
        if (in8(&g->rig, 0x3f4) & 0x40)
            in8(&g->rig, 0x3f5);
        else
            out8(&g->rig, 0x3f5, (u8)i);
}

static void host(struct guest *g, struct input *in, u8 op)
{
    switch (op & 7) {
    case 0:
        BUG_ON(i82078_insert(g->fdc, op >> 3 & 1, op & 0x10 ? g->blk[op >> 3 & 1] : NULL));
        break;
    case 1:
        g->m[0]->fail = op & 8 ? -EIO : 0;
        g->m[0]->fail_at = input_take(in, 2);
        break;
    case 2:
        settle(g);
        if (input_state(in, &i82078_state, g->fdc))
            i82078_reset(g->fdc);
        break;
    case 3:
        if (input_state(in, &i8237_state, g->dma))
            i8237_reset(g->dma);
        break;
    case 4:
        i82078_reset(g->fdc);
        break;
    case 5:
        pump(g, in);
        break;
    default:
        command(g, in);
    }
}

static void step(struct guest *g, struct input *in)
{
    u8 op = (u8)input_take(in, 1);

    switch (op >> 5) {
    case 0:
        input_access(in, &g->rig.pio, op, 0x3f2, 6);
        break;
    case 1:
        input_access(in, &g->rig.pio, op, 0x00, 16);
        break;
    case 2:
        input_access(in, &g->rig.pio, op, op & 8 ? 0x80 : 0xc0, op & 8 ? 16 : 32);
        break;
    case 3:
        input_memory(in, g->mem);
        break;
    case 4:
        input_advance(in, g->rig.clk);
        break;
    case 5:
        clock_advance(g->rig.clk, MS);
        settle(g);
        break;
    default:
        host(g, in, op);
    }
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    struct input in = {data, size};
    struct guest g = {0};

    rig_open(&g.rig);
    g.mem = guest_memory(DISK_INPUT_RAM);
    g.mem->mmio = &g.rig.mmio;
    pthread_mutex_lock(&g.rig.lock);
    BUG_ON(i8237_new(&g.dma, &g.rig.pio, g.mem) ||
           i82078_new(&g.fdc, &g.rig.pio, wire_irq(&g.irq6), g.dma, g.rig.clk, 2));
    for (unsigned i = 0; i < 2; i++) {
        g.m[i] = input_disk(i, i ? 100 * KiB : 160 * KiB, i);
        g.blk[i] = memdisk_block(g.m[i], &g.rig.lock);
        BUG_ON(i82078_insert(g.fdc, i, g.blk[i]));
    }
    while (input_left(&in))
        step(&g, &in);
    settle(&g);
    pthread_mutex_unlock(&g.rig.lock);
    block_close(g.blk[0]);
    block_close(g.blk[1]);
    i82078_free(g.fdc);
    i8237_free(g.dma);
    BUG_ON(clock_run(g.rig.clk) != UINT64_MAX);
    rig_close(&g.rig);
    return 0;
}
