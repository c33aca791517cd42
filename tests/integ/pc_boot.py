# SPDX-License-Identifier: GPL-2.0-or-later
"""Boot loaders on the "pc" and a memory tester, watched by VNC and the serial port."""

import os
import re
import shutil
import struct

from console import PROMPT, fetch_kernel, initramfs, want
from pc_common import CLOUD
from screen import Machine, tool, write

SYSLINUX = "/usr/lib/syslinux/modules/bios"
GRUB = "/usr/lib/grub-rescue"
MEMTEST = "/usr/lib/memtest86+/memtest86+x64.iso"


def fat_floppy(directory):
    """A floppy disk with one file; returns its path."""
    image = os.path.join(directory, "floppy.img")
    tool("mkfs.vfat", "-C", image, "1440")
    tool("mcopy", "-i", image, write(os.path.join(directory, "f"), b"floppy"), "::/ONFLOPPY.TXT")
    return image


def fat_disk(directory):
    """A hard disk of 16 MiB, one partition, with one file; returns its path."""
    image = os.path.join(directory, "disk.img")
    first, count = 2048, 30720
    entry = struct.pack("<B3sB3sII", 0, b"\0\2\0", 6, b"\0\0\0", first, count)
    write(image, bytes(0x1BE) + entry + bytes(48) + b"\x55\xaa")
    os.truncate(image, (first + count) * 512)
    tool("mkfs.vfat", "--offset", str(first), image, str(count // 2))
    tool("mcopy", "-i", f"{image}@@{first * 512}", write(os.path.join(directory, "d"), b"disk"),
         "::/ONDISK.TXT")
    return image


def grub(a, directory, floppy, *options):
    with Machine(a, directory, "--disk", fat_disk(directory), *options) as m:
        m.see("automatically in")
        m.screen.press("c")
        m.see("grub>")
        m.screen.type("ls\n")
        m.see(f"({floppy})")
        m.screen.type("ls (hd0,msdos1)/\n")
        m.see("ondisk.txt")
        m.screen.type(f"ls ({floppy})/\n")
        m.see("onfloppy.txt")
        m.screen.type("halt\n")
        want(m.status() == 0, "GRUB's halt does not end the machine well")


def test_grub_cd(a, directory):
    """GRUB from a CD-ROM lists a disk and a floppy."""
    grub(a, directory, "fd0", "--boot", "cdrom", "--floppy", fat_floppy(directory),
         "--cdrom", GRUB + "/grub-rescue-cdrom.iso")


def test_grub_floppy(a, directory):
    """GRUB from a floppy does."""
    grub(a, directory, "fd1", "--boot", "floppy", "--floppy",
         GRUB + "/grub-rescue-floppy.img,ro", "--floppy", fat_floppy(directory))


def test_memtest(a, directory):
    """A whole pass of 64 MiB takes three minutes, of which 80 seconds wait for bits to fade."""
    with Machine(a, directory, "--cdrom", MEMTEST, "--cpus", "2", "--memory", "64M") as m:
        text = m.see(re.compile(r"Test #([5-9]|10) "))
        want("2 Cores 2 Threads    SMP: 2T" in text, "not both CPUs are at work\n" + text)
        want(re.search(r"Errors: 0\b", text), "errors\n" + text)


def test_isolinux(a, directory):
    """A CD-ROM boots Linux, which resets the machine and boots again."""
    tree = os.path.join(directory, "tree")
    os.mkdir(tree)
    for path in ["/usr/lib/ISOLINUX/isolinux.bin", SYSLINUX + "/ldlinux.c32"]:
        shutil.copy(path, tree)
    shutil.copy(fetch_kernel(CLOUD), tree + "/vmlinuz")
    shutil.copy(initramfs(directory), tree + "/initrd")
    write(tree + "/isolinux.cfg", b"serial 0\ndefault linux\nlabel linux\nkernel vmlinuz\n"
          b"initrd initrd\nappend console=ttyS0 panic=-1 quiet\n")
    iso = os.path.join(directory, "boot.iso")
    tool("xorriso", "-as", "mkisofs", "-quiet", "-o", iso, "-b", "isolinux.bin", "-c", "boot.cat",
         "-no-emul-boot", "-boot-load-size", "4", "-boot-info-table", tree)
    with Machine(a, directory, "--cdrom", iso, "--cpus", "2", terminal=True) as m:
        m.expect(PROMPT, m.expect(rb"Leave with exit"))
        m.shell(b"nproc", rb"\n2\r")
        at = len(m.text)
        m.type(b"reboot -f\r")
        at = m.expect(rb"ISOLINUX", at)
        m.expect(PROMPT, m.expect(rb"Leave with exit", at))
        m.type(b"exit\r")
        want(m.status() == 0, "the machine does not end well")


def test_netboot(a, directory):
    """pxelinux over the card's option ROM, DHCP and TFTP."""
    os.mkdir(directory + "/pxelinux.cfg")
    for path in ["/usr/lib/PXELINUX/pxelinux.0", SYSLINUX + "/ldlinux.c32"]:
        shutil.copy(path, directory)
    shutil.copy(fetch_kernel(CLOUD), directory + "/vmlinuz")
    initramfs(directory)
    write(directory + "/pxelinux.cfg/default", b"default linux\nlabel linux\nkernel vmlinuz\n"
          b"initrd initramfs.cpio\nappend console=ttyS0 panic=-1 quiet\n")
    with Machine(a, directory, "--boot", "net", "--net",
                 f"user,model=e1000,tftp={directory},bootfile=pxelinux.0", terminal=True) as m:
        m.expect(PROMPT, m.expect(rb"Leave with exit"))
        m.shell(b"cat /proc/cmdline", rb"BOOT_IMAGE=vmlinuz")
        m.type(b"exit\r")
        want(m.status() == 0, "the machine does not end well")
