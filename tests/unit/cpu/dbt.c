/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Translated code: found again, made void by writes, checked where code and data mix, left on
   request, dropped when the cache is full; and which flags its analysis keeps. */
#include "guest.h"

#include "cpu/dbt/dbt.h"
#include "cpu/engine.h"

enum {
    AT_PT = 0x40000,
    CODE = 0x100000,
    ELSE = 0x102000,
};

#define ALL (PTE_P | PTE_W | PTE_U)

/* 64-bit code at level 0, the first 2 MiB in small pages. */
static struct guest *open_guest(u32 code_cache)
{
    struct guest *g = guest_long();
    struct err err = {.text = ""};

    for (unsigned n = 0; n < 512; n++)
        put(g, AT_PT + n * 8, n << 12 | ALL, 8);
    put(g, AT_PD, AT_PT | ALL, 8);
    tlb_flush_all(g->c);
    pthread_mutex_init(&g->vm.exclusive_lock, NULL);
    pthread_cond_init(&g->vm.exclusive_cond, NULL);
    g->vm.code_cache = code_cache;
    if (cpu_model_parse(&g->vm.model, "max", &err) || engine_dbt.vcpu_attach(g->c, &err)) {
        fprintf(stderr, "%s\n", err.text);
        abort();
    }
    g->c->cr4 |= CR4_OSFXSR;
    return g;
}

static void close_guest(struct guest *g)
{
    engine_dbt.vcpu_detach(g->c);
    guest_free(g);
}

/* As a loader or a device does. */
static void place(struct guest *g, gpa_t at, const void *bytes, unsigned len)
{
    if (mem_write(g->vm.mem, at, bytes, len))
        abort();
}

#define PLACE(g, at, s) place(g, at, s, sizeof(s) - 1)

static enum vcpu_exit run_at(struct guest *g, u64 rip)
{
    g->c->rip = rip;
    g->c->activity = ACTIVITY_RUN;
    g->c->eflags &= ~(u32)EFLAGS_IF;
    return engine_dbt.run(g->c);
}

static struct dbt *cache_of(struct guest *g)
{
    return state_of(g->c)->dbt;
}

static struct mem_page *page_of(struct guest *g, gpa_t at)
{
    return &g->vm.mem->pages[mem_page_of(g->vm.mem, at)];
}

#define MOV_AL(n) "\xb0" n

static void a_block_is_translated_once(void)
{
    struct guest *g = open_guest(0);

    PLACE(g, CODE, MOV_AL("\x11") "\xf4");
    CHECK_EQ(run_at(g, CODE), VCPU_HALT);
    CHECK_EQ(g->c->gpr[RAX] & 0xff, 0x11);
    CHECK_EQ(cache_of(g)->translated, 1);
    CHECK_EQ(run_at(g, CODE), VCPU_HALT);
    CHECK_EQ(cache_of(g)->translated, 1);
    CHECK(page_of(g, CODE)->has_code);
    close_guest(g);
}

static void a_write_from_outside_makes_blocks_void(void)
{
    struct guest *g = open_guest(0);

    PLACE(g, CODE, MOV_AL("\x11") "\xf4");
    CHECK_EQ(run_at(g, CODE), VCPU_HALT);
    PLACE(g, CODE, MOV_AL("\x22"));
    CHECK_EQ(cache_of(g)->invalidated, 1);
    CHECK(!page_of(g, CODE)->has_code); /* data, until it is executed again */
    CHECK_EQ(run_at(g, CODE), VCPU_HALT);
    CHECK_EQ(g->c->gpr[RAX] & 0xff, 0x22);
    CHECK(page_of(g, CODE)->has_code);
    close_guest(g);
}

static void a_program_may_change_its_next_instruction(void)
{
    struct guest *g = open_guest(0);

    for (unsigned round = 0; round < 3 * MIXED_AFTER; round++) {
        PLACE(g, CODE,
              "\xc6\x05\x02\x00\x00\x00\x77" /* mov byte [rip+2], 77h */
              "\x90" MOV_AL("\x11") "\xf4");
        CHECK_EQ(run_at(g, CODE), VCPU_HALT);
        CHECK_EQ(g->c->gpr[RAX] & 0xff, 0x77);
    }
    CHECK(page_of(g, CODE)->mixed && !page_of(g, CODE)->has_code);
    close_guest(g);
}

