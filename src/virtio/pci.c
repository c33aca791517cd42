/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio over PCI (VIRTIO 1.2, section 4.1): identity, capabilities, interrupts. A device is
 * transitional, with the legacy interface in I/O space at base address 0, or modern alone; MSI-X,
 * one vector for each queue and one for changes of the configuration, is at base address 1, the
 * modern interface at 4. A function that is a VGA as well has display memory at base address 0,
 * the VGA's registers and then the modern interface at 2, MSI-X at 4, as QEMU's virtio-vga, whose
 * firmware and boot loaders look there. Left out: shared memory regions.
 *
 * Registers are used under the machine's lock, then the device's; notifications need the latter
 * alone, as do interrupts by MSI-X. A wire is driven under the machine's lock: a device with a lock
 * of its own has it done by a timer.
 */
#include "base/le.h"
#include "virtio/pci_priv.h"

#include <errno.h>
#include <stdlib.h>

#define VENDOR        0x1af4u
#define DEVICE_MODERN 0x1040u
#define SUBSYS_MODERN 0x1100u
#define LEGACY_BAR    0u
#define MSIX_BAR      1u
#define MODERN_BAR    4u
#define VGA_MEM_BAR   0u
#define VGA_REGS_BAR  2u
#define VGA_MSIX_BAR  4u
#define VGA_MODERN    0x4000u /* where the modern interface is in VGA_REGS_BAR */
#define LEGACY_HEADER 24u     /* bytes, with MSI-X */

#define CAP_VENDOR     0x09u
#define CAP_COMMON     1u
#define CAP_NOTIFY     2u
#define CAP_ISR        3u
#define CAP_DEVICE     4u
#define CAP_PCI_ACCESS 5u
#define CAP_LEN        16u

#define ISR_QUEUE  1u
#define ISR_CONFIG 2u

/* Machine's lock held, and the device's. */
static void drive_line(struct virtio_pci *v)
{
    pci_set_intx(&v->pci, v->isr && !pci_msix_enabled(&v->pci));
}

static void interrupt(struct virtio_pci *v, u8 isr, u16 vector)
{
    if (pci_msix_send(&v->pci, vector)) /* VIRTIO_NO_VECTOR is beyond them */
        return;
    v->isr |= isr;
    if (v->dev->lock)
        timer_set(v->dev->clk, &v->line, clock_now(v->dev->clk));
    else
        drive_line(v);
}

static void on_line(void *opaque)
{
    struct virtio_pci *v = opaque;

    virtio_lock(v->dev);
    drive_line(v);
    virtio_unlock(v->dev);
}

static void queue_interrupt(void *opaque, struct virtq *q)
{
    interrupt(opaque, ISR_QUEUE, q->vector);
}

static void config_interrupt(void *opaque)
{
    struct virtio_pci *v = opaque;

    interrupt(v, ISR_CONFIG, v->config_vector);
}

static const struct virtio_transport transport = {.queue_interrupt = queue_interrupt,
                                                  .config_interrupt = config_interrupt};

u8 virtio_pci_take_isr(struct virtio_pci *v)
{
    u8 isr = v->isr;

    v->isr = 0;
    drive_line(v);
    return isr;
}

u16 virtio_pci_vector(const struct virtio_pci *v, u16 wanted)
{
    return wanted < v->msix.vectors ? wanted : VIRTIO_NO_VECTOR;
}

static void reset_registers(struct virtio_pci *v)
{
    v->device_select = v->driver_select = 0;
    v->queue_select = 0;
    v->config_vector = VIRTIO_NO_VECTOR;
    v->isr = 0;
    drive_line(v);
}

void virtio_pci_set_status(struct virtio_pci *v, u8 status, bool legacy)
{
    if (!status)
        reset_registers(v);
    virtio_set_status(v->dev, status, legacy);
}

/* The window in configuration space through which firmware reaches a bar that is not mapped
   (4.1.4.9). Where the access goes; size 0: nowhere. */
