/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Intel 8042 as the PC's keyboard controller (IBM PS/2 Hardware Interface Technical Reference,
 * Keyboard and Auxiliary Device Controller, 1990), ports 60h and 64h, with a PS/2 keyboard
 * (ps2kbd.c) and a wheel mouse (ps2mouse.c) attached.
 *
 * A byte from a device is in the output buffer as soon as the buffer is empty and the device's
 * clock is on, but for a key's byte, which on the wire takes its time: until then the byte before
 * it can be read again, as a DOS program's interrupt handler and the BIOS' behind it do. The input
 * buffer is never full. The password (never set), the pulse of output
 * bits 1-3 and the polling of input bits into the status are left out. At reset the command byte
 * is what a PC's firmware leaves, since a VM may boot without any.
 * All of it runs under the machine's lock.
 */
#include "dev/i8042.h"
#include "dev/ps2kbd.h"
#include "dev/ps2mouse.h"
#include "dev/ps2scan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ST_OBF     0x01u
#define ST_SYS     0x04u
#define ST_COMMAND 0x08u
#define ST_UNLOCK  0x10u
#define ST_AUX     0x20u

/* The command byte, RAM address 0. */
#define CB_KBD_INT  0x01u
#define CB_AUX_INT  0x02u
#define CB_SYS      0x04u
#define CB_KBD_OFF  0x10u
#define CB_AUX_OFF  0x20u
#define CB_XLATE    0x40u
#define CB_WRITABLE 0x77u

#define OUT_NO_RESET 0x01u
#define OUT_A20      0x02u
#define OUT_KBD_OBF  0x10u
#define OUT_AUX_OBF  0x20u
#define OUT_LINES    0xc0u /* keyboard clock and data, idle */
#define INPUT_PORT   0xb0u /* not locked, no jumper, all RAM */

#define KEY_NS 1000000u /* a byte of 11 bits on the wire */

enum {
    CMD_READ_RAM = 0x20,  /* to 3fh */
    CMD_WRITE_RAM = 0x60, /* to 7fh */
    CMD_TEST_PASSWORD = 0xa4,
    CMD_AUX_OFF = 0xa7,
    CMD_AUX_ON = 0xa8,
    CMD_AUX_TEST = 0xa9,
    CMD_SELF_TEST = 0xaa,
    CMD_KBD_TEST = 0xab,
    CMD_KBD_OFF = 0xad,
    CMD_KBD_ON = 0xae,
    CMD_READ_INPUT = 0xc0,
    CMD_READ_OUTPUT = 0xd0,
    CMD_WRITE_OUTPUT = 0xd1,
    CMD_KBD_LOOP = 0xd2,
    CMD_AUX_LOOP = 0xd3,
    CMD_WRITE_AUX = 0xd4,
    CMD_A20_OFF = 0xdd,
    CMD_A20_ON = 0xdf,
    CMD_READ_TEST = 0xe0,
    CMD_PULSE = 0xf0, /* to ffh: pulse the output bits that are 0 */
};

struct i8042 {
    struct bus *pio;
    struct irq irq1, irq12, a20, reset;
    u8 ram[32];        /* ram[0]: the command byte */
    u8 output;         /* the output port's reset and A20 bits */
    u8 command;        /* that waits for its data byte, 0 for none */
    bool last_command; /* port 64h was written last, not 60h */
    u8 obuf;
    bool obf, obf_aux; /* obuf is full; with a byte of the mouse's kind */
    u8 answer;         /* the controller's own byte, when the buffer was full */
    bool answers, answer_aux;
    bool xlate_break;
    bool irq1_level, irq12_level;
    struct clock *clk; /* NULL: keys take no time */
    struct timer timer;
    bool obf_key; /* obuf came from a key */
    u64 next_key; /* ns: none comes earlier */
    struct ps2kbd kbd;
    struct ps2mouse mouse;
};

static void drive(const struct irq *irq, bool *level, bool now)
{
    if (*level != now)
        irq_set(irq, now);
    *level = now;
}

static void update_irqs(struct i8042 *kbc)
{
    u8 cb = kbc->ram[0];

    drive(&kbc->irq1, &kbc->irq1_level, kbc->obf && !kbc->obf_aux && cb & CB_KBD_INT);
    drive(&kbc->irq12, &kbc->irq12_level, kbc->obf && kbc->obf_aux && cb & CB_AUX_INT);
}

