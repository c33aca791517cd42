/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * System management mode, built for 32-bit and 64-bit guests: the way in and out, the save area,
 * changes made in it, HLT, SMI and NMI that come in the mode, SMBASE, single steps. Without a
 * chipset SMRAM is plain RAM.
 */
#include "apic.h"
#include "desc.h"
#include "io.h"
#include "smi.h"
#include "time.h"
#include "trap.h"

#define SMI_SELF (ICR_SELF | ICR_ASSERT | ICR_SMI)
#define NMI_SELF (ICR_SELF | ICR_ASSERT | ICR_NMI)

static u32 base = SMBASE;
static bool wide; /* the layout of CPUs with long mode */
static volatile u32 *const io = (volatile u32 *)(word)0xfec00000;
volatile word seen[16], smi_ip; /* named in the assembly */

static volatile struct smi *box(void)
{
    return (volatile struct smi *)(word)(base + SMI_BOX);
}

static u32 saved(u16 wide_at, u16 narrow_at)
{
    return get32((void *)(word)(base + (wide ? wide_at : narrow_at)));
}

static void change(u32 n, u16 wide_at, u16 narrow_at, u32 val)
{
    box()->change[n].at = wide ? wide_at : narrow_at;
    box()->change[n].val = val;
}

static void install(u32 at)
{
    memcpy((void *)(word)(at + SMI_ENTRY), smi_handler, (size_t)(smi_handler_end - smi_handler));
    memset((void *)(word)(at + SMI_BOX), 0, sizeof(struct smi));
}

static void begin(const char *name)
{
    test(name);
    memset((void *)(word)(base + SMI_BOX), 0, sizeof(struct smi));
}

/* The SMI comes after the write to the ICR or at the latest after that to a port. */
static void smi(void)
{
    asm volatile("movl %1, (%0)\n outb %%al, $0x80"
                 :
                 : "r"((word)0xfee00300), "r"(SMI_SELF)
                 : "memory", "eax");
}

static void outside(void)
{
    test("RSM outside");
    CHECK_TRAP_AT(UD, 0, asm volatile(AT "rsm"));
}

#ifdef __x86_64__
#define REG(r) "r" #r
#else
#define REG(r) "e" #r
#endif
#define MOV "mov" WORD_SUFFIX " "

/* All registers with patterns in them across the SMI. */
static void registers(void)
{
    begin("registers");
    asm volatile(
        "push %%" REG(bp) "\n" MOV "$0x33333333, %%" REG(cx) "\n" MOV "$0x44444444, %%" REG(
            dx) "\n" MOV
                "$0x55555555, %%" REG(si) "\n" MOV "$0x66666666, %%" REG(
                    di) "\n" MOV
                        "$0x77777777, %%" REG(
                            bp) "\n" MOV "$1f, smi_ip\n"
                                "std\n stc\n"
                                "movl %%eax, (%%" REG(bx) ")\n outb %%al, $0x80\n1:" MOV "%%" REG(
                                    bp) ", seen+5*%c2\n"
                                        "pop %%" REG(
                                            bp) "\n"
                                                "pushf" WORD_SUFFIX "\n pop" WORD_SUFFIX
                                                " seen+7*%c2\n cld\n" MOV
                                                "%%" REG(ax) ", seen\n" MOV "%%" REG(
                                                    bx) ", seen+1*%c2\n" MOV
                                                        "%%" REG(cx) ", seen+2*%c2\n" MOV "%%" REG(
                                                            dx) ", seen+3*%c2\n" MOV
                                                                "%%" REG(
                                                                    si) ", seen+4*%c2\n" MOV
                                                                        "%%" REG(
                                                                            di) ", seen+6*%c2\n"
        :
        : "a"(SMI_SELF), "b"((word)0xfee00300), "i"(sizeof(word))
        : "ecx", "edx", "esi", "edi", "memory", "cc");
    static const u32 want[] = {SMI_SELF,   0xfee00300, 0x33333333, 0x44444444,
                               0x55555555, 0x77777777, 0x66666666};
    CHECK_EQ(box()->count, 1);
    for (u32 i = 0; i < ARRAY_SIZE(want); i++)
        CHECK_EQ(seen[i], want[i]);
    CHECK_EQ(seen[7] & (FLAG_DF | FLAG_CF | FLAG_IF | FLAG_TF), FLAG_DF | FLAG_CF);
}

static void in_the_mode(void)
{
    test("state in the mode");
    CHECK_EQ(box()->cr0 & (CR0_PE | CR0_EM | CR0_TS | CR0_PG), 0);
    CHECK_EQ(box()->cr0 & CR0_ET, CR0_ET);
    CHECK_EQ(box()->cr4, 0);
    CHECK_EQ(box()->flags, 2);
    CHECK_EQ(box()->dr7, 0x400);
    CHECK_EQ(box()->cs, base >> 4);
    CHECK_EQ(box()->at_101000, get32((void *)0x101000));
}

