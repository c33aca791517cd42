/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Saved state of the devices: one board is brought to the middle of something, its state is loaded
 * into another whose clock says the same, and from then on both must behave alike: interrupts at
 * the same times, the same registers.
 */
#include "../test.h"
#include "board.h"

#define STEPS 40

struct log {
    struct {
        const char *what;
        u64 val;
    } entry[STEPS * 640];
    unsigned n;
};

static struct log logs[2];

static void note(struct log *l, const char *what, u64 val)
{
    if (l->n == ARRAY_SIZE(l->entry))
        abort();
    l->entry[l->n].what = what;
    l->entry[l->n++].val = val;
}

static void note_wires(struct log *l, const struct board *b)
{
    static const char *const names[] = {"PIT", "PIC",      "RTC",   "UART", "KBD",   "AUX",
                                        "A20", "fast A20", "reset", "SCI",  "power", "gate"};

    for (unsigned n = 0; n < WIRES; n++) {
        const struct wire *w = &b->wire[n];
        note(l, n < W_HPET ? names[n] : "HPET",
             w->level | (u64)w->rises << 32 | (u64)w->falls << 8);
    }
    for (unsigned n = 0; n < CPU_EVENTS; n++)
        note(l, "CPU event", b->cpu[n]);
}

/* What registers show only by what they do next. */
static void use_timers(struct log *l, struct board *b, unsigned n)
{
    struct rig *rig = &b->rig;

    if (!n)
        for (u16 port = 0x40; port < 0x43; port++)
            note(l, "PIT", in8(rig, port));
    if (n >= 13 && n <= 15)
        out8(rig, (u16)(0x40 + n - 13), (u8)n);
    if (n == 4)
        out8(rig, 0x61, 0);
    if (n == 5)
        out8(rig, 0x61, 1);
    if (n == 2)
        bus_write(&rig->pio, PM_BASE, 2, 0x0401);
    if (n == 10)
        acpipm_rtc_irq(b->pm, 0, true);
    note(l, "NMI mask", mc146818_nmi_masked(b->rtc));
}

static void use_interrupts(struct log *l, struct board *b, unsigned n)
{
    if (!n) {
        note(l, "PIC poll", in8(&b->rig, 0x20));
        note(l, "IOAPIC window", bus_read(&b->rig.mmio, IOAPIC_BASE + 0x10, 4));
    }
    i8259_set(b->pic, n % 16, n & 1);
    i8259_set(b->pic, n * 7 % 16, true);
    if (n == 8)
        ioapic_set(b->ioapic, 9, false);
    if (n == 20)
        lapic_set_lint(b->lapic, 0, true);
    if (n == 21)
        board_apic_write(b, 0x280, 0);
    note(l, "ExtINT", lapic_extint_pending(b->lapic));
    note(l, "TSC deadline", lapic_tsc_deadline(b->lapic));
}

static void use_ports(struct log *l, struct board *b, unsigned n)
{
    static const u8 key[] = {0x1c}, up[] = {0xf0, 0x1c}, other[] = {0x5a};
    struct rig *rig = &b->rig;

    switch (n) {
    case 1:
        out8(rig, 0x60, 0x50); /* may be what a command waits for */
        bus_write(&rig->pio, 0x518, 4, 0x100);
        break;
    case 12:
        note(l, "key", i8042_put_key(b->kbc, key, sizeof(key)));
        note(l, "key", i8042_put_key(b->kbc, up, sizeof(up)));
        note(l, "key", i8042_put_key(b->kbc, other, sizeof(other)));
        i8042_mouse(b->kbc, 3, 9, -2, 4);
        break;
    case 14:
        out8(rig, 0x64, 0xd4);
        out8(rig, 0x60, 0xfe); /* Resend */
        break;
    case 25:
        out8(rig, 0x60, 0xfe);
        break;
    case 27:
        out8(rig, UART_BASE + 4, 0x0b);
        break;
    case 28:
    case 31:
    case 34:
        out8(rig, 0x64, 0xd4);
        out8(rig, 0x60, n == 28 ? 0xfe : n == 31 ? 0xf2 : 0xe9);
        break;
    }
    note(l, "LEDs", i8042_leds(b->kbc));
}

