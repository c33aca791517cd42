/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Encodings that 64-bit mode does not have, misuse of LOCK and of register forms: all #UD at the
   instruction, before any access. */
#include "desc.h"
#include "io.h"
#include "page.h"

struct bytes {
    u8 n, b[11];
};

static const struct bytes invalid[] = {
    {1, {0x06}},
    {1, {0x07}},
    {1, {0x0e}},
    {1, {0x16}},
    {1, {0x17}},
    {1, {0x1e}},
    {1, {0x1f}},
    {1, {0x27}},
    {1, {0x2f}},
    {1, {0x37}},
    {1, {0x3f}},
    {1, {0x60}},
    {1, {0x61}},
    {3, {0x82, 0xc0, 0x01}},
    {7, {0x9a, 0, 0, 0, 0, 8, 0}},
    {1, {0xce}},
    {2, {0xd4, 10}},
    {2, {0xd5, 10}},
    {1, {0xd6}},
    {7, {0xea, 0, 0, 0, 0, 8, 0}},
    {2, {0xf0, 0x90}},
    {3, {0xf0, 0x89, 0x00}},
    {3, {0xf0, 0x01, 0xc0}}, /* LOCK */
    {3, {0xf0, 0x39, 0x00}},
    {3, {0xf0, 0xa4, 0x90}},
    {3, {0xf0, 0xff, 0x30}},
    {2, {0x8d, 0xc0}}, /* LEA of a register */
    {2, {0x8e, 0xc8}},
    {2, {0x8e, 0xf0}},
    {2, {0x8c, 0xf0}}, /* segment registers 1, 6 */
    {2, {0xfe, 0xd0}},
    {2, {0xff, 0xf8}},
    {2, {0xff, 0xd8}},
    {2, {0xff, 0xe8}}, /* groups 4, 5 */
    {2, {0x8f, 0xc8}},
    {3, {0xc6, 0xc8, 0}},
    {6, {0xc7, 0xc8, 0, 0, 0, 0}}, /* groups 1A, 11 */
    {4, {0x0f, 0xba, 0xc0, 1}},
    {3, {0x0f, 0xc7, 0xc8}},
    {2, {0x0f, 0x04}},
    {2, {0x0f, 0x0a}},
    {3, {0x0f, 0x20, 0xc8}},
    {3, {0x0f, 0x20, 0xe8}},
    {3, {0x0f, 0x22, 0xc8}}, /* CR1, CR5 */
    {3, {0x0f, 0x00, 0xf0}},
    {2, {0x0f, 0x0b}},
    {3, {0x0f, 0xb9, 0xc0}},
    {3, {0x0f, 0xc3, 0xc0}},
    {3, {0x0f, 0xe7, 0xc0}},
    {3, {0x0f, 0xb2, 0xc0}},
    {3, {0x0f, 0x24, 0xc0}},
    {3, {0x0f, 0x26, 0xc0}}, /* test registers */
    {4, {0x66, 0x0f, 0x78, 0xc8}},
    {3, {0x0f, 0xa6, 0xc0}},
    {2, {0x0f, 0x36}},
};

static u8 code[4096] page_aligned;

GUEST("invalid")
{
    static u64 target;
    test("invalid encodings");
    set_cr4(get_cr4() | CR4_OSFXSR);
    for (unsigned i = 0; i < ARRAY_SIZE(invalid); i++) {
        memset(code, 0x90, sizeof(code));
        memcpy(code + 64, invalid[i].b, invalid[i].n);
        code[64 + invalid[i].n] = 0xcc;
        asm volatile("" : : : "memory");
        (void)TRAP(asm volatile("jmp *%0" : : "r"(code + 64), "a"(&target) : "memory"));
        check_eq(last_trap.vector, UD, "vector", (int)(1000 + i)); /* line: 1000 + the case */
        check_eq(last_trap.ip, (word)code + 64, "address", (int)(1000 + i));
    }
    CHECK_EQ(target, 0);
}
