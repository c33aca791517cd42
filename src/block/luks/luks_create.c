/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A new encrypted disk, with one password. */
#include "block/file.h"
#include "block/format.h"
#include "block/formats/bat.h"
#include "block/key_file.h"
#include "block/luks/luks.h"
#include "os/time.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define ALIGN      8u    /* sectors, of all parts */
#define SLOT0      8u    /* where the slots' keys start */
#define ITER_TIME  2000u /* ms, as QEMU's */
#define ITER_LEAST 1000u
#define ITER_TRY   20000u /* how many are timed */

/* An option by its own name, which has the prefix. */
static const char *option(const struct format_options *o, const char *prefix, const char *name)
{
    char full[32];

    snprintf(full, sizeof(full), "%s%s", prefix, name);
    return format_option(o, full);
}

static int plan_numbers(struct luks_new *l, const struct format_options *o, const char *prefix,
                        struct err *err)
{
    const char *cipher = option(o, prefix, "cipher-alg"), *hash = option(o, prefix, "hash-alg");
    const char *time = option(o, prefix, "iter-time");
    int rc;

    l->ms = ITER_TIME;
    rc = time ? parse_size(time, &l->ms, err) : 0;
    if (rc || !l->ms || l->ms > 60000)
        return err_set(err, EINVAL, "%siter-time: from 1 to 60000 milliseconds", prefix);
    l->h.key_bytes = cipher && !strcmp(cipher, "aes-128") ? 32 : 64;
    if (cipher && l->h.key_bytes == 64 && strcmp(cipher, "aes-256"))
        return err_set(err, EINVAL, "%scipher-alg=%.20s: there are aes-128 and aes-256", prefix,
                       cipher);
    l->h.hash = crypt_hash_find(hash ? hash : "sha256");
    if (l->h.hash == CRYPT_HASHES)
        return err_set(err, EINVAL, "%shash-alg=%.20s: there are sha1, sha256 and sha512", prefix,
                       hash);
    return 0;
}

/* How many take the time here. */
static u32 iterations_for(const struct luks_new *l)
{
    u8 out[CRYPT_KEY_MAX];
    u64 from = host_ns(CLOCK_THREAD_CPUTIME_ID), ns, n;

    crypt_pbkdf2(l->h.hash, out, 0, l->h.salt, LUKS_SALT, ITER_TRY, out, l->h.key_bytes);
    ns = host_ns(CLOCK_THREAD_CPUTIME_ID) - from;
    n = l->ms * 1000000 * ITER_TRY / max_u64(ns, 1);
    return (u32)max_u64(ITER_LEAST, min_u64(n, LUKS_ITERATIONS_MAX));
}

static int make_uuid(char *to, size_t size)
{
    u8 u[16];
    int rc = crypt_random(u, sizeof(u));

    u[6] = (u8)((u[6] & 0x0f) | 0x40);
    u[8] = (u8)((u[8] & 0x3f) | 0x80);
    snprintf(to, size, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", u[0],
             u[1], u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12], u[13],
             u[14], u[15]);
    return rc;
}

static void lay_out(struct luks_header *h)
{
    u32 each = (u32)align_up((u64)h->key_bytes * LUKS_STRIPES / 512, ALIGN);

    for (unsigned i = 0; i < LUKS_SLOTS; i++)
        h->slot[i].at = SLOT0 + i * each;
    h->payload = SLOT0 + LUKS_SLOTS * each;
}

int luks_plan(struct luks_new *l, const struct format_options *options, const char *prefix,
              struct err *err)
{
    int rc;

    *l = (struct luks_new){.prefix = prefix, .key_file = option(options, prefix, "key-file")};
    rc = plan_numbers(l, options, prefix, err);
    if (!rc)
        lay_out(&l->h);
    return rc;
}

u64 luks_bytes(const struct luks_new *l)
{
    return l->h.payload * 512ull;
}

int luks_read_key(struct luks_new *l, struct err *err)
{
    if (!l->key_file)
        return err_set(err, EINVAL,
                       "say the file with the password of the new image, as -o %skey-file=FILE",
                       l->prefix);
    return key_file_read(l->key_file, &l->pass, &l->npass, err);
}

void luks_forget(struct luks_new *l)
{
    crypt_secret_free(l->pass, KEY_FILE_MAX);
    l->pass = NULL;
}

int luks_write_new(struct luks_new *l, struct bfile *f, u64 at)
{
    u8 *key = crypt_secret_new(CRYPT_KEY_MAX), header[LUKS_HEADER];
    struct luks_header *h = &l->h;
    int rc = key ? crypt_random(key, CRYPT_KEY_MAX) : -ENOMEM;

    h->at = at;
    h->slot[0].iterations = iterations_for(l);
    h->iterations = (u32)max_u64(ITER_LEAST, h->slot[0].iterations / 8);
    if (!rc)
        rc = make_uuid(h->uuid, sizeof(h->uuid));
    if (!rc)
        rc = luks_put_key(f, h, 0, l->pass, l->npass, key);
    crypt_secret_free(key, CRYPT_KEY_MAX);
    if (rc)
        return rc;
    luks_put_header(h, header);
    return bfile_write(f, at, header, sizeof(header));
}

int luks_create(const char *path, u64 size, const char *backing, const char *backing_format,
                const struct format_options *options, struct err *err)
{
    struct luks_new l;
    struct bfile *f;
    int rc = luks_plan(&l, options, "", err);

    if (!rc && backing)
        rc = err_set(err, EINVAL, "format luks has no backing files");
    if (!rc && (!size || size > BIT64(60)))
        rc = err_set(err, EINVAL, "format luks: too large, or empty");
    if (!rc)
        rc = luks_read_key(&l, err);
    if (!rc)
        rc = bat_create(&f, path, err);
    if (!rc) {
        rc = bat_clear(f, luks_bytes(&l));
        if (!rc)
            rc = bfile_truncate(f, luks_bytes(&l) + align_up(size, 512));
        if (!rc)
            rc = luks_write_new(&l, f, 0);
        rc = bat_created(f, rc, err);
    }
    luks_forget(&l);
    return rc;
}

const struct format_key luks_keys[] = {
    {"key-file", "a file with the password: all bytes of it"},
    {"cipher-alg", "aes-256 or aes-128"},
    {"hash-alg", "sha256, sha512 or sha1"},
    {"iter-time", "milliseconds that it takes to try a password; 2000 if not given"},
    {NULL, NULL},
};
