/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ui/vnc_listen.h"
#include "os/file.h"
#include "os/sock.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int bad(struct err *err, const char *text)
{
    return err_set(err, EINVAL,
                   "vnc=%s: want [HOST][:N], N a display number below %u or a port, or unix:PATH; "
                   "then perhaps ,password=FILE",
                   text, VNC_DISPLAYS);
}

static bool copy(char *to, const char *from, size_t n)
{
    if (n >= VNC_WHERE_MAX)
        return false;
    memcpy(to, from, n);
    to[n] = '\0';
    return true;
}

/* The one option there is. */
static bool parse_options(struct vnc_where *w, const char *text)
{
    static const char key[] = ",password=";

    if (!*text)
        return true;
    return !strncmp(text, key, strlen(key)) && text[strlen(key)] &&
           copy(w->password_file, text + strlen(key), strlen(text + strlen(key)));
}

static bool parse_number(struct vnc_where *w, const char *text, size_t n)
{
    unsigned long val;
    char *end;

    if (!n || *text < '0' || *text > '9')
        return false;
    val = strtoul(text, &end, 10);
    if (end != text + n || val > 65535)
        return false;
    w->port = (u16)(val < VNC_DISPLAYS ? VNC_PORT + val : val);
    return true;
}

/* [HOST][:N] in n bytes; HOST with colons in brackets. */
static bool parse_tcp(struct vnc_where *w, const char *text, size_t n)
{
    const char *end = text + n, *host = text, *host_end, *colon;

    if (n && *text == '[') {
        host++;
        host_end = memchr(text, ']', n);
        if (!host_end)
            return false;
        colon = host_end + 1;
    } else {
        colon = memchr(text, ':', n);
        host_end = colon ? colon : end;
    }
    w->port = VNC_PORT;
    if (colon && colon < end &&
        (*colon != ':' || !parse_number(w, colon + 1, (size_t)(end - colon - 1))))
        return false;
    if (host == host_end)
        return copy(w->host, "127.0.0.1", 9);
    return copy(w->host, host, (size_t)(host_end - host));
}

int vnc_where_parse(struct vnc_where *w, const char *text, struct err *err)
{
    const char *comma = strchr(text, ',');
    size_t n = comma ? (size_t)(comma - text) : strlen(text);
    bool ok;

    memset(w, 0, sizeof(*w));
    w->is_unix = !strncmp(text, "unix:", 5);
    if (w->is_unix)
        ok = n > 5 && copy(w->host, text + 5, n - 5);
    else
        ok = parse_tcp(w, text, n);
    if (!ok || !parse_options(w, text + n))
        return bad(err, text);
    if (w->is_unix)
        snprintf(w->address, sizeof(w->address), "%s", w->host);
    else
        snprintf(w->address, sizeof(w->address), strchr(w->host, ':') ? "[%s]:%u" : "%s:%u",
                 w->host, w->port);
    return 0;
}

static int listen_on(const struct addrinfo *a)
{
    int one = 1, rc;
    int fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, a->ai_protocol);

    if (fd < 0)
        return -errno;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(fd, a->ai_addr, a->ai_addrlen) || listen(fd, 16)) {
        rc = -errno;
        close(fd);
        return rc;
    }
    return fd;
}

int vnc_listen(const struct vnc_where *w, struct err *err)
{
    struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found;
    char port[8];
    int rc;

    if (w->is_unix)
        return sock_listen_unix(w->host, err);
    snprintf(port, sizeof(port), "%u", w->port);
    rc = getaddrinfo(w->host, port, &hints, &found);
    if (rc)
        return err_set(err, EADDRNOTAVAIL, "vnc=%s: %s", w->address, gai_strerror(rc));
    rc = -EADDRNOTAVAIL;
    for (const struct addrinfo *a = found; a && rc < 0; a = a->ai_next)
        rc = listen_on(a);
    freeaddrinfo(found);
    return rc >= 0 ? rc : err_set(err, -rc, "vnc=%s: cannot listen: %s", w->address, strerror(-rc));
}

int vnc_read_password(const struct vnc_where *w, char out[VNC_PASSWORD_MAX + 1], struct err *err)
{
    u8 *data;
    size_t size, n = 0;
    int rc = file_read_all(w->password_file, &data, &size, 4096, err);

    if (rc)
        return rc;
    while (n < size && data[n] && data[n] != '\n' && data[n] != '\r')
        n++;
    if (!n || n > VNC_PASSWORD_MAX)
        rc = err_set(err, EINVAL,
                     "%s: a VNC password has 1 to %u characters, in the file's first line",
                     w->password_file, VNC_PASSWORD_MAX);
    else
        memcpy(out, data, n), out[n] = '\0';
    explicit_bzero(data, size);
    free(data);
    return rc;
}
