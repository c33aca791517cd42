/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SSE and AVX at the edges where the system shows: MXCSR, #XM or #UD by OSXMMEXCPT, #NM by TS,
   XSAVE and XRSTOR in their forms, XCR0, upper halves. Results of single instructions are other
   tests' business. */
#include "desc.h"
#include "io.h"
#include "trap.h"

static __attribute__((aligned(64))) u8 area[1024 + 64], area2[1024 + 64];
static const __attribute__((aligned(32))) u32 ones[8] = {
    0x3f800000, 0x3f800000, 0x3f800000, 0x3f800000, 0x3f800000, 0x3f800000, 0x3f800000, 0x3f800000};
static u32 mxcsr;

static void set_mxcsr(u32 v)
{
    mxcsr = v;
    asm volatile("ldmxcsr %0" : : "m"(mxcsr));
}

static u32 get_mxcsr(void)
{
    asm volatile("stmxcsr %0" : "=m"(mxcsr));
    return mxcsr;
}

static void xsetbv(u32 index, u64 v)
{
    asm volatile("xsetbv" : : "c"(index), "a"((u32)v), "d"((u32)(v >> 32)));
}

static u64 xgetbv(u32 index)
{
    u32 lo, hi;
    asm volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(index));
    return (u64)hi << 32 | lo;
}

static void exceptions(void)
{
    test("MXCSR and #XM");
    set_mxcsr(0x1f80);
    asm volatile("movups %0, %%xmm0\n xorps %%xmm1, %%xmm1\n divss %%xmm1, %%xmm0" : : "m"(ones));
    CHECK_EQ(get_mxcsr(), 0x1f84);
    set_mxcsr(0x1d80);
    asm volatile("movups %0, %%xmm0" : : "m"(ones));
    set_cr4(get_cr4() & ~(word)CR4_OSXMMEXCPT);
    CHECK_TRAP_AT(UD, 0, asm volatile(AT "divss %xmm1, %xmm0"));
    set_cr4(get_cr4() | CR4_OSXMMEXCPT);
    asm volatile("movups %0, %%xmm0" : : "m"(ones));
    set_mxcsr(0x1d80);
    CHECK_TRAP_AT(XM, 0, asm volatile(AT "divss %xmm1, %xmm0"));
    CHECK_EQ(get_mxcsr(), 0x1d84);
    u32 v;
    asm volatile("movd %%xmm0, %0" : "=r"(v));
    CHECK_EQ(v, 0x3f800000); /* the destination is as it was */
    set_mxcsr(0x1f80);
    mxcsr = 0xffff1f80;
    CHECK_TRAP(GP, 0, asm volatile("ldmxcsr %0" : : "m"(mxcsr)));
    set_mxcsr(0x1f80 | 0x6000);
    asm volatile("movups %1, %%xmm0\n addss %%xmm0, %%xmm0\n movd %%xmm0, %0"
                 : "=r"(v)
                 : "m"(ones));
    CHECK_EQ(v, 0x40000000);
    set_mxcsr(0x1f80);
}

static void not_available(void)
{
    test("#NM");
    set_cr0(get_cr0() | CR0_TS);
    CHECK_TRAP_AT(NM, 0, asm volatile(AT "movups %0, %%xmm0" : : "m"(ones)));
    CHECK_TRAP_AT(NM, 0, asm volatile(AT "ldmxcsr %0" : : "m"(mxcsr)));
    CHECK_TRAP_AT(NM, 0, asm volatile(AT "fxsave %0" : : "m"(area)));
    CHECK_RUNS(asm volatile("prefetchnta %0\n lfence\n mfence\n sfence" : : "m"(area)));
    CHECK_RUNS(asm volatile("movnti %0, %1" : : "r"(1), "m"(area)));
    asm volatile("clts");
    CHECK_RUNS(asm volatile("movups %0, %%xmm0" : : "m"(ones)));
}

