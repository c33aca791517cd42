/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What every guest uses: reports on COM1, checks, and traps caught and recorded.
 *
 * A guest is GUEST("name") { … }: the body runs once, in the mode its start file sets up
 * (start16.S: real mode; start32.S: flat protected mode, no paging; start64.S: long mode, first 4
 * GiB identity mapped), interrupts off. When it returns, PASS or FAIL goes to COM1 and port F4h
 * ends the machine.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

#ifdef __x86_64__
typedef u64 word;
#define WORD_SUFFIX "q"
#define CODE_MODE   ".code64"
#else
typedef u32 word; /* as wide as a general register of the mode the guest is built for */
#define WORD_SUFFIX "l"
#define CODE_MODE   ".code32"
#endif

#define ARRAY_SIZE(a)     (sizeof(a) / sizeof((a)[0]))
#define BIT(n)            (1u << (n))
#define BIT64(n)          (1ull << (n))
#define printf_like(f, a) __attribute__((format(printf, f, a)))
#define page_aligned      __attribute__((aligned(4096)))

extern const char guest_name[];
void guest_main(void);
#define GUEST(name)                                                                                \
    const char guest_name[] = name;                                                                \
    void guest_main(void)

/* %s %c %d %u %x %08x, %lx for a word, %llx for a u64. */
void print(const char *fmt, ...) printf_like(1, 2);
void put_char(char ch);
/* The name that failures are reported under from here on. */
void test(const char *name);
_Noreturn void guest_finish(void);
_Noreturn void guest_fatal(const char *fmt, ...) printf_like(1, 2);
/* Tells the runner that all went well so far and the machine is now expected to stop or reset. */
void guest_ready(void);

bool check_true(bool ok, const char *what, int line);
bool check_eq(u64 got, u64 want, const char *what, int line);
bool check_range(u64 got, u64 low, u64 high, const char *what, int line);
#define CHECK(cond)           check_true((cond), #cond, __LINE__)
#define CHECK_EQ(got, want)   check_eq((u64)(got), (u64)(want), #got, __LINE__)
#define CHECK_IN(got, lo, hi) check_range((u64)(got), (u64)(lo), (u64)(hi), #got, __LINE__)

/* Vectors. */
enum {
    DE,
    DB,
    NMI,
    BP,
    OF,
    BR,
    UD,
    NM,
    DF,
    TS = 10,
    NP,
    SS,
    GP,
    PF,
    MF = 16,
    AC,
    MC,
    XM,
    NO_TRAP = 0x1000,
};

/* What the last trap left, as pushed by the CPU and saved by the stubs. */
struct excp {
    u32 vector;                 /* NO_TRAP: none */
    u32 error;                  /* 0 for vectors that have none */
    word ip, cs, flags, sp, ss; /* sp, ss: of the interrupted code, if it pushed them */
    word cr2;
    word es, ds, fs, gs; /* of virtual-8086 code */
    word entry_sp;       /* the stack pointer on entry, below the whole frame */
    word entry_ss;
    word stack[8]; /* what was there, from entry_sp up */
    word ax, cx, dx, bx, bp, si, di;
    word r8, r9;
};

struct trap_env {
    word reg[8];
};

struct cpu {
    struct trap_env env;
    bool armed;
    struct excp last;
};

struct cpu *this_cpu(void);
#define last_trap (this_cpu()->last)

int trap_set(struct trap_env *env) __attribute__((returns_twice));
_Noreturn void trap_return(struct trap_env *env);

/* Runs the statement; the value is the vector of the trap that ended it, or NO_TRAP. */
#define TRAP(...)                                                                                  \
    ({                                                                                             \
        struct cpu *cpu_ = this_cpu();                                                             \
        cpu_->last.vector = NO_TRAP;                                                               \
        if (!trap_set(&cpu_->env)) {                                                               \
            cpu_->armed = true;                                                                    \
            asm volatile("" : : : "memory");                                                       \
            __VA_ARGS__;                                                                           \
        }                                                                                          \
        asm volatile("" : : : "memory");                                                           \
        cpu_->armed = false;                                                                       \
        cpu_->last.vector;                                                                         \
    })
bool check_trap(u32 vector, u32 error, const char *what, int line);
#define CHECK_TRAP(vec, err, ...)                                                                  \
    ({                                                                                             \
        (void)TRAP(__VA_ARGS__);                                                                   \
        check_trap(vec, err, #__VA_ARGS__, __LINE__);                                              \
    })
#define CHECK_RUNS(...) CHECK_TRAP(NO_TRAP, 0, __VA_ARGS__)
/* The same, and the trap's return address must be the address noted by AT in the assembly. */
#define CHECK_TRAP_AT(vec, err, ...)                                                               \
    ({                                                                                             \
        if (CHECK_TRAP(vec, err, __VA_ARGS__))                                                     \
            check_eq(last_trap.ip, want_ip, "return address of " #__VA_ARGS__, __LINE__);          \
    })
extern volatile word want_ip;
/* In inline assembly, before an instruction: notes its address. Not where DS or ES is odd. */
#define AT "mov" WORD_SUFFIX " $991f, want_ip\n991: "

/* Assembly outside any function, with a symbol at its start and one, NAME_end, behind it. */
#define CODE(name, text)                                                                           \
    extern u8 name[], name##_end[];                                                                \
    asm(".pushsection .text\n.balign 16\n.globl " #name ", " #name "_end\n" #name ":\n" text       \
        "\n" #name "_end:\n.popsection")

/* The same below 64 KiB, where 16-bit code can run (mode: ".code16" or ".code32"). */
#define LOW_CODE(mode, name, text)                                                                 \
    extern u8 name[], name##_end[];                                                                \
    asm(".pushsection .low, \"awx\"\n" mode "\n.globl " #name ", " #name "_end\n" #name ":\n" text \
        "\n" #name "_end:\n" CODE_MODE "\n.popsection")

void *memcpy(void *to, const void *from, size_t n);
void *memset(void *to, int byte, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);
