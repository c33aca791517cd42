/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "dev/ac97.h"
#include "../test.h"
#include "base/le.h"
#include "rig.h"

#include <errno.h>

#define DEVFN PCI_DEVFN(4, 0)
#define NAM   0xd000u
#define BM    0xd200u
#define PO    (BM + 0x10)
#define RING  0x1000u
#define DATA  0x8000u

struct heard {
    s16 sample[4096];
    size_t n;
    u32 rate;
};

static struct rig rig;
static struct mem *mem;
static struct pci_bus *pci;
static struct ac97 *a;
static struct wire pirq[PCI_PIRQS];
static struct heard heard;

static void play(void *opaque, u32 rate, const s16 *samples, size_t frames)
{
    struct heard *h = opaque;

    h->rate = rate;
    for (size_t i = 0; i < 2 * frames; i++)
        h->sample[h->n++ % ARRAY_SIZE(h->sample)] = samples[i];
}

static void map(void)
{
    pci_config_write(pci, DEVFN, PCI_BAR0, 4, NAM);
    pci_config_write(pci, DEVFN, PCI_BAR0 + 4, 4, BM);
    pci_config_write(pci, DEVFN, PCI_COMMAND, 2, PCI_COMMAND_IO | PCI_COMMAND_BME);
}

static u32 in(u16 port, unsigned size)
{
    return (u32)bus_read(&rig.pio, port, size);
}

static void out(u16 port, unsigned size, u32 val)
{
    bus_write(&rig.pio, port, size, val);
}

static void put32(u32 at, u32 val)
{
    u8 raw[4];

    put_le32(raw, val);
    CHECK_EQ(mem_write(mem, at, raw, 4), 0);
}

static void open_card(void)
{
    struct pci_bus_config cfg = {0};
    struct err err;

    rig_open(&rig);
    memset(pirq, 0, sizeof(pirq));
    heard.n = 0;
    CHECK_EQ(mem_new(&mem, 256 * KiB, &rig.mmio, &err), 0);
    cfg.pio = &rig.pio;
    cfg.mmio = &rig.mmio;
    cfg.mem = mem;
    for (unsigned i = 0; i < PCI_PIRQS; i++)
        cfg.pirq[i] = (struct irq){.set = wire_set, .opaque = pirq, .n = i};
    CHECK_EQ(pci_bus_new(&pci, &cfg), 0);
    CHECK_EQ(ac97_new(&a, pci, DEVFN, rig.clk, (struct sound_out){play, &heard}), 0);
    map();
    for (u32 i = 0; i < 4096; i++)
        put32(DATA + 4 * i, (i + 1) << 16 | (i + 1));
    out(BM + 0x2c, 4, 2);
    out(NAM + 0x02, 2, 0);
    out(NAM + 0x18, 2, 0x0808);
}

static void close_card(void)
{
    ac97_free(a);
    CHECK_EQ(clock_run(rig.clk), UINT64_MAX);
    pci_bus_free(pci);
    mem_free(mem);
    rig_close(&rig);
}

/* Three buffers of 10 ms at 48 kHz, the last one valid of them `last`. */
static void start(u8 last)
{
    for (u32 i = 0; i < 3; i++) {
        put32(RING + 8 * i, DATA + 1920 * i);
        put32(RING + 8 * i + 4, 960 | (i == 1 ? 0 : BIT(31)));
    }
    out(PO + 0, 4, RING);
    out(PO + 5, 1, last);
    out(PO + 11, 1, 0x1d);
}

static void has_a_codec(void)
{
    open_card();
    CHECK_EQ(pci_config_read(pci, DEVFN, 0, 4), 0x24158086);
    CHECK_EQ(in(BM + 0x30, 4), 0x100);
    CHECK_EQ(in(NAM + 0x7c, 2), 0x8384);
    CHECK_EQ(in(NAM + 0x26, 2), 0xf);
    out(NAM + 0x02, 2, 0x8020); /* 6 bits of volume? */
    CHECK_EQ(in(NAM + 0x02, 2), 0x801f);
    out(NAM + 0x2c, 2, 44100); /* rates are fixed … */
    CHECK_EQ(in(NAM + 0x2c, 2), 48000);
    out(NAM + 0x2a, 2, 1); /* … until they are not */
    out(NAM + 0x2c, 2, 44100);
    CHECK_EQ(in(NAM + 0x2c, 2), 44100);
    out(NAM + 0x2c, 2, 1);
    CHECK_EQ(in(NAM + 0x2c, 2), 8000);
    CHECK_EQ(in(BM + 0x34, 1), 0);
    CHECK_EQ(in(BM + 0x34, 1), 1); /* taken */
    out(NAM, 2, 0);
    CHECK_EQ(in(BM + 0x34, 1), 0);
    CHECK_EQ(in(NAM + 0x18, 2), 0x8808);
    CHECK_EQ(in(NAM + 0x2c, 2), 48000);
    close_card();
}

