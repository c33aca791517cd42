/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/frame.h"
#include "base/le.h"

#define CRC_POLY 0xedb88320u

#define TYPE_IPV4 0x0800u
#define TYPE_IPV6 0x86ddu

#define IPV4_MIN    20u
#define IPV4_LEN    2u
#define IPV4_ID     4u
#define IPV4_FRAG   6u
#define IPV4_PROTO  9u
#define IPV4_SUM    10u
#define IPV4_SOURCE 12u
#define IPV6_HEADER 40u
#define IPV6_LEN    4u
#define IPV6_NEXT   6u
#define IPV6_SOURCE 8u

#define PROTO_TCP 6u
#define PROTO_UDP 17u
#define TCP_SEQ   4u
#define TCP_FIN   0x01u
#define TCP_PSH   0x08u
#define UDP_MIN   8u
#define UDP_LEN   4u
#define UDP_SUM   6u

u32 frame_crc(const u8 *p, size_t n)
{
    u32 crc = ~0u;

    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        for (unsigned bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? CRC_POLY : 0);
    }
    return crc;
}

unsigned frame_hash_right(const u8 mac[6])
{
    return frame_crc(mac, 6) >> 26;
}

unsigned frame_hash_left(const u8 mac[6])
{
    u32 crc = frame_crc(mac, 6);
    unsigned hash = 0;

    for (unsigned bit = 0; bit < 6; bit++)
        hash = hash << 1 | (crc >> bit & 1);
    return hash;
}

u16 frame_sum(const u8 *p, size_t len)
{
    u64 sum = 0;

    for (; len >= 4; p += 4, len -= 4)
        sum += le32(p);
    if (len >= 2)
        sum += le16(p);
    if (len & 1)
        sum += p[len - 1];
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return (u16)(sum >> 8 | sum << 8); /* the sum commutes with swapping bytes */
}

static void find_l4(struct frame_layout *l, const u8 *frame, u8 proto)
{
    size_t left = l->end - l->l4;

    if (proto == PROTO_TCP && left >= TCP_MIN)
        l->proto = FRAME_L4_TCP;
    else if (proto == PROTO_UDP && left >= UDP_MIN)
        l->proto = FRAME_L4_UDP;
}

static bool parse_ipv4(struct frame_layout *l, const u8 *frame, size_t len)
{
    const u8 *ip = frame + l->l3;
    size_t left = len - l->l3, header, total;

    if (left < IPV4_MIN || ip[0] >> 4 != 4)
        return false;
    header = 4u * (ip[0] & 15);
    total = be16(ip + IPV4_LEN);
    if (header < IPV4_MIN || total < header || total > left)
        return false;
    l->l4 = l->l3 + header;
    l->end = l->l3 + total;
    if (!(be16(ip + IPV4_FRAG) & 0x3fff)) /* no fragment, or the whole */
        find_l4(l, frame, ip[IPV4_PROTO]);
    return true;
}

/* Extension headers are not followed: such packets have no known L4. */
static bool parse_ipv6(struct frame_layout *l, const u8 *frame, size_t len)
{
    const u8 *ip = frame + l->l3;
    size_t left = len - l->l3;

    if (left < IPV6_HEADER || ip[0] >> 4 != 6 || be16(ip + IPV6_LEN) > left - IPV6_HEADER)
        return false;
    l->v6 = true;
    l->l4 = l->l3 + IPV6_HEADER;
    l->end = l->l4 + be16(ip + IPV6_LEN);
    find_l4(l, frame, ip[IPV6_NEXT]);
    return true;
}

bool frame_parse(struct frame_layout *out, const u8 *frame, size_t len)
{
    size_t type = FRAME_HEADER - 2;

    *out = (struct frame_layout){0};
    if (len >= FRAME_HEADER + FRAME_VLAN && be16(frame + type) == FRAME_VLAN_TPI)
        type += FRAME_VLAN;
    out->l3 = type + 2;
    if (len < out->l3)
        return false;
    if (be16(frame + type) == TYPE_IPV4)
        return parse_ipv4(out, frame, len);
    return be16(frame + type) == TYPE_IPV6 && parse_ipv6(out, frame, len);
}

