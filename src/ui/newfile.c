/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ui/newfile.h"

#include <unistd.h>

int picture_write(const char *path, const struct surface *s,
                  int (*encode)(FILE *f, const struct surface *s), struct err *err)
{
    char temporary[4096];
    FILE *f;
    int rc;

    if (!s->pixels)
        return err_set(err, ENODATA, "%s: there is no picture to save", path);
    if (snprintf(temporary, sizeof(temporary), "%s.%d~", path, getpid()) >= (int)sizeof(temporary))
        return err_set(err, ENAMETOOLONG, "%s: the name is too long", path);
    f = fopen(temporary, "wbxe");
    if (!f)
        return err_set(err, errno, "%s: cannot create: %s", path, strerror(errno));
    rc = encode(f, s);
    if (fclose(f) && !rc)
        rc = -errno;
    if (!rc && rename(temporary, path))
        rc = -errno;
    if (!rc)
        return 0;
    unlink(temporary);
    return err_set(err, -rc, "%s: cannot write the picture: %s", path, strerror(-rc));
}
