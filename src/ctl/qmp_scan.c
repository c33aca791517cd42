/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/qmp_scan.h"

#include "ctl/qmp.h"

static enum qmp_scan_result give_up(struct qmp_scan *s, enum qmp_scan_result why, u8 byte)
{
    *s = (struct qmp_scan){.skipping = byte != '\n'};
    return why;
}

static enum qmp_scan_result outside(struct qmp_scan *s, u8 byte)
{
    if (s->skipping) {
        s->skipping = byte != '\n';
        return QMP_NOTHING;
    }
    if (byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n')
        return QMP_NOTHING;
    if (byte != '{')
        return give_up(s, QMP_NO_JSON, byte);
    *s = (struct qmp_scan){.len = 1, .depth = 1};
    return QMP_MORE;
}

enum qmp_scan_result qmp_scan(struct qmp_scan *s, u8 byte)
{
    if (!s->len)
        return outside(s, byte);
    if (s->len == QMP_MESSAGE_MAX)
        return give_up(s, QMP_TOO_LONG, byte);
    s->len++;
    if (s->in_string) {
        s->in_string = s->escaped || byte != '"';
        s->escaped = !s->escaped && byte == '\\';
        return byte == '\n' ? give_up(s, QMP_NO_JSON, byte) : QMP_MORE;
    }
    if (byte == '"') {
        s->in_string = true;
    } else if (byte == '{' || byte == '[') {
        if (s->depth++ == QMP_DEPTH_MAX)
            return give_up(s, QMP_TOO_DEEP, byte);
    } else if (byte == '}' || byte == ']') {
        s->depth--;
    }
    return s->depth ? QMP_MORE : QMP_COMPLETE;
}