static void plays(void)
{
    open_card();
    start(2);
    CHECK_EQ(in(PO + 6, 2), 0);
    clock_advance(rig.clk, 5 * MS);
    CHECK_EQ(in(PO + 8, 2), 480);
    CHECK_EQ(in(PO + 4, 1), 0);
    CHECK_EQ(in(PO + 10, 1), 1);
    CHECK(!pirq[3].level);
    clock_advance(rig.clk, 5 * MS);
    CHECK(pirq[3].level);
    CHECK_EQ(in(PO + 4, 1), 1);
    CHECK_EQ(in(PO + 6, 2), 8);
    CHECK_EQ(in(BM + 0x30, 4), 0x140);
    out(PO + 6, 2, 8);
    CHECK(!pirq[3].level);
    clock_advance(rig.clk, 10 * MS);
    CHECK(!pirq[3].level); /* the second has no interrupt */
    clock_advance(rig.clk, 30 * MS);
    CHECK_EQ(in(PO + 4, 4), 0xf0202); /* halted at the last one */
    CHECK_EQ(heard.rate, 48000);
    CHECK_EQ(heard.n, 2880);
    CHECK_EQ(heard.sample[0], 1);
    CHECK_EQ(heard.sample[2879], 1440);
    CHECK_EQ(clock_run(rig.clk), UINT64_MAX);
    out(PO + 6, 2, 0x1c);
    put32(RING + 24, DATA);
    put32(RING + 28, 960 | BIT(31));
    out(PO + 5, 1, 3); /* and on */
    clock_advance(rig.clk, 4 * MS);
    out(PO + 11, 1, 0x1c); /* a pause */
    clock_advance(rig.clk, 100 * MS);
    CHECK_EQ(in(PO + 8, 2), 960 - 384);
    out(PO + 11, 1, 0x1d);
    clock_advance(rig.clk, 6 * MS);
    CHECK_EQ(heard.n, 3840);
    out(PO + 11, 1, 0);
    out(PO + 11, 1, 2);
    CHECK_EQ(in(PO + 4, 4), 0x10000);
    CHECK_EQ(in(PO, 4), 0);
    close_card();
}

static void has_volumes(void)
{
    open_card();
    out(NAM + 0x02, 2, 0x0400); /* left 6 dB down */
    start(0);
    clock_advance(rig.clk, 20 * MS);
    CHECK_EQ(heard.n, 960);
    CHECK(heard.sample[900] > 224 && heard.sample[900] < 228); /* of 451 */
    CHECK_EQ(heard.sample[901], 451);
    out(NAM + 0x02, 2, 0x8000);
    start(1);
    clock_advance(rig.clk, 20 * MS);
    CHECK_EQ(heard.sample[961], 0);
    close_card();
}

static void records_silence(void)
{
    u8 raw[4];

    open_card();
    put32(RING, DATA);
    put32(RING + 4, 960 | BIT(31));
    out(BM + 0, 4, RING);
    out(BM + 11, 1, 0x1d);
    clock_advance(rig.clk, 20 * MS);
    CHECK_EQ(mem_read(mem, DATA + 1916, raw, 4), 0);
    CHECK_EQ(le32(raw), 0);
    CHECK_EQ(in(BM + 0x30, 4), 0x120);
    close_card();
}

static void survives_rings_of_nothing(void)
{
    open_card();
    for (u32 i = 0; i < 32; i++)
        put32(RING + 8 * i + 4, BIT(31));
    out(PO, 4, RING);
    out(PO + 5, 1, 31);
    out(PO + 11, 1, 0x1d);
    clock_advance(rig.clk, 20 * MS);
    CHECK_EQ(in(PO + 6, 2) & 1, 1);
    out(PO + 11, 1, 2);
    out(PO, 4, 0xfffffff8); /* no memory there */
    out(PO + 11, 1, 0x1d);
    clock_advance(rig.clk, 20 * MS);
    CHECK_EQ(in(PO + 6, 2), 0x11);
    CHECK(pirq[3].level);
    close_card();
}

static void keeps_its_state(void)
{
    struct state_stream s = {0};
    struct err err;

    open_card();
    start(2);
    clock_advance(rig.clk, 7 * MS);
    CHECK_EQ(state_save(&s, &ac97_state, a), 0);
    ac97_reset(a);
    CHECK_EQ(clock_run(rig.clk), UINT64_MAX);
    CHECK_EQ(state_load(&s, &ac97_state, a, &err), 0);
    clock_advance(rig.clk, 23 * MS);
    CHECK_EQ(in(PO + 4, 4), 0xf0202);
    CHECK_EQ(heard.n, 2880);
    CHECK_EQ(heard.sample[2879], 1440);
    state_dispose(&s);
    close_card();
}

int main(void)
{
    TEST_RUN(has_a_codec);
    TEST_RUN(plays);
    TEST_RUN(has_volumes);
    TEST_RUN(records_silence);
    TEST_RUN(survives_rings_of_nothing);
    TEST_RUN(keeps_its_state);
    return test_result();
}