/* The image of the flags, 2, is add al, [rax]; add [rax], al; three times. */
static void a_program_may_push_its_flags_over_its_next_instruction(void)
{
    struct guest *g = open_guest(0);

    for (unsigned round = 0; round < 3 * MIXED_AFTER; round++) {
        PLACE(g, CODE, "\x9c\x90\x90\x90\x90\x90\x90\x90\x90\xf4"); /* pushfq; nops */
        PLACE(g, ELSE, "\x55");
        g->c->gpr[RAX] = ELSE;
        g->c->gpr[RSP] = CODE + 9;
        flags_set(&g->c->lf, 0);
        CHECK_EQ(run_at(g, CODE), VCPU_HALT);
        CHECK_EQ(g->c->gpr[RAX], ELSE + 0x55);
    }
    CHECK(page_of(g, CODE)->mixed);
    close_guest(g);
}

/* Writers to a page that mixes code and data need not tell. */
static void blocks_of_a_mixed_page_look_at_their_bytes(void)
{
    struct guest *g = open_guest(0);

    for (unsigned round = 0; round < 2 * MIXED_AFTER; round++) {
        u8 code[] = {0xb0, (u8)round, 0xf4};
        if (page_of(g, CODE)->mixed)
            memcpy(mem_ptr(g->vm.mem, CODE), code, sizeof(code));
        else
            place(g, CODE, code, sizeof(code));
        CHECK_EQ(run_at(g, CODE), VCPU_HALT);
        CHECK_EQ(g->c->gpr[RAX] & 0xff, round);
    }
    CHECK(page_of(g, CODE)->mixed);
    close_guest(g);
}

static void *ask_to_leave(void *c)
{
    const struct timespec moment = {.tv_nsec = 20000000};

    nanosleep(&moment, NULL);
    vcpu_request(c, REQ_EXIT);
    return NULL;
}

static void endless_loops_are_left_on_request(void)
{
    static const struct {
        const char *code;
        unsigned len;
    } loops[] = {
        {"\xeb\xfe", 2},                             /* jmp . */
        {"\x90\xeb\x00\xff\xc0\xeb\xf9", 7},         /* two blocks */
        {"\x48\x8d\x05\xf9\xff\xff\xff\xff\xe0", 9}, /* lea rax, [rip-7]; jmp rax */
        {"\xe9\xfb\x0f\x00\x00", 5},                 /* to the next page, and from there back */
    };
    struct guest *g = open_guest(0);

    PLACE(g, CODE + 0x1000, "\xe9\xfb\xef\xff\xff");
    for (unsigned n = 0; n < ARRAY_SIZE(loops); n++) {
        pthread_t thread;
        place(g, CODE, loops[n].code, loops[n].len);
        CHECK(pthread_create(&thread, NULL, ask_to_leave, g->c) == 0);
        CHECK_EQ(run_at(g, CODE), VCPU_KICK);
        pthread_join(thread, NULL);
    }
    close_guest(g);
}

/* Mov eax, 11223344h: two bytes of it are in the second page, and so is the hlt. */
static void an_instruction_in_two_pages_is_kept_over_a_flush(void)
{
    struct guest *g = open_guest(0);
    u64 translated = 0;

    PLACE(g, ELSE - 3, "\xb8\x44\x33\x22\x11\xf4");
    for (unsigned round = 0; round < 8; round++) {
        if (round == 3) /* the second page was known when it was last translated */
            translated = cache_of(g)->translated;
        if (round >= 3)
            tlb_flush_all(g->c);
        CHECK_EQ(run_at(g, ELSE - 3), VCPU_HALT);
        CHECK_EQ(g->c->gpr[RAX], 0x11223344);
    }
    CHECK_EQ(cache_of(g)->translated, translated);
    PLACE(g, ELSE, "\x77");
    CHECK_EQ(run_at(g, ELSE - 3), VCPU_HALT);
    CHECK_EQ(g->c->gpr[RAX], 0x11773344);
    close_guest(g);
}

