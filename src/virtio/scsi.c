/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SCSI host adapter (VIRTIO 1.2, section 5.6) with a logical unit 0 in each target; queue 0 is for
 * control, 1 for events, the others for requests. What a unit does is dev/scsi.h's. Left out:
 * protection information, data both ways. Runs under the machine's lock.
 */
#include "base/le.h"
#include "virtio/scsi_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define QUEUE_SIZE 128u
#define EVENTS     1u
#define FIRST      2u /* queue of requests */

#define CFG_NUM_QUEUES  0u
#define CFG_SEG_MAX     4u
#define CFG_MAX_SECTORS 8u
#define CFG_CMD_PER_LUN 12u
#define CFG_EVENT_SIZE  16u
#define CFG_MAX_TARGET  30u
#define CFG_LEN         36u

#define SENSE_DEFAULT 96u
#define SENSE_MAX     252u
#define CDB_DEFAULT   32u
#define CDB_MAX       260u

/* Events, 5.6.6.3. */
#define EVENT_LEN      16u
#define T_NO_EVENT     0u
#define T_TRANSPORT    1u
#define T_ASYNC        2u
#define T_PARAM        3u
#define T_MISSED       0x80000000u
#define ASYNC_MEDIUM   0x10u
#define TRANSPORT_NEW  1u /* "rescan" */
#define TRANSPORT_GONE 2u

bool scsi_address(const struct virtio_scsi *s, const u8 lun[SCSI_LUN_LEN], unsigned *target,
                  unsigned *unit)
{
    *target = lun[1];
    *unit = (unsigned)(lun[2] & 0x3f) << 8 | lun[3];
    return lun[0] == 1 && lun[1] < VIRTIO_SCSI_TARGETS && s->target[lun[1]].s;
}

static void push_event(struct virtio_scsi *s, u32 event, unsigned target, u32 reason)
{
    struct virtq *q = &s->virtio.queue[EVENTS];
    u8 raw[EVENT_LEN] = {0};

    if (!virtq_pop(q, &s->buf)) {
        s->missed = true;
        return;
    }
    put_le32(raw, event | (s->missed ? T_MISSED : 0));
    if (event != T_NO_EVENT) {
        raw[4] = 1;
        raw[5] = (u8)target;
        put_le32(raw + 12, reason);
    }
    s->missed = false;
    virtq_push(q, s->buf.head, (u32)virtq_write(q, &s->buf, 0, raw, sizeof(raw)));
    virtq_interrupt(q);
}

void virtio_scsi_medium_changed(struct virtio_scsi *s, unsigned target)
{
    if (s->target[target].subscribed & ASYNC_MEDIUM)
        push_event(s, T_ASYNC, target, ASYNC_MEDIUM);
}

static void resized(void *opaque)
{
    struct scsi_target *t = opaque;
    struct virtio_scsi *s = t->s;

    scsi_resized(&t->unit);
    if (virtio_has(&s->virtio, SCSI_F_CHANGE))
        push_event(s, T_PARAM, (unsigned)(t - s->target),
                   (SCSI_CAPACITY_CHANGED >> 8 & 0xff) | (SCSI_CAPACITY_CHANGED & 0xff) << 8);
}

struct scsi_unit *virtio_scsi_unit(struct virtio_scsi *s, unsigned target)
{
    return s->target[target].s ? &s->target[target].unit : NULL;
}

static void notify(void *opaque, struct virtq *q)
{
    struct virtio_scsi *s = opaque;

    if (!q->index) {
        scsi_ctrl_notify(s);
        return;
    }
    if (q->index == EVENTS) {
        if (s->missed)
            push_event(s, T_NO_EVENT, 0, 0);
        return;
    }
    while (virtq_pop(q, &s->buf))
        scsi_req_start(s, q);
    virtq_interrupt(q); /* for those that are over already */
}

static void drain(void *opaque)
{
    struct virtio_scsi *s = opaque;

    for (unsigned n = 0; n < VIRTIO_SCSI_TARGETS && s->requests; n++)
        if (s->target[n].unit.block)
            block_drain(s->target[n].unit.block);
}

static void fill_config(struct virtio_scsi *s)
{
    u8 *c = s->virtio.config;

    put_le32(c + CFG_NUM_QUEUES, s->virtio.nqueues - FIRST);
    put_le32(c + CFG_SEG_MAX, QUEUE_SIZE - 2);
    put_le32(c + CFG_MAX_SECTORS, 0xffff);
    put_le32(c + CFG_CMD_PER_LUN, QUEUE_SIZE);
    put_le32(c + CFG_EVENT_SIZE, EVENT_LEN);
    put_le32(c + SCSI_CFG_SENSE, SENSE_DEFAULT);
    put_le32(c + SCSI_CFG_CDB, CDB_DEFAULT);
    put_le16(c + CFG_MAX_TARGET, VIRTIO_SCSI_TARGETS - 1);
}

static void reset(void *opaque)
{
    struct virtio_scsi *s = opaque;

    fill_config(s);
    drain(s);
    s->nfunctions = 0;
    s->missed = false;
    for (unsigned n = 0; n < VIRTIO_SCSI_TARGETS; n++) {
        struct scsi_target *t = &s->target[n];
        t->subscribed = 0;
        t->unit.sense = SCSI_NO_SENSE;
        t->unit.attention = SCSI_RESET;
        t->unit.locked = t->unit.write_through = false;
    }
}

static void queue_reset(void *opaque, struct virtq *q)
{
    struct virtio_scsi *s = opaque;

    drain(s);
    if (!q->index)
        s->nfunctions = 0;
}

