/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * In which order firmware tries devices: by kind, and within a kind as the user named them. OVMF
 * sorts its variable BootOrder by this list whenever it starts; so for variables that last there is
 * a list only if the user asks for one, and otherwise the order is the guest's.
 */
#include "machine/pc.h"

#include "fw/optrom.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ORDER_DEFAULT "disk,cdrom,floppy,net"

enum kind { KIND_DISK, KIND_CDROM, KIND_FLOPPY, KIND_NET, KINDS };

static const char *const kind_names[KINDS] = {"disk", "cdrom", "floppy", "net"};

/* The kind of the word at *text, which moves behind it and its comma; KINDS if there is none such.
 */
static enum kind next_kind(const char **text)
{
    size_t len = strcspn(*text, ",");
    unsigned n = 0;

    while (n < KINDS && (strlen(kind_names[n]) != len || memcmp(*text, kind_names[n], len) != 0))
        n++;
    *text += len + ((*text)[len] == ',');
    return (enum kind)n;
}

int machine_boot_check(const char *words, struct err *err)
{
    size_t len = strlen(words);
    unsigned seen = 0;

    if (len && words[len - 1] == ',')
        return err_set(err, EINVAL, "ends with a comma");
    do {
        enum kind kind = next_kind(&words);
        if (kind == KINDS)
            return err_set(err, EINVAL, "there are disk, cdrom, floppy and net");
        if (seen & BIT(kind))
            return err_set(err, EINVAL, "names %s twice", kind_names[kind]);
        seen |= BIT(kind);
    } while (*words);
    return 0;
}

static enum kind kind_of(const struct pc_disk *d)
{
    if (d->cfg.bus == DISK_FLOPPY)
        return KIND_FLOPPY;
    return d->cfg.cdrom ? KIND_CDROM : KIND_DISK;
}

static void add_line(FILE *to, const char *path)
{
    if (path[0])
        fprintf(to, "%s\n", path);
}

static const char *words_of(const struct machine_config *cfg)
{
    if (cfg->boot)
        return cfg->boot;
    return cfg->uefi && cfg->nvram ? "" : ORDER_DEFAULT;
}

char *pc_boot_order(const struct machine *m)
{
    const char *words = words_of(m->cfg);
    const struct pc *pc = m->pc;
    char *text = NULL;
    size_t size;
    FILE *to = open_memstream(&text, &size);

    if (!to)
        return NULL;
    if (m->cfg->kernel)
        add_line(to, OPTROM_PATH);
    while (*words) {
        enum kind kind = next_kind(&words);
        for (unsigned n = 0; n < pc->ndisks; n++)
            if (kind_of(&pc->disk[n]) == kind)
                add_line(to, pc->disk[n].boot);
        for (unsigned n = 0; n < ARRAY_SIZE(pc->nic) && kind == KIND_NET; n++)
            add_line(to, pc->nic[n].boot);
    }
    return fclose(to) ? NULL : text;
}
