/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Registers, descriptors in guest memory, frames and saved states; see nic_input.h. */
#include "dev/rtl8139.h"
#include "nic_input.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static void reset(void *dev)
{
    rtl8139_reset(dev);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    struct nic_target t = {.state = &rtl8139_state,
                           .reset = reset,
                           .io_span = 256,
                           .mmio_span = 256,
                           .io_bar = 0,
                           .mmio_bar = 1};
    struct nicrig n;
    struct rtl8139 *card;

    nic_input_open(&n);
    BUG_ON(rtl8139_new(&card, n.bus, NIC_DEVFN, n.rig.clk, nic_mac, NULL));
    net_plug(&n.far.end, rtl8139_net_end(card));
    t.dev = card;
    nic_input_run(data, size, &n, &t);
    rtl8139_free(card);
    BUG_ON(clock_run(n.rig.clk) != UINT64_MAX);
    nic_close(&n);
    return 0;
}