static void xcr0(void)
{
    test("XCR0");
    CHECK_TRAP_AT(UD, 0, asm volatile(AT "xgetbv" : : "c"(0) : "eax", "edx"));
    CHECK_TRAP_AT(UD, 0, asm volatile(AT "xsave %0" : : "m"(area), "a"(3), "d"(0)));
    CHECK_EQ(cpuid(1, 0).ecx & BIT(27), 0);
    set_cr4(get_cr4() | CR4_OSXSAVE);
    CHECK_EQ(cpuid(1, 0).ecx & BIT(27), BIT(27)); /* CPUID follows CR4 */
    CHECK_EQ(xgetbv(0), 1);
    CHECK_TRAP(GP, 0, xsetbv(0, 2));
    CHECK_TRAP(GP, 0, xsetbv(0, 0));
    CHECK_TRAP(GP, 0, xsetbv(0, 5)); /* AVX without SSE */
    CHECK_TRAP(GP, 0, xsetbv(1, 1));
    CHECK_TRAP(GP, 0, (void)xgetbv(7));
    CHECK_TRAP(GP, 0, xsetbv(0, BIT64(62) | 3));
    CHECK_RUNS(xsetbv(0, 3));
    CHECK_EQ(xgetbv(0), 3);
    CHECK_EQ(cpuid(13, 0).ebx, 576);
}

static void xsave(void)
{
    test("XSAVE and XRSTOR");
    u64 bv;
    set_mxcsr(0x1f80);
    asm volatile("fninit\n movups %0, %%xmm5" : : "m"(ones));
    memset(area, 0xee, sizeof(area));
    memset(area + 512, 0, 64);
    asm volatile("xsave64 %0" : "+m"(area) : "a"(3), "d"(0));
    memcpy(&bv, area + 512, 8);
    CHECK_EQ(bv & 2, 2);
    CHECK_EQ(memcmp(area + 160 + 5 * 16, ones, 16), 0);
    CHECK_EQ(area[24] | area[25] << 8, 0x1f80);
    asm volatile("xorps %%xmm5, %%xmm5\n xrstor64 %1\n movups %%xmm5, %0"
                 : "=m"(*(u8(*)[16])area2)
                 : "m"(area), "a"(2), "d"(0));
    CHECK_EQ(memcmp(area2, ones, 16), 0);
    area[512] = 1; /* SSE is not in the image: it is initialized */
    asm volatile("xrstor64 %1\n movups %%xmm5, %0"
                 : "=m"(*(u8(*)[16])area2)
                 : "m"(area), "a"(3), "d"(0));
    CHECK_EQ(area2[3], 0);
    area[512] = 3;
    area[512 + 1] = 0x80; /* a component that XCR0 does not have */
    CHECK_TRAP(GP, 0, asm volatile("xrstor64 %0" : : "m"(area), "a"(3), "d"(0)));
    area[512 + 1] = 0;
    area[512 + 20] = 1; /* reserved header bytes */
    CHECK_TRAP(GP, 0, asm volatile("xrstor64 %0" : : "m"(area), "a"(3), "d"(0)));
    area[512 + 20] = 0;
    memset(area + 24, 0xff, 4);
    CHECK_TRAP(GP, 0, asm volatile("xrstor64 %0" : : "m"(area), "a"(3), "d"(0)));
    CHECK_TRAP(GP, 0, asm volatile("xsave64 %0" : : "m"(area[16]), "a"(3), "d"(0))); /* alignment */
    set_cr0(get_cr0() | CR0_TS);
    CHECK_TRAP(NM, 0, asm volatile("xsave64 %0" : : "m"(area), "a"(3), "d"(0)));
    asm volatile("clts");
}

