/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A "pc" that does not run, with an empty CD-ROM and floppy drive, a card, and QMP without a
 * socket. */
#pragma once
#include "ctl/qmp_core.h"
#include "ctl/qmp_scan.h"
#include "machine/machine.h"
#include "os/loop.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct qmp_rig {
    char dir[32], bios[48], disk[48];
    struct machine_config cfg;
    struct loop *loop;
    struct machine *machine;
    struct qmp_core core;
    struct qmp_session session;
    json_t *sent; /* an array */
};

static inline void qmp_rig_file(char to[48], const char *dir, const char *name, size_t size)
{
    int fd;

    snprintf(to, 48, "%s/%s", dir, name);
    fd = open(to, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, (off_t)size))
        abort();
    close(fd);
}

static inline void qmp_rig_send(void *opaque, json_t *msg)
{
    struct qmp_rig *r = opaque;

    if (!msg)
        abort();
    json_array_append_new(r->sent, msg);
}

/* `more`, which may be NULL, adds to the configuration. */
static inline void qmp_rig_open_with(struct qmp_rig *r, void (*more)(struct machine_config *cfg))
{
    struct machine_host host = {0};
    struct qmp_config cfg;
    struct err err;

    *r = (struct qmp_rig){.dir = "/tmp/domus-qmp-XXXXXX", .sent = json_array()};
    if (!mkdtemp(r->dir))
        abort();
    qmp_rig_file(r->bios, r->dir, "bios", 64 * KiB);
    qmp_rig_file(r->disk, r->dir, "disk", MiB);
    r->cfg = (struct machine_config){.board = "pc",
                                     .bios = r->bios,
                                     .vga = "none",
                                     .disk = {r->disk},
                                     .ndisks = 1,
                                     .cdrom = {"none"},
                                     .ncdroms = 1,
                                     .floppy = {"none"},
                                     .nfloppies = 1,
                                     .net = {"none"},
                                     .nnets = 1,
                                     .memory = 16 * MiB,
                                     .cpus = 2};
    if (more)
        more(&r->cfg);
    if (loop_new(&r->loop, &err))
        abort();
    host.loop = r->loop;
    if (machine_new(&r->machine, &r->cfg, &host, &err)) {
        fprintf(stderr, "%s\n", err.text);
        abort();
    }
    r->session = (struct qmp_session){.send = qmp_rig_send, .opaque = r};
    cfg = (struct qmp_config){.loop = r->loop, .machine = r->machine, .name = "rig"};
    if (qmp_core_init(&r->core, &cfg, &err))
        abort();
    qmp_join(&r->core, &r->session);
}

static inline void qmp_rig_open(struct qmp_rig *r)
{
    qmp_rig_open_with(r, NULL);
}

static inline void qmp_rig_close(struct qmp_rig *r)
{
    qmp_core_dispose(&r->core);
    machine_free(r->machine);
    loop_free(r->loop);
    json_decref(r->sent);
    unlink(r->bios);
    unlink(r->disk);
    rmdir(r->dir);
}
