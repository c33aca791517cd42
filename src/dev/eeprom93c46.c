/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "dev/eeprom93c46.h"

#include <errno.h>
#include <string.h>

enum phase { IDLE, COMMAND, READING, WRITING, WRITING_ALL, DONE };

#define COMMAND_BITS 8u /* opcode and address, behind the start bit */
#define OP_READ      2u
#define OP_WRITE     1u
#define OP_ERASE     3u
#define EX_EWDS      0u
#define EX_WRAL      1u
#define EX_ERAL      2u

const struct state_field eeprom93c46_fields[] = {
    STATE_ARRAY(struct eeprom93c46, word),    STATE_BOOL(struct eeprom93c46, cs),
    STATE_BOOL(struct eeprom93c46, sk),       STATE_BOOL(struct eeprom93c46, out),
    STATE_BOOL(struct eeprom93c46, writable), STATE_UINT(struct eeprom93c46, phase),
    STATE_UINT(struct eeprom93c46, nbits),    STATE_UINT(struct eeprom93c46, address),
    STATE_UINT(struct eeprom93c46, shift),    STATE_END,
};

void eeprom93c46_reset(struct eeprom93c46 *e)
{
    e->cs = e->sk = e->writable = false;
    e->out = true;
    e->phase = IDLE;
    e->nbits = e->address = 0;
    e->shift = 0;
}

static void enter(struct eeprom93c46 *e, enum phase phase)
{
    e->phase = (u8)phase;
    e->nbits = 0;
    e->shift = 0;
}

static void fill(struct eeprom93c46 *e, u16 val)
{
    for (unsigned i = 0; i < EEPROM93C46_WORDS && e->writable; i++)
        e->word[i] = val;
}

static void extended(struct eeprom93c46 *e)
{
    unsigned op = e->address >> 4;

    if (op == EX_WRAL) {
        enter(e, WRITING_ALL);
        return;
    }
    if (op == EX_ERAL)
        fill(e, 0xffff);
    else
        e->writable = op != EX_EWDS;
    enter(e, DONE);
}

static void command(struct eeprom93c46 *e)
{
    unsigned op = e->shift >> 6 & 3;

    e->address = e->shift & (EEPROM93C46_WORDS - 1);
    switch (op) {
    case OP_READ:
        enter(e, READING);
        e->out = false; /* a dummy bit goes before the data */
        break;
    case OP_WRITE:
        enter(e, WRITING);
        break;
    case OP_ERASE:
        if (e->writable)
            e->word[e->address] = 0xffff;
        enter(e, DONE);
        break;
    default:
        extended(e);
    }
}

static void clock_in(struct eeprom93c46 *e, bool di)
{
    e->shift = (u16)(e->shift << 1 | di);
    e->nbits++;
    if (e->phase == COMMAND && e->nbits == COMMAND_BITS) {
        command(e);
    } else if (e->phase != COMMAND && e->nbits == 16) {
        if (e->phase == WRITING_ALL)
            fill(e, e->shift);
        else if (e->writable)
            e->word[e->address] = e->shift;
        enter(e, DONE);
    }
}

static void clock_out(struct eeprom93c46 *e)
{
    e->out = e->word[e->address] >> (15 - e->nbits) & 1;
    if (++e->nbits == 16) { /* the next word follows */
        e->address = (e->address + 1) % EEPROM93C46_WORDS;
        e->nbits = 0;
    }
}

void eeprom93c46_pins(struct eeprom93c46 *e, bool cs, bool sk, bool di)
{
    bool rises = sk && !e->sk;

    if (cs != e->cs) {
        enter(e, IDLE);
        e->out = true; /* ready */
    }
    e->cs = cs;
    e->sk = sk;
    if (!cs || !rises)
        return;
    if (e->phase == IDLE && di)
        enter(e, COMMAND);
    else if (e->phase == READING)
        clock_out(e);
    else if (e->phase == COMMAND || e->phase == WRITING || e->phase == WRITING_ALL)
        clock_in(e, di);
}

int eeprom93c46_loaded(const struct eeprom93c46 *e)
{
    return e->phase <= DONE && e->nbits < 16 && e->address < EEPROM93C46_WORDS ? 0 : -EINVAL;
}
