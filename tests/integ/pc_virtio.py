# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's drivers on virtio by PCI and MMIO: disk, network, entropy, balloon, console."""

import hashlib
import os
import re
import socket
import time

from console import Guest, fetch_kernel, want
from pc_common import GENERIC, MIB, Collector, noise, read, with_modules
from screen import write

# On PCI or MMIO: a disk is read, written and discarded, the network used, a port of the console
# answered, memory given back.
VIRTIO = r"""
echo 5 >/proc/sys/kernel/printk
cd /modules
for module in $(cat order); do
    case $module in virtio-gpu.ko|virtio_scsi.ko) ;; virtio*|*failover.ko) insmod $module || echo "FAIL insmod $module" ;; esac
done
n=0
until [ -b /dev/vda ] && [ -c /dev/vport0p0 -o -c /dev/vport4p0 -o -c /dev/vport3p0 -o $n = 30 ]; do
    sleep 0.1; n=$((n + 1))
done
echo "SUM disk $(sha256sum </dev/vda)"
dd if=/dev/vda of=/tmp/part bs=64k count=16 2>/dev/null
dd if=/tmp/part of=/dev/vda bs=64k seek=16 conv=fsync 2>/dev/null || echo FAIL write
blkdiscard -o 4194304 -l 1048576 /dev/vda || echo FAIL discard
for dev in block/vda net/eth0; do
    echo "FEATURES $dev $(cat /sys/class/$dev/device/features)"
done
echo "QUEUES $(ls -d /sys/class/net/eth0/queues/?x-* | wc -l)"
echo "ID $(cat /sys/block/vda/ro) $(cat /sys/block/vda/queue/write_cache)"

cat >/tmp/dhcp <<'END'
#!/bin/sh
[ "$1" = bound ] && ifconfig $interface $ip netmask $subnet
END
chmod 755 /tmp/dhcp
ifconfig eth0 up
udhcpc -i eth0 -n -q -t 5 -T 1 -s /tmp/dhcp >/dev/null 2>&1 || echo "FAIL no lease"
cd /tmp
tftp -g -r data -l down -b 1400 10.0.2.2 || echo "FAIL TFTP"
echo "SUM tftp $(sha256sum <down)"
{ echo virtio; cat /tmp/part; } | taskset 2 nc 10.0.2.2 @COLLECTOR@
grep virtio /proc/interrupts | sed 's/^/IRQ /'

dd if=/dev/hwrng bs=64 count=1 2>/dev/null | wc -c | sed 's/^/RANDOM /'
port=$(grep -l domus.test /sys/class/virtio-ports/*/name)
port=/dev/$(basename $(dirname $port))
exec 3<>$port
read -r line <&3
echo "PORT $line"
echo "answer $line" >&3
sleep 2
dmesg | grep -iE 'virtio|hvc|balloon' | grep -iE 'warn|error|fail|bug|not a head|unexpected' | sed 's/^/FAIL dmesg /'
echo "DONE"
"""


def virtio_client(address):
    """Asks at a port of the console, as a program of the host does; the answer."""
    peer = socket.socket(socket.AF_UNIX)
    for _ in range(100):
        try:
            peer.connect(address)
            break
        except OSError:
            time.sleep(0.1)
    peer.sendall(b"question\n")
    return peer


def virtio(a, directory, board):
    data = noise(8 * MIB, 4)
    write(directory + "/disk", data)
    os.mkdir(directory + "/tftp")
    down = noise(300000, 3)
    write(directory + "/tftp/data", down)
    collector = Collector()
    rings = "packed=on" if board == "pc" else "event_idx=off"
    words = [a.domus, "run", "--machine", board, "--engine", a.engine, "--cpus", "2", "--kernel",
             fetch_kernel(GENERIC), "--initrd",
             with_modules(directory, VIRTIO.replace("@COLLECTOR@", str(collector.port))),
             "--append", "console=ttyS0 panic=-1 quiet", "--disk", f"{directory}/disk,bus=virtio,{rings}",
             "--net", f"user,model=virtio,queues=2,{rings},tftp={directory}/tftp", "--rng", "--balloon", "64M",
             "--console", f"unix:{directory}/port,name=domus.test"]
    with Guest(words, a.timeout) as m:
        peer = virtio_client(directory + "/port")
        m.expect(rb"DONE")
        peer.settimeout(10)
        answer = peer.recv(100)
        status = m.status()
        text = m.text.decode(errors="replace")
    want("FAIL" not in text, "the guest complains:\n" + text)
    sums = dict(re.findall(r"SUM (\S+) ([0-9a-f]{64})", text))
    want(sums.get("disk") == hashlib.sha256(data).hexdigest(), "the disk is read wrongly\n" + text)
    want(sums.get("tftp") == hashlib.sha256(down).hexdigest(), "TFTP is received wrongly\n" + text)
    want(collector.got.get("virtio") == data[:MIB], "what is sent by TCP is not what was read")
    now = read(directory + "/disk")
    want(now[:2 * MIB] == data[:MIB] * 2 and now[2 * MIB:4 * MIB] == data[2 * MIB:4 * MIB] and
         now[5 * MIB:] == data[5 * MIB:], "the disk is written wrongly")
    want(not any(now[4 * MIB:5 * MIB]), "what was discarded is still there")
    for name in ("block/vda", "net/eth0"):
        features = re.search(rf"FEATURES {name} ([01]+)", text).group(1)
        want((features[34], features[29]) == (("1", "1") if board == "pc" else ("0", "0")),
             f"{name} has features {features}, want other rings")
    want("QUEUES 4" in text, "two pairs of queues are not used\n" + text)
    if board == "pc":
        used = {name: int(a) + int(b) for a, b, name in re.findall(r"IRQ\s+\d+: +(\d+) +(\d+) .*?((?:in|out)put\.\d)\s", text)}
        want(used.get("input.1"), f"what the second pair sends is not answered by it: {used}\n{text}")
    want("RANDOM 64" in text, "no random bytes\n" + text)
    want("PORT question" in text and answer == b"answer question\n", f"the port answers {answer}\n{text}")
    want(status == 0, f"exit status {status} after power-off")


def test_virtio(a, directory):
    """By PCI."""
    virtio(a, directory, "pc")


def test_virtio_micro(a, directory):
    """By MMIO."""
    virtio(a, directory, "micro")
