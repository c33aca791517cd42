/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The /init of the benchmark's initial RAM disk. It prints "booted NANOSECONDS CPUS", the time
 * since the kernel started its clock; loads what /modules/order lists; runs the programs of /bench
 * that the environment names in "programs", which comes from the kernel's command line; prints
 * "failed …" of those that do; at the end prints "ended NANOSECONDS", and powers off.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void fail(const char *what)
{
    printf("failed %s: %m\n", what);
    fflush(stdout);
    reboot(RB_POWER_OFF);
}

static unsigned long long now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_BOOTTIME, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void report_boot(void)
{
    unsigned long long booted = now();
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof(set), &set) != 0)
        fail("sched_getaffinity");
    printf("booted %llu %d\n", booted, CPU_COUNT(&set));
    fflush(stdout);
}

static void run(const char *program)
{
    int status;
    pid_t child = fork();
    if (child < 0)
        fail("fork");
    if (child == 0) {
        execl(program, program, (char *)NULL);
        _exit(127);
    }
    if (waitpid(child, &status, 0) != child)
        fail("waitpid");
    if (status != 0)
        printf("failed %s: wait status %#x\n", program, (unsigned)status);
    fflush(stdout);
}

/* The kernel of the parts with devices has its drivers in modules. That a machine lacks the device
   of one of them is nothing wrong. */
static void load_modules(void)
{
    char name[128];
    FILE *order = fopen("/modules/order", "r");
    while (order && fscanf(order, "%127s", name) == 1) {
        int fd;
        if (chdir("/modules") != 0 || (fd = open(name, O_RDONLY | O_CLOEXEC)) < 0)
            fail(name);
        if (syscall(SYS_finit_module, fd, "", 0) != 0 && errno != ENODEV)
            printf("failed %s: %m\n", name);
        close(fd);
    }
    if (order)
        fclose(order);
}

static void run_all(char *programs)
{
    setenv("PATH", "/usr/bin:/bin", 1);
    mkdir("/sys", 0755);
    if (mount("dev", "/dev", "devtmpfs", 0, NULL) != 0 ||
        mount("sys", "/sys", "sysfs", 0, NULL) != 0)
        fail("mount /dev or /sys");
    load_modules();
    if (chdir("/bench") != 0)
        fail("chdir /bench");
    for (char *name = strtok(programs, ","); name; name = strtok(NULL, ","))
        run(name);
}

int main(void)
{
    char *programs = getenv("programs");
    report_boot();
    if (programs)
        run_all(programs);
    printf("ended %llu\n", now());
    fflush(stdout);
    reboot(RB_POWER_OFF);
    return 0;
}
