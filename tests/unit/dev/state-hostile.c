/* SPDX-License-Identifier: GPL-2.0-or-later */
/* States that no device can be in are refused; whatever is not refused does no harm. */
#include "../test.h"
#include "board.h"

#include <errno.h>

/* Where field `path` (a.b) is in a section's body; false: further on than its `*at` bytes. */
static bool find(const struct state_field *f, const char *path, size_t *at, size_t *size)
{
    size_t n = strcspn(path, ".");

    for (; f->name; f++) {
        size_t inner = 0;
        if (strlen(f->name) == n && !strncmp(f->name, path, n)) {
            *size = f->size;
            return !path[n] || find(f->fields, path + n + 1, at, size);
        }
        if (f->kind == STATE_KIND_STRUCT)
            find(f->fields, "?", &inner, size);
        *at += f->count * (f->kind == STATE_KIND_STRUCT ? inner : f->size);
    }
    return false;
}

static unsigned index_of(const struct board *b, const struct state_table *t)
{
    for (unsigned n = 0; n < BOARD_DEVICES; n++)
        if (b->state[n].table == t)
            return n;
    abort();
}

/* Loads what the device saves, with another value in `path`. */
static int load_with(struct board *b, const struct state_table *t, const char *path, u64 val)
{
    void *dev = b->state[index_of(b, t)].dev;
    struct state_stream s = {0};
    struct err err = {.text = ""};
    size_t at = 1 + strlen(t->name) + 6, size = 0;
    int rc;

    if (state_save(&s, t, dev) || !find(t->fields, path, &at, &size))
        abort();
    memcpy(s.data + at, &val, size);
    rc = state_load(&s, t, dev, &err);
    state_dispose(&s);
    return rc;
}

struct wrong {
    const struct state_table *table;
    const char *path;
    u64 val;
};

static const struct wrong wrongs[] = {
    {&i8254_state, "c.mode", 6},
    {&i8254_state, "c.rw", 0},
    {&i8254_state, "c.n", 0},
    {&i8254_state, "c.n", 65537},
    {&i8254_state, "c.cr", 65537},
    {&i8254_state, "c.has_count", 1}, /* with none */
    {&i8254_state, "c.paused_at", UINT64_MAX},
    {&i8259_state, "chip.lowest", 8},
    {&i8259_state, "chip.init", 5},
    {&i8259_state, "chip.elcr", 1},
    {&ioapic_state, "id", 1},
    {&ioapic_state, "rte", 0x1000},
    {&ioapic_state, "lines", BIT(24)},
    {&lapic_state, "base", 0xfee00400},
    {&lapic_state, "base", BIT64(63) | 1},
    {&lapic_state, "tpr", 256},
    {&lapic_state, "irr", 1},
    {&lapic_state, "isr", 0x8000},
    {&lapic_state, "lvt", BIT(31)},
    {&lapic_state, "lint", 2},
    {&lapic_state, "t.divide", 4},
    {&lapic_state, "t.zero_at", 5}, /* without an initial count */
    {&hpet_state, "config", 4},
    {&hpet_state, "status", 8},
    {&hpet_state, "inputs", 2},
    {&hpet_state, "enabled_at", UINT64_MAX},
    {&hpet_state, "t.config", 0x8030 | 1 << 9},
    {&hpet_state, "t.config", 0x8130}, /* 32 bits, with a comparator of 64 */
    {&mc146818_state, "index", 0x80},
    {&mc146818_state, "offset_ns", NSEC_PER_SEC},
    {&mc146818_state, "offset_sec", INT64_MAX},
    {&mc146818_state, "offset_sec", (u64)INT64_MIN},
    {&mc146818_state, "seen", INT64_MAX},
    {&mc146818_state, "weekday", 7},
    {&mc146818_state, "divider_start", UINT64_MAX},
    {&ns16550a_state, "ier", 0x10},
    {&ns16550a_state, "fcr", 0x40},
    {&ns16550a_state, "head", 16},
    {&ns16550a_state, "count", 2}, /* without FIFOs */
    {&i8042_state, "ram", 0x80},
    {&i8042_state, "output", 0},
    {&i8042_state, "command", 0xaa},
    {&i8042_state, "kbd.set", 0},
    {&i8042_state, "kbd.set", 4},
    {&i8042_state, "kbd.keys.head", 16},
    {&i8042_state, "kbd.keys.count", 17},
    {&i8042_state, "kbd.command", 0xf4},
    {&i8042_state, "kbd.key_type", 4},
    {&i8042_state, "mouse.packets.head", 16},
    {&i8042_state, "mouse.replies.count", 17},
    {&i8042_state, "mouse.id", 1},
    {&i8042_state, "mouse.dx", 32768},
    {&i8042_state, "mouse.dz", 0x80000000},
    {&i8042_state, "mouse.rate", 7},
    {&acpipm_state, "enable", 2},
    {&acpipm_state, "control", 0x2000},
    {&acpipm_state, "start", UINT64_MAX},
    {&port61_state, "val", 0x10},
};

