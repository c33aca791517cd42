/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a client of QMP may send to a machine. Names of files get no further than this directory:
   what has a slash, or could have one, is passed over; so are networks of the host. */
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

static void feed(struct qmp_rig *r, const u8 *data, size_t size)
{
    static char message[QMP_MESSAGE_MAX];
    struct qmp_scan s = {0};

    for (size_t n = 0; n < size; n++) {
        enum qmp_scan_result result = qmp_scan(&s, data[n]);
        if (result == QMP_MORE || result == QMP_COMPLETE)
            message[s.len - 1] = (char)data[n];
        if (result == QMP_COMPLETE) {
            qmp_execute(&r->core, message, s.len);
            s = (struct qmp_scan){0};
        } else if (result != QMP_MORE && result != QMP_NOTHING) {
            qmp_refuse(&r->core, "no message");
        }
    }
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    struct qmp_rig *r = rig();

    if (memchr(data, '/', size) || memmem(data, size, "\\u", 2) || memmem(data, size, "user", 4) ||
        memmem(data, size, "tap", 3) || memmem(data, size, "socket", 6))
        return 0;
    r->core.ready = size && data[0] != '!';
    r->core.keys.head = r->core.keys.len = 0;
    feed(r, data + (size && data[0] == '!'), size - (size && data[0] == '!'));
    machine_pause(r->machine, true);
    json_array_clear(r->sent);
    return 0;
}
