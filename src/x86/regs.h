/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Architectural constants of x86, by the names of the SDM (volumes 1, 3, 4) and APM. Facts only. */
#pragma once
#include "base/base.h"

/* General registers in encoding order. */
enum gpr { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15 };
/* Segment registers in encoding order. */
enum segreg { SEG_ES, SEG_CS, SEG_SS, SEG_DS, SEG_FS, SEG_GS };

#define EFLAGS_CF    BIT(0)
#define EFLAGS_FIXED BIT(1)
#define EFLAGS_PF    BIT(2)
#define EFLAGS_AF    BIT(4)
#define EFLAGS_ZF    BIT(6)
#define EFLAGS_SF    BIT(7)
#define EFLAGS_TF    BIT(8)
#define EFLAGS_IF    BIT(9)
#define EFLAGS_DF    BIT(10)
#define EFLAGS_OF    BIT(11)
#define EFLAGS_IOPL  (3u << 12)
#define EFLAGS_NT    BIT(14)
#define EFLAGS_RF    BIT(16)
#define EFLAGS_VM    BIT(17)
#define EFLAGS_AC    BIT(18)
#define EFLAGS_VIF   BIT(19)
#define EFLAGS_VIP   BIT(20)
#define EFLAGS_ID    BIT(21)
#define EFLAGS_ARITH (EFLAGS_CF | EFLAGS_PF | EFLAGS_AF | EFLAGS_ZF | EFLAGS_SF | EFLAGS_OF)

#define CR0_PE BIT64(0)
#define CR0_MP BIT64(1)
#define CR0_EM BIT64(2)
#define CR0_TS BIT64(3)
#define CR0_ET BIT64(4)
#define CR0_NE BIT64(5)
#define CR0_WP BIT64(16)
#define CR0_AM BIT64(18)
#define CR0_NW BIT64(29)
#define CR0_CD BIT64(30)
#define CR0_PG BIT64(31)

#define CR4_VME        BIT64(0)
#define CR4_PVI        BIT64(1)
#define CR4_TSD        BIT64(2)
#define CR4_DE         BIT64(3)
#define CR4_PSE        BIT64(4)
#define CR4_PAE        BIT64(5)
#define CR4_MCE        BIT64(6)
#define CR4_PGE        BIT64(7)
#define CR4_PCE        BIT64(8)
#define CR4_OSFXSR     BIT64(9)
#define CR4_OSXMMEXCPT BIT64(10)
#define CR4_UMIP       BIT64(11)
#define CR4_LA57       BIT64(12)
#define CR4_FSGSBASE   BIT64(16)
#define CR4_PCIDE      BIT64(17)
#define CR3_PCID       0xfffu /* with CR4.PCIDE */
#define CR4_OSXSAVE    BIT64(18)
#define CR4_SMEP       BIT64(20)
#define CR4_SMAP       BIT64(21)

#define EFER_SCE    BIT64(0)
#define EFER_LME    BIT64(8)
#define EFER_LMA    BIT64(10)
#define EFER_NXE    BIT64(11)
#define EFER_FFXSR  BIT64(14)
#define EFER_AIBRSE BIT64(21)

#define XCR0_X87 BIT64(0)
#define XCR0_SSE BIT64(1)
#define XCR0_AVX BIT64(2)

