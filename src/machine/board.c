/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What every board has, wired as on a PC with an ICH-like chipset: ISA interrupt n goes to input n
 * of the 8259 pair and of the I/O APIC, but 0 to input 2 of the latter; GSIs 16 to 23 go to the I/O
 * APIC alone. Several devices may share a line. Built before any CPU thread exists.
 */
#include "machine/board.h"

#include "bus/clock.h"
#include "cpu/engine.h"
#include "cpu/vcpu.h"
#include "dev/acpipm.h"
#include "dev/debugexit.h"
#include "dev/fwcfg.h"
#include "dev/hpet.h"
#include "dev/i8042.h"
#include "dev/i8254.h"
#include "dev/i8259.h"
#include "dev/ioapic.h"
#include "dev/lapic.h"
#include "dev/mc146818.h"
#include "dev/ns16550a.h"
#include "dev/pcihost.h"
#include "dev/port61.h"
#include "dev/port92.h"
#include "dev/testdev.h"
#include "machine/board_virtio.h"
#include "machine/version.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define IOAPIC_BASE    0xfec00000u
#define LAPIC_BASE     0xfee00000u
#define DEBUGEXIT_PORT 0xf4u
#define FERR_IRQ       13u

static const struct {
    u16 port;
    u8 irq;
} serial_ports[MACHINE_MAX_SERIAL] = {{0x3f8, 4}, {0x2f8, 3}, {0x3e8, 4}, {0x2e8, 3}};

/* Interrupts. */

static void gsi_set(void *opaque, unsigned n, bool level)
{
    struct machine *m = opaque;

    if (trace_on(&m->vm.trace, TRACE_IRQ))
        trace_line(&m->vm.trace, "irq %u %s", n, level ? "high" : "low");
    if (n < 16)
        i8259_set(m->pic, n, level);
    ioapic_set(m->ioapic, n == 0 ? 2 : n, level);
}

struct irq board_gsi(struct machine *m, unsigned n)
{
    return orgate_input(&m->gsi[n].gate, m->gsi[n].inputs++);
}

/* INTR of the 8259 pair is LINT0 of the first CPU. */
static void pic_intr(void *opaque, unsigned n, bool level)
{
    struct machine *m = opaque;

    lapic_set_lint(m->lapic[0], 0, level);
    if (level)
        vcpu_request(m->vm.cpu[0], REQ_INTR);
}

static void cpu_intr(void *cpu)
{
    vcpu_request(cpu, REQ_INTR);
}

static void cpu_nmi(void *cpu)
{
    vcpu_nmi(cpu);
}

static void cpu_smi(void *cpu)
{
    vcpu_request(cpu, REQ_SMI);
}

/* A SIPI from before the INIT must not start the CPU. */
static void cpu_init(void *cpu)
{
    struct vcpu *c = cpu;

    atomic_fetch_and(&c->req, ~(u32)REQ_SIPI);
    vcpu_request(c, REQ_INIT);
}

static void cpu_sipi(void *cpu, u8 vector)
{
    struct vcpu *c = cpu;

    atomic_store(&c->sipi_vector, vector);
    vcpu_request(c, REQ_SIPI);
}

static const struct lapic_ops lapic_ops = {
    .intr = cpu_intr,
    .nmi = cpu_nmi,
    .smi = cpu_smi,
    .init = cpu_init,
    .sipi = cpu_sipi,
};

static void send_msi(void *opaque, u64 addr, u32 data)
{
    struct machine *m = opaque;

    lapic_bus_msi(m->lapic_bus, addr, data);
}

static void pci_interrupt(void *opaque, unsigned n, bool level)
{
    struct machine *m = opaque;

    irq_set(&m->pirq[n], level);
}

static void set_a20(void *opaque, unsigned n, bool level)
{
    struct machine *m = opaque;

    vm_set_a20(&m->vm, level);
}

static void trace_bus(void *opaque, const char *bus, const char *dev, u64 addr, unsigned size,
                      u64 val, bool write)
{
    struct machine *m = opaque;

    trace_line(&m->vm.trace, "%s %s %llx %c%u %llx", bus, dev ? dev : "-", (unsigned long long)addr,
               write ? 'w' : 'r', size * 8, (unsigned long long)val);
}

