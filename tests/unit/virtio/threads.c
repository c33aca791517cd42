/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Devices with a lock of their own: a CPU notifies, and threads serve and complete, while another
   CPU, under the machine's lock, does what it likes with the device. For TSan too. */
#include "../dev/memdisk.h"
#include "../test.h"
#include "driver.h"
#include "virtio/blk.h"
#include "virtio/net.h"

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

static bool used(u16 queue, u16 *id, u32 *len)
{
    bool is;

    pthread_mutex_lock(&own);
    is = drv_used(&d, queue, id, len);
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
        for (drv_kick(&d, 0); !used(0, &id, &len); drv_kick(&d, 0))
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
    CHECK(used(0, &id, &len));
    CHECK(!drv_line(&d));
    lock();
    clock_advance(d.p.rig.clk, 1);
    CHECK(drv_line(&d));
    CHECK_EQ(drv_isr(&d), 1);
    CHECK(!drv_line(&d));
    unlock();
    close_all();
}

static struct net_end peer;
static unsigned frames, wrong;

/* Refuses every third. */
static bool take_frame(void *opaque, const u8 *frame, size_t len)
{
    static unsigned calls; /* own */

    if (++calls % 3 == 0)
        return false;
    wrong += len != 64 || frame[60] != (u8)frames;
    frames++;
    return true;
}

static const struct net_ops peer_ops = {.receive = take_frame};

static void *cpu_that_sends(void *opaque)
{
    for (unsigned n = 0; n < REQUESTS; n++) {
        struct drv_seg s[] = {{DRV_DATA, 12, false}, {BUFFER, 64, false}};
        u16 id = 0;
        u32 len = 0;
        pthread_mutex_lock(&own);
        *drv_ram(&d, BUFFER + 60) = (u8)n;
        drv_add(&d, 1, s, 2);
        pthread_mutex_unlock(&own);
        drv_kick(&d, 1);
        while (!used(1, &id, &len))
            sched_yield();
    }
    atomic_store(&stop_cpu, true);
    return NULL;
}

static void packets_wait_for_the_cable_and_the_machine(void)
{
    u8 mac[] = {0x52, 0x54, 0, 0x12, 0x34, 0x56};
    struct virtio_net_config cfg = {.lock = &own};
    struct virtio_net *net;
    pthread_t cpu;

    memcpy(cfg.mac, mac, 6);
    atomic_store(&stop_cpu, false);
    drv_open(&d);
    BUG_ON(virtio_net_new(&net, d.p.mem, d.p.rig.clk, &cfg));
    drv_attach(&d, virtio_net_dev(net), false);
    net_end_init(&peer, &peer_ops, NULL);
    CHECK(drv_negotiate(&d, DRV_ALL));
    drv_add_queue(&d, 1, QUEUE);
    drv_start(&d);
    pthread_mutex_lock(&own);
    net_plug(virtio_net_end(net), &peer);
    pthread_mutex_unlock(&own);
    unlock();
    pthread_create(&cpu, NULL, cpu_that_sends, NULL);
    for (bool held = false; !atomic_load(&stop_cpu); held = !held) {
        lock();
        pthread_mutex_lock(&own);
        net_hold(&peer, held);
        net_ready(&peer);
        pthread_mutex_unlock(&own);
        unlock();
    }
    pthread_join(cpu, NULL);
    CHECK_EQ(frames, REQUESTS);
    CHECK_EQ(wrong, 0);
    lock();
    drv_detach(&d);
    virtio_net_free(net);
    drv_close(&d);
}

int main(void)
{
    TEST_RUN(a_wire_is_driven_by_the_clock);
    TEST_RUN(registers_move_while_a_cpu_notifies);
    TEST_RUN(resets_while_a_cpu_notifies);
    TEST_RUN(packets_wait_for_the_cable_and_the_machine);
    return test_result();
}