/* Reading has effects, the same on both. */
static void note_ports(struct log *l, struct board *b)
{
    struct rig *rig = &b->rig;

    for (u16 n = 0; n < 3; n++) {
        out8(rig, 0x43, (u8)(0xc0 | 2u << n));
        note(l, "PIT status", in8(rig, 0x40 + n));
        note(l, "PIT count", in8(rig, 0x40 + n));
        note(l, "PIT count", in8(rig, 0x40 + n));
    }
    note(l, "port 61h", in8(rig, 0x61));
    note(l, "port 92h", in8(rig, 0x92));
    for (unsigned n = 0; n < 6; n++) {
        note(l, "KBC status", in8(rig, 0x64));
        note(l, "KBC data", in8(rig, 0x60));
    }
    for (u16 port = UART_BASE + 7; port >= UART_BASE; port--)
        note(l, "UART", in8(rig, port));
    for (u16 port = PM_BASE; port < PM_BASE + 16; port += 2)
        note(l, "PM", bus_read(&rig->pio, port, 2));
    note(l, "APM", bus_read(&rig->pio, 0xb2, 2));
    note(l, "fw_cfg", in8(rig, 0x511));
    note(l, "RTC", in8(rig, 0x71));
    for (u8 reg = 0; reg < 14; reg++) {
        out8(rig, 0x70, reg);
        note(l, "RTC", in8(rig, 0x71));
    }
    note(l, "RTC", in8(rig, 0x73));
}

static void note_pic(struct log *l, struct board *b)
{
    static const u16 ports[] = {0x20, 0x21, 0xa0, 0xa1, 0x4d0, 0x4d1};

    for (unsigned n = 0; n < ARRAY_SIZE(ports); n++)
        note(l, "PIC", in8(&b->rig, ports[n]));
    if (b->wire[W_PIC].level)
        note(l, "PIC vector", i8259_ack(b->pic));
    out8(&b->rig, 0xa0, 0x20);
    out8(&b->rig, 0x20, 0x20);
}

static void note_mmio(struct log *l, struct board *b)
{
    int vector;

    for (u64 reg = 0; reg < 0x160; reg += 8)
        note(l, "HPET", bus_read(&b->rig.mmio, HPET_BASE + reg, 8));
    for (u32 reg = 0; reg < 0x40; reg++)
        note(l, "IOAPIC", board_ioapic(b, reg));
    note(l, "APIC base", lapic_base(b->lapic));
    for (u32 reg = 0; reg < 0x400; reg += 16)
        note(l, "APIC", board_apic(b, reg));
    vector = lapic_pending(b->lapic);
    note(l, "APIC vector", (u64)vector);
    if (vector >= 0)
        lapic_accept(b->lapic, (u8)vector);
    if (b->rig.clk && l->n & 1)
        board_apic_write(b, 0xb0, 0);
}

static void follow(struct log *l, struct board *b)
{
    memset(l, 0, sizeof(*l));
    for (unsigned n = 0; n < STEPS; n++) {
        note_wires(l, b);
        use_timers(l, b, n);
        use_interrupts(l, b, n);
        use_ports(l, b, n);
        note_ports(l, b);
        note_pic(l, b);
        note_mmio(l, b);
        note(l, "time", clock_now(b->rig.clk));
        clock_advance(b->rig.clk, 1234567 * (n % 5 ? n : 1) + (n == 30 ? 700 * MS : 0));
    }
}

static void compare(const char *what)
{
    CHECK_EQ(logs[0].n, logs[1].n);
    for (unsigned n = 0; n < logs[0].n; n++) {
        if (logs[0].entry[n].val == logs[1].entry[n].val)
            continue;
        fprintf(stderr, "%s, entry %u: %s: %#llx was saved, %#llx was loaded\n", what, n,
                logs[0].entry[n].what, (unsigned long long)logs[0].entry[n].val,
                (unsigned long long)logs[1].entry[n].val);
        test_failures++;
        return;
    }
}

