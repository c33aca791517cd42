/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The watchdog of the Intel 6300ESB I/O controller hub (data sheet 300641, section 19): two
 * stages, each counting down a preload value; the first may interrupt, the second barks.
 * Registers other than the configuration's take one write after 80h and 86h were written to
 * WDT_RELOAD. Left out: SMI after the first stage, the output pin in free-running mode (which
 * begins anew). Runs under the machine's lock.
 */
#include "dev/i6300esb.h"
#include "base/le.h"

#include <errno.h>
#include <stdlib.h>

#define BAR_SIZE   16u
#define CFG_CONFIG 0x60u
#define CFG_LOCK   0x68u

#define CONFIG_INT_TYPE 0x0003u
#define CONFIG_INT_IRQ  0x0000u
#define CONFIG_FAST     0x0004u /* 1 MHz instead of 1 kHz */
#define CONFIG_NO_OUT   0x0020u
#define CONFIG_WRITE    0x0027u

#define LOCK_LOCKED   0x01u
#define LOCK_ENABLE   0x02u
#define LOCK_FREE_RUN 0x04u
#define LOCK_ALL      0x07u

enum { PRELOAD_1 = 0, PRELOAD_2 = 4, INT_STATUS = 8, RELOAD = 12 };

#define PRELOAD_MASK   0xfffffu
#define INT_ACTIVE     0x01u
#define RELOAD_RELOAD  0x0100u
#define RELOAD_TIMEOUT 0x0200u
#define UNLOCK_1       0x80u
#define UNLOCK_2       0x86u

#define PCI_HZ     33000000ull
#define SLOW_SHIFT 15u
#define FAST_SHIFT 5u

enum { KEY_NONE, KEY_ONE, KEY_BOTH };

struct i6300esb {
    struct pci_device pci;
    struct clock *clk;
    struct timer timer;
    struct i6300esb_config cfg;
    u32 preload[2];
    u8 lock;      /* CFG_LOCK as it counts */
    u8 key;       /* KEY_*: of the unlocking sequence */
    u8 stage;     /* 0 or 1, that runs */
    bool running; /* timer is set */
    bool int_active;
    bool timed_out; /* kept over a reset */
    u64 left;       /* ns to the stage's end, at saving */
    u64 end;
};

static void update_irq(struct i6300esb *w)
{
    u16 type = le16(w->pci.config + CFG_CONFIG) & CONFIG_INT_TYPE;

    irq_set(&w->cfg.irq, w->int_active && type == CONFIG_INT_IRQ);
}

static void stop(struct i6300esb *w)
{
    w->running = false;
    timer_cancel(w->clk, &w->timer);
}

static void run_stage(struct i6300esb *w, u8 stage)
{
    bool fast = le16(w->pci.config + CFG_CONFIG) & CONFIG_FAST;
    u64 ticks = max_u64(w->preload[stage], 1) << (fast ? FAST_SHIFT : SLOW_SHIFT);

    w->stage = stage;
    w->running = true;
    w->end = clock_now(w->clk) + ticks_to_ns(ticks, PCI_HZ);
    timer_set(w->clk, &w->timer, w->end);
}

static void bark(struct i6300esb *w)
{
    stop(w);
    w->timed_out = true;
    if (!(le16(w->pci.config + CFG_CONFIG) & CONFIG_NO_OUT) && w->cfg.bark)
        w->cfg.bark(w->cfg.opaque);
}

static void stage_over(void *opaque)
{
    struct i6300esb *w = opaque;

    if (w->stage == 0) {
        w->int_active = true;
        update_irq(w);
        run_stage(w, 1);
    } else if (w->lock & LOCK_FREE_RUN) {
        run_stage(w, 0);
    } else {
        bark(w);
    }
}

/* A locked register keeps what it has until a reset. */
static void write_lock(struct i6300esb *w)
{
    u8 val = w->pci.config[CFG_LOCK], old = w->lock;

    if (old & LOCK_LOCKED) {
        w->pci.config[CFG_LOCK] = old;
        return;
    }
    w->lock = val & LOCK_ALL;
    if (!(w->lock & LOCK_ENABLE))
        stop(w);
    else if (!(old & LOCK_ENABLE))
        run_stage(w, 0);
}

static void config_written(void *opaque, unsigned off, unsigned size)
{
    struct i6300esb *w = opaque;

    if (off <= CFG_LOCK && CFG_LOCK < off + size)
        write_lock(w);
    update_irq(w);
}

static u64 esb_read(void *dev, u64 off, unsigned size)
{
    const struct i6300esb *w = dev;
    u32 regs[4] = {w->preload[0], w->preload[1], w->int_active ? INT_ACTIVE : 0,
                   w->timed_out ? RELOAD_TIMEOUT : 0};
    u8 raw[BAR_SIZE + 4] = {0};

    for (unsigned i = 0; i < 4; i++)
        put_le32(raw + 4 * i, regs[i]);
    return le32(raw + off) & size_mask(size);
}

