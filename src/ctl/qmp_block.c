/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP's commands about drives. */
#include "block/format.h"
#include "ctl/qmp_core.h"
#include "machine/media.h"

#include <errno.h>
#include <string.h>

/* A path of bytes that are no UTF-8 is shown without them. */
static json_t *path_value(const char *path)
{
    json_t *val = json_string(path);

    return val ? val : json_string("(not UTF-8)");
}

static json_t *inserted(const struct media_info *info)
{
    return json_pack("{sosbsssisbs{soss sI}}", "file", path_value(info->path), "ro",
                     info->read_only, "drv", info->format, "backing_file_depth",
                     (int)info->backing_files, "encrypted", (int)info->encrypted, "image",
                     "filename", path_value(info->path), "format", info->format, "virtual-size",
                     (json_int_t)info->size);
}

static json_t *drive(const struct media_info *info)
{
    json_t *obj = json_pack("{sssssbsbss}", "device", info->name, "qdev", info->name, "removable",
                            info->removable, "locked", info->locked, "type", "unknown");

    if (info->cdrom)
        json_object_set_new(obj, "tray_open", json_boolean(info->tray_open));
    if (info->path)
        json_object_set_new(obj, "inserted", inserted(info));
    if (info->path || info->removable)
        json_object_set_new(obj, "io-status", json_string("ok"));
    return obj;
}

json_t *qmp_query_block(struct qmp_core *q, const json_t *args, struct qmp_error *e)
{
    json_t *all = json_array();
    struct media_info info;

    for (unsigned n = 0; n < media_places(q->cfg.machine); n++)
        if (media_at(q->cfg.machine, n, &info))
            json_array_append_new(all, drive(&info));
    return all;
}

void qmp_tray_moved(struct qmp_core *q, unsigned n)
{
    struct media_info info;

    if (media_at(q->cfg.machine, n, &info))
        qmp_event(q, "DEVICE_TRAY_MOVED",
                  json_pack("{sssssb}", "device", info.name, "id", info.name, "tray-open",
                            info.tray_open));
}

void qmp_trouble(struct qmp_core *q, unsigned n)
{
    struct media_trouble t;
    struct media_info info;

    if (!media_at(q->cfg.machine, n, &info) || !media_take_trouble(q->cfg.machine, n, &t))
        return;
    if (t.what.damage)
        qmp_event(
            q, "BLOCK_IMAGE_CORRUPTED",
            json_pack("{sssosb}", "device", info.name, "msg", qmp_text(t.what.damage), "fatal", 0));
    if (t.what.failed)
        qmp_event(q, "BLOCK_IO_ERROR",
                  json_pack("{sssssssbss}", "device", info.name, "operation",
                            t.what.write ? "write" : "read", "action", "report", "nospace",
                            t.what.rc == -ENOSPC, "reason", strerror(-t.what.rc)));
}

/* "device" and the other key mean the same here; one of them is given. */
static bool find_by(struct qmp_core *q, const json_t *args, const char *key, unsigned *n,
                    struct qmp_error *e)
{
    const char *device = qmp_string(args, "device"), *id = qmp_string(args, key);

    if (!device == !id) {
        qmp_fail(e, "Need exactly one of 'device' and '%s'", key);
        return false;
    }
    device = device ? device : id;
    if (!media_find(q->cfg.machine, device, n))
        return true;
    qmp_no_device(e, device);
    return false;
}

static bool find(struct qmp_core *q, const json_t *args, unsigned *n, struct qmp_error *e)
{
    return find_by(q, args, "id", n, e);
}

json_t *qmp_open_tray(struct qmp_core *q, const json_t *args, struct qmp_error *e)
{
    unsigned n;

    if (!find(q, args, &n, e) ||
        media_tray(q->cfg.machine, n, true, qmp_flag(args, "force"), &e->err))
        return NULL;
    return qmp_done();
}

json_t *qmp_close_tray(struct qmp_core *q, const json_t *args, struct qmp_error *e)
{
    unsigned n;

    if (!find(q, args, &n, e) || media_tray(q->cfg.machine, n, false, false, &e->err))
        return NULL;
    return qmp_done();
}

/* The tray stays open. */
json_t *qmp_eject(struct qmp_core *q, const json_t *args, struct qmp_error *e)
{
    unsigned n;

    if (!find(q, args, &n, e) ||
        media_tray(q->cfg.machine, n, true, qmp_flag(args, "force"), &e->err) ||
        media_change(q->cfg.machine, n, NULL, NULL, false, &e->err))
        return NULL;
    return qmp_done();
}

static bool read_only(const struct media_info *old, const char *mode, bool *ro, struct qmp_error *e)
{
    if (!mode || !strcmp(mode, "retain"))
        *ro = old->path && old->read_only;
    else if (!strcmp(mode, "read-only") || !strcmp(mode, "read-write"))
        *ro = mode[5] == 'o';
    else
        qmp_fail(e, "Parameter 'read-only-mode' does not accept value '%.40s'", mode);
    return !e->err.text[0];
}

bool qmp_format_known(const char *format, struct qmp_error *e)
{
    char names[256];

    if (format_find(format))
        return true;
    qmp_fail(e, "Unknown driver '%.40s'; there are %s", format, format_names(names, sizeof(names)));
    return false;
}

json_t *qmp_change_medium(struct qmp_core *q, const json_t *args, struct qmp_error *e)
{
    const char *format = qmp_string(args, "format");
    struct media_info old;
    bool ro = false;
    struct err ignored; /* of a tray that has just moved */
    unsigned n;
    int rc;

    if (!find(q, args, &n, e) || !media_at(q->cfg.machine, n, &old) ||
        !read_only(&old, qmp_string(args, "read-only-mode"), &ro, e))
        return NULL;
    if (format && !qmp_format_known(format, e))
        return NULL;
    if (media_tray(q->cfg.machine, n, true, qmp_flag(args, "force"), &e->err))
        return NULL;
    rc = media_change(q->cfg.machine, n, qmp_string(args, "filename"), format, ro, &e->err);
    if (!rc || !old.tray_open) /* what could not be changed is as it was */
        rc |= media_tray(q->cfg.machine, n, false, false, rc ? &ignored : &e->err);
    return rc ? NULL : qmp_done();
}

json_t *qmp_block_resize(struct qmp_core *q, const json_t *args, struct qmp_error *e)
{
    json_int_t size = json_integer_value(json_object_get(args, "size"));
    unsigned n;

    if (!find_by(q, args, "node-name", &n, e))
        return NULL;
    if (size <= 0)
        return qmp_fail(e, "Parameter 'size' expects a >0 size");
    return media_resize(q->cfg.machine, n, (u64)size, &e->err) ? NULL : qmp_done();
}
