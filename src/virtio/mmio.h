/* SPDX-License-Identifier: GPL-2.0-or-later */
/* virtio over MMIO (VIRTIO 1.2, section 4.2); see mmio.c. */
#pragma once
#include "bus/bus.h"
#include "bus/irq.h"
#include "virtio/virtio.h"

#define VIRTIO_MMIO_LEN 0x200u

struct virtio_mmio;

/* Puts `dev`, which stays the caller's, at [base, base + VIRTIO_MMIO_LEN); free this first. The
   line is level-triggered, active high. -ENOMEM, -EEXIST. */
must_check int virtio_mmio_new(struct virtio_mmio **out, struct bus *mmio, u64 base, struct irq irq,
                               struct virtio *dev);
/* Resets the device too. */
void virtio_mmio_reset(struct virtio_mmio *v);
void virtio_mmio_free(struct virtio_mmio *v);

/* Loaded before the device's own table. */
extern const struct state_table virtio_mmio_state;
