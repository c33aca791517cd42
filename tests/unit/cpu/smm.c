/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cpu/smm.h"
#include "cpu/smm_map.h"
#include "cpu/system.h"
#include "guest.h"

#include <stddef.h>

#define noinline __attribute__((noinline))
#define AREA     (SMBASE_RESET + SMM_AREA)

static noinline struct guest *new_guest(bool long_mode, const char *model)
{
    struct guest *g = long_mode ? guest_long() : guest_protected();
    struct err err = {.text = ""};

    if (cpu_model_parse(&g->vm.model, model, &err))
        abort();
    g->c->cr0 &= ~(u64)(CR0_CD | CR0_NW);
    g->c->xcr0 = XCR0_X87;
    return g;
}

struct want {
    u16 at;
    u8 size;
    u64 val;
};

static void check_area(const u8 *area, const struct want *w, unsigned n)
{
    for (; n--; w++) {
        u64 v = 0;

        memcpy(&v, area + w->at - SMM_AREA, w->size);
        if (v != w->val)
            fprintf(stderr, "at %x\n", w->at);
        CHECK_EQ(v, w->val);
    }
}

static struct smm_state a_state(void)
{
    struct smm_state s = {
        .rip = 0x1122334455667788,
        .rflags = 0x202,
        .cr0 = 0x80000031,
        .cr3 = 0x12345000,
        .cr4 = 0x6b0,
        .efer = 0xd01,
        .dr6 = 0xffff0ff0,
        .dr7 = 0x455,
        .ldtr = {0x38, 0x82, 0xff, 0x1800},
        .tr = {0x28, 0x8b, 0x3ff, 0xffff800000003000},
        .gdtr = {0xffff800000001000, 0xff},
        .idtr = {0x2000, 0xfff},
        .smbase = 0xa0000,
        .halted = true,
        .nmi_blocked = true,
        .cpl = 3,
        .pending_db = DR6_BS,
    };

    for (unsigned n = 0; n < 16; n++)
        s.gpr[n] = 0xabcd000000000000 + n;
    for (unsigned n = 0; n < 6; n++)
        s.seg[n] = (struct seg){(u16)(0x10 + n), (u16)(0xc093 + n), 0xfffff000 + n, 0x100000 * n};
    return s;
}

/* APM 2 table 10-1. */
static void layout_of_long_mode(void)
{
    static const struct want want[] = {
        {0xfe00, 2, 0x10},
        {0xfe02, 2, 0xc093},
        {0xfe04, 4, 0xfffff000},
        {0xfe08, 8, 0},
        {0xfe10, 2, 0x11},
        {0xfe20, 2, 0x12},
        {0xfe30, 2, 0x13},
        {0xfe40, 2, 0x14},
        {0xfe48, 8, 0x400000},
        {0xfe50, 2, 0x15},
        {0xfe52, 2, 0xc098},
        {0xfe58, 8, 0x500000},
        {0xfe64, 4, 0xff},
        {0xfe68, 8, 0xffff800000001000},
        {0xfe70, 2, 0x38},
        {0xfe72, 2, 0x82},
        {0xfe74, 4, 0xff},
        {0xfe78, 8, 0x1800},
        {0xfe84, 4, 0xfff},
        {0xfe88, 8, 0x2000},
        {0xfe90, 2, 0x28},
        {0xfe92, 2, 0x8b},
        {0xfe98, 8, 0xffff800000003000},
        {0xfec8, 1, 0},
        {0xfec9, 1, 1},
        {0xfeca, 1, 1},
        {0xfed0, 8, 0xd01},
        {0xfefc, 4, 0x20064},
        {0xff00, 4, 0xa0000},
        {0xff48, 8, 0x6b0},
        {0xff50, 8, 0x12345000},
        {0xff58, 8, 0x80000031},
        {0xff60, 8, 0x455},
        {0xff68, 8, 0xffff0ff0},
        {0xff70, 8, 0x202},
        {0xff78, 8, 0x1122334455667788},
        {0xff80, 8, 0xabcd00000000000f},
        {0xffb8, 8, 0xabcd000000000008},
        {0xffc0, 8, 0xabcd000000000007}, /* RDI, RSI, RBP, RSP, RBX, RDX, RCX, RAX */
        {0xffc8, 8, 0xabcd000000000006},
        {0xffd0, 8, 0xabcd000000000005},
        {0xffd8, 8, 0xabcd000000000004},
        {0xffe0, 8, 0xabcd000000000003},
        {0xffe8, 8, 0xabcd000000000002},
        {0xfff0, 8, 0xabcd000000000001},
        {0xfff8, 8, 0xabcd000000000000},
    };
    struct smm_state s = a_state(), back;
    u8 area[SMM_AREA_SIZE];

    memset(area, 0x5a, sizeof(area));
    smm_map_put(area, &s, true);
    check_area(area, want, ARRAY_SIZE(want));
    CHECK_EQ(area[0xfee0 - SMM_AREA], 0x5a); /* reserved */
    memset(&back, 0, sizeof(back));
    smm_map_get(area, &back, true);
    CHECK_EQ(memcmp(back.gpr, s.gpr, sizeof(s.gpr)), 0);
    CHECK_EQ(back.rip, s.rip);
    CHECK_EQ(back.pending_db, s.pending_db);
    CHECK_EQ(back.seg[SEG_GS].base, s.seg[SEG_GS].base);
    CHECK_EQ(back.tr.base, s.tr.base);
    CHECK_EQ(back.cpl, 3);
    CHECK(back.halted && back.nmi_blocked);
}

