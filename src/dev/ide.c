/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The task file of an IDE channel (ATA/ATAPI-6, chapters 6 and 9): which drive answers, what both
 * hear, software reset, the data register in 8, 16 and 32 bits, INTRQ.
 * What is not there reads as 0, beside a drive or on a channel without any: a host pulls DD7 down,
 * so that nothing looks busy there, and firmware that waits for BSY goes on.
 * All of it runs under the machine's lock.
 */
#include "dev/ide.h"

#include <errno.h>
#include <string.h>

#define CONTROL_NIEN 0x02u
#define CONTROL_SRST 0x04u
#define CONTROL_HOB  0x80u

#define CMD_DIAGNOSE 0x90u
#define CMD_RESET    0x08u

enum { REG_DATA, REG_ERROR, REG_COUNT, REG_LOW, REG_MID, REG_HIGH, REG_DEVICE, REG_STATUS };

static struct ata_drive *selected(struct ide_channel *c)
{
    return &c->drive[c->select];
}

static bool moves_by_dma(const struct ata_drive *d)
{
    return d->phase == ATA_DMA_IN || d->phase == ATA_DMA_OUT;
}

static void drive_line(struct ide_channel *c)
{
    struct ata_drive *d = selected(c);
    bool level = d->present && d->intrq && !(c->control & CONTROL_NIEN);

    if (level == c->level)
        return;
    c->level = level;
    if (level)
        c->bm.status |= IDE_BM_INTR;
    irq_set(&c->irq, level);
}

void ide_service(struct ide_channel *c)
{
    struct ata_drive *d = selected(c);

    ide_bm_settle(c);
    while (moves_by_dma(d) && !c->direct && c->bm.status & IDE_BM_ACTIVE)
        if (!ide_bm_move(c, d))
            break;
    drive_line(c);
}

static void drive_ready(void *opaque)
{
    ide_service(opaque);
}

static u8 status(struct ide_channel *c)
{
    return selected(c)->present ? selected(c)->r.status : 0;
}

static u8 read_register(struct ide_channel *c, unsigned reg)
{
    const struct ata_regs *r = &selected(c)->r;
    bool hob = c->control & CONTROL_HOB;

    if (!selected(c)->present)
        return 0;
    switch (reg) {
    case REG_ERROR:
        return r->error;
    case REG_COUNT:
        return r->count[hob];
    case REG_LOW:
        return r->lba_low[hob];
    case REG_MID:
        return r->lba_mid[hob];
    case REG_HIGH:
        return r->lba_high[hob];
    default:
        return r->device;
    }
}

static u32 read_data(struct ide_channel *c, unsigned size)
{
    struct ata_drive *d = selected(c);
    u32 val = 0, n;

    if (d->phase != ATA_PIO_IN)
        return (u32)size_mask(size);
    n = (u32)min_u64(size, d->end - d->at);
    memcpy(&val, d->buf + d->at, n);
    d->at += n;
    if (d->at == d->end) {
        ata_data_done(d);
        ide_service(c);
    }
    return val;
}

static void write_data(struct ide_channel *c, unsigned size, u32 val)
{
    struct ata_drive *d = selected(c);
    u32 n;

    if (d->phase != ATA_PIO_OUT)
        return;
    n = (u32)min_u64(size, d->end - d->at);
    memcpy(d->buf + d->at, &val, n);
    d->at += n;
    if (d->at == d->end) {
        ata_data_done(d);
        ide_service(c);
    }
}

static u64 command_read(void *dev, u64 off, unsigned size)
{
    struct ide_channel *c = dev;
    u8 val;

    if (off == REG_DATA)
        return read_data(c, size);
    if (size > 1) /* an access of several registers: each in turn */
        return command_read(dev, off, size / 2) | command_read(dev, off + size / 2, size / 2)
                                                      << (4 * size);
    if (off != REG_STATUS)
        return read_register(c, (unsigned)off);
    val = status(c);
    selected(c)->intrq = false;
    drive_line(c);
    return val;
}

static void push(u8 reg[2], u8 val)
{
    reg[1] = reg[0];
    reg[0] = val;
}

static void write_register(struct ata_regs *r, unsigned reg, u8 val)
{
    switch (reg) {
    case REG_ERROR:
        push(r->feature, val);
        break;
    case REG_COUNT:
        push(r->count, val);
        break;
    case REG_LOW:
        push(r->lba_low, val);
        break;
    case REG_MID:
        push(r->lba_mid, val);
        break;
    case REG_HIGH:
        push(r->lba_high, val);
        break;
    case REG_DEVICE:
        r->device = val;
        break;
    }
}

