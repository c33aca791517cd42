/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "machine/share_config.h"

#include "net/value.h"

#include <errno.h>
#include <string.h>

static int set_tag(struct share_config *out, const char *tag, struct err *err)
{
    if (!*tag || strlen(tag) >= sizeof(out->tag))
        return err_set(err, EINVAL, "tag=%.40s: a tag has 1 to %zu bytes", tag,
                       sizeof(out->tag) - 1);
    strcpy(out->tag, tag);
    return 0;
}

static int set_key(struct share_config *out, const char *word, struct err *err)
{
    if (!strncmp(word, "tag=", 4))
        return set_tag(out, word + 4, err);
    if (strcmp(word, "ro") != 0)
        return err_set(err, EINVAL, "'%.40s' is unknown; there are tag= and ro", word);
    out->read_only = true;
    return 0;
}

int share_parse(struct share_config *out, const char *text, struct err *err)
{
    char word[64];
    int rc = 0;

    *out = (struct share_config){.tag = "share"};
    text = value_word(text, 0, out->path, sizeof(out->path), err);
    if (!text)
        return -EINVAL;
    if (!out->path[0])
        return err_set(err, EINVAL, "no folder is named");
    while (!rc && *text) {
        text = value_word(text + 1, 0, word, sizeof(word), err);
        if (!text)
            return -EINVAL;
        rc = set_key(out, word, err);
    }
    return rc;
}