static void forget_counts(struct board *b)
{
    for (unsigned n = 0; n < WIRES; n++)
        b->wire[n].rises = b->wire[n].falls = 0;
    memset(b->cpu, 0, sizeof(b->cpu));
}

static void transfer(struct board *from, struct board *to, bool reverse)
{
    for (unsigned k = 0; k < BOARD_DEVICES; k++) {
        unsigned n = reverse ? BOARD_DEVICES - 1 - k : k;
        struct state_stream s = {0};
        struct err err = {.text = ""};
        CHECK_EQ(state_save(&s, from->state[n].table, from->state[n].dev), 0);
        CHECK_EQ(state_load(&s, to->state[n].table, to->state[n].dev, &err), 0);
        if (err.text[0])
            fprintf(stderr, "%s\n", err.text);
        state_dispose(&s);
    }
}

/* The order in which devices are loaded does not matter. */
static void goes_on(const char *what, void (*activity)(struct board *b))
{
    static struct board a, b;

    for (unsigned reverse = 0; reverse < 2; reverse++) {
        board_open(&a, 3 * NSEC_PER_SEC + 12345);
        activity(&a);
        board_open(&b, clock_now(a.rig.clk));
        transfer(&a, &b, reverse);
        forget_counts(&a);
        forget_counts(&b);
        follow(&logs[0], &a);
        follow(&logs[1], &b);
        compare(what);
        board_close(&a);
        board_close(&b);
    }
}

static void after_reset(struct board *b)
{
}

static void pit_runs(struct board *b)
{
    struct rig *rig = &b->rig;

    out8(rig, 0x43, 0x36); /* counter 0, square wave, 100 Hz */
    out8(rig, 0x40, 0x9c);
    out8(rig, 0x40, 0x2e);
    out8(rig, 0x43, 0x71); /* counter 1, a BCD one-shot that waits for its gate */
    out8(rig, 0x41, 0x34);
    out8(rig, 0x61, 3);
    out8(rig, 0x43, 0xb4);
    out8(rig, 0x42, 0x00);
    out8(rig, 0x42, 0x40);
    clock_advance(rig->clk, 27 * MS + 77);
    out8(rig, 0x42, 0x10); /* half a count */
    out8(rig, 0x43, 0x00); /* half read */
    in8(rig, 0x40);
    out8(rig, 0x40, 0x11);
}

static void pit_one_shot(struct board *b)
{
    out8(&b->rig, 0x43, 0x30);
    out8(&b->rig, 0x40, 0xff);
    out8(&b->rig, 0x40, 0x1f);
    out8(&b->rig, 0x43, 0xb6);
    out8(&b->rig, 0x42, 0x55);
    out8(&b->rig, 0x42, 0x05);
    out8(&b->rig, 0x61, 1);
    clock_advance(b->rig.clk, 2 * MS);
    out8(&b->rig, 0x61, 0); /* paused */
}

/* Nobody has run the clock since: the edge is still to come. */
static void pit_late(struct board *b)
{
    out8(&b->rig, 0x43, 0x34);
    out8(&b->rig, 0x40, 0x10);
    out8(&b->rig, 0x40, 0x00);
    clock_advance(b->rig.clk, 3 * US);
}

static void pit_latched(struct board *b)
{
    struct rig *rig = &b->rig;

    out8(rig, 0x43, 0x13); /* counter 0, low byte, mode 1, BCD */
    out8(rig, 0x43, 0x77); /* counter 1, square wave in BCD */
    out8(rig, 0x41, 0x55);
    out8(rig, 0x41, 0x02);
    out8(rig, 0x61, 1);
    out8(rig, 0x43, 0xa4); /* counter 2, high byte */
    out8(rig, 0x42, 0x20);
    clock_advance(rig->clk, 3 * MS + 400);
    out8(rig, 0x43, 0xc6); /* count and status */
    out8(rig, 0x41, 0x99);
    out8(rig, 0x42, 0x10);
    clock_advance(rig->clk, 500);
    out8(rig, 0x41, 0x01);
    clock_advance(rig->clk, 50 * US);
}

