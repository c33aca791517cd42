/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Options of `domus image build debian`: one table. All that the script gets is checked here: it
 * goes into files of the new system.
 */
#include "block/format.h"
#include "ctl/suggest.h"
#include "image.h"
#include "os/file.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define KEY_FILE_MAX (64 * KiB)
#define NAME_LEN_MAX 63u /* of a host, as DNS has it; of a user less */
#define USER_LEN_MAX 32u
#define MADE_LENGTH  14u

#define TEXT(f) offsetof(struct image_options, f), false
#define FLAG(f) offsetof(struct image_options, f), true

static const struct {
    const char *name, *arg, *help;
    size_t field;
    bool flag;
} options[] = {
    {"size", "SIZE", "of the disk, with suffix M, G or T (8G)", TEXT(size_text)},
    {"format", "FORMAT", "of the image (by NAME's suffix: qcow2, or raw for .raw and .img)",
     TEXT(format)},
    {"suite", "SUITE", "Debian's release (bookworm)", TEXT(suite)},
    {"mirror", "URL", "where from (this host's own mirrors, or deb.debian.org)", TEXT(mirror)},
    {"kernel", "cloud|generic", "for virtual machines only, or with all drivers (cloud)",
     TEXT(kernel)},
    {"packages", "NAME[,NAME]", "packages besides", TEXT(packages)},
    {"hostname", "NAME", "the system's name (made of the image's)", TEXT(hostname)},
    {"user", "NAME", "who can log in, and become root by sudo (debian)", TEXT(user)},
    {"password-file", "FILE", "its first line is the user's password", TEXT(password_file)},
    {"ssh-key", "FILE", "public keys that the user may log in with", TEXT(ssh_key_file)},
    {"force", NULL, "replace an image that is there", FLAG(force)},
    {"json", NULL, "say what was made as a JSON object", FLAG(json)},
    {"verbose", NULL, "show what the installation says", FLAG(verbose)},
    {"help", NULL, "this text", FLAG(help)},
};

static const char *option_name(size_t n)
{
    return n < ARRAY_SIZE(options) ? options[n].name : NULL;
}

void image_options_print(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
        char left[64];
        snprintf(left, sizeof(left), "--%s %s", options[i].name,
                 options[i].arg ? options[i].arg : "");
        printf("  %-26s %s\n", left, options[i].help);
    }
}

void image_options_free(struct image_options *o)
{
    free(o->path);
    free(o->password);
    free(o->ssh_keys);
    free(o->own_hostname);
    free(o->package_list);
}

/* Letters, digits and `more`, starting with a letter or digit. */
static bool is_word(const char *text, const char *more, size_t max)
{
    if (!isalnum((unsigned char)*text) || strlen(text) > max)
        return false;
    for (; *text; text++) {
        if (!isascii((unsigned char)*text) ||
            (!isalnum((unsigned char)*text) && !strchr(more, *text)))
            return false;
    }
    return true;
}

static int check_user(const char *user, struct err *err)
{
    bool ok = islower((unsigned char)*user) && is_word(user, "_-", USER_LEN_MAX);

    for (const char *p = user; ok && *p; p++)
        ok = !isupper((unsigned char)*p);
    if (!ok)
        return err_set(err, EINVAL,
                       "--user: '%.40s' is no name of a user; small letters, digits, - and _, at "
                       "most %u, first a letter",
                       user, USER_LEN_MAX);
    return strcmp(user, "root") ? 0
                                : err_set(err, EINVAL,
                                          "--user: root cannot log in; take another "
                                          "name, which can use sudo");
}

static int check_hostname(const char *name, struct err *err)
{
    if (is_word(name, "-.", NAME_LEN_MAX) && name[strlen(name) - 1] != '-')
        return 0;
    return err_set(err, EINVAL,
                   "--hostname: '%.70s' is no name of a host; letters, digits, - and ., at most %u",
                   name, NAME_LEN_MAX);
}

