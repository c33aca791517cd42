/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of QMP's commands, and those about the machine as a whole. */
#include "ctl/qmp_core.h"
#include "machine/machine.h"
#include "machine/version.h"

#include <stdlib.h>
#include <string.h>

json_t *qmp_version(void)
{
    const char *dot = strchr(DOMUS_VERSION, '.'), *dot2 = dot ? strchr(dot + 1, '.') : NULL;

    return json_pack("{s{sisisi}ss}", "qemu", "major", atoi(DOMUS_VERSION), "minor",
                     dot ? atoi(dot + 1) : 0, "micro", dot2 ? atoi(dot2 + 1) : 0, "package",
                     "Domus " DOMUS_VERSION);
}

/* There are none to agree on; the client is ready when this has not failed. */
static json_t *capabilities(struct qmp_core *q, const json_t *args, struct qmp_error *e)
{
    const json_t *wanted = json_object_get(args, "enable");

    if (json_array_size(wanted))
        return qmp_fail(e, "Capability %.40s not available",
                        json_is_string(json_array_get(wanted, 0))
                            ? json_string_value(json_array_get(wanted, 0))
                            : "of that kind");
    return qmp_done();
}

static json_t *query_version(struct qmp_core *q, const json_t *args, struct qmp_error *e)
{
    return qmp_version();
}

static json_t *query_commands(struct qmp_core *q, const json_t *args, struct qmp_error *e)
{
    json_t *all = json_array();
    const struct qmp_command *c;

    for (size_t n = 0; (c = qmp_command_at(n)); n++)
        json_array_append_new(all, json_pack("{ss}", "name", c->name));
    return all;
}

const char *qmp_run_state(const struct qmp_core *q)
{
    if (machine_is_paused(q->cfg.machine))
        return "paused";
    return machine_is_asleep(q->cfg.machine) ? "suspended" : "running";
}

static json_t *query_status(struct qmp_core *q, const json_t *args, struct qmp_error *e)
{
    const char *status = qmp_run_state(q);

    return json_pack("{sbsbss}", "running", !strcmp(status, "running"), "singlestep", 0, "status",
                     status);
}

static json_t *query_name(struct qmp_core *q, const json_t *args, struct qmp_error *e)
{
    return q->cfg.name ? json_pack("{ss}", "name", q->cfg.name) : json_object();
}

static json_t *query_cpus(struct qmp_core *q, const json_t *args, struct qmp_error *e)
{
    json_t *all = json_array();

    for (unsigned n = 0; n < machine_cpus(q->cfg.machine); n++) {
        char path[48];
        snprintf(path, sizeof(path), "/machine/unattached/device[%u]", n);
        json_array_append_new(all, json_pack("{sisssiss}", "cpu-index", (int)n, "qom-path", path,
                                             "thread-id", machine_cpu_tid(q->cfg.machine, n),
                                             "target", "x86_64"));
    }
    return all;
}

static json_t *stop(struct qmp_core *q, const json_t *args, struct qmp_error *e)
{
    machine_pause(q->cfg.machine, true);
    return qmp_done();
}

static json_t *cont(struct qmp_core *q, const json_t *args, struct qmp_error *e)
{
    machine_pause(q->cfg.machine, false);
    return qmp_done();
}

static json_t *powerdown(struct qmp_core *q, const json_t *args, struct qmp_error *e)
{
    machine_power_button(q->cfg.machine);
    return qmp_done();
}

static json_t *wakeup(struct qmp_core *q, const json_t *args, struct qmp_error *e)
{
    return machine_wake(q->cfg.machine)
               ? qmp_fail(e, "Unable to wake up: guest is not in suspended state")
               : qmp_done();
}

static json_t *reset(struct qmp_core *q, const json_t *args, struct qmp_error *e)
{
    machine_reset(q->cfg.machine);
    return qmp_done();
}

static json_t *quit(struct qmp_core *q, const json_t *args, struct qmp_error *e)
{
    q->quitting = true;
    machine_end(q->cfg.machine, MACHINE_OK);
    return qmp_done();
}

/* Cards are net0, net1, … in the order of --net. */
static json_t *set_link(struct qmp_core *q, const json_t *args, struct qmp_error *e)
{
    const char *name = qmp_string(args, "name");

    if (machine_set_link(q->cfg.machine, name, qmp_flag(args, "up")))
        return qmp_no_device(e, name);
    return qmp_done();
}

static const struct qmp_command commands[] = {
    {"qmp_capabilities", capabilities, "?enable:a"},
    {"query-version", query_version, NULL},
    {"query-commands", query_commands, NULL},
    {"query-status", query_status, NULL},
    {"query-name", query_name, NULL},
    {"query-cpus-fast", query_cpus, NULL},
    {"query-block", qmp_query_block, NULL},
    {"query-vnc", qmp_query_vnc, NULL},
    {"query-balloon", qmp_query_balloon, NULL},
    {"balloon", qmp_balloon, "value:i"},
    {"stop", stop, NULL},
    {"cont", cont, NULL},
    {"system_powerdown", powerdown, NULL},
    {"system_reset", reset, NULL},
    {"system_wakeup", wakeup, NULL},
    {"quit", quit, NULL},
    {"eject", qmp_eject, "?device:s ?id:s ?force:b"},
    {"blockdev-open-tray", qmp_open_tray, "?device:s ?id:s ?force:b"},
    {"blockdev-close-tray", qmp_close_tray, "?device:s ?id:s"},
    {"blockdev-change-medium", qmp_change_medium,
     "?device:s ?id:s filename:s ?format:s ?force:b ?read-only-mode:s"},
    {"block_resize", qmp_block_resize, "?device:s ?node-name:s size:i"},
    {"screendump", qmp_screendump, "filename:s ?device:s ?head:i ?format:s"},
    {"send-key", qmp_send_key, "keys:a ?hold-time:i"},
    {"input-send-event", qmp_send_event, "?device:s ?head:i events:a"},
    {"set_link", set_link, "name:s up:b"},
    {"netdev_add", qmp_netdev_add, "type:s id:s *"},
    {"netdev_del", qmp_netdev_del, "id:s"},
    {"blockdev-add", qmp_blockdev_add, "driver:s node-name:s ?filename:s ?file:o ?read-only:b"},
    {"blockdev-del", qmp_blockdev_del, "node-name:s"},
    {"device_add", qmp_device_add,
     "driver:s id:s ?netdev:s ?drive:s ?bus:s ?addr:s ?mac:s ?serial:s ?scsi-id:i"},
    {"device_del", qmp_device_del, "id:s"},
    {"human-monitor-command", qmp_human, "command-line:s ?cpu-index:i"},
};

const struct qmp_command *qmp_command_at(size_t n)
{
    return n < ARRAY_SIZE(commands) ? &commands[n] : NULL;
}
