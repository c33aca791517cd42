/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fw_cfg (the interface of ports 510h and 511h, and its DMA at 514h): signature, file directory,
   memory size, CPUs. Run with two CPUs and 64 MiB. */
#include "desc.h"
#include "io.h"

static void select(u16 item)
{
    outw(0x510, item);
}

static u8 next(void)
{
    return inb(0x511);
}

static u64 read_le(unsigned bytes)
{
    u64 v = 0;
    for (unsigned i = 0; i < bytes; i++)
        v |= (u64)next() << (8 * i);
    return v;
}

static u32 read_be32(void)
{
    u32 v = 0;
    for (int i = 0; i < 4; i++)
        v = v << 8 | next();
    return v;
}

static void items(void)
{
    test("items");
    select(0);
    CHECK_EQ(read_le(4), 0x554d4551); /* the signature, four letters */
    CHECK_EQ(next(), 0);              /* past the end */
    select(1);
    CHECK_EQ(read_le(4) & 1, 1); /* the traditional interface */
    select(3);
    CHECK_EQ(read_le(8), 64ull << 20);
    select(5);
    CHECK_EQ(read_le(2), 2);
    select(0x3fff); /* nobody's */
    CHECK_EQ(read_le(4), 0);
}

static void directory(void)
{
    test("directory");
    select(0x19);
    u32 n = read_be32();
    CHECK_IN(n, 0, 1000);
    for (u32 i = 0; i < n && i < 1000; i++) {
        u32 size = read_be32();
        u16 key = (u16)(next() << 8 | next());
        (void)read_le(2);
        bool ended = false;
        for (int c = 0; c < 56; c++)
            ended = next() == 0 || ended;
        CHECK(size < 0x4000000);
        CHECK(key >= 0x20);
        CHECK(ended);
    }
}

static struct {
    u32 control, length;
    u64 address;
} __attribute__((packed)) dma __attribute__((aligned(16)));

static void by_dma(void)
{
    test("DMA");
    select(1);
    if (!(read_le(4) & 2))
        return;
    static u8 text[8] = {[4] = 0x77};
    dma.control = __builtin_bswap32(0 << 16 | 8 | 2); /* select item 0, read */
    dma.length = __builtin_bswap32(4);
    dma.address = __builtin_bswap64((word)text);
    CHECK_EQ(inl(0x514), 0x554d4551); /* reading the address says who it is: QEMU CFG */
    outl(0x514, 0);
    outl(0x518, __builtin_bswap32((u32)(word)&dma));
    for (u32 i = 0; i < 1000000 && (get32(&dma.control) & ~__builtin_bswap32(1)); i++)
        pause_cpu();
    CHECK_EQ(get32(&dma.control), 0);
    CHECK_EQ(get32(text), 0x554d4551);
    CHECK_EQ(text[4], 0x77);
}

GUEST("fwcfg")
{
    items();
    directory();
    by_dma();
}
