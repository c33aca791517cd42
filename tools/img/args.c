/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Options of the commands, messages, progress. */
#include "img.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct option longs[] = {
    {"output", required_argument, NULL, OPT_OUTPUT},
    {"backing-chain", no_argument, NULL, OPT_CHAIN},
    {"start-offset", required_argument, NULL, OPT_START},
    {"max-length", required_argument, NULL, OPT_LENGTH},
    {"size", required_argument, NULL, OPT_SIZE},
    {"preallocation", required_argument, NULL, OPT_PREALLOC},
    {"shrink", no_argument, NULL, OPT_SHRINK},
    {"bitmaps", no_argument, NULL, OPT_BITMAPS},
    {"target-is-zero", no_argument, NULL, OPT_TARGET_ZERO},
    {"salvage", no_argument, NULL, OPT_SALVAGE},
    {"verify", no_argument, NULL, OPT_VERIFY},
    {"backing", required_argument, NULL, OPT_BACKING},
    {"merge", required_argument, NULL, OPT_MERGE},
    {"add", no_argument, NULL, OPT_ADD},
    {"remove", no_argument, NULL, OPT_REMOVE},
    {"clear", no_argument, NULL, OPT_CLEAR},
    {"enable", no_argument, NULL, OPT_ENABLE},
    {"disable", no_argument, NULL, OPT_DISABLE},
    {"flush-interval", required_argument, NULL, OPT_FLUSH},
    {"no-drain", no_argument, NULL, OPT_NO_DRAIN},
    {"pattern", required_argument, NULL, OPT_PATTERN},
    {"key-file", required_argument, NULL, OPT_KEY_FILE},
    {"force-share", no_argument, NULL, 'U'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

void img_complain(const struct img_args *a, const char *fmt, ...)
{
    va_list ap;

    fprintf(stderr, "domus img %s: ", a->command);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
}

void img_error(const struct img_args *a, const struct err *err)
{
    img_complain(a, "%s", err->text);
}

/* key=value,… with commas in values written twice. */
static int add_options(struct img_args *a, const char *text, struct err *err)
{
    char *word = malloc(strlen(text) + 1);
    int rc = word ? 0 : -ENOMEM;

    while (*text && !rc) {
        size_t n = 0;
        char *equals;
        for (; *text && (*text != ',' || text[1] == ','); text++) {
            word[n++] = *text;
            text += *text == ',';
        }
        text += *text == ',';
        word[n] = '\0';
        equals = strchr(word, '=');
        if (!strcmp(word, "help") || !strcmp(word, "?"))
            a->help_o = true;
        else if (!equals)
            rc = format_options_add(&a->o, word, "on", err);
        else {
            *equals = '\0';
            rc = format_options_add(&a->o, word, equals + 1, err);
        }
    }
    free(word);
    return rc;
}

/* Of -t, and of -T, which says the same of what is only read. */
static bool is_cache_mode(const char *name)
{
    static const char *const names[] = {"none", "writeback", "writethrough", "directsync",
                                        "unsafe"};

    for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
        if (!strcmp(name, names[i]))
            return true;
    return false;
}

static bool set(struct img_args *a, int c, const char *value)
{
    struct err err;

    if (c == '?' || c == ':') {
        fprintf(stderr, "domus img %s: --help lists the options\n", a->command);
        return false;
    }
    if (c == 'o' && strcmp(a->command, "bench")) {
        if (add_options(a, value, &err)) {
            img_error(a, &err);
            return false;
        }
        return true;
    }
    if ((c == 't' || c == 'T') && !is_cache_mode(value)) {
        img_complain(a, "-%c %.20s: there are none, writeback, writethrough, directsync and unsafe",
                     c, value);
        return false;
    }
    if (c == OPT_BACKING && strcmp(value, "any") && strcmp(value, "beside")) {
        img_complain(a, "--backing %s: there are beside and any", value);
        return false;
    }
    a->opt[c] = value ? value : "";
    return true;
}

bool img_parse(struct img_args *a, int argc, char **argv, const char *shorts, bool compat)
{
    int c;

    optind = 1;
    while ((c = getopt_long(argc, argv, shorts, longs, NULL)) >= 0) {
        if (c == 'h') {
            char *help[] = {(char *)(uintptr_t) "domus", NULL};
            (void)help;
            img_complain(a, "see domus img --help, or man domus-img");
            return false;
        }
        if (!set(a, c, optarg))
            return false;
    }
    if (a->opt['U'])
        a->flags |= OPEN_UNLOCKED;
    if (compat || (a->opt[OPT_BACKING] && !strcmp(a->opt[OPT_BACKING], "any")))
        a->flags |= OPEN_ANY_BACKING;
    if (a->opt[OPT_OUTPUT] && strcmp(a->opt[OPT_OUTPUT], "json") &&
        strcmp(a->opt[OPT_OUTPUT], "human")) {
        img_complain(a, "--output: there are human and json");
        return false;
    }
    a->argc = argc - optind;
    a->argv = argv + optind;
    return true;
}

bool img_json(const struct img_args *a)
{
    return a->opt[OPT_OUTPUT] && !strcmp(a->opt[OPT_OUTPUT], "json");
}

unsigned img_target_flags(const struct img_args *a, const char *cache)
{
    return strcmp(a->opt['t'] ? a->opt['t'] : cache, "unsafe") ? 0 : OPEN_UNSYNCED;
}

int img_open_by(const struct img_args *a, struct block_node **out, const char *path,
                const char *format, unsigned flags, const char *key_file)
{
    struct err err;
    int rc = block_chain_open(out, path, format, NULL, flags | a->flags | OPEN_MAY_BE_EMPTY, &err);

    if (!rc && a->contents) {
        rc = block_unlock(*out, key_file, &err);
        if (rc)
            node_close(*out);
    }
    if (rc) {
        *out = NULL;
        img_error(a, &err);
    }
    return rc;
}

int img_open(const struct img_args *a, struct block_node **out, const char *path,
             const char *format, unsigned flags)
{
    return img_open_by(a, out, path, format, flags, a->opt[OPT_KEY_FILE]);
}

struct block_node *img_find_file(struct block_node *n, const char *path)
{
    char *real = realpath(path, NULL);
    struct block_node *found = NULL;

    for (; real && n && !found; n = n->backing) {
        char *other = n->file ? realpath(bfile_path(n->file), NULL) : NULL;
        if (other && !strcmp(other, real))
            found = n;
        free(other);
    }
    free(real);
    return found;
}

int img_help_options(const struct block_format *f)
{
    printf("Options of format %s:\n", f->name);
    for (const struct format_key *k = f->keys; k && k->name; k++)
        printf("  %-18s %s\n", k->name, k->help);
    return 0;
}

const char *img_bytes(u64 n, char *buf, size_t size)
{
    static const char units[] = "BKMGTPE";
    double v = (double)n;
    unsigned unit = 0;

    while (v >= 1000 && unit < 6) { /* 1000 to 1023 are shown in the next unit */
        v /= 1024;
        unit++;
    }
    if (!unit)
        snprintf(buf, size, "%llu B", (unsigned long long)n);
    else
        snprintf(buf, size, "%.3g %ciB", v, units[unit]);
    return buf;
}

const struct block_format *img_find_format(const struct img_args *a, const char *name)
{
    const struct block_format *f = format_find(name);
    char names[256];

    if (!f || !f->create) {
        img_complain(a, "format '%.40s' %s; there are %s", name,
                     f ? "can be read only" : "is not known", format_names(names, sizeof(names)));
        return NULL;
    }
    return f;
}

void img_take_option(struct img_args *a, const char *key, const char **to)
{
    for (unsigned i = 0; i < a->o.n; i++)
        if (!strcmp(a->o.pair[i].key, key) && !*to) {
            *to = a->o.pair[i].value;
            free(a->o.pair[i].key);
            a->o.pair[i] = a->o.pair[--a->o.n]; /* the value lives on to the end */
            return;
        }
}

int img_open_source(struct img_args *a, struct block_node **out, const char *path)
{
    const char *snapshot = a->opt['l'];
    struct err err;
    int rc = img_open(a, out, path, a->opt['f'], OPEN_READ_ONLY);

    if (rc || !snapshot)
        return rc;
    if (!strncmp(snapshot, "snapshot.", 9) && strchr(snapshot, '='))
        snapshot = strchr(snapshot, '=') + 1;
    rc = (*out)->ops->snapshot_view
             ? (*out)->ops->snapshot_view(*out, snapshot, &err)
             : err_set(&err, ENOTSUP, "'%s': its format has no snapshots", path);
    if (rc) {
        img_error(a, &err);
        node_close(*out);
        *out = NULL;
    }
    return rc;
}

int img_number(const struct img_args *a, int opt, u64 *value)
{
    struct err err;
    int rc = a->opt[opt] ? parse_size(a->opt[opt], value, &err) : 0;

    if (rc)
        img_error(a, &err);
    return rc;
}

void progress_start(struct progress *p, const struct img_args *a, u64 total)
{
    p->on = a->opt['p'] && !a->opt['q'] && isatty(2);
    p->total = total;
    p->done = 0;
    p->shown = -1;
}

void progress_add(struct progress *p, u64 n)
{
    u64 done = __atomic_add_fetch((u64 *)&p->done, n, __ATOMIC_SEQ_CST);
    int percent = p->total ? (int)((double)done * 1000.0 / (double)p->total) : 1000;

    if (!p->on || percent == p->shown)
        return;
    p->shown = percent;
    fprintf(stderr, "\r    (%d.%d%%)", percent / 10, percent % 10);
}

void progress_end(struct progress *p)
{
    if (p->on)
        fprintf(stderr, "\r    (100.0%%)\n");
}
