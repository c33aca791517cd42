/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What checking and repairing of a qcow2 image share. */
#pragma once
#include "block/formats/qcow2.h"

#define Q2_PAGE 512u

struct q2_page {
    u64 number;
    struct q2_page *next;
    u32 count[Q2_PAGE]; /* references, at most UINT32_MAX */
};

struct q2_l2_ref {
    u64 off, refs;
    bool active;
};

struct q2_checker {
    struct qcow2 *q;
    struct block_check *result;
    unsigned reports;
    u64 slots, pages;
    struct q2_page **slot;
    u8 *buf;      /* a cluster */
    u64 file_end; /* rounded up to a cluster */
    u64 end;      /* clusters, behind the last one referred to */
    u64 said_end; /* … that has a count */
    bool rebuild; /* counts can only be made anew */
    u64 copied_wrong;
    struct q2_l2_ref *l2;
    u64 l2s, l2_room;
};

must_check int q2_checker_init(struct q2_checker *c, struct qcow2 *q, struct block_check *result);
void q2_checker_dispose(struct q2_checker *c);
void q2_found(struct q2_checker *c, u64 *kind, const char *fmt, ...) printf_like(3, 4);
u64 q2_counted(const struct q2_checker *c, u64 cluster);
must_check int q2_count_all(struct q2_checker *c, bool refcount_tables);
/* Makes counts and copied bits what they should be, as far as `fix` allows. */
must_check int q2_repair(struct q2_checker *c, unsigned fix);
