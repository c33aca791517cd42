/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The DMA controllers' ports, and devices that transfer and wait. */
#include "dev/i8237.h"
#include "disk_input.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static void ready(void *opaque)
{
    (*(unsigned *)opaque)++;
}

/* A device moves some bytes; no more than the count allows. */
static void transfer(struct i8237 *dma, struct input *in, u8 op)
{
    u8 buf[600] = {0};
    unsigned channel = op & 7;
    u32 len = (u32)input_take(in, 2) % sizeof(buf), n;
    bool tc;

    if (channel == 4)
        return;
    i8237_request(dma, channel, op & 0x10);
    n = i8237_transfer(dma, channel, buf, len, op & 8, &tc);
    BUG_ON(n > len || (tc && !n) || (n < (len & ~1u) && n && !tc));
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    struct input in = {data, size};
    struct rig rig;
    struct mem *mem;
    struct i8237 *dma;
    struct err err;
    unsigned woken = 0;

    rig_open(&rig);
    BUG_ON(mem_new(&mem, 128 * KiB, &rig.mmio, &err) || i8237_new(&dma, &rig.pio, mem));
    i8237_attach(dma, 2, ready, &woken);
    while (input_left(&in)) {
        u8 op = (u8)input_take(&in, 1);
        switch (op >> 5) {
        case 0:
        case 1:
            input_access(&in, &rig.pio, op, 0x00, 16);
            break;
        case 2:
            input_access(&in, &rig.pio, op, 0xc0, 32);
            break;
        case 3:
            input_access(&in, &rig.pio, op, 0x80, 16);
            break;
        case 4:
            if (input_state(&in, &i8237_state, dma))
                i8237_reset(dma);
            break;
        default:
            transfer(dma, &in, op);
        }
    }
    i8237_free(dma);
    mem_free(mem);
    rig_close(&rig);
    return 0;
}
