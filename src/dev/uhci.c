/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The USB host controller in Intel's 82371SB PIIX3 (data sheet 290550; Universal Host Controller
 * Interface Design Guide 1.1): registers, root ports, and when frames are done. The schedule is
 * uhci_sched.c's.
 *
 * A frame is done at its end by the virtual clock, and only while the controller runs and a port
 * is enabled. After BUSY_NS without anything but NAKs, frames are done LAZY_FRAMES at a time,
 * until a device has something to say. Left out: software debug mode, over-current, traps of the
 * legacy keyboard. Runs under the machine's lock.
 */
#include "base/le.h"
#include "dev/uhci_priv.h"

#include <errno.h>
#include <stdlib.h>

#define BAR        4u
#define BAR_SIZE   32u
#define CFG_SBRN   0x60u
#define CFG_LEGSUP 0xc0u

#define LEGSUP_PIRQ  0x2000u /* the interrupt reaches its PIRQ */
#define LEGSUP_WRITE 0x20bfu
#define LEGSUP_CLEAR 0x8f00u

enum { USBCMD = 0, USBSTS = 2, USBINTR = 4, FRNUM = 6, FRBASEADD = 8, SOFMOD = 12, PORTSC = 16 };

#define FRNUM_MASK    0x7ffu
#define SOFMOD_RESET  64u
#define SOFMOD_MASK   0x7fu
#define FRAME_CLOCKS  11936u /* and SOFMOD, of 12 MHz */
#define CLOCK_MHZ     12u
#define PORT_WRITABLE (PORT_PED | PORT_RD | PORT_PR | PORT_SUSP)
#define PORT_STEADY   (PORT_CCS | PORT_DP | PORT_DM | PORT_LSDA)

#define BUSY_NS     1000000000ull
#define LAZY_FRAMES 4u
#define LATE_FRAMES 16u /* more that a late host has missed are skipped */

static u64 frame_ns(const struct uhci *u)
{
    return (FRAME_CLOCKS + u->sofmod) * 1000ull / CLOCK_MHZ;
}

static void update_irq(struct uhci *u)
{
    bool level = (u->sts & STS_USBINT &&
                  ((u->ioc && u->intr & INTR_IOC) || (u->spd && u->intr & INTR_SHORT))) ||
                 (u->sts & STS_ERROR && u->intr & INTR_TIMEOUT) ||
                 (u->sts & STS_RD && u->intr & INTR_RESUME) || u->sts & (STS_HSE | STS_HCPE);

    pci_set_intx(&u->pci, level && le16(u->pci.config + CFG_LEGSUP) & LEGSUP_PIRQ);
}

static void set_status(struct uhci *u, u16 bits)
{
    u->sts |= bits;
    update_irq(u);
}

static bool frames_matter(const struct uhci *u)
{
    bool enabled = false;

    for (unsigned i = 0; i < UHCI_PORTS; i++)
        enabled |= !!(u->portsc[i] & PORT_PED);
    return u->cmd & CMD_RS && !(u->cmd & CMD_EGSM) && enabled;
}

static void arm(struct uhci *u)
{
    bool lazy = clock_now(u->clk) - u->last_use > BUSY_NS;

    if (frames_matter(u))
        timer_set(u->clk, &u->timer, u->next_frame + (lazy ? LAZY_FRAMES - 1 : 0) * frame_ns(u));
    else
        timer_cancel(u->clk, &u->timer);
}

static void stop(struct uhci *u, u16 why)
{
    u->cmd &= (u16)~CMD_RS;
    set_status(u, STS_HCHALTED | why);
}

static void take_frame(struct uhci *u, const struct uhci_frame *f)
{
    u16 why = 0;

    if (f->ioc || f->spd)
        why |= STS_USBINT;
    u->ioc |= f->ioc;
    u->spd |= f->spd;
    if (f->error)
        why |= STS_ERROR;
    if (f->used)
        u->last_use = clock_now(u->clk);
    if (f->fatal || f->no_host)
        stop(u, why | (f->fatal ? STS_HCPE : 0) | (f->no_host ? STS_HSE : 0));
    else if (why)
        set_status(u, why);
}

static void next_frame(struct uhci *u, u64 n)
{
    u->frnum = (u16)((u->frnum + n) & FRNUM_MASK);
    u->next_frame += n * frame_ns(u);
}

