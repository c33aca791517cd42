/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Screenshots as PNG files. */
#pragma once
#include "base/err.h"
#include "ui/surface.h"

/* Writes the surface to a new file at `path`, which replaces one that was there only once it is
   complete. -errno with the path and the reason in err. */
must_check int png_write(const char *path, const struct surface *s, struct err *err);