static void pit_half_written(struct board *b)
{
    out8(&b->rig, 0x43, 0x30);
    out8(&b->rig, 0x40, 0x34);
    out8(&b->rig, 0x40, 0x12);
    clock_advance(b->rig.clk, 100 * US);
    out8(&b->rig, 0x40, 0x56);
    out8(&b->rig, 0x43, 0xb8);
    out8(&b->rig, 0x42, 0x56);
}

static void program_pic(struct board *b)
{
    static const u8 icw[2][4] = {{0x11, 0x20, 4, 1}, {0x11, 0x28, 2, 1}};

    for (unsigned chip = 0; chip < 2; chip++)
        for (unsigned n = 0; n < 4; n++)
            out8(&b->rig, (u16)(0x20 + 0x80 * chip + (n > 0)), icw[chip][n]);
}

static void pic_serves(struct board *b)
{
    program_pic(b);
    out8(&b->rig, 0x4d1, 0x0c);
    i8259_set(b->pic, 1, true);
    i8259_set(b->pic, 11, true); /* a level */
    i8259_set(b->pic, 14, true);
    CHECK_EQ(i8259_ack(b->pic), 0x21);
    i8259_set(b->pic, 0, true);
    i8259_set(b->pic, 0, false); /* an edge that is gone */
    out8(&b->rig, 0x21, 0x10);
    out8(&b->rig, 0x20, 0x0b);
    out8(&b->rig, 0xa0, 0xc3); /* priorities */
}

static void pic_half_programmed(struct board *b)
{
    program_pic(b);
    i8259_set(b->pic, 9, true);
    out8(&b->rig, 0xa0, 0x11);
    out8(&b->rig, 0xa1, 0x70);
    out8(&b->rig, 0x20, 0x68); /* special mask mode */
}

static void pic_ends_by_itself(struct board *b)
{
    program_pic(b);
    out8(&b->rig, 0x20, 0x13); /* single, with automatic EOI, rotating */
    out8(&b->rig, 0x21, 0x30);
    out8(&b->rig, 0x21, 0x03);
    out8(&b->rig, 0x20, 0x80);
    out8(&b->rig, 0xa0, 0x68);
    i8259_set(b->pic, 3, true);
    i8259_set(b->pic, 4, true);
    out8(&b->rig, 0x20, 0x0c); /* poll */
}

static void lapic_inputs(struct board *b)
{
    board_apic_write(b, 0xf0, 0x1ff);
    board_apic_write(b, 0x20, 0x07000000);
    board_apic_write(b, 0xd0, 0x12000000);
    board_apic_write(b, 0xe0, 0);
    board_apic_write(b, 0x350, 0x8041); /* LINT0, level */
    lapic_set_lint(b->lapic, 0, true);
    board_apic_write(b, 0x40, 0); /* no such register */
    board_apic_write(b, 0x280, 0);
    board_apic_write(b, 0x300, 0x40003);
    board_ioapic_write(b, 0, 0x05000000);
    board_ioapic_write(b, 2, 0);
}

static void lapic_extint(struct board *b)
{
    board_apic_write(b, 0xf0, 0x1ff);
    board_ioapic_write(b, 0x11 + 2 * 9, 0);
    board_ioapic_write(b, 0x10 + 2 * 9, 0x700);
    ioapic_set(b->ioapic, 9, true);
}

static void ioapic_and_lapic(struct board *b)
{
    board_apic_write(b, 0xf0, 0x1ff);
    board_apic_write(b, 0x80, 0x20);
    board_apic_write(b, 0x370, 0xfe);
    for (u32 pin = 0; pin < 8; pin++) {
        board_ioapic_write(b, 0x11 + 2 * pin, 0);
        board_ioapic_write(b, 0x10 + 2 * pin, (0x40 + 0x10 * pin) | (pin & 1 ? 0x8000 : 0));
    }
    board_ioapic_write(b, 0x10 + 2 * 9, 0x700); /* ExtINT */
    ioapic_set(b->ioapic, 1, true);             /* a level, in service */
    CHECK_EQ(lapic_pending(b->lapic), 0x50);
    lapic_accept(b->lapic, 0x50);
    ioapic_set(b->ioapic, 4, true); /* an edge, requested */
    ioapic_set(b->ioapic, 3, true); /* a level, requested */
    ioapic_set(b->ioapic, 9, true);
    board_apic_write(b, 0x300, 0x40033); /* to itself */
    board_apic_write(b, 0x370, 0x10000);
    board_apic_write(b, 0x300, 0x40003); /* an error */
    lapic_set_lint(b->lapic, 0, true);
}

