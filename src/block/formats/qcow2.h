/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qcow2, private to its files. Format: QEMU's docs/interop/qcow2.txt, versions 2 and 3.
 *
 * Locks: `io` is held shared by each request for as long as it uses host clusters, and alone by
 * what frees clusters or changes tables as a whole; within it `meta` guards tables and reference
 * counts, and is not held for data I/O. Functions named q2_*_locked want `meta`.
 *
 * Order on disk (q2_flush): counts of what is new, then the tables that point to it, and only
 * when those are on disk the counts of what is free now. What is lost between leaks clusters.
 */
#pragma once
#include "block/format.h"
#include "block/formats/qcow2_codec.h"
#include "block/luks/luks.h"
#include "block/luks/sectors.h"

#include <pthread.h>

#define Q2_MAGIC 0x514649fbu

#define Q2_INCOMPAT_DIRTY       BIT64(0)
#define Q2_INCOMPAT_CORRUPT     BIT64(1)
#define Q2_INCOMPAT_DATA_FILE   BIT64(2)
#define Q2_INCOMPAT_COMPRESSION BIT64(3)
#define Q2_INCOMPAT_EXTL2       BIT64(4)
#define Q2_INCOMPAT_KNOWN       bits(~(u64)0, 4, 0)
#define Q2_COMPAT_LAZY          BIT64(0)
#define Q2_AUTOCLEAR_BITMAPS    BIT64(0)
#define Q2_AUTOCLEAR_RAW        BIT64(1)
#define Q2_AUTOCLEAR_KNOWN      (Q2_AUTOCLEAR_BITMAPS | Q2_AUTOCLEAR_RAW)

#define Q2_EXT_BACKING_FORMAT 0xe2792acau
#define Q2_EXT_FEATURES       0x6803f857u
#define Q2_EXT_BITMAPS        0x23852875u
#define Q2_EXT_CRYPTO         0x0537be77u
#define Q2_EXT_DATA_FILE      0x44415441u

#define Q2_COPIED      BIT64(63)
#define Q2_COMPRESSED  BIT64(62)
#define Q2_ZERO        BIT64(0)
#define Q2_OFFSET_MASK 0x00fffffffffffe00ull
#define Q2_L1_RESERVED 0x7f000000000001ffull
#define Q2_L2_RESERVED 0x3f000000000001feull

#define Q2_L1_MAX        (32 * MiB)
#define Q2_REFTABLE_MAX  (8 * MiB)
#define Q2_SNAPSHOTS_MAX 65536u
#define Q2_SNAPTABLE_MAX (64 * MiB) /* 1024 bytes for each */
#define Q2_EXTRA_MAX     1024u
#define Q2_BACKING_MAX   1023u
#define Q2_SIZE_MAX      BIT64(61)
#define Q2_PIECES        256u /* of memory, that are moved at once */

struct q2_table {
    u64 off;
    u8 *data; /* a cluster, as in the file */
    bool dirty;
    struct q2_table *hash_next, *newer, *older;
};

/* Tables of one kind that are in memory. meta. */
struct q2_cache {
    unsigned count, max, buckets;
    unsigned dirty;
    struct q2_table **bucket, *newest, *oldest;
};

/* A set of cluster numbers: what metadata is where. */
struct q2_set {
    u64 *slot; /* number + 1; 0: empty; ~0: was removed */
    u64 slots, used;
};

struct q2_snapshot {
    u64 l1_offset;
    u32 l1_size;
    u32 date_sec, date_nsec;
    u64 clock_ns, state_size, disk_size, icount;
    u32 extra_size; /* of the file */
    u8 *extra;
    char *id, *name;
};

struct q2_bitmap {
    char *name;
    u64 table_offset;
    u32 table_size, flags;
    u8 type, granularity_bits;
    u32 extra_size;
    u8 *extra;
    u8 *dirty; /* in memory, a bit for each granularity; NULL: only in the file */
    bool changed;
};

struct q2_ext {
    u32 type, len;
    u8 *data;
};

/* A write that has host clusters and is not in the tables yet. */
struct q2_alloc {
    u64 first, count; /* guest clusters */
    struct q2_alloc *next;
};

struct q2_free {
    u64 cluster; /* of the host */
    u64 count;
};

struct qcow2 {
    struct block_node node;
    struct bfile *file, *data; /* the same, but with an external data file */
    unsigned flags;            /* OPEN_* */

    u32 version, cluster_bits, header_length;
    u64 cluster;            /* bytes */
    u32 l2_bits, entry;     /* entries of a table as a power of 2; bytes of one */
    u32 subs, sub_bytes;    /* subclusters of a cluster, their size */
    u32 ref_order, rb_bits; /* width of a count, counts of a block, as powers of 2 */
    u64 incompat, compat, autoclear;
    u8 compression; /* 0 zlib, 1 zstd */
    struct q2_ext *ext;
    unsigned exts;
    char *data_name;

