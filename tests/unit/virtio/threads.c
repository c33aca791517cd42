/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A disk with a lock of its own: a CPU notifies and threads complete while another, under the
   machine's lock, does what it likes with the device. For TSan too. */
#include "../dev/memdisk.h"
#include "../test.h"
#include "driver.h"
#include "virtio/blk.h"

#include <sched.h>
#include <unistd.h>

#define SECTORS  2048u
#define QUEUE    64u
#define REQUESTS 300u
#define BUFFERS  (QUEUE / 4) /* of three descriptors */
#define BUFFER   (DRV_DATA + 0x10000)

static struct drv d;
static pthread_mutex_t own = PTHREAD_MUTEX_INITIALIZER;
static struct memdisk *disk;
static struct block *blk;
static struct virtio_blk *b;
static atomic_bool stop_cpu;

static void lock(void)
{
    pthread_mutex_lock(&d.p.rig.lock);
}

static void unlock(void)
{
    pthread_mutex_unlock(&d.p.rig.lock);
    usleep(10); /* for the other to get it */
}

static void begin(void)
{
    CHECK(drv_negotiate(&d, DRV_ALL | BIT64(9)));
    drv_add_queue(&d, 0, QUEUE);
    drv_start(&d);
}

static void open_all(void)
{
    struct virtio_blk_config cfg = {.lock = &own, .queues = 1};

    atomic_store(&stop_cpu, false);
    drv_open(&d);
    disk = memdisk_new(SECTORS * 512, false);
    BUG_ON(block_new(&blk, &disk->node, 4, &own));
    cfg.block = blk;
    BUG_ON(virtio_blk_new(&b, d.p.mem, d.p.rig.clk, &cfg));
    drv_attach(&d, virtio_blk_dev(b), false);
    begin();
    unlock();
}

static void close_all(void)
{
    block_close(blk);
    lock();
    drv_detach(&d);
    virtio_blk_free(b);
    drv_close(&d);
}

/* Makes a read of sector n available, in the n-th place of headers, buffers and status. The lock is
   for TSan, which does not see how a ring orders what the two sides do. */
static void add_read(unsigned n, u64 sector)
{
    u32 header = DRV_DATA + 32 * n, at = BUFFER + 512 * n;
    struct drv_seg s[] = {{header, 16, false}, {at, 512, true}, {header + 16, 1, true}};

    pthread_mutex_lock(&own);
    memset(drv_ram(&d, header), 0, 16);
    put_le64(drv_ram(&d, header) + 8, sector);
    *drv_ram(&d, header + 16) = 0xaa;
    drv_add(&d, 0, s, 3);
    pthread_mutex_unlock(&own);
}

static bool used(u16 *id, u32 *len)
{
    bool is;

    pthread_mutex_lock(&own);
    is = drv_used(&d, 0, id, len);
    pthread_mutex_unlock(&own);
    return is;
}

/* Notifies again and again: notifications are lost while the registers are elsewhere. */
static void *cpu_that_waits(void *opaque)
{
    for (unsigned n = 0; n < REQUESTS; n++) {
        u16 id = 0;
        u32 len = 0, sector = n % SECTORS;
        add_read(0, sector);
        for (drv_kick(&d, 0); !used(&id, &len); drv_kick(&d, 0))
            sched_yield();
        CHECK_EQ(len, 513);
        CHECK_EQ(*drv_ram(&d, DRV_DATA + 16), 0);
        CHECK_EQ(le32(drv_ram(&d, BUFFER)), sector);
    }
    atomic_store(&stop_cpu, true);
    return NULL;
}

static void set_command(u32 val)
{
    pci_config_write(d.p.pci, DRV_DEVFN, PCI_COMMAND, 2, val);
}

static void registers_move_while_a_cpu_notifies(void)
{
    u32 on = PCI_COMMAND_IO | PCI_COMMAND_MEM | PCI_COMMAND_BME;
    pthread_t cpu;

    open_all();
    pthread_create(&cpu, NULL, cpu_that_waits, NULL);
    while (!atomic_load(&stop_cpu)) {
        lock();
        pci_config_write(d.p.pci, DRV_DEVFN, PCI_BAR0 + 16, 4, DRV_BAR + 0x20000);
        unlock();
        lock();
        pci_config_write(d.p.pci, DRV_DEVFN, PCI_BAR0 + 16, 4, DRV_BAR);
        set_command(on & ~PCI_COMMAND_BME);
        CHECK_EQ(drv_get(&d, 0x2000, 4), SECTORS);
        unlock();
        lock();
        set_command(on);
        mem_map_legacy(d.p.mem, 0xc0000, MEM_NORMAL, 0, MEM_NO_PAGE);
        mem_map_changed(d.p.mem);
        drv_isr(&d);
        unlock();
    }
    pthread_join(cpu, NULL);
    close_all();
}

static void *cpu_that_notifies(void *opaque)
{
    while (!atomic_load(&stop_cpu))
        drv_kick(&d, 0);
    return NULL;
}

/* What was under way has reached memory when the reset is over, or never will. */
static void resets_while_a_cpu_notifies(void)
{
    pthread_t cpu;

    open_all();
    pthread_create(&cpu, NULL, cpu_that_notifies, NULL);
    for (unsigned round = 0; round < 100; round++) {
        lock();
        for (unsigned n = 0; n < BUFFERS; n++)
            add_read(n, 5);
        unlock();
        lock();
        if (round & 1)
            virtio_pci_reset(d.pci);
        else
            drv_set_status(&d, 0);
        memset(drv_ram(&d, BUFFER), 0x77, 512 * BUFFERS);
        unlock();
        lock();
        for (unsigned n = 0; n < 512 * BUFFERS; n++)
            if (*drv_ram(&d, BUFFER + n) != 0x77)
                CHECK_EQ(n, 512 * BUFFERS);
        if (round & 1) {
            pci_config_write(d.p.pci, DRV_DEVFN, PCI_BAR0 + 16, 4, DRV_BAR);
            set_command(PCI_COMMAND_IO | PCI_COMMAND_MEM | PCI_COMMAND_BME);
        }
        begin();
        unlock();
    }
    atomic_store(&stop_cpu, true);
    pthread_join(cpu, NULL);
    close_all();
}

/* INTx needs the machine's lock, which the thread that completes has not got. */
static void a_wire_is_driven_by_the_clock(void)
{
    u16 id = 0;
    u32 len = 0;

    open_all();
    add_read(0, 5);
    drv_kick(&d, 0);
    pthread_mutex_lock(&own);
    block_drain(blk);
    pthread_mutex_unlock(&own);
    CHECK(used(&id, &len));
    CHECK(!drv_line(&d));
    lock();
    clock_advance(d.p.rig.clk, 1);
    CHECK(drv_line(&d));
    CHECK_EQ(drv_isr(&d), 1);
    CHECK(!drv_line(&d));
    unlock();
    close_all();
}

int main(void)
{
    TEST_RUN(a_wire_is_driven_by_the_clock);
    TEST_RUN(registers_move_while_a_cpu_notifies);
    TEST_RUN(resets_while_a_cpu_notifies);
    return test_result();
}
