/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "dev/fwcfg.h"
#include "../test.h"
#include "base/le.h"
#include "rig.h"

#include <endian.h>
#include <errno.h>

static struct rig rig;
static struct mem *mem;
static struct fwcfg *f;

static void open_fwcfg(void)
{
    struct err err;

    rig_open(&rig);
    if (mem_new(&mem, 16 * MiB, &rig.mmio, &err) || fwcfg_new(&f, &rig.pio, mem))
        exit(1);
}

static void close_fwcfg(void)
{
    fwcfg_free(f);
    mem_free(mem);
    rig_close(&rig);
}

static void select_key(u16 key)
{
    bus_write(&rig.pio, 0x510, 2, key);
}

static u64 take(unsigned n)
{
    u64 val = 0;

    for (unsigned i = 0; i < n; i++)
        val |= (u64)in8(&rig, 0x511) << 8 * i;
    return val;
}

static u32 dma(u32 control, u32 length, u64 addr)
{
    u8 desc[16];

    put_le32(desc, htobe32(control));
    put_le32(desc + 4, htobe32(length));
    put_le64(desc + 8, htobe64(addr));
    CHECK_EQ(mem_write(mem, 0x1000, desc, sizeof(desc)), 0);
    bus_write(&rig.pio, 0x518, 4, htobe32(0x1000));
    CHECK_EQ(mem_read(mem, 0x1000, desc, sizeof(desc)), 0);
    return be32toh(le32(desc));
}

static void has_a_signature(void)
{
    open_fwcfg();
    CHECK_EQ(take(4), le32("QEMU")); /* selected at reset */
    CHECK_EQ(take(2), 0);
    select_key(FWCFG_ID);
    CHECK_EQ(take(4), 3);
    CHECK_EQ(bus_read(&rig.pio, 0x514, 4), le32("QEMU"));
    CHECK_EQ(bus_read(&rig.pio, 0x518, 4), le32(" CFG"));
    CHECK_EQ(bus_read(&rig.pio, 0x510, 2), 0xffff);
    close_fwcfg();
}

static void has_no_dma_without_memory(void)
{
    struct fwcfg *plain = NULL;

    rig_open(&rig);
    CHECK_EQ(fwcfg_new(&plain, &rig.pio, NULL), 0);
    select_key(FWCFG_ID);
    CHECK_EQ(take(4), 1);
    CHECK_EQ(bus_read(&rig.pio, 0x514, 4), 0xffffffff);
    fwcfg_free(plain);
    rig_close(&rig);
}

static void gives_items(void)
{
    u8 blob[3] = {1, 2, 3};

    open_fwcfg();
    CHECK_EQ(fwcfg_add_bytes(f, 0x8003, blob, sizeof(blob)), 0);
    CHECK_EQ(fwcfg_add_i16(f, FWCFG_NB_CPUS, 4), 0);
    CHECK_EQ(fwcfg_add_i64(f, FWCFG_RAM_SIZE, 16 * MiB), 0);
    CHECK_EQ(fwcfg_add_i32(f, 0x06, 7), 0);
    CHECK_EQ(fwcfg_add_i32(f, 0x06, 7), -EEXIST);
    CHECK_EQ(fwcfg_add_i32(f, FWCFG_FILE_DIR, 7), -EEXIST);
    CHECK_EQ(fwcfg_add_i32(f, 0x4006, 7), -EINVAL);
    select_key(0x8003);
    blob[0] = 9; /* it kept a copy */
    CHECK_EQ(take(4), 0x030201);
    select_key(0x4000 | FWCFG_RAM_SIZE);
    CHECK_EQ(take(8), 16 * MiB);
    select_key(0x7fff); /* none */
    CHECK_EQ(take(4), 0);
    out8(&rig, 0x511, 0xff);
    close_fwcfg();
}

static void lists_files(void)
{
    char name[FWCFG_NAME_MAX + 2];
    char buf[64];
    int rc = 0;

    open_fwcfg();
    CHECK_EQ(fwcfg_add_file(f, "etc/one", "1", 1), 0);
    CHECK_EQ(fwcfg_add_file(f, "etc/two", "22", 2), 0);
    CHECK_EQ(fwcfg_add_file(f, "etc/two", "22", 2), -EEXIST);
    memset(name, 'x', sizeof(name));
    name[FWCFG_NAME_MAX + 1] = 0;
    CHECK_EQ(fwcfg_add_file(f, name, "", 0), -ENAMETOOLONG);
    name[FWCFG_NAME_MAX] = 0;
    CHECK_EQ(fwcfg_add_file(f, name, "", 0), 0);
    select_key(FWCFG_FILE_DIR);
    CHECK_EQ(be32toh((u32)take(4)), 3);
    for (unsigned i = 0; i < 8; i++)
        take(8);
    CHECK_EQ(be32toh((u32)take(4)), 2);
    CHECK_EQ(be16toh((u16)take(2)), FWCFG_FILE_FIRST + 1);
    CHECK_EQ(take(2), 0);
    for (unsigned i = 0; i < 56; i++)
        buf[i] = (char)take(1);
    CHECK(!strcmp(buf, "etc/two"));
    select_key(FWCFG_FILE_FIRST + 1);
    CHECK_EQ(take(3), 0x3232);
    for (unsigned i = 0; !rc && i < 1000; i++) {
        snprintf(name, sizeof(name), "opt/%u", i);
        rc = fwcfg_add_file(f, name, "", 0);
    }
    CHECK_EQ(rc, -ENOSPC);
    close_fwcfg();
}

static void reads_by_dma(void)
{
    u8 buf[8];

    open_fwcfg();
    CHECK_EQ(fwcfg_add_file(f, "opt/x", "abcdef", 6), 0);
    CHECK_EQ(mem_fill(mem, 0x2000, 0xff, 16), 0);
    CHECK_EQ(dma(FWCFG_FILE_FIRST << 16 | 8 | 2, 4, 0x2000), 0); /* select and read */
    CHECK_EQ(dma(4, 1, 0), 0);                                   /* skip */
    CHECK_EQ(dma(2, 3, 0x2004), 0);                              /* and read past the end */
    CHECK_EQ(mem_read(mem, 0x2000, buf, 8), 0);
    CHECK(!memcmp(buf, "abcdf\0\0\xff", 8));
    CHECK_EQ(dma(2, 4, 16 * MiB - 2), 1); /* not all RAM: error */
    CHECK_EQ(dma(2, 0xffffffff, 0), 1);
    CHECK_EQ(dma(16, 1, 0x2000), 1); /* read-only */
    CHECK_EQ(dma(0, 0, 0), 0);
    bus_write(&rig.pio, 0x514, 8, htobe64(0xfffffffffffff000)); /* no descriptor there */
    bus_write(&rig.pio, 0x514, 2, 1);
    close_fwcfg();
}

int main(void)
{
    TEST_RUN(has_a_signature);
    TEST_RUN(has_no_dma_without_memory);
    TEST_RUN(gives_items);
    TEST_RUN(lists_files);
    TEST_RUN(reads_by_dma);
    return test_result();
}
