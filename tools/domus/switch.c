/* SPDX-License-Identifier: GPL-2.0-or-later */
/* domus switch NAME COMMAND …: starts a switch, or says something to one that runs. */
#include "switch.h"
#include "commands.h"
#include "net/switchdir.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void usage(FILE *to)
{
    fprintf(
        to,
        "Usage: domus switch NAME start|run [COMMAND|@FILE]…\n"
        "       domus switch NAME COMMAND [ARGUMENT…] [--json]\n"
        "A virtual switch between machines with --net switch=NAME[,port=PORT]. It is started, in "
        "the\n"
        "background or not, with commands to begin with; after that, commands change it and show\n"
        "what it does. 'domus switch NAME help' lists them. The manual: man domus-switch\n");
}

static int complain(const char *name, const char *why)
{
    fprintf(stderr, "domus: switch %s: %s\n", name, why);
    return 1;
}

static int dial(const char *name)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    char dir[SWITCH_PATH_MAX];
    struct err err;
    int fd;

    if (switch_dir(dir, name, &err) || switch_control_path(addr.sun_path, dir, &err)) {
        complain(name, err.text);
        return -1;
    }
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && !connect(fd, (const struct sockaddr *)&addr, sizeof(addr)))
        return fd;
    fprintf(stderr, "domus: switch %s: %s: %s%s%s%s\n", name, addr.sun_path, strerror(errno),
            errno == ENOENT || errno == ECONNREFUSED ? "; start it: domus switch " : "",
            errno == ENOENT || errno == ECONNREFUSED ? name : "",
            errno == ENOENT || errno == ECONNREFUSED ? " start" : "");
    if (fd >= 0)
        close(fd);
    return -1;
}

/* What came back, or NULL. */
static json_t *ask(int fd, int argc, char **argv)
{
    json_t *request = json_array(), *answer = NULL;
    json_error_t why;
    int rc = 0;

    for (int i = 0; i < argc && !rc; i++)
        rc = json_array_append_new(request, json_string(argv[i]));
    if (!rc && !json_dumpfd(request, fd, JSON_COMPACT) && write(fd, "\n", 1) == 1)
        answer = json_loadfd(fd, JSON_DISABLE_EOF_CHECK, &why);
    json_decref(request);
    return answer;
}

static int say(const char *name, int argc, char **argv, bool as_json)
{
    int fd = dial(name), rc = 1;
    json_t *answer, *val;
    const char *why;

    if (fd < 0)
        return 1;
    answer = ask(fd, argc, argv);
    val = json_object_get(answer, "return");
    why = json_string_value(json_object_get(json_object_get(answer, "error"), "desc"));
    if (!val)
        complain(name, why ? why : "no answer; the arguments must be UTF-8");
    else if (as_json)
        rc = json_dumpf(val, stdout, JSON_INDENT(2)) || putchar('\n') == EOF;
    else
        rc = switch_show(val);
    json_decref(answer);
    close(fd);
    return rc;
}

static int take_json(int argc, char **argv, bool *as_json)
{
    int n = 0;

    for (int i = 0; i < argc; i++) {
        if (!strcmp(argv[i], "--json"))
            *as_json = true;
        else
            argv[n++] = argv[i];
    }
    return n;
}

int cmd_switch(int argc, char **argv)
{
    bool as_json = false;

    argc = take_json(argc, argv, &as_json);
    if (argc == 2 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))) {
        usage(stdout);
        return 0;
    }
    if (argc < 3) {
        usage(stderr);
        return 1;
    }
    if (!strcmp(argv[2], "run"))
        return switch_serve(argv[1], argc - 3, argv + 3, -1);
    if (!strcmp(argv[2], "start"))
        return switch_start(argv[1], argc - 3, argv + 3);
    return say(argv[1], argc - 2, argv + 2, as_json);
}
