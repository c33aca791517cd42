/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A JSON document of options, parsed twice over each other: every byte of it is hostile. */
#include "ctl/config.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    struct machine_config cfg;
    struct err err;
    int rc;

    config_init(&cfg);
    rc = config_parse_json(&cfg, (const char *)data, size, &err);
    if (!rc)
        rc = config_parse_json(&cfg, (const char *)data, size, &err);
    if (!rc)
        rc = config_check(&cfg, &err);
    config_dispose(&cfg);
    return 0;
}
