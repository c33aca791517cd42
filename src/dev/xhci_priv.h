/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of the xHCI controller share. Chapters are of the xHCI specification 1.1. */
#pragma once
#include "dev/xhci.h"

#define XHCI_SLOTS     64u
#define XHCI_EPS       32u /* by device context index; 0 is the slot's */
#define XHCI_INTRS     16u
#define XHCI_ROOT      (2 * XHCI_SOCKETS) /* root hub ports: those of USB 3, then those of USB 2 */
#define XHCI_SEGMENTS  16u                /* of an event ring */
#define XHCI_BACKLOG   512u               /* events that wait for room in their ring */
#define XHCI_TRB_LEN   16u
#define XHCI_LINKS_MAX 16u /* link TRBs in a row */

/* Operational registers (5.4). */
#define XHCI_CMD_RS    BIT(0)
#define XHCI_CMD_HCRST BIT(1)
#define XHCI_CMD_INTE  BIT(2)
#define XHCI_CMD_CSS   BIT(8)
#define XHCI_CMD_CRS   BIT(9)
#define XHCI_CMD_EWE   BIT(10)
#define XHCI_STS_HCH   BIT(0)
#define XHCI_STS_HSE   BIT(2)
#define XHCI_STS_EINT  BIT(3)
#define XHCI_STS_PCD   BIT(4)
#define XHCI_STS_SRE   BIT(10)
#define XHCI_STS_HCE   BIT(12)
#define XHCI_CRCR_RCS  BIT(0)
#define XHCI_CRCR_CS   BIT(1)
#define XHCI_CRCR_CA   BIT(2)
#define XHCI_CRCR_CRR  BIT(3)

/* Interrupter registers (5.5.2). */
#define XHCI_IMAN_IP  BIT(0)
#define XHCI_IMAN_IE  BIT(1)
#define XHCI_ERDP_EHB BIT(3)

/* TRBs (6.4): types, flags, completion codes. */
enum {
    TRB_NORMAL = 1,
    TRB_SETUP = 2,
    TRB_DATA = 3,
    TRB_STATUS = 4,
    TRB_LINK = 6,
    TRB_EVENT_DATA = 7,
    TRB_NOOP = 8,
    TRB_ENABLE_SLOT = 9,
    TRB_DISABLE_SLOT = 10,
    TRB_ADDRESS_DEVICE = 11,
    TRB_CONFIGURE_ENDPOINT = 12,
    TRB_EVALUATE_CONTEXT = 13,
    TRB_RESET_ENDPOINT = 14,
    TRB_STOP_ENDPOINT = 15,
    TRB_SET_DEQUEUE = 16,
    TRB_RESET_DEVICE = 17,
    TRB_PORT_BANDWIDTH = 21,
    TRB_NOOP_COMMAND = 23,
    TRB_TRANSFER_EVENT = 32,
    TRB_COMMAND_EVENT = 33,
    TRB_PORT_EVENT = 34,
    TRB_CONTROLLER_EVENT = 37,
    TRB_WRAP_EVENT = 39,
};
#define TRB_C       BIT(0)
#define TRB_TC      BIT(1) /* of a link */
#define TRB_ED      BIT(2) /* of a transfer event */
#define TRB_ISP     BIT(2)
#define TRB_CH      BIT(4)
#define TRB_IOC     BIT(5)
#define TRB_IDT     BIT(6)
#define TRB_BEI     BIT(9)
#define TRB_BSR     BIT(9)  /* of Address Device */
#define TRB_DC      BIT(9)  /* of Configure Endpoint */
#define TRB_DIR     BIT(16) /* 1: IN */
#define TRB_TYPE(n) ((u32)(n) << 10)

enum {
    CC_NONE = 0, /* of a command: none of ours */
    CC_SUCCESS = 1,
    CC_BABBLE = 3,
    CC_TRANSACTION_ERROR = 4,
    CC_TRB_ERROR = 5,
    CC_STALL = 6,
    CC_RESOURCE_ERROR = 7,
    CC_NO_SLOTS = 9,
    CC_SLOT_NOT_ENABLED = 11,
    CC_ENDPOINT_NOT_ENABLED = 12,
    CC_SHORT_PACKET = 13,
    CC_PARAMETER_ERROR = 17,
    CC_CONTEXT_STATE_ERROR = 19,
    CC_EVENT_RING_FULL = 21,
    CC_COMMAND_RING_STOPPED = 24,
    CC_STOPPED = 26,
    CC_STOPPED_LENGTH_INVALID = 27,
};

