/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * EEPROM (chapter 5 and section 13.4.3), the integrated PHY behind MDIC (chapter 11 and section
 * 13.4.13), and the link. Negotiation takes NEGOTIATION_UNITS; the partner is always a gigabit
 * switch.
 */
#include "dev/e1000_priv.h"

#define NEGOTIATION_UNITS 48828u /* of 1.024 us: 50 ms */

#define EECD_SK   BIT(0)
#define EECD_CS   BIT(1)
#define EECD_DI   BIT(2)
#define EECD_DO   BIT(3)
#define EECD_FWE  0x30u
#define EECD_REQ  BIT(6)
#define EECD_GNT  BIT(7)
#define EECD_PRES BIT(8)
#define EECD_KEPT (EECD_SK | EECD_CS | EECD_DI | EECD_FWE | EECD_REQ)

#define EERD_START BIT(0)
#define EERD_DONE  BIT(4)

#define MDIC_WRITE 1u
#define MDIC_READ  2u
#define MDIC_R     BIT(28)
#define MDIC_I     BIT(29)
#define MDIC_E     BIT(30)
#define PHY_ADDR   1u

#define STATUS_FD       0x001u
#define STATUS_LU       0x002u
#define STATUS_TXOFF    0x010u
#define STATUS_SPEED    0x080u /* 1000 Mb/s */
#define STATUS_ASDV     0x300u
#define STATUS_MTXCKOK  0x400u
#define EEPROM_CHECKSUM 0xbabau

enum { BMCR, BMSR, PHYID1, PHYID2, ANAR, ANLPAR, ANER, ANNPTR, ANLPNP, GCON, GSTA, ESTA = 15 };
#define PSCR  16u
#define PSSR  17u
#define PIER  18u
#define PISR  19u
#define EPSCR 20u

#define BMCR_RESET   0x8000u
#define BMCR_AN      0x1000u
#define BMCR_DOWN    0x0800u
#define BMCR_RESTART 0x0200u
#define BMSR_AN_DONE 0x0020u
#define BMSR_LINK    0x0004u
#define PSSR_LINK    0x0400u
#define PSSR_UP      0xac00u /* 1000 Mb/s, full duplex, resolved, link */
#define PIER_LINK    0x0400u /* the link changed */

void e1000_eeprom_init(struct e1000 *e, const u8 mac[6])
{
    static const u16 words[] = {
        [0x03] = 0x0020, [0x05] = 0x1000, [0x08] = 0xd50c, [0x09] = 0x0300, [0x0a] = 0x440b,
        [0x0b] = 0x001e, [0x0c] = 0x8086, [0x0d] = 0x100e, [0x0e] = 0x8086, [0x0f] = 0x3040,
        [0x10] = 0x0008, [0x11] = 0x2000, [0x12] = 0x7e14, [0x13] = 0x0048, [0x14] = 0x1000,
        [0x15] = 0x00d8, [0x17] = 0x2700, [0x18] = 0x6cc9, [0x19] = 0x3150, [0x1a] = 0x072e,
        [0x1b] = 0x040b, [0x1c] = 0x0984, [0x1e] = 0xc000, [0x1f] = 0x0706, [0x20] = 0x1008,
        [0x22] = 0x0f04, [0x23] = 0x7fff, [0x24] = 0x4d01, [0x2f] = 0xffff, [0x30] = 0x0100,
        [0x31] = 0x4000, [0x32] = 0x121c, [0x33] = 0xffff,
    };
    u16 sum = 0;

    memcpy(e->eeprom.word, words, sizeof(words));
    for (unsigned i = 0; i < 3; i++)
        e->eeprom.word[i] = le16(mac + 2 * i);
    for (unsigned i = 0; i < EEPROM93C46_WORDS - 1; i++)
        sum = (u16)(sum + e->eeprom.word[i]);
    e->eeprom.word[EEPROM93C46_WORDS - 1] = (u16)(EEPROM_CHECKSUM - sum);
    eeprom93c46_reset(&e->eeprom);
}

void e1000_write_eecd(struct e1000 *e, u32 val)
{
    *e1000_reg(e, EECD) = val & EECD_KEPT;
    eeprom93c46_pins(&e->eeprom, val & EECD_CS, val & EECD_SK, val & EECD_DI);
}

u32 e1000_read_eecd(const struct e1000 *e)
{
    u32 val = e1000_get(e, EECD) | EECD_PRES;

    val |= val & EECD_REQ ? EECD_GNT : 0;
    return val | (e->eeprom.out ? EECD_DO : 0);
}

