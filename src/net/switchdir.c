/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/switchdir.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int too_long(const char *what, struct err *err)
{
    return err_set(err, ENAMETOOLONG, "%.60s…: longer than a socket's path may be, %u bytes", what,
                   SWITCH_PATH_MAX - 1);
}

/* Where the folders of all switches are. */
static int base_dir(char *out, size_t size)
{
    const char *run = getenv("XDG_RUNTIME_DIR");

    if (geteuid() == 0)
        return snprintf(out, size, "/run/domus");
    if (run && *run == '/')
        return snprintf(out, size, "%s/domus", run);
    return snprintf(out, size, "/tmp/domus-%u", (unsigned)geteuid());
}

int switch_dir(char out[SWITCH_PATH_MAX], const char *name, struct err *err)
{
    char base[SWITCH_PATH_MAX];
    int n;

    if (!*name || *name == '.')
        return err_set(err, EINVAL, "'%.40s' is no name of a switch, nor a path with a slash first",
                       name);
    if (strchr(name, '/'))
        n = snprintf(out, SWITCH_PATH_MAX, "%s", name);
    else if (base_dir(base, sizeof(base)) >= (int)sizeof(base))
        return too_long(base, err);
    else
        n = snprintf(out, SWITCH_PATH_MAX, "%s/%s", base, name);
    return n < (int)SWITCH_PATH_MAX ? 0 : too_long(out, err);
}

/* Somebody else's folder would be somebody else's switch. */
static int make_one(const char *dir, struct err *err)
{
    struct stat st;

    if (mkdir(dir, 0700) < 0 && errno != EEXIST)
        return err_set(err, errno, "%s: %s", dir, strerror(errno));
    if (lstat(dir, &st) < 0)
        return err_set(err, errno, "%s: %s", dir, strerror(errno));
    if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() || st.st_mode & 0022)
        return err_set(err, EPERM, "%s: must be a folder that is yours, and writable for you alone",
                       dir);
    return 0;
}

int switch_dir_make(const char *dir, struct err *err)
{
    char base[SWITCH_PATH_MAX];
    int n = base_dir(base, sizeof(base));

    if (n < (int)sizeof(base) && !strncmp(dir, base, (size_t)n) && dir[n] == '/') {
        int rc = make_one(base, err);
        if (rc)
            return rc;
    }
    return make_one(dir, err);
}

int switch_port_path(char out[SWITCH_PATH_MAX], const char *dir, const char *port, struct err *err)
{
    int n = snprintf(out, SWITCH_PATH_MAX, "%s/port-%s", dir, port);

    return n < (int)SWITCH_PATH_MAX ? 0 : too_long(out, err);
}

int switch_control_path(char out[SWITCH_PATH_MAX], const char *dir, struct err *err)
{
    int n = snprintf(out, SWITCH_PATH_MAX, "%s/control", dir);

    return n < (int)SWITCH_PATH_MAX ? 0 : too_long(out, err);
}
