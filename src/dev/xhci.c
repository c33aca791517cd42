/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An xHCI USB host controller (eXtensible Host Controller Interface 1.1) with the identity and the
 * limits of QEMU's qemu-xhci: 64 slots, 16 interrupters. Registers and lifecycle here; event rings
 * in xhci_intr.c, ports in xhci_port.c, commands in xhci_cmd.c, xhci_slot.c and xhci_ep.c,
 * transfers in xhci_xfer.c, and when they are made in xhci_sched.c.
 *
 * Registers take dwords, as the specification asks; narrower writes reach only USBLEGSUP. Left out:
 * streams, isochronous endpoints, 64-byte contexts, virtualization, the debug capability, and the
 * state that CSS saves: CRS finds none (SRE). Runs under the machine's lock.
 */
#include "base/le.h"
#include "dev/xhci_priv.h"

#include <errno.h>
#include <stdlib.h>

#define BAR       0u
#define BAR_LEN   0x4000u
#define MSIX_BAR  2u
#define CFG_SBRN  0x60u
#define CFG_FLADJ 0x61u

#define OPER      0x40u
#define PORTS     0x440u
#define EXTCAPS   0x500u
#define RUNTIME   0x1000u
#define INTRS     0x1020u
#define DOORS     0x2000u
#define PORT_REGS 0x10u
#define INTR_REGS 0x20u

#define HCIVERSION 0x0100u
#define HCSPARAMS1 (XHCI_ROOT << 24 | XHCI_INTRS << 8 | XHCI_SLOTS)
#define HCSPARAMS2 0x0000004fu /* 16 segments; scheduling threshold 15 microframes */
#define HCCPARAMS1 (EXTCAPS / 4 << 16 | 0x81u) /* 64-bit addresses, no secondary stream IDs */

enum {
    USBCMD = 0x00,
    USBSTS = 0x04,
    PAGESIZE = 0x08,
    DNCTRL = 0x14,
    CRCR = 0x18,
    DCBAAP = 0x30,
    CONFIG = 0x38
};

#define CMD_WRITABLE  (XHCI_CMD_RS | XHCI_CMD_INTE | BIT(3) /* HSEE */ | XHCI_CMD_EWE | BIT(11))
#define STS_CLEAR     (XHCI_STS_HSE | XHCI_STS_EINT | XHCI_STS_PCD | XHCI_STS_SRE)
#define LEGSUP_OWNERS 0x01010000u
#define LEGCTL_ENABLE 0x0000e011u

#define MICROFRAME_NS 125000ull
#define MFINDEX_MASK  0x3fffu

void xhci_die(struct xhci *x, u32 why)
{
    x->cmd &= ~XHCI_CMD_RS;
    x->sts |= XHCI_STS_HCH | why;
    x->crr = x->commands = false;
    timer_cancel(x->clk, &x->run_timer);
    timer_cancel(x->clk, &x->intr_timer);
    timer_cancel(x->clk, &x->wrap_timer);
}

bool xhci_read(struct xhci *x, u64 at, void *to, u64 len)
{
    if (!pci_dma_read(&x->pci, at, to, len))
        return true;
    xhci_die(x, XHCI_STS_HSE);
    return false;
}

bool xhci_write(struct xhci *x, u64 at, const void *from, u64 len)
{
    if (!pci_dma_write(&x->pci, at, from, len))
        return true;
    xhci_die(x, XHCI_STS_HSE);
    return false;
}

static u64 microframes(const struct xhci *x)
{
    return xhci_running(x) ? (clock_now(x->clk) - x->mf_start) / MICROFRAME_NS : x->mfindex;
}

/* The next time that MFINDEX comes to 0, if somebody wants to know. */
static void arm_wrap(struct xhci *x)
{
    u64 next = (microframes(x) | MFINDEX_MASK) + 1;

    if (xhci_running(x) && x->cmd & XHCI_CMD_EWE)
        timer_set(x->clk, &x->wrap_timer, x->mf_start + next * MICROFRAME_NS);
    else
        timer_cancel(x->clk, &x->wrap_timer);
}

static void wrap_due(void *opaque)
{
    struct xhci *x = opaque;
    struct xhci_event ev = {.status = (u32)CC_SUCCESS << 24, .control = TRB_TYPE(TRB_WRAP_EVENT)};

    xhci_event(x, &ev);
    arm_wrap(x);
}

static void reset_registers(struct xhci *x)
{
    xhci_die(x, 0);
    x->cmd = x->dnctrl = x->config = x->legsup = x->legctl = 0;
    x->sts = XHCI_STS_HCH;
    x->dcbaap = 0;
    x->cr = (struct xhci_ring){0};
    x->mfindex = 0;
    for (unsigned n = 0; n <= XHCI_SLOTS; n++)
        x->slot[n] = (struct xhci_slot){0};
    xhci_intr_reset(x);
    xhci_ports_reset(x);
}

