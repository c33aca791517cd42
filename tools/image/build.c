/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * domus image build: what it does in which order. All is made in a folder beside the image-to-be,
 * closed to other users, which is gone at the end, however that comes; the image is renamed into
 * its place once it is whole.
 */
#include "image.h"

#include <crypt.h>
#include <errno.h>
#include <ftw.h>
#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define RAW "disk.raw"

struct build {
    const struct image_options *o;
    struct image_layout layout;
    char dir[PATH_MAX];
    char kernel[100]; /* its version */
    bool progress;    /* on a terminal */
    time_t start;
};

static double seconds(const struct build *b)
{
    return difftime(time(NULL), b->start);
}

static void show_stage(const struct build *b, const char *text)
{
    if (b->progress)
        fprintf(stderr, "[%4.0f s] %s\n", seconds(b), text);
}

static void on_stage(void *opaque, const char *line)
{
    struct build *b = opaque;

    if (!strncmp(line, "kernel ", 7))
        snprintf(b->kernel, sizeof(b->kernel), "%s", line + 7);
    else
        show_stage(b, line);
}

/* As /etc/shadow has it: no hook or package's script of the installation sees the password itself.
   For the caller to free; NULL: out of memory, or no way to make one. */
static char *hash_password(const char *password)
{
    char *setting = crypt_gensalt_ra("$y$", 0, NULL, 0), *hash;
    void *data = NULL;
    int size = 0;

    hash = setting ? crypt_ra(password, setting, &data, &size) : NULL;
    if (hash)
        hash = strdup(hash);
    free(data);
    free(setting);
    return hash;
}

static int set_variables(const struct build *b, const char *password_hash)
{
    const struct image_options *o = b->o;
    const struct image_layout *l = &b->layout;
    const struct {
        const char *name, *value;
    } texts[] = {
        {"IMAGE_SUITE", o->suite},
        {"IMAGE_MIRROR", o->mirror},
        {"IMAGE_HOSTNAME", o->hostname},
        {"IMAGE_USER", o->user},
        {"IMAGE_PASSWORD_HASH", password_hash},
        {"IMAGE_SSH_KEYS", o->ssh_keys},
        {"IMAGE_PACKAGES", o->package_list},
        {"IMAGE_KERNEL", o->kernel},
        {"IMAGE_ROOT_UUID", l->root_id},
        {"LC_ALL", "C.UTF-8"},
    };
    const struct {
        const char *name;
        u64 value;
    } numbers[] = {
        {"IMAGE_SIZE", l->size},
        {"IMAGE_GRUB_OFFSET", l->grub_at},
        {"IMAGE_ROOT_OFFSET", l->root_at},
        {"IMAGE_ROOT_SIZE", l->root_size},
    };
    int rc = 0;

    for (size_t i = 0; i < ARRAY_SIZE(texts) && !rc; i++)
        rc = setenv(texts[i].name, texts[i].value ? texts[i].value : "", 1);
    for (size_t i = 0; i < ARRAY_SIZE(numbers) && !rc; i++) {
        char text[24];
        snprintf(text, sizeof(text), "%" PRIu64, numbers[i].value);
        rc = setenv(numbers[i].name, text, 1);
    }
    return rc;
}

static int prepare_variables(const struct build *b, struct err *err)
{
    char *hash = b->o->password ? hash_password(b->o->password) : strdup("");
    int rc = 0;

    if (!hash || set_variables(b, hash))
        rc = err_set(err, ENOMEM, "cannot prepare the installation: %s", strerror(errno));
    free(hash);
    return rc;
}

static int make_folder(struct build *b, struct err *err)
{
    struct stat st;

    if (!lstat(b->o->path, &st)) {
        if (!S_ISREG(st.st_mode))
            return err_set(err, EEXIST, "%s is there, and no file; choose another name",
                           b->o->path);
        if (!b->o->force)
            return err_set(err, EEXIST, "%s is there already; --force replaces it", b->o->path);
    }
    if (snprintf(b->dir, sizeof(b->dir), "%s.build-XXXXXX", b->o->path) >= PATH_MAX)
        return err_set(err, ENAMETOOLONG, "%.80s…: the name is too long", b->o->path);
    if (!mkdtemp(b->dir)) {
        int rc =
            err_set(err, errno, "cannot make a folder beside %s: %s", b->o->path, strerror(errno));
        b->dir[0] = '\0';
        return rc;
    }
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
    return remove(path);
}

static void remove_folder(const struct build *b)
{
    if (b->dir[0] && nftw(b->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT))
        fprintf(stderr, "domus: image: cannot remove %s: %s\n", b->dir, strerror(errno));
}

static int make_image(struct build *b, struct err *err)
{
    const struct image_options *o = b->o;
    char raw[PATH_MAX], image[PATH_MAX];
    int rc;

    if (snprintf(raw, PATH_MAX, "%s/" RAW, b->dir) >= PATH_MAX ||
        snprintf(image, PATH_MAX, "%s/image.%s", b->dir, o->format) >= PATH_MAX)
        return err_set(err, ENAMETOOLONG, "%.80s…: the name is too long", o->path);
    rc = image_script_run(b->dir, o->verbose, on_stage, b, err);
    if (rc)
        return rc;
    show_stage(b, "writing the image");
    rc = image_disk_write(&b->layout, raw, image, o->format, err);
    if (!rc && image_signal_pending())
        rc = err_set(err, EINTR, "stopped by a signal; nothing was made");
    if (!rc && rename(image, o->path))
        rc = err_set(err, errno, "cannot rename the image to %s: %s", o->path, strerror(errno));
    return rc;
}

static void print_json(const struct build *b)
{
    const struct image_options *o = b->o;
    json_t *doc = json_pack("{s:s, s:s, s:I, s:s, s:s, s:s, s:s, s:s, s:f}", "image", o->path,
                            "format", o->format, "size", (json_int_t)b->layout.size, "suite",
                            o->suite, "kernel", b->kernel, "hostname", o->hostname, "user", o->user,
                            "root-uuid", b->layout.root_id, "seconds", seconds(b));

    if (o->made_password)
        json_object_set_new(doc, "password", json_string(o->password));
    json_dumpf(doc, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(doc);
}

static void print_result(const struct build *b)
{
    const struct image_options *o = b->o;

    if (o->json) {
        print_json(b);
        return;
    }
    printf("%s is ready. Boot it with:\n    domus run %s\nUser %s", o->path, o->path, o->user);
    if (o->made_password)
        printf(", password %s", o->password);
    else
        printf(", with your %s", o->password ? "password" : "key");
    puts("");
}

int image_build(struct image_options *o)
{
    struct build b = {
        .o = o, .progress = isatty(2) && !o->json && !o->verbose, .start = time(NULL)};
    struct err err;
    int rc;

    umask(077); /* there are password hashes and a host key in the image */
    rc = image_layout_make(&b.layout, o->size, &err);
    if (!rc)
        rc = make_folder(&b, &err);
    if (!rc)
        rc = prepare_variables(&b, &err);
    if (!rc)
        rc = make_image(&b, &err);
    if (rc) {
        fprintf(stderr, "domus: image: %s\n", err.text);
        if (rc != -EINTR && b.dir[0])
            image_script_explain(b.dir);
    } else {
        print_result(&b);
    }
    remove_folder(&b);
    return rc;
}
