/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Console (VIRTIO 1.2, section 5.3): ports, each with a queue to and one from the guest, and with
 * MULTIPORT two for control messages. Queues 0 and 1 are port 0's, 2 and 3 for control, the others
 * follow. Runs under the machine's lock.
 */
#include "virtio/console.h"
#include "base/le.h"

#include <errno.h>
#include <stdlib.h>

#define F_SIZE        0u
#define F_MULTIPORT   1u
#define F_EMERG_WRITE 2u

#define QUEUE_SIZE   128u
#define CONTROL_RX   2u
#define CONTROL_TX   3u
#define CFG_COLS     0u
#define CFG_ROWS     2u
#define CFG_MAX      4u
#define CFG_EMERG    8u
#define CFG_LEN      12u
#define CHUNK        8192u /* that one turn writes: chardev.h's buffer has room for it */
#define MESSAGE      8u
#define MESSAGES_MAX 64u /* that wait for the driver */

enum {
    DEVICE_READY,
    PORT_ADD,
    PORT_REMOVE,
    PORT_READY,
    CONSOLE_PORT,
    RESIZE,
    PORT_OPEN,
    PORT_NAME,
};

struct message {
    u32 port;
    u16 event, value;
};

struct virtio_console {
    struct virtio virtio;
    struct virtio_console_config cfg;
    char name[VIRTIO_CONSOLE_PORTS][VIRTIO_CONSOLE_NAME_MAX];
    bool guest_open[VIRTIO_CONSOLE_PORTS], host_open[VIRTIO_CONSOLE_PORTS];
    struct message message[MESSAGES_MAX];
    u32 nmessages;
    u64 written[VIRTIO_CONSOLE_PORTS]; /* of the buffer that comes next */
    u8 chunk[CHUNK];
    struct virtq_buf buf, in; /* `in`: what the host's side looks at, from inside a turn too */
};

static struct virtq *queue_of(struct virtio_console *c, unsigned port, bool from_guest)
{
    return &c->virtio.queue[(port ? 2 * port + 2 : 0) + from_guest];
}

static unsigned port_of(const struct virtq *q)
{
    return q->index < CONTROL_RX ? 0 : (q->index - 2u) / 2;
}

/* Hands over control messages as far as the driver has buffers. */
static void deliver(struct virtio_console *c)
{
    struct virtq *q = &c->virtio.queue[CONTROL_RX];
    u32 sent = 0;

    while (sent < c->nmessages && virtq_pop(q, &c->buf)) {
        const struct message *m = &c->message[sent++];
        u8 raw[MESSAGE + VIRTIO_CONSOLE_NAME_MAX];
        u64 len = MESSAGE;
        put_le32(raw, m->port);
        put_le16(raw + 4, m->event);
        put_le16(raw + 6, m->value);
        if (m->event == PORT_NAME) {
            size_t n = strlen(c->name[m->port]);
            memcpy(raw + MESSAGE, c->name[m->port], n);
            len += n;
        }
        virtq_push(q, c->buf.head, (u32)virtq_write(q, &c->buf, 0, raw, len));
    }
    c->nmessages -= sent;
    memmove(c->message, c->message + sent, c->nmessages * sizeof(c->message[0]));
    virtq_interrupt(q);
}

static void tell(struct virtio_console *c, u32 port, u16 event, u16 value)
{
    if (!virtio_has(&c->virtio, F_MULTIPORT) || c->nmessages == MESSAGES_MAX)
        return; /* a driver that asks without end, and takes nothing, misses answers */
    c->message[c->nmessages++] = (struct message){port, event, value};
}

static void port_ready(struct virtio_console *c, u32 port)
{
    if (!c->cfg.port[port].name)
        tell(c, port, CONSOLE_PORT, 1);
    else
        tell(c, port, PORT_NAME, 1);
    if (c->host_open[port])
        tell(c, port, PORT_OPEN, 1);
}

static void give_room(struct virtio_console *c, unsigned port)
{
    const struct virtio_console_port *p = &c->cfg.port[port];

    if (p->room)
        p->room(p->opaque);
}

