/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
#include "base/err.h"

/* Shared among readers, a writer alone; kept until the descriptor is closed. File systems without
   locks go without. -EBUSY with a message. */
must_check int file_lock(int fd, const char *path, bool read_only, struct err *err);
