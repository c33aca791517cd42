/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vswitch/vlan.h"
#include "net/frame.h"
#include "net/value.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define ADDRESSES     12u /* bytes before the tag or type */
#define TYPE_PROVIDER 0x88a8u
#define TCI_VLAN      0x0fffu

static bool has(const u64 set[64], unsigned vlan)
{
    return set[vlan >> 6] >> (vlan & 63) & 1;
}

static int parse_range(u64 set[64], char *word, struct err *err)
{
    char *dash = strchr(word, '-');
    u32 first = 0, last = 0;
    int rc;

    if (dash)
        *dash = 0;
    rc = value_number(&first, word, VLAN_FIRST, VLAN_LAST, err);
    last = first;
    if (!rc && dash)
        rc = value_number(&last, dash + 1, first, VLAN_LAST, err);
    for (u32 v = first; v <= last && !rc; v++)
        set[v >> 6] |= BIT64(v & 63);
    return rc;
}

int vlan_parse_set(u64 set[64], const char *text, struct err *err)
{
    char word[16];
    int rc = 0;

    memset(set, 0, 64 * sizeof(*set));
    do {
        text = value_word(text, 0, word, sizeof(word), err);
        if (!text)
            return -EINVAL;
        rc = parse_range(set, word, err);
    } while (!rc && *text++ == ',');
    return rc;
}

void vlan_print_set(const u64 set[64], char *text, size_t size)
{
    size_t n = 0;

    *text = 0;
    for (unsigned first = VLAN_FIRST; first <= VLAN_LAST && n < size; first++) {
        unsigned last = first;
        if (!has(set, first))
            continue;
        while (last < VLAN_LAST && has(set, last + 1))
            last++;
        n += (size_t)snprintf(text + n, size - n, last > first ? "%s%u-%u" : "%s%u", n ? "," : "",
                              first, last);
        first = last;
    }
}

bool vlan_carries(const struct vlan_port *p, u16 vlan)
{
    return p->vlan == vlan || (p->trunk && has(p->allowed, vlan));
}

bool vlan_enter(struct vlan_frame *out, const struct vlan_port *p, const u8 *frame, size_t len,
                u8 *buf)
{
    bool tagged = be16(frame + ADDRESSES) == FRAME_VLAN_TPI;
    u16 tci = 0;

    *out = (struct vlan_frame){.data = frame, .len = len, .vlan = p->vlan};
    if (tagged && len < FRAME_HEADER + VLAN_TAG)
        return false;
    if (tagged) {
        tci = be16(frame + FRAME_HEADER);
        memcpy(buf, frame, ADDRESSES);
        memcpy(buf + ADDRESSES, frame + ADDRESSES + VLAN_TAG, len - ADDRESSES - VLAN_TAG);
        out->data = buf;
        out->len = len - VLAN_TAG;
        out->priority = (u16)(tci & ~TCI_VLAN);
    }
    if (!(tci & TCI_VLAN)) /* no tag, or one that has a priority only */
        return p->vlan;
    out->vlan = tci & TCI_VLAN;
    return p->trunk && out->vlan <= VLAN_LAST && vlan_carries(p, out->vlan);
}

/* What a guest sent as a tag within a tag would become the tag of another VLAN, where the outer
   one is left out. */
static bool would_hop(const struct vlan_port *p, const struct vlan_frame *f)
{
    u16 type = be16(f->data + ADDRESSES);

    return p->trunk && (type == FRAME_VLAN_TPI || type == TYPE_PROVIDER);
}

size_t vlan_leave(const struct vlan_port *p, const struct vlan_frame *f, u8 *out)
{
    if (p->vlan == f->vlan) {
        if (would_hop(p, f))
            return 0;
        memcpy(out, f->data, f->len);
        return f->len;
    }
    memcpy(out, f->data, ADDRESSES);
    put_be16(out + ADDRESSES, FRAME_VLAN_TPI);
    put_be16(out + FRAME_HEADER, f->priority | f->vlan);
    memcpy(out + FRAME_HEADER + 2, f->data + ADDRESSES, f->len - ADDRESSES);
    return f->len + VLAN_TAG;
}
