/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Passwords of encrypted images: all bytes of a file, as cryptsetup's and QEMU's. */
#pragma once
#include "base/base.h"
#include "base/err.h"

#define KEY_FILE_MAX (64 * KiB)

/* *pass is of KEY_FILE_MAX bytes, from crypt_secret_new; *n of them count. -errno with a message
   that names the file. */
must_check int key_file_read(const char *path, u8 **pass, size_t *n, struct err *err);
