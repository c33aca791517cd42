/* SPDX-License-Identifier: GPL-2.0-or-later */
/* domus image build SYSTEM NAME: disk images with a system on them. */
#include "../domus/commands.h"
#include "ctl/suggest.h"
#include "image.h"

#include <stdio.h>
#include <string.h>

static void usage(FILE *to)
{
    fprintf(to, "Usage: domus image build debian NAME [OPTION…]\n"
                "Makes a disk image with Debian on it, which `domus run NAME` boots.\n\n");
    if (to == stdout)
        image_options_print();
    fprintf(to, "\nThe manual: man domus-image\n");
}

static const char *system_name(size_t n)
{
    return n ? NULL : "debian";
}

static int build(int argc, char **argv)
{
    struct image_options o;
    struct err err;
    int rc = image_options_parse(&o, argc, argv, &err);

    if (!rc && o.help)
        usage(stdout);
    else if (!rc)
        rc = image_build(&o);
    else
        fprintf(stderr, "domus: image: %s\n", err.text);
    image_options_free(&o);
    return rc ? 1 : 0;
}

static bool is_help(const char *word)
{
    return !strcmp(word, "--help") || !strcmp(word, "-h");
}

int cmd_image(int argc, char **argv)
{
    const char *system = argc > 2 ? argv[2] : "", *near;

    if (argc > 1 && (is_help(argv[1]) || (argc == 3 && is_help(system)))) {
        usage(stdout);
        return 0;
    }
    if (argc < 3 || strcmp(argv[1], "build")) {
        usage(stderr);
        return 1;
    }
    if (!strcmp(system, "debian"))
        return build(argc - 2, argv + 2);
    near = suggest_nearest(system, system_name);
    fprintf(stderr, "domus: image: no system '%.40s'; %s\n", system,
            near ? "did you mean 'debian'?" : "there is debian");
    return 1;
}