    pthread_rwlock_t io;
    pthread_mutex_t meta;
    pthread_cond_t linked; /* an allocation is over; meta */
    struct q2_alloc *allocs;

    u64 l1_offset;
    u32 l1_size;
    u64 *l1;                        /* in the host's order */
    u32 l1_dirty_from, l1_dirty_to; /* entries [from, to) to write */
    u64 rt_offset;
    u32 rt_clusters, rt_size; /* entries */
    u64 *rt;
    u32 rt_dirty_from, rt_dirty_to;
    struct q2_cache l2, ref;
    struct q2_set known; /* clusters with metadata of the image as it is now */

    u64 hint;              /* no free cluster below, or known to be */
    u64 run, run_hint;     /* no `run` free ones in a row below run_hint; run 0: not known */
    u64 fill;              /* host bytes where the next compressed cluster goes; 0: anywhere */
    _Atomic bool unsynced; /* data was written since the last flush */

    struct q2_free *free; /* to be freed once the tables are on disk */
    unsigned frees, frees_room;
    unsigned frees_ready; /* those of them that are */

    struct q2_snapshot *snap;
    unsigned snaps;
    u64 snap_offset, snap_bytes;
    struct q2_bitmap *bitmap;
    unsigned bitmaps;
    u64 bitmap_dir, bitmap_dir_bytes;
    bool bitmaps_marked;   /* in use, in the file */
    _Atomic bool tracking; /* some bitmap follows writes */
    _Atomic bool begun;    /* it is being written to, and says so */

    struct q2_codecs codecs;

    /* Of an image that is encrypted. */
    struct luks_header luks;
    u64 luks_len;                /* of the clusters that it is in */
    struct crypt_cipher *cipher; /* NULL: locked */
    struct sectors sectors;
};

static inline struct qcow2 *q2_of(struct block_node *n)
{
    return container_of(n, struct qcow2, node);
}

static inline bool q2_is_locked(const struct qcow2 *q)
{
    return q->node.encrypted && !q->cipher;
}

static inline u64 q2_start(const struct qcow2 *q, u64 off)
{
    return off & ~(q->cluster - 1);
}

static inline u64 q2_clusters(const struct qcow2 *q, u64 bytes)
{
    return (bytes >> q->cluster_bits) + !!(bytes & (q->cluster - 1));
}

/* qcow2_set.c */
must_check int q2_set_add(struct q2_set *s, u64 number); /* -EEXIST, -ENOMEM */
void q2_set_remove(struct q2_set *s, u64 number);
bool q2_set_has(const struct q2_set *s, u64 number);
void q2_set_dispose(struct q2_set *s);
/* Metadata of `clusters` from byte `off` on; -EEXIST and nothing is added if another is there. */
must_check int q2_known_add(struct qcow2 *q, u64 off, u64 clusters);
void q2_known_remove(struct qcow2 *q, u64 off, u64 clusters);

/* qcow2_cache.c: a pointer is good until the next call for the same cache. */
must_check int q2_cache_init(struct q2_cache *c, u64 cluster);
void q2_cache_dispose(struct q2_cache *c);
must_check int q2_cache_get(struct qcow2 *q, struct q2_cache *c, u64 off, struct q2_table **out);
bool q2_cache_has(struct q2_cache *c, u64 off);
/* Zeros, dirty; what was there is forgotten. */
must_check int q2_cache_new(struct qcow2 *q, struct q2_cache *c, u64 off, struct q2_table **out);
void q2_cache_dirty(struct q2_cache *c, struct q2_table *t);
void q2_cache_drop(struct q2_cache *c, u64 off); /* without writing it */
must_check int q2_cache_write(struct qcow2 *q, struct q2_cache *c);
/* Drops everything that is not dirty. */
void q2_cache_clean(struct q2_cache *c);

/* qcow2_ref.c */
must_check int q2_ref_get(struct qcow2 *q, u64 cluster, u64 *count);
/* Adds to the counts of `n` clusters; -ERANGE above what the width allows or below 0. */
must_check int q2_ref_add(struct qcow2 *q, u64 cluster, u64 n, s64 delta);
must_check int q2_ref_set(struct qcow2 *q, u64 cluster, u64 count);
u64 q2_ref_max(const struct qcow2 *q);
u64 q2_ref_read(const u8 *block, unsigned order, u64 index);
void q2_ref_write(u8 *block, unsigned order, u64 index, u64 count);
/* n clusters in a row, with a count of 1. */
must_check int q2_alloc_clusters(struct qcow2 *q, u64 n, u64 *off);
/* Bytes of a compressed cluster. */
must_check int q2_alloc_bytes(struct qcow2 *q, u64 bytes, u64 *off);
/* For what was never pointed to on disk. */
void q2_free_now(struct qcow2 *q, u64 off, u64 clusters);
/* Once the tables that do not point there any more are on disk. */
must_check int q2_free_later(struct qcow2 *q, u64 off, u64 clusters);
must_check int q2_free_entry_later(struct qcow2 *q, u64 entry);
void q2_compressed_range(const struct qcow2 *q, u64 entry, u64 *off, u64 *bytes);

