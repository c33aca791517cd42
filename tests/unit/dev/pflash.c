/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "dev/pflash.h"
#include "../test.h"
#include "rig.h"

#include <errno.h>

#define AT   0xffc00000ull
#define SIZE (64 * KiB)

static struct rig rig;
static struct mem *mem;
static struct mem_window *window;
static struct pflash *flash;
static u64 changed_off, changed_len;

static void on_changed(void *opaque, u64 off, u64 len)
{
    changed_off = off;
    changed_len = len;
}

static void open_flash(void)
{
    struct err err;

    rig_open(&rig);
    if (mem_new(&mem, MiB, &rig.mmio, &err) || mem_window_new(&window, mem, SIZE, true) ||
        pflash_new(&flash, window, AT, on_changed, NULL))
        exit(1);
    memset(mem_window_host(window), 0x11, SIZE);
    changed_len = 0;
}

static void close_flash(void)
{
    pflash_free(flash);
    mem_free(mem);
    rig_close(&rig);
}

/* As a CPU does it: memory where there is some, else the bus. */
static u8 get(u64 off)
{
    u8 *p = mem_ptr(mem, AT + off);

    return p ? *p : (u8)bus_read(&rig.mmio, AT + off, 1);
}

static void put(u64 off, u8 val)
{
    CHECK_EQ(mem_page_for(mem, AT + off, MEM_NORMAL, MEM_WRITE), MEM_NO_PAGE);
    bus_write(&rig.mmio, AT + off, 1, val);
}

static void is_told_from_ram_and_rom(void)
{
    open_flash();
    put(5, 0x50);
    CHECK_EQ(get(5), 0x11);
    put(5, 0x70);
    CHECK_EQ(get(5), 0);
    put(5, 0xff);
    CHECK_EQ(get(5), 0x11);
    CHECK_EQ(changed_len, 0);
    close_flash();
}

static void programs_and_erases(void)
{
    open_flash();
    put(0x1005, 0x10);
    put(0x1005, 0x42);
    CHECK_EQ(changed_off, 0x1005);
    CHECK_EQ(changed_len, 1);
    CHECK_EQ(get(0x1005), 0x80);
    put(0x1005, 0xff);
    CHECK_EQ(get(0x1005), 0x42);
    put(0x1005, 0x20);
    put(0x1005, 0xd0);
    put(0, 0xff);
    CHECK_EQ(get(0x1000), 0xff);
    CHECK_EQ(get(0x1fff), 0xff);
    CHECK_EQ(get(0x0fff), 0x11);
    CHECK_EQ(get(0x2000), 0x11);
    CHECK_EQ(changed_len, PFLASH_BLOCK);
    put(0, 0x20); /* not confirmed */
    put(0, 0x00);
    CHECK_EQ(get(0), 0xb0);
    put(0, 0x50);
    CHECK_EQ(get(0), 0x11);
    close_flash();
}

static void writes_by_buffer(void)
{
    open_flash();
    put(0x40, 0xe8);
    CHECK_EQ(get(0x40), 0x80);
    put(0x40, 2);
    for (u8 n = 0; n < 3; n++)
        put(0x40u + n, (u8)(0xa0 + n));
    put(0x40, 0xd0);
    put(0x40, 0xff);
    CHECK_EQ(get(0x42), 0xa2);
    put(0x40, 0xe8); /* too many */
    put(0x40, 200);
    CHECK_EQ(get(0x40), 0x90);
    close_flash();
}

static void identifies(void)
{
    open_flash();
    put(0, 0x98);
    CHECK_EQ(get(0x10), 'Q');
    CHECK_EQ(get(0x27), 16);
    CHECK_EQ(get(0x2d), 15);
    put(0, 0x90);
    CHECK_EQ(get(0), 0x89);
    pflash_reset(flash);
    CHECK_EQ(get(0), 0x11);
    close_flash();
}

static void is_saved(void)
{
    struct state_stream s = {0};
    struct err err;

    open_flash();
    put(7, 0x10);
    CHECK_EQ(state_save(&s, &pflash_state, flash), 0);
    pflash_reset(flash);
    put(8, 0x10);
    put(8, 0x66);
    CHECK_EQ(mem_window_host(window)[8], 0x66);
    CHECK_EQ(state_load(&s, &pflash_state, flash, &err), 0);
    CHECK(mem_window_host(window)[8] != 0x66);
    put(7, 0x99);
    put(7, 0xff);
    CHECK_EQ(get(7), 0x99);
    s.at = 0;
    s.data[s.len - 4] = 9;
    CHECK_EQ(state_load(&s, &pflash_state, flash, &err), -EINVAL);
    state_dispose(&s);
    close_flash();
}

int main(void)
{
    TEST_RUN(is_told_from_ram_and_rom);
    TEST_RUN(programs_and_erases);
    TEST_RUN(writes_by_buffer);
    TEST_RUN(identifies);
    TEST_RUN(is_saved);
    return test_result();
}
