/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Registers, descriptors in guest memory, frames and saved states; see nic_input.h. */
#include "dev/e1000.h"
#include "nic_input.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static void reset(void *dev)
{
    e1000_reset(dev);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    struct nic_target t = {.state = &e1000_state,
                           .reset = reset,
                           .io_span = 64,
                           .mmio_span = 0x20000,
                           .io_bar = 1,
                           .mmio_bar = 0};
    struct nicrig n;
    struct e1000 *card;

    nic_input_open(&n);
    BUG_ON(e1000_new(&card, n.bus, NIC_DEVFN, n.rig.clk, nic_mac, NULL));
    net_plug(&n.far.end, e1000_net_end(card));
    t.dev = card;
    nic_input_run(data, size, &n, &t);
    e1000_free(card);
    BUG_ON(clock_run(n.rig.clk) != UINT64_MAX);
    nic_close(&n);
    return 0;
}
