/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/qmp_core.h"

#include "machine/machine.h"
#include "machine/version.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

json_t *qmp_fail(struct qmp_error *e, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(e->err.text, sizeof(e->err.text), fmt, ap);
    va_end(ap);
    return NULL;
}

json_t *qmp_no_device(struct qmp_error *e, const char *name)
{
    e->class = "DeviceNotFound";
    return qmp_fail(e, "Device '%.100s' not found", name);
}

json_t *qmp_done(void)
{
    return json_object();
}

const char *qmp_string(const json_t *args, const char *name)
{
    return json_string_value(json_object_get(args, name));
}

bool qmp_flag(const json_t *args, const char *name)
{
    return json_is_true(json_object_get(args, name));
}

static json_t *now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    return json_pack("{sIsI}", "seconds", (json_int_t)ts.tv_sec, "microseconds",
                     (json_int_t)ts.tv_nsec / 1000);
}

void qmp_event(struct qmp_core *q, const char *name, json_t *data)
{
    json_t *msg = json_pack("{ssso}", "event", name, "timestamp", now());

    if (msg && data)
        json_object_set_new(msg, "data", data);
    for (unsigned n = 0; n < QMP_CLIENTS; n++)
        if (q->session[n] && q->session[n]->ready)
            q->session[n]->send(q->session[n]->opaque, json_incref(msg));
    json_decref(msg);
}

static const char *end_reason(const struct qmp_core *q, bool guest)
{
    if (guest)
        return "guest-shutdown";
    return q->quitting ? "host-qmp-quit" : "host-signal";
}

static void on_event(void *opaque, enum machine_event event, unsigned n, bool guest)
{
    struct qmp_core *q = opaque;

    switch (event) {
    case MACHINE_STOPPED:
        qmp_event(q, "STOP", NULL);
        break;
    case MACHINE_RESUMED:
        qmp_event(q, "RESUME", NULL);
        break;
    case MACHINE_RESET:
        qmp_event(q, "RESET",
                  json_pack("{sbss}", "guest", guest, "reason",
                            guest ? "guest-reset" : "host-qmp-system-reset"));
        break;
    case MACHINE_ENDED:
        qmp_event(q, "SHUTDOWN",
                  json_pack("{sbss}", "guest", guest, "reason", end_reason(q, guest)));
        break;
    case MACHINE_ASLEEP:
        qmp_event(q, "SUSPEND", NULL);
        break;
    case MACHINE_AWAKE:
        qmp_event(q, "WAKEUP", NULL);
        break;
    case MACHINE_BUTTON:
        qmp_event(q, "POWERDOWN", NULL);
        break;
    case MACHINE_TRAY:
        qmp_tray_moved(q, n);
        break;
    case MACHINE_TROUBLE:
        qmp_trouble(q, n);
        break;
    case MACHINE_BALLOON:
        qmp_balloon_moved(q);
        break;
    case MACHINE_UNPLUGGED:
        qmp_unplugged(q, n);
        break;
    }
}

int qmp_core_init(struct qmp_core *q, const struct qmp_config *cfg, struct err *err)
{
    q->cfg = *cfg;
    machine_on_event(cfg->machine, on_event, q);
    return qmp_keys_init(q, err);
}

void qmp_core_dispose(struct qmp_core *q)
{
    if (q->cfg.machine)
        machine_on_event(q->cfg.machine, NULL, NULL);
    qmp_keys_dispose(q);
}

static void replace(struct qmp_core *q, const struct qmp_session *old, struct qmp_session *by)
{
    for (unsigned n = 0; n < QMP_CLIENTS; n++)
        if (q->session[n] == old) {
            q->session[n] = by;
            return;
        }
}

void qmp_join(struct qmp_core *q, struct qmp_session *s)
{
    s->ready = false;
    replace(q, NULL, s);
    s->send(s->opaque, json_pack("{s{sos[]}}", "QMP", "version", qmp_version(), "capabilities"));
}

void qmp_leave(struct qmp_core *q, struct qmp_session *s)
{
    replace(q, s, NULL);
}

static void answer(struct qmp_session *s, json_t *id, const char *key, json_t *val)
{
    json_t *msg = json_pack("{so}", key, val);

    if (msg && id)
        json_object_set(msg, "id", id);
    s->send(s->opaque, msg);
}

json_t *qmp_text(const char *text)
{
    json_t *val = json_string(text);
    char plain[sizeof(((struct err *)0)->text)];
    size_t n = 0;

    if (val)
        return val;
    for (; text[n] && n + 1 < sizeof(plain); n++)
        plain[n] = text[n] & (char)0x80 ? '?' : text[n];
    plain[n] = '\0';
    return json_string(plain);
}

static void answer_error(struct qmp_session *s, json_t *id, const struct qmp_error *e)
{
    answer(s, id, "error",
           json_pack("{ssso}", "class", e->class ? e->class : "GenericError", "desc",
                     qmp_text(e->err.text)));
}

void qmp_refuse(struct qmp_session *s, const char *why)
{
    struct qmp_error e = {0};

    qmp_fail(&e, "%s", why);
    answer_error(s, NULL, &e);
}