static void put_obuf(struct i8042 *kbc, u8 byte, bool aux)
{
    kbc->obf_key = false;
    kbc->obuf = byte;
    kbc->obf = true;
    kbc->obf_aux = aux;
}

static bool key_is_early(const struct i8042 *kbc)
{
    return kbc->clk && clock_now(kbc->clk) < kbc->next_key;
}

/* The keyboard's next byte as the guest gets it. A break prefix is swallowed and the byte after
   it fetched, so this ends with the keyboard's buffer. */
static bool next_kbd_byte(struct i8042 *kbc, u8 *byte)
{
    while ((ps2kbd_replies(&kbc->kbd) || !key_is_early(kbc)) && ps2kbd_next(&kbc->kbd, byte))
        if (!(kbc->ram[0] & CB_XLATE) || ps2scan_to_set1(&kbc->xlate_break, *byte, byte))
            return true;
    return false;
}

/* Puts it into the output buffer. */
static bool take_kbd_byte(struct i8042 *kbc)
{
    bool key = !ps2kbd_replies(&kbc->kbd);
    u8 byte;

    if ((kbc->ram[0] & CB_KBD_OFF) || !next_kbd_byte(kbc, &byte))
        return false;
    put_obuf(kbc, byte, false);
    kbc->obf_key = key;
    return true;
}

static void wait_for_key(struct i8042 *kbc)
{
    if (!kbc->clk)
        return;
    if (!kbc->obf && key_is_early(kbc) && ps2kbd_has_key(&kbc->kbd))
        timer_set(kbc->clk, &kbc->timer, kbc->next_key);
    else
        timer_cancel(kbc->clk, &kbc->timer);
}

/* Fills the output buffer if it is empty and anyone has a byte. */
static void fill(struct i8042 *kbc)
{
    u8 byte;

    if (kbc->obf) {
        update_irqs(kbc);
        return;
    }
    if (kbc->answers) {
        kbc->answers = false;
        put_obuf(kbc, kbc->answer, kbc->answer_aux);
    } else if (!take_kbd_byte(kbc) && !(kbc->ram[0] & CB_AUX_OFF) &&
               ps2mouse_next(&kbc->mouse, &byte)) {
        put_obuf(kbc, byte, true);
    }
    wait_for_key(kbc);
    update_irqs(kbc);
}

/* A byte of the controller's own goes before those of the devices. */
static void answer(struct i8042 *kbc, u8 byte, bool aux)
{
    kbc->answer = byte;
    kbc->answer_aux = aux;
    kbc->answers = true;
}

static u8 output_port(const struct i8042 *kbc)
{
    return (u8)(kbc->output | OUT_LINES | (kbc->obf && !kbc->obf_aux ? OUT_KBD_OBF : 0) |
                (kbc->obf && kbc->obf_aux ? OUT_AUX_OBF : 0));
}

static void set_a20(struct i8042 *kbc, bool on)
{
    kbc->output = (u8)(OUT_NO_RESET | (on ? OUT_A20 : 0));
    irq_set(&kbc->a20, on);
}

/* Last in an access: the machine may call i8042_reset from inside the pulse. */
static void write_output(struct i8042 *kbc, u8 val)
{
    set_a20(kbc, val & OUT_A20);
    if (!(val & OUT_NO_RESET))
        irq_pulse(&kbc->reset);
}

static void write_ram(struct i8042 *kbc, unsigned at, u8 val)
{
    kbc->ram[at] = at ? val : val & CB_WRITABLE;
}

static void self_test(struct i8042 *kbc)
{
    kbc->obf = false;
    kbc->xlate_break = false;
    kbc->ram[0] |= CB_SYS;
    answer(kbc, 0x55, false);
}

/* Commands about the two interfaces and A20; false for others. */
static bool interface_command(struct i8042 *kbc, u8 command)
{
    switch (command) {
    case CMD_AUX_OFF:
        kbc->ram[0] |= CB_AUX_OFF;
        return true;
    case CMD_AUX_ON:
        kbc->ram[0] &= (u8)~CB_AUX_OFF;
        return true;
    case CMD_KBD_OFF:
        kbc->ram[0] |= CB_KBD_OFF;
        return true;
    case CMD_KBD_ON:
        kbc->ram[0] &= (u8)~CB_KBD_OFF;
        return true;
    case CMD_AUX_TEST:
    case CMD_KBD_TEST:
        answer(kbc, 0x00, false);
        return true;
    case CMD_A20_OFF:
    case CMD_A20_ON:
        set_a20(kbc, command == CMD_A20_ON);
        return true;
    default:
        return false;
    }
}

