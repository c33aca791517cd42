/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A server of the file protocol 9P2000.L (as diod and Linux document it) for one folder of the
 * host: a message goes in, its answer comes out. Whatever carries messages is hostile: nothing out
 * of the folder can be named (openat2 with RESOLVE_BENEATH and RESOLVE_NO_SYMLINKS; symbolic links
 * are the client's to follow), and files, memory and time are bounded.
 *
 * New files are Domus' user's; ownership is set where the host permits it, and is else left as it
 * is. No set-user-ID bits, no device nodes, no extended attributes. Only regular files and folders
 * are opened. One thread at a time; calls block on the host's file system.
 */
#pragma once
#include "base/base.h"
#include "base/err.h"

#define P9_MESSAGE_MAX (512u * KiB)

struct p9;

struct p9_config {
    const char *path; /* the folder */
    bool read_only;
};

/* -errno with a message that names the folder. */
must_check int p9_new(struct p9 **out, const struct p9_config *cfg, struct err *err);
void p9_free(struct p9 *p);
/* Closes all files, as if the client had never been there. */
void p9_reset(struct p9 *p);

/* Answers one message; returns the answer's length, at most `room`. 0: there is no room for any,
   or the message has no head. */
u32 p9_serve(struct p9 *p, const u8 *message, u32 len, u8 *answer, u32 room);

/* The client's state, for a saved machine: files are named, and opened again when it is unpacked.
   What cannot be opened any more is stale (ESTALE). Locks are not part of it. */
#define P9_STATE_LEN (4 * MiB)
void p9_pack(const struct p9 *p, u8 to[P9_STATE_LEN]);
/* -EINVAL; then there are no files. */
must_check int p9_unpack(struct p9 *p, const u8 from[P9_STATE_LEN]);
