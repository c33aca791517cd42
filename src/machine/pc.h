/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The parts that only the "pc" board has. pc.c puts the chipset together; each kind of device that
 * a user can choose has a file of its own, with init (before any CPU runs, without the machine's
 * lock), reset and dispose. dispose is called also after a failure; where host resources have to
 * go first, without the lock, there is a close.
 */
#pragma once
#include "block/block.h"
#include "dev/ns16550a.h"
#include "machine/board.h"
#include "machine/disk_config.h"
#include "machine/media.h"
#include "machine/plug.h"
#include "machine/usb_config.h"
#include "net/net.h"
#include "ui/input.h"

#define PC_PIIX3_DEVFN   PCI_DEVFN(1, 0)
#define PC_IDE_DEVFN     PCI_DEVFN(1, 1)
#define PC_UHCI_DEVFN    PCI_DEVFN(1, 2)
#define PC_PIIX4PM_DEVFN PCI_DEVFN(1, 3)
#define PC_VGA_DEVFN     PCI_DEVFN(2, 0)
#define PC_FIRST_SLOT    3u /* for the rest, as they come */
#define PC_SLOTS         32u

#define PC_MAX_BLOCKS (2u * MACHINE_MAX_DISKS + 2 + MACHINE_MAX_DISKS) /* the last: plugged in */

/* Behind devices that are plugged in while the machine runs. */
struct pc_net {
    char id[PLUG_ID]; /* "": there is none */
    struct net_backend *backend;
    bool used; /* by a card */
};

struct pc_image {
    char id[PLUG_ID];
    struct block *block;
    pthread_mutex_t lock; /* instead of the machine's */
    char path[1024];
    bool used; /* by a disk */
};

struct pc_disk {             /* one that the user asked for */
    struct machine *machine; /* NULL: there is none */
    char id[PLUG_ID];        /* the user's, or by its place */
    unsigned unit;           /* on its bus; of IDE, two to a channel */
    struct disk_config cfg;
    struct block *block;         /* NULL: an empty drive */
    struct pc_image *image;      /* whose block that is; NULL: its own */
    struct board_virtio *virtio; /* NULL: on another bus */
    struct usb_msd *msd;         /* likewise, with its port */
    struct usb_port *port;
    bool gone;            /* the guest let go of it; the rest is the loop's thread's */
    pthread_mutex_t lock; /* instead of the machine's: a virtio disk's with its own image */
    char boot[64];        /* its OpenFirmware path; "": firmware cannot boot it by name */
};

struct pc_trouble { /* with what is in a drive */
    struct media_trouble now;
    bool said; /* that requests fail, on stderr */
};

struct pc_usb_input {
    char id[PLUG_ID]; /* "": there is none */
    struct usb_port *port;
    struct usb_kbd *kbd; /* one of them */
    struct usb_pointer *pointer;
};

struct nic_model;
struct pc_nic {
    char id[PLUG_ID]; /* "": there is none */
    const struct nic_model *model;
    void *card; /* NULL: it was taken out */
    u8 devfn;
    struct net_backend *backend;
    struct pc_net *net; /* whose backend that is; NULL: its own */
    bool gone;          /* as of a disk */
    pthread_mutex_t own_lock;
    pthread_mutex_t *lock; /* of the card and its cable; NULL: the machine's */
    char boot[64];
};

struct pc_adapter;
struct pc {
    struct mem_window *bios, *vars; /* vars: NULL without UEFI */
    struct pflash *pflash;
    int nvram_fd; /* -1: variables are not kept */

    struct piix3 *piix3;
    struct piix4pm *piix4pm;
    struct pcihotplug *hotplug;
    u32 slots; /* of PCI that are taken, by bit */

    struct pc_disk disk[PC_MAX_BLOCKS];
    pthread_mutex_t trouble_lock; /* last in order */
    struct pc_trouble trouble[PC_MAX_BLOCKS];
    unsigned ndisks;
    struct piix_ide *ide;
    struct ahci *ahci;        /* NULL: no drive is on it */
    struct virtio_scsi *scsi; /* likewise; the board's virtio devices have it */
    struct i8237 *dma;
    struct i82078 *fdc;

    const struct pc_adapter *adapter;
    void *vga; /* of that type; NULL: there is no adapter */
    struct input input;
    struct input_sink sleeper; /* while the machine sleeps: any key wakes it */
    struct ps2input *ps2;

    struct uhci *uhci; /* NULL: nothing is on it */
    struct usb_hub *hub;
    struct xhci *xhci; /* likewise */
    struct usb_hub *xhci_hub;
    struct pc_usb_input usb[MACHINE_MAX_USB];

    struct pc_nic nic[MACHINE_MAX_NICS];

    struct pc_net net[MACHINE_MAX_NICS];
    struct pc_image image[MACHINE_MAX_DISKS];
    atomic_bool gone; /* a card or disk is */

    struct debugcon *debugcon;
    struct parallel *parallel;
    struct ns16550a_backend debugcon_to, parallel_to;
    struct pvpanic *pvpanic;
    struct i6300esb *watchdog;
    struct ac97 *ac97;
    struct wav *wav;
};

