/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between uhci.c (registers, ports, time) and uhci_sched.c (the schedule in memory). */
#pragma once
#include "dev/uhci.h"

#define CMD_RS      0x0001u
#define CMD_HCRESET 0x0002u
#define CMD_GRESET  0x0004u
#define CMD_EGSM    0x0008u
#define CMD_FGR     0x0010u
#define CMD_ALL     0x00ffu

#define STS_USBINT   0x0001u
#define STS_ERROR    0x0002u
#define STS_RD       0x0004u
#define STS_HSE      0x0008u
#define STS_HCPE     0x0010u
#define STS_HCHALTED 0x0020u

#define INTR_TIMEOUT 0x0001u
#define INTR_RESUME  0x0002u
#define INTR_IOC     0x0004u
#define INTR_SHORT   0x0008u
#define INTR_ALL     0x000fu

#define PORT_CCS  0x0001u
#define PORT_CSC  0x0002u
#define PORT_PED  0x0004u
#define PORT_PEDC 0x0008u
#define PORT_DP   0x0010u /* D+ is high: a full-speed device idles */
#define PORT_DM   0x0020u
#define PORT_RD   0x0040u
#define PORT_ONE  0x0080u
#define PORT_LSDA 0x0100u
#define PORT_PR   0x0200u
#define PORT_SUSP 0x1000u

#define FRAMES 1024u

struct uhci {
    struct pci_device pci;
    struct clock *clk;
    struct timer timer;
    struct usb_port port[UHCI_PORTS];

    u16 cmd, sts, intr;
    u16 frnum; /* the frame that is done next */
    u32 frbase;
    u8 sofmod;
    u16 portsc[UHCI_PORTS];
    bool ioc, spd;  /* why USBINT is set */
    u64 next_frame; /* ns: when frame `frnum` is done, while running */
    u64 frame_left; /* ns from the saving to next_frame */
    u64 last_use;   /* ns: the last transaction that was not NAKed */
};

/* What a frame came to. */
struct uhci_frame {
    bool ioc, spd, error;
    bool fatal;   /* HCPE: the schedule is malformed */
    bool no_host; /* HSE: memory does not answer */
    bool used;    /* some transaction was not NAKed */
};

/* Works through the frame list entry of frame u->frnum. */
void uhci_run_frame(struct uhci *u, struct uhci_frame *f);
