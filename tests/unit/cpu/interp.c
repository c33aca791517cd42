/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the interpreter does where the real CPU cannot be asked: segments with small limits,
   devices, debug traps in the middle of a block. */
#include "guest.h"

#include "cpu/engine.h"
#include "cpu/interp/interp.h"
#include "cpu/system.h"

enum {
    CODE = 0x100000,
    DATA = 0x110000,
    HANDLER = 0x120000,
    DEVICE = 0x10000000,
};

static struct {
    u32 val, reads, writes;
} dev;

/* No two reads give the same. */
static u64 dev_read(void *opaque, u64 off, unsigned size)
{
    return dev.val + dev.reads++;
}

static void dev_write(void *opaque, u64 off, unsigned size, u64 val)
{
    dev.val = (u32)val;
    dev.writes++;
}

static const struct bus_ops dev_ops = {.read = dev_read, .write = dev_write, .max_size = 4};

/* 32-bit code at level 0 without paging; every exception goes to a HLT. */
static struct guest *open_guest(void)
{
    struct guest *g = guest_protected();
    struct err err = {.text = ""};

    memset(&dev, 0, sizeof(dev));
    pthread_mutex_init(&g->vm.exclusive_lock, NULL);
    pthread_cond_init(&g->vm.exclusive_cond, NULL);
    if (cpu_model_parse(&g->vm.model, "max", &err) || engine_interp.vcpu_attach(g->c, &err) ||
        bus_claim(&g->vm.mmio, DEVICE, DEVICE + 3, &dev_ops, NULL, "dev")) {
        fprintf(stderr, "%s\n", err.text);
        abort();
    }
    for (unsigned v = 0; v < 32; v++)
        set_idt(g, (u8)v, CODE0, HANDLER + v * 16, AR_P | SYS_INT_GATE32, 0);
    memset(ram(g, HANDLER), 0xf4, 512);
    return g;
}

static void close_guest(struct guest *g)
{
    engine_interp.vcpu_detach(g->c);
    guest_free(g);
}

#define RUN(g, s) run(g, s, sizeof(s) - 1)

/* To HLT; returns the vector of the exception that led there, -1 for none. */
static int run(struct guest *g, const char *bytes, unsigned len)
{
    if (mem_write(g->vm.mem, CODE, bytes, len))
        abort();
    g->c->rip = CODE;
    g->c->activity = ACTIVITY_RUN;
    CHECK_EQ(engine_interp.run(g->c), VCPU_HALT);
    return g->c->rip > HANDLER ? (int)(g->c->rip - HANDLER) / 16 : -1;
}

static void string_instructions_stop_at_the_limit(void)
{
    struct guest *g = open_guest();
    struct vcpu *c = g->c;

    memset(ram(g, DATA), 0x55, 256);
    put(g, DATA + 0x1000, 0, 8);
    put(g, DATA + 0x2000, 0, 8);
    for (unsigned n = 0; n < 2; n++) { /* without and with TLB entries */
        c->seg[SEG_FS] = (struct seg){DATA0, A_DATA | AR_DB | AR_ACCESSED, 0xf, DATA};
        c->gpr[RSI] = 0;
        c->gpr[RDI] = DATA + 0x1000;
        c->gpr[RCX] = 64;
        c->gpr[RSP] = AT_STACK0;
        CHECK_EQ(RUN(g, "\x64\xf3\xa4\xf4"), VEC_GP); /* rep movsb es:[edi], fs:[esi] */
        CHECK_EQ(c->gpr[RSI], 0x10);
        CHECK_EQ(c->gpr[RCX], 48);
        CHECK_EQ(get(g, DATA + 0x1010, 1), 0);
    }
    close_guest(g);
}

static void locked_instructions_use_a_device_once(void)
{
    struct guest *g = open_guest();

    CHECK_EQ(RUN(g, "\xf0\xff\x05\x00\x00\x00\x10\xf4"), -1); /* lock inc dword [DEVICE] */
    CHECK(dev.reads == 1 && dev.writes == 1 && dev.val == 1);
    g->c->gpr[RAX] = 7;
    CHECK_EQ(RUN(g, "\x87\x05\x00\x00\x00\x10\xf4"), -1); /* xchg [DEVICE], eax */
    CHECK(dev.reads == 2 && dev.writes == 2 && dev.val == 7);
    CHECK_EQ(g->c->gpr[RAX], 2);
    CHECK_EQ(RUN(g, "\xf0\x0f\xc1\x05\x00\x00\x00\x10\xf4"), -1); /* lock xadd [DEVICE], eax */
    CHECK(dev.reads == 3 && dev.writes == 3 && dev.val == 11);
    CHECK_EQ(g->c->gpr[RAX], 9);
    CHECK(!g->c->exclusive);
    close_guest(g);
}

static void data_breakpoints_trap_at_once(void)
{
    struct guest *g = open_guest();
    struct vcpu *c = g->c;

    c->dr[0] = DATA;
    RUNS(c, cpu_write_dr(c, 7, 1 | 1 << 16 | 3 << 18));
    c->gpr[RBX] = DATA;
    c->gpr[RAX] = 0;
    CHECK_EQ(RUN(g, "\x40\x89\x03\x40\x40\x40\xf4"), VEC_DB); /* inc; mov [ebx], eax; inc … */
    CHECK_EQ(c->gpr[RAX], 1);
    CHECK_EQ(get(g, c->gpr[RSP], 4), CODE + 3);
    CHECK_EQ(c->dr6, DR6_FIXED | 1);
    close_guest(g);
}

static void single_steps_trap_after_each_instruction(void)
{
    struct guest *g = open_guest();
    struct vcpu *c = g->c;

    /* inc; iretd: the handler counts */
    if (mem_write(g->vm.mem, HANDLER + 16, "\x43\xcf", 2))
        abort();
    c->gpr[RBX] = 0;
    CHECK_EQ(RUN(g, "\x9c\x80\x4c\x24\x01\x01" /* pushf; or byte [esp+1], 1 */
                    "\x9d\x90\x40\x40\x9c"     /* popf; nop; inc; inc; pushf */
                    "\x80\x64\x24\x01\xfe\x9d\x90\xf4"),
             -1);
    CHECK_EQ(c->gpr[RBX], 6); /* nop, 2 inc, pushf, and, popf */
    close_guest(g);
}

/* An instruction that ends at the last byte of the address space. */
static void eip_wraps(void)
{
    struct guest *g = open_guest();
    struct vcpu *c = g->c;

    c->seg[SEG_CS].base = CODE + 2; /* the last bytes lie just below it */
    vcpu_update_mode(c);
    if (mem_write(g->vm.mem, CODE, "\x40\x40\x40\xf4", 4))
        abort();
    c->gpr[RAX] = 0;
    c->rip = 0xfffffffe;
    for (unsigned n = 0; n < 3; n++)
        CHECK(interp_step(c));
    CHECK_EQ(c->gpr[RAX], 3);
    CHECK_EQ(c->rip, 1);
    close_guest(g);
}

int main(void)
{
    TEST_RUN(string_instructions_stop_at_the_limit);
    TEST_RUN(locked_instructions_use_a_device_once);
    TEST_RUN(data_breakpoints_trap_at_once);
    TEST_RUN(single_steps_trap_after_each_instruction);
    TEST_RUN(eip_wraps);
    return test_result();
}