/* qcow2_flush.c */
must_check int q2_flush_locked(struct qcow2 *q); /* tables; meta */
must_check int q2_flush(struct qcow2 *q);        /* everything; neither lock held */
/* As q2_flush, with `io` held alone: also applies what is to be freed, on disk. */
must_check int q2_settle(struct qcow2 *q);
must_check int q2_write_header_fields(struct qcow2 *q, u64 at, const void *buf, u64 len);

/* qcow2_header.c */
must_check int q2_write_header(struct qcow2 *q, struct err *err); /* whole first cluster */
must_check int q2_header_bytes(struct qcow2 *q, u8 *buf, struct err *err);
u8 *q2_ext_find(struct qcow2 *q, u32 type, u32 *len);
must_check int q2_ext_set(struct qcow2 *q, u32 type, const void *data, u32 len); /* 0: removes */
must_check int q2_read_header(struct qcow2 *q, struct err *err);
must_check int q2_read_tables(struct qcow2 *q, struct err *err);
void q2_geometry(struct qcow2 *q);

/* qcow2_map.c: types of a cluster or subcluster. */
enum q2_type { Q2_UNALLOCATED, Q2_ZERO_PLAIN, Q2_ZERO_ALLOC, Q2_NORMAL, Q2_PACKED };

struct q2_map {
    enum q2_type type;
    u64 len;   /* bytes from the offset asked for, of this type, in a row on the host */
    u64 host;  /* of the offset asked for: NORMAL, ZERO_ALLOC; or of its subcluster */
    u64 entry; /* of the first cluster */
    bool copied;
};

/* len > 0; meta. -EIO if the image is damaged there. */
must_check int q2_map_locked(struct qcow2 *q, u64 off, u64 len, struct q2_map *out);
/* The table for guest offset off; *out NULL if there is none. */
must_check int q2_l2_get(struct qcow2 *q, u64 off, struct q2_table **out);
bool q2_l2_in_memory(struct qcow2 *q, u64 off); /* q2_l2_get will not read it */
/* One that may be changed: made, or copied if it is shared. */
must_check int q2_l2_own(struct qcow2 *q, u64 off, struct q2_table **out);
u64 q2_l2_index(const struct qcow2 *q, u64 off);
u64 q2_entry(const struct qcow2 *q, const struct q2_table *t, u64 index);
u64 q2_bitmap_of(const struct qcow2 *q, const struct q2_table *t, u64 index);
void q2_set_entry(struct qcow2 *q, struct q2_table *t, u64 index, u64 entry, u64 bitmap);
enum q2_type q2_sub_type(const struct qcow2 *q, u64 entry, u64 bitmap, unsigned sub);
/* Says what is wrong with an entry, or 0. */
must_check int q2_entry_check(struct qcow2 *q, u64 guest, u64 entry, u64 bitmap);
bool q2_keeps_raw(const struct qcow2 *q);
bool q2_has_host(const struct qcow2 *q, u64 entry);
static inline bool q2_has_backing(const struct qcow2 *q)
{
    return q->node.backing || q->node.backing_name;
}

/* qcow2_io.c, qcow2_write.c, qcow2_zero.c */
int q2_read(struct block_node *n, u64 off, u8 *buf, u64 len);
int q2_readv(struct block_node *n, u64 off, const struct iovec *iov, unsigned count);
int q2_read_now(struct block_node *n, u64 off, const struct iovec *iov, unsigned count);
int q2_write(struct block_node *n, u64 off, const u8 *buf, u64 len);
int q2_writev(struct block_node *n, u64 off, const struct iovec *iov, unsigned count);
int q2_zero(struct block_node *n, u64 off, u64 len);
int q2_discard(struct block_node *n, u64 off, u64 len);
int q2_status(struct block_node *n, u64 off, u64 len, struct block_extent *out);
/* `io` held shared by the caller; of an encrypted image, which is not locked, whole sectors. */
must_check int q2_read_range(struct qcow2 *q, u64 off, u8 *buf, u64 len);
must_check int q2_write_range(struct qcow2 *q, u64 off, const u8 *buf, u64 len);
/* Waits until no allocation of these guest clusters is under way; true if it had to, and then
   what was known is not true any more. meta. */