/* It will be in a file that all of the system's users can read. */
static int check_mirror(const char *url, struct err *err)
{
    const char *host = strstr(url, "://");

    if (strncmp(url, "http://", 7) && strncmp(url, "https://", 8) && strncmp(url, "file:///", 8))
        return err_set(err, EINVAL,
                       "--mirror: '%.80s' does not start with http://, https:// or "
                       "file:///",
                       url);
    if (memchr(host + 3, '@', strcspn(host + 3, "/")))
        return err_set(err, EINVAL,
                       "--mirror: no name and password in there; apt's auth.conf is for them");
    for (const char *p = url; *p; p++) {
        if (*p <= ' ' || *p == 0x7f || strchr("[]#\"'\\$`", *p))
            return err_set(err, EINVAL, "--mirror: '%.80s' has a character that no URL has", url);
    }
    return 0;
}

static int take_packages(struct image_options *o, struct err *err)
{
    o->package_list = strdup(o->packages ? o->packages : "");
    if (!o->package_list)
        return err_set(err, ENOMEM, "out of memory");
    for (char *p = o->package_list; *p;) {
        size_t n = strcspn(p, ",");
        char end = p[n];
        p[n] = '\0';
        if (!is_word(p, "+-.:", 100))
            return err_set(err, EINVAL, "--packages: '%.40s' is no name of a package", p);
        p += n;
        if (end)
            *p++ = ' ';
    }
    return 0;
}

static int take_kernel(struct image_options *o, struct err *err)
{
    if (!o->kernel || !strcmp(o->kernel, "cloud"))
        o->kernel = "linux-image-cloud-amd64";
    else if (!strcmp(o->kernel, "generic"))
        o->kernel = "linux-image-amd64";
    else
        return err_set(err, EINVAL, "--kernel: '%.40s'; there are cloud and generic", o->kernel);
    return 0;
}

/* "x" is x.qcow2; "x.raw" and "x.img" are raw. */
static int take_name(struct image_options *o, struct err *err)
{
    const char *base = strrchr(o->name, '/') ? strrchr(o->name, '/') + 1 : o->name;
    const char *dot = strrchr(base, '.'), *suffix = dot && dot > base ? dot + 1 : "";
    bool raw = !strcmp(suffix, "raw") || !strcmp(suffix, "img");
    bool known = raw || format_find(suffix);

    if (!*base)
        return err_set(err, EINVAL, "'%.80s' is no name of a file", o->name);
    if (!o->format)
        o->format = raw ? "raw" : known ? suffix : "qcow2";
    if (!format_find(o->format) || !format_find(o->format)->create) {
        char names[256];
        return err_set(err, EINVAL, "--format: no image is made in '%.20s'; formats: %s", o->format,
                       format_names(names, sizeof(names)));
    }
    if (asprintf(&o->path, "%s%s%s", o->name, known ? "" : ".", known ? "" : o->format) < 0 ||
        !(o->own_hostname = strndup(base, known ? (size_t)(dot - base) : strlen(base))))
        return err_set(err, ENOMEM, "out of memory");
    if (!o->hostname)
        o->hostname = check_hostname(o->own_hostname, err) ? "debian" : o->own_hostname;
    return check_hostname(o->hostname, err);
}

static int read_text(const char *path, char **out, struct err *err)
{
    u8 *data;
    size_t size;
    int rc = file_read_all(path, &data, &size, KEY_FILE_MAX, err);

    if (rc)
        return rc;
    *out = memchr(data, 0, size) ? NULL : strndup((const char *)data, size);
    free(data);
    return *out ? 0 : err_set(err, EINVAL, "%s: is no text", path);
}

static int read_password(struct image_options *o, struct err *err)
{
    int rc = read_text(o->password_file, &o->password, err);

    if (rc) {
        err_prefix(err, "--password-file");
        return rc;
    }
    o->password[strcspn(o->password, "\r\n")] = '\0';
    return *o->password ? 0 : err_set(err, EINVAL, "--password-file: its first line is empty");
}

