/* SPDX-License-Identifier: GPL-2.0-or-later */
/* USB of the "pc" board: the PIIX3's controller and an xHCI controller, each if the user asked for
   something on it. What finds no port of the controller is behind a hub. */
#include "machine/pc.h"

#include "dev/uhci.h"
#include "dev/usb_hid.h"
#include "dev/usb_hub.h"
#include "dev/usb_msd.h"
#include "dev/xhci.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* A controller, and what is on it. */
struct usb_bus {
    struct pc *pc;
    bool xhci;
    unsigned ports;      /* that the controller has */
    struct usb_hub *hub; /* NULL: none is needed */
    u8 devfn;            /* while it is being filled */
};

/* The xHCI's last port is the hub's if there is one; UHCI's two are too few to go by. */
static unsigned direct_ports(const struct usb_bus *bus)
{
    if (!bus->hub)
        return bus->ports;
    return bus->xhci ? bus->ports - 1 : 0;
}

static struct usb_port *root_port(const struct usb_bus *bus, unsigned n)
{
    return bus->xhci ? xhci_socket(bus->pc->xhci, n) : uhci_port(bus->pc->uhci, n);
}

/* The n-th place for a device; NULL past the last. */
static struct usb_port *place(const struct usb_bus *bus, unsigned n)
{
    unsigned direct = direct_ports(bus);

    if (n < direct)
        return root_port(bus, n);
    return bus->hub && n - direct < USB_HUB_PORTS ? usb_hub_port(bus->hub, n - direct) : NULL;
}

/* NULL: there is none. */
static struct usb_port *free_place(const struct usb_bus *bus, unsigned *n)
{
    struct usb_port *port;

    for (*n = 0; (port = place(bus, *n)) && port->dev; ++*n)
        ;
    return port;
}

/* The OpenFirmware path of a disk at the n-th place. */
static void name_disk(const struct usb_bus *bus, unsigned n, char *path, size_t size)
{
    unsigned direct = direct_ports(bus);
    char controller[16], hub[16] = "";

    snprintf(controller, sizeof(controller), bus->devfn & 7 ? "%x,%x" : "%x", bus->devfn >> 3,
             bus->devfn & 7);
    if (n >= direct)
        snprintf(hub, sizeof(hub), "/hub@%u", direct + 1);
    snprintf(path, size, "/pci@i0cf8/usb@%s%s/storage@%u/channel@0/disk@0,0", controller, hub,
             n < direct ? n + 1 : n - direct + 1);
}

static struct usb_device *input_device(const struct pc_usb_input *in)
{
    return in->kbd ? usb_kbd_device(in->kbd) : usb_pointer_device(in->pointer);
}

static struct input_sink *input_sink(const struct pc_usb_input *in)
{
    return in->kbd ? usb_kbd_sink(in->kbd) : usb_pointer_sink(in->pointer);
}

static void free_input(struct pc_usb_input *in)
{
    usb_kbd_free(in->kbd);
    usb_pointer_free(in->pointer);
    *in = (struct pc_usb_input){.id = ""};
}

/* Makes it and plugs it into the port. */
static int add_input(struct machine *m, struct pc_usb_input *in, enum usb_kind kind,
                     struct usb_port *port, const char *id)
{
    int rc = kind == USB_KEYBOARD ? usb_kbd_new(&in->kbd, m->vm.clock)
             : kind == USB_MOUSE  ? usb_mouse_new(&in->pointer, m->vm.clock)
                                  : usb_tablet_new(&in->pointer, m->vm.clock);

    if (rc)
        return rc;
    rc = usb_attach(port, input_device(in));
    if (rc) {
        free_input(in);
        return rc;
    }
    input_add(&m->pc->input, input_sink(in));
    snprintf(in->id, sizeof(in->id), "%s", id);
    in->port = port;
    return 0;
}

/* Of those that --usb asks for. */
static int add_inputs(struct machine *m, struct usb_bus *bus, const struct usb_config *usb)
{
    char id[16];
    unsigned at;
    int rc = 0;

    for (unsigned n = 0; n < m->cfg->nusbs && !rc; n++) {
        snprintf(id, sizeof(id), "usb%u", n);
        if (usb[n].xhci == bus->xhci)
            rc = add_input(m, &m->pc->usb[n], usb[n].kind, free_place(bus, &at), id);
    }
    return rc;
}

