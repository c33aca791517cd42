/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "machine/disk_config.h"
#include "block/format.h"

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

static int set_key(struct disk_config *out, const char *word, struct err *err)
{
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
                       "'%.40s' is unknown; there are bus=, media=, format=, backing=, ro and "
                       "snapshot",
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
    out->read_only |= out->cdrom;
    return 0;
}

int disk_parse(struct disk_config *out, const char *text, struct err *err)
{
    char word[64];
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

struct block_config disk_other_image(const struct disk_config *d, const char *path,
                                     const char *format, bool read_only)
{
    /* What is read from a disc is no other image's wrapping; who wants one says so. */
    return (struct block_config){.path = path,
                                 .format = !format && d->cdrom ? "raw" : format,
                                 .any_backing = d->any_backing,
                                 .read_only = read_only,
                                 .snapshot = d->snapshot};
}

struct block_config disk_image(const struct disk_config *d)
{
    return disk_other_image(d, d->path, d->format[0] ? d->format : NULL, d->read_only);
}
