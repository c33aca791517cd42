/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The translator against the interpreter: an input is a struct head, as for insn.c, and code made
 * from ops (xlat_code.h), which runs once by single steps of the interpreter and once in the
 * engine `dbt`, from the same state. What is left must be the same. Set XLAT_SHOW to see the
 * instructions, the translations and the exceptions.
 */
#include <signal.h>
#undef REG_RIP /* cpu/interp/insn.h has its own */

#include "cpu/dbt/dbt.h"
#include "insn_end.h"
#include "insn_step.h"
#include "xlat_flow.h"
#include "xlat_undef.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

#define MAX_STEPS 3000

/* head.event: what of the head counts. */
#define E_CONTROL  BIT(0) /* CR0, CR4, EFER, XCR0, MXCSR as they are; else usual values */
#define E_FLAGS    BIT(1) /* all of EFLAGS; else only arithmetic flags, DF and ID */
#define E_DEBUG    BIT(2) /* DR7 */
#define E_SEGMENTS BIT(3)
#define E_MIXED    BIT(4) /* all pages hold code that changes often */
#define E_TWICE    BIT(5) /* dbt runs it a second time, with what is translated already */
#define E_ODD      BIT(6) /* code in odd places */

#define H_ON H_TASK /* exceptions do not end it */

static struct guest guest;
static struct dbt *code_cache; /* so that it counts as reachable */

static void usual_control(struct head *h)
{
    h->cr0 = 0x50; /* NE, WP */
    h->cr4[0] = 0;
    h->cr4[1] = 0x06; /* OSFXSR, OSXMMEXCPT */
    h->cr4[2] = 0x05; /* FSGSBASE, OSXSAVE */
    h->efer = 5;
    h->xcr0 = 7;
    h->mxcsr[0] &= 0x40;
    h->mxcsr[1] &= 0xe0;
    h->fcw |= 0x3f;
}

static struct head clean_head(const struct head *in)
{
    static const u8 modes[] = {LONG_3, LONG_0, P32_3, P32_0, COMPAT32_3, LONG_0};
    struct head h = *in;

    h.how = (u8)((in->how & H_HIGH) | (in->how & H_DELIVER ? H_ON : 0) | H_DELIVER);
    h.mode = (u8)(modes[in->mode % ARRAY_SIZE(modes)] + MODES * (in->mode / 6 % PAGINGS));
    h.model = in->model & 0x80 ? in->model & 7 : 0;
    if (!(in->event & E_CONTROL))
        usual_control(&h);
    if (!(in->event & E_FLAGS)) {
        h.eflags[0] &= 0xd5;
        h.eflags[1] &= in->event & 0x80 ? 0x0c : 0x08;
        h.eflags[2] &= 0x20;
    }
    if (!(in->event & E_DEBUG))
        h.dr7[0] = h.dr7[1] = h.dr7[2] = 0;
    if (!(in->event & E_SEGMENTS))
        memset(h.seg, 0, sizeof(h.seg));
    if (!(in->event & E_ODD))
        h.where &= 7;
    if (in->gpr[RSP] & 0x3f)
        h.gpr[RSP] |= 0x40;
    return h;
}

/* Nothing translated, no page known. */
static void forget_code(struct guest *g, bool mixed)
{
    struct mem *mem = g->vm.mem;
    struct dbt_cpu *s = g->c->engine_state;
    struct dbt *d = code_cache;

    for (unsigned n = 0; n < RAM / PAGE_SIZE; n++) {
        mem->pages[n].code_gen++;
        mem->pages[n].has_code = 0;
        mem->pages[n].mixed = mixed;
    }
    pthread_mutex_lock(&d->lock);
    dbt_drop_all(d);
    memset(d->page, 0, (RAM >> PAGE_SHIFT) * sizeof(*d->page));
    pthread_mutex_unlock(&d->lock);
    for (unsigned n = 0; n < INSN_SLOTS; n++)
        if (s->slot[n].host)
            s->slot[n].host = NULL;
}

/* Exceptions halt, unless the input wants to go on behind them. */
static void prepare(struct guest *g, const struct head *h, const u8 *code, size_t size)
{
    setup(g, h, code, size);
    for (unsigned v = 0; v < 32 && !(h->how & H_ON); v++) {
        put(g, AT_HANDLERS32 + v * 16, 0xf4, 1);
        put(g, AT_HANDLERS64 + v * 16, 0xf4, 1);
    }
}

