/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * x87 instructions other than control ones (SDM 1 chapter 8): the thunk loads the guest's whole
 * x87 state into the host's unit, executes, saves it. Unmasked exceptions need no care there: they
 * end up as FSW.ES, and the next waiting instruction delivers them here, as #MF or, with CR0.NE
 * clear, over FERR# (vm.ferr). Also the transition to MMX state (SDM 3A 12.2). IGNNE# is not
 * modelled. Non-control instructions record FIP, FCS and FOP, and FDP and FDS with an operand.
 */
#include "base/le.h"
#include "cpu/simd/op.h"

/* The FXSAVE image of the thunk. */
#define IMG_FCW   0
#define IMG_FSW   2
#define IMG_FTW   4
#define IMG_MXCSR 24
#define IMG_ST    32

#define FSW_PE BIT(5)

void x87_check_nm(struct vcpu *c)
{
    if (unlikely(c->cr0 & (CR0_EM | CR0_TS)))
        cpu_raise(c, VEC_NM);
}

static void set_ferr(struct vcpu *c, bool level)
{
    pthread_mutex_lock(&c->vm->lock);
    irq_set(&c->vm->ferr, level);
    pthread_mutex_unlock(&c->vm->lock);
}

bool x87_ready(struct vcpu *c)
{
    if (likely(!x87_pending(&c->fpu)))
        return true;
    if ((c->cr0 & CR0_NE) || !c->vm->ferr.set)
        cpu_raise(c, VEC_MF);
    set_ferr(c, true);
    c->rip = c->ip; /* the processor stands still here until an interrupt comes */
    c->leave = true;
    return false;
}

void x87_update_es(struct vcpu *c)
{
    struct fpu *f = &c->fpu;

    if (x87_pending(f)) {
        f->fsw |= FSW_ES | FSW_B;
        return;
    }
    if ((f->fsw & FSW_ES) && !(c->cr0 & CR0_NE) && c->vm->ferr.set)
        set_ferr(c, false);
    f->fsw &= (u16) ~(FSW_ES | FSW_B);
}

bool mmx_ready(struct vcpu *c)
{
    if (unlikely(c->cr0 & CR0_EM))
        cpu_raise_ud(c);
    x87_check_nm(c);
    return x87_ready(c);
}

void x87_set_top(struct fpu *f, unsigned top)
{
    unsigned move = (top - x87_top(f)) & 7;
    u8 old[8][16];

    f->fsw = (u16)((f->fsw & ~FSW_TOP) | top << 11);
    if (likely(move == 0))
        return;
    memcpy(old, f->st, sizeof(old));
    for (unsigned n = 0; n < 8; n++)
        memcpy(f->st[n], old[(n + move) & 7], 16);
}

/* All registers become valid; slot n of the image is then register MMn. */
void mmx_enter(struct fpu *f)
{
    x87_set_top(f, 0);
    f->ftw = 0xff;
}

static void image_put(u8 *img, const struct fpu *f)
{
    put_le16(img + IMG_FCW, f->fcw);
    put_le16(img + IMG_FSW, f->fsw);
    img[IMG_FTW] = f->ftw;
    put_le32(img + IMG_MXCSR, MXCSR_RESET);
    memcpy(img + IMG_ST, f->st, sizeof(f->st));
}

static void image_get(struct fpu *f, const u8 *img)
{
    f->fsw = le16(img + IMG_FSW);
    f->ftw = img[IMG_FTW];
    memcpy(f->st, img + IMG_ST, sizeof(f->st));
}

static gva_t operand_address(struct vcpu *c, const struct insn *i, const struct simd_op *op)
{
    gva_t va = insn_linear(c, i, op->size, (op->flags & OP_STORE) != 0);

    if (unlikely(c->align_check) && op->size == 10 && (va & 7))
        cpu_raise_err(c, VEC_AC, 0);
    return va;
}

static void read_operand(struct vcpu *c, const struct insn *i, const struct simd_op *op, gva_t va)
{
    u8 *to = op->simd->io.bounce;

    if (op->size > 8)
        lin_read_bytes(c, va, to, op->size, insn_how(c, i));
    else
        put_le64(to, lin_read(c, va, op->size, insn_how(c, i)));
}

/* An unmasked exception other than inexactness means that nothing was stored. */
static void write_operand(struct vcpu *c, const struct insn *i, const struct simd_op *op, gva_t va)
{
    const struct simd_io *io = &op->simd->io;
    u32 unmasked = le16(io->image + IMG_FSW) & ~(u32)c->fpu.fcw & 0x3f;

    if (unmasked & ~(u32)FSW_PE)
        return;
    if (op->size > 8)
        lin_write_bytes(c, va, io->bounce, op->size, insn_how(c, i));
    else
        lin_write(c, va, op->size, le64(io->bounce), insn_how(c, i));
}

static void record_pointers(struct vcpu *c, const struct insn *i, const struct simd_op *op)
{
    struct fpu *f = &c->fpu;

    f->fop = op->fop & 0x7ff;
    f->fip = c->mode == MODE_64 ? c->ip : (u32)c->ip;
    f->fcs = c->seg[SEG_CS].sel;
    if (op->flags & (OP_LOAD | OP_STORE)) {
        f->fdp = insn_ea(c, i);
        f->fds = c->seg[i->seg].sel;
    }
}

void x87_exec(struct vcpu *c, const struct insn *i)
{
    const struct simd_op *op = i->aux;
    struct simd_io *io = &op->simd->io;
    gva_t va = 0;

    x87_check_nm(c);
    if (!x87_ready(c))
        return;
    if (op->flags & (OP_LOAD | OP_STORE))
        va = operand_address(c, i, op);
    if (op->flags & OP_LOAD)
        read_operand(c, i, op, va);
    if (op->flags & OP_STORE)
        lin_probe_write(c, va, op->size, insn_how(c, i));
    if (op->flags & (OP_EFLAGS | OP_EFLAGS_IN))
        io->rflags = flags_get(&c->lf) | EFLAGS_FIXED;
    image_put(io->image, &c->fpu);
    op->code(c, io->bounce, io);
    if (op->flags & OP_STORE)
        write_operand(c, i, op, va);
    image_get(&c->fpu, io->image);
    record_pointers(c, i, op);
    if (op->flags & OP_EFLAGS)
        flags_set(&c->lf, (u32)io->rflags);
}
