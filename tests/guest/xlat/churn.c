/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Much code: thousands of functions in hundreds of pages, called in an order by chance, so that
 * what a translator keeps of them has to go and come back; functions call others in other pages
 * directly and by pointers; some are replaced now and then, whole pages too. (With a small code
 * cache, this empties it many times, also under running calls.)
 */
#include "desc.h"
#include "io.h"
#include "page.h"
#include "xlat.h"

#define MEMORY    ((u8 *)0x1000000) /* free from there on */
#define PAGES     400u
#define PER_PAGE  8u
#define FUNCTIONS (PAGES * PER_PAGE)

static u32 value[FUNCTIONS]; /* what each returns for RDX = 0 */
static u32 below[FUNCTIONS]; /* which it calls, or itself */

static u8 *place(u32 i)
{
    return MEMORY + (i / PER_PAGE) * 4096 + (i % PER_PAGE) * 480 + i % 7;
}

static u32 call(const u8 *at)
{
    u32 v;
    asm volatile("call *%1" : "=a"(v) : "r"(at) : "rcx", "rdx", "rsi", "memory", "cc");
    return v;
}

/* Some arithmetic in some blocks, then maybe a call of another (lower) one. Returns what it gives.
 */
static void put_function(u32 i, u64 *chance)
{
    u8 *p = place(i);
    u32 v = (u32)random64(chance) >> 4, blocks = v % 5, to = i ? v / 5 % i : 0;
    bool calls = i > 8 && v & 0x100 && below[to] == to; /* no deeper than two */
    p = emit_le(EMIT(p, 0xb8), v, 4);
    for (u32 k = 0; k < blocks; k++) {
        p = EMIT(p, 0x05, 7, 0, 0, 0, 0x85, 0xc0, 0x78, 3); /* ADD EAX, 7; TEST EAX, EAX; JS +3 */
        p = EMIT(p, 0x8d, 0x40, 5);                         /* LEA EAX, [RAX + 5] */
        v += 7;
        v += v >> 31 ? 0 : 5;
    }
    below[i] = i;
    if (calls) {
        below[i] = to;
        p = EMIT(p, 0x50); /* PUSH RAX */
        if (v & 1) {
            p = emit_rel32(p, 0xe8, place(to));
        } else {
            p = emit_mov(p, RSI, (word)place(to));
            p = EMIT(p, 0xff, 0xd6);
        }
        p = EMIT(p, 0x59, 0x01, 0xc8); /* POP RCX; ADD EAX, ECX */
    }
    EMIT(p, 0xc3);
    value[i] = v;
}

static u32 wanted(u32 i)
{
    return value[i] + (below[i] != i ? value[below[i]] : 0);
}

static bool used_by_others(u32 i)
{
    for (u32 k = 0; k < FUNCTIONS; k++)
        if (k != i && below[k] == i)
            return true;
    return false;
}

static void rounds(u32 calls, u64 *chance)
{
    for (u32 n = 0; n < calls; n++) {
        u64 r = random64(chance) >> 13;
        u32 i = (u32)r % FUNCTIONS, v = call(place(i));
        if (v != wanted(i) && !CHECK_EQ(v, wanted(i))) {
            print("  function %u\n", i);
            return;
        }
        /* What is called by others must keep calling nobody. */
        if (n % 64 == 0 && !used_by_others(i))
            put_function(i, chance);
    }
    CHECK(true);
}

GUEST("churn")
{
    u64 chance = 1;
    test("much code");
    for (u32 i = 0; i < FUNCTIONS; i++)
        put_function(i, &chance);
    for (u32 k = 0; k < 3; k++)
        for (u32 i = 0; i < FUNCTIONS; i++)
            if (call(place(i)) != wanted(i) && !CHECK_EQ(call(place(i)), wanted(i)))
                return;
    rounds(30000, &chance);
    test("whole pages written anew");
    for (u32 n = 0; n < 12; n++) {
        for (u32 i = 0; i < FUNCTIONS; i++)
            if (i / PER_PAGE % 12 == n)
                memset(place(i), 0xcc, 200);
        for (u32 i = 0; i < FUNCTIONS; i++)
            below[i] = i;
        for (u32 i = 0; i < FUNCTIONS; i++)
            put_function(i, &chance);
        rounds(2000, &chance);
    }
}
