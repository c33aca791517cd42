/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Page faults in the middle of blocks (fault.h): AVX, with masked loads and stores and gathers, and
   XSAVE and XRSTOR. Bytes that a mask leaves out do not fault. */
#include "fault.h"
#include "io.h"

/* clang-format off */
FORM_TABLE(xsave_forms, FORM_NAMES
           FORM(RBX, 0, 576, WRITE | ALIGNED | WIDE, NONE, "xsave (%rbx)"));
FORM_TABLE(avx_forms, FORM_NAMES
           FORM(RBX, 0, 32, READ, NONE, "vmovups (%rbx), %ymm1")
           FORM(RBX, 0, 32, WRITE, NONE, "vmovdqu %ymm2, (%rbx)")
           FORM(RBX, 0, 32, READ | ALIGNED, NONE, "vmovaps (%rbx), %ymm3")
           FORM(RBX, 0, 16, READ, NONE, "vaddps (%rbx), %xmm4, %xmm5")
           FORM(RBX, 0, 32, READ, NONE, "vpxor (%rbx), %ymm4, %ymm6")
           FORM(RBX, 0, 8, READ, NONE, "vaddsd (%rbx), %xmm7, %xmm8")
           FORM(RBX, 0, 4, READ, NONE, "vbroadcastss (%rbx), %ymm9")
           FORM(RBX, 0, 16, READ, NONE, "vinsertf128 $1, (%rbx), %ymm1, %ymm2")
           FORM(RBX, 0, 16, WRITE, NONE, "vextractf128 $1, %ymm2, (%rbx)")
           FORM(RBX, 0, 8, READ, NONE, "vpmovzxbw (%rbx), %xmm11")
           FORM(RBX, 0, 8, READ, NONE, "vmovq (%rbx), %xmm11")
           FORM(RBX, 0, 4, WRITE, NONE, "vmovss %xmm11, (%rbx)")
           FORM(RBX, 0, 16, READ, NONE, "vmaskmovps (%rbx), %xmm15, %xmm2")
           FORM(RBX, 0, 16, WRITE, NONE, "vmaskmovps %xmm3, %xmm15, (%rbx)")
           FORM(RBX, 0, 16, NONE, NONE, "vmaskmovps (%rbx), %xmm14, %xmm2")
           FORM(RBX, 0, 16, NONE, NONE, "vmaskmovps %xmm3, %xmm14, (%rbx)"));
FORM_TABLE(avx2_forms, FORM_NAMES
           FORM(RBX, 0, 16, READ, NONE, "vpmaskmovd (%rbx), %xmm15, %xmm2")
           FORM(RBX, 0, 16, WRITE, NONE, "vpmaskmovq %xmm3, %xmm15, (%rbx)")
           FORM(RBX, 0, 32, READ, NONE, "vpermd (%rbx), %ymm1, %ymm2")
           FORM(RBX, 0, 4, READ, NONE, "vpgatherdd %xmm15, (%rbx,%xmm14), %xmm3")
           FORM(RBX, 0, 8, READ, NONE, "vpgatherqq %xmm15, (%rbx,%xmm14,8), %xmm3"));
/* clang-format on */

static void xsetbv(u32 low)
{
    asm volatile("xsetbv" : : "c"(0), "a"(low), "d"(0));
}

GUEST("fault-avx")
{
    fault_init(false);
    struct cpuid c = cpuid(1, 0);
    if (!(c.ecx & BIT(26))) {
        print("no XSAVE\n");
        return;
    }
    set_cr4(get_cr4() | CR4_OSXSAVE);
    xsetbv(3);
    fault_all(xsave_forms, xsave_forms_end);
    if (!(c.ecx & BIT(28)))
        return;
    xsetbv(7);
    fault_all(avx_forms, avx_forms_end);
    if (cpuid(7, 0).ebx & BIT(5))
        fault_all(avx2_forms, avx2_forms_end);
}