/* Jumped to from another page, and in its own. */
static void a_void_block_leads_on_to_its_successor(void)
{
    struct guest *g = open_guest(0);
    const struct dbt_cpu *d = state_of(g->c);

    PLACE(g, ELSE, "\xe9\xfb\xdf\xff\xff"); /* jmp CODE */
    PLACE(g, CODE, "\xeb\x02");             /* jmp .+4 */
    PLACE(g, CODE + 4, MOV_AL("\x11") "\xf4");
    for (unsigned round = 0; round < 3; round++)
        CHECK_EQ(run_at(g, ELSE), VCPU_HALT);
    CHECK_EQ(g->c->gpr[RAX] & 0xff, 0x11);
    PLACE(g, CODE + 4, MOV_AL("\x22"));
    CHECK_EQ(cache_of(g)->invalidated, 2);
    CHECK_EQ(run_at(g, ELSE), VCPU_HALT);
    CHECK_EQ(g->c->gpr[RAX] & 0xff, 0x22);
    CHECK_EQ(cache_of(g)->translated, 5);
    for (unsigned round = 0; round < 3; round++) {
        u64 before = d->lookups + d->links + d->misses;
        CHECK_EQ(run_at(g, ELSE), VCPU_HALT);
        CHECK_EQ(g->c->gpr[RAX] & 0xff, 0x22);
        CHECK_EQ(d->lookups + d->links + d->misses, before);
    }
    CHECK_EQ(cache_of(g)->translated, 5);
    close_guest(g);
}

static void a_full_cache_is_dropped(void)
{
    struct guest *g = open_guest(MiB);

    for (unsigned n = 0; n < 20000 && !cache_of(g)->flushes; n++) {
        u8 code[] = {0xb8, (u8)n, (u8)(n >> 8), 0, 0, 0xf4}; /* mov eax, n; hlt */
        gpa_t at = ELSE + n % 64 * 0x1000 + n / 64 % 400 * 8;
        place(g, at, code, sizeof(code));
        CHECK_EQ(run_at(g, at), VCPU_HALT);
        CHECK_EQ(g->c->gpr[RAX], n);
    }
    CHECK_EQ(cache_of(g)->flushes, 1);
    close_guest(g);
}

/* The flags live behind the first instruction of `code`. */
static u32 live_behind_first(struct guest *g, const char *code, unsigned len)
{
    struct xblock *b = &state_of(g->c)->block;

    place(g, CODE, code, len);
    *b = (struct xblock){.c = g->c, .key = dbt_key(g->c), .host = mem_ptr(g->vm.mem, CODE)};
    xlat_decode(b);
    xlat_analyse(b);
    return b->insn[0].live;
}

#define LIVE(g, s) live_behind_first(g, s, sizeof(s) - 1)

static void flags_are_live_where_they_are_read(void)
{
    struct guest *g = open_guest(0);

    CHECK_EQ(LIVE(g, "\x39\xc0\x39\xc8\xf4"), 0);                             /* cmp; cmp */
    CHECK_EQ(LIVE(g, "\x39\xc0\x0f\x94\xc1\x39\xc8\xf4"), EFLAGS_ZF);         /* cmp; sete; cmp */
    CHECK_EQ(LIVE(g, "\x39\xc0\xff\xc1\x11\xc0\xf4"), EFLAGS_CF);             /* cmp; inc; adc */
    CHECK_EQ(LIVE(g, "\x39\xc0\xd3\xe0\x0f\x92\xc1\x39\xc8\xf4"), EFLAGS_CF); /* by CL: may be 0 */
    CHECK_EQ(LIVE(g, "\x39\xc0\xc3"), EFLAGS_ARITH);                          /* cmp; ret */
    CHECK_EQ(LIVE(g, "\x39\xc0\xeb\x00\x39\xc8\xf4"), 0);                     /* cmp; jmp; cmp */
    CHECK_EQ(LIVE(g, "\x39\xc0\xe9\x00\x10\x00\x00"), EFLAGS_ARITH);          /* to another page */
    close_guest(g);
}

