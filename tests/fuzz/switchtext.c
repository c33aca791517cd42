/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is said to a switch: requests of the control socket, words of ports, rules. */
#include "dev_input.h"
#include "vswitch/control.h"
#include "vswitch/core.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static void read_texts(const char *text)
{
    struct port_config c;
    struct rule r;
    struct err err = {.text = ""};
    u64 set[64];
    char printed[64];

    port_config_init(&c, "a");
    if (port_config_set(&c, text, &err))
        BUG_ON(!*err.text);
    err.text[0] = 0;
    if (rule_parse(&r, text, &err))
        BUG_ON(!*err.text);
    else
        BUG_ON(strcmp(r.text, text) != 0);
    if (!vlan_parse_set(set, text, &err))
        vlan_print_set(set, printed, sizeof(printed));
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    struct vswitch_config cfg = {.dir = "/nowhere"};
    struct vswitch *sw;
    struct loop *loop;
    struct rig rig;
    struct err err;
    char *text = malloc(size + 1);

    BUG_ON(!text);
    memcpy(text, data, size);
    text[size] = 0;
    read_texts(text);
    /* Commands that would open files and sockets of the host are left to the unit test. */
    if (!strstr(text, "port")) {
        rig_open(&rig);
        BUG_ON(loop_new(&loop, &err));
        cfg.loop = loop;
        cfg.clk = rig.clk;
        cfg.lock = &rig.lock;
        BUG_ON(vswitch_new(&sw, &cfg, &err));
        json_decref(control_answer(sw, text, size));
        vswitch_free(sw);
        loop_free(loop);
        rig_close(&rig);
    }
    free(text);
    return 0;
}
