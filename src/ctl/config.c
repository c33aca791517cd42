/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A list option given on the command line replaces the list of the --config file; of other
 * options given twice the last one counts.
 */
#include "ctl/config.h"

#include "ctl/option.h"
#include "ctl/suggest.h"
#include "machine/machine.h"
#include "os/file.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

void config_init(struct machine_config *cfg)
{
    *cfg = (struct machine_config){.memory = 512 * MiB, .cpus = 1};
}

void config_dispose(struct machine_config *cfg)
{
    for (size_t i = 0; option_at(i); i++)
        option_clear(cfg, option_at(i));
}

/* A JSON value as the text that the command line would give. */
static int set_json_scalar(struct machine_config *cfg, const struct option_def *def,
                           const json_t *val, struct err *err)
{
    char number[24];

    if (!def->arg) {
        if (!json_is_boolean(val))
            return err_set(err, EINVAL, "must be true or false");
        return def->set(cfg, def, json_is_true(val) ? "true" : "false", err);
    }
    if (json_is_string(val)) {
        if (strlen(json_string_value(val)) != json_string_length(val))
            return err_set(err, EINVAL, "contains a zero byte");
        return def->set(cfg, def, json_string_value(val), err);
    }
    if (json_is_integer(val)) {
        snprintf(number, sizeof(number), "%lld", (long long)json_integer_value(val));
        return def->set(cfg, def, number, err);
    }
    return err_set(err, EINVAL, "must be a string or a whole number");
}

static int set_json(struct machine_config *cfg, const struct option_def *def, const json_t *val,
                    struct err *err)
{
    if (!def->max)
        return set_json_scalar(cfg, def, val, err);
    option_clear(cfg, def);
    if (!json_is_array(val))
        return set_json_scalar(cfg, def, val, err);
    for (size_t i = 0; i < json_array_size(val); i++) {
        int rc = set_json_scalar(cfg, def, json_array_get(val, i), err);
        if (rc) {
            err_prefix(err, "item %zu", i + 1);
            return rc;
        }
    }
    return 0;
}

static int set_json_object(struct machine_config *cfg, json_t *doc, struct err *err)
{
    const char *key;
    json_t *val;

    if (!json_is_object(doc))
        return err_set(err, EINVAL, "the document is not an object ({…})");
    json_object_foreach(doc, key, val)
    {
        const struct option_def *def = option_find(key, strlen(key));
        int rc;

        if (!def || !def->set) {
            err_set(err, EINVAL, "unknown key \"%.60s\"", key);
            return def ? -EINVAL : option_hint(err, key, option_name, "");
        }
        rc = set_json(cfg, def, val, err);
        if (rc) {
            err_prefix(err, "\"%s\"", key);
            return rc;
        }
    }
    return 0;
}

int config_parse_json(struct machine_config *cfg, const char *text, size_t len, struct err *err)
{
    json_error_t why;
    json_t *doc = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);
    int rc;

    if (!doc)
        return err_set(err, EINVAL, "line %d, column %d: %s", why.line, why.column, why.text);
    rc = set_json_object(cfg, doc, err);
    json_decref(doc);
    return rc;
}

static int read_file(struct machine_config *cfg, const char *path, struct err *err)
{
    u8 *data = NULL;
    size_t size = 0;
    int rc = file_read_all(path, &data, &size, CONFIG_FILE_MAX, err);

    if (rc)
        return rc;
    rc = config_parse_json(cfg, (const char *)data, size, err);
    if (rc)
        err_prefix(err, "%s", path);
    free(data);
    return rc;
}

struct arg { /* one option of the command line, taken apart */
    const struct option_def *def;
    const char *value;
    enum config_help help;
    bool image; /* no option: an image's name, which is the value of --disk, nearly */
};

/* For what Debian and its like have drivers for. */
static const char image_bus[] = ",bus=virtio", image_net[] = "user,model=virtio";
#define IMAGE_MEMORY GiB

