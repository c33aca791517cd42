/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP's commands about the screen: pictures of it, and where it is shown. */
#include "ctl/qmp_core.h"
#include "machine/machine.h"
#include "ui/png.h"
#include "ui/ppm.h"
#include "ui/vnc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A copy, so that no CPU waits for the file. */
static int take_picture(struct machine *m, struct surface *copy, struct err *err)
{
    struct display *d = machine_display(m);
    int rc;

    if (!d)
        return err_set(err, ENODEV, "There is no console to take a screendump from");
    pthread_mutex_lock(machine_lock(m));
    rc = display_refresh(d);
    if (!rc)
        rc = surface_resize(copy, d->surface.width, d->surface.height);
    if (!rc && copy->pixels)
        memcpy(copy->pixels, d->surface.pixels,
               (size_t)copy->width * copy->height * sizeof(*copy->pixels));
    pthread_mutex_unlock(machine_lock(m));
    return rc ? err_set(err, -rc, "the display shows nothing that can be saved: %s", strerror(-rc))
              : 0;
}

json_t *qmp_screendump(struct qmp_core *q, const json_t *args, struct qmp_error *e)
{
    const char *format = qmp_string(args, "format"), *path = qmp_string(args, "filename");
    const json_t *head = json_object_get(args, "head");
    struct surface copy = {0};
    bool png = format && !strcmp(format, "png");
    int rc;

    if (format && !png && strcmp(format, "ppm") != 0)
        return qmp_fail(e, "Parameter 'format' does not accept value '%.40s'", format);
    if (qmp_string(args, "device"))
        return qmp_no_device(e, qmp_string(args, "device"));
    if (head && json_integer_value(head))
        return qmp_fail(e, "There is one display; 'head' is 0 or not given");
    rc = take_picture(q->cfg.machine, &copy, &e->err);
    if (!rc)
        rc = png ? png_write(path, &copy, &e->err) : ppm_write(path, &copy, &e->err);
    surface_dispose(&copy);
    return rc ? NULL : qmp_done();
}

static json_t *peers(struct vnc *vnc)
{
    struct vnc_peer all[VNC_MAX_CLIENTS];
    unsigned count = vnc_peers(vnc, all);
    json_t *list = json_array();

    for (unsigned n = 0; n < count; n++) {
        const char *family = !*all[n].host ? "unix" : all[n].ipv6 ? "ipv6" : "ipv4";
        json_array_append_new(list, json_pack("{sssssssb}", "host", all[n].host, "service",
                                              all[n].service, "family", family, "websocket", 0));
    }
    return list;
}

/* The address as vnc_address gives it: HOST:PORT, [HOST]:PORT or a path. */
json_t *qmp_query_vnc(struct qmp_core *q, const json_t *args, struct qmp_error *e)
{
    const char *at = q->cfg.vnc ? vnc_address(q->cfg.vnc) : NULL;
    const char *colon = at ? strrchr(at, ':') : NULL;
    bool bracket = at && *at == '[', is_unix = at && (!colon || at[0] == '/');
    const char *auth = q->cfg.vnc_password ? "vnc" : "none";

    if (!at)
        return json_pack("{sb}", "enabled", 0);
    if (is_unix)
        return json_pack("{sbssssssssso}", "enabled", 1, "family", "unix", "host", "", "service",
                         at, "auth", auth, "clients", peers(q->cfg.vnc));
    return json_pack("{sbsssss%ssso}", "enabled", 1, "family", bracket ? "ipv6" : "ipv4", "auth",
                     auth, "host", at + bracket, (size_t)(colon - at) - 2 * bracket, "service",
                     colon + 1, "clients", peers(q->cfg.vnc));
}