static void refused(void)
{
    static struct board b;

    for (unsigned n = 0; n < ARRAY_SIZE(wrongs); n++) {
        const struct wrong *w = &wrongs[n];
        int rc;
        board_open(&b, 5 * MS);
        rc = load_with(&b, w->table, w->path, w->val);
        if (rc != -EINVAL)
            fprintf(stderr, "%s %s %#llx\n", w->table->name, w->path, (unsigned long long)w->val);
        CHECK_EQ(rc, -EINVAL);
        board_close(&b);
    }
}

/* Some accesses, and time. */
static void use(struct board *b)
{
    for (u16 port = 0; port < 0x700; port++)
        if (port != 0x64)
            bus_read(&b->rig.pio, port, 1);
    for (u64 reg = 0; reg < HPET_SIZE; reg += 8)
        bus_read(&b->rig.mmio, HPET_BASE + reg, 8);
    for (u32 reg = 0; reg < 0x400; reg += 16)
        board_apic(b, reg);
    if (lapic_pending(b->lapic) >= 0)
        lapic_accept(b->lapic, (u8)lapic_pending(b->lapic));
    board_apic_write(b, 0xb0, 0);
    i8042_mouse(b->kbc, 1, 2, 3, 1);
    i8259_ack(b->pic);
    clock_advance(b->rig.clk, 3 * MS);
    clock_advance(b->rig.clk, 2 * NSEC_PER_SEC);
}

static bool load_bytes(struct board *b, unsigned n, u8 *data, size_t len)
{
    struct state_stream s = {.data = data, .len = len};
    struct err err = {.text = ""};

    return !state_load(&s, b->state[n].table, b->state[n].dev, &err);
}

/* Each byte of each section in turn is all ones, or has its top bit turned over. */
static void one_byte_wrong(void)
{
    static struct board b;
    unsigned taken = 0;

    for (unsigned n = 0; n < BOARD_DEVICES; n++) {
        struct state_stream s = {0};
        board_open(&b, 5 * MS);
        CHECK_EQ(state_save(&s, b.state[n].table, b.state[n].dev), 0);
        board_close(&b);
        for (size_t at = 0; at < 2 * s.len; at++) {
            u8 was = s.data[at / 2];
            if (b.state[n].table == &i8042_state && at / 2 > 80 && at / 2 < 340)
                continue; /* a byte for each key */
            board_open(&b, 5 * MS);
            s.data[at / 2] = at & 1 ? 0xff : was ^ 0x80;
            if (load_bytes(&b, n, s.data, s.len)) {
                taken++;
                use(&b);
            }
            s.data[at / 2] = was;
            board_close(&b);
        }
        state_dispose(&s);
    }
    CHECK(taken > 100);
}

int main(void)
{
    TEST_RUN(refused);
    TEST_RUN(one_byte_wrong);
    return test_result();
}
