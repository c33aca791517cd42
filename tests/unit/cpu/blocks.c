/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Decoded code against code that changes: by the program itself, by others, by mappings. */
#include "guest.h"

#include "cpu/engine.h"
#include "cpu/fill.h"
#include "cpu/interp/interp.h"

enum {
    AT_PT = 0x40000,
    CODE = 0x100000, /* two pages, then two others */
    NEXT = 0x101000,
    ELSE = 0x102000,
    DEVICE = 0x10000000,
};

#define ALL (PTE_P | PTE_W | PTE_U)

static u8 device_code[PAGE_SIZE];

static u64 dev_read(void *opaque, u64 off, unsigned size)
{
    u64 val = 0;

    memcpy(&val, device_code + off, size);
    return val;
}

static const struct bus_ops dev_ops = {.read = dev_read, .max_size = 1};

static void map(struct guest *g, gva_t va, u64 entry)
{
    put(g, AT_PT + (va >> 12) * 8, entry, 8);
    tlb_flush_page(g->c, va);
}

/* 64-bit code at level 0, the first 2 MiB in small pages. */
static struct guest *open_guest(void)
{
    struct guest *g = guest_long();
    struct err err = {.text = ""};

    for (unsigned n = 0; n < 512; n++)
        put(g, AT_PT + n * 8, n << 12 | ALL, 8);
    put(g, AT_PD, AT_PT | ALL, 8);
    tlb_flush_all(g->c);
    pthread_mutex_init(&g->vm.exclusive_lock, NULL);
    pthread_cond_init(&g->vm.exclusive_cond, NULL);
    if (cpu_model_parse(&g->vm.model, "max", &err) || engine_interp.vcpu_attach(g->c, &err) ||
        bus_claim(&g->vm.mmio, DEVICE, DEVICE + 0xfff, &dev_ops, NULL, "dev")) {
        fprintf(stderr, "%s\n", err.text);
        abort();
    }
    g->c->cr4 |= CR4_OSFXSR;
    return g;
}

static void close_guest(struct guest *g)
{
    engine_interp.vcpu_detach(g->c);
    guest_free(g);
}

/* As a loader or a device does. */
static void place(struct guest *g, gpa_t at, const void *bytes, unsigned len)
{
    if (mem_write(g->vm.mem, at, bytes, len))
        abort();
}

#define PLACE(g, at, s) place(g, at, s, sizeof(s) - 1)

static bool step_at(struct guest *g, u64 rip)
{
    g->c->rip = rip;
    return interp_step(g->c);
}

/* Runs to HLT as the engine does. */
static void run_at(struct guest *g, u64 rip)
{
    g->c->rip = rip;
    g->c->activity = ACTIVITY_RUN;
    g->c->eflags &= ~(u32)EFLAGS_IF;
    CHECK_EQ(engine_interp.run(g->c), VCPU_HALT);
}

#define MOV_AL(n) "\xb0" n

static void a_program_may_change_its_next_instruction(void)
{
    struct guest *g = open_guest();

    for (unsigned round = 0; round < 3; round++) {
        PLACE(g, CODE,
              "\xc6\x05\x02\x00\x00\x00\x77" /* mov byte [rip+2], 77h */
              "\x90" MOV_AL("\x11") "\xf4");
        run_at(g, CODE);
        CHECK_EQ(g->c->gpr[RAX] & 0xff, 0x77);
        PLACE(g, CODE, MOV_AL("\x22") "\xf4");
        run_at(g, CODE);
        CHECK_EQ(g->c->gpr[RAX] & 0xff, 0x22);
    }
    close_guest(g);
}

/* A loop that counts its own immediate up: each round must see the new one. */
static void a_loop_that_changes_itself(void)
{
    struct guest *g = open_guest();

    PLACE(g, CODE,
          "\x31\xc0\x31\xdb"         /* xor eax, eax; xor ebx, ebx */
          "\x83\xc3\x00"             /* add ebx, 0 */
          "\xfe\x05\xf9\xff\xff\xff" /* inc byte [rip-7]: that 0 */
          "\xff\xc0\x83\xf8\x64"     /* inc eax; cmp eax, 100 */
          "\x75\xf0\xf4");           /* jnz */
    run_at(g, CODE);
    CHECK_EQ(g->c->gpr[RAX], 100);
    CHECK_EQ(g->c->gpr[RBX], 99 * 100 / 2);
    close_guest(g);
}

