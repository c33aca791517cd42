/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "dev/ns16550a.h"
#include "../test.h"
#include "rig.h"

#define PORT 0x3f8
enum { DATA, IER, IIR, LCR, MCR, LSR, MSR, SCR };

static struct rig rig;
static struct wire irq4;
static struct ns16550a *u;
static char sent[256];
static size_t nsent;
static unsigned room_calls;

static void on_write(void *opaque, const u8 *buf, size_t n)
{
    for (size_t i = 0; i < n && nsent < sizeof(sent) - 1; i++)
        sent[nsent++] = (char)buf[i];
}

static void on_room(void *opaque)
{
    room_calls++;
}

static u8 get(unsigned reg)
{
    return in8(&rig, (u16)(PORT + reg));
}

static void put(unsigned reg, u8 val)
{
    out8(&rig, (u16)(PORT + reg), val);
}

static void open_uart(void)
{
    rig_open(&rig);
    irq4 = (struct wire){0};
    memset(sent, 0, sizeof(sent));
    nsent = room_calls = 0;
    if (ns16550a_new(&u, &rig.pio, PORT, wire_irq(&irq4), rig.clk,
                     (struct ns16550a_backend){.write = on_write}))
        exit(1);
    ns16550a_set_on_room(u, on_room, NULL);
    put(LCR, 0x03);
}

static void close_uart(void)
{
    ns16550a_free(u);
    CHECK_EQ(clock_run(rig.clk), UINT64_MAX);
    rig_close(&rig);
}

static void receive(const char *s)
{
    ns16550a_receive(u, (const u8 *)s, strlen(s));
}

static void resets_to_the_data_sheet(void)
{
    open_uart();
    CHECK_EQ(get(IER), 0);
    CHECK_EQ(get(IIR), 0x01);
    CHECK_EQ(get(MCR), 0);
    CHECK_EQ(get(LSR), 0x60);
    CHECK_EQ(get(MSR), 0xb0);
    put(SCR, 0xa5);
    CHECK_EQ(get(SCR), 0xa5);
    put(IER, 0xff);
    CHECK_EQ(get(IER), 0x0f);
    put(MCR, 0xff);
    CHECK_EQ(get(MCR), 0x1f);
    put(LCR, 0x83);
    put(DATA, 0x01);
    put(IER, 0x02);
    CHECK_EQ(get(DATA), 0x01);
    CHECK_EQ(get(IER), 0x02);
    put(LCR, 0x03);
    CHECK_EQ(get(IER), 0x0f);
    ns16550a_reset(u);
    CHECK_EQ(get(IER), 0);
    CHECK_EQ(get(SCR), 0xa5);
    close_uart();
}

static void transmits(void)
{
    open_uart();
    put(MCR, 0x0b);
    for (const char *s = "hello"; *s; s++)
        put(DATA, (u8)*s);
    CHECK(!strcmp(sent, "hello"));
    CHECK_EQ(get(LSR), 0x60);
    CHECK(!irq4.level);

    put(IER, 0x02); /* enabling it on an empty transmitter raises it */
    CHECK(irq4.level);
    CHECK_EQ(get(IIR), 0x02);
    CHECK(!irq4.level); /* the read answers it */
    CHECK_EQ(get(IIR), 0x01);
    put(DATA, 'x');
    CHECK(irq4.level);
    CHECK_EQ(irq4.rises, 2);
    put(DATA, 'y'); /* drops it, and raises it again */
    CHECK_EQ(irq4.rises, 3);
    put(IER, 0x00);
    CHECK(!irq4.level);
    CHECK_EQ(get(IIR), 0x01);
    put(IER, 0x02); /* once more, as probing kernels check */
    CHECK_EQ(get(IIR), 0x02);
    close_uart();
}

static void out2_gates_the_interrupt(void)
{
    open_uart();
    put(IER, 0x02);
    CHECK(!irq4.level);
    put(MCR, 0x08);
    CHECK(irq4.level);
    put(MCR, 0x18); /* loopback turns the pin off */
    CHECK(!irq4.level);
    close_uart();
}

static void receives_without_fifo(void)
{
    open_uart();
    put(MCR, 0x08);
    put(IER, 0x05);
    CHECK_EQ(ns16550a_room(u), 1);
    receive("a");
    CHECK(irq4.level);
    CHECK_EQ(get(IIR), 0x04);
    CHECK_EQ(get(LSR), 0x61);
    CHECK_EQ(ns16550a_room(u), 0);
    receive("b"); /* overrun: the new byte replaces the old */
    CHECK_EQ(get(IIR), 0x06);
    CHECK_EQ(get(LSR), 0x63);
    CHECK_EQ(get(LSR), 0x61);
    CHECK_EQ(get(DATA), 'b');
    CHECK_EQ(room_calls, 1);
    CHECK(!irq4.level);
    CHECK_EQ(get(DATA), 'b');
    close_uart();
}

