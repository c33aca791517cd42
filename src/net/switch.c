/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/switch.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define RETRY_S 1

/* Why the port's socket cannot be connected to. */
static int explain(const struct net_switch_config *cfg, const char *path, struct err *err)
{
    char control[SWITCH_PATH_MAX], dir[SWITCH_PATH_MAX];
    int why = errno;

    if (access(path, F_OK) < 0 && errno == ENOENT && !switch_dir(dir, cfg->name, err) &&
        !switch_control_path(control, dir, err) && !access(control, F_OK))
        return err_set(err, ENOENT, "switch %s: has no port %s; make it: domus switch %s port %s",
                       cfg->name, cfg->port, cfg->name, cfg->port);
    return err_set(err, why ? why : ECONNREFUSED,
                   "switch %s: does not run (%s); start it: domus switch %s start", cfg->name, path,
                   cfg->name);
}

int net_switch_new(struct net_socket **out, const struct net_switch_config *cfg, struct loop *loop,
                   struct clock *clk, pthread_mutex_t *lock, struct err *err)
{
    struct net_socket_config socket = {.mode = NET_SOCKET_CONNECT, .reconnect = RETRY_S};
    char dir[SWITCH_PATH_MAX], path[SWITCH_PATH_MAX];
    int rc = switch_dir(dir, cfg->name, err);

    if (!rc)
        rc = switch_port_path(path, dir, *cfg->port ? cfg->port : SWITCH_ANY_PORT, err);
    if (rc)
        return rc;
    snprintf(socket.addr, sizeof(socket.addr), "unix:%s", path);
    errno = 0;
    rc = net_socket_new(out, &socket, loop, clk, lock, err);
    if (rc)
        return rc;
    if (net_socket_connected(*out))
        return 0;
    net_socket_free(*out);
    *out = NULL;
    return explain(cfg, path, err);
}