/* Does the frames that have ended. */
static void catch_up(struct uhci *u)
{
    u64 now = clock_now(u->clk), late;
    struct uhci_frame f;

    if (!(u->cmd & CMD_RS) || now < u->next_frame)
        return;
    late = (now - u->next_frame) / frame_ns(u) + 1;
    if (late > LATE_FRAMES)
        next_frame(u, late - LATE_FRAMES);
    while (u->cmd & CMD_RS && u->next_frame <= now) {
        if (frames_matter(u) && pci_is_master(&u->pci)) {
            uhci_run_frame(u, &f);
            take_frame(u, &f);
        }
        next_frame(u, 1);
    }
}

static void frame_due(void *opaque)
{
    struct uhci *u = opaque;

    catch_up(u);
    arm(u);
}

/* Something happens: frames one by one from now on. */
static void hurry(struct uhci *u)
{
    u->last_use = clock_now(u->clk);
    arm(u);
}

/* A resume signal from below, or a change at a port, ends the sleep of a suspended bus. */
static void wake_bus(struct uhci *u)
{
    if (!(u->cmd & CMD_EGSM))
        return;
    u->cmd |= CMD_FGR;
    set_status(u, STS_RD);
}

static void port_connected(void *opaque, unsigned n, bool present)
{
    struct uhci *u = opaque;
    u16 *sc = &u->portsc[n];
    u16 enabled = *sc & PORT_PED;

    *sc &= (u16) ~(PORT_STEADY | PORT_PED | PORT_SUSP | PORT_RD);
    if (present)
        *sc |=
            u->port[n].dev->speed == USB_LOW ? PORT_CCS | PORT_DM | PORT_LSDA : PORT_CCS | PORT_DP;
    *sc |= PORT_CSC | (enabled ? PORT_PEDC : 0);
    wake_bus(u);
    arm(u);
}

static void port_ready(void *opaque, unsigned n)
{
    struct uhci *u = opaque;
    struct usb_device *dev = u->port[n].dev;

    if (u->portsc[n] & PORT_SUSP && dev && dev->remote_wakeup) {
        u->portsc[n] |= PORT_RD;
        set_status(u, STS_RD);
    }
    if (dev && dev->remote_wakeup)
        wake_bus(u);
    if (u->cmd & CMD_RS)
        hurry(u);
}

static void reset_ports(struct uhci *u)
{
    for (unsigned i = 0; i < UHCI_PORTS; i++) {
        u->portsc[i] = PORT_ONE;
        if (!u->port[i].dev)
            continue;
        usb_device_reset(u->port[i].dev);
        port_connected(u, i, true);
    }
}

static void reset_registers(struct uhci *u)
{
    u->cmd = u->intr = 0;
    u->sts = STS_HCHALTED;
    u->frnum = 0;
    u->frbase = 0;
    u->sofmod = SOFMOD_RESET;
    u->ioc = u->spd = false;
    reset_ports(u);
    update_irq(u);
    arm(u);
}

static void start(struct uhci *u)
{
    u->sts &= (u16)~STS_HCHALTED;
    u->next_frame = clock_now(u->clk) + frame_ns(u);
    u->last_use = clock_now(u->clk);
}

static void write_command(struct uhci *u, u16 val)
{
    u16 old = u->cmd;

    if (val & CMD_HCRESET) {
        reset_registers(u);
        return;
    }
    if (val & ~old & CMD_GRESET)
        reset_registers(u);
    u->cmd = val & CMD_ALL;
    if (val & CMD_GRESET)
        u->cmd &= (u16)~CMD_RS;
    if (u->cmd & ~old & CMD_RS)
        start(u);
    if (!(u->cmd & CMD_RS))
        u->sts |= STS_HCHALTED;
    if (old & ~u->cmd & CMD_EGSM)
        u->last_use = clock_now(u->clk);
    arm(u);
}

static void write_status(struct uhci *u, u16 val)
{
    u->sts &= (u16) ~(val & ~STS_HCHALTED);
    if (val & STS_USBINT)
        u->ioc = u->spd = false;
    update_irq(u);
}

