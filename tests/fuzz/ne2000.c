/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Registers, descriptors in guest memory, frames and saved states; see nic_input.h. */
#include "dev/ne2000.h"
#include "nic_input.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static void reset(void *dev)
{
    ne2000_reset(dev);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    struct nic_target t = {.state = &ne2000_state,
                           .reset = reset,
                           .io_span = 32,
                           .mmio_span = 0,
                           .io_bar = 0,
                           .mmio_bar = -1};
    struct nicrig n;
    struct ne2000 *card;

    nic_input_open(&n);
    BUG_ON(ne2000_new(&card, n.bus, NIC_DEVFN, n.rig.clk, nic_mac, NULL));
    net_plug(&n.far.end, ne2000_net_end(card));
    t.dev = card;
    nic_input_run(data, size, &n, &t);
    ne2000_free(card);
    BUG_ON(clock_run(n.rig.clk) != UINT64_MAX);
    nic_close(&n);
    return 0;
}
