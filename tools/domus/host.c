/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Each probe does what an engine would do, and undoes it; nothing is left changed. */
#include "host.h"
#include "cpu/cpuid.h"

#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <linux/kvm.h>
#include <linux/memfd.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010u
#endif

static enum host_answer why_not(char *detail, size_t size, const char *what)
{
    snprintf(detail, size, "%s: %s", what, strerror(errno));
    return HOST_NO;
}

static enum host_answer ask_kvm(char *detail, size_t size)
{
    int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC), vm;

    if (fd < 0)
        return why_not(detail, size, "/dev/kvm");
    if (ioctl(fd, KVM_GET_API_VERSION, 0) != KVM_API_VERSION) {
        snprintf(detail, size, "/dev/kvm speaks another version of the interface");
        close(fd);
        return HOST_NO;
    }
    vm = ioctl(fd, KVM_CREATE_VM, 0);
    if (vm < 0) {
        why_not(detail, size, "KVM_CREATE_VM");
        close(fd);
        return HOST_NO;
    }
    close(vm);
    close(fd);
    snprintf(detail, size, "a virtual machine can be made");
    return HOST_YES;
}

static enum host_answer ask_pkeys(char *detail, size_t size)
{
    int key = pkey_alloc(0, 0);

    if (key < 0)
        return why_not(detail, size, "pkey_alloc");
    pkey_free(key);
    snprintf(detail, size, "pkey_alloc works");
    return HOST_YES;
}

/* The first line of a file of /proc or /sys, without its newline; "" if it cannot be read. */
static void read_line(const char *path, char *buf, size_t size)
{
    FILE *f = fopen(path, "re");

    buf[0] = '\0';
    if (!f)
        return;
    if (!fgets(buf, (int)size, f))
        buf[0] = '\0';
    buf[strcspn(buf, "\n")] = '\0';
    fclose(f);
}

/* The word in brackets of a /sys choice such as "always [madvise] never". */
static void read_choice(const char *path, char *buf, size_t size)
{
    char line[128], *open, *end;

    read_line(path, line, sizeof(line));
    open = strchr(line, '[');
    end = open ? strchr(open, ']') : NULL;
    if (end)
        *end = '\0';
    snprintf(buf, size, "%s", end ? open + 1 : "absent");
}

static enum host_answer ask_huge_pages(char *detail, size_t size)
{
    char anon[32], shmem[32], reserved[32];
    bool all, some;

    read_choice("/sys/kernel/mm/transparent_hugepage/enabled", anon, sizeof(anon));
    read_choice("/sys/kernel/mm/transparent_hugepage/shmem_enabled", shmem, sizeof(shmem));
    read_line("/proc/sys/vm/nr_hugepages", reserved, sizeof(reserved));
    snprintf(detail, size, "transparent: %s; for shared memory such as guest RAM: %s; reserved: %s",
             anon, shmem, reserved[0] ? reserved : "0");
    all = !strcmp(shmem, "always") || !strcmp(shmem, "advise") || !strcmp(shmem, "within_size") ||
          !strcmp(shmem, "force");
    some = !strcmp(anon, "always") || !strcmp(anon, "madvise") || atoi(reserved) > 0;
    return all ? HOST_YES : some ? HOST_PARTLY : HOST_NO;
}

static enum host_answer ask_io_uring(char *detail, size_t size)
{
    struct io_uring_params params = {0};
    long fd = syscall(SYS_io_uring_setup, 4, &params);

    if (fd < 0)
        return why_not(detail, size, "io_uring_setup");
    close((int)fd);
    snprintf(detail, size, "features %xh", params.features);
    return HOST_YES;
}

static enum host_answer ask_user_namespaces(char *detail, size_t size)
{
    pid_t child = fork();
    int status;

    if (child < 0)
        return why_not(detail, size, "fork");
    if (!child)
        _exit(unshare(CLONE_NEWUSER) < 0 ? errno & 0x7f : 0);
    if (waitpid(child, &status, 0) < 0)
        return why_not(detail, size, "waitpid");
    errno = WIFEXITED(status) ? WEXITSTATUS(status) : EPERM;
    if (errno)
        return why_not(detail, size, "unshare(CLONE_NEWUSER)");
    snprintf(detail, size, "one can be made%s", geteuid() ? "" : " (asked as root)");
    return HOST_YES;
}