static void init_vm(struct machine *m, const struct machine_host *host)
{
    struct vm *vm = &m->vm;
    pthread_mutexattr_t attr;

    pthread_mutexattr_init(&attr);
    pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&vm->lock, &attr);
    pthread_mutexattr_destroy(&attr);
    pthread_mutex_init(&vm->exclusive_lock, NULL);
    pthread_cond_init(&vm->exclusive_cond, NULL);
    vm->a20_mask = ~(u64)0;
    vm->on_shutdown = machine_on_shutdown;
    vm->on_shutdown_opaque = m;
    vm->trace = (struct trace){.kinds = m->cfg->trace, .to = host->trace};
    bus_init(&vm->pio, "io", &vm->lock);
    bus_init(&vm->mmio, "mmio", &vm->lock);
    vm->pio.trace_opaque = vm->mmio.trace_opaque = m;
    vm->pio.trace = m->cfg->trace & TRACE_IO ? trace_bus : NULL;
    vm->mmio.trace = m->cfg->trace & TRACE_MMIO ? trace_bus : NULL;
    for (unsigned n = 0; n < BOARD_GSIS; n++)
        orgate_init(&m->gsi[n].gate, (struct irq){gsi_set, m, n});
    vm->ferr = board_gsi(m, FERR_IRQ);
    orgate_init(&m->a20, (struct irq){set_a20, m, 0});
}

static int init_cpus(struct machine *m, struct err *err)
{
    struct vm *vm = &m->vm;
    int rc = cpu_model_parse(&vm->model, m->cfg->cpu, err);

    if (rc) {
        err_prefix(err, "--cpu");
        return rc;
    }
    if (m->cfg->lockstep && m->cfg->engine && !strcmp(m->cfg->engine, "interp"))
        return err_set(err, EINVAL,
                       "--lockstep compares the engine dbt with another; --engine interp has none");
    vm->engine = m->cfg->engine && !strcmp(m->cfg->engine, "interp") ? &engine_interp : &engine_dbt;
    vm->code_cache = m->cfg->code_cache;
    vm->exact_flags = m->cfg->exact_flags || m->cfg->lockstep;
    vm->lockstep = m->cfg->lockstep != NULL;
    vm->ncpus = m->cfg->cpus;
    vm->sockets = m->cfg->sockets;
    rc = lapic_bus_new(&m->lapic_bus);
    for (unsigned n = 0; n < vm->ncpus && !rc; n++) {
        struct vcpu *c;

        rc = vcpu_new(&c, vm, n);
        if (!rc)
            rc = lapic_new(&m->lapic[n], m->lapic_bus, vm->clock, n, n == 0, &lapic_ops, c);
        if (rc)
            break;
        c->lapic = m->lapic[n];
        rc = vm->engine->vcpu_attach(c, err);
        if (rc)
            return rc;
    }
    return rc ? err_set(err, -rc, "cannot make %u CPUs: %s", vm->ncpus, strerror(-rc)) : 0;
}

static int init_interrupts(struct machine *m)
{
    int rc = ioapic_new(&m->ioapic, &m->vm.mmio, IOAPIC_BASE, m->lapic_bus);

    if (!rc)
        rc = i8259_new(&m->pic, &m->vm.pio, (struct irq){pic_intr, m, 0});
    m->vm.pic = m->pic;
    return rc;
}

/* The RTC's interrupt, which the HPET may take the place of, is also an event that wakes. */
static void rtc_irq(void *opaque, unsigned n, bool level)
{
    struct machine *m = opaque;

    hpet_rtc_irq(m->hpet, n, level);
    if (m->pm)
        acpipm_rtc_irq(m->pm, 0, level);
}

static int init_timers(struct machine *m)
{
    struct bus *pio = &m->vm.pio;
    struct clock *clk = m->vm.clock;
    struct irq lines[BOARD_GSIS];
    int rc;

    for (unsigned n = 0; n < BOARD_GSIS; n++)
        lines[n] = board_gsi(m, n);
    rc = hpet_new(&m->hpet, &m->vm.mmio, HPET_BASE, clk, lines, send_msi, m);
    if (!rc)
        rc = i8254_new(&m->pit, pio, (struct irq){hpet_pit_irq, m->hpet, 0}, clk);
    m->vm.timer_port = I8254_COUNTER0;
    m->vm.timer_latch_port = I8254_CONTROL;
    if (!rc)
        rc = port61_new(&m->port61, pio, m->pit, clk);
    if (!rc)
        rc = mc146818_new(&m->rtc, pio, (struct irq){rtc_irq, m, 8}, clk);
    return rc;
}

