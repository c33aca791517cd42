/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands about the memory balloon. Statistics have the names that QEMU's property guest-stats
   gives them, and the values that the guest sent after the question before. */
#include "ctl/qmp_core.h"
#include "machine/balloon.h"

static json_t *no_balloon(struct qmp_error *e)
{
    e->class = "DeviceNotActive";
    return qmp_fail(e, "No balloon device has been activated");
}

json_t *qmp_balloon(struct qmp_core *q, const json_t *args, struct qmp_error *e)
{
    json_int_t bytes = json_integer_value(json_object_get(args, "value"));

    if (bytes <= 0)
        return qmp_fail(e, "Parameter 'target' expects a size");
    return machine_balloon_set(q->cfg.machine, (u64)bytes) ? no_balloon(e) : qmp_done();
}

static json_t *guest_stats(const struct virtio_balloon_stats *s)
{
    static const char *const names[VIRTIO_BALLOON_STATS] = {
        "stat-swap-in",      "stat-swap-out",     "stat-major-faults",     "stat-minor-faults",
        "stat-free-memory",  "stat-total-memory", "stat-available-memory", "stat-disk-caches",
        "stat-htlb-pgalloc", "stat-htlb-pgfail"};
    json_t *all = json_object();

    for (unsigned n = 0; n < VIRTIO_BALLOON_STATS; n++)
        if (s->known[n])
            json_object_set_new(all, names[n], json_integer((json_int_t)s->value[n]));
    return json_pack("{sIso}", "last-update", (json_int_t)s->updated, "stats", all);
}

json_t *qmp_query_balloon(struct qmp_core *q, const json_t *args, struct qmp_error *e)
{
    struct machine_balloon b;
    json_t *answer;

    if (machine_balloon_query(q->cfg.machine, &b))
        return no_balloon(e);
    answer = json_pack("{sI}", "actual", (json_int_t)b.actual);
    if (b.stats.updated)
        json_object_set_new(answer, "guest-stats", guest_stats(&b.stats));
    return answer;
}

void qmp_balloon_moved(struct qmp_core *q)
{
    struct machine_balloon b;

    if (!machine_balloon_query(q->cfg.machine, &b))
        qmp_event(q, "BALLOON_CHANGE", json_pack("{sI}", "actual", (json_int_t)b.actual));
}
