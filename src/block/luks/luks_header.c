/* SPDX-License-Identifier: GPL-2.0-or-later */
/* LUKS' header, checked whole when it is read. */
#include "base/be.h"
#include "block/file.h"
#include "block/luks/luks.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define MAGIC   "LUKS\xba\xbe"
#define CIPHER  "aes"
#define MODE    "xts-plain64"
#define PAYLOAD BIT(21) /* sectors in front of the disk at most */

static int refuse(struct bfile *f, struct err *err, const char *why, u64 value)
{
    return err_set(err, EINVAL, "'%s': luks: %s (%#llx)", bfile_path(f), why,
                   (unsigned long long)value);
}

/* Text of 32 bytes with a zero in it. */
static bool is_text(const u8 *p, const char *text)
{
    return p[31] == 0 && !strcmp((const char *)p, text);
}

static int check_cipher(struct bfile *f, const u8 *b, struct luks_header *h, struct err *err)
{
    if (memcmp(b, MAGIC, 6))
        return refuse(f, err, "no signature", be32(b));
    if (be16(b + 6) != 1)
        return err_set(err, ENOTSUP, "'%s': luks: version %u; only version 1 is supported",
                       bfile_path(f), be16(b + 6));
    if (!is_text(b + 8, CIPHER) || !is_text(b + 40, MODE))
        return err_set(err, ENOTSUP,
                       "'%s': luks: cipher %.32s-%.32s; only " CIPHER "-" MODE " is supported",
                       bfile_path(f), (const char *)b + 8, (const char *)b + 40);
    h->hash = b[72 + 31] ? CRYPT_HASHES : crypt_hash_find((const char *)b + 72);
    if (h->hash == CRYPT_HASHES)
        return err_set(err, ENOTSUP,
                       "'%s': luks: hash %.32s; only sha1, sha256 and sha512 are supported",
                       bfile_path(f), (const char *)b + 72);
    return 0;
}

static int check_numbers(struct bfile *f, u64 room, const struct luks_header *h, struct err *err)
{
    if (h->key_bytes != 32 && h->key_bytes != 64)
        return refuse(f, err, "the size of the key is not possible", h->key_bytes);
    if (h->payload < LUKS_HEADER / 512 + 1 || h->payload > PAYLOAD || h->payload * 512ull > room)
        return refuse(f, err, "the disk is not in the file", h->payload);
    if (!h->iterations || h->iterations > LUKS_ITERATIONS_MAX)
        return refuse(f, err, "the number of iterations is not possible", h->iterations);
    return 0;
}

static int read_slot(struct bfile *f, const u8 *b, const struct luks_header *h, struct luks_slot *s,
                     struct err *err)
{
    u64 sectors = ((u64)h->key_bytes * LUKS_STRIPES + 511) / 512;

    s->active = be32(b) == LUKS_ACTIVE;
    s->iterations = be32(b + 4);
    s->at = be32(b + 40);
    memcpy(s->salt, b + 8, LUKS_SALT);
    if (!s->active)
        return 0;
    if (!s->iterations || s->iterations > LUKS_ITERATIONS_MAX)
        return refuse(f, err, "the number of a slot's iterations is not possible", s->iterations);
    if (be32(b + 44) != LUKS_STRIPES)
        return refuse(f, err, "the number of a slot's stripes is not possible", be32(b + 44));
    if (s->at * 512ull < LUKS_HEADER || s->at + sectors > h->payload)
        return refuse(f, err, "a slot's key is not in front of the disk", s->at);
    return 0;
}

int luks_read_header(struct bfile *f, u64 at, u64 room, struct luks_header *h, struct err *err)
{
    u8 b[LUKS_HEADER];
    int rc = bfile_read(f, at, b, sizeof(b));

    if (rc)
        return err_set(err, -rc, "'%s': %s", bfile_path(f), strerror(-rc));
    rc = check_cipher(f, b, h, err);
    if (rc)
        return rc;
    h->at = at;
    h->payload = be32(b + 104);
    h->key_bytes = be32(b + 108);
    memcpy(h->digest, b + 112, LUKS_DIGEST);
    memcpy(h->salt, b + 132, LUKS_SALT);
    h->iterations = be32(b + 164);
    memcpy(h->uuid, b + 168, sizeof(h->uuid) - 1);
    h->uuid[sizeof(h->uuid) - 1] = '\0';
    rc = check_numbers(f, room, h, err);
    for (unsigned i = 0; i < LUKS_SLOTS && !rc; i++)
        rc = read_slot(f, b + 208 + LUKS_SLOT * i, h, &h->slot[i], err);
    return rc;
}

void luks_put_header(const struct luks_header *h, u8 *to)
{
    memset(to, 0, LUKS_HEADER);
    memcpy(to, MAGIC, 6);
    put_be16(to + 6, 1);
    strcpy((char *)to + 8, CIPHER);
    strcpy((char *)to + 40, MODE);
    strcpy((char *)to + 72, crypt_hash_name(h->hash));
    put_be32(to + 104, h->payload);
    put_be32(to + 108, h->key_bytes);
    memcpy(to + 112, h->digest, LUKS_DIGEST);
    memcpy(to + 132, h->salt, LUKS_SALT);
    put_be32(to + 164, h->iterations);
    memcpy(to + 168, h->uuid, sizeof(h->uuid));
    for (unsigned i = 0; i < LUKS_SLOTS; i++) {
        const struct luks_slot *s = &h->slot[i];
        u8 *b = to + 208 + LUKS_SLOT * i;
        put_be32(b, s->active ? LUKS_ACTIVE : LUKS_DEAD);
        put_be32(b + 4, s->iterations);
        memcpy(b + 8, s->salt, LUKS_SALT);
        put_be32(b + 40, s->at);
        put_be32(b + 44, LUKS_STRIPES);
    }
}

void luks_describe(const struct luks_header *h, const char *prefix, struct block_info *info)
{
    unsigned slots = 0;
    const struct {
        const char *name, *text;
    } texts[] = {{"cipher-alg", h->key_bytes == 64 ? "aes-256" : "aes-128"},
                 {"cipher-mode", "xts"},
                 {"ivgen-alg", "plain64"},
                 {"hash-alg", crypt_hash_name(h->hash)},
                 {"uuid", h->uuid}};
    char name[sizeof(info->item[0].name)];

    for (unsigned i = 0; i < LUKS_SLOTS; i++)
        slots += h->slot[i].active;
    for (unsigned i = 0; i < ARRAY_SIZE(texts); i++) {
        snprintf(name, sizeof(name), "%s%s", prefix, texts[i].name);
        info_text(info, name, texts[i].text);
    }
    snprintf(name, sizeof(name), "%spayload-offset", prefix);
    info_number(info, name, h->payload * 512ull);
    snprintf(name, sizeof(name), "%sactive-slots", prefix);
    info_number(info, name, slots);
}
