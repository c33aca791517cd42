/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/base.h"
#include "switch.h"

#include <stdio.h>
#include <string.h>

#define COLUMNS  16u
#define CELL_MAX 256u

static void print_cell(char text[CELL_MAX], const json_t *val);

static void join(char text[CELL_MAX], const json_t *list)
{
    size_t n = 0;

    *text = 0;
    for (size_t i = 0; i < json_array_size(list) && n + 2 < CELL_MAX; i++) {
        char item[CELL_MAX];
        print_cell(item, json_array_get(list, i));
        n += (size_t)snprintf(text + n, CELL_MAX - n, "%s%s", i ? ", " : "", item);
    }
}

static void print_cell(char text[CELL_MAX], const json_t *val)
{
    if (json_is_string(val))
        snprintf(text, CELL_MAX, "%s", json_string_value(val));
    else if (json_is_integer(val))
        snprintf(text, CELL_MAX, "%lld", (long long)json_integer_value(val));
    else if (json_is_real(val))
        snprintf(text, CELL_MAX, "%g", json_real_value(val));
    else if (json_is_boolean(val))
        snprintf(text, CELL_MAX, "%s", json_is_true(val) ? "on" : "off");
    else if (json_is_array(val))
        join(text, val);
    else
        *text = 0;
}

/* In characters, not bytes. */
static size_t width_of(const char *text)
{
    size_t n = 0;

    for (; *text; text++)
        n += (*text & 0xc0) != 0x80;
    return n;
}

static size_t columns_of(const json_t *list, const char *names[COLUMNS], size_t width[COLUMNS])
{
    char text[CELL_MAX];
    size_t n = 0;
    const char *key;
    json_t *val;

    json_object_foreach(json_array_get(list, 0), key, val)
    {
        if (n == COLUMNS)
            break;
        names[n] = key;
        width[n] = width_of(key);
        for (size_t i = 0; i < json_array_size(list); i++) {
            print_cell(text, json_object_get(json_array_get(list, i), key));
            width[n] = max_u64(width[n], width_of(text));
        }
        n++;
    }
    return n;
}

static void print_padded(const char *text, size_t width, bool right, bool last)
{
    int pad = (int)(width - width_of(text));

    printf("%*s%s%*s%s", right ? pad : 0, "", text, right || last ? 0 : pad, "",
           last ? "\n" : "  ");
}

static void print_table(const json_t *list)
{
    const char *names[COLUMNS];
    size_t width[COLUMNS], n = columns_of(list, names, width);
    char text[CELL_MAX];

    for (size_t c = 0; c < n; c++)
        print_padded(names[c], width[c], false, c + 1 == n);
    for (size_t i = 0; i < json_array_size(list); i++)
        for (size_t c = 0; c < n; c++) {
            const json_t *val = json_object_get(json_array_get(list, i), names[c]);
            print_cell(text, val);
            print_padded(text, width[c], json_is_integer(val), c + 1 == n);
        }
}

static bool is_table(const json_t *val)
{
    return json_is_array(val) && json_is_object(json_array_get(val, 0));
}

static void print_object(const json_t *val, const char *before)
{
    char text[CELL_MAX];
    const char *key;
    json_t *item;

    json_object_foreach((json_t *)(uintptr_t)val, key, item)
    {
        if (is_table(item)) {
            print_table(item);
        } else if (json_is_object(item)) {
            char longer[64];
            snprintf(longer, sizeof(longer), "%s%.40s ", before, key);
            print_object(item, longer);
        } else {
            print_cell(text, item);
            printf("%s%s: %s\n", before, key, text);
        }
    }
}

int switch_show(const json_t *val)
{
    if (is_table(val))
        print_table(val);
    else
        print_object(val, "");
    return fflush(stdout) ? 1 : 0;
}