static bool takes_data(u8 command)
{
    switch (command) {
    case CMD_WRITE_RAM ... CMD_WRITE_RAM + 31:
    case CMD_WRITE_OUTPUT:
    case CMD_KBD_LOOP:
    case CMD_AUX_LOOP:
    case CMD_WRITE_AUX:
        return true;
    default:
        return false;
    }
}

static void controller_command(struct i8042 *kbc, u8 command)
{
    if (interface_command(kbc, command))
        return;
    if (takes_data(command))
        kbc->command = command;
    switch (command) {
    case CMD_READ_RAM ... CMD_READ_RAM + 31:
        answer(kbc, kbc->ram[command - CMD_READ_RAM], false);
        break;
    case CMD_TEST_PASSWORD:
        answer(kbc, 0xf1, false); /* none installed */
        break;
    case CMD_SELF_TEST:
        self_test(kbc);
        break;
    case CMD_READ_INPUT:
        answer(kbc, INPUT_PORT, false);
        break;
    case CMD_READ_OUTPUT:
        answer(kbc, output_port(kbc), false);
        break;
    case CMD_READ_TEST: /* clock and data of the keyboard */
        answer(kbc, kbc->ram[0] & CB_KBD_OFF ? 0x02 : 0x03, false);
        break;
    }
}

/* A data byte: a command's, or for the keyboard, whose clock it turns on. */
static void data(struct i8042 *kbc, u8 command, u8 byte)
{
    switch (command) {
    case CMD_WRITE_RAM ... CMD_WRITE_RAM + 31:
        write_ram(kbc, command - CMD_WRITE_RAM, byte);
        break;
    case CMD_KBD_LOOP:
    case CMD_AUX_LOOP:
        answer(kbc, byte, command == CMD_AUX_LOOP);
        break;
    case CMD_WRITE_AUX:
        kbc->ram[0] &= (u8)~CB_AUX_OFF;
        ps2mouse_command(&kbc->mouse, byte);
        break;
    case CMD_WRITE_OUTPUT:
        write_output(kbc, byte);
        break;
    default:
        kbc->ram[0] &= (u8)~CB_KBD_OFF;
        ps2kbd_command(&kbc->kbd, byte);
    }
}

static u64 data_read(void *dev, u64 off, unsigned size)
{
    struct i8042 *kbc = dev;
    u8 byte = kbc->obuf;

    if (kbc->obf && kbc->obf_key && kbc->clk)
        kbc->next_key = clock_now(kbc->clk) + KEY_NS;
    kbc->obf = kbc->obf_key = false;
    update_irqs(kbc);
    fill(kbc);
    return byte;
}

static void data_write(void *dev, u64 off, unsigned size, u64 val)
{
    struct i8042 *kbc = dev;
    u8 command = kbc->command;

    kbc->command = 0;
    kbc->last_command = false;
    data(kbc, command, (u8)val);
    fill(kbc);
}

static u64 status_read(void *dev, u64 off, unsigned size)
{
    struct i8042 *kbc = dev;

    return (kbc->obf ? ST_OBF : 0) | (kbc->obf && kbc->obf_aux ? ST_AUX : 0) |
           (kbc->ram[0] & CB_SYS ? ST_SYS : 0) | (kbc->last_command ? ST_COMMAND : 0) | ST_UNLOCK;
}

static void command_write(void *dev, u64 off, unsigned size, u64 val)
{
    struct i8042 *kbc = dev;

    kbc->command = 0;
    kbc->last_command = true;
    controller_command(kbc, (u8)val);
    update_irqs(kbc);
    fill(kbc);
    if (val >= CMD_PULSE && !(val & OUT_NO_RESET))
        irq_pulse(&kbc->reset);
}

static void key_is_due(void *kbc)
{
    fill(kbc);
}

static const struct bus_ops data_ops = {.read = data_read, .write = data_write, .max_size = 1};
static const struct bus_ops command_ops = {
    .read = status_read, .write = command_write, .max_size = 1};

