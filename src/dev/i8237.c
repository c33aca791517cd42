/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two Intel 8237A DMA controllers (data sheet 231466) as a PC cascades them: channels 0 to 3 move
 * bytes, 5 to 7 words; page registers at 80h-8Fh give the address bits above 64 KiB (128 KiB).
 * Left out: memory-to-memory transfers, rotating priority, timing bits; a transfer takes no time.
 * All of it runs under the machine's lock.
 */
#include "dev/i8237.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define COMMAND_DISABLE 0x04u
#define MODE_TYPE       0x0cu
#define MODE_WRITE      0x04u /* to memory */
#define MODE_READ       0x08u
#define MODE_AUTO       0x10u
#define MODE_DOWN       0x20u
#define MODE_CASCADE    0xc0u

enum {
    REG_STATUS = 8, /* read; command when written */
    REG_REQUEST,
    REG_MASK,
    REG_MODE,
    REG_FLIP_FLOP,
    REG_CLEAR,
    REG_UNMASK,
    REG_MASKS,
};

struct channel {
    u16 base_addr, base_count, addr, count;
    u8 mode;
};

struct controller {
    struct channel ch[4];
    u8 command, mask, tc, dreq;
    bool high; /* the flip-flop: the next byte is the high one */
};

struct client {
    void (*ready)(void *opaque);
    void *opaque;
};

struct i8237 {
    struct controller ctl[2];
    u8 page[16];
    struct client client[I8237_CHANNELS];
    struct mem *mem;
    struct bus *pio;
};

/* The page register of each channel, an offset from 80h. */
static const u8 page_of[I8237_CHANNELS] = {7, 3, 1, 2, 15, 11, 9, 10};

static bool can_run(const struct i8237 *dma, unsigned channel)
{
    const struct controller *c = &dma->ctl[channel / 4];

    return !(c->command & COMMAND_DISABLE) && !(c->mask >> channel % 4 & 1) &&
           (c->ch[channel % 4].mode & MODE_CASCADE) != MODE_CASCADE;
}

/* Wakes the devices that wait for their channels. */
static void wake(struct i8237 *dma)
{
    for (unsigned n = 0; n < I8237_CHANNELS; n++) {
        const struct client *client = &dma->client[n];
        if (client->ready && dma->ctl[n / 4].dreq >> n % 4 & 1 && can_run(dma, n))
            client->ready(client->opaque);
    }
}

static u8 read_reg(struct controller *c, unsigned reg)
{
    struct channel *ch = &c->ch[reg / 2 & 3];
    u16 val = reg & 1 ? ch->count : ch->addr;
    u8 status;

    if (reg < REG_STATUS) {
        c->high = !c->high;
        return (u8)(c->high ? val : val >> 8);
    }
    switch (reg) {
    case REG_STATUS:
        status = (u8)(c->tc | c->dreq << 4);
        c->tc = 0;
        return status;
    case REG_MASKS:
        return c->mask | 0xf0;
    default:
        return 0; /* the temporary register, and what cannot be read */
    }
}

static void put_byte(u16 *val, bool high, u8 byte)
{
    *val = (u16)(high ? (*val & 0x00ff) | byte << 8 : (*val & 0xff00) | byte);
}

static void write_channel(struct controller *c, unsigned reg, u8 val)
{
    struct channel *ch = &c->ch[reg / 2];

    put_byte(reg & 1 ? &ch->base_count : &ch->base_addr, c->high, val);
    put_byte(reg & 1 ? &ch->count : &ch->addr, c->high, val);
    c->high = !c->high;
}

static void master_clear(struct controller *c)
{
    c->command = c->tc = 0;
    c->mask = 15;
    c->high = false;
}

static void write_reg(struct controller *c, unsigned reg, u8 val)
{
    u8 bit = (u8)BIT(val & 3);

    switch (reg) {
    case REG_STATUS:
        c->command = val;
        break;
    case REG_MASK:
        c->mask = val & 4 ? c->mask | bit : c->mask & (u8)~bit;
        break;
    case REG_MODE:
        c->ch[val & 3].mode = val & 0xfc;
        break;
    case REG_FLIP_FLOP:
        c->high = false;
        break;
    case REG_CLEAR:
        master_clear(c);
        break;
    case REG_UNMASK:
        c->mask = 0;
        break;
    case REG_MASKS:
        c->mask = val & 15;
        break;
    default:
        if (reg < REG_STATUS)
            write_channel(c, reg, val);
    }
}

static u64 low_read(void *dev, u64 off, unsigned size)
{
    return read_reg(&((struct i8237 *)dev)->ctl[0], (unsigned)off);
}

static void low_write(void *dev, u64 off, unsigned size, u64 val)
{
    struct i8237 *dma = dev;

    write_reg(&dma->ctl[0], (unsigned)off, (u8)val);
    wake(dma);
}

/* Registers at every other port. */
static u64 high_read(void *dev, u64 off, unsigned size)
{
    return read_reg(&((struct i8237 *)dev)->ctl[1], (unsigned)off / 2);
}

static void high_write(void *dev, u64 off, unsigned size, u64 val)
{
    struct i8237 *dma = dev;

    write_reg(&dma->ctl[1], (unsigned)off / 2, (u8)val);
    wake(dma);
}

static u64 page_read(void *dev, u64 off, unsigned size)
{
    return ((struct i8237 *)dev)->page[off];
}

static void page_write(void *dev, u64 off, unsigned size, u64 val)
{
    ((struct i8237 *)dev)->page[off] = (u8)val;
}

void i8237_attach(struct i8237 *dma, unsigned channel, void (*ready)(void *opaque), void *opaque)
{
    BUG_ON(channel >= I8237_CHANNELS || channel == 4 || dma->client[channel].ready);
    dma->client[channel] = (struct client){ready, opaque};
}