bool q2_wait_allocs(struct qcow2 *q, u64 first, u64 count);
void q2_alloc_begin(struct qcow2 *q, struct q2_alloc *a, u64 first, u64 count);
void q2_alloc_end(struct qcow2 *q, struct q2_alloc *a);
/* Before anything is changed: what must not outlive a change (bitmaps, unknown features) is marked.
   No lock held. */
must_check int q2_begin(struct qcow2 *q);
/* After a change, no lock held: keeps what waits to be freed bounded. */
void q2_end(struct qcow2 *q);

/* qcow2_compress.c */
int q2_write_compressed(struct block_node *n, u64 off, const u8 *buf, u64 len);
must_check int q2_read_compressed(struct qcow2 *q, u64 entry, u64 skip, u8 *buf, u64 len);

/* qcow2_crypt.c */
/* Once the header's extensions are read: its method of encryption, and LUKS' header. */
must_check int q2_crypt_read(struct qcow2 *q, u32 method, struct err *err);
/* A new LUKS header at `off`, which is a cluster's; `node.encrypted` and the extension are set. */
must_check int q2_crypt_create(struct qcow2 *q, struct luks_new *l, u64 off);
u32 q2_crypt_method(const struct qcow2 *q); /* as the header has it */
int q2_unlock(struct block_node *n, const u8 *pass, size_t len, struct err *err);
/* As q2_write_range, of any bytes. */
must_check int q2_write_bytes(struct qcow2 *q, u64 off, const u8 *buf, u64 len);
/* Of the file with the data: as it reads without encryption. Pieces of whole sectors with it. */
must_check int q2_data_read(struct qcow2 *q, u64 host, const struct iovec *iov, unsigned n);
must_check int q2_data_write(struct qcow2 *q, u64 host, const struct iovec *iov, unsigned n);

/* qcow2_check.c */
int q2_check(struct block_node *n, unsigned fix, struct block_check *result, struct err *err);

/* qcow2_resize.c */
int q2_resize(struct block_node *n, u64 size, enum block_prealloc how, struct err *err);
must_check int q2_preallocate(struct qcow2 *q, u64 from, u64 to, enum block_prealloc how);
must_check int q2_grow_l1(struct qcow2 *q, u64 entries);
/* The disk's size, and the level 1 table with its place, in the header at once. */
must_check int q2_write_header_l1(struct qcow2 *q, u64 size, u64 entries, u64 off);

/* qcow2_snapshot.c */
must_check int q2_snapshots_read(struct qcow2 *q, struct err *err);
void q2_snapshots_dispose(struct qcow2 *q);
int q2_snapshot_list(struct block_node *n, struct block_snapshot **out, unsigned *count);
int q2_snapshot_create(struct block_node *n, const char *name, struct err *err);
int q2_snapshot_apply(struct block_node *n, const char *id_or_name, struct err *err);
int q2_snapshot_delete(struct block_node *n, const char *id_or_name, struct err *err);
int q2_make_empty(struct block_node *n, struct err *err);
int q2_snapshot_view(struct block_node *n, const char *id_or_name, struct err *err);
/* An L1 table of the file, checked; freed by the caller. */
must_check int q2_read_l1(struct qcow2 *q, u64 off, u32 entries, u64 **out, struct err *err);

/* qcow2_bitmap.c */
must_check int q2_bitmaps_read(struct qcow2 *q, struct err *err);
void q2_bitmaps_dispose(struct qcow2 *q);
/* Before the first write: bitmaps that follow writes are read and marked as in use. */
must_check int q2_bitmaps_begin(struct qcow2 *q);
void q2_bitmaps_mark(struct qcow2 *q, u64 off, u64 len); /* meta */
must_check int q2_bitmaps_store(struct qcow2 *q);        /* at the end */
int q2_bitmap_list(struct block_node *n, struct block_bitmap_info **out, unsigned *count);
int q2_bitmap_change(struct block_node *n, enum bitmap_action action, const char *name,
                     u64 granularity, struct err *err);
int q2_bitmap_read(struct block_node *n, const char *name, u64 *granularity, u8 **dirty,
                   struct err *err);
int q2_bitmap_merge(struct block_node *n, const char *name, u64 granularity, const u8 *dirty,
                    struct err *err);

/* qcow2_create.c */
extern const struct format_key q2_keys[];
int q2_create(const char *path, u64 size, const char *backing, const char *backing_format,
              const struct format_options *options, struct err *err);
int q2_measure(u64 size, u64 data, const struct format_options *options, u64 *required, u64 *full,
               struct err *err);
/* qcow2.c */
int q2_open(struct block_node **out, struct bfile *file, unsigned flags, struct err *err);
