# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's drivers while devices come and go, on USB, and through S3; by a shell on the serial port."""

import os
import struct
import time

from console import PROMPT, fetch_kernel, want
from pc_common import GENERIC, MIB, digest, noise, read, with_modules
from qmp import Qmp
from screen import Machine, write


def aside(command, output):
    """Has the guest run it beside the shell, with its number in /tmp/aside. It is no job of the shell's:
    busybox' at times takes the end of one, while it reads a line, for the end of its input."""
    return f"(setsid {command} >{output} 2>&1 & echo $! >/tmp/aside)"


class Shell(Machine):
    """A guest with Debian's drivers loaded, a shell on its serial port, and QMP."""

    def __init__(self, a, directory, *options):
        super().__init__(a, directory, "--kernel", fetch_kernel(GENERIC), "--initrd",
                         with_modules(directory, **({"tray": a.tray} if a.tray else {})), "--append", "console=ttyS0 panic=-1 quiet",
                         "--qmp", f"unix:{directory}/qmp", *options, terminal=True)
        self.expect(PROMPT, self.expect(rb"Leave with exit"))
        self.qmp = Qmp(directory + "/qmp")
        self.shell(b"stty -echo", b"-echo\r\n")
        self.run("for module in $(cat /modules/order); do insmod /modules/$module || "
                 "[ $module = efivarfs.ko ] || echo FAIL; done")

    def run(self, line):
        """What a line of the shell prints, within which nothing may fail."""
        start = len(self.text)
        self.type(line.encode() + b"; echo DONE\r")
        at = self.expect(rb"DONE\r\n", start)
        self.expect(PROMPT, at)
        said = self.text[start:at].decode("latin-1").replace("\r", "")[:-len("DONE\n")]
        want("FAIL" not in said, f"{line}:\n{said}")
        return said

    def until(self, condition):
        self.run(f"n=0; until {condition}; do sleep 0.1; n=$((n + 1)); "
                 "[ $n = 300 ] && { echo FAIL; break; }; done")

    def reports(self, place, name, wanted, act):
        """Has a device at that place of a bus report events (type, code, value)."""
        self.run("dev=; for e in /sys/class/input/event*; do "
                 f"grep -q '{name}' $e/device/name && readlink -f $e | grep -q {place} && "
                 "dev=/dev/input/${e##*/}; done; " + aside("cat $dev", "/tmp/events") + "; sleep 0.2")
        act()
        seen = []
        for _ in range(100):
            text = self.run("hexdump -v -e '1/1 \"%02x\"' /tmp/events; echo")
            seen = [e[2:] for e in struct.iter_unpack("<qqHHi", bytes.fromhex(text.split()[-1]))] \
                if text.strip() else []
            if all(e in seen for e in wanted):
                break
            time.sleep(0.1)
        want(all(e in seen for e in wanted), f"{name} at {place}: {seen}, want {wanted}")
        self.run("kill $(cat /tmp/aside)")

    def sum(self, device):
        return self.run(f"sha256sum <{device}")[:64]

    def end(self):
        self.type(b"exit\r")
        want(self.status() == 0, "the machine does not end well")


def plug_card(m, driver, data):
    """A card comes, works, and goes."""
    m.qmp("netdev_add", type="user", id="n-" + driver, tftp=os.path.dirname(data))
    m.qmp("device_add", driver=driver, id="c-" + driver, netdev="n-" + driver, mac="52:54:00:ab:cd:ef")
    m.until("grep -qs 52:54:00:ab:cd:ef /sys/class/net/eth*/address")
    m.run("card=$(grep -l 52:54:00:ab:cd:ef /sys/class/net/eth*/address | cut -d/ -f5)")
    m.run("ifconfig $card 10.0.2.15; tftp -g -r data -l /tmp/data -b 1400 10.0.2.2 || echo FAIL")
    want(m.sum("/tmp/data") == digest(read(data)), f"what {driver} receives differs")
    m.qmp("device_del", id="c-" + driver)
    want(m.qmp.event("DEVICE_DELETED")["device"] == "c-" + driver, "another device goes")
    m.until("[ ! -d /sys/class/net/$card ]")
    m.qmp("netdev_del", id="n-" + driver)


def disk_comes(m, kind):
    """$disk is then the one disk of that kind: a number may not be free again so soon."""
    m.until(f"ls /sys/block | grep -q ^{kind}")
    m.run(f"disk=/dev/$(ls /sys/block | grep ^{kind}); [ -b $disk ] || echo FAIL")


def disk_goes(m, kind):
    m.until(f"! ls /sys/block | grep -q ^{kind}")