enum { EP_DISABLED, EP_RUNNING, EP_HALTED, EP_STOPPED, EP_ERROR, EP_STATES };
enum { EP_BULK_OUT = 2, EP_INT_OUT = 3, EP_CONTROL = 4, EP_BULK_IN = 6, EP_INT_IN = 7 };
enum { SLOT_ENABLED, SLOT_DEFAULT, SLOT_ADDRESSED, SLOT_CONFIGURED, SLOT_STATES };

struct xhci_trb {
    u64 at, param;
    u32 status, control;
};

struct xhci_ring { /* where its consumer is */
    u64 deq;
    bool ccs;
};

struct xhci_ep {
    u8 state, type;
    u8 interval; /* 125 us * 2^interval */
    u16 mps;
    struct xhci_ring ring;
    u32 done;      /* bytes of the TRB at ring.deq that are moved */
    u32 edtla;     /* event data transfer length accumulator */
    bool in_td;    /* the TRB at ring.deq is not the first one of its TD */
    bool skipping; /* a short packet has ended the TD: what is left of it is passed over */
    bool reported; /* its event is out */
    bool dir_in;   /* of a control transfer's data stage */
    bool active;   /* its doorbell was rung, and the ring not found empty since */
    u64 due;       /* ns: when it is tried next */
    u64 last;      /* ns: when an interrupt endpoint moved something */
};

struct xhci_slot {
    bool enabled;
    u8 state;
    u8 port;   /* root hub port, from 1; 0: none yet */
    u32 route; /* ports of hubs, four bits each, the nearest to the root lowest */
    u64 ctx;   /* device context */
    struct xhci_ep ep[XHCI_EPS];
};

struct xhci_segment {
    u64 base;
    u32 trbs;
};

struct xhci_event {
    u8 intr;
    bool block; /* it does not interrupt */
    u64 param;
    u32 status, control;
};

struct xhci_intr {
    u32 iman, imod, erstsz;
    u64 erstba, erdp;
    struct xhci_segment segment[XHCI_SEGMENTS];
    u8 nsegments; /* 0: there is no ring */
    u8 seg;       /* where the next event goes */
    u16 index;
    bool pcs;
    bool full;     /* the event that says so is out */
    bool pending;  /* IPE: an event that interrupts was put in, and the ring not emptied since */
    u64 quiet;     /* ns: no interrupt before */
    u64 quiet_for; /* ns from the saving to that */
};

struct xhci_root_port {
    u32 portsc;
    u32 pmsc;  /* PORTPMSC */
    bool told; /* an event has told of the changes that are set */
};

struct xhci {
    struct pci_device pci;
    struct pci_msix msix;
    struct clock *clk;
    struct timer run_timer, intr_timer, wrap_timer;
    struct usb_port socket[XHCI_SOCKETS];

    u32 cmd, sts, dnctrl, config;
    u64 dcbaap;
    u32 legsup, legctl;
    struct xhci_ring cr; /* the command ring */
    bool crr;            /* it runs */
    bool commands;       /* its doorbell was rung, and the ring not found empty since */
    u16 mfindex;         /* as saved, and while halted */
    u64 mf_start;        /* ns: when it was 0, while running */

    struct xhci_root_port port[XHCI_ROOT];
    struct xhci_intr intr[XHCI_INTRS];
    struct xhci_slot slot[XHCI_SLOTS + 1]; /* by slot ID */
    struct xhci_event backlog[XHCI_BACKLOG];
    u16 backlog_head, backlog_len;

    bool busy;  /* in xhci_run: devices call back */
    bool again; /* one of them has something since */
};

static inline bool xhci_running(const struct xhci *x)
{
    return x->cmd & XHCI_CMD_RS;
}

static inline unsigned xhci_trb_type(const struct xhci_trb *trb)
{
    return trb->control >> 10 & 0x3f;
}

/* xhci.c */
/* Stops for good: HSE when memory does not answer, HCE when the guest's structures make no sense.
 */