static void lapic_timer(struct board *b, u32 mode, u32 count)
{
    board_apic_write(b, 0xf0, 0x1ff);
    board_apic_write(b, 0x320, 0x55 | mode);
    board_apic_write(b, 0x3e0, 0x0a);
    board_apic_write(b, 0x380, count);
    clock_advance(b->rig.clk, 12345678);
}

static void lapic_periodic(struct board *b)
{
    lapic_timer(b, 0x20000, 100000);
}

static void lapic_one_shot(struct board *b)
{
    lapic_timer(b, 0, 1000000);
}

static void lapic_fast(struct board *b)
{
    lapic_timer(b, 0x20000, 3);
}

static void lapic_deadline(struct board *b)
{
    CHECK(lapic_set_base(b->lapic, lapic_base(b->lapic) | LAPIC_BASE_EXTD, true, BIT64(40) - 1));
    CHECK(lapic_msr_write(b->lapic, 0x80f, 0x1ff));
    CHECK(lapic_msr_write(b->lapic, 0x832, 0x40077));
    lapic_set_tsc_deadline(b->lapic, clock_now(b->rig.clk) + 1000 + 30 * MS, 1000);
    clock_advance(b->rig.clk, 5 * MS);
}

static void hpet_reg(struct board *b, u64 reg, u64 val)
{
    bus_write(&b->rig.mmio, HPET_BASE + reg, 8, val);
}

static void hpet_runs(struct board *b)
{
    hpet_reg(b, 0xf0, 0xfffff000); /* a comparator of 32 bits wraps soon */
    hpet_reg(b, 0x100, 0x004c);    /* periodic, edge */
    hpet_reg(b, 0x108, 0xfffff000ull + 100000);
    hpet_reg(b, 0x108, 300000);
    hpet_reg(b, 0x120, 16 << 9 | 0x0106); /* level, 32 bits */
    hpet_reg(b, 0x128, 500000);
    hpet_reg(b, 0x150, 0xfee0000000000041);
    hpet_reg(b, 0x140, 0x404c); /* MSI, periodic */
    hpet_reg(b, 0x148, 0xfffff000ull + 12345);
    hpet_reg(b, 0x148, 222222);
    hpet_reg(b, 0x10, 1);
    clock_advance(b->rig.clk, 4 * MS + 3);
    hpet_rtc_irq(b->hpet, 0, true);
}

static void hpet_legacy_halted(struct board *b)
{
    hpet_runs(b);
    hpet_reg(b, 0x10, 3);
    clock_advance(b->rig.clk, 4 * MS);
    hpet_pit_irq(b->hpet, 0, true);
    hpet_reg(b, 0x10, 2);
}

static void rtc_reg(struct board *b, u8 reg, u8 val)
{
    out8(&b->rig, 0x70, reg);
    out8(&b->rig, 0x71, val);
}

static void rtc_periodic(struct board *b)
{
    rtc_reg(b, 0x0a, 0x28);
    rtc_reg(b, 0x0b, 0x42);
    rtc_reg(b, 0x20, 0xaa);
    rtc_reg(b, 0x09, 0x31);
    out8(&b->rig, 0x72, 0x33);
    out8(&b->rig, 0x73, 0x44);
    clock_advance(b->rig.clk, 333 * MS);
}

static void rtc_alarm(struct board *b)
{
    rtc_reg(b, 0x01, 0x05);
    rtc_reg(b, 0x03, 0xc0);
    rtc_reg(b, 0x05, 0xff);
    rtc_reg(b, 0x0b, 0x36); /* AIE, UIE, binary */
    out8(&b->rig, 0x70, 0x8c);
    in8(&b->rig, 0x71);
    clock_advance(b->rig.clk, 700 * MS);
}

