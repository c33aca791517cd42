/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/addr.h"

#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

static int parse_unix(struct net_addr *out, const char *path, struct err *err)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};

    if (!*path || strlen(path) >= sizeof(un.sun_path))
        return err_set(err, EINVAL, "unix:%s: the path must have 1 to %zu bytes", path,
                       sizeof(un.sun_path) - 1);
    strcpy(un.sun_path, path);
    memcpy(&out->sa, &un, sizeof(un));
    out->len = sizeof(un);
    return 0;
}

static bool is_port(const char *text)
{
    char *end;
    unsigned long port = strtoul(text, &end, 10);

    return *text >= '0' && *text <= '9' && !*end && port <= 65535;
}

static int look_up(struct net_addr *out, const char *text, int family, bool passive,
                   struct err *err)
{
    struct addrinfo hints = {.ai_family = family,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = passive ? AI_PASSIVE : 0},
                    *found;
    const char *colon = strrchr(text, ':'), *from = text;
    char host[256];
    size_t n;
    int r;

    if (!colon || !is_port(colon + 1))
        return err_set(err, EINVAL, "'%s' is not HOST:PORT with a port up to 65535", text);
    n = (size_t)(colon - text);
    if (n >= 2 && *from == '[' && colon[-1] == ']') {
        from++;
        n -= 2;
    }
    if (n >= sizeof(host))
        return err_set(err, EINVAL, "'%s': the host name is too long", text);
    memcpy(host, from, n);
    host[n] = 0;
    r = getaddrinfo(n ? host : NULL, colon + 1, &hints, &found);
    if (r)
        return err_set(err, EINVAL, "'%s': %s", text, gai_strerror(r));
    memcpy(&out->sa, found->ai_addr, found->ai_addrlen);
    out->len = found->ai_addrlen;
    freeaddrinfo(found);
    return 0;
}

int net_addr_parse(struct net_addr *out, const char *text, bool to_listen, struct err *err)
{
    *out = (struct net_addr){0};
    if (!strncmp(text, "unix:", 5))
        return parse_unix(out, text + 5, err);
    return look_up(out, text, *text == ':' ? AF_INET : AF_UNSPEC, to_listen, err);
}

int net_addr_parse_ipv4(struct net_addr *out, const char *text, struct err *err)
{
    *out = (struct net_addr){0};
    return look_up(out, text, AF_INET, true, err);
}
