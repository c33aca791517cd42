/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP's commands by which networks, images and devices come and go, with QEMU's names. */
#include "ctl/qmp_core.h"
#include "machine/plug.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NET_TEXT_MAX 8192u
#define PCI_SLOTS    32u

/* What --net would be told; `full` once it was too small. */
struct net_text {
    char text[NET_TEXT_MAX];
    size_t len;
    bool full;
};

static void put(struct net_text *t, char c)
{
    t->full |= t->len + 1 >= sizeof(t->text);
    if (!t->full)
        t->text[t->len++] = c;
}

/* ",KEY=VALUE", with commas in the value written twice. */
static void put_key(struct net_text *t, const char *key, const char *value)
{
    put(t, ',');
    for (; *key; key++)
        put(t, *key);
    put(t, '=');
    for (; *value; value++) {
        put(t, *value);
        if (*value == ',')
            put(t, ',');
    }
}

static bool put_scalar(struct net_text *t, const char *key, const json_t *val)
{
    char number[24];

    if (json_is_string(val)) {
        put_key(t, key, json_string_value(val));
    } else if (json_is_boolean(val)) {
        put_key(t, key, json_is_true(val) ? "on" : "off");
    } else if (json_is_integer(val)) {
        snprintf(number, sizeof(number), "%lld", (long long)json_integer_value(val));
        put_key(t, key, number);
    } else {
        return false;
    }
    return true;
}

/* A list is of texts, or, as hostfwd is in QEMU, of {"str": TEXT}. */
static bool put_value(struct net_text *t, const char *key, const json_t *val)
{
    if (!json_is_array(val))
        return put_scalar(t, key, val);
    for (size_t n = 0; n < json_array_size(val); n++) {
        const json_t *item = json_array_get(val, n), *str = json_object_get(item, "str");
        if (!put_scalar(t, key, str ? str : item))
            return false;
    }
    return true;
}

json_t *qmp_netdev_add(struct qmp_core *q, const json_t *args, struct qmp_error *e)
{
    struct net_text t = {.len = 0};
    const char *key;
    json_t *val;

    for (const char *type = qmp_string(args, "type"); *type; type++)
        put(&t, *type == ',' ? '?' : *type);
    json_object_foreach((json_t *)args, key, val)
    {
        if (!strcmp(key, "type") || !strcmp(key, "id"))
            continue;
        if (key[strspn(key, "abcdefghijklmnopqrstuvwxyz0123456789-")] || !put_value(&t, key, val))
            return qmp_fail(e, "Parameter '%.100s' is unexpected", key);
    }
    if (t.full)
        return qmp_fail(e, "The arguments are too long");
    t.text[t.len] = '\0';
    return plug_net_add(q->cfg.machine, qmp_string(args, "id"), t.text, &e->err) ? NULL
                                                                                 : qmp_done();
}

json_t *qmp_netdev_del(struct qmp_core *q, const json_t *args, struct qmp_error *e)
{
    const char *id = qmp_string(args, "id");
    int rc = plug_net_remove(q->cfg.machine, id, &e->err);

    if (rc == -ENOENT)
        return qmp_no_device(e, id);
    return rc ? NULL : qmp_done();
}

/* The file is given right here, or as "file", which is then of its own kind: no node of a name. */
static const char *file_name(const json_t *args, struct qmp_error *e)
{
    const json_t *file = json_object_get(args, "file");
    const char *name = qmp_string(args, "filename"), *driver = qmp_string(file, "driver");

    if (!file == !name) {
        qmp_fail(e, "Need exactly one of 'filename' and 'file'");
        return NULL;
    }
    if (name)
        return name;
    name = qmp_string(file, "filename");
    if (!name || !driver || json_object_size(file) != 2 ||
        (strcmp(driver, "file") != 0 && strcmp(driver, "host_device") != 0)) {
        qmp_fail(e, "Parameter 'file' must have 'driver', file or host_device, and 'filename'");
        return NULL;
    }
    return name;
}

/* "file" and "host_device" alone are raw images. */
json_t *qmp_blockdev_add(struct qmp_core *q, const json_t *args, struct qmp_error *e)
{
    const char *driver = qmp_string(args, "driver");
    bool protocol = !strcmp(driver, "file") || !strcmp(driver, "host_device");
    struct block_config image = {.path = file_name(args, e),
                                 .format = protocol ? "raw" : driver,
                                 .read_only = qmp_flag(args, "read-only")};

    if (!image.path)
        return NULL;
    if (protocol && json_object_get(args, "file"))
        return qmp_fail(e, "Parameter 'file' is unexpected");
    if (!qmp_format_known(image.format, e) ||
        plug_image_add(q->cfg.machine, qmp_string(args, "node-name"), &image, &e->err))
        return NULL;
    return qmp_done();
}

json_t *qmp_blockdev_del(struct qmp_core *q, const json_t *args, struct qmp_error *e)
{
    return plug_image_remove(q->cfg.machine, qmp_string(args, "node-name"), &e->err) ? NULL
                                                                                     : qmp_done();
}

/* "SLOT" or "SLOT.0", hexadecimal. */
static bool parse_addr(const char *addr, unsigned *slot)
{
    char *end;
    unsigned long val = strtoul(addr, &end, 16);

    if (end == addr || !val || val >= PCI_SLOTS || (*end && strcmp(end, ".0") != 0))
        return false;
    *slot = (unsigned)val;
    return true;
}

json_t *qmp_device_add(struct qmp_core *q, const json_t *args, struct qmp_error *e)
{
    const char *netdev = qmp_string(args, "netdev"), *drive = qmp_string(args, "drive");
    const char *addr = qmp_string(args, "addr");
    const json_t *target = json_object_get(args, "scsi-id");
    struct plug_config cfg = {.driver = qmp_string(args, "driver"),
                              .id = qmp_string(args, "id"),
                              .behind = netdev ? netdev : drive,
                              .mac = qmp_string(args, "mac"),
                              .serial = qmp_string(args, "serial"),
                              .bus = qmp_string(args, "bus"),
                              .target = -1};

    if (netdev && drive)
        return qmp_fail(e, "Need at most one of 'netdev' and 'drive'");
    if (target)
        cfg.target = (int)min_u64((u64)json_integer_value(target), INT_MAX);
    if (addr && !parse_addr(addr, &cfg.slot))
        return qmp_fail(e, "Parameter 'addr' expects a slot such as '5' or '1f.0', not '%.40s'",
                        addr);
    return plug_add(q->cfg.machine, &cfg, &e->err) ? NULL : qmp_done();
}

json_t *qmp_device_del(struct qmp_core *q, const json_t *args, struct qmp_error *e)
{
    const char *id = qmp_string(args, "id");
    int rc = plug_remove(q->cfg.machine, id, &e->err);

    if (rc == -ENOENT)
        return qmp_no_device(e, id);
    return rc ? NULL : qmp_done();
}

void qmp_unplugged(struct qmp_core *q, unsigned device)
{
    const char *id = plug_id(q->cfg.machine, device);
    char path[PLUG_ID + 32];

    snprintf(path, sizeof(path), "/machine/peripheral/%s", id);
    qmp_event(q, "DEVICE_DELETED", json_pack("{ssss}", "device", id, "path", path));
}
