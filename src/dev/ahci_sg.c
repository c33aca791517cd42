/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Physical region descriptor tables (AHCI 1.3.1, section 4.2.3.3): each entry is copied, then
   used. */
#include "base/le.h"
#include "dev/ahci_priv.h"

#include <errno.h>

#define PRD_LEN 16u

static int next_entry(struct ahci *hba, struct ahci_sg *sg)
{
    u8 prd[PRD_LEN];
    int rc;

    if (sg->index == sg->entries)
        return -ENOSPC;
    rc = pci_dma_read(&hba->pci, sg->table + (u64)sg->index * PRD_LEN, prd, sizeof(prd));
    if (rc)
        return -EFAULT;
    sg->index++;
    sg->at = le64(prd) & ~(u64)1;
    sg->left = ((le32(prd + 12) & 0x3fffff) | 1) + 1;
    return 0;
}

int ahci_sg_move(struct ahci *hba, struct ahci_sg *sg, u8 *buf, u32 len, bool to_guest)
{
    int rc = 0;

    while (len && !rc) {
        u32 n;
        if (!sg->left && (rc = next_entry(hba, sg)))
            break;
        n = (u32)min_u64(len, sg->left);
        rc = to_guest ? pci_dma_write(&hba->pci, sg->at, buf, n)
                      : pci_dma_read(&hba->pci, sg->at, buf, n);
        if (rc)
            return -EFAULT;
        sg->at += n;
        sg->left -= n;
        sg->moved += n;
        buf += n;
        len -= n;
    }
    return rc;
}
