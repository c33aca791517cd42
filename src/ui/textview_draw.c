/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A text screen as ECMA-48 control sequences in UTF-8: only cells that changed. */
#include "ui/cp437.h"
#include "ui/textview.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NO_ATTR  0x100u
#define PER_CELL 32u /* bytes at most: position, attributes, character */
#define RED_BLUE 5u  /* the bits that VGA and terminals have the other way round */

struct out {
    char *text;
    size_t len, cap;
    unsigned attr;     /* that the terminal has set, or NO_ATTR */
    unsigned col, row; /* where its cursor is */
};

static void printf_like(2, 3) put(struct out *o, const char *fmt, ...)
{
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(o->text + o->len, o->cap - o->len, fmt, ap);
    va_end(ap);
    if (n > 0)
        o->len = min_u64(o->len + (size_t)n, o->cap - 1);
}

static unsigned terminal_colour(unsigned vga)
{
    return (vga & 2) | (vga & 4) >> 2 | (vga & 1) << 2;
}

static void put_attr(struct out *o, u8 attr, bool blink)
{
    unsigned fg = attr & 15, bg = attr >> 4 & (blink ? 7 : 15);

    if (o->attr == attr)
        return;
    put(o, "\033[0;%u;%u%sm", (fg & 8 ? 90 : 30) + terminal_colour(fg),
        (bg & 8 ? 100 : 40) + terminal_colour(bg), blink && attr & 0x80 ? ";5" : "");
    o->attr = attr;
}

static void put_cell(struct out *o, const struct text_screen *t, unsigned col, unsigned row)
{
    const u8 ch = t->cell[row * t->cols + col].ch, attr = t->cell[row * t->cols + col].attr;

    if (o->row != row || o->col != col)
        put(o, "\033[%u;%uH", row + 1, col + 1);
    put_attr(o, attr, t->blink);
    put(o, "%s", cp437_utf8(ch));
    o->row = row;
    o->col = col + 1;
}

static bool differs(const struct text_screen *a, const struct text_screen *b, unsigned at)
{
    return a->cell[at].ch != b->cell[at].ch || a->cell[at].attr != b->cell[at].attr;
}

char *textview_update(struct text_screen *shown, const struct text_screen *t, unsigned width,
                      unsigned height)
{
    bool all = shown->cols != t->cols || shown->rows != t->rows || shown->blink != t->blink;
    unsigned cols = (unsigned)min_u64(t->cols, width), rows = (unsigned)min_u64(t->rows, height);
    struct out o = {.cap = (size_t)t->cols * t->rows * PER_CELL + 256, .attr = NO_ATTR, .row = ~0u};

    o.text = malloc(o.cap);
    if (!o.text)
        return NULL;
    o.text[0] = '\0';
    if (all)
        put(&o, "\033[0m\033[2J");
    for (unsigned row = 0; row < rows; row++)
        for (unsigned col = 0; col < cols; col++)
            if (all || differs(shown, t, row * t->cols + col))
                put_cell(&o, t, col, row);
    if (o.len || shown->cursor != t->cursor || shown->cursor_x != t->cursor_x ||
        shown->cursor_y != t->cursor_y) {
        if (t->cursor && t->cursor_x < cols && t->cursor_y < rows)
            put(&o, "\033[%u;%uH\033[?25h", t->cursor_y + 1, t->cursor_x + 1);
        else
            put(&o, "\033[?25l");
    }
    memcpy(shown, t, sizeof(*shown));
    return o.text;
}
