/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages to the 9P server of a folder in memory: of any type, with bytes of the input, or put
   together well. What lies beside the folder must be as it was. */
#include "../unit/p9/client.h"
#include "dev_input.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    return remove(path);
}

static void any_message(struct client *c, struct input *in)
{
    unsigned len = (unsigned)input_take(in, 1) % 100;

    begin(c, (u8)input_take(in, 1));
    for (unsigned n = 0; n < len; n++)
        put(c, 1, input_take(in, 1));
    call(c);
}

static void step(struct client *c, struct input *in)
{
    static const char *const names[] = {"f", "d", "l", "..", "n", "d|f", "l|secret", "d|..|f"};
    u8 op = (u8)input_take(in, 1);
    u32 fid = op >> 4 & 3, to = op >> 6;
    const char *name = names[input_take(in, 1) % ARRAY_SIZE(names)];

    switch (op & 7) {
    case 0:
        version(c, 8192);
        attach(c, 0);
        break;
    case 1:
        walk(c, fid, to, name);
        break;
    case 2:
        open_fid(c, fid, (u32)input_take(in, 4));
        break;
    case 3:
        create(c, fid, name, (u32)input_take(in, 2), (u32)input_take(in, 2));
        break;
    case 4:
        read_fid(c, fid, input_take(in, 2), (u32)input_take(in, 4));
        break;
    case 5:
        clunk(c, fid);
        break;
    default:
        any_message(c, in);
    }
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    static struct client c;
    static u8 packed[P9_STATE_LEN];
    struct input in = {data, size};
    char top[] = "/dev/shm/domus-p9-XXXXXX", share[64], path[80];
    struct p9_config cfg = {.path = share, .read_only = size & 1};
    struct stat before, after;
    struct err err;

    BUG_ON(!mkdtemp(top));
    snprintf(share, sizeof(share), "%s/share", top);
    BUG_ON(mkdir(share, 0700));
    snprintf(path, sizeof(path), "%s/d", share);
    BUG_ON(mkdir(path, 0700));
    snprintf(path, sizeof(path), "%s/l", share);
    BUG_ON(symlink("..", path));
    snprintf(path, sizeof(path), "%s/secret", top);
    BUG_ON(mkdir(path, 0700) || stat(path, &before));
    BUG_ON(p9_new(&c.p9, &cfg, &err));
    version(&c, 8192);
    attach(&c, 0);
    while (input_left(&in))
        step(&c, &in);
    p9_pack(c.p9, packed);
    BUG_ON(p9_unpack(c.p9, packed));
    p9_free(c.p9);
    BUG_ON(stat(path, &after) || memcmp(&before.st_ctim, &after.st_ctim, sizeof(before.st_ctim)));
    nftw(top, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return 0;
}
