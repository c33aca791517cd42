/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading host files whole: kernels, initial ramdisks, modules. Any thread. */
#pragma once
#include "base/base.h"
#include "base/err.h"

/*
 * Reads the file, pipe or device at `path` to its end into memory that the caller frees. A
 * directory, an empty file and one of more than `max` bytes are refused. -errno, with the path
 * and the reason in err; then *data is NULL.
 */
must_check int file_read_all(const char *path, u8 **data, size_t *size, u64 max, struct err *err);
