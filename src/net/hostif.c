/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/hostif.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <net/if_arp.h>
#include <net/route.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define FIRST_BYTE 0xfe /* higher than any other port's, whose lowest address a bridge takes */

bool hostif_exists(const char *ifname)
{
    return if_nametoindex(ifname) != 0;
}

static struct ifreq request(const char *ifname)
{
    struct ifreq ifr = {.ifr_flags = 0};

    snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", ifname);
    return ifr;
}

static struct sockaddr inet_addr_of(u32 addr)
{
    struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(addr)};
    struct sockaddr sa;

    memcpy(&sa, &sin, sizeof(sa));
    return sa;
}

/* 0 or -errno. */
static int call(unsigned long number, void *arg)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int rc = fd < 0 || ioctl(fd, number, arg) < 0 ? -errno : 0;

    if (fd >= 0)
        close(fd);
    return rc;
}

static int failed(const char *ifname, const char *what, int rc, struct err *err)
{
    return err_set(err, -rc, "%s: %s: %s", ifname, what, strerror(-rc));
}

int hostif_up(const char *ifname, struct err *err)
{
    struct ifreq ifr = request(ifname);
    int rc = call(SIOCGIFFLAGS, &ifr);

    ifr.ifr_flags |= IFF_UP;
    if (!rc)
        rc = call(SIOCSIFFLAGS, &ifr);
    return rc ? failed(ifname, "cannot be brought up", rc, err) : 0;
}

static int fix_address(const char *ifname)
{
    struct ifreq ifr = request(ifname);
    int rc = call(SIOCGIFHWADDR, &ifr);

    ifr.ifr_hwaddr.sa_data[0] = (char)FIRST_BYTE;
    return rc ? rc : call(SIOCSIFHWADDR, &ifr);
}

static int take_mtu(const char *ifname, const char *from)
{
    struct ifreq ifr = request(from), own = request(ifname);
    int rc = call(SIOCGIFMTU, &ifr);

    own.ifr_mtu = ifr.ifr_mtu;
    return rc ? rc : call(SIOCSIFMTU, &own);
}

int hostif_join_bridge(const char *ifname, const char *bridge, struct err *err)
{
    struct ifreq ifr = request(bridge);
    struct err ignored; /* a host without IPv6 */
    int rc;

    if (hostif_set(ifname, "ipv6/conf", "disable_ipv6", 1, &ignored))
        ignored.text[0] = 0;
    rc = fix_address(ifname);
    if (rc)
        return failed(ifname, "cannot set its address", rc, err);
    rc = take_mtu(ifname, bridge);
    if (rc)
        return failed(ifname, "cannot set its MTU to the bridge's", rc, err);
    ifr.ifr_ifindex = (int)if_nametoindex(ifname);
    rc = call(SIOCBRADDIF, &ifr);
    if (rc)
        return failed(bridge, rc == -EOPNOTSUPP ? "is no bridge" : "takes no port", rc, err);
    return hostif_up(ifname, err);
}

int hostif_add_address(const char *ifname, u32 addr, unsigned prefix, struct err *err)
{
    struct ifreq ifr = request(ifname), mask = request(ifname);
    int rc;

    ifr.ifr_addr = inet_addr_of(addr);
    mask.ifr_netmask = inet_addr_of(prefix ? ~0u << (32 - prefix) : 0);
    rc = call(SIOCSIFADDR, &ifr);
    if (!rc)
        rc = call(SIOCSIFNETMASK, &mask);
    return rc ? failed(ifname, "cannot set its IP address", rc, err) : 0;
}

int hostif_add_route(const char *ifname, u32 addr, struct err *err)
{
    char name[IFNAMSIZ];
    struct rtentry rt = {.rt_dst = inet_addr_of(addr),
                         .rt_genmask = inet_addr_of(~0u),
                         .rt_gateway = inet_addr_of(0),
                         .rt_flags = RTF_UP | RTF_HOST,
                         .rt_dev = name};
    int rc;

    snprintf(name, sizeof(name), "%s", ifname);
    rc = call(SIOCADDRT, &rt);
    return rc ? failed(ifname, "cannot add a route to the guest", rc, err) : 0;
}

int hostif_proxy(const char *ifname, u32 addr, bool on, struct err *err)
{
    struct arpreq req = {.arp_pa = inet_addr_of(addr),
                         .arp_netmask = inet_addr_of(~0u),
                         .arp_flags = ATF_PUBL | ATF_PERM};
    int rc;

    snprintf(req.arp_dev, sizeof(req.arp_dev), "%s", ifname);
    rc = call(on ? SIOCSARP : SIOCDARP, &req);
    return rc ? failed(ifname, "cannot set proxy ARP for the guest", rc, err) : 0;
}

static int open_key(const char *ifname, const char *group, const char *key, int flags)
{
    char path[128];
    int fd;

    snprintf(path, sizeof(path), "/proc/sys/net/%s/%s/%s", group, ifname, key);
    fd = open(path, flags | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int hostif_set(const char *ifname, const char *group, const char *key, int value, struct err *err)
{
    int fd = open_key(ifname, group, key, O_WRONLY), rc = fd < 0 ? fd : 0;
    char text[16];
    int n = snprintf(text, sizeof(text), "%d\n", value);

    if (!rc && write(fd, text, (size_t)n) != n)
        rc = -errno;
    if (fd >= 0)
        close(fd);
    return rc ? err_set(err, -rc, "%s: cannot set net/%s/%s/%s: %s", ifname, group, ifname, key,
                        strerror(-rc))
              : 0;
}

int hostif_get(const char *ifname, const char *group, const char *key)
{
    int fd = open_key(ifname, group, key, O_RDONLY);
    char text[16] = "";
    ssize_t r = fd < 0 ? fd : read(fd, text, sizeof(text) - 1);

    if (fd >= 0)
        close(fd);
    return r < 0 ? (int)r : atoi(text);
}
