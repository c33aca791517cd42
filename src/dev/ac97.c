/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The AC'97 audio controller of Intel's 82801AA (data sheet 290655, chapter 13): its PCI function
 * and bus master registers. The engines are ac97_dma.c's, the codec is ac97_mixer.c's.
 *
 * Left out: modem, S/PDIF, more than two channels, a second codec. Runs under the machine's lock.
 */
#include "base/le.h"
#include "dev/ac97_priv.h"

#include <errno.h>
#include <stdlib.h>

#define NAM_SIZE  256u
#define NABM_SIZE 64u

/* Of an engine, from 10h times its number on. */
enum { BDBAR = 0, CIV = 4, LVI = 5, SR = 6, PICB = 8, PIV = 10, CR = 11 };
enum { GLOB_CNT = 0x2c, GLOB_STA = 0x30, CAS = 0x34 };

#define CNT_NOT_RESET 0x00000002u
#define CNT_WARM      0x00000004u
#define CNT_WRITE     0x0000003fu

#define STA_CODEC_READY 0x00000100u
#define STA_PI          0x00000020u /* and PO, MC in the bits above */

/* Bytes of the mixer's registers that exist; above, the second codec would be. */
#define MIXER_SIZE 128u

static bool wants_interrupt(const struct ac97_engine *e)
{
    return (e->sr & SR_LVBCI && e->cr & CR_LVBIE) || (e->sr & SR_BCIS && e->cr & CR_IOCE) ||
           (e->sr & SR_FIFOE && e->cr & CR_FEIE);
}

static u32 global_status(const struct ac97 *a)
{
    u32 sta = STA_CODEC_READY; /* in reset too: programs that forget to end it work so */

    for (unsigned n = 0; n < AC97_ENGINES; n++)
        sta |= wants_interrupt(&a->engine[n]) ? STA_PI << n : 0;
    return sta;
}

void ac97_update_irq(struct ac97 *a)
{
    pci_set_intx(&a->pci, global_status(a) & (STA_PI | STA_PI << 1 | STA_PI << 2));
}

static void reset_engine(struct ac97_engine *e)
{
    *e = (struct ac97_engine){.sr = SR_DCH, .cr = e->cr & (CR_LVBIE | CR_FEIE | CR_IOCE)};
}

static void write_control(struct ac97 *a, unsigned n, u8 val)
{
    struct ac97_engine *e = &a->engine[n];
    u8 old = e->cr;

    if (val & CR_RR) {
        reset_engine(e);
        return;
    }
    e->cr = val & CR_ALL;
    if (!(e->cr & CR_RPBM))
        e->sr |= SR_DCH;
    else if (!(old & CR_RPBM))
        ac97_dma_start(a, n);
}

static void write_last_valid(struct ac97 *a, unsigned n, u8 val)
{
    struct ac97_engine *e = &a->engine[n];

    e->lvi = val % DESCRIPTORS;
    if (e->cr & CR_RPBM && e->sr & SR_DCH)
        ac97_dma_start(a, n);
}

static void write_engine(struct ac97 *a, unsigned n, unsigned reg, u8 val)
{
    struct ac97_engine *e = &a->engine[n];

    switch (reg) {
    case BDBAR:
    case BDBAR + 1:
    case BDBAR + 2:
    case BDBAR + 3:
        e->bdbar = ((e->bdbar & ~(0xffu << 8 * reg)) | (u32)val << 8 * reg) & ~7u;
        break;
    case LVI:
        write_last_valid(a, n, val);
        break;
    case SR:
        e->sr &= (u16) ~(val & SR_CLEAR);
        break;
    case CR:
        write_control(a, n, val);
        break;
    default:
        break;
    }
}

static void reset_registers(struct ac97 *a)
{
    for (unsigned n = 0; n < AC97_ENGINES; n++) {
        reset_engine(&a->engine[n]);
        a->engine[n].cr = 0;
    }
    a->cas = false;
    ac97_mixer_reset(a);
    ac97_update_irq(a);
    ac97_dma_arm(a);
}

/* Leaving cold reset resets the codec; a warm reset only wakes the link. */
static void write_global(struct ac97 *a, unsigned byte, u8 val)
{
    u32 old = a->glob_cnt;

    a->glob_cnt = ((old & ~(0xffu << 8 * byte)) | (u32)val << 8 * byte) & CNT_WRITE & ~CNT_WARM;
    if (old & ~a->glob_cnt & CNT_NOT_RESET)
        reset_registers(a);
}

static u64 nabm_read(void *dev, u64 off, unsigned size)
{
    struct ac97 *a = dev;
    u8 raw[NABM_SIZE + 8] = {0};

    ac97_dma_catch_up(a);
    for (unsigned n = 0; n < AC97_ENGINES; n++) {
        const struct ac97_engine *e = &a->engine[n];
        u8 *at = raw + 16 * n;
        put_le32(at + BDBAR, e->bdbar);
        at[CIV] = e->civ;
        at[LVI] = e->lvi;
        put_le16(at + SR, e->sr);
        put_le16(at + PICB, e->picb);
        at[PIV] = e->piv;
        at[CR] = e->cr;
    }
    put_le32(raw + GLOB_CNT, a->glob_cnt);
    put_le32(raw + GLOB_STA, global_status(a));
    raw[CAS] = a->cas;
    if (off <= CAS && CAS < off + size)
        a->cas = true;
    ac97_dma_arm(a);
    return le32(raw + off) & size_mask(size);
}