static bool has_type(const json_t *val, char type)
{
    switch (type) {
    case 's':
        return json_is_string(val);
    case 'i':
        return json_is_integer(val);
    case 'b':
        return json_is_boolean(val);
    case 'a':
        return json_is_array(val);
    default:
        return json_is_object(val);
    }
}

static const char *type_name(char type)
{
    return type == 's'   ? "string"
           : type == 'i' ? "integer"
           : type == 'b' ? "boolean"
           : type == 'a' ? "array"
                         : "object";
}

/* The name and type at the beginning of a list of arguments. */
static const char *next_arg(const char *spec, char name[32], char *type, bool *optional)
{
    size_t len;

    while (*spec == ' ')
        spec++;
    *optional = *spec == '?';
    spec += *optional;
    len = strcspn(spec, ":");
    BUG_ON(len >= 32);
    memcpy(name, spec, len);
    name[len] = '\0';
    *type = spec[len] ? spec[len + 1] : '\0';
    return spec + len + (spec[len] ? 2 : 0);
}

static bool is_listed(const char *spec, const char *key)
{
    char name[32], type;
    bool optional;

    while (*spec) {
        spec = next_arg(spec, name, &type, &optional);
        if (!strcmp(name, key) || !strcmp(name, "*"))
            return true;
    }
    return false;
}

static json_t *check_args(const struct qmp_command *c, json_t *args, struct qmp_error *e)
{
    const char *spec = c->args ? c->args : "", *key;
    char name[32], type;
    bool optional;
    json_t *val;

    json_object_foreach(args, key, val) if (!is_listed(spec, key)) return qmp_fail(
        e, "Parameter '%.100s' is unexpected", key);
    while (*spec) {
        spec = next_arg(spec, name, &type, &optional);
        if (!strcmp(name, "*"))
            break;
        val = json_object_get(args, name);
        if (!val && !optional)
            return qmp_fail(e, "Parameter '%s' is missing", name);
        if (val && !has_type(val, type))
            return qmp_fail(e, "Invalid parameter type for '%s', expected: %s", name,
                            type_name(type));
    }
    return args;
}

static const struct qmp_command *find_command(const char *name)
{
    const struct qmp_command *c;

    for (size_t n = 0; (c = qmp_command_at(n)); n++)
        if (!strcmp(name, c->name))
            return c;
    return NULL;
}

static json_t *not_found(struct qmp_error *e, const char *fmt, const char *name)
{
    e->class = "CommandNotFound";
    snprintf(e->err.text, sizeof(e->err.text), "%s%.100s%s", fmt, name,
             *name ? " has not been found" : "");
    return NULL;
}

static json_t *dispatch(struct qmp_core *q, struct qmp_session *s, const char *name, json_t *args,
                        struct qmp_error *e)
{
    const struct qmp_command *c = find_command(name);
    bool negotiates = !strcmp(name, "qmp_capabilities");
    json_t *val;

    if (!s->ready && !negotiates)
        return not_found(e, "Expecting capabilities negotiation with 'qmp_capabilities'", "");
    if (s->ready && negotiates)
        return not_found(e, "Capabilities negotiation is already complete, command ignored", "");
    if (!c)
        return not_found(e, "The command ", name);
    val = check_args(c, args, e) ? c->fn(q, args, e) : NULL;
    s->ready |= negotiates && val;
    return val;
}

/* The members that a request may have; its command. */
static const char *check_request(json_t *req, struct qmp_error *e)
{
    json_t *val, *execute = json_object_get(req, "execute");
    const char *key;

    json_object_foreach(req, key, val)
    {
        if (!strcmp(key, "id") || !strcmp(key, "execute"))
            continue;
        if (strcmp(key, "arguments") != 0) {
            qmp_fail(e, "QMP input member '%.100s' is unexpected", key);
            return NULL;
        }
        if (!json_is_object(val)) {
            qmp_fail(e, "QMP input member 'arguments' must be an object");
            return NULL;
        }
    }
    if (!execute)
        qmp_fail(e, "QMP input lacks member 'execute'");
    else if (!json_is_string(execute))
        qmp_fail(e, "QMP input member 'execute' must be a string");
    return json_string_value(execute);
}

void qmp_execute(struct qmp_core *q, struct qmp_session *s, const char *text, size_t len)
{
    struct qmp_error e = {0};
    json_error_t why;
    json_t *req = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);
    json_t *empty = json_object(), *args, *val = NULL;
    const char *name;

    if (!req) {
        qmp_fail(&e, "JSON parse error, %s", why.text);
        answer_error(s, NULL, &e);
        json_decref(empty);
        return;
    }
    args = json_object_get(req, "arguments");
    name = check_request(req, &e);
    if (name)
        val = dispatch(q, s, name, args ? args : empty, &e);
    if (val)
        answer(s, json_object_get(req, "id"), "return", val);
    else
        answer_error(s, json_object_get(req, "id"), &e);
    json_decref(empty);
    json_decref(req);
}
