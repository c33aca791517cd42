/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/pcap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define PCAP_MAGIC    0xa1b2c3d4u
#define LINK_ETHERNET 1u

struct file_head {
    u32 magic;
    u16 major, minor;
    s32 zone;
    u32 sigfigs, snaplen, link;
};

struct frame_head {
    u32 sec, usec, kept, len;
};

struct side {
    struct net_end end;
    struct net_pcap *pcap;
    struct side *other;
};

struct net_pcap {
    struct side card, far;
    struct clock *clk;
    u64 epoch; /* ns since 1970 at the VM's time 0 */
    u32 snaplen;
    int fd; /* -1 once it could not be written */
};

static void record(struct net_pcap *p, const u8 *frame, size_t len)
{
    u64 t = p->epoch + clock_now(p->clk);
    u32 kept = (u32)min_u64(len, p->snaplen);
    struct frame_head head = {.sec = (u32)(t / NSEC_PER_SEC),
                              .usec = (u32)(t % NSEC_PER_SEC / 1000),
                              .kept = kept,
                              .len = (u32)len};
    struct iovec iov[2] = {{&head, sizeof(head)}, {(void *)(uintptr_t)frame, kept}};

    if (p->fd < 0)
        return;
    if (writev(p->fd, iov, 2) != (ssize_t)(sizeof(head) + kept)) {
        close(p->fd);
        p->fd = -1;
    }
}

static bool pcap_receive(void *opaque, const u8 *frame, size_t len)
{
    struct side *side = opaque;

    if (!net_send(&side->other->end, frame, len))
        return false;
    record(side->pcap, frame, len);
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
    struct file_head head = {.magic = PCAP_MAGIC, .major = 2, .minor = 4, .link = LINK_ETHERNET};

    if (!p)
        return err_set(err, ENOMEM, "%s: out of memory", path);
    p->snaplen = snaplen && snaplen < NET_FRAME_MAX ? snaplen : NET_FRAME_MAX;
    head.snaplen = p->snaplen;
    p->clk = clk;
    p->epoch = clock_wall(clk) - clock_now(clk);
    side_init(&p->card, p, &p->far);
    side_init(&p->far, p, &p->card);
    p->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0600);
    if (p->fd < 0 || write(p->fd, &head, sizeof(head)) != (ssize_t)sizeof(head)) {
        int rc = err_set(err, errno ? errno : EIO, "%s: %s", path, strerror(errno ? errno : EIO));
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
    if (p->fd >= 0)
        close(p->fd);
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
