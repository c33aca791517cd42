/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A file of frames that tcpdump and Wireshark read: classic pcap with microseconds, link type
 * Ethernet. When it cannot be written any more, recording stops. One thread at a time.
 */
#pragma once
#include "base/err.h"

struct capture {
    u32 snaplen;
    int file; /* descriptor + 1; 0: closed, as in zeroed memory */
};

/* The file is made anew, for the user only. `snaplen` bytes of each frame are kept, 0: all. */
must_check int capture_open(struct capture *c, const char *path, u32 snaplen, struct err *err);
/* `t` in ns since 1970. Nothing happens where it is closed. */
void capture_frame(struct capture *c, u64 t, const u8 *frame, size_t len);
void capture_close(struct capture *c); /* harmless twice */