static void a_string_instruction_may_overwrite_what_follows(void)
{
    struct guest *g = open_guest();

    PLACE(g, CODE, "\xf3\xaa" MOV_AL("\x11") MOV_AL("\x11") "\xf4");
    g->c->gpr[RAX] = 0x90;
    g->c->gpr[RDI] = CODE + 2;
    g->c->gpr[RCX] = 4;
    run_at(g, CODE);
    CHECK_EQ(g->c->gpr[RAX], 0x90);
    CHECK_EQ(g->c->gpr[RCX], 0);
    PLACE(g, CODE, "\xf3\xa4" MOV_AL("\x11") "\xf4"); /* rep movsb */
    PLACE(g, ELSE, MOV_AL("\x55"));
    g->c->gpr[RSI] = ELSE;
    g->c->gpr[RDI] = CODE + 2;
    g->c->gpr[RCX] = 2;
    run_at(g, CODE);
    CHECK_EQ(g->c->gpr[RAX], 0x55);
    close_guest(g);
}

static void a_locked_write_counts_too(void)
{
    struct guest *g = open_guest();

    PLACE(g, CODE,
          "\xf0\x80\x05\x01\x00\x00\x00\x01" /* lock add byte [rip+1], 1 */
          MOV_AL("\x11") "\xf4");
    run_at(g, CODE);
    CHECK_EQ(g->c->gpr[RAX] & 0xff, 0x12);
    run_at(g, CODE);
    CHECK_EQ(g->c->gpr[RAX] & 0xff, 0x13);
    PLACE(g, CODE,
          "\xf0\x48\x0f\xc7\x0d\x01\x00\x00\x00" /* lock cmpxchg16b */
          "\xf4");
    PLACE(g, CODE,
          "\x0f\x29\x05\x09\x00\x00\x00" /* movaps [rip+9], xmm0 */
          "\x90\x90\x90\x90\x90\x90\x90\x90\x90" MOV_AL("\x11") "\xf4");
    memset(g->c->fpu.ymm[0], 0xf4, 16);
    memcpy(g->c->fpu.ymm[0], MOV_AL("\x66"), 2);
    run_at(g, CODE);
    CHECK_EQ(g->c->gpr[RAX] & 0xff, 0x66);
    close_guest(g);
}

static void devices_write_code(void)
{
    struct guest *g = open_guest();

    for (unsigned n = 0; n < 300; n++) {
        u8 code[] = {0xb0, (u8)n};
        place(g, CODE, code, 2);
        CHECK(step_at(g, CODE));
        CHECK_EQ(g->c->gpr[RAX] & 0xff, n & 0xff);
    }
    close_guest(g);
}

static void a_page_may_be_mapped_elsewhere(void)
{
    struct guest *g = open_guest();

    PLACE(g, CODE, MOV_AL("\x01") "\xf4");
    PLACE(g, ELSE, MOV_AL("\x02") "\xf4");
    for (unsigned n = 0; n < 4; n++) {
        map(g, CODE, (n & 1 ? ELSE : CODE) | ALL);
        run_at(g, CODE);
        CHECK_EQ(g->c->gpr[RAX] & 0xff, (n & 1) + 1);
    }
    map(g, CODE, 0);
    CHECK(!step_at(g, CODE));
    CHECK(g->c->excp.vector == VEC_PF && g->c->ip == CODE);
    close_guest(g);
}

static void rights_are_checked_again(void)
{
    struct guest *g = open_guest();
    struct vcpu *c = g->c;

    PLACE(g, CODE, MOV_AL("\x01"));
    CHECK(step_at(g, CODE));
    c->efer |= EFER_NXE;
    map(g, CODE, CODE | ALL | PTE_NX);
    CHECK(!step_at(g, CODE));
    CHECK_EQ(c->excp.error, PFEC_P | PFEC_I);
    map(g, CODE, (CODE | ALL) & ~PTE_U);
    CHECK(step_at(g, CODE));
    to_level3(g);
    CHECK(!step_at(g, CODE));
    CHECK_EQ(c->excp.error, PFEC_P | PFEC_I | PFEC_U);
    to_level0(g);
    CHECK(step_at(g, CODE));
    close_guest(g);
}

/* The same bytes in another mode are other instructions. */
static void modes_do_not_mix(void)
{
    struct guest *g = open_guest();
    struct vcpu *c = g->c;

    PLACE(g, CODE, "\x48\xb8\x01\x00\x00\x00\x02\x00\x00\x00\xf4"); /* mov rax, imm64; hlt */
    for (unsigned n = 0; n < 3; n++) {
        to_level0(g);
        c->gpr[RAX] = 5;
        CHECK(step_at(g, CODE));
        CHECK_EQ(c->gpr[RAX], 0x200000001);
        at_level(g, CODE0, DATA0, AT_STACK0);
        c->gpr[RAX] = 5;
        CHECK(step_at(g, CODE)); /* dec eax */
        CHECK_EQ(c->gpr[RAX], 4);
        at_level(g, CODE0_16, DATA0_16, 0x8000);
        c->seg[SEG_CS].base = CODE;
        c->gpr[RAX] = 0x10000;
        CHECK(step_at(g, 0)); /* dec ax */
        CHECK_EQ(c->gpr[RAX], 0x1ffff);
    }
    close_guest(g);
}

