/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A PCI bus and what every function on it needs: configuration space, base address registers that
 * the guest moves, an expansion ROM, INTx and MSI, bus-master accesses to guest memory (PCI Local
 * Bus Specification 3.0). One root bus, no bridges.
 *
 * All of it runs under the machine's lock, but pci_dma_read and pci_dma_write, which any thread
 * may call.
 */
#pragma once
#include "base/state.h"
#include "bus/bus.h"
#include "bus/irq.h"
#include "mem/mem.h"

#define PCI_DEVFN(slot, fn) ((u8)((slot) << 3 | (fn)))
#define PCI_BARS            6u
#define PCI_ROM             PCI_BARS /* the expansion ROM's place among the bars */
#define PCI_UNMAPPED        UINT64_MAX
#define PCI_PIRQS           4u
#define PCI_MSIX_VECTORS    128u /* at most */
#define PCI_MSIX_ENTRY      16u  /* bytes of the table for each */

#define PCI_VENDOR_ID     0x00u
#define PCI_DEVICE_ID     0x02u
#define PCI_COMMAND       0x04u
#define PCI_COMMAND_IO    0x0001u
#define PCI_COMMAND_MEM   0x0002u
#define PCI_COMMAND_BME   0x0004u
#define PCI_COMMAND_INTX  0x0400u /* disables it */
#define PCI_STATUS        0x06u
#define PCI_STATUS_INTX   0x0008u
#define PCI_STATUS_CAP    0x0010u
#define PCI_REVISION      0x08u
#define PCI_PROG_IF       0x09u
#define PCI_CLASS         0x0au /* 16 bits: subclass, class */
#define PCI_CACHE_LINE    0x0cu
#define PCI_LATENCY       0x0du
#define PCI_HEADER_TYPE   0x0eu
#define PCI_BAR0          0x10u
#define PCI_SUBSYS_VENDOR 0x2cu
#define PCI_SUBSYS_ID     0x2eu
#define PCI_ROM_BAR       0x30u
#define PCI_CAP_LIST      0x34u
#define PCI_INT_LINE      0x3cu
#define PCI_INT_PIN       0x3du

struct pci_bus;
struct pci_device;

struct pci_bar {
    u64 size; /* bytes, a power of two; 0: there is none */
    bool io;  /* in I/O space */
    const struct bus_ops *ops;
    void *opaque;
    const char *name;
    struct mem_window *window; /* instead of ops: plain memory */
    u64 at;                    /* where it is mapped now, or PCI_UNMAPPED */
};

struct pci_device_ops {
    /* After a write has changed [off, off + size) of the configuration space; may be NULL. */
    void (*config_written)(void *opaque, unsigned off, unsigned size);
    /* Before a read of it, to bring registers up to date; may be NULL. */
    void (*config_read)(void *opaque, unsigned off, unsigned size);
    /* Bus mastering was switched on: what waits for it goes on; may be NULL. */
    void (*mastering)(void *opaque);
};

/* Embedded in a device that has MSI-X; see pci_add_msix. */
struct pci_msix {
    unsigned vectors;
    pthread_mutex_t lock; /* guards what follows; last in order */
    u8 table[PCI_MSIX_VECTORS * PCI_MSIX_ENTRY];
    u8 pending[PCI_MSIX_VECTORS / 8];
    bool enabled, function_masked, can_send; /* what the configuration space says */
};

/* Embedded in the device. Filled by pci_device_init and the calls after it, then read only. */
struct pci_device {
    struct pci_bus *bus;
    const struct pci_device_ops *ops;
    void *opaque;
    u8 devfn;
    u8 config[256];
    u8 reset_config[256]; /* what pci_device_reset puts there */
    u8 wmask[256];        /* the bits that a write changes */
    u8 w1c[256];          /* the bits that writing 1 clears */
    struct pci_bar bar[PCI_BARS + 1];
    u8 cap_end;  /* where the next capability goes */
    u8 msi;      /* offset of the MSI capability, 0: none */
    u8 msix_cap; /* … and of MSI-X */
    struct pci_msix *msix;
    bool intx;   /* what the device drives */
    bool raised; /* what the bus sees of it */
};

struct pci_bus_config {
    struct bus *pio, *mmio;
    struct mem *mem;
    struct irq pirq[PCI_PIRQS]; /* active high; INTx of slot s, pin p (0..3) is line (s+p-1) & 3 */
    void (*send_msi)(void *opaque, u64 addr, u32 data);
    void *msi_opaque;
};

/* -ENOMEM. */
must_check int pci_bus_new(struct pci_bus **out, const struct pci_bus_config *cfg);
void pci_bus_free(struct pci_bus *bus);
struct bus *pci_bus_pio(struct pci_bus *bus);
struct bus *pci_bus_mmio(struct pci_bus *bus);
struct mem *pci_bus_mem(struct pci_bus *bus);
/* Configuration accesses, as the host bridge decodes them; size 1, 2 or 4, not across a dword. An
   absent function reads as ones. */