static unsigned access_window(const struct virtio_pci *v, unsigned off, unsigned size, u32 *at)
{
    const u8 *cap = v->pci.config + v->access_cap;
    u32 len = le32(cap + 12);

    *at = le32(cap + 8);
    if (!v->access_cap || off >= v->access_cap + 20u || off + size <= v->access_cap + 16u)
        return 0;
    if (cap[4] != v->modern_bar || (len != 1 && len != 2 && len != 4) || *at % len ||
        *at > v->modern_at + MODERN_LEN - len)
        return 0;
    return len;
}

static void config_read(void *opaque, unsigned off, unsigned size)
{
    struct virtio_pci *v = opaque;
    u32 at;
    unsigned len = access_window(v, off, size, &at);

    if (len)
        put_le32(v->pci.config + v->access_cap + 16, (u32)virtio_pci_modern_ops.read(v, at, len));
}

static void config_written(void *opaque, unsigned off, unsigned size)
{
    struct virtio_pci *v = opaque;
    u32 at;
    unsigned len = access_window(v, off, size, &at);

    if (len)
        virtio_pci_modern_ops.write(v, at, len,
                                    le32(v->pci.config + v->access_cap + 16) & size_mask(len));
    virtio_lock(v->dev);
    virtio_set_dma(v->dev, le16(v->pci.config + PCI_COMMAND) & PCI_COMMAND_BME);
    drive_line(v);
    virtio_unlock(v->dev);
}

static const struct pci_device_ops pci_ops = {.config_written = config_written,
                                              .config_read = config_read};

static unsigned add_cap(struct virtio_pci *v, u8 kind, u32 off, u32 len, unsigned extra)
{
    unsigned at = pci_add_cap(&v->pci, CAP_VENDOR, CAP_LEN + extra);
    u8 *cap = v->pci.config + at;

    cap[2] = (u8)(CAP_LEN + extra);
    cap[3] = kind;
    cap[4] = v->modern_bar;
    put_le32(cap + 8, v->modern_at + off);
    put_le32(cap + 12, len);
    return at;
}

static void add_modern(struct virtio_pci *v)
{
    unsigned at;
    u8 *mask;

    add_cap(v, CAP_COMMON, MODERN_COMMON, COMMON_CFG_LEN, 0);
    add_cap(v, CAP_ISR, MODERN_ISR, 1, 0);
    if (v->dev->config_len)
        add_cap(v, CAP_DEVICE, MODERN_DEVICE, v->dev->config_len, 0);
    at = add_cap(v, CAP_NOTIFY, MODERN_NOTIFY, NOTIFY_STRIDE * v->dev->nqueues, 4);
    put_le32(v->pci.config + at + CAP_LEN, NOTIFY_STRIDE);
    at = add_cap(v, CAP_PCI_ACCESS, 0, 0, 4);
    v->pci.config[at + 4] = 0;
    put_le32(v->pci.config + at + 8, 0);
    mask = v->pci.wmask + at;
    mask[4] = 0xff;
    put_le32(mask + 8, 0xffffffff);
    put_le32(mask + 12, 0xffffffff);
    put_le32(mask + 16, 0xffffffff);
    v->access_cap = (u8)at;
    pci_device_settled(&v->pci);
    pci_add_bar_mem(&v->pci, v->modern_bar, v->modern_at + MODERN_LEN, &virtio_pci_modern_ops, v,
                    "virtio");
}

static u32 power_of_two(u32 n)
{
    u32 p = 32;

    while (p < n)
        p *= 2;
    return p;
}

/* 4.1.2: by type; 0: never had a legacy interface. */
static u16 transitional_id(u16 type)
{
    static const u16 ids[] = {
        [VIRTIO_NET] = 0x1000,     [VIRTIO_BLK] = 0x1001,  [VIRTIO_BALLOON] = 0x1002,
        [VIRTIO_CONSOLE] = 0x1003, [VIRTIO_SCSI] = 0x1004, [VIRTIO_RNG] = 0x1005,
        [VIRTIO_9P] = 0x1009,
    };

    return type < ARRAY_SIZE(ids) ? ids[type] : 0;
}

