/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads of disks past the guest's page cache. The disks are told by their size. */
#define _GNU_SOURCE
#include "work.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define MIB   (1024 * 1024)
#define SMALL 4096
#define BATCH 32 /* small reads in one run */
#define DISKS 8

static int disk = -1;
static uint64_t size, at;
static uint32_t where = 1;
static void *buffer;

/* Drivers find their disks a moment after they are loaded. */
static void open_disk(uint64_t wanted)
{
    for (int tries = 0; tries < 100; tries++) {
        for (int n = 0; n < DISKS; n++) {
            char name[16];
            snprintf(name, sizeof(name), "/dev/sd%c", 'a' + n);
            disk = open(name, O_RDONLY | O_DIRECT);
            if (disk >= 0 && ioctl(disk, BLKGETSIZE64, &size) == 0 && size == wanted)
                return;
            if (disk >= 0)
                close(disk);
        }
        usleep(100000);
    }
    errno = ENODEV;
    work_fail("disk");
}

static void open_ide(void)
{
    open_disk(64ull * MIB);
}

static void open_ahci(void)
{
    open_disk(80ull * MIB);
}

static void close_disk(void)
{
    close(disk);
}

static void read_at(uint64_t offset, size_t length)
{
    if (pread(disk, buffer, length, (off_t)offset) != (ssize_t)length)
        work_fail("pread");
}

static void run_sequential(void)
{
    read_at(at, MIB);
    at = (at + MIB) % size;
}

static void run_random(void)
{
    for (int i = 0; i < BATCH; i++) {
        where = work_next(where);
        read_at((uint64_t)(where >> 8) % (size / SMALL) * SMALL, SMALL);
    }
}

static const struct work works[] = {
    {"ide-sequential", run_sequential, 1, open_ide, close_disk},
    {"ide-random", run_random, BATCH, open_ide, close_disk},
    {"ahci-sequential", run_sequential, 1, open_ahci, close_disk},
    {"ahci-random", run_random, BATCH, open_ahci, close_disk},
};

int main(void)
{
    if (posix_memalign(&buffer, SMALL, MIB) != 0)
        work_fail("posix_memalign");
    work_measure(works, COUNT_OF(works));
    return 0;
}
