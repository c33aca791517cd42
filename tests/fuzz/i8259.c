/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The 8259A pair under 2-byte commands: port accesses, line changes, INTA cycles, reset. */
#include "dev/i8259.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

#define MAX_COMMANDS 4096

struct machine {
    pthread_mutex_t lock;
    struct bus pio;
    struct i8259 *pic;
    bool intr;
};

static void on_intr(void *opaque, unsigned n, bool level)
{
    struct machine *m = opaque;

    BUG_ON(m->intr == level);
    m->intr = level;
}

static void command(struct machine *m, u8 what, u8 val)
{
    static const u16 ports[8] = {0x20, 0x21, 0xa0, 0xa1, 0x4d0, 0x4d1, 0x20, 0xa0};
    u16 port = ports[what >> 3 & 7];

    switch (what & 7) {
    case 0:
    case 1:
    case 2:
        bus_write(&m->pio, port, 1, val);
        break;
    case 3:
        bus_write(&m->pio, port, 2, val * 0x101u);
        break;
    case 4:
        BUG_ON(bus_read(&m->pio, port, 1) > 0xff);
        break;
    case 5:
        i8259_set(m->pic, val & 15, val & 16);
        break;
    case 6:
        i8259_ack(m->pic);
        break;
    default:
        if (val == 0xff)
            i8259_reset(m->pic);
        else
            i8259_set(m->pic, val >> 4, val & 1);
    }
    BUG_ON(bus_read(&m->pio, 0x4d0, 1) & 0x07);
    BUG_ON(bus_read(&m->pio, 0x4d1, 1) & 0x21);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    struct machine m = {0};

    pthread_mutex_init(&m.lock, NULL);
    bus_init(&m.pio, "pio", &m.lock);
    if (i8259_new(&m.pic, &m.pio, (struct irq){on_intr, &m, 0}) == 0)
        for (size_t i = 0; i + 2 <= size && i < MAX_COMMANDS * 2; i += 2)
            command(&m, data[i], data[i + 1]);
    i8259_free(m.pic);
    bus_dispose(&m.pio);
    pthread_mutex_destroy(&m.lock);
    return 0;
}