static void compact(void)
{
    test("XSAVEOPT and XSAVEC");
    u32 forms = cpuid(13, 1).eax;
    asm volatile("fninit\n movups %0, %%xmm5" : : "m"(ones));
    memset(area, 0, sizeof(area));
    if (forms & 1) {
        CHECK_RUNS(asm volatile("xsaveopt64 %0" : "+m"(area) : "a"(2), "d"(0)));
        CHECK_EQ(memcmp(area + 160 + 5 * 16, ones, 16), 0);
    }
    if (!(forms & 2))
        return;
    memset(area, 0, sizeof(area));
    u64 bv[2];
    CHECK_RUNS(asm volatile("xsavec64 %0" : "+m"(area) : "a"(2), "d"(0)));
    memcpy(bv, area + 512, 16);
    CHECK_EQ(bv[0], 2);
    CHECK_EQ(bv[1], BIT64(63) | 2);
    asm volatile("xorps %%xmm5, %%xmm5\n xrstor64 %1\n movups %%xmm5, %0"
                 : "=m"(*(u8(*)[16])area2)
                 : "m"(area), "a"(2), "d"(0));
    CHECK_EQ(memcmp(area2, ones, 16), 0);
}

static void avx(void)
{
    test("AVX");
    if (!(cpuid(1, 0).ecx & BIT(28)))
        return;
    CHECK_TRAP_AT(UD, 0, asm volatile(AT "vmovups %0, %%ymm1" : : "m"(ones)));
    CHECK_RUNS(xsetbv(0, 7));
    CHECK_EQ(cpuid(13, 0).ebx, 832);
    CHECK_EQ(cpuid(13, 2).eax, 256);
    CHECK_EQ(cpuid(13, 2).ebx, 576);
    asm volatile("vmovups %1, %%ymm1\n vmovups %%ymm1, %0" : "=m"(*(u8(*)[32])area2) : "m"(ones));
    CHECK_EQ(memcmp(area2, ones, 32), 0);
    asm volatile("movaps %%xmm1, %%xmm1\n xorps %%xmm2, %%xmm2\n addps %%xmm2, %%xmm1\n"
                 "vmovups %%ymm1, %0"
                 : "=m"(*(u8(*)[32])area2));
    CHECK_EQ(memcmp(area2, ones, 32), 0); /* legacy forms leave the upper half */
    asm volatile("vaddps %%xmm2, %%xmm1, %%xmm1\n vmovups %%ymm1, %0" : "=m"(*(u8(*)[32])area2));
    CHECK_EQ(memcmp(area2, ones, 16), 0);
    CHECK_EQ(area2[19], 0); /* VEX.128 clears it */
    memset(area + 512, 0, 64);
    asm volatile("vmovups %0, %%ymm9\n xsave64 %1"
                 :
                 : "m"(ones), "m"(area), "a"(7), "d"(0)
                 : "memory");
    CHECK_EQ(memcmp(area + 576 + 9 * 16, ones, 16), 0);
    asm volatile("vzeroall\n xrstor64 %1\n vmovups %%ymm9, %0"
                 : "=m"(*(u8(*)[32])area2)
                 : "m"(area), "a"(4), "d"(0));
    CHECK_EQ(area2[3], 0); /* only the upper half came back */
    CHECK_EQ(area2[19], 0x3f);
    set_cr0(get_cr0() | CR0_TS);
    CHECK_TRAP_AT(NM, 0, asm volatile(AT "vzeroupper"));
    asm volatile("clts");
    CHECK_TRAP_AT(UD, 0, asm volatile(AT ".byte 0x66, 0xc5, 0xf8, 0x77")); /* VEX after a prefix */
    CHECK_TRAP_AT(UD, 0, asm volatile(AT ".byte 0x48, 0xc5, 0xf8, 0x77"));
    xsetbv(0, 3);
    CHECK_TRAP_AT(UD, 0, asm volatile(AT "vzeroupper"));
}

GUEST("sse")
{
    set_cr4(get_cr4() | CR4_OSFXSR);
    exceptions();
    not_available();
    if (!(cpuid(1, 0).ecx & BIT(26)))
        return;
    xcr0();
    xsave();
    compact();
    avx();
}
