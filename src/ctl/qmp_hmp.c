/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * human-monitor-command: the few words of QEMU's human monitor that make sense here. Each is turned
 * into its QMP command; what that has to say comes back as text, errors too, as QEMU does it.
 */
#include "ctl/qmp_core.h"
#include "ctl/qmp_keys.h"
#include "machine/machine.h"
#include "machine/media.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORDS 4u

struct line {
    char text[1024];
    char *word[WORDS]; /* "" past the last */
    unsigned n;
};

/* Words between blanks; one in double quotes may have blanks. False: too long, too many. */
static bool split(struct line *l, const char *text)
{
    char *p = l->text;

    if (strlen(text) >= sizeof(l->text))
        return false;
    strcpy(l->text, text);
    for (unsigned n = 0; n < WORDS; n++)
        l->word[n] = l->text + strlen(l->text);
    for (;;) {
        bool quoted;
        p += strspn(p, " \t");
        if (!*p)
            return true;
        if (l->n == WORDS)
            return false;
        quoted = *p == '"';
        l->word[l->n++] = p += quoted;
        p += strcspn(p, quoted ? "\"" : " \t");
        if (*p)
            *p++ = '\0';
    }
}

static json_t *no_text(void)
{
    return json_string("");
}

/* Runs a QMP command on `args`, which it takes over. */
static json_t *as_qmp(struct qmp_core *q, qmp_fn fn, json_t *args, struct qmp_error *e)
{
    json_t *val = args ? fn(q, args, e) : qmp_fail(e, "the words are no UTF-8");

    json_decref(args);
    json_decref(val);
    return val ? no_text() : NULL;
}

static json_t *info_status(struct qmp_core *q)
{
    return json_sprintf("VM status: %s\r\n", qmp_run_state(q));
}

static void print_drive(FILE *to, const struct media_info *info)
{
    if (info->path)
        fprintf(to, "%s: %s (%s%s)\r\n", info->name, info->path, info->format,
                info->read_only ? ", read-only" : "");
    else
        fprintf(to, "%s: [not inserted]\r\n", info->name);
    if (info->removable)
        fprintf(to, "    Removable device: %slocked, tray %s\r\n", info->locked ? "" : "not ",
                info->tray_open ? "open" : "closed");
}

static json_t *info_block(struct qmp_core *q)
{
    struct media_info info;
    char *text = NULL;
    size_t size;
    FILE *to = open_memstream(&text, &size);
    json_t *val;

    if (!to)
        return no_text();
    for (unsigned n = 0; n < media_places(q->cfg.machine); n++)
        if (media_at(q->cfg.machine, n, &info))
            print_drive(to, &info);
    fclose(to);
    val = json_string(text);
    free(text);
    return val ? val : no_text();
}

static json_t *info_balloon(struct qmp_core *q, struct qmp_error *e)
{
    json_t *val = qmp_query_balloon(q, NULL, e), *text;

    if (!val)
        return NULL;
    text = json_sprintf("balloon: actual=%lld\r\n",
                        (long long)(json_integer_value(json_object_get(val, "actual")) / MiB));
    json_decref(val);
    return text;
}

static json_t *balloon(struct qmp_core *q, const struct line *l, struct qmp_error *e)
{
    char *end;
    unsigned long long mib = strtoull(l->word[1], &end, 10);

    if (end == l->word[1] || *end || mib > INT64_MAX / MiB)
        return qmp_fail(e, "balloon: needs a number of MiB");
    return as_qmp(q, qmp_balloon, json_pack("{sI}", "value", (json_int_t)(mib * MiB)), e);
}

static json_t *info(struct qmp_core *q, const struct line *l, struct qmp_error *e)
{
    if (!strcmp(l->word[1], "status"))
        return info_status(q);
    if (!strcmp(l->word[1], "block"))
        return info_block(q);
    if (!strcmp(l->word[1], "balloon"))
        return info_balloon(q, e);
    return qmp_fail(e, "info: there are status, block and balloon");
}

