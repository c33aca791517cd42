/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where a JSON object ends in a stream of bytes: QMP's clients need not end it with a line feed. */
#pragma once
#include "base/base.h"

struct qmp_scan { /* zeroed: before a message */
    u32 len;      /* bytes of the message so far */
    u32 depth;
    bool in_string, escaped;
    bool skipping; /* after an error, up to a line feed */
};

enum qmp_scan_result {
    QMP_MORE,    /* the byte was taken; the message goes on */
    QMP_NOTHING, /* the byte belongs to no message */
    QMP_COMPLETE,
    QMP_NO_JSON,  /* what is here is no object; the rest of the line is skipped */
    QMP_TOO_LONG, /* likewise */
    QMP_TOO_DEEP,
};

/* The next byte. With QMP_MORE and QMP_COMPLETE it is byte len - 1 of the message. */
enum qmp_scan_result qmp_scan(struct qmp_scan *s, u8 byte);
