# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's drivers on the devices of the "pc", in one guest."""

import hashlib
import os
import re
import struct
import time

from console import fetch_kernel, tail, want
from pc_common import GENERIC, MIB, Collector, noise, read, with_modules
from screen import Machine, tool, write

# What runs in the guest. Disks are told apart by their size; each gets a copy of its first MiB
# a MiB further on.
DEVICES = r"""
echo 3 >/proc/sys/kernel/printk
for module in $(cat /modules/order); do insmod /modules/$module ||
    [ $module = efivarfs.ko ] || echo "FAIL insmod $module"; done

n=0
until [ -b /dev/sdc ] && [ -b /dev/sr0 ] || [ $n = 100 ]; do sleep 0.1; n=$((n + 1)); done
for disk in sda sdb sdc; do
    size=$(cat /sys/block/$disk/size)
    echo "SUM disk$size $(sha256sum </dev/$disk)"
    dd if=/dev/$disk of=/tmp/part bs=64k count=16 2>/dev/null
    dd if=/tmp/part of=/dev/$disk bs=64k seek=16 conv=fsync 2>/dev/null || echo "FAIL write $disk"
done

echo "SUM cdrom $(sha256sum </dev/sr0)"
mkdir -p /mnt
mount -t iso9660 -o ro /dev/sr0 /mnt && echo "SUM file $(sha256sum </mnt/file)"
umount /mnt

echo "SUM floppy $(sha256sum </dev/fd0)"
dd if=/tmp/part of=/dev/fd0 bs=18k seek=10 count=4 conv=fsync 2>/dev/null || echo FAIL write floppy

cat >/tmp/dhcp <<'END'
#!/bin/sh
[ "$1" = bound ] && ifconfig $interface $ip netmask $subnet
END
chmod 755 /tmp/dhcp
for card in /sys/class/net/eth*; do
    name=${card##*/}
    driver=$(basename $(readlink -f $card/device/driver))
    ifconfig $name up
    udhcpc -i $name -n -q -t 5 -T 1 -s /tmp/dhcp >/dev/null 2>&1 || echo "FAIL no lease by $driver"
    cd /tmp
    tftp -g -r data -l down -b 1400 10.0.2.2 || echo "FAIL TFTP by $driver"
    echo "SUM tftp-$driver $(sha256sum <down)"
    { echo $driver; cat down; } | nc 10.0.2.2 PORT
    rm -f down
    ifconfig $name 0.0.0.0 down
done

[ -c /dev/watchdog ] && echo "SEEN watchdog"
cat /proc/asound/cards | grep -q ICH && echo "SEEN sound"

for event in /dev/input/event*; do timeout 4 cat $event >/tmp/${event##*/} & done
sleep 0.5
echo "INPUT READY"
wait
for event in /dev/input/event*; do
    name=$(cat /sys/class/input/${event##*/}/device/name)
    echo "EVENTS $name: $(hexdump -v -e '1/1 "%02x"' /tmp/${event##*/})"
done
echo "DONE"
"""
CARDS = {"e1000": "e1000", "rtl8139": "8139cp", "ne2k_pci": "ne2k-pci", "pcnet": "pcnet32"}


def device_script(directory, port):
    return with_modules(directory, DEVICES.replace("PORT", str(port)))


def events(text, name):
    """(type, code, value) of what an input device reported."""
    found = re.search(rf"EVENTS [^\n]*{name}[^\n]*: ([0-9a-f]*)\r?\n", text)
    want(found, f"no input device '{name}'")
    return [e[2:] for e in struct.iter_unpack("<qqHHi", bytes.fromhex(found[1]))]


def check_input(text):
    keyboard = events(text, "AT Translated")
    want((1, 30, 1) in keyboard and (1, 30, 0) in keyboard, f"key A is not seen: {keyboard}")
    tablet = events(text, "Tablet")
    # Of 720x400, the middle: half of 32767, to a pixel.
    for code in [0, 1]:
        seen = [value for kind, c, value in tablet if (kind, c) == (3, code)]
        want(seen and abs(seen[-1] - 16384) < 100, f"tablet's axis {code}: {seen}, want 16384")
    want((1, 0x110, 1) in tablet, f"the tablet's button is not seen: {tablet}")


def test_devices(a, directory):
    """Disks, CD-ROM, floppy, network cards, keyboard, tablet, sound, watchdog."""
    images = {f"disk{size * 2048}": noise(size * MIB, size) for size in [5, 6, 7]}
    images["floppy"] = noise(1440 << 10, 1)
    for name, data in images.items():
        write(os.path.join(directory, name), data)
    os.mkdir(directory + "/cd")
    images["file"] = noise(3 * MIB, 2)
    write(directory + "/cd/file", images["file"])
    tool("xorriso", "-as", "mkisofs", "-quiet", "-R", "-o", directory + "/cdrom", directory + "/cd")
    images["cdrom"] = read(directory + "/cdrom")
    os.mkdir(directory + "/tftp")
    data = noise(300000, 3)
    write(directory + "/tftp/data", data)
    collector = Collector()
    options = ["--kernel", fetch_kernel(GENERIC), "--initrd",
               device_script(directory, collector.port), "--append", "console=ttyS0 panic=-1 quiet",
               "--disk", f"{directory}/disk10240", "--disk", f"{directory}/disk12288,bus=ahci",
               "--disk", f"{directory}/disk14336,bus=usb", "--cdrom", f"{directory}/cdrom",
               "--floppy", f"{directory}/floppy", "--usb", "tablet", "--sound", "ac97",
               "--watchdog", "none", "--cpus", "2"]
    for model in CARDS:
        options += ["--net", f"user,model={model},tftp={directory}/tftp"]
    with Machine(a, directory, *options) as m:
        m.expect(rb"INPUT READY")
        m.screen.update()
        m.screen.press("a")
        m.screen.pointer(m.screen.w // 2 - 50, m.screen.h // 2)
        time.sleep(0.2)
        m.screen.pointer(m.screen.w // 2, m.screen.h // 2, 1)
        time.sleep(0.2)
        m.screen.pointer(m.screen.w // 2, m.screen.h // 2)
        m.expect(rb"DONE")
        status = m.status()
        text = m.text.decode("latin-1")
    failures = re.findall(r"FAIL .*", text)
    want(not failures, "\n".join(failures) + "\n" + tail(m.text))
    for driver in CARDS.values():
        images["tftp-" + driver] = data
    for name, content in images.items():
        found = re.search(rf"SUM {name} +([0-9a-f]+)", text)
        want(found and found[1] == hashlib.sha256(content).hexdigest(),
             f"{name} is read wrongly\n{tail(m.text)}")
    for driver in CARDS.values():
        want(collector.got.get(driver) == data, f"what {driver} sent differs")
    for name in ["watchdog", "sound"]:
        want("SEEN " + name in text, "no " + name)
    for name in [n for n in images if n.startswith("disk")]:
        was = images[name]
        want(read(os.path.join(directory, name)) == was[:MIB] + was[:MIB] + was[2 * MIB:],
             f"{name} is written wrongly")
    was, part = images["floppy"], images["disk14336"][:72 << 10]
    want(read(directory + "/floppy") == was[:180 << 10] + part + was[252 << 10:],
         "the floppy is written wrongly")
    check_input(text)
    want(status == 0, f"exit status {status} after power-off")
