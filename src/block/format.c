/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of formats, guessing of a file's format, and a user's options. */
#include "block/format.h"
#include "block/file.h"
#include "block/formats/formats.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct block_format *const formats[] = {
    &format_raw,  &format_qcow2,     &format_qcow1, &format_vdi,   &format_vpc,
    &format_vhdx, &format_vmdk,      &format_bochs, &format_cloop, &format_cow,
    &format_dmg,  &format_parallels, &format_luks,
};

const struct block_format *format_at(unsigned n)
{
    return n < ARRAY_SIZE(formats) ? formats[n] : NULL;
}

const struct block_format *format_find(const char *name)
{
    for (unsigned i = 0; i < ARRAY_SIZE(formats); i++)
        if (!strcmp(name, formats[i]->name))
            return formats[i];
    if (!strcmp(name, "vhd"))
        return format_find("vpc");
    return NULL;
}

const char *format_names(char *buf, size_t size)
{
    size_t at = 0;

    buf[0] = '\0';
    for (unsigned i = 0; i < ARRAY_SIZE(formats) && at < size; i++)
        at += (size_t)snprintf(buf + at, size - at, "%s%s", i ? ", " : "", formats[i]->name);
    return buf;
}

int format_probe(struct bfile *file, const struct block_format **out, struct err *err)
{
    u8 head[PROBE_BYTES];
    int rc = bfile_read(file, 0, head, sizeof(head));

    if (rc)
        return err_set(err, -rc, "'%s' cannot be read: %s", bfile_path(file), strerror(-rc));
    *out = &format_raw;
    for (unsigned i = 0; i < ARRAY_SIZE(formats); i++)
        if (formats[i]->probe && formats[i]->probe(head, bfile_path(file)))
            *out = formats[i];
    return 0;
}

int format_options_add(struct format_options *o, const char *key, const char *value,
                       struct err *err)
{
    if (o->n == FORMAT_KEYS)
        return err_set(err, E2BIG, "more than %u options of a format", FORMAT_KEYS);
    for (unsigned i = 0; i < o->n; i++)
        if (!strcmp(o->pair[i].key, key)) { /* the last one counts */
            char *copy = strdup(value);
            if (!copy)
                return err_set(err, ENOMEM, "%s", strerror(ENOMEM));
            free(o->pair[i].value);
            o->pair[i].value = copy;
            return 0;
        }
    o->pair[o->n].key = strdup(key);
    o->pair[o->n].value = strdup(value);
    o->n++;
    return o->pair[o->n - 1].key && o->pair[o->n - 1].value
               ? 0
               : err_set(err, ENOMEM, "%s", strerror(ENOMEM));
}

void format_options_free(struct format_options *o)
{
    for (unsigned i = 0; i < o->n; i++) {
        free(o->pair[i].key);
        free(o->pair[i].value);
    }
    o->n = 0;
}

const char *format_option(const struct format_options *o, const char *key)
{
    for (unsigned i = 0; o && i < o->n; i++)
        if (!strcmp(o->pair[i].key, key))
            return o->pair[i].value;
    return NULL;
}

int parse_size(const char *text, u64 *value, struct err *err)
{
    static const char units[] = "KMGTPE";
    char *end;
    double number;
    unsigned shift = 0;
    const char *unit;

    if ((text[0] < '0' || text[0] > '9') && text[0] != '.')
        return err_set(err, EINVAL, "'%.40s' is not a size, such as 10G", text);
    errno = 0;
    *value = strtoull(text, &end, 0);
    if (errno)
        return err_set(err, ERANGE, "'%.40s' is too large", text);
    number = *end == '.' ? strtod(text, &end) : (double)*value;
    unit = *end ? strchr(units, *end & ~0x20) : NULL;
    if (unit) {
        shift = 10 * (unsigned)(unit - units + 1);
        end++;
    } else if (*end == 'b' || *end == 'B') {
        end++;
    }
    if (*end || !isfinite(number))
        return err_set(err, EINVAL, "'%.40s' is not a size, such as 10G", text);
    if (ldexp(number, (int)shift) >= 9223372036854775808.0)
        return err_set(err, ERANGE, "'%.40s' is too large", text);
    *value = strchr(text, '.') ? (u64)ldexp(number, (int)shift) : *value << shift;
    return 0;
}

int format_size(const struct format_options *o, const char *key, u64 *value, struct err *err)
{
    const char *text = format_option(o, key);
    int rc = text ? parse_size(text, value, err) : 0;

    if (rc)
        err_prefix(err, "%s", key);
    return rc;
}

int format_bool(const struct format_options *o, const char *key, bool *value, struct err *err)
{
    const char *text = format_option(o, key);

    if (!text)
        return 0;
    if (!strcmp(text, "on") || !strcmp(text, "yes") || !strcmp(text, "true"))
        *value = true;
    else if (!strcmp(text, "off") || !strcmp(text, "no") || !strcmp(text, "false"))
        *value = false;
    else
        return err_set(err, EINVAL, "%s=%.40s: there are on and off", key, text);
    return 0;
}

int format_prealloc(const struct format_options *o, enum block_prealloc *how, struct err *err)
{
    static const char *const names[] = {"off", "metadata", "falloc", "full"};
    const char *text = format_option(o, "preallocation");

    if (!text)
        return 0;
    for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
        if (!strcmp(text, names[i])) {
            *how = (enum block_prealloc)i;
            return 0;
        }
    return err_set(err, EINVAL, "preallocation=%.40s: there are off, metadata, falloc and full",
                   text);
}

int format_check_keys(const struct block_format *f, const struct format_options *o, struct err *err)
{
    for (unsigned i = 0; i < o->n; i++) {
        const struct format_key *k = f->keys;
        while (k && k->name && strcmp(k->name, o->pair[i].key))
            k++;
        if (!k || !k->name)
            return err_set(err, EINVAL,
                           "option '%.60s' is unknown for format %s; -o help lists what there is",
                           o->pair[i].key, f->name);
    }
    return 0;
}