static int add_disk(struct pc_disk *d, struct usb_port *port, const char *serial)
{
    struct usb_msd_config cfg = {.block = d->block, .serial = serial, .removable = true};
    int rc = usb_msd_new(&d->msd, &cfg);

    if (rc)
        return rc;
    d->port = port;
    rc = usb_attach(port, usb_msd_device(d->msd));
    if (rc) {
        usb_msd_free(d->msd);
        d->msd = NULL;
    }
    return rc;
}

static bool is_on(const struct pc_disk *d, const struct usb_bus *bus)
{
    return d->cfg.bus == (bus->xhci ? DISK_XHCI : DISK_USB);
}

static int add_disks(struct usb_bus *bus)
{
    struct pc *pc = bus->pc;
    int rc = 0;

    for (unsigned n = 0; n < pc->ndisks && !rc; n++) {
        struct pc_disk *d = &pc->disk[n];
        struct usb_port *port;
        unsigned at;
        if (!is_on(d, bus))
            continue;
        port = free_place(bus, &at);
        pc_disk_set_place(d, at);
        name_disk(bus, at, d->boot, sizeof(d->boot));
        rc = add_disk(d, port, NULL);
    }
    return rc;
}

static struct usb_bus bus_of(struct pc *pc, bool xhci)
{
    return (struct usb_bus){.pc = pc,
                            .xhci = xhci,
                            .ports = xhci ? XHCI_SOCKETS : UHCI_PORTS,
                            .hub = xhci ? pc->xhci_hub : pc->hub};
}

static int make_controller(struct machine *m, struct usb_bus *bus)
{
    struct pc *pc = m->pc;
    int rc;

    if (!bus->xhci) {
        bus->devfn = PC_UHCI_DEVFN;
        return uhci_new(&pc->uhci, m->pci, bus->devfn, m->vm.clock);
    }
    rc = pc_take_slot(pc, 0, &bus->devfn);
    return rc ? rc : xhci_new(&pc->xhci, m->pci, bus->devfn, m->vm.clock);
}

/* Fast disks come first, to ports of the controller. */
static int fill(struct machine *m, struct usb_bus *bus, unsigned devices,
                const struct usb_config *usb)
{
    struct usb_hub **hub = bus->xhci ? &m->pc->xhci_hub : &m->pc->hub;
    int rc = make_controller(m, bus);

    if (!rc && devices > bus->ports) {
        rc = usb_hub_new(hub);
        bus->hub = *hub;
        if (!rc)
            rc = usb_attach(root_port(bus, bus->xhci ? bus->ports - 1 : 0), usb_hub_device(*hub));
    }
    if (!rc && bus->xhci)
        rc = add_disks(bus);
    if (!rc)
        rc = add_inputs(m, bus, usb);
    return rc || bus->xhci ? rc : add_disks(bus);
}

static int init_bus(struct machine *m, bool xhci, const struct usb_config *usb, struct err *err)
{
    struct usb_bus bus = bus_of(m->pc, xhci);
    unsigned devices = 0, room = USB_HUB_PORTS + (xhci ? XHCI_SOCKETS - 1 : 0);
    int rc;

    for (unsigned n = 0; n < m->cfg->nusbs; n++)
        devices += usb[n].xhci == xhci;
    for (unsigned n = 0; n < m->pc->ndisks; n++)
        devices += is_on(&m->pc->disk[n], &bus);
    if (!devices)
        return 0;
    if (devices > room)
        return err_set(err, ENOSPC, "--usb: %u devices with bus=%s; there are %u ports", devices,
                       xhci ? "xhci" : "usb", room);
    rc = fill(m, &bus, devices, usb);
    return rc ? err_set(err, -rc, "--usb: %s", strerror(-rc)) : 0;
}

int pc_usb_init(struct machine *m, struct err *err)
{
    struct usb_config usb[MACHINE_MAX_USB];
    int rc = 0;

    for (unsigned n = 0; n < m->cfg->nusbs && !rc; n++)
        rc = usb_parse(&usb[n], m->cfg->usb[n], err);
    if (rc) {
        err_prefix(err, "--usb");
        return rc;
    }
    rc = init_bus(m, false, usb, err);
    return rc ? rc : init_bus(m, true, usb, err);
}

void pc_usb_reset(struct pc *pc)
{
    if (pc->uhci)
        uhci_reset(pc->uhci);
    if (pc->xhci)
        xhci_reset(pc->xhci);
}