static void control(struct virtio_console *c, const u8 *raw)
{
    u32 port = le32(raw);
    u16 event = le16(raw + 4), value = le16(raw + 6);

    if (event == DEVICE_READY && value) {
        for (u32 n = 0; n < c->cfg.nports; n++)
            tell(c, n, PORT_ADD, 1);
    } else if (port >= c->cfg.nports) {
        return;
    } else if (event == PORT_READY && value) {
        port_ready(c, port);
    } else if (event == PORT_OPEN) {
        c->guest_open[port] = value;
        give_room(c, port);
    }
}

static void take_control(struct virtio_console *c, struct virtq *q)
{
    u8 raw[MESSAGE];

    while (virtq_pop(q, &c->buf)) {
        if (virtq_read(&c->buf, 0, raw, sizeof(raw)) == sizeof(raw))
            control(c, raw);
        virtq_push(q, c->buf.head, 0);
    }
    virtq_interrupt(q);
    deliver(c);
}

/* One turn. The rest follows by timer: that stands still while the host is behind. */
static void transmit(struct virtio_console *c, struct virtq *q)
{
    unsigned port = port_of(q);
    const struct virtio_console_port *p = &c->cfg.port[port];
    u64 left = q->starved ? 0 : CHUNK, n;

    while (left && virtq_pop(q, &c->buf)) {
        n = virtq_read(&c->buf, c->written[port], c->chunk, left);
        if (n)
            p->write(p->opaque, c->chunk, n);
        left -= n;
        c->written[port] += n;
        if (c->written[port] < c->buf.out_len) {
            virtq_unpop(q, c->buf.head);
            break;
        }
        c->written[port] = 0;
        virtq_push(q, c->buf.head, 0);
    }
    if (!left)
        virtio_go_on(q);
    virtq_interrupt(q);
}

static void notify(void *opaque, struct virtq *q)
{
    struct virtio_console *c = opaque;

    if (q->index == CONTROL_RX)
        deliver(c);
    else if (q->index == CONTROL_TX)
        take_control(c, q);
    else if (q->index & 1)
        transmit(c, q);
    else
        give_room(c, port_of(q));
}

static void reset(void *opaque)
{
    struct virtio_console *c = opaque;

    memset(c->guest_open, 0, sizeof(c->guest_open));
    c->nmessages = 0;
    memset(c->written, 0, sizeof(c->written));
    put_le32(c->virtio.config + CFG_EMERG, 0);
}

/* Emergency write: a character, whatever the state of the queues. */
static void config_written(void *opaque, unsigned off, unsigned size)
{
    struct virtio_console *c = opaque;
    const struct virtio_console_port *p = &c->cfg.port[0];

    if (off <= CFG_EMERG && off + size > CFG_EMERG)
        p->write(p->opaque, c->virtio.config + CFG_EMERG, 1);
}

static const struct virtio_ops ops = {
    .notify = notify, .reset = reset, .config_written = config_written};

int virtio_console_new(struct virtio_console **out, struct mem *mem, struct clock *clk,
                       const struct virtio_console_config *cfg)
{
    struct virtio_console *c = calloc(1, sizeof(*c));
    struct virtio_init init = {.name = "virtio-console",
                               .type = VIRTIO_CONSOLE,
                               .class = 0x0780,
                               .ops = &ops,
                               .opaque = c,
                               .mem = mem,
                               .clk = clk,
                               .features = BIT64(F_SIZE) | BIT64(F_MULTIPORT) |
                                           BIT64(F_EMERG_WRITE) | BIT64(VIRTIO_F_IN_ORDER),
                               .config_len = CFG_LEN};

    if (!c)
        return -ENOMEM;
    BUG_ON(!cfg->nports || cfg->nports > VIRTIO_CONSOLE_PORTS);
    c->cfg = *cfg;
    virtio_init(&c->virtio, &init);
    for (unsigned n = 0; n < 2 * cfg->nports + 2; n++)
        virtio_add_queue(&c->virtio, QUEUE_SIZE);
    for (unsigned n = 0; n < cfg->nports; n++) {
        c->host_open[n] = true;
        if (cfg->port[n].name)
            memcpy(c->name[n], cfg->port[n].name,
                   min_u64(strlen(cfg->port[n].name), VIRTIO_CONSOLE_NAME_MAX - 1));
    }
    put_le16(c->virtio.config + CFG_COLS, 80);
    put_le16(c->virtio.config + CFG_ROWS, 25);
    put_le32(c->virtio.config + CFG_MAX, cfg->nports);
    put_le32(c->virtio.config_wmask + CFG_EMERG, 0xffffffff);
    *out = c;
    return 0;
}