static void save_area(void)
{
    test("save area");
    CHECK_EQ(get32((void *)(word)(base + 0xfefc)), wide ? 0x20064 : 0x20000);
    CHECK_EQ(saved(0xff00, 0xfef8), base);
    CHECK_IN(saved(0xff78, 0xfff0), smi_ip - 2, smi_ip); /* before or after the OUT */
    CHECK_EQ(saved(0xff70, 0xfff4) & (FLAG_DF | FLAG_CF | FLAG_IF), FLAG_DF | FLAG_CF);
    CHECK_EQ(saved(0xff58, 0xfffc), get_cr0());
    CHECK_EQ(saved(0xff50, 0xfff8), get_cr3());
    CHECK_EQ(saved(0xff48, 0xff14), get_cr4());
    CHECK_EQ(saved(0xff60, 0xffc8), get_dr7());
    CHECK_EQ(saved(0xfff0, 0xffd4), 0x33333333); /* CX, DX, SI, DI, BP, BX, AX */
    CHECK_EQ(saved(0xffe8, 0xffd8), 0x44444444);
    CHECK_EQ(saved(0xffc8, 0xffe8), 0x55555555);
    CHECK_EQ(saved(0xffc0, 0xffec), 0x66666666);
    CHECK_EQ(saved(0xffd0, 0xffe4), 0x77777777);
    CHECK_EQ(saved(0xffe0, 0xffdc), 0xfee00300);
    CHECK_EQ(saved(0xfff8, 0xffd0), SMI_SELF);
    CHECK_EQ((u16)saved(0xfe10, 0xffac), KERNEL_CS);
    CHECK_EQ((u16)saved(0xfe20, 0xffb0), KERNEL_DS);
    CHECK_EQ((u16)saved(0xfe90, 0xffc4), TSS_SEL);
    CHECK_EQ(saved(0xfe68, 0xff74), get_gdtr().base);
    CHECK_EQ((u16)saved(0xfe64, 0xff70), get_gdtr().limit);
    CHECK_EQ(saved(0xfe88, 0xff58), get_idtr().base);
    CHECK_EQ((u16)saved(0xfe84, 0xff54), get_idtr().limit);
    CHECK_EQ((u8)saved(0xfec9, 0xff02), 0); /* was not halted */
    if (wide)
        CHECK_EQ(saved(0xfed0, 0), (u32)rdmsr(MSR_EFER));
#ifdef __x86_64__
    CHECK_EQ(saved(0xfed0, 0) & 0x500, 0x500);
    CHECK_EQ(get32((void *)(word)(base + 0xfe10)) >> 16, 0xa09b);
#endif
}

static void altered(void)
{
    begin("changed registers");
    u32 a = SMI_SELF, d = 1;
    change(0, 0xfff8, 0xffd0, 0xabcd1234); /* AX */
    change(1, 0xffe8, 0xffd8, 0x56789abc); /* DX */
    asm volatile("movl %%eax, (%2)\n outb %%al, $0x80"
                 : "+a"(a), "+d"(d)
                 : "b"((word)0xfee00300)
                 : "memory");
    CHECK_EQ(a, 0xabcd1234);
    CHECK_EQ(d, 0x56789abc);
    begin("changed EIP");
    change(0, 0xff78, 0xfff0, 0);
    asm volatile("movl $2f, %0\n movl %%eax, (%2)\n outb %%al, $0x80\n 1: jmp 1b\n 2:"
                 : "=m"(box()->change[0].val)
                 : "a"(SMI_SELF), "b"((word)0xfee00300)
                 : "memory");
    CHECK_EQ(box()->count, 1);
}

static void nested(void)
{
    begin("an SMI in the mode waits");
    box()->todo = SMI_IPI;
    box()->ipi = SMI_SELF;
    smi();
    CHECK_EQ(box()->count, 2);
    CHECK_EQ(box()->count_after, 2);
    begin("and is one however many come");
    box()->todo = SMI_IPI;
    box()->ipi = SMI_SELF;
    smi();
    smi();
    CHECK_EQ(box()->count, 3);
}

static volatile u32 nmis, smis_in_nmi, nmis_in_nmi;

static void count_nmi(struct frame *f)
{
    (void)f;
    nmis++;
}

