/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keyboard, mouse or tablet; see input.c. */
#pragma once
#include "ui/input.h"
#include "virtio/virtio.h"

enum virtio_input_kind { VIRTIO_KEYBOARD, VIRTIO_MOUSE, VIRTIO_TABLET };

/* "keyboard", "mouse", "tablet"; false for others. */
bool virtio_input_parse(const char *name, enum virtio_input_kind *out);

struct virtio_input;

/* Takes part in `from` until it is freed. -ENOMEM. */
must_check int virtio_input_new(struct virtio_input **out, struct mem *mem, struct clock *clk,
                                enum virtio_input_kind kind, struct input *from, bool packed);
void virtio_input_free(struct virtio_input *in);
struct virtio *virtio_input_dev(struct virtio_input *in);

extern const struct state_table virtio_input_state;