void virtio_console_free(struct virtio_console *c)
{
    if (!c)
        return;
    virtio_dispose(&c->virtio);
    free(c);
}

struct virtio *virtio_console_dev(struct virtio_console *c)
{
    return &c->virtio;
}

/* A port that nobody has open in the guest takes nothing: what comes waits on the host. */
size_t virtio_console_room(struct virtio_console *c, unsigned port)
{
    struct virtq *q = queue_of(c, port, false);
    size_t room;

    if (virtio_has(&c->virtio, F_MULTIPORT) && !c->guest_open[port])
        return 0;
    if (!virtq_pop(q, &c->in))
        return 0;
    room = min_u64(c->in.in_len, CHUNK);
    virtq_unpop(q, c->in.head);
    return room;
}

void virtio_console_receive(struct virtio_console *c, unsigned port, const u8 *buf, size_t n)
{
    struct virtq *q = queue_of(c, port, false);

    while (n && virtq_pop(q, &c->in)) {
        u64 here = virtq_write(q, &c->in, 0, buf, n);
        virtq_push(q, c->in.head, (u32)here);
        buf += here;
        n -= here;
    }
    virtq_interrupt(q);
}

void virtio_console_opened(struct virtio_console *c, unsigned port, bool open)
{
    if (c->host_open[port] == open)
        return;
    c->host_open[port] = open;
    tell(c, port, PORT_OPEN, open);
    deliver(c);
}

void virtio_console_resize(struct virtio_console *c, u16 cols, u16 rows)
{
    put_le16(c->virtio.config + CFG_COLS, cols);
    put_le16(c->virtio.config + CFG_ROWS, rows);
    if (virtio_has(&c->virtio, F_SIZE))
        virtio_config_changed(&c->virtio);
}

static const struct state_field message_fields[] = {
    STATE_UINT(struct message, port),
    STATE_UINT(struct message, event),
    STATE_UINT(struct message, value),
    STATE_END,
};

static const struct state_field fields[] = {
    STATE_STRUCTS(struct virtio_console, virtio, 1, virtio_fields),
    {.name = "guest_open",
     .offset = offsetof(struct virtio_console, guest_open),
     .size = 1,
     .count = VIRTIO_CONSOLE_PORTS,
     .kind = STATE_KIND_BOOL},
    STATE_STRUCTS(struct virtio_console, message, MESSAGES_MAX, message_fields),
    STATE_UINT(struct virtio_console, nmessages),
    STATE_ARRAY(struct virtio_console, written),
    STATE_END,
};

static int loaded(void *opaque)
{
    struct virtio_console *c = opaque;
    int rc = virtio_loaded(&c->virtio);

    put_le32(c->virtio.config + CFG_MAX, c->cfg.nports);
    if (rc || c->nmessages > MESSAGES_MAX)
        return -EINVAL;
    for (u32 n = 0; n < c->nmessages; n++)
        if (c->message[n].port >= c->cfg.nports)
            return -EINVAL;
    for (unsigned n = 0; n < c->virtio.nqueues; n++)
        if (c->virtio.queue[n].in_use)
            return -EINVAL;
    return 0;
}

const struct state_table virtio_console_state = {
    .name = "virtio-console", .version = 1, .oldest = 1, .fields = fields, .loaded = loaded};
