/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One frame of the schedule that the guest keeps in memory (Universal Host Controller Interface
 * Design Guide 1.1, chapter 3): transfer descriptors and queue heads, each copied before it is
 * looked at. Nothing of it is kept from one frame to the next.
 *
 * A frame ends when the schedule does, when it goes round without moving anything, or at its
 * bound in bytes or elements. The wire is FASTER times as fast as USB 1.1's, so that a disk is
 * less slow; a driver cannot tell.
 */
#include "base/le.h"
#include "dev/uhci_priv.h"

#define LINK_T    0x1u
#define LINK_Q    0x2u
#define LINK_VF   0x4u
#define LINK_ADDR 0xfffffff0u

#define TD_ACTLEN  0x7ffu
#define TD_TIMEOUT BIT(18)
#define TD_NAK     BIT(19)
#define TD_BABBLE  BIT(20)
#define TD_STALLED BIT(22)
#define TD_ACTIVE  BIT(23)
#define TD_IOC     BIT(24)
#define TD_ISO     BIT(25)
#define TD_CERR    (3u << 27)
#define TD_CERR_1  (1u << 27)
#define TD_SPD     BIT(29)
#define TD_STATUS  (0x7fu << 17 | TD_ACTLEN)

#define MAXLEN_MAX  0x4ffu /* and 7ffh for no bytes; what is between is illegal */
#define MAXLEN_NONE 0x7ffu

#define FASTER       8u
#define FRAME_BYTES  (1500u * FASTER)
#define PACKET_COST  13u /* bytes of tokens, handshake and gaps */
#define ELEMENTS_MAX 1024u
#define QUEUES_MAX   128u /* that are remembered */

struct td {
    u32 at, link, status, token, buffer;
};

struct walk {
    struct uhci *u;
    struct uhci_frame *f;
    bool in_queue;
    u32 queue, queue_link; /* the queue head that we are in, and what follows it */
    u32 seen[QUEUES_MAX];  /* queue heads since something moved */
    unsigned nseen;
    u32 bytes;
};

enum next { NEXT_TD, NEXT_QUEUE, NEXT_STOP };

static bool read_words(struct walk *w, u32 at, u32 *words, unsigned n)
{
    u8 raw[16];

    if (pci_dma_read(&w->u->pci, at, raw, 4ull * n)) {
        w->f->no_host = true;
        return false;
    }
    for (unsigned i = 0; i < n; i++)
        words[i] = le32(raw + 4 * i);
    return true;
}

static bool write_word(struct walk *w, u32 at, u32 word)
{
    u8 raw[4];

    put_le32(raw, word);
    if (!pci_dma_write(&w->u->pci, at, raw, sizeof(raw)))
        return true;
    w->f->no_host = true;
    return false;
}

static struct usb_device *find(struct uhci *u, u8 addr)
{
    for (unsigned i = 0; i < UHCI_PORTS; i++) {
        struct usb_device *dev = NULL;
        if ((u->portsc[i] & (PORT_PED | PORT_SUSP | PORT_PR)) == PORT_PED)
            dev = usb_find(&u->port[i], addr, USB_DEPTH);
        if (dev)
            return dev;
    }
    return NULL;
}

static unsigned max_length(const struct td *td)
{
    unsigned raw = td->token >> 21;

    return raw == MAXLEN_NONE ? 0 : raw + 1;
}

/* Makes the transaction on the wire: bytes moved, or USB_NAK and so on. *ok is false when memory
   does not answer. */
static int transact(struct walk *w, const struct td *td, bool *ok)
{
    struct usb_device *dev = find(w->u, (u8)(td->token >> 8 & 0x7f));
    enum usb_pid pid = (enum usb_pid)(td->token & 0xff);
    unsigned ep = td->token >> 15 & 15, len = max_length(td);
    u8 buf[MAXLEN_MAX + 1];
    int n;

    if (!dev)
        return USB_TIMEOUT;
    if (pid != USB_PID_IN && len && pci_dma_read(&w->u->pci, td->buffer, buf, len)) {
        *ok = false;
        return USB_TIMEOUT;
    }
    n = usb_transact(dev, pid, ep, buf, len);
    BUG_ON(n > (int)len);
    if (pid == USB_PID_IN && n > 0 && pci_dma_write(&w->u->pci, td->buffer, buf, (u64)n))
        *ok = false;
    return n;
}

static u32 length_field(int n)
{
    return ((u32)n - 1) & TD_ACTLEN;
}

static enum next end_td(struct walk *w, struct td *td, u32 status, enum next next)
{
    td->status = (td->status & ~(TD_STATUS | TD_ACTIVE)) | status;
    return write_word(w, td->at + 4, td->status) ? next : NEXT_STOP;
}

static enum next failed(struct walk *w, struct td *td, u32 status)
{
    w->f->error = true;
    w->f->ioc |= !!(td->status & TD_IOC);
    return end_td(w, td, status | length_field(0), NEXT_QUEUE);
}

/* No answer: it is tried again until the error counter, if it counts, comes to 0. */
static enum next timed_out(struct walk *w, struct td *td)
{
    u32 cerr = td->status & TD_CERR;

