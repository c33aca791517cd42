/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a user says about a disk, as text and read. Any thread. */
#pragma once
#include "base/err.h"
#include "block/block.h"
#include "virtio/virtio.h"

enum disk_bus { DISK_IDE, DISK_AHCI, DISK_USB, DISK_XHCI, DISK_FLOPPY, DISK_VIRTIO, DISK_SCSI };

struct disk_config {
    enum disk_bus bus;
    bool cdrom, read_only, snapshot;
    bool any_backing; /* backing files outside of the image's folder, too */
    bool copy_on_read;
    bool unsynced;   /* cache=unsafe */
    unsigned queues; /* of a virtio disk; 0: one for each CPU */
    struct virtio_rings rings;
    bool has_ring_key; /* one of these was given */
    char format[16];   /* "": guessed */
    struct throttle_limits limits;
    char key_file[256]; /* "": none */
    char path[1024];    /* "": no medium */
};

/* "FILE[,bus=ide|ahci|usb|xhci|virtio|scsi|floppy][,media=disk|cdrom][,ro][,snapshot][,format=…]
   [,backing=any|beside][,cache=writeback|unsafe][,copy-on-read=on|off][,key-file=FILE][,iops=N][,bps=N]…",
   as throttle.h has the last ones, and of a virtio disk
   "[,num-queues=N][,packed=on|off][,event_idx=on|off][,indirect_desc=on|off]", over what *out has
   already.
   A comma in FILE is written twice; "none" is an empty drive. -EINVAL with a message that names
   the key. */
must_check int disk_parse(struct disk_config *out, const char *text, struct err *err);
/* Of a virtio disk, in a machine of `cpus` CPUs. */
unsigned disk_queues(const struct disk_config *d, unsigned cpus);
/* How its image is opened; good as long as *d is. */
struct block_config disk_image(const struct disk_config *d);
/* The same for another one in that drive; format NULL: as the drive's kind has it. */
struct block_config disk_other_image(const struct disk_config *d, const char *path,
                                     const char *format, bool read_only);
