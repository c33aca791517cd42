/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ports 510h-51bh, and DMA descriptors that the input puts into guest memory. */
#include "dev/fwcfg.h"
#include "dev_input.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

#define RAM (64 * KiB)

static void put_descriptor(struct input *in, struct mem *mem)
{
    u8 desc[16] = {0};
    u64 control = input_take(in, 3), length = input_take(in, 2), addr = input_take(in, 3);

    desc[0] = (u8)(control >> 16);
    desc[1] = (u8)(control >> 8);
    desc[3] = (u8)control;
    desc[6] = (u8)(length >> 8);
    desc[7] = (u8)length;
    for (unsigned i = 0; i < 3; i++)
        desc[13 + i] = (u8)(addr >> 8 * (2 - i));
    BUG_ON(mem_write(mem, 0x100, desc, sizeof(desc)));
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    struct input in = {data, size};
    struct rig rig;
    struct err err;
    struct mem *mem;
    struct fwcfg *f;

    rig_open(&rig);
    BUG_ON(mem_new(&mem, RAM, &rig.mmio, &err));
    BUG_ON(fwcfg_new(&f, &rig.pio, mem));
    BUG_ON(fwcfg_add_i64(f, FWCFG_RAM_SIZE, RAM));
    BUG_ON(fwcfg_add_file(f, "opt/a", "0123456789", 10));
    BUG_ON(fwcfg_add_file(f, "opt/b", "", 0));
    while (input_left(&in)) {
        u8 op = (u8)input_take(&in, 1);
        if ((op & 0xc0) == 0xc0) {
            put_descriptor(&in, mem);
            bus_write(&rig.pio, 0x518, 4, 0x00010000); /* 100h, big-endian */
        } else if (op & 0x80) {
            bus_write(&rig.pio, 0x510, 2, op & 0x3f);
        } else {
            input_access(&in, &rig.pio, op, 0x50e, 16);
        }
    }
    fwcfg_reset(f);
    BUG_ON(in8(&rig, 0x511) != 'Q');
    fwcfg_free(f);
    mem_free(mem);
    rig_close(&rig);
    return 0;
}