static void rtc_set(struct board *b)
{
    rtc_reg(b, 0x0b, 0x82);
    rtc_reg(b, 0x00, 0x59);
    rtc_reg(b, 0x04, 0x23);
    rtc_reg(b, 0x06, 0x03);
    rtc_reg(b, 0x32, 0x19);
    clock_advance(b->rig.clk, 5 * NSEC_PER_SEC);
}

static void rtc_runs_on(struct board *b)
{
    rtc_set(b);
    rtc_reg(b, 0x0b, 0x02);
    clock_advance(b->rig.clk, 123 * MS + 4567);
    rtc_reg(b, 0x0a, 0x76); /* the divider is reset */
    clock_advance(b->rig.clk, 77 * MS + 891);
    rtc_reg(b, 0x0a, 0x2d);
    rtc_reg(b, 0x0b, 0x42);
    clock_advance(b->rig.clk, 123 * MS);
    out8(&b->rig, 0x70, 0x8c);
    in8(&b->rig, 0x71);
}

static void uart_timed_out(struct board *b)
{
    out8(&b->rig, UART_BASE + 2, 0x81);
    ns16550a_receive_break(b->uart);
    ns16550a_receive(b->uart, (const u8 *)"ab", 2);
    out8(&b->rig, UART_BASE + 1, 0x01);
    clock_advance(b->rig.clk, 100 * MS);
}

static void uart_times_out(struct board *b)
{
    struct rig *rig = &b->rig;

    out8(rig, UART_BASE + 3, 0x83);
    out8(rig, UART_BASE, 3);
    out8(rig, UART_BASE + 3, 0x1b);
    out8(rig, UART_BASE + 2, 0x81); /* trigger at 8 */
    out8(rig, UART_BASE + 1, 0x0f);
    out8(rig, UART_BASE + 4, 0x0b);
    out8(rig, UART_BASE + 7, 0x5a);
    in8(rig, UART_BASE + 2);
    ns16550a_receive(b->uart, (const u8 *)"abcdef", 6);
    in8(rig, UART_BASE);
    ns16550a_receive_break(b->uart);
    ns16550a_set_modem(b->uart, NS16550A_CTS);
    clock_advance(rig->clk, 100 * US);
}

static void uart_loops(struct board *b)
{
    out8(&b->rig, UART_BASE + 1, 0x02);
    out8(&b->rig, UART_BASE + 4, 0x18);
    out8(&b->rig, UART_BASE, 'x');
    out8(&b->rig, UART_BASE + 3, 0x80); /* divisor latch */
}

static void kbc_command(struct board *b, u8 command, int data)
{
    out8(&b->rig, 0x64, command);
    if (data >= 0)
        out8(&b->rig, 0x60, (u8)data);
}

static void kbc_types(struct board *b)
{
    static const u8 a[] = {0x1c}, up[] = {0xe0, 0xf0, 0x75};

    out8(&b->rig, 0x60, 0xed);
    out8(&b->rig, 0x60, 0x02);
    out8(&b->rig, 0x60, 0xf3);
    out8(&b->rig, 0x60, 0x15);
    CHECK(i8042_put_key(b->kbc, a, sizeof(a)));
    CHECK(i8042_put_key(b->kbc, up, sizeof(up)));
    out8(&b->rig, 0x60, 0xed); /* waits for its argument */
    kbc_command(b, 0xa8, -1);
    kbc_command(b, 0xd4, 0xf4);
    i8042_mouse(b->kbc, 300, -20, 0, I8042_MOUSE_LEFT);
    kbc_command(b, 0xd1, -1); /* waits for its data */
}

