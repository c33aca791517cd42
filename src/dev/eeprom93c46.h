/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * 93C46 serial EEPROM, 64 words of 16 bits, on the three wires of Microwire. Network cards keep
 * their address in one. Writing takes no time. A part of its owner, under its owner's lock.
 */
#pragma once
#include "base/base.h"
#include "base/state.h"

#define EEPROM93C46_WORDS 64u

struct eeprom93c46 {
    u16 word[EEPROM93C46_WORDS];
    bool cs, sk, out; /* out: the DO pin */
    bool writable;    /* after EWEN */
    u8 phase;         /* enum in eeprom93c46.c */
    u8 nbits;         /* shifted in or out in this phase */
    u8 address;
    u16 shift;
};

extern const struct state_field eeprom93c46_fields[];

/* The pins as after power-on; the words stay. */
void eeprom93c46_reset(struct eeprom93c46 *e);
/* Drives chip select, clock and data in; DO is then e->out. */
void eeprom93c46_pins(struct eeprom93c46 *e, bool cs, bool sk, bool di);
/* -EINVAL if no chip can be in that state. */
must_check int eeprom93c46_loaded(const struct eeprom93c46 *e);
