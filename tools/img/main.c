/* SPDX-License-Identifier: GPL-2.0-or-later */
/* domus img COMMAND …, or qemu-img COMMAND …: finds the command. */
#include "../domus/commands.h"
#include "ctl/suggest.h"
#include "img.h"
#include "machine/version.h"

#include <string.h>

static const struct {
    const char *name, *shorts, *usage;
    int (*main)(struct img_args *a);
    bool contents; /* of images */
} commands[] = {
    {"bench", "c:d:f:no:qs:S:t:i:wU", "[-c COUNT] [-d DEPTH] [-s SIZE] [-S STEP] [-w] FILE",
     img_bench, true},
    {"bitmap", "b:F:g:f:",
     "--add|--remove|--clear|--enable|--disable|--merge SOURCE… [-g GRANULARITY] FILE BITMAP",
     img_bitmap, false},
    {"check", "qf:r:T:U", "[-r leaks|all] [--output json] FILE", img_check, false},
    {"commit", "qf:t:b:r:dp", "[-b BASE] [-d] FILE", img_commit, true},
    {"compare", "f:F:T:pqsU", "[-s] FILE FILE", img_compare, true},
    {"convert", "UCcpqnf:t:T:O:B:F:o:l:S:r:m:W",
     "[-f FORMAT] [-O FORMAT] [-c] [-B BACKING] [-l SNAPSHOT] [-o OPTIONS] FILE… FILE", img_convert,
     true},
    {"create", "qf:b:F:uo:", "[-f FORMAT] [-b BACKING -F FORMAT] [-o OPTIONS] FILE [SIZE]",
     img_create, false},
    {"dd", "Uf:O:", "[bs=SIZE] [count=N] [skip=N] if=FILE of=FILE", img_dd, true},
    {"info", "f:U", "[--backing-chain] [--output json] FILE", img_info, false},
    {"map", "f:U", "[--output json] [--start-offset N] [--max-length N] FILE", img_map, false},
    {"measure", "O:o:f:l:U", "[-O FORMAT] [-o OPTIONS] --size SIZE | FILE", img_measure, false},
    {"rebase", "Uqf:t:T:pub:F:", "[-u] -b BACKING [-F FORMAT] FILE", img_rebase, true},
    {"resize", "f:q", "[--shrink] [--preallocation MODE] FILE [+|-]SIZE", img_resize, true},
    {"snapshot", "Uqla:c:d:f:", "-l | -c NAME | -a NAME | -d NAME  FILE", img_snapshot, false},
};

static void usage(FILE *to, const char *self)
{
    char names[256];

    fprintf(to, "Usage: %s COMMAND [OPTION…] FILE…\nDisk images. Commands:\n\n", self);
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
        fprintf(to, "  %-9s %s\n", commands[i].name, commands[i].usage);
    fprintf(
        to,
        "\nFormats: %s.\n  -o help lists the options of a format; --backing any follows backing "
        "files\n  outside of an image's folder. The manual: man domus-img\n",
        format_names(names, sizeof(names)));
}

static const char *command_name(size_t n)
{
    return n < ARRAY_SIZE(commands) ? commands[n].name : NULL;
}

int cmd_img(int argc, char **argv)
{
    bool compat = !strcmp(argv[0], "qemu-img");
    const char *self = compat ? "qemu-img" : "domus img", *near;

    if (argc < 2) {
        usage(stderr, self);
        return 1;
    }
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
        usage(stdout, self);
        return 0;
    }
    if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
        printf("%s (Domus %s)\n", self, DOMUS_VERSION);
        return 0;
    }
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
        if (!strcmp(argv[1], commands[i].name)) {
            struct img_args a = {.command = commands[i].name, .contents = commands[i].contents};
            int rc = img_parse(&a, argc - 1, argv + 1, commands[i].shorts, compat);
            if (rc)
                rc = commands[i].main(&a);
            else
                rc = strcmp(a.command, "compare") ? 1 : 2;
            format_options_free(&a.o);
            return rc;
        }
    near = suggest_nearest(argv[1], command_name);
    fprintf(stderr, "%s: unknown command '%.40s'; %s%s%s\n", self, argv[1],
            near ? "did you mean '" : "--help lists them", near ? near : "", near ? "'?" : "");
    return 1;
}
