/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A client of the 9P server: messages are put together and their answers taken apart. */
#pragma once
#include "base/le.h"
#include "p9/p9.h"

struct client {
    struct p9 *p9;
    u8 message[P9_MESSAGE_MAX];
    u32 len;
    u8 answer[P9_MESSAGE_MAX];
    u32 got, at; /* bytes of the answer; where it is being read */
};

static inline void put(struct client *c, unsigned size, u64 val)
{
    memcpy(c->message + c->len, &val, size);
    c->len += size;
}

static inline void put_text(struct client *c, const char *text)
{
    u32 len = (u32)strlen(text);

    put(c, 2, len);
    memcpy(c->message + c->len, text, len);
    c->len += len;
}

static inline void begin(struct client *c, u8 type)
{
    c->len = 0;
    put(c, 4, 0);
    put(c, 1, type);
    put(c, 2, 7); /* tag */
}

/* The errno that it ends with, 0 for none. */
static inline u32 call(struct client *c)
{
    put_le32(c->message, c->len);
    c->got = p9_serve(c->p9, c->message, c->len, c->answer, sizeof(c->answer));
    c->at = 7;
    if (c->got < 7 || le32(c->answer) != c->got || le16(c->answer + 5) != 7)
        return 9999;
    if (c->answer[4] == 7)
        return le32(c->answer + 7);
    return c->answer[4] == c->message[4] + 1 ? 0 : 9998;
}

static inline u64 get(struct client *c, unsigned size)
{
    u64 val = 0;

    memcpy(&val, c->answer + c->at, size);
    c->at += size;
    return val;
}

static inline u32 attach(struct client *c, u32 fid)
{
    begin(c, 104);
    put(c, 4, fid);
    put(c, 4, UINT32_MAX);
    put_text(c, "root");
    put_text(c, "");
    put(c, 4, 0);
    return call(c);
}

static inline u32 version(struct client *c, u32 msize)
{
    begin(c, 100);
    put(c, 4, msize);
    put_text(c, "9P2000.L");
    return call(c);
}

/* Names are separated by '|'. */
static inline u32 walk(struct client *c, u32 fid, u32 to, const char *names)
{
    u16 count = 0;
    u32 at;

    begin(c, 110);
    put(c, 4, fid);
    put(c, 4, to);
    at = c->len;
    put(c, 2, 0);
    while (*names) {
        size_t n = strcspn(names, "|");
        put(c, 2, n);
        memcpy(c->message + c->len, names, n);
        c->len += (u32)n;
        names += n + (names[n] == '|');
        count++;
    }
    put_le16(c->message + at, count);
    return call(c);
}

static inline u32 open_fid(struct client *c, u32 fid, u32 flags)
{
    begin(c, 12);
    put(c, 4, fid);
    put(c, 4, flags);
    return call(c);
}

static inline u32 create(struct client *c, u32 fid, const char *name, u32 flags, u32 mode)
{
    begin(c, 14);
    put(c, 4, fid);
    put_text(c, name);
    put(c, 4, flags);
    put(c, 4, mode);
    put(c, 4, 0);
    return call(c);
}

static inline u32 read_fid(struct client *c, u32 fid, u64 offset, u32 count)
{
    begin(c, 116);
    put(c, 4, fid);
    put(c, 8, offset);
    put(c, 4, count);
    return call(c);
}

static inline u32 write_fid(struct client *c, u32 fid, u64 offset, const char *text)
{
    begin(c, 118);
    put(c, 4, fid);
    put(c, 8, offset);
    put(c, 4, strlen(text));
    memcpy(c->message + c->len, text, strlen(text));
    c->len += (u32)strlen(text);
    return call(c);
}

static inline u32 clunk(struct client *c, u32 fid)
{
    begin(c, 120);
    put(c, 4, fid);
    return call(c);
}
