/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/pcap.h"
#include "net/capture.h"

#include <errno.h>
#include <stdlib.h>

struct side {
    struct net_end end;
    struct net_pcap *pcap;
    struct side *other;
};

struct net_pcap {
    struct side card, far;
    struct clock *clk;
    u64 epoch; /* ns since 1970 at the VM's time 0 */
    struct capture file;
};

static bool pcap_receive(void *opaque, const u8 *frame, size_t len)
{
    struct side *side = opaque;
    struct net_pcap *p = side->pcap;

    if (!net_send(&side->other->end, frame, len))
        return false;
    capture_frame(&p->file, p->epoch + clock_now(p->clk), frame, len);
    return true;
}

static void pcap_ready(void *opaque)
{
    struct side *side = opaque;

    net_ready(&side->other->end);
}

static void pcap_link_changed(void *opaque, bool up)
{
    struct side *side = opaque;

    net_set_link(&side->other->end, up);
}

static const struct net_ops side_ops = {
    .receive = pcap_receive, .ready = pcap_ready, .link_changed = pcap_link_changed};

static void side_init(struct side *side, struct net_pcap *p, struct side *other)
{
    side->pcap = p;
    side->other = other;
    net_end_init(&side->end, &side_ops, side);
}

int net_pcap_new(struct net_pcap **out, const char *path, u32 snaplen, struct clock *clk,
                 struct err *err)
{
    struct net_pcap *p = calloc(1, sizeof(*p));
    int rc;

    if (!p)
        return err_set(err, ENOMEM, "%s: out of memory", path);
    p->clk = clk;
    p->epoch = clock_wall(clk) - clock_now(clk);
    side_init(&p->card, p, &p->far);
    side_init(&p->far, p, &p->card);
    rc = capture_open(&p->file, path, snaplen, err);
    if (rc) {
        net_pcap_free(p);
        return rc;
    }
    *out = p;
    return 0;
}

void net_pcap_free(struct net_pcap *p)
{
    if (!p)
        return;
    net_unplug(&p->card.end);
    net_unplug(&p->far.end);
    capture_close(&p->file);
    free(p);
}

struct net_end *net_pcap_card_end(struct net_pcap *p)
{
    return &p->card.end;
}

struct net_end *net_pcap_far_end(struct net_pcap *p)
{
    return &p->far.end;
}