static void write_port(struct uhci *u, unsigned n, u16 val)
{
    u16 *sc = &u->portsc[n], old = *sc;

    *sc &= (u16) ~(PORT_WRITABLE | (val & (PORT_CSC | PORT_PEDC)));
    *sc |= val & PORT_WRITABLE;
    if (!(*sc & PORT_CCS) || *sc & PORT_PR)
        *sc &= (u16)~PORT_PED;
    if (*sc & PORT_PR)
        *sc &= (u16)~PORT_SUSP;
    if (~old & *sc & PORT_PR && u->port[n].dev)
        usb_device_reset(u->port[n].dev);
    hurry(u);
}

/* The register that holds byte `off`, which begins at *first. */
static u32 read_register(struct uhci *u, unsigned off, unsigned *first)
{
    *first = off & ~1u;
    switch (*first) {
    case USBCMD:
        return u->cmd;
    case USBSTS:
        return u->sts;
    case USBINTR:
        return u->intr;
    case FRNUM:
        catch_up(u);
        return u->frnum;
    case FRBASEADD:
    case FRBASEADD + 2:
        *first = FRBASEADD;
        return u->frbase;
    case SOFMOD:
        return u->sofmod;
    case PORTSC:
    case PORTSC + 2:
        return u->portsc[(*first - PORTSC) / 2];
    default:
        return 0;
    }
}

static u64 uhci_read(void *dev, u64 off, unsigned size)
{
    struct uhci *u = dev;
    u64 val = 0;

    for (unsigned i = 0; i < size;) {
        unsigned first, at = (unsigned)off + i;
        u32 reg = read_register(u, at, &first);
        unsigned end = first + (first == FRBASEADD ? 4 : 2);
        for (; i < size && off + i < end; i++)
            val |= (u64)(reg >> 8 * (off + i - first) & 0xff) << 8 * i;
    }
    return val;
}

static void write_frbase(struct uhci *u, unsigned at, unsigned size, u32 val)
{
    u32 mask = (u32)size_mask(size) << 8 * at;

    u->frbase = ((u->frbase & ~mask) | (val << 8 * at & mask)) & ~0xfffu;
}

/* A word; what else a byte access leaves out is given as it is, or as what changes nothing. */
static void write_register(struct uhci *u, unsigned off, u16 val)
{
    switch (off) {
    case USBCMD:
        write_command(u, val);
        break;
    case USBSTS:
        write_status(u, val);
        break;
    case USBINTR:
        u->intr = val & INTR_ALL;
        update_irq(u);
        break;
    case FRNUM:
        if (u->sts & STS_HCHALTED)
            u->frnum = val & FRNUM_MASK;
        break;
    case SOFMOD:
        u->sofmod = val & SOFMOD_MASK;
        break;
    case PORTSC:
    case PORTSC + 2:
        write_port(u, (off - PORTSC) / 2, val);
        break;
    default:
        break;
    }
}

/* What a byte write leaves of the word around it: nothing where a 1 clears. */
static u16 kept(struct uhci *u, unsigned off)
{
    unsigned first;
    u16 val = (u16)read_register(u, off, &first);

    if (off == USBSTS)
        return 0;
    return off >= PORTSC ? val & (u16) ~(PORT_CSC | PORT_PEDC) : val;
}

static void uhci_write(void *dev, u64 off, unsigned size, u64 val)
{
    struct uhci *u = dev;

    catch_up(u);
    for (unsigned i = 0; i < size;) {
        unsigned at = (unsigned)off + i, n = at & 1 || size - i < 2 ? 1 : 2;
        u16 part = (u16)(val >> 8 * i & size_mask(n));
        if ((at & ~3u) == FRBASEADD)
            write_frbase(u, at & 3, n, part);
        else if (n == 2)
            write_register(u, at, part);
        else
            write_register(
                u, at & ~1u,
                (u16)((kept(u, at & ~1u) & (at & 1 ? 0xff : 0xff00)) | part << 8 * (at & 1)));
        i += n;
    }
}

static const struct bus_ops uhci_ops = {.read = uhci_read, .write = uhci_write, .max_size = 4};

static void config_written(void *opaque, unsigned off, unsigned size)
{
    update_irq(opaque);
}

static const struct pci_device_ops pci_ops = {.config_written = config_written};
static const struct usb_port_ops port_ops = {.connected = port_connected, .ready = port_ready};

