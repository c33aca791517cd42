/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Runs inside a guest, as its user's `eject` would: opens or closes the tray of a CD-ROM drive. */
#include <fcntl.h>
#include <linux/cdrom.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

int main(int argc, char **argv)
{
    int fd = argc == 3 ? open(argv[1], O_RDONLY | O_NONBLOCK) : -1;

    if (fd >= 0 && !ioctl(fd, strcmp(argv[2], "open") ? CDROMCLOSETRAY : CDROMEJECT))
        return 0;
    perror("tray");
    return 1;
}
