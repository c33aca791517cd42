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

struct making {
    struct luks_header h;
    u64 ms;
    const char *key_file;
};

static int read_options(struct making *m, const struct format_options *o, struct err *err)
{
    const char *cipher = format_option(o, "cipher-alg"), *hash = format_option(o, "hash-alg");
    int rc;

    m->ms = ITER_TIME;
    rc = format_size(o, "iter-time", &m->ms, err);
    if (rc)
        return rc;
    if (!m->ms || m->ms > 60000)
        return err_set(err, EINVAL, "iter-time: from 1 to 60000 milliseconds");
    m->h.key_bytes = cipher && !strcmp(cipher, "aes-128") ? 32 : 64;
    if (cipher && m->h.key_bytes == 64 && strcmp(cipher, "aes-256"))
        return err_set(err, EINVAL, "cipher-alg=%.20s: there are aes-128 and aes-256", cipher);
    m->h.hash = crypt_hash_find(hash ? hash : "sha256");
    if (m->h.hash == CRYPT_HASHES)
        return err_set(err, EINVAL, "hash-alg=%.20s: there are sha1, sha256 and sha512", hash);
    m->key_file = format_option(o, "key-file");
    return m->key_file ? 0
                       : err_set(err, EINVAL,
                                 "format luks: say the file with the password, as "
                                 "-o key-file=FILE");
}

/* How many take the time here. */
static u32 iterations_for(const struct making *m, u64 ms)
{
    u8 out[CRYPT_KEY_MAX];
    u64 from = host_ns(CLOCK_THREAD_CPUTIME_ID), ns, n;

    crypt_pbkdf2(m->h.hash, out, 0, m->h.salt, LUKS_SALT, ITER_TRY, out, m->h.key_bytes);
    ns = host_ns(CLOCK_THREAD_CPUTIME_ID) - from;
    n = ms * 1000000 * ITER_TRY / max_u64(ns, 1);
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

/* Everything but the disk. */
static int write_key(struct making *m, struct bfile *f, const u8 *pass, size_t npass)
{
    u8 *key = crypt_secret_new(CRYPT_KEY_MAX), header[LUKS_HEADER];
    int rc = key ? crypt_random(key, CRYPT_KEY_MAX) : -ENOMEM;

    if (!rc)
        rc = luks_put_key(f, &m->h, 0, pass, npass, key);
    crypt_secret_free(key, CRYPT_KEY_MAX);
    if (rc)
        return rc;
    luks_put_header(&m->h, header);
    return bfile_write(f, 0, header, sizeof(header));
}

int luks_create(const char *path, u64 size, const char *backing, const char *backing_format,
                const struct format_options *options, struct err *err)
{
    struct making m = {.ms = 0};
    struct bfile *f;
    size_t npass;
    u8 *pass;
    int rc = read_options(&m, options, err);

    if (!rc && backing)
        rc = err_set(err, EINVAL, "format luks has no backing files");
    if (!rc && (!size || size > BIT64(60)))
        rc = err_set(err, EINVAL, "format luks: too large, or empty");
    if (!rc)
        rc = key_file_read(m.key_file, &pass, &npass, err);
    if (rc)
        return rc;
    rc = bat_create(&f, path, err);
    if (!rc) {
        lay_out(&m.h);
        m.h.slot[0].iterations = iterations_for(&m, m.ms);
        m.h.iterations = (u32)max_u64(ITER_LEAST, m.h.slot[0].iterations / 8);
        rc = make_uuid(m.h.uuid, sizeof(m.h.uuid));
        if (!rc)
            rc = bat_clear(f, m.h.payload * 512ull);
        if (!rc)
            rc = bfile_truncate(f, m.h.payload * 512ull + align_up(size, 512));
        if (!rc)
            rc = write_key(&m, f, pass, npass);
        rc = bat_created(f, rc, err);
    }
    crypt_secret_free(pass, KEY_FILE_MAX);
    return rc;
}

const struct format_key luks_keys[] = {
    {"key-file", "a file with the password: all bytes of it"},
    {"cipher-alg", "aes-256 or aes-128"},
    {"hash-alg", "sha256, sha512 or sha1"},
    {"iter-time", "milliseconds that it takes to try a password; 2000 if not given"},
    {NULL, NULL},
};