void uhci_reset(struct uhci *u)
{
    pci_device_reset(&u->pci);
    reset_registers(u);
}

struct usb_port *uhci_port(struct uhci *u, unsigned n)
{
    BUG_ON(n >= UHCI_PORTS);
    return &u->port[n];
}

static void set_up_config(struct pci_device *pci)
{
    put_le16(pci->config + PCI_STATUS, 0x0280); /* medium DEVSEL, fast back-to-back */
    pci->config[CFG_SBRN] = 0x10;
    put_le16(pci->config + CFG_LEGSUP, LEGSUP_PIRQ);
    put_le16(pci->wmask + CFG_LEGSUP, LEGSUP_WRITE);
    put_le16(pci->w1c + CFG_LEGSUP, LEGSUP_CLEAR);
    pci_device_settled(pci);
}

int uhci_new(struct uhci **out, struct pci_bus *bus, u8 devfn, struct clock *clk)
{
    static const struct pci_ids ids = {.vendor = 0x8086,
                                       .device = 0x7020,
                                       .subsys_vendor = 0x1af4,
                                       .subsys = 0x1100,
                                       .class = 0x0c03,
                                       .revision = 1,
                                       .pin = 4};
    struct uhci *u = calloc(1, sizeof(*u));
    int rc;

    if (!u)
        return -ENOMEM;
    u->clk = clk;
    timer_init(&u->timer, frame_due, u);
    for (unsigned i = 0; i < UHCI_PORTS; i++)
        usb_port_init(&u->port[i], &port_ops, u, i, USB_FULL);
    rc = pci_device_init(&u->pci, bus, devfn, &ids, &pci_ops, u);
    if (rc) {
        free(u);
        return rc;
    }
    set_up_config(&u->pci);
    pci_add_bar_io(&u->pci, BAR, BAR_SIZE, &uhci_ops, u, "uhci");
    reset_registers(u);
    *out = u;
    return 0;
}

void uhci_free(struct uhci *u)
{
    if (!u)
        return;
    for (unsigned i = 0; i < UHCI_PORTS; i++)
        usb_detach(&u->port[i]);
    timer_cancel(u->clk, &u->timer);
    pci_device_dispose(&u->pci);
    free(u);
}

static void before_save(void *obj)
{
    struct uhci *u = obj;
    u64 now = clock_now(u->clk);

    catch_up(u);
    u->frame_left = u->cmd & CMD_RS && u->next_frame > now ? u->next_frame - now : 0;
}

static int uhci_loaded(void *obj)
{
    struct uhci *u = obj;
    int rc = pci_device_loaded(&u->pci);

    if (rc)
        return rc;
    if (u->frnum > FRNUM_MASK || u->sofmod > SOFMOD_MASK || u->frbase & 0xfff ||
        !(u->cmd & CMD_RS) != !!(u->sts & STS_HCHALTED))
        return -EINVAL;
    for (unsigned i = 0; i < UHCI_PORTS; i++)
        if (!!(u->portsc[i] & PORT_CCS) != !!u->port[i].dev ||
            (u->portsc[i] & PORT_PED && !u->port[i].dev))
            return -EINVAL;
    if (u->frame_left > frame_ns(u))
        return -EINVAL;
    u->next_frame = clock_now(u->clk) + u->frame_left;
    u->last_use = clock_now(u->clk);
    update_irq(u);
    arm(u);
    return 0;
}

static const struct state_field fields[] = {
    STATE_STRUCTS(struct uhci, pci, 1, pci_device_fields),
    STATE_UINT(struct uhci, cmd),
    STATE_UINT(struct uhci, sts),
    STATE_UINT(struct uhci, intr),
    STATE_UINT(struct uhci, frnum),
    STATE_UINT(struct uhci, frbase),
    STATE_UINT(struct uhci, sofmod),
    STATE_ARRAY(struct uhci, portsc),
    STATE_BOOL(struct uhci, ioc),
    STATE_BOOL(struct uhci, spd),
    STATE_UINT(struct uhci, frame_left),
    STATE_END,
};

const struct state_table uhci_state = {.name = "uhci",
                                       .version = 1,
                                       .oldest = 1,
                                       .fields = fields,
                                       .before_save = before_save,
                                       .loaded = uhci_loaded};