bool frame_ip_sum_ok(const struct frame_layout *l, const u8 *frame)
{
    return l->v6 || frame_sum(frame + l->l3, l->l4 - l->l3) == 0xffff;
}

/* The sum over pseudo header, header and data. */
static u16 l4_sum(const struct frame_layout *l, const u8 *frame)
{
    const u8 *ip = frame + l->l3;
    u16 pseudo = l->v6 ? frame_sum(ip + IPV6_SOURCE, 32) : frame_sum(ip + IPV4_SOURCE, 8);

    pseudo = frame_sum_add(pseudo, l->proto == FRAME_L4_TCP ? PROTO_TCP : PROTO_UDP);
    pseudo = frame_sum_add(pseudo, (u16)(l->end - l->l4));
    return frame_sum_add(pseudo, frame_sum(frame + l->l4, l->end - l->l4));
}

bool frame_l4_sum_ok(const struct frame_layout *l, const u8 *frame)
{
    if (l->proto == FRAME_L4_UDP && !l->v6 && !be16(frame + l->l4 + UDP_SUM))
        return true;
    return l->proto == FRAME_L4_NONE || l4_sum(l, frame) == 0xffff;
}

void frame_put_ip_sum(const struct frame_layout *l, u8 *frame)
{
    u8 *field = frame + l->l3 + IPV4_SUM;

    if (l->v6)
        return;
    put_be16(field, 0);
    put_be16(field, (u16)~frame_sum(frame + l->l3, l->l4 - l->l3));
}

void frame_put_l4_sum(const struct frame_layout *l, u8 *frame)
{
    u8 *field = frame + l->l4 + (l->proto == FRAME_L4_TCP ? TCP_SUM : UDP_SUM);
    u16 sum;

    if (l->proto == FRAME_L4_NONE)
        return;
    put_be16(field, 0);
    sum = (u16)~l4_sum(l, frame);
    put_be16(field, l->proto == FRAME_L4_UDP && !sum ? 0xffff : sum);
}

void frame_put_sums(u8 *frame, size_t len)
{
    struct frame_layout l;

    if (!frame_parse(&l, frame, len))
        return;
    frame_put_ip_sum(&l, frame);
    frame_put_l4_sum(&l, frame);
}

static void fix_ip(const struct frame_large *p, size_t at, u8 *out, size_t len)
{
    u8 *ip = out + p->l3;

    if (p->v6 && p->l3 + IPV6_HEADER <= p->header) {
        put_be16(ip + IPV6_LEN, (u16)(len - p->l3 - IPV6_HEADER));
    } else if (!p->v6 && p->l3 + IPV4_MIN <= p->header) {
        put_be16(ip + IPV4_LEN, (u16)(len - p->l3));
        put_be16(ip + IPV4_ID, (u16)(be16(ip + IPV4_ID) + at / p->mss));
    }
}

static void fix_l4(const struct frame_large *p, size_t at, u8 *out, size_t len)
{
    u8 *l4 = out + p->l4;
    bool last = p->header + at + p->mss >= p->len;

    if (p->tcp && p->l4 + TCP_MIN <= p->header) {
        put_be32(l4 + TCP_SEQ, (u32)(be32(l4 + TCP_SEQ) + at));
        if (!last)
            l4[TCP_FLAGS] &= (u8) ~(TCP_FIN | TCP_PSH);
    } else if (!p->tcp && p->l4 + UDP_MIN <= p->header) {
        put_be16(l4 + UDP_LEN, (u16)(len - p->l4));
    }
}

size_t frame_segment(const struct frame_large *p, size_t at, u8 *out)
{
    size_t body = min_u64(p->mss, p->len - p->header - at);

    memcpy(out, p->data, p->header);
    memcpy(out + p->header, p->data + p->header + at, body);
    if (p->ip)
        fix_ip(p, at, out, p->header + body);
    fix_l4(p, at, out, p->header + body);
    return p->header + body;
}
