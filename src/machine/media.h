/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Drives as a person at the running machine sees them: what is in them, their trays, another disc.
 * All by the loop's thread, without the machine's lock.
 */
#pragma once
#include "base/base.h"
#include "base/err.h"
#include "block/block.h"
#include "machine/plug.h"

struct machine;

struct media_info {
    char
        name[PLUG_ID]; /* such as ide1-cd0, ahci0-hd2, floppy0; the id of one that was plugged in */
    const char *path;  /* NULL: empty. Good until the medium is changed, as is */
    const char *format;
    u64 size; /* bytes */
    unsigned backing_files;
    bool encrypted;
    bool removable, cdrom, tray_open, locked, read_only;
};

/* Drives have a place each, those of the configuration first, in its order. False: there is none.
 */
unsigned media_places(const struct machine *m);
bool media_at(struct machine *m, unsigned n, struct media_info *out);
/* -ENOENT. */
must_check int media_find(struct machine *m, const char *name, unsigned *n);

/* What MACHINE_TROUBLE tells of: the last of each kind, for one who asks. False: nothing new. */
struct media_trouble {
    struct block_trouble what;
    char damage[256]; /* what.damage points here */
};
bool media_take_trouble(struct machine *m, unsigned n, struct media_trouble *out);

/* Moves the tray of a CD-ROM drive; floppy drives have none, which is no error. A tray that the
   guest has locked opens with `force` only; else the guest is asked, and it is -EBUSY. -EINVAL
   where the medium cannot be removed. */
must_check int media_tray(struct machine *m, unsigned n, bool open, bool force, struct err *err);
/* Makes a hard disk's image longer or shorter, which the guest is told if its drive can.
   -errno, and then it is as it was. */
must_check int media_resize(struct machine *m, unsigned n, u64 size, struct err *err);
/* Puts another medium in, or takes it out (path NULL); of a CD-ROM drive with the tray open. Its
   format; NULL: as --cdrom and --floppy choose it. -errno, and then the old one is still there. */
must_check int media_change(struct machine *m, unsigned n, const char *path, const char *format,
                            bool read_only, struct err *err);