static void add_bars(struct virtio_pci *v, bool no_modern, bool legacy)
{
    v->modern_bar = MODERN_BAR;
    pci_add_msix(&v->pci, &v->msix, MSIX_BAR, v->dev->nqueues + 1);
    if (!no_modern)
        add_modern(v);
    if (legacy)
        pci_add_bar_io(&v->pci, LEGACY_BAR, power_of_two(LEGACY_HEADER + v->dev->config_len),
                       &virtio_pci_legacy_ops, v, "virtio");
}

static void add_vga(struct virtio_pci *v, const struct virtio_pci_vga *vga)
{
    v->vga = *vga;
    v->modern_bar = VGA_REGS_BAR;
    v->modern_at = VGA_MODERN;
    pci_add_msix(&v->pci, &v->msix, VGA_MSIX_BAR, v->dev->nqueues + 1);
    add_modern(v);
    pci_add_bar_window(&v->pci, VGA_MEM_BAR, vga->memory);
}

int virtio_pci_new(struct virtio_pci **out, struct pci_bus *bus, u8 devfn, struct virtio *dev,
                   const struct virtio_pci_config *cfg)
{
    u16 old = cfg->no_legacy || cfg->vga ? 0 : transitional_id(dev->type);
    struct pci_ids ids = {.vendor = VENDOR,
                          .device = (u16)(old ? old : DEVICE_MODERN + dev->type),
                          .subsys_vendor = VENDOR,
                          .subsys = (u16)(old ? dev->type : SUBSYS_MODERN),
                          .class = dev->class,
                          .revision = old ? 0 : 1,
                          .pin = 1};
    struct virtio_pci *v;
    int rc;

    if (!old && cfg->no_modern)
        return -EINVAL;
    v = calloc(1, sizeof(*v));
    if (!v)
        return -ENOMEM;
    v->dev = dev;
    timer_init(&v->line, on_line, v);
    rc = pci_device_init(&v->pci, bus, devfn, &ids, &pci_ops, v);
    if (rc) {
        free(v);
        return rc;
    }
    if (cfg->vga)
        add_vga(v, cfg->vga);
    else
        add_bars(v, cfg->no_modern, old);
    if (cfg->rom)
        pci_add_rom(&v->pci, cfg->rom);
    virtio_connect(dev, &transport, v);
    reset_registers(v);
    *out = v;
    return 0;
}

void virtio_pci_reset(struct virtio_pci *v)
{
    pci_device_reset(&v->pci);
    virtio_lock(v->dev);
    virtio_reset(v->dev); /* before it may not reach memory: what is under way is not given back */
    virtio_set_dma(v->dev, false);
    reset_registers(v);
    virtio_unlock(v->dev);
}

void virtio_pci_free(struct virtio_pci *v)
{
    if (!v)
        return;
    virtio_lock(v->dev);
    virtio_connect(v->dev, NULL, NULL);
    virtio_unlock(v->dev);
    timer_cancel(v->dev->clk, &v->line);
    pci_device_dispose(&v->pci);
    free(v);
}

static const struct state_field fields[] = {
    STATE_STRUCTS(struct virtio_pci, pci, 1, pci_device_fields),
    STATE_STRUCTS(struct virtio_pci, msix, 1, pci_msix_fields),
    STATE_UINT(struct virtio_pci, device_select),
    STATE_UINT(struct virtio_pci, driver_select),
    STATE_UINT(struct virtio_pci, queue_select),
    STATE_UINT(struct virtio_pci, config_vector),
    STATE_UINT(struct virtio_pci, isr),
    STATE_END,
};

static int loaded(void *opaque)
{
    struct virtio_pci *v = opaque;
    int rc = pci_device_loaded(&v->pci);

    if (!rc)
        rc = pci_msix_loaded(&v->pci);
    if (rc || v->isr & ~(ISR_QUEUE | ISR_CONFIG) ||
        (v->config_vector >= v->msix.vectors && v->config_vector != VIRTIO_NO_VECTOR))
        return -EINVAL;
    virtio_lock(v->dev);
    virtio_set_dma(v->dev, le16(v->pci.config + PCI_COMMAND) & PCI_COMMAND_BME);
    drive_line(v);
    virtio_unlock(v->dev);
    return 0;
}

const struct state_table virtio_pci_state = {
    .name = "virtio-pci", .version = 1, .oldest = 1, .fields = fields, .loaded = loaded};