static int init_pci(struct machine *m)
{
    struct pci_bus_config pci = {
        .pio = &m->vm.pio,
        .mmio = &m->vm.mmio,
        .mem = m->vm.mem,
        .send_msi = send_msi,
        .msi_opaque = m,
    };
    int rc;

    for (unsigned n = 0; n < PCI_PIRQS; n++)
        pci.pirq[n] = (struct irq){pci_interrupt, m, n};
    rc = pci_bus_new(&m->pci, &pci);
    if (!rc)
        rc = pcihost_new(&m->pcihost, &m->vm.pio, m->pci, (struct irq){machine_on_reset, m, 0});
    return rc;
}

static int init_isa(struct machine *m)
{
    struct bus *pio = &m->vm.pio;
    struct irq reset = {machine_on_reset, m, 0};
    int rc =
        i8042_new(&m->kbc, pio, board_gsi(m, 1), board_gsi(m, 12), orgate_input(&m->a20, 0), reset);

    if (!rc)
        rc = port92_new(&m->port92, pio, orgate_input(&m->a20, 0), reset);
    return rc;
}

static int init_fwcfg(struct machine *m)
{
    int rc = fwcfg_new(&m->fwcfg, &m->vm.pio, m->vm.mem);

    if (!rc)
        rc = fwcfg_add_i64(m->fwcfg, FWCFG_RAM_SIZE, m->vm.mem->size);
    if (!rc)
        rc = fwcfg_add_i16(m->fwcfg, FWCFG_NB_CPUS, (u16)m->vm.ncpus);
    if (!rc)
        rc = fwcfg_add_i16(m->fwcfg, FWCFG_MAX_CPUS, (u16)m->vm.ncpus);
    return rc;
}

static int init_serial(struct machine *m, const struct machine_host *host)
{
    int rc = 0;

    for (unsigned n = 0; n < m->cfg->nserial && !rc; n++)
        rc = ns16550a_new(&m->uart[n], &m->vm.pio, serial_ports[n].port,
                          board_gsi(m, serial_ports[n].irq), m->vm.clock, host->serial[n]);
    return rc;
}

static int init_test_devices(struct machine *m)
{
    struct irq lines[TESTDEV_LINES];
    int rc = 0;

    if (m->cfg->debug_exit)
        rc = debugexit_new(&m->debugexit, &m->vm.pio, DEBUGEXIT_PORT, machine_on_debug_exit, m);
    if (rc || !m->cfg->testdev)
        return rc;
    for (unsigned n = 0; n < TESTDEV_LINES; n++)
        lines[n] = board_gsi(m, n);
    return testdev_new(&m->testdev, &m->vm.pio, &m->vm.mmio, lines);
}

int board_init(struct machine *m, const struct machine_host *host, struct err *err)
{
    int rc;

    init_vm(m, host);
    rc = clock_new(&m->vm.clock);
    if (rc)
        return err_set(err, -rc, "machine: %s", strerror(-rc));
    rc = mem_new(&m->vm.mem, m->cfg->memory, &m->vm.mmio, err);
    if (rc) {
        err_prefix(err, "--memory");
        return rc;
    }
    m->vm.mem->on_map_changed = vm_map_changed;
    m->vm.mem->on_map_opaque = &m->vm;
    rc = init_cpus(m, err);
    if (rc)
        return rc;
    rc = init_interrupts(m);
    if (!rc)
        rc = init_timers(m);
    if (!rc)
        rc = init_pci(m);
    if (!rc)
        rc = init_isa(m);
    if (!rc)
        rc = init_fwcfg(m);
    if (!rc)
        rc = init_serial(m, host);
    if (!rc)
        rc = init_test_devices(m);
    if (rc)
        return err_set(err, -rc, "machine: cannot make its devices: %s", strerror(-rc));
    return m->board->init(m, host, err);
}

void board_dispose(struct machine *m)
{
    m->board->dispose(m);
    pthread_mutex_lock(&m->vm.lock);
    testdev_free(m->testdev);
    debugexit_free(m->debugexit);
    for (unsigned n = 0; n < MACHINE_MAX_SERIAL; n++)
        ns16550a_free(m->uart[n]);
    fwcfg_free(m->fwcfg);
    port92_free(m->port92);
    i8042_free(m->kbc);
    pcihost_free(m->pcihost);
    pci_bus_free(m->pci);
    mc146818_free(m->rtc);
    port61_free(m->port61);
    i8254_free(m->pit);
    hpet_free(m->hpet);
    i8259_free(m->pic);
    ioapic_free(m->ioapic);
    for (unsigned n = 0; n < m->vm.ncpus; n++) {
        if (m->vm.cpu[n] && m->vm.cpu[n]->blocks)
            m->vm.engine->vcpu_detach(m->vm.cpu[n]);
        vcpu_free(m->vm.cpu[n]);
        lapic_free(m->lapic[n]);
    }
    lapic_bus_free(m->lapic_bus);
    pthread_mutex_unlock(&m->vm.lock);
    mem_free(m->vm.mem);
    clock_free(m->vm.clock);
    bus_dispose(&m->vm.mmio);
    bus_dispose(&m->vm.pio);
    pthread_cond_destroy(&m->vm.exclusive_cond);
    pthread_mutex_destroy(&m->vm.exclusive_lock);
    pthread_mutex_destroy(&m->vm.lock);
}

