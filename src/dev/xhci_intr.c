/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Interrupters: event rings and when they interrupt (xHCI 1.1, sections 4.9.3, 4.9.4, 4.17, 5.5.2).
 * The segment table is read when ERSTBA is written. An event that finds its ring full waits in the
 * backlog, and while one waits no TRB is fetched. Message n is interrupter n's with MSI-X; MSI has
 * one message for all, and INTA# is interrupter 0's.
 */
#include "base/le.h"
#include "dev/xhci_priv.h"

#include <errno.h>

enum { IMAN = 0x00, IMOD = 0x04, ERSTSZ = 0x08, ERSTBA = 0x10, ERDP = 0x18 };

#define IMOD_RESET     4000u
#define IMOD_NS        250u
#define SEGMENT_MIN    16u /* TRBs */
#define SEGMENT_MAX    4096u
#define ERST_ENTRY_LEN 16u
#define ERDP_POINTER   (~15ull)

struct place { /* in an event ring */
    unsigned seg, index;
};

static struct place after(const struct xhci_intr *in, struct place p)
{
    if (++p.index < in->segment[p.seg].trbs)
        return p;
    return (struct place){(p.seg + 1) % in->nsegments, 0};
}

static u64 address_of(const struct xhci_intr *in, struct place p)
{
    return in->segment[p.seg].base + (u64)p.index * XHCI_TRB_LEN;
}

static struct place enqueue_place(const struct xhci_intr *in)
{
    return (struct place){in->seg, in->index};
}

static bool is_in_ring(const struct xhci_intr *in, u64 at)
{
    for (unsigned i = 0; i < in->nsegments; i++)
        if (at - in->segment[i].base < (u64)in->segment[i].trbs * XHCI_TRB_LEN)
            return true;
    return false;
}

/* Events that fit, up to two. A dequeue pointer from elsewhere leaves no room. */
static unsigned room(const struct xhci_intr *in)
{
    u64 deq = in->erdp & ERDP_POINTER;
    struct place next;

    if (!in->nsegments || !is_in_ring(in, deq))
        return 0;
    next = after(in, enqueue_place(in));
    if (address_of(in, next) == deq)
        return 0;
    return address_of(in, after(in, next)) == deq ? 1 : 2;
}

static bool is_empty(const struct xhci_intr *in)
{
    return !in->nsegments || address_of(in, enqueue_place(in)) == (in->erdp & ERDP_POINTER);
}

static bool has_messages(const struct xhci *x)
{
    return pci_msix_enabled(&x->pci) || pci_msi_enabled(&x->pci);
}

static void signal_interrupt(struct xhci *x, unsigned n)
{
    struct xhci_intr *in = &x->intr[n];
    bool on = in->iman & XHCI_IMAN_IP && in->iman & XHCI_IMAN_IE && x->cmd & XHCI_CMD_INTE;

    if (!has_messages(x)) {
        if (!n)
            pci_set_intx(&x->pci, on);
        return;
    }
    if (!n)
        pci_set_intx(&x->pci, false);
    if (!on)
        return;
    in->iman &= ~XHCI_IMAN_IP; /* a message clears it */
    if (pci_msix_enabled(&x->pci))
        pci_msix_send(&x->pci, n);
    else
        pci_send_msi(&x->pci);
}

static void arm(struct xhci *x)
{
    u64 first = UINT64_MAX;

    for (unsigned n = 0; n < XHCI_INTRS; n++)
        if (x->intr[n].pending && !(x->intr[n].erdp & XHCI_ERDP_EHB))
            first = min_u64(first, x->intr[n].quiet);
    if (first != UINT64_MAX && xhci_running(x))
        timer_set(x->clk, &x->intr_timer, first);
    else
        timer_cancel(x->clk, &x->intr_timer);
}

/* Sets IP if there is a reason, the guest has handled the last interrupt, and it is not too soon.
 */