static void start(struct xhci *x)
{
    x->mf_start = clock_now(x->clk) - x->mfindex * MICROFRAME_NS;
    x->sts &= ~XHCI_STS_HCH;
    xhci_ports_tell(x);
    xhci_run(x);
}

/* Goes on from a saved state. Transfers follow from the timer, once the devices are loaded too. */
void xhci_resume(struct xhci *x)
{
    x->mf_start = clock_now(x->clk) - x->mfindex * MICROFRAME_NS;
    x->busy = x->again = false;
    timer_cancel(x->clk, &x->run_timer);
    if (xhci_running(x))
        timer_set(x->clk, &x->run_timer, clock_now(x->clk) + MICROFRAME_NS);
    arm_wrap(x);
    xhci_intr_settle(x);
}

static void write_command(struct xhci *x, u32 val)
{
    u32 old = x->cmd;

    if (val & XHCI_CMD_HCRST) {
        reset_registers(x);
        return;
    }
    if (old & ~val & XHCI_CMD_RS) {
        x->mfindex = (u16)(microframes(x) & MFINDEX_MASK);
        xhci_die(x, 0);
    }
    if (val & XHCI_CMD_CSS)
        x->sts &= ~XHCI_STS_SRE;
    if (val & XHCI_CMD_CRS)
        x->sts |= XHCI_STS_SRE;
    if (x->sts & (XHCI_STS_HSE | XHCI_STS_HCE))
        val &= ~XHCI_CMD_RS; /* only a reset helps */
    x->cmd = val & CMD_WRITABLE;
    if (x->cmd & ~old & XHCI_CMD_RS)
        start(x);
    arm_wrap(x);
    xhci_intr_settle(x);
}

static void write_command_ring(struct xhci *x, bool high, u32 val)
{
    if (x->crr) {
        if (!high && val & (XHCI_CRCR_CS | XHCI_CRCR_CA))
            xhci_stop_commands(x);
    } else if (high) {
        x->cr.deq = (x->cr.deq & 0xffffffff) | (u64)val << 32;
    } else {
        x->cr.deq = (x->cr.deq & ~0xffffffffull) | (val & ~63u);
        x->cr.ccs = val & XHCI_CRCR_RCS;
    }
}

static u32 oper_read(const struct xhci *x, unsigned reg)
{
    switch (reg) {
    case USBCMD:
        return x->cmd;
    case USBSTS:
        return x->sts;
    case PAGESIZE:
        return 1;
    case DNCTRL:
        return x->dnctrl;
    case CRCR:
        return x->crr ? XHCI_CRCR_CRR : 0;
    case DCBAAP:
        return (u32)x->dcbaap;
    case DCBAAP + 4:
        return (u32)(x->dcbaap >> 32);
    case CONFIG:
        return x->config;
    default:
        return 0;
    }
}

static void oper_write(struct xhci *x, unsigned reg, u32 val)
{
    switch (reg) {
    case USBCMD:
        write_command(x, val);
        break;
    case USBSTS:
        x->sts &= ~(val & STS_CLEAR);
        break;
    case DNCTRL:
        x->dnctrl = val & 0xffff;
        break;
    case CRCR:
    case CRCR + 4:
        write_command_ring(x, reg != CRCR, val);
        break;
    case DCBAAP:
        x->dcbaap = (x->dcbaap & ~0xffffffffull) | (val & ~63u);
        break;
    case DCBAAP + 4:
        x->dcbaap = (x->dcbaap & 0xffffffff) | (u64)val << 32;
        break;
    case CONFIG:
        x->config = (u32)min_u64(val & 0xff, XHCI_SLOTS);
        break;
    }
}

/* USBLEGSUP, then the supported protocols. */
static u32 extcap_read(const struct xhci *x, unsigned reg)
{
    static const u32 protocols[8] = {
        0x02000402,
        0x20425355,
        XHCI_SOCKETS << 8 | (XHCI_SOCKETS + 1),
        0,
        0x03000002,
        0x20425355,
        XHCI_SOCKETS << 8 | 1,
        0,
    };

    if (reg == 0)
        return x->legsup | 0x0401;
    if (reg == 4)
        return x->legctl;
    return reg >= 0x10 && reg < 0x30 ? protocols[(reg - 0x10) / 4] : 0;
}

static u32 cap_read(unsigned reg)
{
    static const u32 regs[8] = {
        HCIVERSION << 16 | OPER, HCSPARAMS1, HCSPARAMS2, 0, HCCPARAMS1, DOORS, RUNTIME, 0};

    return reg / 4 < ARRAY_SIZE(regs) ? regs[reg / 4] : 0;
}

