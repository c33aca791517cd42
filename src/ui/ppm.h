/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Screenshots as portable pixmaps (Netpbm's P6). */
#pragma once
#include "base/err.h"
#include "ui/surface.h"

/* As png_write. */
must_check int ppm_write(const char *path, const struct surface *s, struct err *err);