static void write_unlocked(struct i6300esb *w, unsigned reg, u32 mask, u32 val)
{
    switch (reg) {
    case PRELOAD_1:
    case PRELOAD_2:
        w->preload[reg / 4] = ((w->preload[reg / 4] & ~mask) | val) & PRELOAD_MASK;
        break;
    case INT_STATUS:
        w->int_active &= !(val & INT_ACTIVE);
        update_irq(w);
        break;
    default:
        w->timed_out &= !(val & RELOAD_TIMEOUT);
        if (val & RELOAD_RELOAD && w->lock & LOCK_ENABLE)
            run_stage(w, 0);
    }
}

static void esb_write(void *dev, u64 off, unsigned size, u64 val)
{
    struct i6300esb *w = dev;
    unsigned shift = 8 * (off & 3), reg = (unsigned)off & ~3u;

    if (off == RELOAD && val == UNLOCK_1) {
        w->key = KEY_ONE;
    } else if (off == RELOAD && val == UNLOCK_2 && w->key == KEY_ONE) {
        w->key = KEY_BOTH;
    } else {
        if (w->key == KEY_BOTH)
            write_unlocked(w, reg, (u32)size_mask(size) << shift, (u32)val << shift);
        w->key = KEY_NONE;
    }
}

static const struct bus_ops esb_ops = {.read = esb_read, .write = esb_write, .max_size = 4};
static const struct pci_device_ops pci_ops = {.config_written = config_written};

void i6300esb_reset(struct i6300esb *w)
{
    pci_device_reset(&w->pci);
    stop(w);
    w->preload[0] = w->preload[1] = PRELOAD_MASK;
    w->lock = w->key = w->stage = 0;
    w->int_active = false;
    update_irq(w);
}

int i6300esb_new(struct i6300esb **out, struct pci_bus *bus, u8 devfn, struct clock *clk,
                 const struct i6300esb_config *cfg)
{
    static const struct pci_ids ids = {.vendor = 0x8086,
                                       .device = 0x25ab,
                                       .subsys_vendor = 0x1af4,
                                       .subsys = 0x1100,
                                       .class = 0x0880};
    struct i6300esb *w = calloc(1, sizeof(*w));
    int rc;

    if (!w)
        return -ENOMEM;
    w->clk = clk;
    w->cfg = *cfg;
    timer_init(&w->timer, stage_over, w);
    rc = pci_device_init(&w->pci, bus, devfn, &ids, &pci_ops, w);
    if (rc) {
        free(w);
        return rc;
    }
    put_le16(w->pci.config + PCI_STATUS, 0x0280);
    put_le16(w->pci.wmask + CFG_CONFIG, CONFIG_WRITE);
    w->pci.wmask[CFG_LOCK] = LOCK_ALL;
    pci_device_settled(&w->pci);
    pci_add_bar_mem(&w->pci, 0, BAR_SIZE, &esb_ops, w, "i6300esb");
    i6300esb_reset(w);
    *out = w;
    return 0;
}

void i6300esb_free(struct i6300esb *w)
{
    if (!w)
        return;
    timer_cancel(w->clk, &w->timer);
    pci_device_dispose(&w->pci);
    free(w);
}

static void before_save(void *obj)
{
    struct i6300esb *w = obj;
    u64 now = clock_now(w->clk);

    w->left = w->running && w->end > now ? w->end - now : 0;
}

static int loaded(void *obj)
{
    struct i6300esb *w = obj;
    int rc = pci_device_loaded(&w->pci);

    if (rc)
        return rc;
    if (w->stage > 1 || w->key > KEY_BOTH || w->lock != w->pci.config[CFG_LOCK] ||
        (w->preload[0] | w->preload[1]) & ~PRELOAD_MASK ||
        w->left > ticks_to_ns((u64)PRELOAD_MASK << SLOW_SHIFT, PCI_HZ) ||
        (w->running && !(w->lock & LOCK_ENABLE)))
        return -EINVAL;
    update_irq(w);
    w->end = clock_now(w->clk) + w->left;
    if (w->running)
        timer_set(w->clk, &w->timer, w->end);
    else
        timer_cancel(w->clk, &w->timer);
    return 0;
}

static const struct state_field fields[] = {
    STATE_STRUCTS(struct i6300esb, pci, 1, pci_device_fields),
    STATE_ARRAY(struct i6300esb, preload),
    STATE_UINT(struct i6300esb, lock),
    STATE_UINT(struct i6300esb, key),
    STATE_UINT(struct i6300esb, stage),
    STATE_BOOL(struct i6300esb, running),
    STATE_BOOL(struct i6300esb, int_active),
    STATE_BOOL(struct i6300esb, timed_out),
    STATE_UINT(struct i6300esb, left),
    STATE_END,
};

const struct state_table i6300esb_state = {.name = "i6300esb",
                                           .version = 1,
                                           .oldest = 1,
                                           .fields = fields,
                                           .before_save = before_save,
                                           .loaded = loaded};
