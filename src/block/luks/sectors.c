/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sectors of a file under a cipher, and any range of bytes out of whole ones. */
#include "block/luks/sectors.h"
#include "block/file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BOUNCE (256 * KiB)

int cipher_read(const struct crypt_cipher *c, u64 unit, struct bfile *f, u64 at, u8 *buf, u64 len)
{
    int rc = bfile_read(f, at, buf, len);

    if (!rc)
        crypt_decrypt(c, unit, buf, len);
    return rc;
}

int cipher_write(const struct crypt_cipher *c, u64 unit, struct bfile *f, u64 at, const u8 *buf,
                 u64 len)
{
    u8 *bounce = malloc(min_u64(len, BOUNCE));
    int rc = bounce ? 0 : -ENOMEM;

    while (len && !rc) {
        u64 part = min_u64(len, BOUNCE);
        if (!buf)
            memset(bounce, 0, part);
        crypt_encrypt(c, unit, bounce, buf ? buf : bounce, part);
        rc = bfile_write(f, at, bounce, part);
        unit += part / CRYPT_UNIT;
        at += part;
        buf = buf ? buf + part : NULL;
        len -= part;
    }
    free(bounce);
    return rc;
}

/* Bytes of the range that come first: of a part of one sector, or whole sectors. */
static u64 first_piece(u64 off, u64 len, bool *whole)
{
    u64 skew = off % CRYPT_UNIT;

    *whole = !skew && len >= CRYPT_UNIT;
    return *whole ? len - len % CRYPT_UNIT : min_u64(len, CRYPT_UNIT - skew);
}

static int read_part(struct sectors *s, u64 off, u8 *buf, u64 len)
{
    u8 sector[CRYPT_UNIT];
    int rc = s->read(s, off - off % CRYPT_UNIT, sector, CRYPT_UNIT);

    if (!rc)
        memcpy(buf, sector + off % CRYPT_UNIT, len);
    return rc;
}

int sectors_read(struct sectors *s, u64 off, u8 *buf, u64 len)
{
    int rc = 0;

    while (len && !rc) {
        bool whole;
        u64 part = first_piece(off, len, &whole);
        rc = whole ? s->read(s, off, buf, part) : read_part(s, off, buf, part);
        off += part;
        buf += part;
        len -= part;
    }
    return rc;
}

static int write_part(struct sectors *s, u64 off, const u8 *buf, u64 len)
{
    u64 skew = off % CRYPT_UNIT;
    u8 sector[CRYPT_UNIT];
    int rc;

    pthread_mutex_lock(&s->parts);
    rc = s->read(s, off - skew, sector, CRYPT_UNIT);
    if (!rc) {
        if (buf)
            memcpy(sector + skew, buf, len);
        else
            memset(sector + skew, 0, len);
        rc = s->write(s, off - skew, sector, CRYPT_UNIT);
    }
    pthread_mutex_unlock(&s->parts);
    return rc;
}

int sectors_write(struct sectors *s, u64 off, const u8 *buf, u64 len)
{
    int rc = 0;

    while (len && !rc) {
        bool whole;
        u64 part = first_piece(off, len, &whole);
        rc = whole ? s->write(s, off, buf, part) : write_part(s, off, buf, part);
        off += part;
        buf = buf ? buf + part : NULL;
        len -= part;
    }
    return rc;
}