def plug_disk(m, path, data, driver, kind, **where):
    """A disk comes twice, the second time to a place that was used; what the image holds then."""
    m.qmp("blockdev-add", driver="raw", node_name="d1", file={"driver": "file", "filename": path})
    for n in range(2):
        m.qmp("device_add", driver=driver, id="v1", drive="d1", serial="hot", **where)
        disk_comes(m, kind)
        want(m.sum("$disk") == digest(data), f"{driver} is read wrongly")
        m.run(f"echo hot{n} | dd of=$disk bs=512 seek={n} conv=sync,fsync 2>/dev/null || echo FAIL")
        m.qmp("device_del", id="v1")
        m.qmp.event("DEVICE_DELETED")
        disk_goes(m, kind)
        data = data[:512 * n] + (b"hot%d\n" % n).ljust(512, b"\0") + data[512 * (n + 1):]
    m.qmp("blockdev-del", node_name="d1")
    want(read(path) == data, f"{driver} is written wrongly")
    return data


def pull_out(m, path, driver):
    """A disk goes while it is read: the reader sees an error, and that is all."""
    m.qmp("blockdev-add", driver="raw", node_name="d2", file={"driver": "file", "filename": path})
    m.qmp("device_add", driver=driver, id="v2", drive="d2")
    disk_comes(m, "sd")
    m.run(aside('sh -c "while dd if=$disk of=/dev/null iflag=direct bs=64k; do :; done; >/tmp/over"',
                "/dev/null"))
    m.qmp("device_del", id="v2")
    m.until("[ -f /tmp/over ]")
    disk_goes(m, "sd")
    m.run("rm /tmp/over")
    m.qmp("blockdev-del", node_name="d2")


def plug_cdrom(m, path, data):
    m.qmp("device_add", driver="scsi-cd", id="cd1", bus="scsi0.0", scsi_id=9)
    m.until("[ -b /dev/sr1 ]")
    m.qmp("blockdev-change-medium", id="cd1", filename=path)
    m.until(f"[ $(cat /sys/block/sr1/size) = {len(data) // 512} ] || ! head -c 1 /dev/sr1 >/dev/null")
    want(m.sum("/dev/sr1") == digest(data), "the disc is read wrongly")
    m.qmp("device_del", id="cd1")
    m.until("[ ! -d /sys/block/sr1 ]")


def plug_keyboard(m, bus, place):
    m.qmp("device_add", driver="usb-kbd", id="k1", bus=bus)
    m.run(f"there() {{ for e in /sys/class/input/event*; do readlink -f $e | grep -q {place} && "
          "grep -q 'USB Keyboard' $e/device/name && return; done; return 1; }")
    m.until("there")
    m.reports(place, "USB Keyboard", [(1, 30, 1), (1, 30, 0)],
              lambda: m.qmp("send-key", keys=[{"type": "qcode", "data": "a"}]))
    m.qmp("device_del", id="k1")
    m.until("! there")


def test_plug(a, directory):
    """Cards, disks, a CD-ROM drive and keyboards come and go."""
    os.mkdir(directory + "/tftp")
    data, disk = noise(100000, 3), noise(3 * MIB, 4)
    write(directory + "/tftp/data", data)
    path, disc = write(directory + "/disk", disk), write(directory + "/disc", noise(MIB, 5))
    with Shell(a, directory, "--cdrom", "none,bus=scsi", "--usb", "tablet,bus=xhci",
               "--usb", "tablet") as m:
        want(len(m.qmp("query-vnc")["clients"]) == 1, "our viewer is not told of")
        plug_card(m, "virtio-net-pci", directory + "/tftp/data")
        plug_card(m, "e1000", directory + "/tftp/data")
        disk = plug_disk(m, path, disk, "virtio-blk-pci", "vd")
        disk = plug_disk(m, path, disk, "scsi-hd", "sd", scsi_id=4)
        disk = plug_disk(m, path, disk, "usb-storage", "sd", bus="xhci.0")
        plug_disk(m, path, disk, "usb-storage", "sd", bus="usb-bus.0")
        pull_out(m, path, "scsi-hd")
        pull_out(m, path, "usb-storage")
        plug_cdrom(m, disc, read(disc))
        plug_keyboard(m, "xhci.0", m.run("basename /sys/bus/pci/drivers/xhci_hcd/0000*").strip())
        plug_keyboard(m, "usb-bus.0", "00:01.2")
        m.end()


def usb_input(m, place):
    """Keyboard and tablet at that place."""
    def key():
        m.qmp("send-key", keys=[{"type": "qcode", "data": "a"}])

    def point():
        for x, down in [(8192, False), (16384, True)]:
            events = [{"type": "abs", "data": {"axis": "x", "value": x}},
                      {"type": "abs", "data": {"axis": "y", "value": 24576}},
                      {"type": "btn", "data": {"button": "left", "down": down}}]
            m.qmp("input-send-event", events=events)

    m.reports(place, "USB Keyboard", [(1, 30, 1), (1, 30, 0)], key)
    m.reports(place, "USB Tablet", [(3, 0, 8192), (3, 0, 16384), (3, 1, 24576), (1, 0x110, 1)], point)


