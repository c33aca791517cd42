/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The functions of the integer and system instructions, by file. table.c says which is whose. */
#pragma once
#include "cpu/interp/table.h"

/* op_alu.c */
extern insn_forms add_forms, adc_forms, sub_forms, sbb_forms, and_forms, or_forms, xor_forms,
    cmp_forms, test_forms, inc_forms, dec_forms, neg_forms, not_forms, mov_forms, lea_forms;
insn_fn op_movzx, op_movsx;

/* op_flow.c */
extern insn_fn *const jcc_by_cond[16];
insn_fn op_jmp, op_call, op_ret, op_jmp_far, op_call_far, op_ret_far, op_iret, op_load_far, op_jcxz,
    op_loop, op_loope, op_loopne, op_push, op_pop, op_push_sreg, op_pop_sreg, op_mov_from_sreg,
    op_mov_to_sreg, op_pusha, op_popa, op_leave, op_enter, op_pushf, op_popf;

/* op_shift.c */
extern insn_forms shl_forms, shr_forms, sar_forms, rol_forms, ror_forms, rcl_forms, rcr_forms;
insn_fn op_shld, op_shrd;

/* op_muldiv.c */
insn_fn op_mul, op_imul, op_div, op_idiv, op_cbw, op_cwd, op_aaa, op_aas, op_daa, op_das, op_aam,
    op_aad;

/* op_bit.c */
insn_fn op_bt, op_bts, op_btr, op_btc, op_bsf, op_bsr, op_tzcnt, op_lzcnt, op_popcnt, op_andn,
    op_bextr, op_bzhi, op_blsi, op_blsmsk, op_blsr, op_pdep, op_pext, op_mulx, op_rorx, op_shlx,
    op_shrx, op_sarx, op_adcx, op_adox, op_crc32, op_bswap, op_movbe, op_setcc, op_cmovcc;

/* op_atomic.c */
insn_fn op_xchg, op_xadd, op_cmpxchg, op_cmpxchg8b, op_cmpxchg16b;

/* op_string.c */
insn_fn op_movs, op_stos, op_lods, op_cmps, op_scas, op_ins, op_outs;

/* op_system.c */
insn_fn op_nop, op_mfence, op_pause, op_ud, op_gp, op_int, op_int3, op_into, op_int1, op_bound,
    op_hlt, op_monitor, op_mwait, op_cpuid, op_rdtsc, op_rdtscp, op_rdpid, op_rdpmc, op_rdmsr,
    op_wrmsr, op_xgetbv, op_xsetbv, op_mov_to_cr, op_mov_from_cr, op_mov_to_dr, op_mov_from_dr,
    op_clts, op_smsw, op_lmsw, op_invlpg, op_invpcid, op_wbinvd, op_clflush, op_clzero, op_sgdt,
    op_sidt, op_lgdt, op_lidt, op_sldt, op_str, op_lldt, op_ltr, op_lar, op_lsl, op_verr, op_verw,
    op_arpl, op_syscall, op_sysret, op_sysenter, op_sysexit, op_swapgs, op_rdfsbase, op_rdgsbase,
    op_wrfsbase, op_wrgsbase, op_in, op_out, op_cli, op_sti, op_clac, op_stac, op_clc, op_stc,
    op_cmc, op_cld, op_std, op_lahf, op_sahf, op_salc, op_xlat, op_rdrand, op_hypercall, op_rsm;
