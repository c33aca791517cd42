/* SPDX-License-Identifier: GPL-2.0-or-later */
/* domus doctor: prints what host.c finds. Exits 0 whatever that is; Domus runs everywhere. */
#include "commands.h"
#include "host.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

static const char *const answers[] = {
    [HOST_NO] = "no", [HOST_PARTLY] = "partly", [HOST_YES] = "yes"};

static void print_text(void)
{
    const struct host_probe *p;

    for (size_t i = 0; (p = host_probe(i)); i++) {
        char detail[256] = "";
        enum host_answer answer = p->ask(detail, sizeof(detail));

        printf("%-16s %-6s  %s\n%-24s %s\n", p->what, answers[answer], detail, "", p->use);
    }
}

static int print_json(void)
{
    json_t *doc = json_object();
    const struct host_probe *p;
    int rc;

    for (size_t i = 0; (p = host_probe(i)); i++) {
        char detail[256] = "";
        enum host_answer answer = p->ask(detail, sizeof(detail));

        json_object_set_new(doc, p->key,
                            json_pack("{s:s, s:s, s:s}", "available", answers[answer], "detail",
                                      detail, "use", p->use));
    }
    rc = json_dumpf(doc, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(doc);
    return rc ? 1 : 0;
}

int cmd_doctor(int argc, char **argv)
{
    if (argc == 2 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))) {
        printf("Usage: domus doctor [--json]\n"
               "Says what this host offers, and what Domus does with it.\n");
        return 0;
    }
    if (argc > 2 || (argc == 2 && strcmp(argv[1], "--json"))) {
        fprintf(stderr, "domus: doctor takes one option, --json, not '%.60s'\n",
                argv[argc > 2 ? 2 : 1]);
        return 1;
    }
    if (argc == 2)
        return print_json();
    print_text();
    return 0;
}
