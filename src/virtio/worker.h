/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A thread that serves the queues of a device with a lock of its own: a notification costs the
 * CPU that makes it no more than to wake the thread.
 */
#pragma once
#include "base/base.h"

struct virtio;
struct virtio_worker;

/* -errno. The device, with its queues, outlives it. */
must_check int virtio_worker_new(struct virtio_worker **out, struct virtio *dev);
/* Ends the thread. The device's lock is not held. NULL is allowed. */
void virtio_worker_free(struct virtio_worker *w);
/* Queue n wants to be notified. Any thread, any lock. */
void virtio_worker_kick(struct virtio_worker *w, u32 n);
