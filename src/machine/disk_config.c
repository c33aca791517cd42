/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "machine/disk_config.h"
#include "block/format.h"
#include "net/value.h"
#include "virtio/blk.h"

#include <errno.h>
#include <string.h>

/* Copies up to the next single comma. NULL if it does not fit. */
static const char *take_word(const char *text, char *to, size_t size)
{
    size_t n = 0;

    for (; *text && (*text != ',' || text[1] == ','); text++) {
        if (n + 1 == size)
            return NULL;
        to[n++] = *text;
        text += *text == ',';
    }
    to[n] = '\0';
    return text;
}

static int set_bus(struct disk_config *out, const char *name, struct err *err)
{
    static const char *const names[] = {
        [DISK_IDE] = "ide",   [DISK_AHCI] = "ahci",     [DISK_USB] = "usb",
        [DISK_XHCI] = "xhci", [DISK_FLOPPY] = "floppy", [DISK_VIRTIO] = "virtio",
        [DISK_SCSI] = "scsi"};

    for (unsigned n = 0; n < ARRAY_SIZE(names); n++)
        if (!strcmp(name, names[n])) {
            out->bus = (enum disk_bus)n;
            return 0;
        }
    return err_set(err, EINVAL,
                   "bus=%.20s: there are ide, ahci, usb, xhci, virtio, scsi and floppy", name);
}

static int set_format(struct disk_config *out, const char *name, struct err *err)
{
    char names[256];

    if (!format_find(name) || strlen(name) >= sizeof(out->format))
        return err_set(err, EINVAL, "format=%.20s: there are %s", name,
                       format_names(names, sizeof(names)));
    strcpy(out->format, name);
    return 0;
}

static int set_key_file(struct disk_config *out, const char *name, struct err *err)
{
    if (!*name || strlen(name) >= sizeof(out->key_file))
        return err_set(err, EINVAL, "a name of 1 to %zu bytes", sizeof(out->key_file) - 1);
    strcpy(out->key_file, name);
    return 0;
}

static int set_copy_on_read(struct disk_config *out, const char *value, struct err *err)
{
    return value_switch(&out->copy_on_read, value, err);
}

static int set_cache(struct disk_config *out, const char *value, struct err *err)
{
    out->unsynced = !strcmp(value, "unsafe");
    if (out->unsynced || !strcmp(value, "writeback"))
        return 0;
    return err_set(err, EINVAL, "there are writeback and unsafe, not '%.20s'", value);
}

static int set_queues(struct disk_config *out, const char *value, struct err *err)
{
    u32 n = 0;
    int rc = value_number(&n, value, 1, VIRTIO_BLK_QUEUES, err);

    out->queues = n;
    return rc;
}

static int set_packed(struct disk_config *out, const char *value, struct err *err)
{
    return value_switch(&out->rings.packed, value, err);
}

static int set_inverse(bool *no, const char *value, struct err *err)
{
    bool on = true;
    int rc = value_switch(&on, value, err);

    *no = !on;
    return rc;
}

static int set_event_idx(struct disk_config *out, const char *value, struct err *err)
{
    return set_inverse(&out->rings.no_event_idx, value, err);
}

static int set_indirect(struct disk_config *out, const char *value, struct err *err)
{
    return set_inverse(&out->rings.no_indirect, value, err);
}

/* Keys whose messages are prefixed by their name, which is QEMU's where QEMU has them. */
struct disk_key {
    const char *name;
    int (*set)(struct disk_config *out, const char *value, struct err *err);
    bool ring; /* of virtio disks */
};

static const struct disk_key keys[] = {
    {"cache=", set_cache, false},          {"copy-on-read=", set_copy_on_read, false},
    {"key-file=", set_key_file, false},    {"num-queues=", set_queues, true},
    {"packed=", set_packed, true},         {"event_idx=", set_event_idx, true},
    {"indirect_desc=", set_indirect, true}};

static const struct disk_key *find_key(const char *word)
{
    for (unsigned n = 0; n < ARRAY_SIZE(keys); n++)
        if (!strncmp(word, keys[n].name, strlen(keys[n].name)))
            return &keys[n];
    return NULL;
}