static void kbc_sets(struct board *b)
{
    static const u8 a[] = {0x1c}, enter[] = {0x5a};
    static const u8 rates[] = {200, 100, 80};

    out8(&b->rig, 0x60, 0xf0);
    out8(&b->rig, 0x60, 3);
    out8(&b->rig, 0x60, 0xfb);
    out8(&b->rig, 0x60, 0x1c);
    out8(&b->rig, 0x60, 0xf4);
    out8(&b->rig, 0x60, 0xfd);
    out8(&b->rig, 0x60, 0x5a);
    out8(&b->rig, 0x60, 0xf4);
    CHECK(i8042_put_key(b->kbc, a, sizeof(a)));
    CHECK(i8042_put_key(b->kbc, enter, sizeof(enter))); /* held from now on */
    for (unsigned n = 0; n < 3; n++) {
        kbc_command(b, 0xd4, 0xf3);
        kbc_command(b, 0xd4, rates[n]);
    }
    kbc_command(b, 0xd4, 0xf0);
    kbc_command(b, 0x60, 0x03);
    kbc_command(b, 0xdd, -1);
    i8042_mouse(b->kbc, 5, 6, 7, 0);
    kbc_command(b, 0x20, -1);
}

static void kbc_is_quiet(struct board *b)
{
    static const u8 rates[] = {200, 200, 80};

    out8(&b->rig, 0x60, 0xf5); /* does not scan */
    in8(&b->rig, 0x60);
    for (unsigned n = 0; n < 3; n++) {
        kbc_command(b, 0xd4, 0xf3);
        kbc_command(b, 0xd4, rates[n]);
    }
    kbc_command(b, 0xd4, 0xe8);
    kbc_command(b, 0xd4, 1);
    kbc_command(b, 0xd4, 0xe7);
    kbc_command(b, 0xd4, 0xf3);
    kbc_command(b, 0xd4, 40);
    kbc_command(b, 0xd4, 0xf4);
    while (in8(&b->rig, 0x64) & 1)
        in8(&b->rig, 0x60);
    i8042_mouse(b->kbc, 0, 0, 5, 0);
    in8(&b->rig, 0x60); /* a packet is half out */
    i8042_mouse(b->kbc, 0, 0, 5, 0);
    i8042_mouse(b->kbc, 0, 0, 5, 1);
}

/* Two of the three rates that turn the wheel on. */
static void kbc_knocks(struct board *b)
{
    static const u8 rates[] = {200, 100};

    for (unsigned n = 0; n < 2; n++) {
        kbc_command(b, 0xd4, 0xf3);
        kbc_command(b, 0xd4, rates[n]);
    }
    kbc_command(b, 0xd4, 0xf3);
    while (in8(&b->rig, 0x64) & 1)
        in8(&b->rig, 0x60);
    kbc_command(b, 0xd4, -1); /* and what comes is 80 */
}

static void kbc_waits(struct board *b)
{
    out8(&b->rig, 0x60, 0xf0);
    out8(&b->rig, 0x60, 1);
    kbc_command(b, 0xd4, 0xf3); /* its argument is to come */
    kbc_command(b, 0xd4, 200);
    kbc_command(b, 0xd4, 0xf3);
    kbc_command(b, 0xd4, 100);
    kbc_command(b, 0xd4, 0xe8);
    while (in8(&b->rig, 0x64) & 1)
        in8(&b->rig, 0x60);
    kbc_command(b, 0xd3, 0x3c); /* as if from the mouse, */
    kbc_command(b, 0xd3, 0x3d); /* and another one behind it */
    kbc_command(b, 0xd4, -1);
}

static void kbc_echoes(struct board *b)
{
    static const u8 up[] = {0xf0};

    kbc_command(b, 0xd4, 0xee);
    in8(&b->rig, 0x60);
    CHECK(i8042_put_key(b->kbc, up, sizeof(up))); /* the code of the key is to come */
    in8(&b->rig, 0x60);
}

static void pm_counts(struct board *b)
{
    acpipm_enable(b->pm);
    bus_write(&b->rig.pio, PM_BASE + 2, 2, 0x0501);
    bus_write(&b->rig.pio, PM_BASE + ACPIPM_GPE0 + 2, 2, 0x0006);
    clock_advance(b->rig.clk, 599 * NSEC_PER_SEC + 300 * MS); /* the carry comes soon */
    acpipm_gpe(b->pm, 5);
    out8(&b->rig, 0xb3, 0x77);
}