/* An NMI handler that is interrupted by an SMI, after which another NMI is sent. */
static void smi_in_nmi(struct frame *f)
{
    (void)f;
    if (nmis++ == 0) {
        smi();
        apic_write(APIC_ICR, NMI_SELF);
        delay_us(10);
        nmis_in_nmi = nmis;
    }
}

static void nmi(void)
{
    begin("an NMI in the mode waits");
    nmis = 0;
    trap_handle(NMI, count_nmi);
    box()->todo = SMI_IPI;
    box()->ipi = NMI_SELF;
    smi();
    CHECK_EQ(nmis, 1);
    CHECK_EQ(box()->nmis, 0);
    begin("IRET lets it in");
    nmis = 0;
    box()->todo = SMI_IPI | SMI_IRET;
    box()->ipi = NMI_SELF;
    smi();
    CHECK_EQ(nmis, 0);
    CHECK_EQ(box()->nmis, 1);
    begin("an SMI does not end an NMI handler's protection");
    nmis = 0;
    trap_handle(NMI, smi_in_nmi);
    box()->todo = SMI_IRET;
    apic_write(APIC_ICR, NMI_SELF);
    CHECK(WAIT_FOR(nmis == 2, 100));
    CHECK_EQ(nmis_in_nmi, 1);
    CHECK_EQ(box()->count, 1);
    trap_handle(NMI, NULL);
}

static void relocate(u32 to)
{
    install(to);
    begin("SMBASE");
    change(0, 0xff00, 0xfef8, to);
    smi();
    CHECK_EQ(box()->count, 1);
    smi();
    CHECK_EQ(box()->count, 1);
    base = to;
    CHECK_EQ(box()->count, 1);
    CHECK_EQ(box()->cs, to >> 4);
    CHECK_EQ(saved(0xff00, 0xfef8), to);
}

/* Interrupts of the PIT as SMI: pin 0 or 2 of the I/O APIC. */
static void pit_smi(bool on)
{
    for (u32 pin = 0; pin <= 2; pin += 2) {
        io[0] = 0x11 + 2 * pin;
        io[4] = 0;
        io[0] = 0x10 + 2 * pin;
        io[4] = on ? ICR_SMI : LVT_MASKED;
    }
    outb(0x43, 0x34);
    outb(0x40, 1193 & 255); /* 1 kHz */
    outb(0x40, 1193 >> 8);
}

static void hlt(void)
{
    begin("HLT goes on after RSM");
    CHECK_EQ(get_flags() & FLAG_IF, 0);
    box()->change_at = 5; /* until then it goes back to HLT */
    if (wide)
        change(0, 0xfec8, 0, 0);
    else
        change(0, 0, 0xff00, 0);
    pit_smi(true);
    asm volatile("hlt");
    u32 count = box()->count;
    pit_smi(false);
    CHECK_IN(count, 5, 7);
}

static u32 sum(void)
{
    u32 s = 1;
    for (u32 i = 0; i < 1000; i++) {
        asm volatile("" : "+r"(s));
        s = s * 1664525 + 1013904223;
    }
    return s;
}

static void storm(void)
{
    begin("SMIs in the middle of code");
    u32 want = sum(), wrong = 0;
    pit_smi(true);
    for (u32 i = 0; i < 2000000 && box()->count < 50; i++)
        wrong += sum() != want;
    pit_smi(false);
    CHECK_EQ(wrong, 0);
    CHECK(box()->count >= 50);
}

extern u8 step_out[]; /* in the assembly */
static void single_step(void)
{
    begin("single step");
    CHECK_TRAP(DB, 0,
               asm volatile("outb %%al, $0x80\n push" WORD_SUFFIX " $0x102\n popf" WORD_SUFFIX
                            "\n movl %1, (%0)\n.globl step_out\nstep_out: nop"
                            :
                            : "r"((word)0xfee00300), "r"(SMI_SELF)
                            : "memory", "eax"));
    CHECK_EQ(last_trap.ip, (word)step_out);
    CHECK_EQ(last_trap.flags & FLAG_TF, FLAG_TF);
    CHECK_EQ(get_dr6() & 0xe00f, BIT(14));
    CHECK_EQ(box()->count, 1);
    CHECK_EQ(box()->flags, 2);
    CHECK_EQ(saved(0xff78, 0xfff0), (u32)(word)step_out);
    set_dr6(0xffff0ff0);
}

GUEST("smm")
{
    wide = cpuid(0x80000000, 0).eax >= 0x80000001 && (cpuid(0x80000001, 0).edx & BIT(29));
    apic_enable();
    install(SMBASE);
    outside();
    registers();
    in_the_mode();
    save_area();
    altered();
    nested();
    nmi();
    relocate(0x50000);
    relocate(SMBASE);
    hlt();
    storm();
    single_step();
}
