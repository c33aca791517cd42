/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "machine/balloon.h"
#include "machine/board_virtio.h"
#include "os/loop.h"

#include <errno.h>
#include <string.h>

static void free_balloon(void *b)
{
    virtio_balloon_free(b);
}

/* By a timer of the machine's: the loop tells it in its next round. */
static void on_moved(void *opaque)
{
    struct machine *m = opaque;

    atomic_store(&m->balloon_moved, true);
    loop_wake(m->loop);
}

int board_balloon_init(struct machine *m, struct err *err)
{
    struct board_virtio_place place = {.option = "--balloon"};
    struct virtio_balloon_config cfg = {.moved = on_moved, .opaque = m};
    struct virtio_balloon *b;
    int rc = virtio_balloon_new(&b, m->vm.mem, m->vm.clock, &cfg);

    if (rc)
        return err_set(err, -rc, "--balloon: %s", strerror(-rc));
    virtio_balloon_set(b, m->cfg->balloon);
    rc = board_virtio_add(m, virtio_balloon_dev(b), b, free_balloon, &place, NULL, err);
    if (!rc)
        m->virtio->balloon = b;
    return rc;
}

static struct virtio_balloon *balloon_of(const struct machine *m)
{
    return m->virtio ? m->virtio->balloon : NULL;
}

int machine_balloon_set(struct machine *m, u64 bytes)
{
    struct virtio_balloon *b = balloon_of(m);
    u64 all = m->vm.mem->size;

    if (!b)
        return -ENODEV;
    pthread_mutex_lock(&m->vm.lock);
    virtio_balloon_set(b, all - min_u64(bytes, all));
    pthread_mutex_unlock(&m->vm.lock);
    return 0;
}

int machine_balloon_query(struct machine *m, struct machine_balloon *out)
{
    struct virtio_balloon *b = balloon_of(m);
    u64 all = m->vm.mem->size;

    if (!b)
        return -ENODEV;
    pthread_mutex_lock(&m->vm.lock);
    out->actual = all - min_u64(virtio_balloon_actual(b), all);
    out->stats = *virtio_balloon_stats(b);
    (void)virtio_balloon_ask(b); /* the answer is for the next one */
    pthread_mutex_unlock(&m->vm.lock);
    return 0;
}