void xhci_die(struct xhci *x, u32 why);
void xhci_resume(struct xhci *x);
/* Guest memory; an access that fails is fatal. */
must_check bool xhci_read(struct xhci *x, u64 at, void *to, u64 len);
must_check bool xhci_write(struct xhci *x, u64 at, const void *from, u64 len);

/* xhci_ring.c */
enum xhci_fetched { XHCI_TRB, XHCI_EMPTY, XHCI_BAD, XHCI_DEAD };
/* The TRB at ring->deq, links followed; BAD: nothing but links. */
enum xhci_fetched xhci_fetch(struct xhci *x, struct xhci_ring *ring, struct xhci_trb *trb);
/* The device that a slot stands for, if its port and those of the hubs are enabled. */
struct usb_device *xhci_device(struct xhci *x, const struct xhci_slot *slot);

/* xhci_intr.c */
u32 xhci_intr_read(struct xhci *x, unsigned n, unsigned reg);
void xhci_intr_write(struct xhci *x, unsigned n, unsigned reg, u32 val);
void xhci_event(struct xhci *x, const struct xhci_event *ev);
/* Interrupts that are enabled now, or no longer masked; and the line. */
void xhci_intr_settle(struct xhci *x);
void xhci_intr_reset(struct xhci *x);
void xhci_intr_due(void *opaque);
must_check int xhci_intr_loaded(struct xhci *x);

/* xhci_port.c */
u32 xhci_port_read(const struct xhci *x, unsigned n, unsigned reg);
void xhci_port_write(struct xhci *x, unsigned n, unsigned reg, u32 val);
void xhci_port_connected(void *opaque, unsigned n, bool present);
/* The device there has something, and may want to wake its bus. */
void xhci_port_wake(struct xhci *x, unsigned socket);
/* Tells of changes that nobody was told of. */
void xhci_ports_tell(struct xhci *x);
void xhci_ports_reset(struct xhci *x);
must_check int xhci_ports_loaded(struct xhci *x);
/* USB 3 ports come first. */
static inline unsigned xhci_socket_of(unsigned port)
{
    return port % XHCI_SOCKETS;
}
static inline bool xhci_port_is_usb3(unsigned port)
{
    return port < XHCI_SOCKETS;
}

/* xhci_cmd.c, xhci_slot.c, xhci_ep.c: commands, each of which returns a completion code. */
void xhci_run_commands(struct xhci *x);
void xhci_stop_commands(struct xhci *x);
u8 xhci_address_device(struct xhci *x, unsigned id, const struct xhci_trb *trb);
u8 xhci_configure_endpoint(struct xhci *x, unsigned id, const struct xhci_trb *trb);
u8 xhci_evaluate_context(struct xhci *x, unsigned id, const struct xhci_trb *trb);
u8 xhci_reset_device(struct xhci *x, unsigned id);
void xhci_disable_slot(struct xhci *x, unsigned id);
u8 xhci_reset_endpoint(struct xhci *x, unsigned id, const struct xhci_trb *trb);
u8 xhci_stop_endpoint(struct xhci *x, unsigned id, const struct xhci_trb *trb);
u8 xhci_set_dequeue(struct xhci *x, unsigned id, const struct xhci_trb *trb);
/* Enters a state, also in the endpoint's context with where its ring is. */
void xhci_ep_enter(struct xhci *x, unsigned id, unsigned dci, u8 state);
/* Forgets what it was in the middle of. */
void xhci_ep_rewind(struct xhci_ep *ep);

/* xhci_xfer.c */
enum xhci_step { STEP_MOVED, STEP_NAKED, STEP_OVER /* empty, halted or dead */ };
/* One packet of an endpoint, or what needs none. */
enum xhci_step xhci_step(struct xhci *x, unsigned id, unsigned dci);
void xhci_transfer_event(struct xhci *x, unsigned id, unsigned dci, const struct xhci_trb *trb,
                         u8 code, u32 left);

/* xhci_sched.c */
void xhci_ring_doorbell(struct xhci *x, unsigned id, u32 val);
void xhci_run(struct xhci *x);
void xhci_run_due(void *opaque);
void xhci_device_ready(void *opaque, unsigned n);