/* A slot's function 0; of a slot that is free, if it is 0. -ENOSPC when there is none left, -EBUSY
   when it is taken. */
must_check int pc_take_slot(struct pc *pc, unsigned slot, u8 *devfn);
void pc_free_slot(struct pc *pc, u8 devfn);
/* Slots that can be plugged and unplugged: network cards', virtio disks', and those that are
   free. */
u32 pc_hotplug_slots(const struct pc *pc);

must_check int pc_firmware_init(struct machine *m, struct err *err);
void pc_firmware_reset(struct pc *pc);
void pc_firmware_dispose(struct pc *pc);

must_check int pc_disks_init(struct machine *m, struct err *err);
void pc_disks_reset(struct pc *pc);
void pc_disks_close(struct pc *pc);
void pc_disks_dispose(struct pc *pc);
/* Plugs in and out, with the disk's own bus: see plug.h. `image` is NULL for an empty CD-ROM drive.
 */
must_check int pc_disk_plug(struct machine *m, struct pc_image *image,
                            const struct disk_config *kind, const struct plug_config *cfg,
                            struct err *err);
/* -EINVAL: nothing can be unplugged there. Of a virtio disk, the guest is asked. */
must_check int pc_disk_unplug(struct machine *m, struct pc_disk *d, struct err *err);
/* It has left its bus, and nothing of it is in flight: gives its image back, and tells of it. The
   loop's thread, without the lock. */
void pc_disk_gone(struct machine *m, struct pc_disk *d);
/* For ata_drive_config; `disk` is its struct pc_disk. */
void pc_media_tray_moved(void *disk, bool open);
/* For block_on_trouble; likewise. */
void pc_media_trouble(void *disk, const struct block_trouble *t);
/* Another medium is in the n-th drive, or it is another drive. */
void pc_media_forget(struct pc *pc, unsigned n);
/* No disk has it any more. */
void pc_image_free(struct pc_image *image);
/* Drive types and disk geometry in CMOS. */
void pc_disks_fill_cmos(struct machine *m);
/* It is the unit-th of its bus, and called so. */
void pc_disk_set_place(struct pc_disk *d, unsigned unit);

must_check int pc_display_init(struct machine *m, struct err *err);
void pc_display_reset(struct pc *pc);
void pc_display_dispose(struct pc *pc);

/* After the disks. */
must_check int pc_usb_init(struct machine *m, struct err *err);
void pc_usb_reset(struct pc *pc);
void pc_usb_dispose(struct pc *pc);
/* Into the running machine, and out of it, under the machine's lock: the guest sees it at once. */
must_check int pc_usb_plug_input(struct machine *m, enum usb_kind kind,
                                 const struct plug_config *cfg, struct err *err);
void pc_usb_unplug_input(struct machine *m, struct pc_usb_input *in);
must_check int pc_usb_plug_disk(struct machine *m, struct pc_disk *d, const struct plug_config *cfg,
                                struct err *err);
void pc_usb_unplug_disk(struct pc_disk *d);

must_check int pc_nics_init(struct machine *m, struct err *err);
void pc_nics_reset(struct pc *pc);
/* While the machine is paused, frames wait. Under the machine's lock; of other boards, nothing. */
void pc_nics_hold(struct machine *m, bool on);
/* The guest lets go of what is in a slot: takes it off the bus; false if it was no card. */
bool pc_nics_eject(struct pc *pc, unsigned slot);
/* Frees what cards that are gone have left, and tells of it. The loop's thread, without the lock.
 */
void pc_nics_work(struct machine *m);
/* The card goes into the running machine, before `net`. Likewise. */
must_check int pc_nics_plug(struct machine *m, const char *model, struct pc_net *net,
                            const struct plug_config *cfg, struct err *err);
void pc_nics_close(struct pc *pc);
void pc_nics_dispose(struct pc *pc);

/* After the disks; reset and disposed of by board_virtio.h. */
must_check int pc_scsi_init(struct machine *m, struct err *err);
must_check int pc_scsi_plug(struct machine *m, struct pc_disk *d, const struct plug_config *cfg,
                            struct err *err);
must_check int pc_virtio_init(struct machine *m, const struct machine_host *host, struct err *err);
/* As for cards. */
bool pc_virtio_eject(struct machine *m, unsigned slot);
void pc_virtio_work(struct machine *m);
must_check int pc_virtio_plug(struct machine *m, struct pc_disk *d, const struct plug_config *cfg,
                              struct err *err);

/* Of pcihotplug_config. */
void pc_plug_eject(void *machine, unsigned slot);
/* Of struct board. */
void pc_plug_work(struct machine *m);
void pc_plug_close(struct pc *pc);

/* Debug console, parallel port, pvpanic, watchdog, sound. */
must_check int pc_misc_init(struct machine *m, const struct machine_host *host, struct err *err);
void pc_misc_reset(struct pc *pc);
void pc_misc_close(struct pc *pc);
void pc_misc_dispose(struct pc *pc);

/* The order of cfg->boot as firmware wants it, a path a line, to be freed; NULL without memory. */
char *pc_boot_order(const struct machine *m);