bool i8042_put_key(struct i8042 *kbc, const u8 *set2, size_t n)
{
    bool taken = ps2kbd_put_key(&kbc->kbd, set2, n);

    fill(kbc);
    return taken;
}

void i8042_mouse(struct i8042 *kbc, int dx, int dy, int dz, unsigned buttons)
{
    ps2mouse_move(&kbc->mouse, dx, dy, dz, buttons);
    fill(kbc);
}

u8 i8042_leds(const struct i8042 *kbc)
{
    return kbc->kbd.leds;
}

void i8042_reset(struct i8042 *kbc)
{
    memset(kbc->ram, 0, sizeof(kbc->ram));
    kbc->ram[0] = CB_XLATE | CB_SYS | CB_AUX_INT | CB_KBD_INT;
    kbc->command = kbc->obuf = 0;
    kbc->last_command = kbc->obf = kbc->obf_aux = kbc->answers = kbc->xlate_break = false;
    kbc->obf_key = false;
    kbc->next_key = 0;
    ps2kbd_reset(&kbc->kbd);
    ps2mouse_reset(&kbc->mouse);
    wait_for_key(kbc);
    update_irqs(kbc);
    set_a20(kbc, true);
}

static int loaded(void *dev)
{
    struct i8042 *kbc = dev;

    if ((kbc->ram[0] & ~CB_WRITABLE) || (kbc->output | OUT_A20) != (OUT_NO_RESET | OUT_A20) ||
        (kbc->command && !takes_data(kbc->command)) || !ps2kbd_valid(&kbc->kbd) ||
        !ps2mouse_valid(&kbc->mouse))
        return -EINVAL;
    wait_for_key(kbc);
    update_irqs(kbc);
    irq_set(&kbc->irq1, kbc->irq1_level);
    irq_set(&kbc->irq12, kbc->irq12_level);
    irq_set(&kbc->a20, kbc->output & OUT_A20);
    return 0;
}

static const struct state_field fields[] = {
    STATE_ARRAY(struct i8042, ram),
    STATE_UINT(struct i8042, output),
    STATE_UINT(struct i8042, command),
    STATE_BOOL(struct i8042, last_command),
    STATE_UINT(struct i8042, obuf),
    STATE_BOOL(struct i8042, obf),
    STATE_BOOL(struct i8042, obf_aux),
    STATE_UINT(struct i8042, answer),
    STATE_BOOL(struct i8042, answers),
    STATE_BOOL(struct i8042, answer_aux),
    STATE_BOOL(struct i8042, xlate_break),
    STATE_BOOL(struct i8042, obf_key),
    STATE_UINT(struct i8042, next_key),
    STATE_STRUCTS(struct i8042, kbd, 1, ps2kbd_fields),
    STATE_STRUCTS(struct i8042, mouse, 1, ps2mouse_fields),
    STATE_END,
};

const struct state_table i8042_state = {
    .name = "i8042", .version = 2, .oldest = 1, .fields = fields, .loaded = loaded};

int i8042_new(struct i8042 **out, struct bus *pio, struct irq irq1, struct irq irq12,
              struct irq a20, struct irq reset)
{
    struct i8042 *kbc = calloc(1, sizeof(*kbc));
    int rc;

    if (!kbc)
        return -ENOMEM;
    *kbc = (struct i8042){.pio = pio, .irq1 = irq1, .irq12 = irq12, .a20 = a20, .reset = reset};
    timer_init(&kbc->timer, key_is_due, kbc);
    rc = bus_claim(pio, 0x60, 0x60, &data_ops, kbc, "i8042");
    if (!rc)
        rc = bus_claim(pio, 0x64, 0x64, &command_ops, kbc, "i8042");
    if (rc) {
        i8042_free(kbc);
        return rc;
    }
    i8042_reset(kbc);
    *out = kbc;
    return 0;
}

void i8042_set_clock(struct i8042 *kbc, struct clock *clk)
{
    kbc->clk = clk;
}

void i8042_free(struct i8042 *kbc)
{
    if (!kbc)
        return;
    if (kbc->clk)
        timer_cancel(kbc->clk, &kbc->timer);
    bus_release(kbc->pio, kbc);
    free(kbc);
}
