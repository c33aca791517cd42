/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Option text of a network: read or refused with a message. */
#include "net/config.h"
#include "net/value.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    struct net_config cfg;
    struct err err = {.text = ""};
    char *text = malloc(size + 1);
    u8 mac[6];

    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = 0;
    if (net_parse(&cfg, text, &err))
        BUG_ON(!*err.text);
    else
        BUG_ON(cfg.user.nforwards > NET_USER_FORWARDS || cfg.user.nsearch > NET_USER_SEARCH);
    if (value_mac(mac, text, &err) == 0)
        BUG_ON(mac[0] & 1);
    free(text);
    return 0;
}