static void moderate(struct xhci *x, unsigned n)
{
    struct xhci_intr *in = &x->intr[n];
    u64 now = clock_now(x->clk);

    if (!in->pending || in->erdp & XHCI_ERDP_EHB || !xhci_running(x))
        return;
    if (now < in->quiet)
        return;
    in->quiet = now + (u64)(in->imod & 0xffff) * IMOD_NS;
    in->erdp |= XHCI_ERDP_EHB;
    in->iman |= XHCI_IMAN_IP;
    x->sts |= XHCI_STS_EINT;
    signal_interrupt(x, n);
}

void xhci_intr_settle(struct xhci *x)
{
    for (unsigned n = 0; n < XHCI_INTRS; n++) {
        moderate(x, n);
        signal_interrupt(x, n);
    }
    arm(x);
}

void xhci_intr_due(void *opaque)
{
    xhci_intr_settle(opaque);
}

static void put(struct xhci *x, const struct xhci_event *ev)
{
    struct xhci_intr *in = &x->intr[ev->intr];
    struct place next = after(in, enqueue_place(in));
    u8 raw[XHCI_TRB_LEN];

    put_le64(raw, ev->param);
    put_le32(raw + 8, ev->status);
    put_le32(raw + 12, (ev->control & ~TRB_C) | (in->pcs ? TRB_C : 0));
    if (!xhci_write(x, address_of(in, enqueue_place(in)), raw, sizeof(raw)))
        return;
    if (!next.seg && !next.index)
        in->pcs = !in->pcs;
    in->seg = (u8)next.seg;
    in->index = (u16)next.index;
    in->pending |= !ev->block;
}

/* False if it has to wait. The last place but none tells that the ring is full. */
static bool try_to_put(struct xhci *x, const struct xhci_event *ev)
{
    struct xhci_intr *in = &x->intr[ev->intr];
    struct xhci_event full = {.intr = ev->intr,
                              .status = (u32)CC_EVENT_RING_FULL << 24,
                              .control = TRB_TYPE(TRB_CONTROLLER_EVENT)};
    unsigned places = room(in);

    if (places == 2) {
        in->full = false;
        put(x, ev);
        return true;
    }
    if (places == 1 && !in->full) {
        in->full = true;
        put(x, &full);
    }
    return false;
}

void xhci_event(struct xhci *x, const struct xhci_event *ev)
{
    struct xhci_event copy = *ev;

    if (copy.intr >= XHCI_INTRS)
        copy.intr = 0;
    if (!x->intr[copy.intr].nsegments)
        return; /* nobody wants to know */
    if ((x->backlog_len || !try_to_put(x, &copy)) && x->backlog_len < XHCI_BACKLOG)
        x->backlog[(x->backlog_head + x->backlog_len++) % XHCI_BACKLOG] = copy;
    moderate(x, copy.intr);
    arm(x);
}

static void work_off(struct xhci *x)
{
    while (x->backlog_len) {
        const struct xhci_event *ev = &x->backlog[x->backlog_head];
        if (x->intr[ev->intr].nsegments && !try_to_put(x, ev))
            break;
        x->backlog_head = (u16)((x->backlog_head + 1) % XHCI_BACKLOG);
        x->backlog_len--;
    }
}

/* Takes the segment table; no ring if there is none. */
static void take_segments(struct xhci *x, struct xhci_intr *in)
{
    u8 raw[XHCI_SEGMENTS * ERST_ENTRY_LEN];
    unsigned n = (unsigned)min_u64(in->erstsz, XHCI_SEGMENTS);

    in->nsegments = in->seg = 0;
    in->index = 0;
    in->pcs = true;
    in->full = in->pending = false;
    if (!n || !xhci_read(x, in->erstba, raw, (u64)n * ERST_ENTRY_LEN))
        return;
    for (unsigned i = 0; i < n; i++) {
        in->segment[i].base = le64(raw + i * ERST_ENTRY_LEN) & ~63ull;
        in->segment[i].trbs = le32(raw + i * ERST_ENTRY_LEN + 8) & 0xffff;
        if (in->segment[i].trbs < SEGMENT_MIN || in->segment[i].trbs > SEGMENT_MAX) {
            xhci_die(x, XHCI_STS_HCE);
            return;
        }
    }
    in->nsegments = (u8)n;
}