static int read_keys(struct image_options *o, struct err *err)
{
    int rc = read_text(o->ssh_key_file, &o->ssh_keys, err);

    if (rc)
        err_prefix(err, "--ssh-key");
    else if (strstr(o->ssh_keys, "PRIVATE KEY"))
        rc = err_set(err, EINVAL,
                     "--ssh-key: %s is a private key; the public one is in the file "
                     "with the suffix .pub",
                     o->ssh_key_file);
    else if (!strstr(o->ssh_keys, "ssh-") && !strstr(o->ssh_keys, "ecdsa-") &&
             !strstr(o->ssh_keys, "sk-"))
        rc = err_set(err, EINVAL, "--ssh-key: no public key in %s", o->ssh_key_file);
    return rc;
}

/* Something that can be typed: no letters that look alike. 14 of 32 letters are 70 bits. */
static int make_password(struct image_options *o, struct err *err)
{
    static const char letters[] = "abcdefghijkmnpqrstuvwxyz23456789";
    u8 random[MADE_LENGTH];

    if (getrandom(random, sizeof(random), 0) != sizeof(random))
        return err_set(err, EIO, "the host has no random numbers");
    o->password = calloc(1, MADE_LENGTH + 1);
    if (!o->password)
        return err_set(err, ENOMEM, "out of memory");
    for (unsigned i = 0; i < MADE_LENGTH; i++)
        o->password[i] = letters[random[i] % 32];
    o->made_password = true;
    return 0;
}

static int check(struct image_options *o, struct err *err)
{
    int rc = 0;

    o->suite = o->suite ? o->suite : "bookworm";
    o->user = o->user ? o->user : "debian";
    if (!is_word(o->suite, "-.", 40))
        return err_set(err, EINVAL, "--suite: '%.40s' is no name of a suite", o->suite);
    if (parse_size(o->size_text ? o->size_text : "8G", &o->size, err)) {
        err_prefix(err, "--size");
        return -EINVAL;
    }
    if ((rc = take_name(o, err)) || (rc = take_kernel(o, err)) || (rc = take_packages(o, err)) ||
        (rc = check_user(o->user, err)))
        return rc;
    if (o->mirror && (rc = check_mirror(o->mirror, err)))
        return rc;
    if (o->password_file && (rc = read_password(o, err)))
        return rc;
    if (o->ssh_key_file)
        return read_keys(o, err);
    return o->password ? 0 : make_password(o, err);
}

static int take_option(struct image_options *o, size_t n, struct err *err)
{
    void *field = (char *)o + options[n].field;

    if (options[n].flag)
        *(bool *)field = true;
    else if (*optarg)
        *(const char **)field = optarg;
    else
        return err_set(err, EINVAL, "--%s: is empty", options[n].name);
    return 0;
}

static int bad_option(char **argv, int c, struct err *err)
{
    const char *word = argv[optind - 1],
               *near = suggest_nearest(word + strspn(word, "-"), option_name);

    if (c == ':')
        return err_set(err, EINVAL, "%.60s needs a value", word);
    return err_set(err, EINVAL, "unknown option '%.60s'%s%s%s", word,
                   near ? "; did you mean '--" : "", near ? near : "", near ? "'?" : "");
}

int image_options_parse(struct image_options *o, int argc, char **argv, struct err *err)
{
    struct option longs[ARRAY_SIZE(options) + 1] = {0};
    int c, rc = 0;

    for (size_t i = 0; i < ARRAY_SIZE(options); i++)
        longs[i] = (struct option){
            options[i].name, options[i].arg ? required_argument : no_argument, NULL, (int)i + 256};
    *o = (struct image_options){0};
    optind = 1;
    while (!rc && (c = getopt_long(argc, argv, ":", longs, NULL)) >= 0)
        rc = c >= 256 ? take_option(o, (size_t)c - 256, err) : bad_option(argv, c, err);
    if (rc || o->help)
        return rc;
    if (argc - optind != 1)
        return err_set(err, EINVAL,
                       optind == argc ? "give a NAME for the image"
                                      : "give one NAME for the image");
    o->name = argv[optind];
    return check(o, err);
}