void e1000_write_eerd(struct e1000 *e, u32 val)
{
    u32 address = val >> 8 & 0xff;

    if (!(val & EERD_START)) {
        *e1000_reg(e, EERD) = 0;
        return;
    }
    *e1000_reg(e, EERD) = EERD_DONE | address << 8;
    if (address < EEPROM93C46_WORDS)
        *e1000_reg(e, EERD) |= (u32)e->eeprom.word[address] << 16;
}

u32 e1000_status(const struct e1000 *e)
{
    return (e1000_get(e, CTRL) & CTRL_FD ? STATUS_FD : 0) | (e->link ? STATUS_LU : 0) |
           STATUS_SPEED | STATUS_ASDV | STATUS_MTXCKOK;
}

/* The PHY's view of the link changed: tells the MAC. */
static void set_link(struct e1000 *e, bool link)
{
    u16 old_bmsr = e->phy[BMSR];

    e->phy[BMSR] &= (u16) ~(BMSR_LINK | BMSR_AN_DONE);
    e->phy[PSSR] &= (u16)~PSSR_LINK;
    if (link) {
        e->phy[BMSR] |= BMSR_LINK | (e->phy[BMCR] & BMCR_AN ? BMSR_AN_DONE : 0);
        e->phy[PSSR] = PSSR_UP;
    }
    if ((old_bmsr ^ e->phy[BMSR]) & BMSR_LINK)
        e->phy[PISR] |= PIER_LINK;
    if (e->link == link)
        return;
    e->link = link;
    e1000_cause(e, ICR_LSC);
}

void e1000_update_link(struct e1000 *e)
{
    bool cable = e->end.peer && e->end.link_up, loop = e->phy[BMCR] & BMCR_LOOPBACK;

    set_link(e, (cable || loop) && !(e->phy[BMCR] & BMCR_DOWN) && !e1000_armed(e, TIMER_LINK));
}

void e1000_negotiated(struct e1000 *e)
{
    e1000_update_link(e);
}

void e1000_phy_reset(struct e1000 *e, bool at_once)
{
    static const u16 values[32] = {
        [BMCR] = 0x1140,   [BMSR] = 0x7949, [PHYID1] = 0x0141, [PHYID2] = 0x0c20, [ANAR] = 0x0de1,
        [ANLPAR] = 0x4de1, [ANER] = 0x000d, [ANNPTR] = 0x2001, [GCON] = 0x0e00,   [GSTA] = 0x3c00,
        [ESTA] = 0x3000,   [PSCR] = 0x0360, [EPSCR] = 0x0d60,
    };

    memcpy(e->phy, values, sizeof(values));
    if (at_once)
        e1000_disarm(e, TIMER_LINK);
    else
        e1000_delay(e, TIMER_LINK, NEGOTIATION_UNITS);
    e1000_update_link(e);
}

static void write_bmcr(struct e1000 *e, u16 val)
{
    if (val & BMCR_RESET) {
        e1000_phy_reset(e, false);
        return;
    }
    e->phy[BMCR] = val & (u16)~BMCR_RESTART;
    if (!(val & BMCR_AN))
        e1000_disarm(e, TIMER_LINK);
    else if (val & BMCR_RESTART)
        e1000_delay(e, TIMER_LINK, NEGOTIATION_UNITS);
    e1000_update_link(e);
}

static void write_phy(struct e1000 *e, unsigned n, u16 val)
{
    static const u32 writable = BIT(ANAR) | BIT(ANNPTR) | BIT(GCON) | BIT(PSCR) | BIT(PIER) |
                                BIT(EPSCR) | BIT(24) | BIT(25) | BIT(26) | BIT(28) | BIT(29) |
                                BIT(30) | BIT(31);

    if (n == BMCR)
        write_bmcr(e, val);
    else if (writable & BIT(n))
        e->phy[n] = val;
}

static u16 read_phy(struct e1000 *e, unsigned n)
{
    u16 val = e->phy[n];

    if (n == PISR)
        e->phy[PISR] = 0;
    return val;
}

void e1000_write_mdic(struct e1000 *e, u32 val)
{
    unsigned op = val >> 26 & 3, n = val >> 16 & 31;
    u32 result = (val & ~(MDIC_E | MDIC_R)) | MDIC_R;

    if ((val >> 21 & 31) != PHY_ADDR || (op != MDIC_READ && op != MDIC_WRITE))
        result |= MDIC_E;
    else if (op == MDIC_WRITE)
        write_phy(e, n, (u16)val);
    else
        result = (result & ~0xffffu) | read_phy(e, n);
    *e1000_reg(e, MDIC) = result;
    if (val & MDIC_I)
        e1000_cause(e, ICR_MDAC);
}