static void write_erdp(struct xhci *x, struct xhci_intr *in, unsigned reg, u32 val)
{
    if (reg == ERDP)
        in->erdp = (in->erdp & ~0xffffffffull) | (val & ~XHCI_ERDP_EHB) |
                   (in->erdp & XHCI_ERDP_EHB & ~val);
    else
        in->erdp = (in->erdp & 0xffffffff) | (u64)val << 32;
    if (is_empty(in))
        in->pending = false;
    work_off(x);
    xhci_intr_settle(x);
    xhci_run(x);
}

void xhci_intr_write(struct xhci *x, unsigned n, unsigned reg, u32 val)
{
    struct xhci_intr *in = &x->intr[n];

    switch (reg) {
    case IMAN:
        in->iman = (in->iman & XHCI_IMAN_IP & ~val) | (val & XHCI_IMAN_IE);
        xhci_intr_settle(x);
        break;
    case IMOD:
        in->imod = val;
        break;
    case ERSTSZ:
        in->erstsz = val & 0xffff;
        break;
    case ERSTBA:
        in->erstba = (in->erstba & ~0xffffffffull) | (val & ~63u);
        break;
    case ERSTBA + 4:
        in->erstba = (in->erstba & 0xffffffff) | (u64)val << 32;
        take_segments(x, in);
        break;
    case ERDP:
    case ERDP + 4:
        write_erdp(x, in, reg, val);
        break;
    }
}

u32 xhci_intr_read(struct xhci *x, unsigned n, unsigned reg)
{
    const struct xhci_intr *in = &x->intr[n];

    switch (reg) {
    case IMAN:
        return in->iman;
    case IMOD:
        return in->imod;
    case ERSTSZ:
        return in->erstsz;
    case ERSTBA:
        return (u32)in->erstba;
    case ERSTBA + 4:
        return (u32)(in->erstba >> 32);
    case ERDP:
        return (u32)in->erdp;
    case ERDP + 4:
        return (u32)(in->erdp >> 32);
    default:
        return 0;
    }
}

void xhci_intr_reset(struct xhci *x)
{
    for (unsigned n = 0; n < XHCI_INTRS; n++)
        x->intr[n] = (struct xhci_intr){.imod = IMOD_RESET};
    x->backlog_head = x->backlog_len = 0;
    timer_cancel(x->clk, &x->intr_timer);
    pci_set_intx(&x->pci, false);
}

static bool is_sane(const struct xhci_intr *in)
{
    if (in->nsegments > XHCI_SEGMENTS || in->erstsz > 0xffff || in->quiet_for > NSEC_PER_SEC)
        return false;
    for (unsigned i = 0; i < in->nsegments; i++)
        if (in->segment[i].trbs < SEGMENT_MIN || in->segment[i].trbs > SEGMENT_MAX ||
            in->segment[i].base & 63)
            return false;
    return !in->nsegments ? !in->seg && !in->index
                          : in->seg < in->nsegments && in->index < in->segment[in->seg].trbs;
}

int xhci_intr_loaded(struct xhci *x)
{
    if (x->backlog_head >= XHCI_BACKLOG || x->backlog_len > XHCI_BACKLOG)
        return -EINVAL;
    for (unsigned i = 0; i < XHCI_BACKLOG; i++)
        if (x->backlog[i].intr >= XHCI_INTRS)
            return -EINVAL;
    for (unsigned n = 0; n < XHCI_INTRS; n++) {
        if (!is_sane(&x->intr[n]))
            return -EINVAL;
        x->intr[n].quiet = clock_now(x->clk) + x->intr[n].quiet_for;
    }
    return 0;
}
