/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the parts of `domus image` share. */
#pragma once
#include "base/base.h"
#include "base/err.h"

/* What is wanted. Strings are the command line's, but for those said to be owned. */
struct image_options {
    const char *name; /* as given */
    char *path;       /* owned: with the suffix */
    const char *suite, *mirror, *hostname, *user, *packages, *kernel, *format, *size_text;
    const char *password_file, *ssh_key_file;
    char *password;     /* owned; NULL: none */
    char *ssh_keys;     /* owned; NULL: none */
    char *own_hostname; /* owned: made of the name */
    char *package_list; /* owned: with spaces, instead of commas */
    bool made_password; /* nobody gave one, nor a key */
    bool force, json, verbose, help;
    u64 size;
};

/* argv[0] is "debian". -EINVAL and so on with a message. */
must_check int image_options_parse(struct image_options *o, int argc, char **argv, struct err *err);
void image_options_free(struct image_options *o);
void image_options_print(void);

/* Where things are on the disk, in bytes. Everything starts at a multiple of 1 MiB. */
struct image_layout {
    u64 size, grub_at, root_at, root_size;
    char disk_id[37], grub_id[37], root_id[37]; /* GUIDs; root_id also is the file system's UUID */
};

must_check int image_layout_make(struct image_layout *l, u64 size, struct err *err);
/* disk.raw, as the script has left it, into the image at `path`, which is new. */
must_check int image_disk_write(const struct image_layout *l, const char *raw, const char *path,
                                const char *format, struct err *err);

/* Runs the script in the folder `dir`, with its messages in dir/log. Each stage goes to `stage`,
   without its end of line. -EINTR after a signal that asks to end; -EIO if the script failed. */
must_check int image_script_run(const char *dir, bool verbose,
                                void (*stage)(void *opaque, const char *line), void *opaque,
                                struct err *err);
/* The lines of dir/log that say why, on standard error. */
void image_script_explain(const char *dir);
/* SIGINT, SIGTERM or SIGHUP has come since image_script_run, which lets them wait from then on. */
bool image_signal_pending(void);

must_check int image_build(struct image_options *o);
