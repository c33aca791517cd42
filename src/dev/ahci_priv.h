/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of the AHCI controller share. */
#pragma once
#include "dev/ahci.h"

#define AHCI_SLOTS 32u
#define AHCI_NONE  0xffu

/* Bits of PxIS. */
#define PIS_DHRS BIT(0)
#define PIS_PSS  BIT(1)
#define PIS_SDBS BIT(3)
#define PIS_PCS  BIT(6)
#define PIS_OFS  BIT(24)
#define PIS_HBFS BIT(29)
#define PIS_TFES BIT(30)
/* PxCMD. */
#define PCMD_ST    BIT(0)
#define PCMD_SUD   BIT(1)
#define PCMD_POD   BIT(2)
#define PCMD_CLO   BIT(3)
#define PCMD_FRE   BIT(4)
#define PCMD_FR    BIT(14)
#define PCMD_CR    BIT(15)
#define PCMD_ATAPI BIT(24)
#define PCMD_ICC   0xf0000000u

/* A command table's list of regions, and where the transfer stands in it. */
struct ahci_sg {
    gpa_t table;
    u32 entries, index;
    gpa_t at;  /* of the entry in use */
    u32 left;  /* bytes of it */
    u32 moved; /* bytes in all */
};

/* A queued command. */
struct ahci_ncq {
    struct ahci_port *port;
    struct block_req req;
    struct ahci_sg sg;
    struct iovec *iov; /* of ATA_PIECES */
    u8 tag;
    bool in_flight, dead; /* dead: nobody waits for it any more */
    bool write, fua;
    u64 offset;
    u32 left; /* bytes from there on */
};

struct ahci_port {
    struct ata_drive drive;
    u32 clb, clbu, fb, fbu, is, ie, cmd, tfd, sig, ssts, sctl, serr, sact, ci;
    u8 last;     /* the slot that was started last */
    bool halted; /* by an error, until ST is cleared */
    bool await_signature;
    bool in_srst;

    /* Not part of the saved state: nothing is in flight then. */
    u8 slot; /* of the command that runs, or AHCI_NONE */
    struct ahci_sg sg;
    u32 direct; /* of sg.moved, bytes that the image is still at */
    u8 packet[12];
    struct ahci_ncq ncq[AHCI_SLOTS];
    struct iovec *ncq_iov;
    struct ahci *hba;
};

struct ahci {
    struct pci_device pci;
    u32 ghc, is;
    struct ahci_port port[AHCI_PORTS];
};

/* ahci.c */
void ahci_event(struct ahci_port *p, u32 is); /* sets bits of PxIS */

/* ahci_port.c */
void ahci_run(struct ahci_port *p); /* starts what waits in PxCI */
void ahci_stop(struct ahci_port *p);
void ahci_comreset(struct ahci_port *p);
void ahci_drive_ready(void *port);
void ahci_post_d2h(struct ahci_port *p, bool interrupt);
void ahci_post_sdb(struct ahci_port *p, u32 done, bool error);
void ahci_fault(struct ahci_port *p);

/* ahci_ncq.c */
void ahci_ncq_start(struct ahci_port *p, u8 slot, const u8 *fis, const struct ahci_sg *sg);
bool ahci_ncq_busy(const struct ahci_port *p); /* some are outstanding */
void ahci_ncq_forget(struct ahci_port *p);     /* all of them */
void ahci_ncq_drain(struct ahci_port *p);      /* waits for those in flight */

/* ahci_sg.c: moves `len` bytes; -EFAULT where no memory is, -ENOSPC at the end of the list. */
must_check int ahci_sg_move(struct ahci *hba, struct ahci_sg *sg, u8 *buf, u32 len, bool to_guest);
/* The memory of the next `len` bytes, or of as many as there is room for: to->len tells. */
must_check int ahci_sg_map(struct ahci *hba, struct ahci_sg *sg, struct pci_pieces *to, u64 len,
                           bool to_guest);
