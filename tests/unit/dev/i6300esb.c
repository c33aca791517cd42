/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "dev/i6300esb.h"
#include "../test.h"
#include "rig.h"

#include <errno.h>

#define DEVFN PCI_DEVFN(4, 0)
#define BASE  0xf0000000u

static struct rig rig;
static struct mem *mem;
static struct pci_bus *pci;
static struct i6300esb *w;
static struct wire irq;
static unsigned barks;

static void on_bark(void *opaque)
{
    ++*(unsigned *)opaque;
}

static void map(void)
{
    pci_config_write(pci, DEVFN, PCI_BAR0, 4, BASE);
    pci_config_write(pci, DEVFN, PCI_COMMAND, 2, PCI_COMMAND_MEM);
}

static void open_watchdog(void)
{
    struct pci_bus_config cfg = {0};
    struct i6300esb_config wcfg = {.irq = wire_irq(&irq), .bark = on_bark, .opaque = &barks};
    struct err err;

    rig_open(&rig);
    irq = (struct wire){0};
    barks = 0;
    CHECK_EQ(mem_new(&mem, 64 * KiB, &rig.mmio, &err), 0);
    cfg.pio = &rig.pio;
    cfg.mmio = &rig.mmio;
    cfg.mem = mem;
    CHECK_EQ(pci_bus_new(&pci, &cfg), 0);
    CHECK_EQ(i6300esb_new(&w, pci, DEVFN, rig.clk, &wcfg), 0);
    map();
}

static void close_watchdog(void)
{
    i6300esb_free(w);
    CHECK_EQ(clock_run(rig.clk), UINT64_MAX);
    pci_bus_free(pci);
    mem_free(mem);
    rig_close(&rig);
}

static void unlocked(unsigned reg, unsigned size, u32 val)
{
    bus_write(&rig.mmio, BASE + 12, 2, 0x80);
    bus_write(&rig.mmio, BASE + 12, 2, 0x86);
    bus_write(&rig.mmio, BASE + reg, size, val);
}

/* As Linux' driver does for two seconds. */
static void start(void)
{
    pci_config_write(pci, DEVFN, 0x60, 2, 0x0003);
    pci_config_write(pci, DEVFN, 0x68, 1, 0);
    unlocked(0, 4, 1024);
    unlocked(4, 4, 1024);
    unlocked(12, 2, 0x100);
    pci_config_write(pci, DEVFN, 0x68, 1, 2);
}

static void barks_after_two_stages(void)
{
    open_watchdog();
    CHECK_EQ(pci_config_read(pci, DEVFN, 0, 4), 0x25ab8086);
    start();
    CHECK_EQ(pci_config_read(pci, DEVFN, 0x68, 1), 2);
    clock_advance(rig.clk, 1900 * MS);
    CHECK_EQ(bus_read(&rig.mmio, BASE + 8, 4), 1); /* the first stage is over */
    CHECK(!irq.level);
    unlocked(12, 2, 0x100);
    clock_advance(rig.clk, 1900 * MS);
    CHECK_EQ(barks, 0);
    bus_write(&rig.mmio, BASE + 12, 2, 0x100); /* not unlocked */
    clock_advance(rig.clk, 200 * MS);
    CHECK_EQ(barks, 1);
    i6300esb_reset(w);
    map();
    CHECK_EQ(bus_read(&rig.mmio, BASE + 12, 2), 0x200); /* the reason of the reset */
    unlocked(12, 2, 0x200);
    CHECK_EQ(bus_read(&rig.mmio, BASE + 12, 2), 0);
    CHECK_EQ(bus_read(&rig.mmio, BASE, 4), 0xfffff);
    close_watchdog();
}

static void interrupts_and_locks(void)
{
    open_watchdog();
    start();
    pci_config_write(pci, DEVFN, 0x60, 2, 0x0024); /* IRQ, 1 MHz, no output */
    pci_config_write(pci, DEVFN, 0x68, 1, 3);
    pci_config_write(pci, DEVFN, 0x68, 1, 0); /* locked */
    CHECK_EQ(pci_config_read(pci, DEVFN, 0x68, 1), 3);
    unlocked(12, 2, 0x100);
    clock_advance(rig.clk, 1 * MS);
    CHECK(irq.level);
    unlocked(8, 4, 1);
    CHECK(!irq.level);
    clock_advance(rig.clk, 1 * MS);
    CHECK_EQ(barks, 0);
    CHECK_EQ(bus_read(&rig.mmio, BASE + 12, 2), 0x200);
    close_watchdog();
}

static void keeps_its_state(void)
{
    struct state_stream s = {0};
    struct err err;

    open_watchdog();
    start();
    clock_advance(rig.clk, 1500 * MS);
    CHECK_EQ(state_save(&s, &i6300esb_state, w), 0);
    i6300esb_reset(w);
    CHECK_EQ(clock_run(rig.clk), UINT64_MAX);
    CHECK_EQ(state_load(&s, &i6300esb_state, w, &err), 0);
    clock_advance(rig.clk, 500 * MS);
    CHECK_EQ(barks, 0);
    clock_advance(rig.clk, 100 * MS);
    CHECK_EQ(barks, 1);
    state_dispose(&s);
    close_watchdog();
}

int main(void)
{
    TEST_RUN(barks_after_two_stages);
    TEST_RUN(interrupts_and_locks);
    TEST_RUN(keeps_its_state);
    return test_result();
}
