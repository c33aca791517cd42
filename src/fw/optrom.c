/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fw/optrom.h"
#include "base/le.h"

#define ROM_MAX        2048u
#define ROM_PNP        0x1au /* where the Plug and Play header is, … */
#define PNP_CHECKSUM   9u    /* … its checksum … */
#define PNP_HEADER_LEN 32u   /* … and length */

static u8 checksum(const u8 *p, size_t n)
{
    u8 sum = 0;

    while (n--)
        sum += *p++;
    return (u8)-sum;
}

int optrom_add(struct fwcfg *f, const u8 *rom, const u8 *end)
{
    size_t size = (size_t)(end - rom);
    u8 copy[ROM_MAX];
    u8 *pnp;

    BUG_ON(size > sizeof(copy));
    memcpy(copy, rom, size);
    pnp = copy + le16(copy + ROM_PNP);
    pnp[PNP_CHECKSUM] = checksum(pnp, PNP_HEADER_LEN);
    copy[size - 1] = checksum(copy, size);
    return fwcfg_add_file(f, OPTROM_FILE, copy, size);
}
