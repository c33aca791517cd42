/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads and writes of disks past the guest's page cache, one at a time or DEEP at once. The disks
   are told by their size. */
#define _GNU_SOURCE
#include "work.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MIB   (1024 * 1024)
#define SMALL 4096
#define BATCH 32 /* small reads in one run */
#define DISKS 8
#define DEEP  32 /* requests at once */

static int disk = -1;
static uint64_t size, at;
static uint32_t where = 1;
static char *buffer;
static aio_context_t aio;

/* Drivers find their disks a moment after they are loaded. */
static void open_disk(uint64_t wanted)
{
    for (int tries = 0; tries < 100; tries++) {
        for (int n = 0; n < 2 * DISKS; n++) {
            char name[16];
            snprintf(name, sizeof(name), "/dev/%cd%c", n < DISKS ? 's' : 'v', 'a' + n % DISKS);
            disk = open(name, O_RDWR | O_DIRECT);
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

static void open_virtio(void)
{
    open_disk(96ull * MIB);
}

static void open_qcow2(void)
{
    open_disk(112ull * MIB);
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

static uint64_t somewhere(void)
{
    where = work_next(where);
    return (uint64_t)(where >> 8) % (size / SMALL) * SMALL;
}

static void run_random(void)
{
    for (int i = 0; i < BATCH; i++)
        read_at(somewhere(), SMALL);
}

static void run_write(void)
{
    for (int i = 0; i < BATCH; i++)
        if (pwrite(disk, buffer, SMALL, (off_t)somewhere()) != SMALL)
            work_fail("pwrite");
}

static void submit(unsigned i, uint16_t opcode)
{
    struct iocb request = {.aio_data = i,
                           .aio_lio_opcode = opcode,
                           .aio_fildes = (uint32_t)disk,
                           .aio_buf = (uintptr_t)buffer + (uint64_t)i * SMALL,
                           .aio_nbytes = SMALL,
                           .aio_offset = (int64_t)somewhere()};
    struct iocb *list[] = {&request};
    if (syscall(SYS_io_submit, aio, 1L, list) != 1)
        work_fail("io_submit");
}

/* DEEP requests are under way until the last BATCH have been submitted. */
static void run_deep(uint16_t opcode)
{
    struct io_event event[DEEP];
    if (!aio && syscall(SYS_io_setup, DEEP, &aio) != 0)
        work_fail("io_setup");
    for (unsigned i = 0; i < DEEP; i++)
        submit(i, opcode);
    for (unsigned done = 0, submitted = DEEP; done < DEEP * BATCH;) {
        long n = syscall(SYS_io_getevents, aio, 1L, (long)DEEP, event, NULL);
        if (n < 1)
            work_fail("io_getevents");
        for (long i = 0; i < n; i++, done++) {
            if (event[i].res != SMALL)
                work_fail("a request");
            if (submitted++ < DEEP * BATCH)
                submit((unsigned)event[i].data, opcode);
        }
    }
}

static void run_deep_reads(void)
{
    run_deep(IOCB_CMD_PREAD);
}

static void run_deep_writes(void)
{
    run_deep(IOCB_CMD_PWRITE);
}

static const struct work works[] = {
    {"ide-sequential", run_sequential, 1, open_ide, close_disk},
    {"ide-random", run_random, BATCH, open_ide, close_disk},
    {"ahci-sequential", run_sequential, 1, open_ahci, close_disk},
    {"ahci-random", run_random, BATCH, open_ahci, close_disk},
    {"virtio-sequential", run_sequential, 1, open_virtio, close_disk},
    {"virtio-random", run_random, BATCH, open_virtio, close_disk},
    {"virtio-random-32", run_deep_reads, DEEP *BATCH, open_virtio, close_disk},
    {"virtio-write", run_write, BATCH, open_virtio, close_disk},
    {"virtio-write-32", run_deep_writes, DEEP *BATCH, open_virtio, close_disk},
    {"qcow2-sequential", run_sequential, 1, open_qcow2, close_disk},
    {"qcow2-random", run_random, BATCH, open_qcow2, close_disk},
    {"qcow2-random-32", run_deep_reads, DEEP *BATCH, open_qcow2, close_disk},
    {"qcow2-write", run_write, BATCH, open_qcow2, close_disk},
    {"qcow2-write-32", run_deep_writes, DEEP *BATCH, open_qcow2, close_disk},
};

int main(void)
{
    buffer = aligned_alloc(SMALL, MIB);
    if (!buffer)
        work_fail("aligned_alloc");
    work_measure(works, COUNT_OF(works));
    return 0;
}