#define MSR_TSC            0x10u
#define MSR_APIC_BASE      0x1bu
#define MSR_TSC_ADJUST     0x3bu
#define MSR_SPEC_CTRL      0x48u
#define MSR_PRED_CMD       0x49u
#define MSR_BIOS_SIGN_ID   0x8bu
#define MSR_MTRRCAP        0xfeu
#define MSR_SYSENTER_CS    0x174u
#define MSR_SYSENTER_ESP   0x175u
#define MSR_SYSENTER_EIP   0x176u
#define MSR_MCG_CAP        0x179u
#define MSR_MCG_STATUS     0x17au
#define MSR_MISC_ENABLE    0x1a0u
#define MSR_MTRR_PHYSBASE0 0x200u
#define MSR_MTRR_FIX64K    0x250u
#define MSR_PAT            0x277u
#define MSR_MTRR_DEF_TYPE  0x2ffu
#define MSR_TSC_DEADLINE   0x6e0u
#define MSR_X2APIC_FIRST   0x800u
#define MSR_X2APIC_LAST    0x8ffu
#define MSR_EFER           0xc0000080u
#define MSR_STAR           0xc0000081u
#define MSR_LSTAR          0xc0000082u
#define MSR_CSTAR          0xc0000083u
#define MSR_SFMASK         0xc0000084u
#define MSR_FS_BASE        0xc0000100u
#define MSR_GS_BASE        0xc0000101u
#define MSR_KERNEL_GS_BASE 0xc0000102u
#define MSR_TSC_AUX        0xc0000103u

#define DR6_FIXED 0xffff0ff0u
#define DR6_BD    BIT(13)
#define DR6_BS    BIT(14)
#define DR6_BT    BIT(15)
#define DR7_FIXED BIT(10)
#define DR7_GD    BIT(13)

/* Exception vectors (SDM 3A 6.3.1). */
enum vector {
    VEC_DE = 0,
    VEC_DB = 1,
    VEC_NMI = 2,
    VEC_BP = 3,
    VEC_OF = 4,
    VEC_BR = 5,
    VEC_UD = 6,
    VEC_NM = 7,
    VEC_DF = 8,
    VEC_TS = 10,
    VEC_NP = 11,
    VEC_SS = 12,
    VEC_GP = 13,
    VEC_PF = 14,
    VEC_MF = 16,
    VEC_AC = 17,
    VEC_MC = 18,
    VEC_XM = 19,
};

/* Page-fault error code (SDM 3A 4.7). */
#define PFEC_P    BIT(0)
#define PFEC_W    BIT(1)
#define PFEC_U    BIT(2)
#define PFEC_RSVD BIT(3)
#define PFEC_I    BIT(4)

/* Page-table entry bits common to all formats (SDM 3A 4.3-4.5). */
#define PTE_P   BIT64(0)
#define PTE_W   BIT64(1)
#define PTE_U   BIT64(2)
#define PTE_PWT BIT64(3)
#define PTE_PCD BIT64(4)
#define PTE_A   BIT64(5)
#define PTE_D   BIT64(6)
#define PTE_PS  BIT64(7)
#define PTE_G   BIT64(8)
#define PTE_NX  BIT64(63)

/* Segment access rights: bits 8..15 and 20..23 of a descriptor's second word, moved down by 8
   (the VMX and SVM form). */
#define AR_TYPE        0x000fu
#define AR_ACCESSED    BIT(0)
#define AR_WRITABLE    BIT(1) /* data */
#define AR_READABLE    BIT(1) /* code */
#define AR_EXPAND_DOWN BIT(2) /* data */
#define AR_CONFORMING  BIT(2) /* code */
#define AR_CODE        BIT(3)
#define AR_S           BIT(4)
#define AR_DPL(ar)     (((ar) >> 5) & 3u)
#define AR_DPL_SHIFT   5
#define AR_P           BIT(7)
#define AR_AVL         BIT(12)
#define AR_L           BIT(13)
#define AR_DB          BIT(14)
#define AR_G           BIT(15)

/* System descriptor types (SDM 3A 3.5); in long mode the 32-bit types are 64-bit ones. */
enum sys_type {
    SYS_TSS16_AVAIL = 1,
    SYS_LDT = 2,
    SYS_TSS16_BUSY = 3,
    SYS_CALL_GATE16 = 4,
    SYS_TASK_GATE = 5,
    SYS_INT_GATE16 = 6,
    SYS_TRAP_GATE16 = 7,
    SYS_TSS32_AVAIL = 9,
    SYS_TSS32_BUSY = 11,
    SYS_CALL_GATE32 = 12,
    SYS_INT_GATE32 = 14,
    SYS_TRAP_GATE32 = 15,
};
