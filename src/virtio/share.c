/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Shared folder: 9P over a queue (VIRTIO 1.2 has only the type's number; its configuration space
 * and the feature MOUNT_TAG are as Linux has them in virtio_9p.h). The protocol is p9/p9.h's, which
 * waits for the host's file system: a thread serves messages in turn. The device has a lock of its
 * own, that the thread lets go of while it serves.
 */
#include "virtio/share.h"
#include "base/le.h"
#include "virtio/parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define F_MOUNT_TAG 0u
#define QUEUE_SIZE  128u

struct message {
    struct message *next;
    struct virtq_head head;
    struct parts room; /* for the answer */
    u32 len;
    u8 *bytes; /* behind the parts */
    struct iovec iov[];
};

struct virtio_share {
    struct virtio virtio;
    struct p9 *p9; /* the thread's while it is busy */
    char tag[VIRTIO_SHARE_TAG_MAX + 1];
    pthread_mutex_t lock;          /* of all here */
    struct message *first, **last; /* not served yet */
    bool busy, stop, threaded;
    pthread_t thread;
    pthread_cond_t work, idle;
    u8 *answer; /* of P9_MESSAGE_MAX bytes */
    u8 *packed; /* of P9_STATE_LEN bytes, for saved states */
    struct virtq_buf buf;
};

/* Copies the message; NULL: it is too long, or there is no memory. */
static struct message *copy_message(const struct virtq_buf *buf)
{
    struct message *m;

    if (buf->out_len > P9_MESSAGE_MAX)
        return NULL;
    m = malloc(sizeof(*m) + buf->nin * sizeof(m->iov[0]) + buf->out_len);
    if (!m)
        return NULL;
    m->next = NULL;
    m->head = buf->head;
    m->len = (u32)buf->out_len;
    m->bytes = (u8 *)&m->iov[buf->nin];
    parts_set(&m->room, m->iov, buf->iov + buf->nout, buf->nin, 0, P9_MESSAGE_MAX);
    virtq_read(buf, 0, m->bytes, m->len);
    return m;
}

static struct message *take_first(struct virtio_share *s)
{
    struct message *m = s->first;

    s->first = m->next;
    if (!s->first)
        s->last = &s->first;
    return m;
}

/* Under the lock; let go of while the server works. */
static void serve_one(struct virtio_share *s)
{
    struct virtq *q = &s->virtio.queue[0];
    struct message *m = take_first(s);
    u32 len;

    s->busy = true;
    pthread_mutex_unlock(&s->lock);
    len = p9_serve(s->p9, m->bytes, m->len, s->answer, (u32)m->room.bytes);
    pthread_mutex_lock(&s->lock);
    s->busy = false;
    if (m->head.generation == q->generation) {
        parts_write(&m->room, s->virtio.mem, s->answer, len);
        virtq_push(q, m->head, len);
        virtq_interrupt(q);
    }
    free(m);
}

