/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Register accesses: the address PROM, then RDP, RAP, RESET and BDP as words (WIO), or as dwords
 * once the driver has written a dword to the first of them (DWIO).
 */
#include "dev/pcnet_priv.h"

#define APROM_SIZE 16u
#define MC_APROMWE 0x0100u
#define CHIP_ID    0x02621003u
#define CSR_SWS    58u
#define LNKST_LED  0x0040u
#define LED_OUT    0x8000u

enum { RDP, RAP, RESET, BDP };

void pcnet_update_irq(struct pcnet *p)
{
    u16 *csr = p->csr;
    bool pending = (csr[0] & ~csr[3] & 0x5f00) || (csr[4] >> 1 & ~csr[4] & 0x0115) ||
                   csr[4] & CSR4_UINT || (csr[5] >> 1 & csr[5] & 0x0408);

    csr[0] &= (u16) ~(CSR0_INTR | CSR0_ERR);
    csr[0] |= pending ? CSR0_INTR : 0;
    csr[0] |= csr[0] & 0x7800 ? CSR0_ERR : 0; /* BABL, CERR, MISS, MERR */
    pci_set_intx(&p->pci, pending && csr[0] & CSR0_IENA);
}

static void stop(struct pcnet *p)
{
    p->csr[0] = CSR0_STOP;
    p->csr[4] &= (u16)~CSR4_FLAGS;
    p->csr[5] &= (u16)~CSR5_SPND;
    p->tx_started = p->tx_long = p->rx_waits = false;
    p->tx_used = 0;
    timer_cancel(p->clk, &p->poll);
    net_ready(&p->end); /* a receiver that is off takes everything */
}

void pcnet_s_reset(struct pcnet *p)
{
    u16 *csr = p->csr, mode = csr[15] & 0x21c4;

    memset(csr, 0, sizeof(p->csr));
    csr[4] = 0x0115;
    for (unsigned i = 0; i < 3; i++)
        csr[12 + i] = le16(p->aprom + 2 * i);
    csr[15] = mode;
    csr[72] = csr[74] = csr[76] = csr[78] = 1;
    csr[80] = 0x1410;
    csr[100] = 0x0200;
    p->rap = 0;
    p->rx_len = p->tx_len = 1;
    p->rx_at = p->tx_at = 0;
    stop(p);
    pcnet_update_irq(p);
}

static void start(struct pcnet *p)
{
    u16 *csr = p->csr;

    csr[0] &= (u16) ~(CSR0_STOP | CSR0_TXON | CSR0_RXON);
    csr[0] |=
        CSR0_STRT | (csr[15] & MODE_DTX ? 0 : CSR0_TXON) | (csr[15] & MODE_DRX ? 0 : CSR0_RXON);
    net_ready(&p->end);
    pcnet_tx_run(p);
}

static void initialize(struct pcnet *p)
{
    if (pcnet_load_init_block(p))
        p->csr[0] = (u16)((p->csr[0] & ~CSR0_STOP) | CSR0_INIT | CSR0_IDON);
    else
        p->csr[0] |= CSR0_MERR;
}

static void write_csr0(struct pcnet *p, u16 val)
{
    u16 *csr0 = &p->csr[0];

    *csr0 &= (u16) ~(val & 0x7f00);
    if (val & CSR0_STOP) {
        stop(p);
        return;
    }
    *csr0 = (u16)((*csr0 & ~CSR0_IENA) | (val & CSR0_IENA));
    if (val & CSR0_INIT && !(*csr0 & CSR0_INIT))
        initialize(p);
    if (val & CSR0_STRT && !(*csr0 & CSR0_STRT))
        start(p);
    if (val & CSR0_TDMD)
        pcnet_tx_run(p);
    if (p->rx_waits) { /* a good moment to look for descriptors */
        p->rx_waits = false;
        net_ready(&p->end);
    }
}

static void write_csr4(struct pcnet *p, u16 val)
{
    u16 flags = p->csr[4] & CSR4_FLAGS & (u16)~val;

    p->csr[4] = (u16)((val & ~(CSR4_FLAGS | CSR4_UINTCMD)) | flags);
    if (val & CSR4_UINTCMD)
        p->csr[4] |= CSR4_UINT;
}

static void write_csr5(struct pcnet *p, u16 val)
{
    bool was = p->csr[5] & CSR5_SPND;

    /* SINT, EXDINT and MPINT have no sources here; writing 1 would clear them. */
    p->csr[5] = val & 0xc449;
    if (!was || val & CSR5_SPND)
        return;
    net_ready(&p->end);
    pcnet_tx_run(p);
}

/* A ring's length is told as its negative, its place as what is left of it. */
static void write_ring(struct pcnet *p, unsigned n, u16 val)
{
    u32 len = (u16)-val, left = val;

    p->csr[n] = val;
    len = len ? len : 1;
    if (n == 76)
        p->rx_len = len;
    else if (n == 78)
        p->tx_len = len;
    else if (n == 72)
        p->rx_at = left && left <= p->rx_len ? p->rx_len - left : 0;
    else
        p->tx_at = left && left <= p->tx_len ? p->tx_len - left : 0;
    p->rx_at = p->rx_at < p->rx_len ? p->rx_at : 0;
    p->tx_at = p->tx_at < p->tx_len ? p->tx_at : 0;
}

static void write_sws(struct pcnet *p, u16 val)
{
    static const u16 flags[4] = {0x0200, 0x0100, 0x0300, 0x0300};
    unsigned style = val & 0xff;

    p->bcr[BCR_SWS] = (u16)((val & 0xfcff) | flags[style & 3]);
}

