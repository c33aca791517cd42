/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/capture.h"
#include "net/net.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define PCAP_MAGIC    0xa1b2c3d4u
#define LINK_ETHERNET 1u

struct file_head {
    u32 magic;
    u16 major, minor;
    s32 zone;
    u32 sigfigs, snaplen, link;
};

struct frame_head {
    u32 sec, usec, kept, len;
};

int capture_open(struct capture *c, const char *path, u32 snaplen, struct err *err)
{
    struct file_head head = {.magic = PCAP_MAGIC, .major = 2, .minor = 4, .link = LINK_ETHERNET};
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0600), rc;

    *c = (struct capture){.snaplen = snaplen && snaplen < NET_FRAME_MAX ? snaplen : NET_FRAME_MAX};
    head.snaplen = c->snaplen;
    if (fd >= 0 && write(fd, &head, sizeof(head)) == (ssize_t)sizeof(head)) {
        c->file = fd + 1;
        return 0;
    }
    rc = err_set(err, errno ? errno : EIO, "%s: %s", path, strerror(errno ? errno : EIO));
    if (fd >= 0)
        close(fd);
    return rc;
}

void capture_frame(struct capture *c, u64 t, const u8 *frame, size_t len)
{
    u32 kept = (u32)min_u64(len, c->snaplen);
    struct frame_head head = {.sec = (u32)(t / NSEC_PER_SEC),
                              .usec = (u32)(t % NSEC_PER_SEC / 1000),
                              .kept = kept,
                              .len = (u32)len};
    struct iovec iov[2] = {{&head, sizeof(head)}, {(void *)(uintptr_t)frame, kept}};

    if (c->file && writev(c->file - 1, iov, 2) != (ssize_t)(sizeof(head) + kept))
        capture_close(c);
}

void capture_close(struct capture *c)
{
    if (c->file)
        close(c->file - 1);
    c->file = 0;
}