static void pm_asks(struct board *b)
{
    pm_counts(b);
    acpipm_power_button(b->pm);
    acpipm_rtc_irq(b->pm, 0, true);
    clock_advance(b->rig.clk, 700 * MS); /* it has come */
    bus_write(&b->rig.pio, PM_BASE, 2, 1);
}

static void fwcfg_reads(struct board *b)
{
    bus_write(&b->rig.pio, 0x510, 2, FWCFG_FILE_FIRST);
    for (unsigned n = 0; n < 5; n++)
        in8(&b->rig, 0x511);
    bus_write(&b->rig.pio, 0x514, 4, 0x78563412);
}

static void ports(struct board *b)
{
    struct irq in = orgate_input(&b->gate, 3);

    out8(&b->rig, 0x92, 0x03);
    out8(&b->rig, 0x61, 0x0d);
    irq_set(&in, true);
}

#define GOES_ON(activity)                                                                          \
    static void test_##activity(void)                                                              \
    {                                                                                              \
        goes_on(#activity, activity);                                                              \
    }
GOES_ON(after_reset)
GOES_ON(pit_runs)
GOES_ON(pit_one_shot)
GOES_ON(pit_late)
GOES_ON(pit_latched)
GOES_ON(pit_half_written)
GOES_ON(pic_serves)
GOES_ON(pic_ends_by_itself)
GOES_ON(pic_half_programmed)
GOES_ON(ioapic_and_lapic)
GOES_ON(lapic_inputs)
GOES_ON(lapic_extint)
GOES_ON(lapic_periodic)
GOES_ON(lapic_one_shot)
GOES_ON(lapic_fast)
GOES_ON(lapic_deadline)
GOES_ON(hpet_runs)
GOES_ON(hpet_legacy_halted)
GOES_ON(rtc_periodic)
GOES_ON(rtc_alarm)
GOES_ON(rtc_set)
GOES_ON(rtc_runs_on)
GOES_ON(uart_times_out)
GOES_ON(uart_timed_out)
GOES_ON(uart_loops)
GOES_ON(kbc_types)
GOES_ON(kbc_sets)
GOES_ON(kbc_is_quiet)
GOES_ON(kbc_knocks)
GOES_ON(kbc_waits)
GOES_ON(kbc_echoes)
GOES_ON(pm_counts)
GOES_ON(pm_asks)
GOES_ON(fwcfg_reads)
GOES_ON(ports)

int main(void)
{
    TEST_RUN(test_after_reset);
    TEST_RUN(test_pit_runs);
    TEST_RUN(test_pit_one_shot);
    TEST_RUN(test_pit_late);
    TEST_RUN(test_pit_latched);
    TEST_RUN(test_pit_half_written);
    TEST_RUN(test_pic_serves);
    TEST_RUN(test_pic_ends_by_itself);
    TEST_RUN(test_pic_half_programmed);
    TEST_RUN(test_ioapic_and_lapic);
    TEST_RUN(test_lapic_inputs);
    TEST_RUN(test_lapic_extint);
    TEST_RUN(test_lapic_periodic);
    TEST_RUN(test_lapic_one_shot);
    TEST_RUN(test_lapic_fast);
    TEST_RUN(test_lapic_deadline);
    TEST_RUN(test_hpet_runs);
    TEST_RUN(test_hpet_legacy_halted);
    TEST_RUN(test_rtc_periodic);
    TEST_RUN(test_rtc_alarm);
    TEST_RUN(test_rtc_set);
    TEST_RUN(test_rtc_runs_on);
    TEST_RUN(test_uart_times_out);
    TEST_RUN(test_uart_timed_out);
    TEST_RUN(test_uart_loops);
    TEST_RUN(test_kbc_types);
    TEST_RUN(test_kbc_sets);
    TEST_RUN(test_kbc_is_quiet);
    TEST_RUN(test_kbc_knocks);
    TEST_RUN(test_kbc_waits);
    TEST_RUN(test_kbc_echoes);
    TEST_RUN(test_pm_counts);
    TEST_RUN(test_pm_asks);
    TEST_RUN(test_fwcfg_reads);
    TEST_RUN(test_ports);
    return test_result();
}
