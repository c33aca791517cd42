/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Runs each form in all positions and places, with and without faults. */
#include "desc.h"
#include "fault.h"
#include "io.h"
#include "page.h"
#include "trap.h"

#define LANDING (code_va + 0xf80)
#define AREA    512 /* compared: so much before and behind the boundary */

static page_aligned u8 code_page[4096], data[3][4096];
static __attribute__((aligned(64))) u8 good[5][128];
static word code_va, data_va; /* data: two pages, data[2] and data[0] */
static volatile u64 *pte[2];
static const u64 frame_flags = PTE_P | PTE_W;

enum { MIDDLE, LAST, ALONE, POSITIONS };
static const char *const position_name[] = {"middle of a block", "last of a block", "alone"};
static const char *const place_name[] = {"absent", "across, second absent", "across, first absent"};

struct scene {
    const struct form *form;
    word operand;
    struct block b;
    unsigned place, number;
};

static struct scene sc;
static struct memory {
    u64 at[(2 * AREA + sizeof(good)) / 8];
} was, end_state;
static unsigned faults;

static u32 kind(void)
{
    return sc.form->arg[3];
}

/* A frame to return to LANDING, as far as it is needed: RIP, CS, RFLAGS, RSP, SS. */
static void put_landing(u8 *to, u32 size)
{
    u64 word[] = {LANDING, sc.b.before.cs, 0x46, (u64)good[1] + 64, KERNEL_DS};
    u8 *p = to;
    for (unsigned i = 0; i < (size + 7) / 8; i++)
        p = emit_le(p, word[i], sc.b.legacy ? 4 : 8);
}

static void fill(void)
{
    for (unsigned i = 0; i < AREA / 8; i++)
        ((u64 *)data[2])[512 - AREA / 8 + i] = ((u64 *)data[0])[i] =
            0x7766554433221105ull + i * 0x10000;
    for (unsigned i = 0; i < sizeof(good) / 8; i++)
        ((u64 *)good)[i] = 0x0807060504030201ull * i;
    if (kind() & CODE_ADDRESS) {
        u8 frame[40];
        put_landing(good[2], 16); /* RSI */
        put_landing(frame, sizeof(frame));
        for (unsigned i = 0; i < sc.form->arg[2]; i++) {
            word at = sc.operand + i - data_va;
            data[at < 4096 ? 2 : 0][at & 4095] = frame[i];
        }
    }
}

static void load_sse(void)
{
    static __attribute__((aligned(16))) u8 fx[512];
    asm volatile("fninit\n fxsave64 %0" : "=m"(fx));
    for (unsigned i = 0; i < 256; i++)
        fx[160 + i] = (u8)(i * 7 + (i & 7) * 16) & 0x7f;
    memset(fx + 160 + 14 * 16, 0, 16);
    memset(fx + 160 + 15 * 16, 0xff, 16);
    fx[24] = 0x80, fx[25] = 0x1f; /* MXCSR: all masked */
    asm volatile("fxrstor64 %0" : : "m"(fx));
}

/* Takes a copy; whether the last one was the same. */
static bool same_as(struct memory *m)
{
    const u64 *from[] = {(u64 *)(data[2] + 4096 - AREA), (u64 *)data[0], (u64 *)good};
    static const u32 words[] = {AREA / 8, AREA / 8, sizeof(good) / 8};
    u64 differs = 0, *to = m->at;
    for (unsigned k = 0; k < 3; k++)
        for (unsigned i = 0; i < words[k]; i++, to++) {
            differs |= *to ^ from[k][i];
            *to = from[k][i];
        }
    return !differs;
}

/* Registers as the form sees them. */
static void set_regs(u32 carry)
{
    word *r = sc.b.before.r;
    const struct form *f = sc.form;
    regs_pattern(&sc.b.before, sc.number);
    r[RCX] = 5;
    r[RDX] = 0x11;
    r[R9] = (word)-200;
    r[R11] = LANDING;
    r[RAX] = 0x8765432100000123ull;
    if (kind() & EQUAL)
        memcpy(&r[RAX], data[2] + (sc.operand & 4095), 8);
    r[RBX] = (word)good[0] + 64;
    r[RSP] = (word)good[1] + 64;
    r[RSI] = (word)good[2];
    r[RDI] = (word)good[3] + 64;
    r[RBP] = (word)good[4] + 64;
    if (!(kind() & (IP_RELATIVE | ABSOLUTE)))
        r[f->arg[0]] = sc.operand + (word)(long)(int)f->arg[1];
    sc.b.before.flags = carry;
    for (unsigned i = 0; sc.b.legacy && i < 8; i++)
        r[i] = (u32)r[i];
}

