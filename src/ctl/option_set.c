/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Setters that look only at the option itself. */
#include "ctl/option_set.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void *option_field(struct machine_config *cfg, size_t offset)
{
    return (char *)cfg + offset;
}

int option_set_string(struct machine_config *cfg, const struct option_def *def, const char *value,
                      struct err *err)
{
    char **p = option_field(cfg, def->offset);
    char *copy;

    if (!*value)
        return err_set(err, EINVAL, "is empty");
    copy = strdup(value);
    if (!copy)
        return err_set(err, ENOMEM, "out of memory");
    free(*p);
    *p = copy;
    return 0;
}

/* The kernel's command line may be empty. */
int option_set_text(struct machine_config *cfg, const struct option_def *def, const char *value,
                    struct err *err)
{
    char **p = option_field(cfg, def->offset);

    if (*value)
        return option_set_string(cfg, def, value, err);
    free(*p);
    *p = NULL;
    return 0;
}

int option_set_list(struct machine_config *cfg, const struct option_def *def, const char *value,
                    struct err *err)
{
    char **items = option_field(cfg, def->offset);
    unsigned *n = option_field(cfg, def->count);

    if (!*value)
        return err_set(err, EINVAL, "is empty");
    if (*n == def->max)
        return err_set(err, EINVAL, "given more than %zu times", def->max);
    items[*n] = strdup(value);
    if (!items[*n])
        return err_set(err, ENOMEM, "out of memory");
    ++*n;
    return 0;
}

/* One of the words of def->arg, which has bars between them. */
static bool is_choice(const struct option_def *def, const char *value)
{
    size_t len = strlen(value);

    for (const char *word = def->arg; *word;) {
        size_t n = strcspn(word, "|");
        if (n == len && !memcmp(word, value, n))
            return true;
        word += n + (word[n] == '|');
    }
    return false;
}

int option_set_choice(struct machine_config *cfg, const struct option_def *def, const char *value,
                      struct err *err)
{
    if (!is_choice(def, value))
        return err_set(err, EINVAL, "'%.20s' is none of %s", value, def->arg);
    return def->max ? option_set_list(cfg, def, value, err)
                    : option_set_string(cfg, def, value, err);
}

int option_set_switch(struct machine_config *cfg, const struct option_def *def, const char *value,
                      struct err *err)
{
    *(bool *)option_field(cfg, def->offset) = !strcmp(value, "true");
    return 0;
}
