/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What cards do with Ethernet frames: hashes of addresses, Internet checksums (RFC 1071), and the
 * segments of a large TCP packet. Frames are hostile: every offset is checked. Pure functions.
 */
#pragma once
#include "base/base.h"

#define FRAME_HEADER   14u
#define FRAME_MIN      60u /* without FCS */
#define FRAME_FCS      4u
#define FRAME_VLAN     4u
#define FRAME_VLAN_TPI 0x8100u

#define TCP_MIN   20u /* bytes of a header */
#define TCP_FLAGS 13u /* offset */
#define TCP_CWR   0x80u
#define TCP_SUM   16u /* offset */

static inline u16 be16(const u8 *p)
{
    return (u16)(p[0] << 8 | p[1]);
}

static inline u32 be32(const u8 *p)
{
    return (u32)be16(p) << 16 | be16(p + 2);
}

static inline void put_be16(u8 *p, u16 v)
{
    p[0] = (u8)(v >> 8);
    p[1] = (u8)v;
}

static inline void put_be32(u8 *p, u32 v)
{
    put_be16(p, (u16)(v >> 16));
    put_be16(p + 2, (u16)v);
}

static inline bool frame_is_multicast(const u8 *frame)
{
    return frame[0] & 1;
}

static inline bool frame_is_broadcast(const u8 *frame)
{
    return be16(frame) == 0xffff && be32(frame + 2) == 0xffffffff;
}

/* The Ethernet CRC of n bytes, as shifted out: reflected, not complemented. */
u32 frame_crc(const u8 *p, size_t n);
/* Six bits of the CRC of an address, which index a 64-bit filter: the top ones as the register
   holds it when it shifts right, or left. */
unsigned frame_hash_right(const u8 mac[6]);
unsigned frame_hash_left(const u8 mac[6]);

/* The folded ones' complement sum of big-endian words, an odd byte padded with 0. */
u16 frame_sum(const u8 *p, size_t len);
static inline u16 frame_sum_add(u16 a, u16 b)
{
    u32 sum = (u32)a + b;

    return (u16)(sum + (sum >> 16));
}

enum frame_l4 { FRAME_L4_NONE, FRAME_L4_TCP, FRAME_L4_UDP };

struct frame_layout {
    bool v6;
    size_t l3, l4;       /* offsets of the IP header and what follows it */
    size_t end;          /* of the IP packet; padding may follow */
    enum frame_l4 proto; /* NONE for fragments too */
};

/* False unless it is a whole IPv4 or IPv6 packet, after at most one VLAN tag. TCP and UDP are
   recognized with a whole header only. */
bool frame_parse(struct frame_layout *out, const u8 *frame, size_t len);
/* Checks as a receiver does; the UDP checksum 0 of IPv4 passes. */
bool frame_ip_sum_ok(const struct frame_layout *l, const u8 *frame);
bool frame_l4_sum_ok(const struct frame_layout *l, const u8 *frame);
/* Fill in the checksum of IPv4 header, TCP or UDP. */
void frame_put_ip_sum(const struct frame_layout *l, u8 *frame);
void frame_put_l4_sum(const struct frame_layout *l, u8 *frame);
void frame_put_sums(u8 *frame, size_t len); /* both, of what is a packet of IP */

/* A packet to be cut into segments of at most `mss` bytes behind `header` bytes each. */
struct frame_large {
    const u8 *data;
    size_t len, header, mss; /* header <= len, mss > 0 */
    size_t l3, l4;           /* offsets of the IP and the TCP or UDP header */
    bool ip, v6, tcp;        /* whether lengths and numbers there are to be updated */
};

/* Builds the segment whose payload begins `at` bytes behind the header: returns its length, at
   most header + mss, with checksums still those of the large packet. */
size_t frame_segment(const struct frame_large *p, size_t at, u8 *out);
