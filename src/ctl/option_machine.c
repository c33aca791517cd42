/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Options whose values are words of the modules that they configure, which are asked. */
#include "ctl/chardev.h"
#include "ctl/option_set.h"
#include "ctl/qmp.h"
#include "dev/rtcbase.h"
#include "machine/disk_config.h"
#include "machine/machine.h"
#include "machine/share_config.h"
#include "machine/usb_config.h"
#include "machine/vsock_config.h"
#include "net/config.h"
#include "ui/keymap.h"
#include "virtio/input.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int option_set_board(struct machine_config *cfg, const struct option_def *def, const char *value,
                     struct err *err)
{
    if (strcmp(value, "pc") != 0 && strcmp(value, "micro") != 0)
        return err_set(err, EINVAL, "no machine '%.40s'; there are pc and micro", value);
    return option_set_string(cfg, def, value, err);
}

int option_set_serial(struct machine_config *cfg, const struct option_def *def, const char *value,
                      struct err *err)
{
    int rc = chardev_check(value, err);

    if (rc)
        return rc;
    for (unsigned i = 0; i < cfg->nserial; i++) {
        if (!strcmp(value, "stdio") && !strcmp(cfg->serial[i], "stdio"))
            return err_set(err, EINVAL, "stdio can be only one serial port");
    }
    return option_set_list(cfg, def, value, err);
}

/* PORT, and for one that is no console ",name=NAME". */
int option_set_console(struct machine_config *cfg, const struct option_def *def, const char *value,
                       struct err *err)
{
    const char *name = strstr(value, ",name=");
    char *port = name ? strndup(value, (size_t)(name - value)) : strdup(value);
    int rc;

    if (!port)
        return err_set(err, ENOMEM, "out of memory");
    rc = chardev_check(port, err);
    free(port);
    if (!rc && name && !name[strlen(",name=")])
        rc = err_set(err, EINVAL, "the port's name is empty");
    return rc ? rc : option_set_list(cfg, def, value, err);
}

int option_set_port(struct machine_config *cfg, const struct option_def *def, const char *value,
                    struct err *err)
{
    int rc = chardev_check(value, err);

    return rc ? rc : option_set_string(cfg, def, value, err);
}

/* What the option stands for matters: a CD-ROM drive can be empty. */
static int set_disk(struct machine_config *cfg, const struct option_def *def, const char *value,
                    struct disk_config defaults, struct err *err)
{
    int rc = disk_parse(&defaults, value, err);

    return rc ? rc : option_set_list(cfg, def, value, err);
}

int option_set_disk(struct machine_config *cfg, const struct option_def *def, const char *value,
                    struct err *err)
{
    return set_disk(cfg, def, value, (struct disk_config){.bus = DISK_IDE}, err);
}

int option_set_cdrom(struct machine_config *cfg, const struct option_def *def, const char *value,
                     struct err *err)
{
    return set_disk(cfg, def, value, (struct disk_config){.bus = DISK_IDE, .cdrom = true}, err);
}

int option_set_floppy(struct machine_config *cfg, const struct option_def *def, const char *value,
                      struct err *err)
{
    return set_disk(cfg, def, value, (struct disk_config){.bus = DISK_FLOPPY}, err);
}

int option_set_usb(struct machine_config *cfg, const struct option_def *def, const char *value,
                   struct err *err)
{
    struct usb_config parsed;
    int rc = usb_parse(&parsed, value, err);

    return rc ? rc : option_set_list(cfg, def, value, err);
}

int option_set_net(struct machine_config *cfg, const struct option_def *def, const char *value,
                   struct err *err)
{
    struct net_config parsed;
    int rc = net_parse(&parsed, value, err);

    return rc ? rc : option_set_list(cfg, def, value, err);
}

int option_set_input(struct machine_config *cfg, const struct option_def *def, const char *value,
                     struct err *err)
{
    enum virtio_input_kind kind;

    if (!virtio_input_parse(value, &kind))
        return err_set(err, EINVAL, "'%.20s': there are keyboard, mouse and tablet", value);
    return option_set_list(cfg, def, value, err);
}

int option_set_share(struct machine_config *cfg, const struct option_def *def, const char *value,
                     struct err *err)
{
    struct share_config parsed;
    int rc = share_parse(&parsed, value, err);

    return rc ? rc : option_set_list(cfg, def, value, err);
}

int option_set_vsock(struct machine_config *cfg, const struct option_def *def, const char *value,
                     struct err *err)
{
    struct vsock_config parsed;
    int rc = vsock_parse(&parsed, value, err);

    return rc ? rc : option_set_string(cfg, def, value, err);
}

int option_set_boot(struct machine_config *cfg, const struct option_def *def, const char *value,
                    struct err *err)
{
    int rc = machine_boot_check(value, err);

    return rc ? rc : option_set_string(cfg, def, value, err);
}

static const char *layout_name(size_t n)
{
    return keymap_name((unsigned)n);
}

int option_set_keyboard(struct machine_config *cfg, const struct option_def *def, const char *value,
                        struct err *err)
{
    if (!keymap_find(value)) {
        err_set(err, EINVAL, "no layout '%.20s'", value);
        return option_hint(err, value, layout_name, "");
    }
    return option_set_string(cfg, def, value, err);
}

int option_set_display(struct machine_config *cfg, const struct option_def *def, const char *value,
                       struct err *err)
{
    if (strcmp(value, "none") != 0 && strcmp(value, "text") != 0 && strcmp(value, "vnc") != 0 &&
        strncmp(value, "vnc=", 4) != 0)
        return err_set(err, EINVAL, "no display '%.20s'; there are vnc=ADDRESS, text and none",
                       value);
    return option_set_string(cfg, def, value, err);
}

int option_set_sound(struct machine_config *cfg, const struct option_def *def, const char *value,
                     struct err *err)
{
    if (strcmp(value, "ac97") != 0 && (strncmp(value, "ac97,wav=", 9) != 0 || !value[9]))
        return err_set(err, EINVAL, "'%.20s'; there are ac97 and ac97,wav=FILE", value);
    return option_set_string(cfg, def, value, err);
}

int option_set_rtc(struct machine_config *cfg, const struct option_def *def, const char *value,
                   struct err *err)
{
    const char *base = strncmp(value, "base=", 5) ? value : value + 5;
    s64 offset;
    int rc = rtcbase_parse(base, 0, &offset, err);

    return rc ? rc : option_set_string(cfg, def, base, err);
}

int option_set_qmp(struct machine_config *cfg, const struct option_def *def, const char *value,
                   struct err *err)
{
    int rc = qmp_check(value, err);

    return rc ? rc : option_set_string(cfg, def, value, err);
}

static const char *engine_names(size_t n)
{
    static const char *const names[] = {"auto", "dbt", "interp"};

    return n < ARRAY_SIZE(names) ? names[n] : NULL;
}

int option_set_engine(struct machine_config *cfg, const struct option_def *def, const char *value,
                      struct err *err)
{
    for (size_t i = 0; engine_names(i); i++) {
        if (!strcmp(value, engine_names(i)))
            return option_set_string(cfg, def, value, err);
    }
    return err_set(err, EINVAL, "no engine '%.40s'; there are auto, dbt and interp", value);
}

int option_set_lockstep(struct machine_config *cfg, const struct option_def *def, const char *value,
                        struct err *err)
{
    if (strcmp(value, "interp") != 0)
        return err_set(err, EINVAL, "no engine '%.40s' to compare with; there is interp", value);
    return option_set_string(cfg, def, value, err);
}