static u32 read_reg(struct xhci *x, unsigned off)
{
    if (off < OPER)
        return cap_read(off);
    if (off < PORTS)
        return oper_read(x, off - OPER);
    if (off - PORTS < XHCI_ROOT * PORT_REGS)
        return xhci_port_read(x, (off - PORTS) / PORT_REGS, off % PORT_REGS);
    if (off >= EXTCAPS && off < RUNTIME)
        return extcap_read(x, off - EXTCAPS);
    if (off == RUNTIME)
        return (u32)microframes(x) & MFINDEX_MASK;
    if (off >= INTRS && off - INTRS < XHCI_INTRS * INTR_REGS)
        return xhci_intr_read(x, (off - INTRS) / INTR_REGS, off % INTR_REGS);
    return 0;
}

static void write_reg(struct xhci *x, unsigned off, u32 val)
{
    if (off >= OPER && off < PORTS)
        oper_write(x, off - OPER, val);
    else if (off >= PORTS && off - PORTS < XHCI_ROOT * PORT_REGS)
        xhci_port_write(x, (off - PORTS) / PORT_REGS, off % PORT_REGS, val);
    else if (off == EXTCAPS)
        x->legsup = val & LEGSUP_OWNERS;
    else if (off == EXTCAPS + 4)
        x->legctl = val & LEGCTL_ENABLE;
    else if (off >= INTRS && off - INTRS < XHCI_INTRS * INTR_REGS)
        xhci_intr_write(x, (off - INTRS) / INTR_REGS, off % INTR_REGS, val);
    else if (off >= DOORS && off - DOORS <= XHCI_SLOTS * 4)
        xhci_ring_doorbell(x, (off - DOORS) / 4, val);
}

static u64 bar_read(void *opaque, u64 off, unsigned size)
{
    return read_reg(opaque, (unsigned)off & ~3u) >> 8 * (off & 3) & (u32)size_mask(size);
}

static void bar_write(void *opaque, u64 off, unsigned size, u64 val)
{
    struct xhci *x = opaque;
    unsigned reg = (unsigned)off & ~3u, shift = 8 * (off & 3);
    u32 mask = (u32)size_mask(size) << shift;

    if (size == 4)
        write_reg(x, reg, (u32)val);
    else if (reg == EXTCAPS) /* each owner has a byte to claim the controller by */
        write_reg(x, reg, (x->legsup & ~mask) | ((u32)val << shift & mask));
}

static const struct bus_ops bar_ops = {.read = bar_read, .write = bar_write, .max_size = 4};

/* Messages or bus mastering may have been switched on. */
static void config_written(void *opaque, unsigned off, unsigned size)
{
    xhci_intr_settle(opaque);
    xhci_run(opaque);
}

static const struct pci_device_ops pci_ops = {.config_written = config_written};
static const struct usb_port_ops socket_ops = {.connected = xhci_port_connected,
                                               .ready = xhci_device_ready};

static void set_up_pci(struct xhci *x)
{
    x->pci.config[CFG_SBRN] = 0x30;
    x->pci.config[CFG_FLADJ] = 0x20;
    x->pci.wmask[CFG_FLADJ] = 0x3f;
    x->pci.cap_end = 0x70;
    pci_device_settled(&x->pci);
    pci_add_bar_mem(&x->pci, BAR, BAR_LEN, &bar_ops, x, "xhci");
    pci_add_msi(&x->pci);
    pci_add_msix(&x->pci, &x->msix, MSIX_BAR, XHCI_INTRS);
}

int xhci_new(struct xhci **out, struct pci_bus *bus, u8 devfn, struct clock *clk)
{
    static const struct pci_ids ids = {.vendor = 0x1b36,
                                       .device = 0x000d,
                                       .subsys_vendor = 0x1af4,
                                       .subsys = 0x1100,
                                       .class = 0x0c03,
                                       .prog_if = 0x30,
                                       .revision = 1,
                                       .pin = 1};
    struct xhci *x = calloc(1, sizeof(*x));
    int rc;

    if (!x)
        return -ENOMEM;
    x->clk = clk;
    timer_init(&x->run_timer, xhci_run_due, x);
    timer_init(&x->intr_timer, xhci_intr_due, x);
    timer_init(&x->wrap_timer, wrap_due, x);
    for (unsigned n = 0; n < XHCI_SOCKETS; n++)
        usb_port_init(&x->socket[n], &socket_ops, x, n, USB_SUPER);
    rc = pci_device_init(&x->pci, bus, devfn, &ids, &pci_ops, x);
    if (rc) {
        free(x);
        return rc;
    }
    set_up_pci(x);
    reset_registers(x);
    *out = x;
    return 0;
}

void xhci_reset(struct xhci *x)
{
    pci_device_reset(&x->pci);
    reset_registers(x);
}

void xhci_free(struct xhci *x)
{
    if (!x)
        return;
    xhci_die(x, 0);
    for (unsigned n = 0; n < XHCI_SOCKETS; n++)
        usb_detach(&x->socket[n]);
    pci_device_dispose(&x->pci);
    free(x);
}

struct usb_port *xhci_socket(struct xhci *x, unsigned n)
{
    BUG_ON(n >= XHCI_SOCKETS);
    return &x->socket[n];
}
