/* SPDX-License-Identifier: GPL-2.0-or-later */
/* RSM to a state that no CPU can be in: shutdown, which resets the machine. */
#include "apic.h"
#include "io.h"
#include "smi.h"

GUEST("smm-bad")
{
    volatile struct smi *box = (volatile struct smi *)(SMBASE + SMI_BOX);
    memcpy((void *)(SMBASE + SMI_ENTRY), smi_handler, (size_t)(smi_handler_end - smi_handler));
    memset((void *)(SMBASE + SMI_BOX), 0, sizeof(*box));
    apic_enable();
    apic_ipi(0, ICR_SELF | ICR_ASSERT | ICR_SMI);
    CHECK_EQ(box->count, 1);
    box->change[0].at = 0xff58; /* CR0, of the layout of CPUs with long mode */
    box->change[0].val = CR0_PG | CR0_ET;
    guest_ready();
    apic_ipi(0, ICR_SELF | ICR_ASSERT | ICR_SMI);
    CHECK(!"RSM has gone through");
}
