/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The PS/2 mouse behind the i8042; see ps2mouse.c. Embedded in struct i8042. */
#pragma once
#include "dev/ps2queue.h"

struct ps2mouse {
    struct ps2queue replies; /* to commands; go out before packets */
    struct ps2queue packets;
    u8 command;     /* that waits for its argument, 0 for none */
    bool refused;   /* one argument of it already: the next one must do */
    u8 last;        /* last byte sent, for Resend */
    u8 id;          /* 0 plain, 3 wheel, 4 wheel and five buttons */
    u8 knock[3];    /* the last three sample rates: the wheel's unlock sequence */
    u8 rate;        /* samples per second */
    u8 resolution;  /* 0..3: 1, 2, 4, 8 counts per mm */
    bool scale2;    /* 2:1 scaling */
    bool remote;    /* packets only on request */
    bool wrap;      /* echo everything */
    bool enabled;   /* stream mode reports */
    u8 buttons;     /* down now */
    bool changed;   /* since the last packet */
    s32 dx, dy, dz; /* motion not reported yet, bounded */
};

void ps2mouse_reset(struct ps2mouse *m);
/* A byte from the controller. */
void ps2mouse_command(struct ps2mouse *m, u8 byte);
/* The next byte for the controller; false if there is none. */
bool ps2mouse_next(struct ps2mouse *m, u8 *byte);
/* See i8042_mouse. */
void ps2mouse_move(struct ps2mouse *m, int dx, int dy, int dz, unsigned buttons);

extern const struct state_field ps2mouse_fields[];
/* What was loaded is a state of a mouse. */
bool ps2mouse_valid(const struct ps2mouse *m);
