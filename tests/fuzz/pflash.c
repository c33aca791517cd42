/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads and writes of a flash chip, and saved states of it. */
#include "dev/pflash.h"
#include "dev_input.h"

#define AT   0xffff0000ull
#define SIZE (2 * PFLASH_BLOCK)

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static void on_changed(void *opaque, u64 off, u64 len)
{
    BUG_ON(!len || off + len > SIZE);
}

static void load(struct pflash *f, struct input *in)
{
    struct state_stream s = {0};
    struct err err;

    BUG_ON(state_save(&s, &pflash_state, f));
    for (size_t n = s.len - 4; n < s.len; n++)
        s.data[n] = (u8)input_take(in, 1);
    if (state_load(&s, &pflash_state, f, &err))
        pflash_reset(f);
    state_dispose(&s);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    struct input in = {data, size};
    struct mem_window *window;
    struct pflash *f;
    struct mem *mem;
    struct err err;
    struct rig rig;

    rig_open(&rig);
    BUG_ON(mem_new(&mem, MiB, &rig.mmio, &err) || mem_window_new(&window, mem, SIZE, true) ||
           pflash_new(&f, window, AT, on_changed, NULL));
    while (input_left(&in)) {
        u8 op = (u8)input_take(&in, 1);
        if (op == 0xff)
            load(f, &in);
        else
            input_access(&in, &rig.mmio, op, AT, SIZE);
    }
    pflash_reset(f);
    BUG_ON(mem_page_of(mem, AT) != window->page);
    pflash_free(f);
    mem_free(mem);
    rig_close(&rig);
    return 0;
}