static u8 *emit_form(u8 *p)
{
    const struct form *f = sc.form;
    sc.b.before.ip = (word)p;
    p = emit(p, f->code, f->size);
    if (kind() & IP_RELATIVE)
        emit_le(p - 4, sc.operand - (word)p, 4);
    if (kind() & ABSOLUTE)
        emit_le(p - (sc.b.legacy ? 4 : 8), sc.operand, sc.b.legacy ? 4 : 8);
    return p;
}

static void build(unsigned position)
{
    set_regs((sc.place + position + sc.number) & 1);
    u8 *p = block_prefix(&sc.b, (u8 *)code_va, position != ALONE);
    p = emit_form(p);
    if (position == MIDDLE)
        p = block_suffix(&sc.b, p);
    EMIT(p, STOP_BYTES);
    EMIT((u8 *)LANDING, STOP_BYTES);
}

/* Called at each trap: a fault must leave everything as it was. */
static bool on_trap(struct stop *s)
{
    if (s->vector != PF)
        return false;
    faults++;
    u32 error = s->error & ~(kind() & READ ? (u32)PF_W : 0);
    u32 want = (faults == 2 ? PF_P : 0) | (kind() & READ ? 0 : PF_W);
    if (faults == 2)
        CHECK_EQ(s->error, PF_P | PF_W);
    else
        CHECK_EQ(error, want);
    word first = sc.place == 1 ? data_va + 4096 : sc.operand;
    if (kind() & WIDE)
        CHECK_EQ(s->cr2 & ~4095ull, first & ~4095ull);
    else
        CHECK_EQ(s->cr2, first);
    CHECK_REGS(&s->regs, &sc.b.before, 0);
    CHECK((kind() & WIDE) || same_as(&was));
    bool second = sc.place == 1;
    bool read_only = faults == 1 && (kind() & WRITE);
    *pte[second] = (word)data[second ? 0 : 2] | (read_only ? PTE_P : frame_flags);
    invlpg((void *)(data_va + 4096 * second));
    return faults < 3;
}

static void run_once(struct stop *s)
{
    fill();
    load_sse();
    (void)same_as(&was);
    faults = 0;
    asm volatile("movl %0, %%ds\n movl %0, %%es" : : "r"(KERNEL_DS)); /* LDS and LES changed them */
    regs_run(&sc.b.start, s);
    CHECK_EQ(s->vector, STOP_VECTOR);
}

static void one(unsigned position)
{
    static struct stop want, got;
    test_case(sc.form->text, place_name[sc.place], position_name[position]);
    build(position);
    page_map(data_va, (word)data[2], frame_flags);
    page_map(data_va + 4096, (word)data[0], frame_flags);
    for (unsigned i = 0; i < 2; i++)
        run_once(&want);
    (void)same_as(&end_state);
    page_map(data_va + (sc.place == 1 ? 4096 : 0), 0, 0);
    run_once(&got);
    CHECK_EQ(faults, kind() & WRITE ? 2 : kind() & READ ? 1 : 0);
    want.regs.flags &= ~(word)sc.form->arg[4];
    got.regs.flags &= ~(word)sc.form->arg[4];
    CHECK_REGS(&got.regs, &want.regs, 0);
    CHECK(same_as(&end_state));
    CHECK(!memcmp(want.fx + 160, got.fx + 160, 256));
}

void fault_all(const struct form *f, const struct form *end)
{
    for (; f < end; f++) {
        sc.form = f;
        sc.number++;
        for (unsigned place = 0; place < 3; place++) {
            if (place > 0 && (f->arg[2] == 1 || (f->arg[3] & ALIGNED)))
                continue;
            sc.place = place;
            sc.operand = data_va + (place ? 4096 - (f->arg[2] + 1) / 2 : 4096 - 512);
            for (unsigned position = 0; position < POSITIONS; position++)
                one(position);
        }
    }
}

/* The low 32 bits of LANDING are good for MXCSR, too. */
void fault_init(bool legacy)
{
    sc.b.legacy = legacy;
    sc.b.before.cs = legacy ? CS32_SEL : KERNEL_CS;
    code_va = legacy ? 0xc0001000u : TEST_BASE + 0x1000;
    data_va = code_va + 0x1ff000;
    if (legacy) { /* in place of large pages that map nothing */
        *page_entry(code_va, 2) = *page_entry(data_va, 2) = 0;
        set_cr3(get_cr3());
    }
    regs_catch_all();
    regs_fix = on_trap;
    regs_save_sse = true;
    set_cr4(get_cr4() | CR4_OSFXSR | CR4_OSXMMEXCPT);
    page_map(code_va, (word)code_page, PTE_P | PTE_W);
    pte[0] = page_map(data_va, 0, 0);
    pte[1] = page_map(data_va + 4096, 0, 0);
}