u32 pci_config_read(struct pci_bus *bus, u8 devfn, unsigned off, unsigned size);
void pci_config_write(struct pci_bus *bus, u8 devfn, unsigned off, unsigned size, u32 val);

struct pci_ids {
    u16 vendor, device, subsys_vendor, subsys;
    u16 class; /* class << 8 | subclass */
    u8 prog_if, revision;
    u8 pin; /* 1..4: INTA..INTD; 0: none */
};

/* Puts the function on the bus, with nothing but its header. ops may be NULL. -EEXIST. */
must_check int pci_device_init(struct pci_device *dev, struct pci_bus *bus, u8 devfn,
                               const struct pci_ids *ids, const struct pci_device_ops *ops,
                               void *opaque);
/* Takes it off; its bars are unmapped. Harmless if it was never on. */
void pci_device_dispose(struct pci_device *dev);
/* Configuration space as after RST#, bars unmapped, INTx low. */
void pci_device_reset(struct pci_device *dev);
/* After the constructor has set further bytes of config by hand: they are the reset values. */
void pci_device_settled(struct pci_device *dev);

/* Base address register n: an I/O range, device memory, or a window of plain memory. `ops` see
   offsets inside the range. Names are not owned. */
void pci_add_bar_io(struct pci_device *dev, unsigned n, u32 size, const struct bus_ops *ops,
                    void *opaque, const char *name);
void pci_add_bar_mem(struct pci_device *dev, unsigned n, u32 size, const struct bus_ops *ops,
                     void *opaque, const char *name);
/* Prefetchable; the size is the window's, rounded up to a power of two. */
void pci_add_bar_window(struct pci_device *dev, unsigned n, struct mem_window *window);
/* Expansion ROM, a read-only window whose size is a power of two. */
void pci_add_rom(struct pci_device *dev, struct mem_window *window);

/* Reserves `len` bytes (a multiple of 4) for a capability in the list; returns its offset. The
   caller fills in bytes from offset 2 on, wmask too, then pci_device_settled. */
unsigned pci_add_cap(struct pci_device *dev, u8 id, unsigned len);
/* An MSI capability with a 64-bit address and one vector. */
void pci_add_msi(struct pci_device *dev);
bool pci_msi_enabled(const struct pci_device *dev);
void pci_send_msi(struct pci_device *dev);

/* MSI-X with `vectors` vectors; table and pending bits are the 4 KiB of memory bar `bar`. `msix` is
   all 0 and lives as long as the function. */
void pci_add_msix(struct pci_device *dev, struct pci_msix *msix, unsigned bar, unsigned vectors);
bool pci_msix_enabled(const struct pci_device *dev);
/* Sends it, or leaves it pending while it is masked; harmless for a vector that there is not.
   False: MSI-X is off, and nothing was done. Any thread. */
bool pci_msix_send(struct pci_device *dev, unsigned vector);

/* Drives the function's INTx. A device with MSI looks at pci_msi_enabled first. */
void pci_set_intx(struct pci_device *dev, bool level);

/* Bus-master accesses to RAM. -EACCES while bus mastering is off, -EFAULT outside RAM; nothing is
   copied then. Any thread.

   What a device does while bus mastering is off: it begins nothing, and when it is switched on
   again goes on without being told by its driver; frames wait for the card, or are missed as by a
   full ring. What is under way is not lost: a disk's command ends with the error that memory which
   does not answer gives it (AHCI, IDE), if no image is at work on the memory already, or, where
   there is no such error, before bus mastering goes off (virtio). */
bool pci_is_master(const struct pci_device *dev);
must_check int pci_dma_read(struct pci_device *dev, gpa_t gpa, void *to, u64 len);
must_check int pci_dma_write(struct pci_device *dev, gpa_t gpa, const void *from, u64 len);

/* RAM for accesses without a copy. */
struct pci_pieces {
    struct iovec *iov; /* with room for max */
    unsigned n, max;
    u64 len; /* bytes of all n */
};

/* Appends [gpa, gpa + len), or as much of it as there is room for: to->len tells. -EACCES, -EFAULT
   as above, and then a part may be appended. It stays valid as long as the guest's memory, which is
   told what is written by mem_pieces_written. Any thread. */
must_check int pci_dma_map(struct pci_device *dev, struct pci_pieces *to, gpa_t gpa, u64 len,
                           enum mem_access how);

/* The configuration space and INTx in a device's table of fields (base/state.h):
   STATE_STRUCTS(struct x, pci, 1, pci_device_fields), with pci_device_loaded called first by the
   table's `loaded`: it refuses changes of what no guest can write, and maps the bars. */
extern const struct state_field pci_device_fields[];
must_check int pci_device_loaded(struct pci_device *dev);
/* Likewise of struct pci_msix, as a field of its own; pci_msix_loaded after pci_device_loaded. */
extern const struct state_field pci_msix_fields[];
must_check int pci_msix_loaded(struct pci_device *dev);