/* mov eax, imm32 with its last two bytes in the next page. */
static void place_straddling(struct guest *g)
{
    PLACE(g, NEXT - 3, "\xb8\x11\x22");
    PLACE(g, NEXT, "\x33\x44\xf4");
    PLACE(g, ELSE, "\x55\x66\xf4");
}

static void an_instruction_in_two_pages(void)
{
    struct guest *g = open_guest();
    struct vcpu *c = g->c;

    place_straddling(g);
    run_at(g, NEXT - 3);
    CHECK_EQ(c->gpr[RAX], 0x44332211);
    PLACE(g, NEXT, "\x77");
    run_at(g, NEXT - 3);
    CHECK_EQ(c->gpr[RAX], 0x44772211);
    map(g, NEXT, ELSE | ALL);
    run_at(g, NEXT - 3);
    CHECK_EQ(c->gpr[RAX], 0x66552211);
    map(g, NEXT, 0);
    CHECK(!step_at(g, NEXT - 3));
    CHECK(c->excp.vector == VEC_PF && c->excp.cr2 == NEXT && c->ip == NEXT - 3);
    map(g, NEXT, NEXT | ALL);
    PLACE(g, NEXT - 2, "\x88");
    run_at(g, NEXT - 3);
    CHECK_EQ(c->gpr[RAX], 0x44772288);
    close_guest(g);
}

static void a_program_may_change_the_second_page(void)
{
    struct guest *g = open_guest();

    PLACE(g, NEXT - 10,
          "\xc6\x05\x03\x00\x00\x00\x99" /* mov byte [rip+3]: the F4 … */
          "\xb8\x11\x22");
    PLACE(g, NEXT, "\x33\xf4\xf4");
    for (unsigned n = 0; n < 2; n++) {
        run_at(g, NEXT - 10);
        CHECK_EQ(g->c->gpr[RAX], 0xf4992211);
    }
    close_guest(g);
}

/* Bytes that become no instruction with those of the next page, again and again. */
static void no_instruction_in_two_pages(void)
{
    struct guest *g = open_guest();

    PLACE(g, NEXT - 2, "\xf0\x0f"); /* LOCK … */
    PLACE(g, NEXT, "\x05");         /* SYSCALL */
    for (unsigned n = 0; n < 3; n++) {
        CHECK(!step_at(g, NEXT - 2));
        CHECK_EQ(g->c->excp.vector, VEC_UD);
    }
    PLACE(g, NEXT, "\xb1\x0b"); /* LOCK CMPXCHG [rbx], ecx */
    g->c->gpr[RBX] = ELSE;
    CHECK(step_at(g, NEXT - 2));
    for (unsigned n = 0; n < 15; n++)
        PLACE(g, NEXT - 2 + n, "\x66");
    for (unsigned n = 0; n < 3; n++) {
        CHECK(!step_at(g, NEXT - 2));
        CHECK_EQ(g->c->excp.vector, VEC_GP);
    }
    close_guest(g);
}

static void code_in_a_device_is_read_each_time(void)
{
    struct guest *g = open_guest();

    map(g, CODE, DEVICE | ALL);
    memcpy(device_code, MOV_AL("\x01") "\xf4", 3);
    run_at(g, CODE);
    CHECK_EQ(g->c->gpr[RAX] & 0xff, 1);
    memcpy(device_code, MOV_AL("\x02"), 2);
    run_at(g, CODE);
    CHECK_EQ(g->c->gpr[RAX] & 0xff, 2);
    memcpy(device_code + PAGE_SIZE - 2, "\xb8\x11", 2); /* from there into RAM */
    PLACE(g, NEXT, "\x22\x33\x44\xf4");
    run_at(g, NEXT - 2);
    CHECK_EQ(g->c->gpr[RAX], 0x44332211);
    map(g, CODE, 0x20000000 | ALL); /* nobody: FFh FFh is no instruction */
    CHECK(!step_at(g, CODE));
    CHECK_EQ(g->c->excp.vector, VEC_UD);
    close_guest(g);
}

