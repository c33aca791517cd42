/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * domus qmp PATH COMMAND [JSON]: one command to a machine's control socket. Prints what it returns,
 * as JSON; status 1, with the reason, where it fails. Events are passed over.
 */
#include "commands.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int dial(const char *path)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int fd;

    if (strlen(path) >= sizeof(addr.sun_path)) {
        fprintf(stderr, "domus: %s: the path is too long for a socket\n", path);
        return -1;
    }
    strcpy(addr.sun_path, path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && !connect(fd, (const struct sockaddr *)&addr, sizeof(addr)))
        return fd;
    fprintf(stderr, "domus: %s: cannot connect: %s\n", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}

/* The next message that is no event; NULL with a message where there is none. */
static json_t *next_answer(FILE *from, const char *path)
{
    json_error_t why;
    json_t *msg;

    while ((msg = json_loadf(from, JSON_DISABLE_EOF_CHECK, &why)) && json_object_get(msg, "event"))
        json_decref(msg);
    if (!msg)
        fprintf(stderr, "domus: %s: no answer: %s\n", path, why.text);
    return msg;
}

static json_t *ask(int fd, FILE *from, const char *path, const char *command, json_t *args)
{
    json_t *request = json_pack("{ss}", "execute", command), *msg = NULL;

    if (request && args)
        json_object_set(request, "arguments", args);
    if (!request || json_dumpfd(request, fd, JSON_COMPACT) || write(fd, "\n", 1) != 1)
        fprintf(stderr, "domus: %s: cannot send: %s\n", path, strerror(errno));
    else
        msg = next_answer(from, path);
    json_decref(request);
    return msg;
}

/* Prints what came back, and gives it up. */
static int show(json_t *msg)
{
    json_t *val = json_object_get(msg, "return"), *error = json_object_get(msg, "error");
    const char *why = json_string_value(json_object_get(error, "desc"));

    if (json_is_string(val))
        fputs(json_string_value(val), stdout);
    else if (val && (!json_is_object(val) || json_object_size(val)))
        json_dumpf(val, stdout, JSON_INDENT(2)), putchar('\n');
    if (msg && !val)
        fprintf(stderr, "domus: %s\n", why ? why : "an answer that is none");
    json_decref(msg);
    return val ? 0 : 1;
}

static int talk(int fd, const char *path, const char *command, json_t *args)
{
    FILE *from = fdopen(fd, "r");
    json_t *greeting, *agreed = NULL;
    int rc = 1;

    if (!from) {
        close(fd);
        return 1;
    }
    greeting = next_answer(from, path);
    if (greeting)
        agreed = ask(fd, from, path, "qmp_capabilities", NULL);
    if (agreed)
        rc = show(ask(fd, from, path, command, args));
    json_decref(greeting);
    json_decref(agreed);
    fclose(from);
    return rc;
}

int cmd_qmp(int argc, char **argv)
{
    json_t *args = NULL;
    json_error_t why;
    int fd, rc;

    if (argc == 2 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))) {
        printf(
            "Usage: domus qmp PATH COMMAND [JSON]\n"
            "Sends one QMP command, with the arguments of the JSON object, to the machine whose\n"
            "--qmp is unix:PATH. The command query-commands lists what there is.\n");
        return 0;
    }
    if (argc < 3 || argc > 4) {
        fprintf(stderr, "domus: qmp takes PATH COMMAND [JSON]; domus qmp --help says more\n");
        return 1;
    }
    if (argc == 4 && !(args = json_loads(argv[3], 0, &why))) {
        fprintf(stderr, "domus: the arguments are no JSON object: %s\n", why.text);
        return 1;
    }
    fd = dial(argv[1]);
    rc = fd < 0 ? 1 : talk(fd, argv[1], argv[2], args);
    json_decref(args);
    return rc;
}