static void unplug_all(struct pc *pc)
{
    for (unsigned n = 0; pc->hub && n < USB_HUB_PORTS; n++)
        usb_detach(usb_hub_port(pc->hub, n));
    for (unsigned n = 0; pc->xhci_hub && n < USB_HUB_PORTS; n++)
        usb_detach(usb_hub_port(pc->xhci_hub, n));
    for (unsigned n = 0; pc->uhci && n < UHCI_PORTS; n++)
        usb_detach(uhci_port(pc->uhci, n));
    for (unsigned n = 0; pc->xhci && n < XHCI_SOCKETS; n++)
        usb_detach(xhci_socket(pc->xhci, n));
}

void pc_usb_dispose(struct pc *pc)
{
    unplug_all(pc);
    for (unsigned n = 0; n < ARRAY_SIZE(pc->disk); n++)
        usb_msd_free(pc->disk[n].msd);
    for (unsigned n = 0; n < ARRAY_SIZE(pc->usb); n++) {
        if (pc->usb[n].port)
            input_remove(&pc->input, input_sink(&pc->usb[n]));
        free_input(&pc->usb[n]);
    }
    usb_hub_free(pc->hub);
    usb_hub_free(pc->xhci_hub);
    uhci_free(pc->uhci);
    xhci_free(pc->xhci);
}

/* A free place on the bus of that name, or on any. */
static int find_port(struct pc *pc, const char *name, struct usb_port **port, struct err *err)
{
    bool any = !name, known = any || !strcmp(name, "xhci.0") || !strcmp(name, "usb-bus.0");
    bool on_xhci = pc->xhci && (any || !strcmp(name, "xhci.0"));
    bool on_uhci = pc->uhci && (any || !strcmp(name, "usb-bus.0"));
    struct usb_bus xhci = bus_of(pc, true), uhci = bus_of(pc, false);
    unsigned n;

    if (!known || (!on_xhci && !on_uhci))
        return err_set(err, ENODEV,
                       "there is no USB bus '%.40s'; a machine that is started with --usb "
                       "tablet,bus=xhci has xhci.0, one with --usb tablet usb-bus.0",
                       name ? name : "");
    *port = on_xhci ? free_place(&xhci, &n) : NULL;
    if (!*port && on_uhci)
        *port = free_place(&uhci, &n);
    return *port ? 0 : err_set(err, ENOSPC, "no USB port is free");
}

int pc_usb_plug_input(struct machine *m, enum usb_kind kind, const struct plug_config *cfg,
                      struct err *err)
{
    struct pc_usb_input *in = NULL;
    struct usb_port *port = NULL;
    int rc = find_port(m->pc, cfg->bus, &port, err);

    if (rc)
        return rc;
    for (unsigned n = 0; n < ARRAY_SIZE(m->pc->usb) && !in; n++)
        in = m->pc->usb[n].port ? NULL : &m->pc->usb[n];
    if (!in)
        return err_set(err, ENOSPC, "there are %u USB devices already", MACHINE_MAX_USB);
    rc = add_input(m, in, kind, port, cfg->id);
    return rc ? err_set(err, -rc, "%s: %s", cfg->driver, strerror(-rc)) : 0;
}

void pc_usb_unplug_input(struct machine *m, struct pc_usb_input *in)
{
    input_remove(&m->pc->input, input_sink(in));
    usb_detach(in->port);
    in->port = NULL;
    usb_kbd_free(in->kbd);
    usb_pointer_free(in->pointer);
    in->kbd = NULL;
    in->pointer = NULL;
}

int pc_usb_plug_disk(struct machine *m, struct pc_disk *d, const struct plug_config *cfg,
                     struct err *err)
{
    struct usb_port *port = NULL;
    int rc = find_port(m->pc, cfg->bus, &port, err);

    if (rc)
        return rc;
    rc = add_disk(d, port, cfg->serial);
    return rc ? err_set(err, -rc, "%s: %s", cfg->driver, strerror(-rc)) : 0;
}

/* What it does at the moment ends first. */
void pc_usb_unplug_disk(struct pc_disk *d)
{
    usb_detach(d->port);
    block_on_resize(d->block, NULL, NULL);
    block_drain(d->block);
    usb_msd_free(d->msd);
    d->msd = NULL;
    d->port = NULL;
}