/* Takes the option at argv[*i] and moves *i past it. */
static int next_arg(int argc, char *const *argv, int *i, struct arg *arg, struct err *err)
{
    const char *text = argv[(*i)++];
    const char *name = text + 2, *eq;
    size_t len;

    *arg = (struct arg){.help = CONFIG_NO_HELP};
    if (*text && *text != '-') {
        *arg = (struct arg){option_find("disk", 4), text, CONFIG_NO_HELP, true};
        return 0;
    }
    if (!strcmp(text, "--help") || !strcmp(text, "-h")) {
        arg->help = CONFIG_HELP;
        return 0;
    }
    if (strncmp(text, "--", 2) || !*name)
        return err_set(err, EINVAL, "'%.60s' is not an option; options start with --", text);
    eq = strchr(name, '=');
    len = eq ? (size_t)(eq - name) : strlen(name);
    arg->def = option_find(name, len);
    if (!arg->def) {
        char word[40] = "";

        memcpy(word, name, min_u64(len, sizeof(word) - 1));
        err_set(err, EINVAL, "unknown option '--%s'", word);
        return option_hint(err, word, option_name, "--");
    }
    if (!arg->def->arg) {
        arg->value = "true";
        return eq ? err_set(err, EINVAL, "--%s takes no value", arg->def->name) : 0;
    }
    if (eq)
        arg->value = eq + 1;
    else if (*i < argc)
        arg->value = argv[(*i)++];
    else
        return err_set(err, EINVAL, "--%s needs a value: %s", arg->def->name, arg->def->arg);
    if (!strcmp(arg->value, "help"))
        arg->help = arg->def->help_word;
    return 0;
}

/* The image's name as a value of --disk: commas are written twice there. NULL: no memory. */
static char *image_disk(const char *name)
{
    char *disk = malloc(2 * strlen(name) + sizeof(image_bus)), *to = disk;

    if (!disk)
        return NULL;
    for (; *name; name++) {
        if (*name == ',')
            *to++ = ',';
        *to++ = *name;
    }
    strcpy(to, image_bus);
    return disk;
}

/* What a machine has that is given an image, and where nothing else is said. */
static int image_defaults(struct machine_config *cfg, struct err *err)
{
    const struct option_def *net = option_find("net", 3);

    cfg->memory = IMAGE_MEMORY;
    cfg->rng = true;
    cfg->has_balloon = true;
    return net->set(cfg, net, image_net, err);
}

static int set_arg(struct machine_config *cfg, const struct arg *arg, struct err *err)
{
    char *disk = arg->image ? image_disk(arg->value) : NULL;
    int rc;

    if (arg->image && !disk)
        return err_set(err, ENOMEM, "out of memory");
    rc = arg->def->set(cfg, arg->def, disk ? disk : arg->value, err);
    free(disk);
    return rc;
}

static int apply_arg(struct machine_config *cfg, const struct arg *arg, u64 *seen, struct err *err)
{
    u64 bit = BIT64(arg->def - option_at(0));
    int rc;

    if (arg->def->max && !(*seen & bit))
        option_clear(cfg, arg->def);
    *seen |= bit;
    rc = set_arg(cfg, arg, err);
    if (rc)
        err_prefix(err, "--%s", arg->def->name);
    return rc;
}

/* Whether the command line can be read at all, and asks for help or has an image in it. */
static int look_over(int argc, char *const *argv, enum config_help *help, bool *image,
                     struct err *err)
{
    int rc = 0;

    for (int i = 1; i < argc && !rc && *help == CONFIG_NO_HELP;) {
        struct arg arg;
        rc = next_arg(argc, argv, &i, &arg, err);
        *help = arg.help;
        *image |= arg.image;
    }
    return rc;
}

int config_parse_args(struct machine_config *cfg, int argc, char *const *argv,
                      enum config_help *help, struct err *err)
{
    bool image = false;
    u64 seen = 0;
    int rc = look_over(argc, argv, help, &image, err);

    if (!rc && *help == CONFIG_NO_HELP && image)
        rc = image_defaults(cfg, err);
    for (unsigned pass = 0; pass < 2; pass++) {
        for (int i = 1; i < argc && !rc && *help == CONFIG_NO_HELP;) {
            struct arg arg;
            rc = next_arg(argc, argv, &i, &arg, err);
            if (!rc && !pass && !arg.def->set)
                rc = read_file(cfg, arg.value, err);
            if (!rc && pass && arg.def->set)
                rc = apply_arg(cfg, &arg, &seen, err);
        }
    }
    return rc;
}

int config_check(const struct machine_config *cfg, struct err *err)
{
    if (!cfg->kernel && !machine_is_pc(cfg))
        return err_set(
            err, EINVAL,
            "nothing to boot; name a disk image, or say --cdrom, --floppy or --kernel FILE, or "
            "--machine pc");
    if (cfg->trace_file && !cfg->trace)
        return err_set(err, EINVAL, "--trace-file without --trace: nothing would be logged");
    return 0;
}
