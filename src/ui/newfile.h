/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A picture's file, whichever its format. */
#pragma once
#include "base/err.h"
#include "ui/surface.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Has `encode` (0 or -errno) write the surface to a new file at `path`, which replaces one that was
   there only once it is complete. -errno with the path and the reason in err. */
must_check int picture_write(const char *path, const struct surface *s,
                             int (*encode)(FILE *f, const struct surface *s), struct err *err);