static int set_value(struct disk_config *out, const struct disk_key *key, const char *value,
                     struct err *err)
{
    int rc = key->set(out, value, err);

    out->has_ring_key |= key->ring;
    if (rc)
        err_prefix(err, "%.*s", (int)strlen(key->name) - 1, key->name);
    return rc;
}

static int set_key(struct disk_config *out, const char *word, struct err *err)
{
    const struct disk_key *key = find_key(word);
    int rc;

    if (key)
        return set_value(out, key, word + strlen(key->name), err);
    rc = throttle_parse(&out->limits, word, err);
    if (rc != -ENOENT)
        return rc;
    if (!strncmp(word, "bus=", 4))
        return set_bus(out, word + 4, err);
    if (!strcmp(word, "media=disk") || !strcmp(word, "media=cdrom"))
        out->cdrom = word[6] == 'c';
    else if (!strcmp(word, "ro"))
        out->read_only = true;
    else if (!strcmp(word, "snapshot"))
        out->snapshot = true;
    else if (!strcmp(word, "backing=any") || !strcmp(word, "backing=beside"))
        out->any_backing = word[8] == 'a';
    else if (!strncmp(word, "format=", 7))
        return set_format(out, word + 7, err);
    else
        return err_set(err, EINVAL,
                       "'%.40s' is unknown; there are bus=, media=, format=, backing=, ro, "
                       "snapshot, cache=, copy-on-read=, key-file=, iops= and bps= with _rd, "
                       "_wr and _max and, for virtio, num-queues=, packed=, event_idx=, "
                       "indirect_desc=",
                       word);
    return 0;
}

static int check(struct disk_config *out, struct err *err)
{
    if (!out->path[0])
        return err_set(err, EINVAL, "no file is named; 'none' is an empty drive");
    if (!strcmp(out->path, "none"))
        out->path[0] = '\0';
    if (out->cdrom && out->bus != DISK_IDE && out->bus != DISK_AHCI && out->bus != DISK_SCSI)
        return err_set(err, EINVAL, "a CD-ROM can be on the buses ide, ahci and scsi only");
    if (!out->path[0] && !out->cdrom && out->bus != DISK_FLOPPY)
        return err_set(err, EINVAL, "a hard disk has no empty drive");
    if (out->has_ring_key && out->bus != DISK_VIRTIO)
        return err_set(err, EINVAL,
                       "num-queues=, packed=, event_idx= and indirect_desc= go with bus=virtio");
    out->read_only |= out->cdrom;
    if (out->copy_on_read && (out->read_only || out->snapshot))
        return err_set(err, EINVAL,
                       "copy-on-read=on writes into the image, which ro, snapshot and "
                       "media=cdrom do not allow");
    return 0;
}

int disk_parse(struct disk_config *out, const char *text, struct err *err)
{
    char word[300];
    int rc = 0;

    text = take_word(text, out->path, sizeof(out->path));
    if (!text)
        return err_set(err, EINVAL, "the file's name is longer than %zu bytes",
                       sizeof(out->path) - 1);
    while (!rc && *text) {
        text = take_word(text + 1, word, sizeof(word));
        if (!text)
            return err_set(err, EINVAL, "'%.20s…' is too long", word);
        rc = set_key(out, word, err);
    }
    return rc ? rc : check(out, err);
}

unsigned disk_queues(const struct disk_config *d, unsigned cpus)
{
    return d->queues ? d->queues : (unsigned)min_u64(cpus, VIRTIO_BLK_QUEUES);
}

struct block_config disk_other_image(const struct disk_config *d, const char *path,
                                     const char *format, bool read_only)
{
    /* What is read from a disc is no other image's wrapping; who wants one says so. */
    return (struct block_config){.path = path,
                                 .format = !format && d->cdrom ? "raw" : format,
                                 .any_backing = d->any_backing,
                                 .limits = d->limits,
                                 .read_only = read_only,
                                 .copy_on_read = d->copy_on_read,
                                 .unsynced = d->unsynced,
                                 .key_file = d->key_file[0] ? d->key_file : NULL,
                                 .snapshot = d->snapshot};
}

struct block_config disk_image(const struct disk_config *d)
{
    return disk_other_image(d, d->path, d->format[0] ? d->format : NULL, d->read_only);
}