    if (cerr)
        td->status -= TD_CERR_1;
    if (cerr == TD_CERR_1)
        return failed(w, td, TD_STALLED | TD_TIMEOUT);
    td->status |= TD_TIMEOUT;
    return write_word(w, td->at + 4, td->status) ? NEXT_QUEUE : NEXT_STOP;
}

static enum next naked(struct walk *w, struct td *td)
{
    if (td->status & TD_NAK)
        return NEXT_QUEUE; /* the guest knows */
    td->status |= TD_NAK;
    return write_word(w, td->at + 4, td->status) ? NEXT_QUEUE : NEXT_STOP;
}

static enum next done(struct walk *w, struct td *td, int n)
{
    bool is_short = (td->token & 0xff) == USB_PID_IN && (unsigned)n < max_length(td);

    w->f->ioc |= !!(td->status & TD_IOC);
    if (is_short && td->status & TD_SPD && w->in_queue) {
        w->f->spd = true;
        return end_td(w, td, length_field(n), NEXT_QUEUE);
    }
    return end_td(w, td, length_field(n), NEXT_TD);
}

/* An isochronous transaction has no handshake and is not tried again. */
static enum next isochronous(struct walk *w, struct td *td, int n)
{
    w->f->ioc |= !!(td->status & TD_IOC);
    if (n == USB_BABBLE || n == USB_TIMEOUT) {
        w->f->error = true;
        return end_td(w, td, n == USB_BABBLE ? TD_BABBLE | TD_STALLED : TD_TIMEOUT, NEXT_TD);
    }
    return end_td(w, td, length_field(n > 0 ? n : 0), NEXT_TD);
}

static bool is_legal(const struct td *td)
{
    u8 pid = (u8)td->token;
    unsigned raw = td->token >> 21;

    return (pid == USB_PID_IN || pid == USB_PID_OUT || pid == USB_PID_SETUP) &&
           (raw <= MAXLEN_MAX || raw == MAXLEN_NONE);
}

static enum next run_td(struct walk *w, struct td *td)
{
    bool ok = true;
    int n;

    if (!(td->status & TD_ACTIVE))
        return NEXT_QUEUE;
    if (!is_legal(td)) {
        w->f->fatal = true;
        return NEXT_STOP;
    }
    n = transact(w, td, &ok);
    w->bytes += PACKET_COST + (n > 0 ? (u32)n : 0);
    if (!ok) {
        w->f->no_host = true;
        return NEXT_STOP;
    }
    if (n != USB_NAK && n != USB_TIMEOUT) {
        w->f->used = true;
        w->nseen = 0;
    }
    if (td->status & TD_ISO)
        return isochronous(w, td, n);
    switch (n) {
    case USB_NAK:
        return naked(w, td);
    case USB_STALL:
        return failed(w, td, TD_STALLED);
    case USB_BABBLE: /* the port would be disturbed to the frame's end */
        failed(w, td, TD_STALLED | TD_BABBLE);
        return NEXT_STOP;
    case USB_TIMEOUT:
        return timed_out(w, td);
    default:
        return done(w, td, n);
    }
}

/* False if the queue head was seen since anything moved, or there are more than we remember. */
static bool first_seen(struct walk *w, u32 at)
{
    for (unsigned i = 0; i < w->nseen; i++)
        if (w->seen[i] == at)
            return false;
    if (w->nseen == QUEUES_MAX)
        return false;
    w->seen[w->nseen++] = at;
    return true;
}

static u32 leave_queue(struct walk *w)
{
    w->in_queue = false;
    return w->queue_link;
}

/* Returns the link to follow. */
static u32 enter_queue(struct walk *w, u32 link)
{
    u32 words[2], at = link & LINK_ADDR;

    if (!first_seen(w, at) || !read_words(w, at, words, 2))
        return LINK_T;
    w->in_queue = true;
    w->queue = at;
    w->queue_link = words[0];
    return words[1] & LINK_T ? leave_queue(w) : words[1];
}

/* A descriptor that is through leaves its queue; the next one follows at once if its link says
   depth first, and otherwise once the schedule comes round to the queue again. */
static u32 after_td(struct walk *w, const struct td *td, enum next next)
{
    if (next == NEXT_STOP)
        return LINK_T;
    if (!w->in_queue)
        return td->link;
    if (next == NEXT_QUEUE)
        return leave_queue(w);
    if (!write_word(w, w->queue + 4, td->link))
        return LINK_T;
    return (td->link & (LINK_VF | LINK_T)) == LINK_VF ? td->link : leave_queue(w);
}

void uhci_run_frame(struct uhci *u, struct uhci_frame *f)
{
    struct walk w = {.u = u, .f = f};
    u32 link, words[4];

    *f = (struct uhci_frame){0};
    if (!read_words(&w, u->frbase + 4 * (u->frnum % FRAMES), &link, 1))
        return;
    for (unsigned i = 0; i < ELEMENTS_MAX && !(link & LINK_T) && w.bytes < FRAME_BYTES; i++) {
        struct td td = {.at = link & LINK_ADDR};
        if (link & LINK_Q) {
            link = enter_queue(&w, link);
            continue;
        }
        if (!read_words(&w, td.at, words, 4))
            return;
        td.link = words[0];
        td.status = words[1];
        td.token = words[2];
        td.buffer = words[3];
        link = after_td(&w, &td, run_td(&w, &td));
    }
}