static void select_drive(struct ide_channel *c, u8 device)
{
    c->select = !!(device & ATA_DEV);
}

static void execute(struct ide_channel *c, u8 command)
{
    if (command == CMD_DIAGNOSE) { /* both hear it, drive 0 answers */
        select_drive(c, 0);
        for (unsigned i = 2; i-- > 0;) {
            c->drive[i].r.device &= (u8)~ATA_DEV;
            ata_execute(&c->drive[i], command);
        }
        c->drive[1].intrq = false;
    } else {
        ata_execute(selected(c), command);
    }
    ide_service(c);
}

static void command_write(void *dev, u64 off, unsigned size, u64 val)
{
    struct ide_channel *c = dev;

    if (off == REG_DATA) {
        write_data(c, size, (u32)val);
        return;
    }
    if (size > 1) {
        command_write(dev, off, size / 2, val & size_mask(size / 2));
        command_write(dev, off + size / 2, size / 2, val >> (4 * size));
        return;
    }
    c->control &= (u8)~CONTROL_HOB;
    if (off == REG_STATUS) {
        execute(c, (u8)val);
        return;
    }
    for (unsigned i = 0; i < 2; i++)
        if (!(c->drive[i].r.status & ATA_BSY))
            write_register(&c->drive[i].r, (unsigned)off, (u8)val);
    if (off == REG_DEVICE) {
        select_drive(c, (u8)val);
        ide_service(c);
    }
}

static u64 control_read(void *dev, u64 off, unsigned size)
{
    return status(dev);
}

static void control_write(void *dev, u64 off, unsigned size, u64 val)
{
    struct ide_channel *c = dev;
    bool srst = val & CONTROL_SRST, was = c->control & CONTROL_SRST;

    c->control = (u8)(val & (CONTROL_NIEN | CONTROL_SRST | CONTROL_HOB));
    if (srst && !was) {
        for (unsigned i = 0; i < 2; i++) {
            struct ata_drive *d = &c->drive[i];
            d->r.device = 0;
            ata_reset(d, false);
            if (d->present)
                d->r.status = ATA_BSY;
        }
        select_drive(c, 0);
    } else if (!srst && was) {
        for (unsigned i = 0; i < 2; i++)
            ata_reset(&c->drive[i], false);
    }
    ide_service(c);
}

const struct bus_ops ide_command_ops = {
    .read = command_read, .write = command_write, .max_size = 4};
const struct bus_ops ide_control_ops = {
    .read = control_read, .write = control_write, .max_size = 1};

void ide_channel_reset(struct ide_channel *c)
{
    for (unsigned i = 0; i < 2; i++) {
        ata_drain(&c->drive[i]);
        c->drive[i].r = (struct ata_regs){0};
        ata_reset(&c->drive[i], true);
    }
    c->select = c->control = 0;
    c->bm = (struct ide_bm){0};
    drive_line(c);
}

void ide_channel_init(struct ide_channel *c, unsigned number, struct pci_device *pci,
                      struct irq irq, const struct ata_drive_config cfg[2])
{
    c->pci = pci;
    c->irq = irq;
    for (unsigned i = 0; i < 2; i++)
        ata_init(&c->drive[i], &cfg[i], number * 2 + i, pci_bus_mem(pci->bus), drive_ready, c);
}

static const struct state_field bm_fields[] = {
    STATE_UINT(struct ide_bm, command), STATE_UINT(struct ide_bm, status),
    STATE_UINT(struct ide_bm, table),   STATE_UINT(struct ide_bm, next),
    STATE_UINT(struct ide_bm, at),      STATE_UINT(struct ide_bm, left),
    STATE_BOOL(struct ide_bm, last),    STATE_END,
};

const struct state_field ide_channel_fields[] = {
    STATE_STRUCTS(struct ide_channel, drive, 2, ata_drive_fields),
    STATE_UINT(struct ide_channel, select),
    STATE_UINT(struct ide_channel, control),
    STATE_STRUCTS(struct ide_channel, bm, 1, bm_fields),
    STATE_BOOL(struct ide_channel, level),
    STATE_END,
};

int ide_channel_loaded(struct ide_channel *c)
{
    bool level = c->level;

    if (c->select > 1 || c->bm.left > 65536)
        return -EINVAL;
    for (unsigned i = 0; i < 2; i++)
        if (ata_loaded(&c->drive[i]))
            return -EINVAL;
    irq_set(&c->irq, level);
    drive_line(c);
    return 0;
}