static void other_cpus_stop_writing_unseen(void)
{
    struct guest *g = open_guest();
    struct vcpu *other = NULL;
    struct mem_page *page = &g->vm.mem->pages[CODE >> PAGE_SHIFT];
    struct jmp_buf_holder {
        jmp_buf buf;
    } here;

    g->vm.ncpus = 2;
    if (vcpu_new(&other, &g->vm, 1))
        abort();
    other->lapic = g->c->lapic;
    vcpu_reset(other, false);
    other->cr0 |= CR0_PE;
    vcpu_update_mode(other);
    other->unwind = &here.buf;
    if (setjmp(here.buf))
        abort();
    PLACE(g, CODE, MOV_AL("\x01"));
    lin_st8(other, CODE + 1, 2, MMU_SUPER);
    CHECK(lin_ptr_write(other, CODE, 1, MMU_SUPER) != NULL);
    CHECK(step_at(g, CODE));
    CHECK_EQ(g->c->gpr[RAX] & 0xff, 2);
    CHECK(atomic_load(&page->has_code));
    CHECK(atomic_load(&other->req) & REQ_CODE);
    lin_st8(other, CODE + 1, 3, MMU_SUPER); /* not seen yet … */
    tlb_forget_code_writes(other);          /* … but now */
    CHECK(lin_ptr_write(other, CODE, 1, MMU_SUPER) == NULL);
    CHECK(step_at(g, CODE));
    CHECK_EQ(g->c->gpr[RAX] & 0xff, 3);
    lin_st8(other, CODE + 1, 4, MMU_SUPER);
    CHECK(step_at(g, CODE));
    CHECK_EQ(g->c->gpr[RAX] & 0xff, 4);
    vcpu_free(other);
    close_guest(g);
}

/* More code than the cache holds: it starts over. */
static void the_cache_may_overflow(void)
{
    struct guest *g = open_guest();
    u8 nops[16 * PAGE_SIZE];

    memset(nops, 0x90, sizeof(nops));
    place(g, CODE, nops, sizeof(nops));
    PLACE(g, 0x180000, MOV_AL("\x44"));
    for (unsigned n = 0; n + 64 < sizeof(nops); n++) {
        CHECK(step_at(g, CODE + n));
        if (n % 1000 == 0) {
            CHECK(step_at(g, 0x180000));
            CHECK_EQ(g->c->gpr[RAX] & 0xff, 0x44);
        }
    }
    close_guest(g);
}

static u32 lane(const struct vcpu *c, unsigned n, unsigned i)
{
    return le32(c->fpu.ymm[n] + 4 * i);
}

/* More forms of vector instructions than there are thunks: those that were decoded before must not
   be executed by another's. The kept ones: in one page, and in two. */
static void thunks_may_run_out(void)
{
    struct guest *g = open_guest();
    struct vcpu *c = g->c;

    PLACE(g, 0x180000, "\x66\x0f\x70\xc1\x1b\xf4");     /* pshufd xmm0, xmm1, 1Bh */
    PLACE(g, 0x182000 - 4, "\x66\x0f\x70\xd1\x93\xf4"); /* pshufd xmm2, xmm1, 93h */
    for (unsigned i = 0; i < 4; i++)
        put_le32(c->fpu.ymm[1] + 4 * i, 0x100 + i);
    for (unsigned n = 0; n < 40000; n++) {
        u8 rex = (u8)(0x40 | (n >> 11 & 1) | (n >> 12 & 1) << 2);
        u8 modrm = (u8)(0xc0 | (n >> 8 & 7) | ((n >> 13) + 3) << 3);
        u8 code[] = {0x66, rex, 0x0f, 0x70, modrm, (u8)n, 0xf4};
        gva_t at = n < 20000 ? NEXT - 5 : CODE;

        place(g, at, code, sizeof(code));
        CHECK(step_at(g, at));
        for (unsigned i = 0; i < 4; i++)
            put_le32(c->fpu.ymm[1] + 4 * i, 0x100 + i);
        if (n % 100)
            continue;
        memset(c->fpu.ymm[0], 0, 16);
        memset(c->fpu.ymm[2], 0, 16);
        CHECK(step_at(g, 0x180000));
        CHECK(lane(c, 0, 0) == 0x103 && lane(c, 0, 3) == 0x100);
        CHECK(step_at(g, 0x182000 - 4));
        CHECK(lane(c, 2, 0) == 0x103 && lane(c, 2, 1) == 0x100);
    }
    close_guest(g);
}

int main(void)
{
    TEST_RUN(a_program_may_change_its_next_instruction);
    TEST_RUN(a_loop_that_changes_itself);
    TEST_RUN(a_string_instruction_may_overwrite_what_follows);
    TEST_RUN(a_locked_write_counts_too);
    TEST_RUN(devices_write_code);
    TEST_RUN(a_page_may_be_mapped_elsewhere);
    TEST_RUN(rights_are_checked_again);
    TEST_RUN(modes_do_not_mix);
    TEST_RUN(an_instruction_in_two_pages);
    TEST_RUN(a_program_may_change_the_second_page);
    TEST_RUN(no_instruction_in_two_pages);
    TEST_RUN(code_in_a_device_is_read_each_time);
    TEST_RUN(other_cpus_stop_writing_unseen);
    TEST_RUN(the_cache_may_overflow);
    TEST_RUN(thunks_may_run_out);
    return test_result();
}