/* SDM 3C table 32-1, and the P6's places for what it reserves. */
static void layout_of_32_bits(void)
{
    static const struct want want[] = {
        {0xfef8, 4, 0xa0000},    {0xfefc, 4, 0x20000},    {0xff00, 2, 0},
        {0xff02, 2, 1},          {0xff14, 4, 0x6b0},      {0xff2c, 4, 0xc096},
        {0xff30, 4, 0xfffff003}, {0xff34, 4, 0x300000},   {0xff38, 4, 0xc097},
        {0xff44, 4, 0xc098},     {0xff54, 4, 0xfff},      {0xff58, 4, 0x2000},
        {0xff5c, 4, 0x8b},       {0xff60, 4, 0x3ff},      {0xff64, 4, 0x3000},
        {0xff70, 4, 0xff},       {0xff74, 4, 0x1000},     {0xff78, 4, 0x82},
        {0xff7c, 4, 0xff},       {0xff80, 4, 0x1800},     {0xff84, 4, 0xc093},
        {0xff88, 4, 0xfffff000}, {0xff8c, 4, 0},          {0xff90, 4, 0xc094},
        {0xff9c, 4, 0xc095},     {0xffa4, 4, 0x200000},   {0xffa8, 4, 0x10},
        {0xffac, 4, 0x11},       {0xffb0, 4, 0x12},       {0xffb4, 4, 0x13},
        {0xffb8, 4, 0x14},       {0xffbc, 4, 0x15},       {0xffc0, 4, 0x38},
        {0xffc4, 4, 0x28},       {0xffc8, 4, 0x455},      {0xffcc, 4, 0xffff0ff0},
        {0xffd0, 4, 0},          {0xffd4, 4, 1},          {0xffd8, 4, 2},
        {0xffdc, 4, 3},          {0xffe0, 4, 4},          {0xffe4, 4, 5},
        {0xffe8, 4, 6},          {0xffec, 4, 7},          {0xfff0, 4, 0x55667788},
        {0xfff4, 4, 0x202},      {0xfff8, 4, 0x12345000}, {0xfffc, 4, 0x80000031},
    };
    struct smm_state s = a_state(), back = {.efer = 0x800};
    u8 area[SMM_AREA_SIZE];

    memset(area, 0x5a, sizeof(area));
    smm_map_put(area, &s, false);
    check_area(area, want, ARRAY_SIZE(want));
    smm_map_get(area, &back, false);
    CHECK_EQ(back.gpr[RDI], 7);
    CHECK_EQ(back.efer, 0x800);
    CHECK_EQ(back.seg[SEG_DS].base, 0x300000);
    CHECK_EQ(back.seg[SEG_DS].ar, 0xc096);
    CHECK(back.halted && back.nmi_blocked);
}

static void there_and_back(bool long_mode)
{
    struct guest *g = new_guest(long_mode, long_mode ? "max" : "pentium3");
    struct vcpu *c = g->c;
    struct snapshot before;
    u64 cr4 = c->cr4, efer = c->efer;

    to_level3(g);
    vcpu_set_eflags(c, EFLAGS_IF | EFLAGS_CF | EFLAGS_DF);
    c->nmi_blocked = true;
    c->pending_db = DR6_BS;
    before = snapshot(c);
    smm_enter(c);
    CHECK(c->smm && c->nmi_blocked && !c->pending_db);
    CHECK_EQ(c->mode, MODE_16);
    CHECK_EQ(c->cpl, 0);
    CHECK_EQ(c->rip, 0x8000);
    CHECK_EQ(c->seg[SEG_CS].base, SMBASE_RESET);
    CHECK_EQ(c->seg[SEG_DS].limit, UINT32_MAX);
    CHECK_EQ(vcpu_eflags(c), EFLAGS_FIXED);
    CHECK_EQ(c->efer, 0);
    c->gpr[RBX] = 99;
    c->nmi_blocked = false;
    smm_leave(c);
    CHECK(!c->smm && c->nmi_blocked);
    CHECK(same_state(c, &before));
    CHECK_EQ(c->pending_db, DR6_BS);
    CHECK_EQ(c->cr4, cr4);
    CHECK_EQ(c->efer, efer);
    guest_free(g);
}