/* The flags that an exception has pushed. */
static void undef_image(struct undef *u, const struct vcpu *c, const struct head *h)
{
    unsigned word = c->mode == MODE_64 ? 8 : 4;

    if (!u->flags)
        return;
    u->used |= (h->how & H_ON) != 0;
    u->image = (c->gpr[RSP] + word * (c->excp.has_error ? 3 : 2)) & (RAM - 1);
}

/* True if it came to an end. */
static bool run_interp(struct vcpu *c, const struct head *h, struct undef *u)
{
    for (unsigned n = 0; n < MAX_STEPS; n++) {
        const u32 before = u->flags;
        bool go;

        undef_before(u, c);
        if (u->used)
            return false;
        c->excp.vector = 0xff;
        c->excp.has_error = false;
        go = step(c, h);
        u->used |= u->flags && c->pending_db;
        if (c->excp.vector != 0xff) /* it may not have come to an end */
            u->flags |= before;
        if (c->excp.vector != 0xff || u->pushes)
            undef_image(u, c, h);
        if (!go || !between(c, h, n))
            return true;
        atomic_fetch_and(&c->req, ~(u32)REQ_INTR); /* repeated instructions to their end */
    }
    return false;
}

static void on_time_up(int sig)
{
    vcpu_request(guest.c, REQ_EXIT);
}

static enum vcpu_exit run_dbt(struct vcpu *c, unsigned msec)
{
    const struct itimerval limit = {.it_value = {msec / 1000, msec % 1000 * 1000}};
    const struct itimerval off = {.it_value = {0, 0}};
    enum vcpu_exit exit;

    setitimer(ITIMER_PROF, &limit, NULL);
    exit = engine_dbt.run(c);
    setitimer(ITIMER_PROF, &off, NULL);
    return exit;
}

/* What the manuals leave open is made the same. */
static void mask_undef(struct end *e, const struct undef *u)
{
    e->kept.eflags &= ~u->flags;
    if (e->activity == ACTIVITY_SHUTDOWN)
        e->rip = 0;
    for (unsigned n = 0; n < ARRAY_SIZE(end_pages) && u->image; n++)
        if (u->image - end_pages[n] < PAGE_SIZE - 3)
            for (unsigned i = 0; i < 4; i++)
                e->ram[n][u->image - end_pages[n] + i] &= (u8)(~u->flags >> 8 * i);
}

static bool differs(const char *what, unsigned n, u64 interp, u64 dbt)
{
    if (interp != dbt)
        fprintf(stderr, "%s %x: interp %llx, dbt %llx\n", what, n, (unsigned long long)interp,
                (unsigned long long)dbt);
    return interp != dbt;
}

static bool ram_differs(const struct end *a, const struct end *b)
{
    bool bad = false;

    for (unsigned p = 0; p < ARRAY_SIZE(end_pages); p++)
        for (unsigned n = 0; n < PAGE_SIZE && memcmp(a->ram[p], b->ram[p], PAGE_SIZE); n++)
            bad |= differs("byte", end_pages[p] + n, a->ram[p][n], b->ram[p][n]);
    return bad;
}

static bool vector_differs(const struct fpu *a, const struct fpu *b)
{
    bool bad = differs("mxcsr", 0, a->mxcsr, b->mxcsr);

    for (unsigned n = 0; n < 64; n++) {
        u64 x, y;
        memcpy(&x, a->ymm[n / 4] + n % 4 * 8, 8);
        memcpy(&y, b->ymm[n / 4] + n % 4 * 8, 8);
        bad |= differs("ymm, quadword", n, x, y);
    }
    bad |= differs("x87", 0, memcmp(a->st, b->st, sizeof(a->st)) != 0, 0);
    bad |= differs("fcw", 0, a->fcw, b->fcw);
    bad |= differs("fsw", 0, a->fsw, b->fsw);
    bad |= differs("ftw", 0, a->ftw, b->ftw);
    bad |= differs("fop", 0, a->fop, b->fop);
    bad |= differs("fip", 0, a->fip, b->fip);
    bad |= differs("fdp", 0, a->fdp, b->fdp);
    bad |= differs("fcs", 0, a->fcs, b->fcs);
    bad |= differs("fds", 0, a->fds, b->fds);
    return bad;
}