/* CSRs that tell the chip where things are, only while it is stopped or suspended. */
static void write_setup(struct pcnet *p, unsigned n, u16 val)
{
    if (!(p->csr[0] & CSR0_STOP) && !(p->csr[5] & CSR5_SPND))
        return;
    if (n == 72 || n == 74 || n == 76 || n == 78)
        write_ring(p, n, val);
    else if (n == 16 || n == 17)
        p->csr[n - 15] = val;
    else if (n == CSR_SWS)
        write_sws(p, val);
    else if (n <= 47 || n == 80 || n == 100)
        p->csr[n] = val;
}

static void write_csr(struct pcnet *p, unsigned n, u16 val)
{
    switch (n) {
    case 0:
        write_csr0(p, val);
        break;
    case 3:
        p->csr[3] = val & 0x5f7c;
        break;
    case 4:
        write_csr4(p, val);
        break;
    case 5:
        write_csr5(p, val);
        break;
    case 112: /* counters */
    case 114:
        p->csr[n] = 0;
        break;
    default:
        write_setup(p, n, val);
    }
    pcnet_update_irq(p);
}

static u16 read_csr(struct pcnet *p, unsigned n)
{
    switch (n) {
    case 16:
    case 17:
        return p->csr[n - 15];
    case CSR_SWS:
        return p->bcr[BCR_SWS];
    case 72:
        return (u16)(p->rx_len - p->rx_at);
    case 74:
        return (u16)(p->tx_len - p->tx_at);
    case 88:
        return (u16)CHIP_ID;
    case 89:
        return CHIP_ID >> 16;
    default:
        return n < CSRS ? p->csr[n] : 0;
    }
}

static u16 read_bcr(const struct pcnet *p, unsigned n)
{
    u16 val = n < BCRS ? p->bcr[n] : 0;
    u16 lit = p->end.peer && p->end.link_up ? LNKST_LED : 0;

    if (n < BCR_LNKST || n > BCR_LNKST + 3)
        return val;
    return (u16)((val & ~LED_OUT) | (val & lit ? LED_OUT : 0));
}

static void write_bcr(struct pcnet *p, unsigned n, u16 val)
{
    static const u32 writable = BIT(BCR_MC) | BIT(4) | BIT(5) | BIT(6) | BIT(7) | BIT(9) | BIT(16) |
                                BIT(17) | BIT(BCR_BSBC) | BIT(19) | BIT(21) | BIT(22);

    if (n == BCR_SWS) {
        if (p->csr[0] & CSR0_STOP || p->csr[5] & CSR5_SPND)
            write_sws(p, val);
    } else if (n == BCR_BSBC) { /* DWIO is set by the dword write alone */
        p->bcr[n] = (u16)((val & ~BSBC_DWIO) | (p->bcr[n] & BSBC_DWIO));
    } else if (n < BCRS && writable & BIT(n)) {
        p->bcr[n] = val;
    }
}

static u16 read_port(struct pcnet *p, unsigned port)
{
    switch (port) {
    case RDP:
        return read_csr(p, p->rap);
    case RAP:
        return p->rap;
    case RESET:
        pcnet_s_reset(p);
        return 0;
    default:
        return read_bcr(p, p->rap);
    }
}

static void write_port(struct pcnet *p, unsigned port, u16 val)
{
    if (port == RDP)
        write_csr(p, p->rap, val);
    else if (port == RAP)
        p->rap = val & (CSRS - 1);
    else if (port == BDP)
        write_bcr(p, p->rap, val);
}

static bool is_dwio(const struct pcnet *p)
{
    return p->bcr[BCR_BSBC] & BSBC_DWIO;
}

static u64 pcnet_read(void *dev, u64 off, unsigned size)
{
    struct pcnet *p = dev;
    u64 val = 0;

    if (off < APROM_SIZE) {
        for (unsigned i = 0; i < size && off + i < APROM_SIZE; i++)
            val |= (u64)p->aprom[off + i] << 8 * i;
        return val;
    }
    if (is_dwio(p))
        return size == 4 && off % 4 == 0 ? read_port(p, (unsigned)(off - APROM_SIZE) / 4) : 0;
    if (size == 1 || off % 2 || off >= APROM_SIZE + 8)
        return size_mask(size);
    return read_port(p, (unsigned)(off - APROM_SIZE) / 2);
}

static void write_aprom(struct pcnet *p, u64 off, unsigned size, u64 val)
{
    for (unsigned i = 0; i < size && off + i < APROM_SIZE; i++)
        if (p->bcr[BCR_MC] & MC_APROMWE)
            p->aprom[off + i] = (u8)(val >> 8 * i);
}

static void pcnet_write(void *dev, u64 off, unsigned size, u64 val)
{
    struct pcnet *p = dev;

    if (off < APROM_SIZE) {
        write_aprom(p, off, size, val);
    } else if (is_dwio(p)) {
        if (size == 4 && off % 4 == 0)
            write_port(p, (unsigned)(off - APROM_SIZE) / 4, (u16)val);
    } else if (size == 4 && off == APROM_SIZE) {
        p->bcr[BCR_BSBC] |= BSBC_DWIO;
    } else if (size == 2 && off % 2 == 0 && off < APROM_SIZE + 8) {
        write_port(p, (unsigned)(off - APROM_SIZE) / 2, (u16)val);
    }
}

const struct bus_ops pcnet_ops = {.read = pcnet_read, .write = pcnet_write, .max_size = 4};
