/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Image formats: how each is known, opened and made; and opening of an image with its backing
 * files. docs/design/010-block.md has the rules.
 */
#pragma once
#include "block/driver.h"

#define PROBE_BYTES      4096u /* of a file's start, zeros beyond its end */
#define BACKING_DEPTH    200u
#define FORMAT_KEYS      24u
#define FORMAT_VALUE_MAX 4096u

struct format_key {
    const char *name, *help;
};

/* key=value pairs of a user; `-o` of img. */
struct format_options {
    unsigned n;
    struct {
        char *key, *value;
    } pair[FORMAT_KEYS];
};

#define OPEN_READ_ONLY    BIT(0)
#define OPEN_UNLOCKED     BIT(1)
#define OPEN_NO_BACKING   BIT(2) /* of the chain only the first */
#define OPEN_ANY_BACKING  BIT(3) /* also backing files outside of the image's folder */
#define OPEN_FOR_REPAIR   BIT(4) /* also if it is known to be damaged */
#define OPEN_MAY_BE_EMPTY BIT(5)
#define OPEN_UNSYNCED     BIT(6) /* flushes do nothing */

struct block_format {
    const char *name;
    bool (*probe)(const u8 *head, const char *path); /* NULL: is never guessed */
    /* Owns the file, also on failure. The backing's name is set in the node, not opened. Other
       files it is made of are opened by `open_beside`. */
    int (*open)(struct block_node **out, struct bfile *file, unsigned flags, struct err *err);
    /* NULL: cannot be made. `size` in bytes; `options` has what is not said otherwise. */
    int (*create)(const char *path, u64 size, const char *backing, const char *backing_format,
                  const struct format_options *options, struct err *err);
    const struct format_key *keys; /* ends with a NULL name */
    u64 compress_cluster;          /* convert -c: unit of write_compressed; 0: image's cluster */
    /* Bytes of the file of an image of `size` bytes with `data` bytes in it, or NULL. */
    int (*measure)(u64 size, u64 data, const struct format_options *options, u64 *required,
                   u64 *full, struct err *err);
};

/* NULL if there is none of this name. */
const struct block_format *format_find(const char *name);
const struct block_format *format_at(unsigned n); /* NULL: no more */
/* "raw, qcow2, …" */
const char *format_names(char *buf, size_t size);

must_check int format_options_add(struct format_options *o, const char *key, const char *value,
                                  struct err *err);
void format_options_free(struct format_options *o);
/* NULL if not given. */
const char *format_option(const struct format_options *o, const char *key);
/* Each leaves *value alone if the key is not given. */
must_check int format_size(const struct format_options *o, const char *key, u64 *value,
                           struct err *err);
must_check int format_bool(const struct format_options *o, const char *key, bool *value,
                           struct err *err);
must_check int format_check_keys(const struct block_format *f, const struct format_options *o,
                                 struct err *err);
must_check int format_prealloc(const struct format_options *o, enum block_prealloc *how,
                               struct err *err);
/* "10G": bytes; K, M, G, T, P, E are powers of 1024, fractions are allowed. */
must_check int parse_size(const char *text, u64 *value, struct err *err);

/* What the file is in, or raw. */
must_check int format_probe(struct bfile *file, const struct block_format **out, struct err *err);
/* `format` NULL: probed. Backing files are opened too; `backing` (or NULL) instead of the one
   that the image names. */
must_check int block_chain_open(struct block_node **out, const char *path, const char *format,
                                const char *backing, unsigned flags, struct err *err);
/* The same over a file that is open already, which it owns. */
must_check int block_node_open(struct block_node **out, struct bfile *file, const char *format,
                               unsigned flags, struct err *err);
/* Opens a file that the image in `file` names, such as a data file or an extent: in the image's own
   folder, unless flags have OPEN_ANY_BACKING. `what` it is, for the message. */
must_check int open_beside(struct bfile **out, const struct bfile *file, const char *name,
                           const char *what, unsigned flags, struct err *err);
/* Where a name in the image at `path` leads; freed by the caller. NULL: no memory. */
char *path_beside(const char *path, const char *name);