void board_reset(struct machine *m)
{
    m->board->reset(m);
    pcihost_reset(m->pcihost);
    fwcfg_reset(m->fwcfg);
    for (unsigned n = 0; n < m->cfg->nserial; n++)
        ns16550a_reset(m->uart[n]);
    port92_reset(m->port92);
    i8042_reset(m->kbc); /* last: its output port starts with A20 on */
    if (!m->waking)
        mc146818_reset(m->rtc);
    hpet_reset(m->hpet);
    i8254_reset(m->pit);
    port61_reset(m->port61);
    if (m->testdev)
        testdev_reset(m->testdev);
    if (m->debugexit)
        debugexit_reset(m->debugexit);
    i8259_reset(m->pic);
    ioapic_reset(m->ioapic);
    m->vm.power_on = clock_now(m->vm.clock);
    for (unsigned n = 0; n < m->vm.ncpus; n++) {
        lapic_reset(m->lapic[n], false);
        /* What was asked of a CPU before RESET is void. */
        atomic_store(&m->vm.cpu[n]->req, 0);
        vcpu_reset(m->vm.cpu[n], false);
    }
}

static void put_cmos16(struct machine *m, u8 index, u64 val)
{
    mc146818_set_cmos(m->rtc, index, (u8)val);
    mc146818_set_cmos(m->rtc, (u8)(index + 1), (u8)(val >> 8));
}

/* 640 KiB, KiB above 1 MiB (twice), and 64 KiB units above 16 MiB and above 4 GiB. */
void board_fill_cmos(struct machine *m)
{
    u64 low = m->vm.mem->low;
    u64 high = (m->vm.mem->size - low) / (64 * KiB);
    u64 above1 = low > MiB ? (low - MiB) / KiB : 0;
    u64 above16 = low > 16 * MiB ? (low - 16 * MiB) / (64 * KiB) : 0;

    put_cmos16(m, 0x15, 640);
    put_cmos16(m, 0x17, min_u64(above1, 0xffff));
    put_cmos16(m, 0x30, min_u64(above1, 0xffff));
    put_cmos16(m, 0x34, min_u64(above16, 0xffff));
    put_cmos16(m, 0x5b, high);
    mc146818_set_cmos(m->rtc, 0x5d, (u8)(high >> 16));
    mc146818_set_cmos(m->rtc, 0x5f, (u8)(m->vm.ncpus - 1));
    mc146818_set_cmos(m->rtc, 0x14, 0x06); /* an FPU, a PS/2 mouse, no display, no diskette */
}

void board_enable_a20(struct machine *m)
{
    bus_write(&m->vm.pio, 0x92, 1, 0x02);
}

struct fw_platform board_platform(const struct machine *m)
{
    const struct cpu_model *model = &m->vm.model;

    return (struct fw_platform){
        .ncpus = m->vm.ncpus,
        .sockets = m->vm.sockets,
        .memory = m->vm.mem->size,
        .nserial = m->cfg->nserial,
        .has_hpet = true,
        .nvirtio = board_virtio_mmio(m),
        .virtio_base = BOARD_VIRTIO_MMIO,
        .virtio_step = BOARD_VIRTIO_STEP,
        .virtio_gsi = BOARD_VIRTIO_GSI,
        .virtio_gsis = BOARD_VIRTIO_GSIS,
        .x2apic = cpu_model_has(model, X86_X2APIC),
        .pm_base = BOARD_PM_BASE,
        .sci_irq = BOARD_SCI_IRQ,
        .ioapic_base = IOAPIC_BASE,
        .lapic_base = LAPIC_BASE,
        .hpet_base = HPET_BASE,
        .cpu_signature = model->signature,
        .cpu_features = model->word[CPUID_1_EDX],
        .cpu_vendor = model->vendor,
        .cpu_brand = model->brand[0] ? model->brand : NULL,
        .version = DOMUS_VERSION,
    };
}
