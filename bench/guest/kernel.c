/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the kernel does for programs: system calls, faults, processes. All on one CPU, also where
 * there are more, because waking another CPU is a thing of its own.
 */
#define _GNU_SOURCE
#include "work.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE    4096
#define PAGES   256
#define MAPPED  (64 * 1024)
#define BATCH   64 /* system calls in one run, so that the loop around them weighs less */
#define CHILD   "--exit"
#define PROGRAM "./kernel" /* this one */

static int zero;
static int there[2], back[2];
static pid_t echo;

static void run_getppid(void)
{
    for (int i = 0; i < BATCH; i++)
        syscall(SYS_getppid);
}

static void open_zero(void)
{
    zero = open("/dev/zero", O_RDONLY);
    if (zero < 0)
        work_fail("/dev/zero");
}

static void close_zero(void)
{
    close(zero);
}

static void run_read(void)
{
    char byte;
    for (int i = 0; i < BATCH; i++)
        if (read(zero, &byte, 1) != 1)
            work_fail("read");
}

static char *map(size_t size)
{
    char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        work_fail("mmap");
    return p;
}

static void unmap(char *p, size_t size)
{
    if (munmap(p, size) != 0)
        work_fail("munmap");
}

static void run_fault(void)
{
    size_t size = PAGES * PAGE;
    char *p = map(size);
    if (madvise(p, size, MADV_NOHUGEPAGE) != 0)
        work_fail("madvise");
    for (size_t i = 0; i < size; i += PAGE)
        *(volatile char *)(p + i) = 1;
    unmap(p, size);
}

static void run_mmap(void)
{
    char *p = map(MAPPED);
    *(volatile char *)p = 1;
    unmap(p, MAPPED);
}

static void wait_for(pid_t child)
{
    int status;
    if (waitpid(child, &status, 0) != child || status != 0)
        work_fail("a child");
}

static void run_fork(void)
{
    pid_t child = fork();
    if (child < 0)
        work_fail("fork");
    if (child == 0)
        _exit(0);
    wait_for(child);
}

static void run_exec(void)
{
    pid_t child = fork();
    if (child < 0)
        work_fail("fork");
    if (child == 0) {
        execl(PROGRAM, PROGRAM, CHILD, (char *)NULL);
        _exit(127);
    }
    wait_for(child);
}

static _Noreturn void answer(void)
{
    char byte;
    close(there[1]);
    while (read(there[0], &byte, 1) == 1)
        if (write(back[1], &byte, 1) != 1)
            _exit(1);
    _exit(0);
}

static void start_echo(void)
{
    if (pipe(there) != 0 || pipe(back) != 0)
        work_fail("pipe");
    echo = fork();
    if (echo < 0)
        work_fail("fork");
    if (echo == 0)
        answer();
}

static void end_echo(void)
{
    close(there[1]);
    wait_for(echo);
    close(there[0]);
    close(back[0]);
    close(back[1]);
}

static void run_pipe(void)
{
    char byte = 1;
    if (write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1)
        work_fail("pipe");
}

int main(int argc, char **argv)
{
    static const struct work works[] = {
        {"getppid", run_getppid, BATCH, NULL, NULL},
        {"read", run_read, BATCH, open_zero, close_zero},
        {"fault", run_fault, PAGES, NULL, NULL},
        {"mmap", run_mmap, 1, NULL, NULL},
        {"fork", run_fork, 1, NULL, NULL},
        {"exec", run_exec, 1, NULL, NULL},
        {"pipe", run_pipe, 1, start_echo, end_echo},
    };
    if (argc > 1 && strcmp(argv[1], CHILD) == 0)
        return 0;
    work_pin();
    work_measure(works, COUNT_OF(works));
    return 0;
}