void i8237_request(struct i8237 *dma, unsigned channel, bool level)
{
    struct controller *c = &dma->ctl[channel / 4];
    u8 bit = (u8)BIT(channel % 4);

    c->dreq = level ? c->dreq | bit : c->dreq & (u8)~bit;
}

/* Copies between the buffer and memory upward from gpa; what is no memory reads as ones. */
static void copy(struct i8237 *dma, const struct channel *ch, gpa_t gpa, u8 *buf, u32 len,
                 bool to_memory)
{
    u8 type = ch->mode & MODE_TYPE;

    if (to_memory) {
        if (type == MODE_WRITE)
            (void)!mem_write(dma->mem, gpa, buf, len);
    } else if (type != MODE_READ || mem_read(dma->mem, gpa, buf, len)) {
        memset(buf, 0xff, len);
    }
}

/* One run of at most `units` that neither wraps nor goes down. Returns its length in units. */
static u32 move_run(struct i8237 *dma, unsigned channel, u8 *buf, u32 units, bool to_memory)
{
    struct channel *ch = &dma->ctl[channel / 4].ch[channel % 4];
    unsigned shift = channel >= 4;
    u32 page = dma->page[page_of[channel]] & (shift ? 0xfeu : 0xffu);
    gpa_t gpa = (gpa_t)page << 16 | (u32)ch->addr << shift;
    u32 n = ch->mode & MODE_DOWN ? 1 : (u32)min_u64(units, 0x10000u - ch->addr);

    n = (u32)min_u64(n, ch->count + 1u);
    copy(dma, ch, gpa, buf, n << shift, to_memory);
    ch->addr = (u16)(ch->mode & MODE_DOWN ? ch->addr - n : ch->addr + n);
    ch->count = (u16)(ch->count - n);
    return n;
}

static void terminal_count(struct i8237 *dma, unsigned channel)
{
    struct controller *c = &dma->ctl[channel / 4];
    struct channel *ch = &c->ch[channel % 4];

    c->tc |= (u8)BIT(channel % 4);
    if (ch->mode & MODE_AUTO) {
        ch->addr = ch->base_addr;
        ch->count = ch->base_count;
    } else {
        c->mask |= (u8)BIT(channel % 4);
    }
}

u32 i8237_transfer(struct i8237 *dma, unsigned channel, u8 *buf, u32 len, bool to_memory, bool *tc)
{
    unsigned shift = channel >= 4;
    u32 units = len >> shift, done = 0;

    *tc = false;
    while (done < units && !*tc && can_run(dma, channel)) {
        u32 n = move_run(dma, channel, buf + (done << shift), units - done, to_memory);
        done += n;
        *tc = dma->ctl[channel / 4].ch[channel % 4].count == 0xffff;
    }
    if (*tc)
        terminal_count(dma, channel);
    return done << shift;
}

static const struct bus_ops low_ops = {.read = low_read, .write = low_write, .max_size = 1};
static const struct bus_ops high_ops = {.read = high_read, .write = high_write, .max_size = 1};
static const struct bus_ops page_ops = {.read = page_read, .write = page_write, .max_size = 1};

void i8237_reset(struct i8237 *dma)
{
    for (unsigned i = 0; i < 2; i++) {
        dma->ctl[i] = (struct controller){.mask = 15, .dreq = dma->ctl[i].dreq};
    }
    memset(dma->page, 0, sizeof(dma->page));
}

int i8237_new(struct i8237 **out, struct bus *pio, struct mem *mem)
{
    struct i8237 *dma = calloc(1, sizeof(*dma));
    int rc;

    if (!dma)
        return -ENOMEM;
    dma->mem = mem;
    dma->pio = pio;
    i8237_reset(dma);
    rc = bus_claim(pio, 0x00, 0x0f, &low_ops, dma, "i8237");
    if (!rc)
        rc = bus_claim(pio, 0x80, 0x8f, &page_ops, dma, "i8237-page");
    if (!rc)
        rc = bus_claim(pio, 0xc0, 0xdf, &high_ops, dma, "i8237-2");
    if (rc) {
        i8237_free(dma);
        return rc;
    }
    *out = dma;
    return 0;
}

void i8237_free(struct i8237 *dma)
{
    if (!dma)
        return;
    bus_release(dma->pio, dma);
    free(dma);
}

static const struct state_field channel_fields[] = {
    STATE_UINT(struct channel, base_addr), STATE_UINT(struct channel, base_count),
    STATE_UINT(struct channel, addr),      STATE_UINT(struct channel, count),
    STATE_UINT(struct channel, mode),      STATE_END,
};

static const struct state_field controller_fields[] = {
    STATE_STRUCTS(struct controller, ch, 4, channel_fields),
    STATE_UINT(struct controller, command),
    STATE_UINT(struct controller, mask),
    STATE_UINT(struct controller, tc),
    STATE_UINT(struct controller, dreq),
    STATE_BOOL(struct controller, high),
    STATE_END,
};

static const struct state_field i8237_fields[] = {
    STATE_STRUCTS(struct i8237, ctl, 2, controller_fields),
    STATE_ARRAY(struct i8237, page),
    STATE_END,
};

static int i8237_loaded(void *opaque)
{
    const struct i8237 *dma = opaque;

    for (unsigned i = 0; i < 2; i++)
        if ((dma->ctl[i].mask | dma->ctl[i].tc | dma->ctl[i].dreq) > 15)
            return -EINVAL;
    return 0;
}

const struct state_table i8237_state = {
    .name = "i8237", .version = 1, .oldest = 1, .fields = i8237_fields, .loaded = i8237_loaded};