static enum host_answer ask_memfd_exec(char *detail, size_t size)
{
    int fd = memfd_create("domus-doctor", MFD_CLOEXEC | MFD_EXEC);
    void *p;

    if (fd < 0 && errno == EINVAL) /* before Linux 6.3: always executable */
        fd = memfd_create("domus-doctor", MFD_CLOEXEC);
    if (fd < 0)
        return why_not(detail, size, "memfd_create");
    p = ftruncate(fd, PAGE_SIZE) < 0
            ? MAP_FAILED
            : mmap(NULL, PAGE_SIZE, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
    close(fd);
    if (p == MAP_FAILED)
        return why_not(detail, size, "mapping a memfd executable");
    munmap(p, PAGE_SIZE);
    snprintf(detail, size, "a memfd can be mapped executable");
    return HOST_YES;
}

/* The state components that the kernel switches (XCR0), 0 without XSAVE. */
static u64 host_xcr0(u32 leaf1_ecx)
{
    u32 eax, edx;

    if (!(leaf1_ecx & bit_OSXSAVE))
        return 0;
    __asm__("xgetbv" : "=a"(eax), "=d"(edx) : "c"(0));
    return (u64)edx << 32 | eax;
}

/* The psABI level of the host's CPU, 1 to 4. */
static unsigned host_level(void)
{
    const u32 v2_1c = bit_SSE3 | bit_SSSE3 | bit_CMPXCHG16B | bit_SSE4_1 | bit_SSE4_2 | bit_POPCNT;
    const u32 v3_1c = bit_FMA | bit_MOVBE | bit_OSXSAVE | bit_AVX | bit_F16C;
    const u32 v3_7b = bit_BMI | bit_AVX2 | bit_BMI2;
    const u32 v4_7b = bit_AVX512F | bit_AVX512DQ | bit_AVX512CD | bit_AVX512BW | bit_AVX512VL;
    u32 a, b, c1 = 0, d, b7 = 0, c7, cx = 0;
    u64 xcr0;

    __get_cpuid(1, &a, &b, &c1, &d);
    __get_cpuid_count(7, 0, &a, &b7, &c7, &d);
    __get_cpuid(0x80000001, &a, &b, &cx, &d);
    xcr0 = host_xcr0(c1);
    if ((c1 & v2_1c) != v2_1c || !(cx & bit_LAHF_LM))
        return 1;
    if ((c1 & v3_1c) != v3_1c || (b7 & v3_7b) != v3_7b || !(cx & bit_LZCNT) || (xcr0 & 6) != 6)
        return 2;
    return (b7 & v4_7b) == v4_7b && (xcr0 & 0xe6) == 0xe6 ? 4 : 3;
}

static enum host_answer ask_cpu(char *detail, size_t size)
{
    struct cpu_model model;
    struct err err;
    const char *name;
    size_t len;

    snprintf(detail, size, "x86-64-v%u; models that guests can have:", host_level());
    for (size_t i = 0; (name = cpu_model_name(i)); i++) {
        len = strlen(detail);
        if (!cpu_model_parse(&model, name, &err))
            snprintf(detail + len, size - len, " %s", name);
    }
    return host_level() >= 3 ? HOST_YES : HOST_PARTLY;
}

static const struct host_probe probes[] = {
    {"cpu", "CPU",
     "the vector units execute the guests' vector instructions, so a guest can have "
     "no more than the host",
     ask_cpu},
    {"kvm", "KVM", "not used yet: guests run by translation", ask_kvm},
    {"protection_keys", "protection keys", "not used yet; meant for the translator", ask_pkeys},
    {"memfd_exec", "executable memfd", "code of the translator, in two views", ask_memfd_exec},
    {"huge_pages", "huge pages",
     "guest RAM is shared memory: the host uses them for it where the "
     "setting for shared memory says always",
     ask_huge_pages},
    {"io_uring", "io_uring", "not used yet; meant for disks", ask_io_uring},
    {"user_namespaces", "user namespaces", "not used yet; meant for confining the process",
     ask_user_namespaces},
};

const struct host_probe *host_probe(size_t n)
{
    return n < ARRAY_SIZE(probes) ? &probes[n] : NULL;
}
