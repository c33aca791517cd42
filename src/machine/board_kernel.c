/* SPDX-License-Identifier: GPL-2.0-or-later */
/* --kernel and the options about it, and a kernel on a machine without firmware. */
#include "machine/board.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int board_kernel_init(struct board_kernel *k, const struct machine_config *cfg, struct err *err)
{
    *k = (struct board_kernel){
        .opt = {cfg->kernel, cfg->initrd, cfg->append, k->module, cfg->nmodules}};
    for (unsigned n = 0; n < cfg->nmodules; n++) {
        char *comma;

        k->text[n] = strdup(cfg->module[n]);
        if (!k->text[n]) {
            board_kernel_dispose(k);
            return err_set(err, ENOMEM, "--module: out of memory");
        }
        comma = strchr(k->text[n], ',');
        if (comma)
            *comma = '\0';
        k->module[n] = (struct boot_module){k->text[n], comma ? comma + 1 : NULL};
    }
    return 0;
}

void board_kernel_dispose(struct board_kernel *k)
{
    for (unsigned n = 0; n < ARRAY_SIZE(k->text); n++)
        free(k->text[n]);
    *k = (struct board_kernel){0};
}

int board_load_kernel(struct machine *m, struct err *err)
{
    struct fw_platform plat = board_platform(m);
    struct board_kernel k;
    struct boot_state state;
    int rc = board_kernel_init(&k, m->cfg, err);

    if (rc)
        return rc;
    rc = boot_load(&state, m->vm.mem, &k.opt, &plat, err);
    if (!rc)
        boot_apply(&state, m->vm.cpu[0]);
    board_kernel_dispose(&k);
    return rc;
}