static void receives_with_fifo(void)
{
    open_uart();
    put(MCR, 0x08);
    put(IER, 0x01);
    put(IIR, 0x81); /* trigger at 8 */
    CHECK_EQ(get(IIR), 0xc1);
    CHECK_EQ(ns16550a_room(u), 16);
    room_calls = 0;
    receive("1234567");
    CHECK(!irq4.level);
    receive("8");
    CHECK(irq4.level);
    CHECK_EQ(get(IIR), 0xc4);
    CHECK_EQ(get(DATA), '1');
    CHECK(!irq4.level);      /* below the trigger: only the timeout is left */
    receive("901234567XYZ"); /* 9 fit; the rest is lost, and the last ones with it */
    CHECK_EQ(ns16550a_room(u), 0);
    CHECK_EQ(get(LSR), 0x63);
    for (const char *s = "2345678901234567"; *s; s++)
        CHECK_EQ(get(DATA), *s);
    CHECK_EQ(get(LSR), 0x60);
    CHECK_EQ(room_calls, 1);
    receive("abc");
    put(IIR, 0x83); /* FIFO reset */
    CHECK_EQ(get(LSR), 0x60);
    receive("abc");
    put(IIR, 0x00); /* turning the FIFOs off clears them too */
    CHECK_EQ(get(LSR), 0x60);
    CHECK_EQ(get(IIR), 0x01);
    close_uart();
}

/* Four characters of 10 bits at 9600 baud: 4.17 ms. */
static void character_timeout(void)
{
    open_uart();
    put(MCR, 0x08);
    put(IER, 0x01);
    put(IIR, 0xc1);
    receive("ab");
    clock_advance(rig.clk, 4 * MS);
    CHECK(!irq4.level);
    clock_advance(rig.clk, 200 * US);
    CHECK(irq4.level);
    CHECK_EQ(get(IIR), 0xcc);
    CHECK_EQ(get(IIR), 0xcc);
    CHECK_EQ(get(DATA), 'a');
    CHECK(!irq4.level);
    clock_advance(rig.clk, 4 * MS);
    receive("c"); /* starts it anew */
    clock_advance(rig.clk, 4 * MS);
    CHECK(!irq4.level);
    clock_advance(rig.clk, 200 * US);
    CHECK_EQ(get(IIR), 0xcc);
    CHECK_EQ(get(DATA), 'b');
    CHECK_EQ(get(DATA), 'c');
    CHECK_EQ(get(IIR), 0xc1);
    receive("d"); /* found when the interrupt is enabled late */
    put(IER, 0);
    clock_advance(rig.clk, 100 * MS);
    put(IER, 1);
    CHECK(irq4.level);
    close_uart();
}

static void loopback_as_kernels_probe_it(void)
{
    unsigned n = 0;

    open_uart();
    get(MSR);
    put(MCR, 0x1a); /* RTS and OUT2 come back as CTS and DCD */
    CHECK_EQ(get(MSR) & 0xf0, 0x90);
    put(MCR, 0x10);
    CHECK_EQ(get(MSR), 0x09);
    put(MCR, 0x15);
    CHECK_EQ(get(MSR), 0x62); /* RI going on is no edge … */
    put(MCR, 0x11);
    CHECK_EQ(get(MSR), 0x24); /* … but going off is */
    CHECK_EQ(ns16550a_room(u), 0);

    put(IIR, 0x07);
    for (unsigned i = 0; i < 256; i++)
        put(DATA, (u8)i);
    CHECK_EQ(nsent, 0);
    while (get(LSR) & 1) {
        CHECK_EQ(get(DATA), n);
        n++;
    }
    CHECK_EQ(n, 16); /* the FIFO's size */
    room_calls = 0;
    put(MCR, 0x0b);
    CHECK_EQ(room_calls, 1);
    CHECK_EQ(get(MSR) & 0xf0, 0xb0);
    close_uart();
}

static void break_and_errors(void)
{
    open_uart();
    put(MCR, 0x08);
    put(IER, 0x05);
    put(IIR, 0x01);
    receive("a");
    ns16550a_receive_break(u);
    CHECK_EQ(get(LSR), 0xe1); /* somewhere in the FIFO, not at the top */
    CHECK_EQ(get(DATA), 'a');
    CHECK_EQ(get(IIR), 0xc6);
    CHECK_EQ(get(LSR), 0xf9);
    CHECK_EQ(get(LSR), 0x61);
    CHECK_EQ(get(DATA), 0);
    put(MCR, 0x18);
    put(LCR, 0x43); /* a break looped back */
    CHECK_EQ(get(LSR) & 0x19, 0x19);
    close_uart();
}

static void modem_status_interrupt(void)
{
    open_uart();
    put(MCR, 0x08);
    put(IER, 0x08);
    ns16550a_set_modem(u, NS16550A_CTS | NS16550A_DSR);
    CHECK(irq4.level);
    CHECK_EQ(get(IIR), 0x00);
    CHECK_EQ(get(MSR), 0x38);
    CHECK(!irq4.level);
    CHECK_EQ(get(MSR), 0x30);
    close_uart();
}

int main(void)
{
    TEST_RUN(resets_to_the_data_sheet);
    TEST_RUN(transmits);
    TEST_RUN(out2_gates_the_interrupt);
    TEST_RUN(receives_without_fifo);
    TEST_RUN(receives_with_fifo);
    TEST_RUN(character_timeout);
    TEST_RUN(loopback_as_kernels_probe_it);
    TEST_RUN(break_and_errors);
    TEST_RUN(modem_status_interrupt);
    return test_result();
}
