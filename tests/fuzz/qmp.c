/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a client of QMP may send to a machine. Names of files get no further than this directory:
   what has a slash, or could have one, is passed over; so are networks of the host. Two clients
   take turns at each byte 1Eh, which is no JSON. */
#include "../unit/ctl/qmp_rig.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

/* One machine for all inputs: it takes long to make, and has no state that a client could break. */
static struct qmp_rig *rig(void)
{
    static struct qmp_rig *r;

    if (!r) {
        r = calloc(1, sizeof(*r));
        if (!r)
            abort();
        qmp_rig_open(r);
        if (chdir(r->dir))
            abort();
        unlink(r->disk); /* they stay open */
        unlink(r->bios);
        rmdir(r->dir);
    }
    return r;
}

struct client {
    struct qmp_session session;
    struct qmp_scan scan;
    char message[QMP_MESSAGE_MAX];
};

static void feed_byte(struct qmp_rig *r, struct client *c, u8 byte)
{
    enum qmp_scan_result result = qmp_scan(&c->scan, byte);

    if (result == QMP_MORE || result == QMP_COMPLETE)
        c->message[c->scan.len - 1] = (char)byte;
    if (result == QMP_COMPLETE) {
        qmp_execute(&r->core, &c->session, c->message, c->scan.len);
        c->scan = (struct qmp_scan){0};
    } else if (result != QMP_MORE && result != QMP_NOTHING) {
        qmp_refuse(&c->session, "no message");
    }
}

static void feed(struct qmp_rig *r, const u8 *data, size_t size)
{
    static struct client client[2];
    bool ready = size && data[0] != '!';
    unsigned turn = 0;

    for (unsigned n = 0; n < 2; n++) {
        client[n].session = r->session;
        client[n].scan = (struct qmp_scan){0};
        qmp_join(&r->core, &client[n].session);
        client[n].session.ready = ready;
    }
    for (size_t n = ready ? 0 : 1; n < size; n++)
        if (data[n] == 0x1e)
            turn ^= 1;
        else
            feed_byte(r, &client[turn], data[n]);
    for (unsigned n = 0; n < 2; n++)
        qmp_leave(&r->core, &client[n].session);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    struct qmp_rig *r = rig();

    if (memchr(data, '/', size) || memmem(data, size, "\\u", 2) || memmem(data, size, "user", 4) ||
        memmem(data, size, "tap", 3) || memmem(data, size, "socket", 6))
        return 0;
    r->core.keys.head = r->core.keys.len = 0;
    feed(r, data, size);
    machine_pause(r->machine, true);
    json_array_clear(r->sent);
    return 0;
}