static void config_written(void *opaque, unsigned off, unsigned size)
{
    struct virtio_scsi *s = opaque;

    if (le32(s->virtio.config + SCSI_CFG_SENSE) <= SENSE_MAX &&
        le32(s->virtio.config + SCSI_CFG_CDB) <= CDB_MAX)
        return;
    fill_config(s);
    virtio_break(&s->virtio, "sense data or commands are longer than SCSI has them");
}

static const struct virtio_ops ops = {.notify = notify,
                                      .reset = reset,
                                      .queue_reset = queue_reset,
                                      .drain = drain,
                                      .config_written = config_written};

static void add_target(struct virtio_scsi *s, unsigned n, struct scsi_unit_config cfg)
{
    char serial[16];

    snprintf(serial, sizeof(serial), "DM%05u", n + 1);
    if (!cfg.serial)
        cfg.serial = serial;
    scsi_unit_init(&s->target[n].unit, &cfg);
    s->target[n].s = s;
    if (!cfg.cdrom)
        block_on_resize(cfg.block, resized, &s->target[n]);
}

static void tell(struct virtio_scsi *s, unsigned target, u32 reason)
{
    if (virtio_has(&s->virtio, SCSI_F_HOTPLUG))
        push_event(s, T_TRANSPORT, target, reason);
}

void virtio_scsi_plug(struct virtio_scsi *s, unsigned target, const struct scsi_unit_config *cfg)
{
    BUG_ON(s->target[target].s);
    add_target(s, target, *cfg);
    s->target[target].unit.attention = SCSI_RESET;
    tell(s, target, TRANSPORT_NEW);
}

/* From the first line on no request finds it; those that run may have more pieces to go. */
void virtio_scsi_unplug(struct virtio_scsi *s, unsigned target)
{
    struct scsi_target *t = &s->target[target];
    struct block *block = t->unit.block;

    t->s = NULL;
    if (block) {
        block_on_resize(block, NULL, NULL);
        block_drain(block);
    }
    *t = (struct scsi_target){.s = NULL};
    tell(s, target, TRANSPORT_GONE);
}

int virtio_scsi_new(struct virtio_scsi **out, struct mem *mem, struct clock *clk,
                    const struct virtio_scsi_config *cfg)
{
    struct virtio_scsi *s = calloc(1, sizeof(*s));
    struct virtio_init init = {.name = "virtio-scsi",
                               .type = VIRTIO_SCSI,
                               .class = 0x0100,
                               .ops = &ops,
                               .opaque = s,
                               .mem = mem,
                               .clk = clk,
                               .features = BIT64(SCSI_F_HOTPLUG) | BIT64(SCSI_F_CHANGE),
                               .config_len = CFG_LEN};

    if (!s)
        return -ENOMEM;
    BUG_ON(!cfg->queues || cfg->queues > VIRTIO_SCSI_QUEUES || cfg->nunits > VIRTIO_SCSI_TARGETS);
    if (cfg->packed)
        init.features |= BIT64(VIRTIO_F_RING_PACKED);
    virtio_init(&s->virtio, &init);
    for (unsigned n = 0; n < cfg->queues + FIRST; n++)
        virtio_add_queue(&s->virtio, QUEUE_SIZE);
    for (unsigned n = 0; n < cfg->nunits; n++)
        add_target(s, n, cfg->unit[n]);
    put_le32(s->virtio.config_wmask + SCSI_CFG_SENSE, UINT32_MAX);
    put_le32(s->virtio.config_wmask + SCSI_CFG_CDB, UINT32_MAX);
    reset(s);
    *out = s;
    return 0;
}

void virtio_scsi_free(struct virtio_scsi *s)
{
    if (!s)
        return;
    BUG_ON(s->requests);
    virtio_dispose(&s->virtio);
    free(s);
}

struct virtio *virtio_scsi_dev(struct virtio_scsi *s)
{
    return &s->virtio;
}

static const struct state_field target_fields[] = {
    STATE_STRUCTS(struct scsi_target, unit, 1, scsi_unit_fields),
    STATE_UINT(struct scsi_target, subscribed),
    STATE_END,
};

static const struct state_field fields[] = {
    STATE_STRUCTS(struct virtio_scsi, virtio, 1, virtio_fields),
    STATE_STRUCTS(struct virtio_scsi, target, VIRTIO_SCSI_TARGETS, target_fields),
    STATE_BOOL(struct virtio_scsi, missed),
    STATE_END,
};

static int loaded(void *opaque)
{
    struct virtio_scsi *s = opaque;
    u32 sense = le32(s->virtio.config + SCSI_CFG_SENSE),
        cdb = le32(s->virtio.config + SCSI_CFG_CDB);
    int rc = virtio_loaded(&s->virtio);

    fill_config(s);
    if (sense > SENSE_MAX || cdb > CDB_MAX)
        return -EINVAL;
    put_le32(s->virtio.config + SCSI_CFG_SENSE, sense);
    put_le32(s->virtio.config + SCSI_CFG_CDB, cdb);
    for (unsigned n = 0; n < s->virtio.nqueues && !rc; n++)
        rc = s->virtio.queue[n].in_use ? -EINVAL : 0;
    for (unsigned n = 0; n < VIRTIO_SCSI_TARGETS && !rc; n++)
        rc = scsi_unit_loaded(&s->target[n].unit);
    return rc;
}

const struct state_table virtio_scsi_state = {
    .name = "virtio-scsi", .version = 1, .oldest = 1, .fields = fields, .loaded = loaded};