static unsigned kind_of(struct guest *g, const void *code, unsigned len)
{
    u8 bytes[INSN_MAX_BYTES] = {0};
    struct xinsn x;

    memcpy(bytes, code, len);
    CHECK(xlat_decode_insn(g->c, dbt_key(g->c), bytes, sizeof(bytes), &x));
    return x.kind;
}

#define KIND(g, s) kind_of(g, s, sizeof(s) - 1)

/* Results are right either way; but those that are frequent are fast. */
static void instructions_have_templates(void)
{
    struct guest *g = open_guest(0);

    CHECK_EQ(KIND(g, "\xa4"), X_STRING);       /* movsb */
    CHECK_EQ(KIND(g, "\x66\xa7"), X_STRING);   /* cmpsw */
    CHECK_EQ(KIND(g, "\x67\xaa"), X_STRING);   /* stosb, 32-bit address */
    CHECK_EQ(KIND(g, "\x64\xad"), X_STRING);   /* lodsl %fs: */
    CHECK_EQ(KIND(g, "\x48\xaf"), X_STRING);   /* scasq */
    CHECK_EQ(KIND(g, "\xf3\xa4"), X_OP);       /* rep movsb */
    CHECK_EQ(KIND(g, "\xf2\xa4"), X_OP);       /* the same, without a name */
    CHECK_EQ(KIND(g, "\xfc"), X_EFLAG);        /* cld */
    CHECK_EQ(KIND(g, "\x8c\xc8"), X_MOV_SREG); /* mov %cs, %eax */
    CHECK_EQ(KIND(g, "\x8e\xd8"), X_OP_END);   /* mov %eax, %ds */
    CHECK_EQ(KIND(g, "\x0f\xb6\xf4"), X_GEN);  /* movzbl %ah, %esi */
    CHECK_EQ(KIND(g, "\x0f\xb6\xe4"), X_OP);   /* movzbl %ah, %esp, which is in R11 */
    if (cpu_model_has(&g->vm.model, X86_BMI2)) {
        CHECK_EQ(KIND(g, "\xc4\x62\xb3\xf7\xc9"), X_GEN); /* shrx %r9, %rcx, %r9 */
        CHECK_EQ(KIND(g, "\xc4\x42\xfb\xf6\xd6"), X_GEN); /* mulx %r14, %rax, %r10 */
        CHECK_EQ(KIND(g, "\xc4\x42\xb3\xf6\xd6"), X_OP);  /* mulx %r14, %r9, %r10 */
    }
    CHECK_EQ(KIND(g, "\x48\x8d\x05\x00\xe0\xff\x7f"), X_LEA); /* lea 7fffe000h(%rip), %rax */
    CHECK_EQ(KIND(g, "\x48\x8d\x05\xf0\xff\xff\x7f"), X_OP);
    CHECK_EQ(KIND(g, "\xe9\xf0\xff\xff\x7f"), X_OP_END); /* jmp, 2 GiB ahead */
    close_guest(g);
}

int main(void)
{
    TEST_RUN(a_block_is_translated_once);
    TEST_RUN(a_write_from_outside_makes_blocks_void);
    TEST_RUN(a_program_may_change_its_next_instruction);
    TEST_RUN(a_program_may_push_its_flags_over_its_next_instruction);
    TEST_RUN(blocks_of_a_mixed_page_look_at_their_bytes);
    TEST_RUN(endless_loops_are_left_on_request);
    TEST_RUN(an_instruction_in_two_pages_is_kept_over_a_flush);
    TEST_RUN(a_void_block_leads_on_to_its_successor);
    TEST_RUN(a_full_cache_is_dropped);
    TEST_RUN(flags_are_live_where_they_are_read);
    TEST_RUN(instructions_have_templates);
    return test_result();
}