static void nabm_write(void *dev, u64 off, unsigned size, u64 val)
{
    struct ac97 *a = dev;

    ac97_dma_catch_up(a);
    for (unsigned i = 0; i < size; i++, val >>= 8) {
        unsigned at = (unsigned)off + i;
        if (at >= GLOB_CNT && at < GLOB_CNT + 4)
            write_global(a, at - GLOB_CNT, (u8)val);
        else if (at < 16 * AC97_ENGINES)
            write_engine(a, at / 16, at % 16, (u8)val);
    }
    ac97_update_irq(a);
    ac97_dma_arm(a);
}

static u64 nam_read(void *dev, u64 off, unsigned size)
{
    struct ac97 *a = dev;

    a->cas = false;
    if (off & 1 || off + size > MIXER_SIZE)
        return 0xffff;
    return a->mixer[off / 2];
}

/* Only whole registers. */
static void nam_write(void *dev, u64 off, unsigned size, u64 val)
{
    struct ac97 *a = dev;

    a->cas = false;
    if (off & 1 || size != 2 || off >= MIXER_SIZE)
        return;
    ac97_dma_catch_up(a);
    ac97_mixer_write(a, (unsigned)off, (u16)val);
    ac97_dma_arm(a);
}

static void due(void *opaque)
{
    struct ac97 *a = opaque;

    ac97_dma_catch_up(a);
    ac97_dma_arm(a);
}

static const struct bus_ops nam_ops = {.read = nam_read, .write = nam_write, .max_size = 2};
static const struct bus_ops nabm_ops = {.read = nabm_read, .write = nabm_write, .max_size = 4};

void ac97_reset(struct ac97 *a)
{
    pci_device_reset(&a->pci);
    a->glob_cnt = 0;
    reset_registers(a);
}

int ac97_new(struct ac97 **out, struct pci_bus *bus, u8 devfn, struct clock *clk,
             struct sound_out sound)
{
    static const struct pci_ids ids = {.vendor = 0x8086,
                                       .device = 0x2415,
                                       .subsys_vendor = 0x1af4,
                                       .subsys = 0x1100,
                                       .class = 0x0401,
                                       .revision = 1,
                                       .pin = 1};
    struct ac97 *a = calloc(1, sizeof(*a));
    int rc;

    if (!a)
        return -ENOMEM;
    a->clk = clk;
    a->sound = sound;
    timer_init(&a->timer, due, a);
    rc = pci_device_init(&a->pci, bus, devfn, &ids, NULL, a);
    if (rc) {
        free(a);
        return rc;
    }
    put_le16(a->pci.config + PCI_STATUS, 0x0280);
    pci_device_settled(&a->pci);
    pci_add_bar_io(&a->pci, 0, NAM_SIZE, &nam_ops, a, "ac97-mixer");
    pci_add_bar_io(&a->pci, 1, NABM_SIZE, &nabm_ops, a, "ac97");
    ac97_reset(a);
    *out = a;
    return 0;
}

void ac97_free(struct ac97 *a)
{
    if (!a)
        return;
    timer_cancel(a->clk, &a->timer);
    pci_device_dispose(&a->pci);
    free(a);
}

static void before_save(void *obj)
{
    ac97_dma_catch_up(obj);
}

static int loaded(void *obj)
{
    struct ac97 *a = obj;
    int rc = pci_device_loaded(&a->pci);

    if (rc)
        return rc;
    for (unsigned n = 0; n < AC97_ENGINES; n++) {
        const struct ac97_engine *e = &a->engine[n];
        if (e->civ >= DESCRIPTORS || e->lvi >= DESCRIPTORS || e->piv >= DESCRIPTORS ||
            e->sr & ~SR_ALL || e->cr & ~CR_ALL)
            return -EINVAL;
    }
    ac97_dma_rebase(a);
    ac97_update_irq(a);
    ac97_dma_arm(a);
    return 0;
}

static const struct state_field engine_fields[] = {
    STATE_UINT(struct ac97_engine, bdbar), STATE_UINT(struct ac97_engine, civ),
    STATE_UINT(struct ac97_engine, lvi),   STATE_UINT(struct ac97_engine, piv),
    STATE_UINT(struct ac97_engine, cr),    STATE_UINT(struct ac97_engine, sr),
    STATE_UINT(struct ac97_engine, picb),  STATE_UINT(struct ac97_engine, addr),
    STATE_UINT(struct ac97_engine, flags), STATE_END,
};

static const struct state_field fields[] = {
    STATE_STRUCTS(struct ac97, pci, 1, pci_device_fields),
    STATE_STRUCTS(struct ac97, engine, AC97_ENGINES, engine_fields),
    STATE_UINT(struct ac97, glob_cnt),
    STATE_BOOL(struct ac97, cas),
    STATE_ARRAY(struct ac97, mixer),
    STATE_END,
};

const struct state_table ac97_state = {.name = "ac97",
                                       .version = 1,
                                       .oldest = 1,
                                       .fields = fields,
                                       .before_save = before_save,
                                       .loaded = loaded};
