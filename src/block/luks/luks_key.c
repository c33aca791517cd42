/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A slot has the disk's key, spread over many stripes so that it is gone if any of them is, under
 * a key that is made of the password. The header's digest tells whether it is the right one.
 */
#include "base/be.h"
#include "block/file.h"
#include "block/luks/luks.h"

#include <errno.h>
#include <string.h>

/* All that is secret meanwhile. */
struct work {
    u8 slot_key[CRYPT_KEY_MAX], key[CRYPT_KEY_MAX], hash[CRYPT_HASH_MAX];
    u8 stripes[CRYPT_KEY_MAX * LUKS_STRIPES];
};

static u64 material_bytes(const struct luks_header *h)
{
    return (u64)h->key_bytes * LUKS_STRIPES; /* 512 divides it */
}

/* Each piece as long as the hash becomes the hash of its number and itself. */
static void diffuse(const struct luks_header *h, u8 *hash, u8 *p)
{
    size_t size = crypt_hash_size(h->hash);

    for (u32 i = 0; i * size < h->key_bytes; i++) {
        size_t n = min_u64(size, h->key_bytes - i * size);
        u8 number[4];
        put_be32(number, i);
        crypt_digest(h->hash, number, 4, p + i * size, n, hash);
        memcpy(p + i * size, hash, n);
    }
}

/* What all stripes but the last come to, into w->key. */
static void merge(const struct luks_header *h, struct work *w)
{
    memset(w->key, 0, sizeof(w->key));
    for (u32 s = 0; s + 1 < LUKS_STRIPES; s++) {
        for (u32 i = 0; i < h->key_bytes; i++)
            w->key[i] ^= w->stripes[s * h->key_bytes + i];
        diffuse(h, w->hash, w->key);
    }
}

/* With the last one: what was spread over them; or the last one, of that. */
static void add_last(const struct luks_header *h, u8 *to, const u8 *a, const u8 *b)
{
    for (u32 i = 0; i < h->key_bytes; i++)
        to[i] = a[i] ^ b[i];
}

static void make_digest(const struct luks_header *h, const u8 *key, u8 *digest)
{
    crypt_pbkdf2(h->hash, key, h->key_bytes, h->salt, LUKS_SALT, h->iterations, digest,
                 LUKS_DIGEST);
}

static struct crypt_cipher *slot_cipher(const struct luks_header *h, const struct luks_slot *s,
                                        const u8 *pass, size_t npass, struct work *w)
{
    crypt_pbkdf2(h->hash, pass, npass, s->salt, LUKS_SALT, s->iterations, w->slot_key,
                 h->key_bytes);
    return crypt_cipher_new(w->slot_key, h->key_bytes);
}

/* -EACCES: it is another password's. */
static int try_slot(struct bfile *f, const struct luks_header *h, const struct luks_slot *s,
                    const u8 *pass, size_t npass, struct work *w)
{
    struct crypt_cipher *c = slot_cipher(h, s, pass, npass, w);
    u64 bytes = material_bytes(h);
    u8 digest[LUKS_DIGEST];
    int rc = c ? bfile_read_whole(f, h->at + s->at * 512ull, w->stripes, bytes) : -ENOMEM;

    if (!rc) {
        crypt_decrypt(c, 0, w->stripes, bytes);
        merge(h, w);
        add_last(h, w->key, w->key, w->stripes + bytes - h->key_bytes);
        make_digest(h, w->key, digest);
        rc = memcmp(digest, h->digest, LUKS_DIGEST) ? -EACCES : 0;
    }
    crypt_cipher_free(c);
    return rc;
}

int luks_unlock(struct bfile *f, const struct luks_header *h, const u8 *pass, size_t npass,
                struct crypt_cipher **out, struct err *err)
{
    struct work *w = crypt_secret_new(sizeof(*w));
    int rc = w ? -EACCES : -ENOMEM;

    for (unsigned i = 0; i < LUKS_SLOTS && rc == -EACCES; i++)
        if (h->slot[i].active)
            rc = try_slot(f, h, &h->slot[i], pass, npass, w);
    if (!rc) {
        *out = crypt_cipher_new(w->key, h->key_bytes);
        rc = *out ? 0 : -ENOMEM;
    }
    if (rc == -EACCES)
        err_set(err, EACCES, "'%s': this password opens none of its key slots", bfile_path(f));
    else if (rc)
        err_set(err, -rc, "'%s': its key cannot be read: %s", bfile_path(f), strerror(-rc));
    crypt_secret_free(w, sizeof(*w));
    return rc;
}

int luks_put_key(struct bfile *f, struct luks_header *h, unsigned slot, const u8 *pass,
                 size_t npass, const u8 *key)
{
    struct work *w = crypt_secret_new(sizeof(*w));
    struct luks_slot *s = &h->slot[slot];
    struct crypt_cipher *c = NULL;
    u64 bytes = material_bytes(h);
    int rc = w ? 0 : -ENOMEM;

    if (!rc)
        rc = crypt_random(s->salt, LUKS_SALT);
    if (!rc)
        rc = crypt_random(h->salt, LUKS_SALT);
    if (!rc)
        rc = crypt_random(w->stripes, bytes - h->key_bytes);
    if (!rc && !(c = slot_cipher(h, s, pass, npass, w)))
        rc = -ENOMEM;
    if (!rc) {
        make_digest(h, key, h->digest);
        merge(h, w);
        add_last(h, w->stripes + bytes - h->key_bytes, w->key, key);
        crypt_encrypt(c, 0, w->stripes, w->stripes, bytes);
        rc = bfile_write(f, h->at + s->at * 512ull, w->stripes, bytes);
        s->active = true;
    }
    crypt_cipher_free(c);
    crypt_secret_free(w, sizeof(*w));
    return rc;
}