static void round_trips(void)
{
    there_and_back(true);
    there_and_back(false);
}

/* A20 off and a map of A0000h of its own: both count for one side only. */
static noinline void views(void)
{
    struct guest *g = new_guest(false, "max");
    struct vcpu *c = g->c;

    put(g, 0xa0000, 0x11111111, 4);
    put(g, 0x200000, 0x22222222, 4);
    put(g, 0x100000, 0x33333333, 4);
    mem_map_legacy(g->vm.mem, 0xa0000, MEM_SMM, 0x200, 0x200);
    g->vm.a20_mask = ~BIT64(20);
    RUNS(c, CHECK_EQ(lin_read(c, 0xa0000, 4, c->mmu), 0x11111111));
    RUNS(c, CHECK(lin_read(c, 0x100000, 4, c->mmu) != 0x33333333));
    smm_enter(c);
    RUNS(c, CHECK_EQ(lin_read(c, 0xa0000, 4, c->mmu), 0x22222222));
    RUNS(c, lin_write(c, 0xa0004, 4, 0x44444444, c->mmu));
    RUNS(c, CHECK_EQ(lin_read(c, 0x100000, 4, c->mmu), 0x33333333));
    smm_leave(c);
    RUNS(c, CHECK_EQ(lin_read(c, 0xa0000, 4, c->mmu), 0x11111111));
    CHECK_EQ(get(g, 0x200004, 4), 0x44444444);
    guest_free(g);
}

static void shuts_down(const char *what, unsigned at, u64 val)
{
    struct guest *g = new_guest(true, "max");

    smm_enter(g->c);
    put(g, SMBASE_RESET + at, val, 8);
    smm_leave(g->c);
    if (g->c->activity != ACTIVITY_SHUTDOWN)
        fprintf(stderr, "%s\n", what);
    CHECK_EQ(g->c->activity, ACTIVITY_SHUTDOWN);
    CHECK(g->c->smm);
    guest_free(g);
}

static void bad_states(void)
{
    shuts_down("PG without PE", 0xff58, CR0_PG);
    shuts_down("NW without CD", 0xff58, CR0_PG | CR0_PE | CR0_NW);
    shuts_down("reserved bit of CR4", 0xff48, CR4_PAE | BIT64(31));
    shuts_down("long mode without PAE", 0xff48, 0);
    shuts_down("reserved bit of EFER", 0xfed0, EFER_LME | BIT64(40));
    shuts_down("CR3 too wide", 0xff50, BIT64(60));
}

/* Whatever the save area holds: an active CPU is one that can go on, or it is shut down. */
static void any_state(void)
{
    u32 seed = 1;

    for (unsigned n = 0; n < 2000; n++) {
        struct guest *g = new_guest(n & 1, n & 2 ? "max" : "pentium3");
        struct vcpu *c = g->c;

        smm_enter(c);
        for (unsigned k = 0; k < n % 40; k++) {
            seed = seed * 1664525 + 1013904223;
            put(g, AREA + (seed >> 16) % (SMM_AREA_SIZE - 4), seed * 2654435761u, 4);
        }
        smm_leave(c);
        if (c->activity != ACTIVITY_SHUTDOWN) {
            CHECK(!c->smm);
            CHECK(!c->long_mode || ((c->cr0 & CR0_PG) && (c->cr4 & CR4_PAE)));
            CHECK(c->mode == MODE_64 || c->rip <= UINT32_MAX);
            CHECK((c->cr0 & CR0_PE) || c->cpl == 0);
            CHECK(!(c->long_mode && is_v86(c)));
        }
        guest_free(g);
    }
}

int main(void)
{
    TEST_RUN(layout_of_long_mode);
    TEST_RUN(layout_of_32_bits);
    TEST_RUN(round_trips);
    TEST_RUN(views);
    TEST_RUN(bad_states);
    TEST_RUN(any_state);
    return test_result();
}