static json_t *eject(struct qmp_core *q, const struct line *l, struct qmp_error *e)
{
    bool force = !strcmp(l->word[1], "-f");

    return as_qmp(q, qmp_eject, json_pack("{sssb}", "device", l->word[1 + force], "force", force),
                  e);
}

static json_t *change(struct qmp_core *q, const struct line *l, struct qmp_error *e)
{
    if (l->n < 3)
        return qmp_fail(e, "change: want a device and a file");
    return as_qmp(q, qmp_change_medium,
                  json_pack("{ssss}", "device", l->word[1], "filename", l->word[2]), e);
}

/* ctrl-alt-delete, or numbers as 0x1d. */
static json_t *sendkey(struct qmp_core *q, const struct line *l, struct qmp_error *e)
{
    json_t *keys = json_array(), *args;
    const char *p = l->word[1];

    for (size_t len; *p; p += len + (p[len] == '-')) {
        len = strcspn(p, "-");
        if (!strncmp(p, "0x", 2))
            json_array_append_new(
                keys, json_pack("{sssi}", "type", "number", "data", (int)strtoul(p, NULL, 16)));
        else
            json_array_append_new(keys, json_pack("{ssss%}", "type", "qcode", "data", p, len));
    }
    args = json_pack("{so}", "keys", keys);
    if (args && *l->word[2])
        json_object_set_new(args, "hold-time", json_integer(atoi(l->word[2])));
    return as_qmp(q, qmp_send_key, args, e);
}

static json_t *screendump(struct qmp_core *q, const struct line *l, struct qmp_error *e)
{
    for (unsigned n = 1; n < 3; n++)
        if (!strcmp(l->word[n], "-f")) /* before the file's name or after it */
            return as_qmp(
                q, qmp_screendump,
                json_pack("{ssss}", "filename", l->word[n == 1 ? 3 : 1], "format", l->word[n + 1]),
                e);
    if (l->n != 2)
        return qmp_fail(e, "screendump: want a file, and perhaps -f png");
    return as_qmp(q, qmp_screendump, json_pack("{ss}", "filename", l->word[1]), e);
}

static json_t *simple(struct qmp_core *q, const char *word, struct qmp_error *e)
{
    static const char *const words[][2] = {
        {"stop", "stop"},
        {"s", "stop"},
        {"cont", "cont"},
        {"c", "cont"},
        {"quit", "quit"},
        {"q", "quit"},
        {"system_reset", "system_reset"},
        {"system_powerdown", "system_powerdown"},
        {"system_wakeup", "system_wakeup"},
    };
    const struct qmp_command *c;

    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        for (size_t n = 0; !strcmp(word, words[i][0]) && (c = qmp_command_at(n)); n++)
            if (!strcmp(c->name, words[i][1]))
                return as_qmp(q, c->fn, json_object(), e);
    return qmp_fail(e, "unknown command: '%.40s'", word);
}

static json_t *run(struct qmp_core *q, const struct line *l, struct qmp_error *e)
{
    static const struct {
        const char *word;
        json_t *(*fn)(struct qmp_core *q, const struct line *l, struct qmp_error *e);
    } words[] = {{"info", info},     {"balloon", balloon}, {"eject", eject},
                 {"change", change}, {"sendkey", sendkey}, {"screendump", screendump}};

    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (!strcmp(l->word[0], words[i].word))
            return words[i].fn(q, l, e);
    return simple(q, l->word[0], e);
}

json_t *qmp_human(struct qmp_core *q, const json_t *args, struct qmp_error *e)
{
    struct line l = {.n = 0};
    struct qmp_error failed = {0};
    char text[sizeof(e->err.text) + 16];
    json_t *val;

    if (!split(&l, qmp_string(args, "command-line")))
        return qmp_fail(e, "Parameter 'command-line' is too long");
    if (!l.n)
        return no_text();
    val = run(q, &l, &failed);
    if (val)
        return val;
    snprintf(text, sizeof(text), "Error: %s\r\n", failed.err.text);
    val = json_string(text);
    return val ? val : no_text();
}
