/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Encryption by LUKS: an extension of the header says in which clusters LUKS' own header is, with
 * its keys. A sector of data is encrypted by its number in the file that it is in, not by that on
 * the disk. Tables are not encrypted, nor is what is compressed: an image that has both was made
 * by somebody else, and is read.
 */
#include "base/be.h"
#include "block/file.h"
#include "block/formats/qcow2.h"

#include <errno.h>
#include <string.h>

#define METHOD_AES  1u
#define METHOD_LUKS 2u
#define EXT_BYTES   16u
#define HEADER_MAX  (16 * MiB) /* what is made with 8 keys of 512 bits has 2 */

static int refuse(const struct qcow2 *q, struct err *err, const char *why, u64 value)
{
    return err_set(err, EINVAL, "'%s': qcow2: %s (%#llx)", bfile_path(q->file), why,
                   (unsigned long long)value);
}

static int check_method(const struct qcow2 *q, u32 method, bool has_header, struct err *err)
{
    if (method == METHOD_AES)
        return err_set(err, ENOTSUP,
                       "'%s': qcow2: is encrypted by AES-CBC, the old method, which is not "
                       "supported; QEMU's qemu-img convert copies it into another image",
                       bfile_path(q->file));
    if (method > METHOD_LUKS)
        return refuse(q, err, "unknown method of encryption", method);
    if ((method == METHOD_LUKS) != has_header)
        return refuse(q, err,
                      has_header ? "it has a header for encryption, but is not encrypted"
                                 : "it is encrypted, but has no header for that",
                      method);
    return 0;
}

static int check_place(const struct qcow2 *q, u64 off, u64 bytes, struct err *err)
{
    u64 end = align_up(bfile_size(q->file), q->cluster);

    if (!off || (off & (q->cluster - 1)))
        return refuse(q, err, "the encryption header is not where a cluster starts", off);
    if (bytes < LUKS_HEADER || bytes > HEADER_MAX)
        return refuse(q, err, "the length of the encryption header is not possible", bytes);
    if (off >= end || bytes > end - off)
        return refuse(q, err, "the encryption header is not in the file", off);
    return 0;
}

static int read_whole(struct sectors *s, u64 off, u8 *buf, u64 len)
{
    return q2_read_range(container_of(s, struct qcow2, sectors), off, buf, len);
}

static int write_whole(struct sectors *s, u64 off, const u8 *buf, u64 len)
{
    return q2_write_range(container_of(s, struct qcow2, sectors), off, buf, len);
}

int q2_crypt_read(struct qcow2 *q, u32 method, struct err *err)
{
    u32 len;
    const u8 *e = q2_ext_find(q, Q2_EXT_CRYPTO, &len);
    int rc = check_method(q, method, e, err);

    if (rc || !e)
        return rc;
    if (len != EXT_BYTES)
        return refuse(q, err, "the extension about encryption is not of 16 bytes", len);
    rc = check_place(q, be64(e), be64(e + 8), err);
    if (!rc)
        rc = luks_read_header(q->file, be64(e), be64(e + 8), &q->luks, err);
    if (rc)
        return rc;
    q->luks_len = be64(e + 8);
    q->sectors.read = read_whole;
    q->sectors.write = write_whole;
    q->node.encrypted = true;
    return 0;
}

int q2_crypt_create(struct qcow2 *q, struct luks_new *l, u64 off)
{
    u8 e[EXT_BYTES];
    int rc = luks_write_new(l, q->file, off);

    put_be64(e, off);
    put_be64(e + 8, luks_bytes(l));
    q->node.encrypted = true;
    return rc ? rc : q2_ext_set(q, Q2_EXT_CRYPTO, e, sizeof(e));
}

u32 q2_crypt_method(const struct qcow2 *q)
{
    return q->node.encrypted ? METHOD_LUKS : 0;
}

int q2_unlock(struct block_node *n, const u8 *pass, size_t len, struct err *err)
{
    struct qcow2 *q = q2_of(n);

    return luks_unlock(q->file, &q->luks, pass, len, &q->cipher, err);
}

int q2_write_bytes(struct qcow2 *q, u64 off, const u8 *buf, u64 len)
{
    return q->node.encrypted ? sectors_write(&q->sectors, off, buf, len)
                             : q2_write_range(q, off, buf, len);
}

int q2_data_read(struct qcow2 *q, u64 host, const struct iovec *iov, unsigned n)
{
    int rc = 0;

    if (!q->node.encrypted)
        return bfile_readv(q->data, host, iov, n);
    for (unsigned i = 0; i < n && !rc; host += iov[i].iov_len, i++)
        rc = cipher_read(q->cipher, host / CRYPT_UNIT, q->data, host, iov[i].iov_base,
                         iov[i].iov_len);
    return rc;
}

int q2_data_write(struct qcow2 *q, u64 host, const struct iovec *iov, unsigned n)
{
    int rc = 0;

    if (!q->node.encrypted)
        return bfile_writev(q->data, host, iov, n);
    for (unsigned i = 0; i < n && !rc; host += iov[i].iov_len, i++)
        if (iov[i].iov_len)
            rc = cipher_write(q->cipher, host / CRYPT_UNIT, q->data, host, iov[i].iov_base,
                              iov[i].iov_len);
    return rc;
}