static void *serve(void *opaque)
{
    struct virtio_share *s = opaque;

    pthread_mutex_lock(&s->lock);
    while (!s->stop) {
        if (s->first) {
            serve_one(s);
            continue;
        }
        pthread_cond_broadcast(&s->idle);
        pthread_cond_wait(&s->work, &s->lock);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

/* Under the lock. */
static void drain(struct virtio_share *s)
{
    while (!s->threaded && s->first)
        serve_one(s);
    while (s->first || s->busy)
        pthread_cond_wait(&s->idle, &s->lock);
}

void virtio_share_drain(struct virtio_share *s)
{
    virtio_lock(&s->virtio);
    drain(s);
    virtio_unlock(&s->virtio);
}

static void notify(void *opaque, struct virtq *q)
{
    struct virtio_share *s = opaque;

    while (virtq_pop(q, &s->buf)) {
        struct message *m = copy_message(&s->buf);
        if (!m) {
            virtio_break(&s->virtio, "a message is longer than a server takes");
            return;
        }
        *s->last = m;
        s->last = &m->next;
    }
    if (s->first)
        pthread_cond_signal(&s->work);
}

/* What was not begun is forgotten; the driver finds no files open. */
static void reset(void *opaque)
{
    struct virtio_share *s = opaque;

    while (s->first)
        free(take_first(s));
    drain(s);
    p9_reset(s->p9);
}

static const struct virtio_ops ops = {.notify = notify, .reset = reset};

static void free_parts(struct virtio_share *s)
{
    p9_free(s->p9);
    free(s->answer);
    free(s->packed);
    free(s);
}

static int fail(struct virtio_share *s, struct err *err, int rc)
{
    free_parts(s);
    return err_set(err, -rc, "out of memory or threads");
}

static int start_thread(struct virtio_share *s, bool threaded)
{
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->work, NULL);
    pthread_cond_init(&s->idle, NULL);
    s->threaded = threaded;
    return threaded ? -pthread_create(&s->thread, NULL, serve, s) : 0;
}

static void fill_config(struct virtio_share *s)
{
    put_le16(s->virtio.config, (u16)strlen(s->tag));
    memcpy(s->virtio.config + 2, s->tag, strlen(s->tag));
}

static void set_up(struct virtio_share *s, struct mem *mem, struct clock *clk,
                   const struct virtio_share_config *cfg)
{
    size_t tag = strlen(cfg->tag);
    struct virtio_init init = {.name = "virtio-9p",
                               .type = VIRTIO_9P,
                               .class = 0x00ff,
                               .ops = &ops,
                               .opaque = s,
                               .mem = mem,
                               .clk = clk,
                               .lock = &s->lock,
                               .features = BIT64(F_MOUNT_TAG),
                               .config_len = (unsigned)(2 + tag)};

    BUG_ON(!tag || tag > VIRTIO_SHARE_TAG_MAX);
    if (cfg->packed)
        init.features |= BIT64(VIRTIO_F_RING_PACKED);
    virtio_init(&s->virtio, &init);
    virtio_add_queue(&s->virtio, QUEUE_SIZE);
    memcpy(s->tag, cfg->tag, tag);
    fill_config(s);
}

int virtio_share_new(struct virtio_share **out, struct mem *mem, struct clock *clk,
                     const struct virtio_share_config *cfg, struct err *err)
{
    struct virtio_share *s = calloc(1, sizeof(*s));
    int rc;

    if (!s)
        return err_set(err, ENOMEM, "out of memory");
    s->last = &s->first;
    s->answer = malloc(P9_MESSAGE_MAX);
    s->packed = calloc(1, P9_STATE_LEN);
    if (!s->answer || !s->packed)
        return fail(s, err, -ENOMEM);
    rc = p9_new(&s->p9, &cfg->folder, err);
    if (rc) {
        free_parts(s);
        return rc;
    }
    set_up(s, mem, clk, cfg);
    rc = start_thread(s, !cfg->no_thread);
    if (rc)
        return fail(s, err, rc);
    *out = s;
    return 0;
}

void virtio_share_free(struct virtio_share *s)
{
    if (!s)
        return;
    pthread_mutex_lock(&s->lock);
    s->stop = true;
    pthread_cond_signal(&s->work);
    pthread_mutex_unlock(&s->lock);
    if (s->threaded)
        pthread_join(s->thread, NULL);
    while (s->first)
        free(take_first(s));
    pthread_cond_destroy(&s->work);
    pthread_cond_destroy(&s->idle);
    pthread_mutex_destroy(&s->lock);
    virtio_dispose(&s->virtio);
    free_parts(s);
}

struct virtio *virtio_share_dev(struct virtio_share *s)
{
    return &s->virtio;
}

static u8 *files(void *obj, u64 *len)
{
    *len = P9_STATE_LEN;
    return ((struct virtio_share *)obj)->packed;
}

static const struct state_field fields[] = {
    STATE_STRUCTS(struct virtio_share, virtio, 1, virtio_fields),
    STATE_PAGES("files", files, 0),
    STATE_END,
};

static void before_save(void *opaque)
{
    struct virtio_share *s = opaque;

    virtio_share_drain(s);
    p9_pack(s->p9, s->packed);
}

/* The tag is the one that this machine was given. */
static int loaded(void *opaque)
{
    struct virtio_share *s = opaque;
    int rc = virtio_loaded(&s->virtio);

    fill_config(s);
    if (rc || s->virtio.queue[0].in_use)
        return -EINVAL;
    return p9_unpack(s->p9, s->packed);
}

const struct state_table virtio_share_state = {.name = "virtio-9p",
                                               .version = 1,
                                               .oldest = 1,
                                               .fields = fields,
                                               .before_save = before_save,
                                               .loaded = loaded};
