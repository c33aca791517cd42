/* SPDX-License-Identifier: GPL-2.0-or-later */
/* COM1, a small printf, and the account of checks. Everything is polled; interrupts stay off. */
#include "guest.h"
#include "io.h"

#include <stdarg.h>

#define COM1       0x3f8
#define DEBUG_EXIT 0xf4
#define MAX_SHOWN  40 /* failures: the rest is only counted */

static const char *current = "start";
static u32 checks, failures;
volatile word want_ip;

/* 115200 baud, 8 bits, FIFOs, no interrupts: a firmware may have left it any way. */
static void serial_init(void)
{
    static bool done;
    if (done)
        return;
    done = true;
    outb(COM1 + 3, 0x80);
    outb(COM1 + 0, 1);
    outb(COM1 + 1, 0);
    outb(COM1 + 3, 3);
    outb(COM1 + 1, 0);
    outb(COM1 + 2, 1);
    outb(COM1 + 4, 3);
}

void test(const char *name)
{
    serial_init();
    current = name;
}

void put_char(char ch)
{
    serial_init();
    for (u32 i = 0; i < 1000000 && !(inb(COM1 + 5) & 0x20); i++)
        pause_cpu();
    outb(COM1, (u8)ch);
}

static void put_string(const char *s)
{
    for (; *s; s++)
        put_char(*s);
}

static void put_hex(u64 v, unsigned width)
{
    unsigned digits = 1;
    while (digits < 16 && v >> (4 * digits))
        digits++;
    if (digits < width)
        digits = width;
    while (digits-- > 0)
        put_char("0123456789abcdef"[v >> (4 * digits) & 15]);
}

static void put_decimal(u32 v)
{
    char text[12];
    unsigned n = 0;
    do
        text[n++] = (char)('0' + v % 10);
    while (v /= 10);
    while (n > 0)
        put_char(text[--n]);
}

struct args { /* a va_list that can be passed on and advances on every ABI */
    va_list ap;
};

static const char *put_number(const char *f, struct args *a)
{
    unsigned width = 0, size = 0;
    for (; *f >= '0' && *f <= '9'; f++)
        width = width * 10 + (unsigned)(*f - '0');
    for (; *f == 'l'; f++)
        size++;
    u64 v = size == 2   ? va_arg(a->ap, u64)
            : size == 1 ? va_arg(a->ap, unsigned long)
                        : va_arg(a->ap, u32);
    if (*f == 'd' && (int)v < 0) {
        put_char('-');
        v = (u32)-v;
    }
    if (*f == 'x')
        put_hex(v, width);
    else
        put_decimal((u32)v);
    return f;
}

static void vprint(const char *f, struct args *a)
{
    for (; *f; f++) {
        if (*f == '\n')
            put_char('\r');
        if (*f != '%') {
            put_char(*f);
            continue;
        }
        f++;
        if (*f == 's')
            put_string(va_arg(a->ap, const char *));
        else if (*f == 'c')
            put_char((char)va_arg(a->ap, int));
        else if (*f == '%')
            put_char('%');
        else
            f = put_number(f, a);
    }
}

void print(const char *fmt, ...)
{
    struct args a;
    va_start(a.ap, fmt);
    vprint(fmt, &a);
    va_end(a.ap);
}

static _Noreturn void machine_exit(u8 code)
{
    for (;;) {
        outb(DEBUG_EXIT, code);
        asm volatile("cli; hlt");
    }
}

void guest_finish(void)
{
    if (failures > 0)
        print("FAIL %s: %u of %u checks\n", guest_name, failures, checks);
    else
        print("PASS %s: %u checks\n", guest_name, checks);
    machine_exit(failures > 0);
}

void guest_fatal(const char *fmt, ...)
{
    struct args a;
    print("FAIL %s: %s: ", guest_name, current);
    va_start(a.ap, fmt);
    vprint(fmt, &a);
    va_end(a.ap);
    print("\n");
    machine_exit(1);
}

void guest_ready(void)
{
    if (failures > 0)
        guest_finish();
    print("READY %s: %u checks\n", guest_name, checks);
}

static bool fail(int line)
{
    if (++failures <= MAX_SHOWN)
        print("FAIL %s: %s (line %d): ", guest_name, current, line);
    return failures <= MAX_SHOWN;
}

bool check_true(bool ok, const char *what, int line)
{
    checks++;
    if (!ok && fail(line))
        print("not true: %s\n", what);
    return ok;
}

bool check_eq(u64 got, u64 want, const char *what, int line)
{
    checks++;
    if (got != want && fail(line))
        print("%s: got %llx, want %llx\n", what, (unsigned long long)got, (unsigned long long)want);
    return got == want;
}

bool check_range(u64 got, u64 low, u64 high, const char *what, int line)
{
    bool ok = got >= low && got <= high;
    checks++;
    if (!ok && fail(line))
        print("%s: got %llx, want %llx to %llx\n", what, (unsigned long long)got,
              (unsigned long long)low, (unsigned long long)high);
    return ok;
}

bool check_trap(u32 vector, u32 error, const char *what, int line)
{
    struct excp e = last_trap;
    bool ok = e.vector == vector && (vector == NO_TRAP || e.error == error);
    checks++;
    if (ok || !fail(line))
        return ok;
    if (e.vector == NO_TRAP)
        print("no trap, want %u(%x): %s\n", vector, error, what);
    else if (vector == NO_TRAP)
        print("got trap %u(%x) at %lx, want none: %s\n", e.vector, e.error, (unsigned long)e.ip,
              what);
    else
        print("got trap %u(%x) at %lx, want %u(%x): %s\n", e.vector, e.error, (unsigned long)e.ip,
              vector, error, what);
    return ok;
}
