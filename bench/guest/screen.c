/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A display that somebody watches: lines of the text console, then whole screens of 1024x768 in 32
 * bits, by the display adapter's memory and its VBE ports. "viewer" tells the host when to connect
 * its client, "begin" and "end" when to count what it gets.
 */
#define _GNU_SOURCE
#include "work.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/io.h>
#include <sys/mman.h>
#include <unistd.h>

#define WIDTH   1024
#define HEIGHT  768
#define SIZE    (WIDTH * HEIGHT * 4)
#define BATCH   25 /* lines in one run */
#define CONSOLE "/dev/tty0"
#define DISPLAY "/sys/bus/pci/devices/0000:00:02.0/resource0"

enum { VBE_INDEX = 0x1ce, VBE_DATA };
enum { XRES = 1, YRES, BPP, ENABLE };
#define ENABLED 1u
#define LFB     0x40u

static int console;
static uint64_t *screen;
static uint64_t colour;

static void open_console(void)
{
    console = open(CONSOLE, O_WRONLY);
    if (console < 0)
        work_fail(CONSOLE);
    puts("viewer");
    fflush(stdout);
    sleep(1);
}

static void run_lines(void)
{
    static const char line[] =
        "The quick brown fox jumps over the lazy dog, and 0123456789 digits\n";
    for (int i = 0; i < BATCH; i++)
        if (write(console, line, sizeof(line) - 1) != (ssize_t)sizeof(line) - 1)
            work_fail("write");
}

static void close_console(void)
{
    close(console);
}

static void set(uint16_t index, uint16_t value)
{
    outw(index, VBE_INDEX);
    outw(value, VBE_DATA);
}

static void open_screen(void)
{
    int fd = open(DISPLAY, O_RDWR);
    if (fd < 0)
        work_fail(DISPLAY);
    screen = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (screen == MAP_FAILED)
        work_fail("mmap " DISPLAY);
    if (iopl(3) != 0)
        work_fail("iopl");
    set(ENABLE, 0);
    set(XRES, WIDTH);
    set(YRES, HEIGHT);
    set(BPP, 32);
    set(ENABLE, ENABLED | LFB);
    puts("begin");
    fflush(stdout);
}

static void run_fill(void)
{
    colour += 0x0000010100000101;
    for (size_t i = 0; i < SIZE / sizeof(*screen); i++)
        *(volatile uint64_t *)&screen[i] = colour;
}

static void close_screen(void)
{
    puts("end");
    fflush(stdout);
    munmap(screen, SIZE);
}

static const struct work works[] = {
    {"lines", run_lines, BATCH, open_console, close_console},
    {"fill", run_fill, 1, open_screen, close_screen},
};

int main(void)
{
    work_measure(works, COUNT_OF(works));
    return 0;
}
