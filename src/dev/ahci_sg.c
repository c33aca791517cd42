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

static void advance(struct ahci_sg *sg, u32 n)
{
    sg->at += n;
    sg->left -= n;
    sg->moved += n;
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
        advance(sg, n);
        buf += n;
        len -= n;
    }
    return rc;
}

int ahci_sg_map(struct ahci *hba, struct ahci_sg *sg, struct pci_pieces *to, u64 len, bool to_guest)
{
    enum mem_access how = to_guest ? MEM_WRITE : MEM_READ;
    bool full = false;

    while (to->len < len && !full) {
        u64 had = to->len, n;
        int rc = sg->left ? 0 : next_entry(hba, sg);
        if (rc)
            return rc;
        n = min_u64(len - had, sg->left);
        if (pci_dma_map(&hba->pci, to, sg->at, n, how))
            return -EFAULT;
        full = to->len < had + n;
        advance(sg, (u32)(to->len - had));
    }
    return 0;
}