def usb_mouse(m, place):
    def move():
        m.qmp("input-send-event", events=[{"type": "rel", "data": {"axis": "x", "value": 5}},
                                          {"type": "rel", "data": {"axis": "y", "value": -3}}])
    m.reports(place, "USB Mouse", [(2, 0, 5), (2, 1, -3)], move)


def test_usb(a, directory):
    """Input devices and disks, on ports of xHCI and behind a hub of UHCI."""
    disks = {speed: noise(size, size) for speed, size in [("5000", 5 * MIB), ("12", 4 * MIB)]}
    for speed, data in disks.items():
        write(f"{directory}/disk{speed}", data)
    uhci = "00:01.2"
    with Shell(a, directory, "--usb", "tablet,bus=xhci", "--usb", "keyboard,bus=xhci",
               "--disk", f"{directory}/disk5000,bus=xhci", "--usb", "keyboard", "--usb", "tablet",
               "--usb", "mouse", "--disk", f"{directory}/disk12,bus=usb") as m:
        m.run("grep -q 'ImExPS/2' /proc/bus/input/devices || echo FAIL")
        m.until("[ -b /dev/sda -a -b /dev/sdb ]")
        for name in ["sda", "sdb"]:
            path = m.run(f"readlink -f /sys/block/{name}").strip()
            speed = m.run(f"cat {path.split('/host')[0].rpartition('/')[0]}/speed").strip()
            want((uhci in path) == (speed == "12"), f"a disk at {path} is at {speed} Mbit/s")
            want(m.sum("/dev/" + name) == digest(disks[speed]), f"the disk at {path} is read wrongly")
        xhci = m.run("basename /sys/bus/pci/drivers/xhci_hcd/0000*").strip()
        usb_input(m, xhci)
        usb_mouse(m, uhci)
        # Without those at xHCI the others get what is typed and pointed.
        m.run("for d in /sys/bus/usb/devices/*/product; do readlink -f $d | grep -q " + xhci +
              " && grep -q 'Keyboard\\|Tablet' $d && echo 0 >${d%/*}/authorized; done; true")
        usb_input(m, uhci)
        m.end()


def test_sleep(a, directory):
    """S3 with devices at work, and a tray that the guest moves."""
    disk, discs = noise(3 * MIB, 4), [noise(n * MIB, n) for n in (1, 2)]
    write(directory + "/disk", disk)
    paths = [write(f"{directory}/disc{n}", data) for n, data in enumerate(discs)]
    with Shell(a, directory, "--cdrom", paths[0], "--disk", directory + "/disk,bus=ahci",
               "--net", "user,model=e1000", "--usb", "keyboard,bus=xhci", "--cpus", "2") as m:
        m.until("[ -b /dev/sr0 -a -b /dev/sda ]")
        want(m.sum("/dev/sr0") == digest(discs[0]), "the disc is read wrongly")
        m.run("/tray /dev/sr0 open || echo FAIL")
        want(m.qmp.event("DEVICE_TRAY_MOVED")["tray-open"], "the tray closes")
        m.qmp("blockdev-change-medium", device="ide1-cd0", filename=paths[1])
        want(not m.qmp.event("DEVICE_TRAY_MOVED")["tray-open"], "the tray opens")
        m.until("[ $(cat /sys/block/sr0/size) = 4096 ] || ! head -c 1 /dev/sr0 >/dev/null")
        want(m.sum("/dev/sr0") == digest(discs[1]), "the other disc is read wrongly")

        m.run("ifconfig eth0 10.0.2.15; echo 0 >/sys/class/rtc/rtc0/wakealarm")
        m.type(b"echo +8 >/sys/class/rtc/rtc0/wakealarm; echo mem >/sys/power/state; echo BACK\r")
        m.qmp.event("SUSPEND")
        want(m.qmp("query-status")["status"] == "suspended", "it does not sleep")
        m.qmp.event("WAKEUP")
        m.expect(PROMPT, m.expect(rb"BACK\r"))
        m.type(b"echo mem >/sys/power/state; echo AGAIN\r")
        m.qmp.event("SUSPEND")
        m.qmp("system_wakeup")
        m.expect(PROMPT, m.expect(rb"AGAIN\r"))
        want(m.sum("/dev/sda") == digest(disk), "after S3 the disk is read wrongly")
        want(m.sum("/dev/sr0") == digest(discs[1]), "after S3 the disc is read wrongly")
        m.until("ping -c 1 -W 1 10.0.2.2 >/dev/null")
        xhci = m.run("basename /sys/bus/pci/drivers/xhci_hcd/0000*").strip()
        m.reports(xhci, "USB Keyboard", [(1, 30, 1), (1, 30, 0)],
                  lambda: m.qmp("send-key", keys=[{"type": "qcode", "data": "a"}]))
        m.end()
