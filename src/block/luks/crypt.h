/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The cryptography of encrypted images, by nettle: this file and crypt.c are all that knows of it.
 * What is secret lies in memory of its own, which is in no core dump, not swapped out if the host
 * allows that, and wiped before it is given back; only what nettle leaves on a stack is not.
 */
#pragma once
#include "base/base.h"
#include "base/err.h"

enum crypt_hash { CRYPT_SHA1, CRYPT_SHA256, CRYPT_SHA512, CRYPT_HASHES };

#define CRYPT_HASH_MAX 64u  /* bytes */
#define CRYPT_KEY_MAX  64u  /* of a cipher */
#define CRYPT_UNIT     512u /* what is encrypted by itself */

/* Zeros; NULL: no memory. */
void *crypt_secret_new(size_t size);
void crypt_secret_free(void *p, size_t size); /* wipes; NULL is allowed */

must_check int crypt_random(u8 *p, size_t size);

const char *crypt_hash_name(enum crypt_hash hash);
/* "sha256"; CRYPT_HASHES: there is none of this name. */
enum crypt_hash crypt_hash_find(const char *name);
size_t crypt_hash_size(enum crypt_hash hash);
/* Of `a` and then `b`. */
void crypt_digest(enum crypt_hash hash, const u8 *a, size_t na, const u8 *b, size_t nb, u8 *out);
void crypt_pbkdf2(enum crypt_hash hash, const u8 *pass, size_t npass, const u8 *salt, size_t nsalt,
                  u32 iterations, u8 *out, size_t nout);

/* AES in XTS mode, each unit with its number as little-endian tweak ("plain64"). Any thread. */
struct crypt_cipher;
/* A key of 32 bytes is AES-128's, of 64 AES-256's. NULL: no memory. */
struct crypt_cipher *crypt_cipher_new(const u8 *key, size_t size);
void crypt_cipher_free(struct crypt_cipher *c); /* NULL is allowed */
/* `len` a multiple of CRYPT_UNIT, `unit` the number of the first; `to` may be `from`. */
void crypt_encrypt(const struct crypt_cipher *c, u64 unit, u8 *to, const u8 *from, u64 len);
void crypt_decrypt(const struct crypt_cipher *c, u64 unit, u8 *buf, u64 len); /* in place */