static void compare(const struct end *a, const struct end *b)
{
    bool bad = differs("activity", 0, a->activity, b->activity);

    for (unsigned n = 0; n < 16; n++)
        bad |= differs("gpr", n, a->kept.gpr[n], b->kept.gpr[n]);
    bad |= differs("rip", 0, a->rip, b->rip);
    bad |= differs("eflags", 0, a->kept.eflags, b->kept.eflags);
    bad |= differs("cr0", 0, a->kept.cr0, b->kept.cr0);
    bad |= differs("cr2", 0, a->cr2, b->cr2);
    bad |= differs("cr3", 0, a->kept.cr3, b->kept.cr3);
    bad |= differs("cr4", 0, a->kept.cr4, b->kept.cr4);
    bad |= differs("dr6", 0, a->dr6, b->dr6);
    bad |= differs("dr7", 0, a->dr7, b->dr7);
    for (unsigned n = 0; n < 6; n++)
        bad |= differs("selector", n, a->kept.seg[n].sel, b->kept.seg[n].sel);
    bad |= vector_differs(&a->fpu, &b->fpu);
    bad |= ram_differs(a, b);
    BUG_ON(bad);
    BUG_ON(memcmp(a, b, sizeof(*a)) != 0);
}

static void show_code(const struct code *k)
{
    ZydisMachineMode mode = k->wide ? ZYDIS_MACHINE_MODE_LONG_64 : ZYDIS_MACHINE_MODE_LEGACY_32;
    ZydisDisassembledInstruction d;

    for (unsigned at = 0; at < k->n; at += d.info.length) {
        if (!ZYAN_SUCCESS(
                ZydisDisassembleIntel(mode, k->base + at, k->bytes + at, k->n - at, &d))) {
            d.info.length = 1;
            strcpy(d.text, "?");
        }
        fprintf(stderr, "%llx ", (unsigned long long)(k->base + at));
        for (unsigned n = 0; n < d.info.length; n++)
            fprintf(stderr, "%02x", k->bytes[at + n]);
        fprintf(stderr, "  %s\n", d.text);
    }
}

static void show(struct guest *g, u32 kinds)
{
    if (getenv("XLAT_SHOW"))
        g->vm.trace = (struct trace){.kinds = kinds, .to = stderr};
}

/* The host's signal handlers may not use the stack pointer of translated code. */
static void once(struct guest *g)
{
    static u8 stack[64 * 1024];
    const stack_t alt = {.ss_sp = stack, .ss_size = sizeof(stack)};
    struct sigaction sa = {.sa_handler = on_time_up, .sa_flags = SA_RESTART | SA_ONSTACK};

    if (g->c)
        return;
    g->vm.code_cache = MiB;
    g->vm.exact_flags = true;
    guest_build(g, &engine_dbt);
    code_cache = ((struct dbt_cpu *)g->c->engine_state)->dbt;
    sigaltstack(&alt, NULL);
    sigaction(SIGPROF, &sa, NULL);
}

static void translated(struct guest *g, const struct head *h, const struct code *k, bool ends,
                       const struct end *want, const struct undef *u)
{
    static struct end got;
    enum vcpu_exit exit;

    prepare(g, h, k->bytes, k->n);
    show(g, TRACE_XLAT | TRACE_EXCEPTION);
    exit = run_dbt(g->c, ends ? 4000 : 2);
    g->vm.trace.kinds = 0;
    check(g->c);
    check_tlb(g->c);
    if (!ends || u->used)
        return;
    BUG_ON(exit == VCPU_KICK);
    take_end(g, &got);
    mask_undef(&got, u);
    compare(want, &got);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    static struct end want;
    static struct code k;
    struct undef u = {0};
    struct head in, h;
    bool ends;

    if (size <= sizeof(in))
        return 0;
    memcpy(&in, data, sizeof(in));
    h = clean_head(&in);
    once(&guest);
    forget_code(&guest, false);
    prepare(&guest, &h, (const u8 *)"\xcc", 1); /* it tells where the code will be */
    make_code(&k, data + sizeof(in), size - sizeof(in), guest.c->rip, guest.c->mode == MODE_64);
    if (!k.n)
        return 0;
    prepare(&guest, &h, k.bytes, k.n);
    if (getenv("XLAT_SHOW"))
        show_code(&k);
    show(&guest, TRACE_INSN | TRACE_EXCEPTION);
    ends = run_interp(guest.c, &h, &u);
    take_end(&guest, &want);
    mask_undef(&want, &u);
    forget_code(&guest, in.event & E_MIXED);
    translated(&guest, &h, &k, ends, &want, &u);
    if (in.event & E_TWICE)
        translated(&guest, &h, &k, ends, &want, &u);
    return 0;
}
