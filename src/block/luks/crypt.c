/* SPDX-License-Identifier: GPL-2.0-or-later */
/* AES-XTS, hashes and PBKDF2 of nettle, in memory that is kept from others. */
#include "block/luks/crypt.h"
#include "base/le.h"

#include <errno.h>
#include <nettle/nettle-meta.h>
#include <nettle/pbkdf2.h>
#include <nettle/sha1.h>
#include <nettle/sha2.h>
#include <nettle/xts.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

struct crypt_cipher {
    bool wide; /* AES-256 */
    struct xts_aes128_key enc128, dec128;
    struct xts_aes256_key enc256, dec256;
};

/* An allocation has whole pages, so that what is kept from dumps is only that. */
void *crypt_secret_new(size_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED)
        return NULL;
    if (madvise(p, size, MADV_DONTDUMP)) {
        munmap(p, size);
        return NULL;
    }
    (void)!mlock(p, size); /* as far as the limit goes */
    return p;
}

void crypt_secret_free(void *p, size_t size)
{
    if (!p)
        return;
    explicit_bzero(p, size);
    munmap(p, size);
}

int crypt_random(u8 *p, size_t size)
{
    while (size) {
        ssize_t r = getrandom(p, min_u64(size, 256), 0); /* which come whole */
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return -errno;
        p += r;
        size -= (size_t)r;
    }
    return 0;
}

static const struct nettle_hash *hash_of(enum crypt_hash hash)
{
    static const struct nettle_hash *const hashes[] = {&nettle_sha1, &nettle_sha256,
                                                       &nettle_sha512};

    return hashes[hash];
}

const char *crypt_hash_name(enum crypt_hash hash)
{
    return hash_of(hash)->name;
}

enum crypt_hash crypt_hash_find(const char *name)
{
    enum crypt_hash hash = CRYPT_SHA1;

    while (hash < CRYPT_HASHES && strcmp(name, crypt_hash_name(hash)))
        hash++;
    return hash;
}

size_t crypt_hash_size(enum crypt_hash hash)
{
    return hash_of(hash)->digest_size;
}

void crypt_digest(enum crypt_hash hash, const u8 *a, size_t na, const u8 *b, size_t nb, u8 *out)
{
    const struct nettle_hash *h = hash_of(hash);
    union {
        struct sha1_ctx sha1;
        struct sha256_ctx sha256;
        struct sha512_ctx sha512;
    } c;

    h->init(&c);
    h->update(&c, na, a);
    h->update(&c, nb, b);
    h->digest(&c, h->digest_size, out);
    explicit_bzero(&c, sizeof(c));
}

void crypt_pbkdf2(enum crypt_hash hash, const u8 *pass, size_t npass, const u8 *salt, size_t nsalt,
                  u32 iterations, u8 *out, size_t nout)
{
    static void (*const derive[])(size_t, const u8 *, unsigned, size_t, const u8 *, size_t,
                                  u8 *) = {pbkdf2_hmac_sha1, pbkdf2_hmac_sha256,
                                           pbkdf2_hmac_sha512};

    derive[hash](npass, pass, iterations, nsalt, salt, nout, out);
}

struct crypt_cipher *crypt_cipher_new(const u8 *key, size_t size)
{
    struct crypt_cipher *c = crypt_secret_new(sizeof(*c));

    BUG_ON(size != 32 && size != 64);
    if (!c)
        return NULL;
    c->wide = size == 64;
    if (c->wide) {
        xts_aes256_set_encrypt_key(&c->enc256, key);
        xts_aes256_set_decrypt_key(&c->dec256, key);
    } else {
        xts_aes128_set_encrypt_key(&c->enc128, key);
        xts_aes128_set_decrypt_key(&c->dec128, key);
    }
    return c;
}

void crypt_cipher_free(struct crypt_cipher *c)
{
    crypt_secret_free(c, sizeof(*c));
}

void crypt_encrypt(const struct crypt_cipher *c, u64 unit, u8 *to, const u8 *from, u64 len)
{
    struct crypt_cipher *key = (struct crypt_cipher *)(uintptr_t)c; /* nettle does not write it */

    for (; len; len -= CRYPT_UNIT, to += CRYPT_UNIT, from += CRYPT_UNIT, unit++) {
        u8 tweak[16] = {0};
        put_le64(tweak, unit);
        if (c->wide)
            xts_aes256_encrypt_message(&key->enc256, tweak, CRYPT_UNIT, to, from);
        else
            xts_aes128_encrypt_message(&key->enc128, tweak, CRYPT_UNIT, to, from);
    }
}

void crypt_decrypt(const struct crypt_cipher *c, u64 unit, u8 *buf, u64 len)
{
    struct crypt_cipher *key = (struct crypt_cipher *)(uintptr_t)c;

    for (; len; len -= CRYPT_UNIT, buf += CRYPT_UNIT, unit++) {
        u8 tweak[16] = {0};
        put_le64(tweak, unit);
        if (c->wide)
            xts_aes256_decrypt_message(&key->dec256, tweak, CRYPT_UNIT, buf, buf);
        else
            xts_aes128_decrypt_message(&key->dec128, tweak, CRYPT_UNIT, buf, buf);
    }
}
