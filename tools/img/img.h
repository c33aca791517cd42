/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the commands of `domus img` share. Messages go to stderr; results are exit statuses. */
#pragma once
#include "block/file.h"
#include "block/format.h"

#include <stdio.h>

/* Long options without a letter; letters are their own numbers. */
enum {
    OPT_OUTPUT = 256,
    OPT_CHAIN,
    OPT_START,
    OPT_LENGTH,
    OPT_SIZE,
    OPT_PREALLOC,
    OPT_SHRINK,
    OPT_BITMAPS,
    OPT_TARGET_ZERO,
    OPT_SALVAGE,
    OPT_VERIFY,
    OPT_BACKING,
    OPT_MERGE,
    OPT_ADD,
    OPT_REMOVE,
    OPT_CLEAR,
    OPT_ENABLE,
    OPT_DISABLE,
    OPT_FLUSH,
    OPT_NO_DRAIN,
    OPT_PATTERN,
    OPT_KEY_FILE,
    OPT_MAX
};

struct img_args {
    const char *command;
    const char *opt[OPT_MAX]; /* NULL: not given; "" without a value */
    struct format_options o;  /* -o, of a format */
    bool help_o;              /* -o help */
    bool contents;            /* the command is about what is in images: passwords are needed */
    unsigned flags;           /* OPEN_ANY_BACKING, OPEN_UNLOCKED as given */
    int argc;                 /* what is left */
    char **argv;
};

/* shorts: as of getopt. A message and false if they are wrong. */
bool img_parse(struct img_args *a, int argc, char **argv, const char *shorts, bool compat);
bool img_json(const struct img_args *a);
void img_error(const struct img_args *a, const struct err *err);
void img_complain(const struct img_args *a, const char *fmt, ...) printf_like(2, 3);
/* Opens or says why not, and *out is NULL then; what is encrypted, with the password of --key-file,
 * or of `key_file`. */
must_check int img_open(const struct img_args *a, struct block_node **out, const char *path,
                        const char *format, unsigned flags);
must_check int img_open_by(const struct img_args *a, struct block_node **out, const char *path,
                           const char *format, unsigned flags, const char *key_file);
/* How to open what is written to: -t, or the cache mode `cache`. Those that are not "unsafe" differ
   in when the host's disk has what is new, and all have it there in the end. */
unsigned img_target_flags(const struct img_args *a, const char *cache);
/* The same of what is copied: read only, and as it was in the snapshot of -l. */
must_check int img_open_source(struct img_args *a, struct block_node **out, const char *path);
/* The node of the chain that is this file, or NULL. */
struct block_node *img_find_file(struct block_node *n, const char *path);
/* A format that can be made; NULL, and says why not. */
const struct block_format *img_find_format(const struct img_args *a, const char *name);
/* Takes what all formats have out of -o; *to is kept if it is not NULL. */
void img_take_option(struct img_args *a, const char *key, const char **to);
/* -o help of a format. */
int img_help_options(const struct block_format *f);
/* Formats a number of bytes as qemu-img does: "1.5 GiB". */
const char *img_bytes(u64 n, char *buf, size_t size);
/* A key=value list of -o with a number in it. */
must_check int img_number(const struct img_args *a, int opt, u64 *value);

/* -p on a terminal: a line that is written over. */
struct progress {
    bool on;
    u64 total;
    _Atomic u64 done;
    int shown;
};
void progress_start(struct progress *p, const struct img_args *a, u64 total);
void progress_add(struct progress *p, u64 n);
void progress_end(struct progress *p);

#define COPY_THREADS 16u /* at most */

/* copy.c: src from `from` on to dst. Ranges that `stop` or what is behind it says are left out. */
struct copy {
    struct block_node *src, *dst, *stop;
    u64 base;   /* where src's first byte goes */
    u64 len;    /* of src */
    u64 sparse; /* bytes of zeros that are a hole */
    u64 rate;   /* bytes of data in a second; 0: any */
    bool dst_zero, compress, salvage;
    unsigned threads;
    struct progress *progress;
};
must_check int copy_run(struct copy *c, struct err *err);
/* 0: the same; 1: not, and where in *at; -errno. What is longer must be zeros. */
must_check int compare_nodes(struct block_node *a, struct block_node *b, bool strict, u64 *at,
                             struct progress *progress);

void img_print_snapshots(const struct block_snapshot *s, unsigned n); /* info.c */

int img_create(struct img_args *a);
int img_info(struct img_args *a);
int img_map(struct img_args *a);
int img_check(struct img_args *a);
int img_convert(struct img_args *a);
int img_compare(struct img_args *a);
int img_commit(struct img_args *a);
int img_rebase(struct img_args *a);
int img_resize(struct img_args *a);
int img_snapshot(struct img_args *a);
int img_bitmap(struct img_args *a);
int img_measure(struct img_args *a);
int img_dd(struct img_args *a);
int img_bench(struct img_args *a);
