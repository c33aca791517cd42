# SPDX-License-Identifier: GPL-2.0-or-later
"""What a guest sees of QMP: another disc, an ejected one, a larger disk, keys, a pause."""

import hashlib
import select
import struct
import time

from console import fetch_kernel, want
from pc_common import GENERIC, MIB, noise, read, with_modules
from qmp import Qmp
from screen import Machine, write

CONTROL = r"""
echo 3 >/proc/sys/kernel/printk
for module in $(cat /modules/order); do insmod /modules/$module; done
n=0; while [ ! -b /dev/sr0 ] && [ $n -lt 100 ]; do sleep 0.1; n=$((n + 1)); done
sum() { sha256sum /dev/sr0 2>/dev/null | cut -c1-64; }
first=$(sum)
echo DISC first $first
n=0; while { now=$(sum); [ -z "$now" ] || [ "$now" = "$first" ]; } && [ $n -lt 300 ]; do
    sleep 0.1; n=$((n + 1)); done
echo DISC second $now
n=0; while dd if=/dev/sr0 of=/dev/null count=1 2>/dev/null && [ $n -lt 300 ]; do
    sleep 0.1; n=$((n + 1)); done
echo NO DISC $n
echo DISK $(cat /sys/block/vda/size)
n=0; while [ $(cat /sys/block/vda/size) != 4096 ] && [ $n -lt 300 ]; do
    sleep 0.1; n=$((n + 1)); done
echo LARGER $(dd if=/dev/vda bs=1M skip=1 2>/dev/null | tr -d '\0' | wc -c) \
    $(dd if=/dev/vda bs=1M skip=1 2>/dev/null | wc -c)
n=0; while :; do n=$((n + 1)); echo TICK $n; sleep 0.1; done
"""


def check_pictures(m, q, directory):
    q("screendump", filename=directory + "/s.png", format="png")
    q("screendump", filename=directory + "/s.ppm")
    png = struct.unpack(">II", read(directory + "/s.png")[16:24])
    ppm = tuple(int(n) for n in read(directory + "/s.ppm").split()[1:3])
    m.screen.update()
    want(png == ppm == (m.screen.w, m.screen.h),
         f"pictures of {png} and {ppm}, the screen has {m.screen.w, m.screen.h}")


def check_pause(m, q):
    q("stop")
    want(q("query-status")["status"] == "paused", "not paused")
    time.sleep(1)
    while select.select([m.fd], [], [], 0.2)[0]:
        m.read()
    ticks = m.text.count(b"TICK")
    time.sleep(1)
    want(not select.select([m.fd], [], [], 0)[0], "a paused guest goes on")
    q("cont")
    q.event("RESUME")
    m.expect(b"TICK %d\r" % (ticks + 3))


def test_control(a, directory):
    """Each change by QMP is seen by the guest."""
    discs = [noise(n * MIB, n) for n in (1, 2)]
    paths = [write(f"{directory}/disc{n}", data) for n, data in enumerate(discs)]
    with Machine(a, directory, "--kernel", fetch_kernel(GENERIC), "--initrd",
                 with_modules(directory, CONTROL), "--append", "console=ttyS0 panic=-1 quiet", "--cdrom", paths[0],
                 "--disk", write(f"{directory}/disk", noise(MIB, 5)) + ",bus=virtio,format=raw",
                 "--qmp", f"unix:{directory}/qmp") as m:
        m.expect(b"DISC first " + hashlib.sha256(discs[0]).hexdigest().encode())
        q = Qmp(directory + "/qmp")
        q("blockdev-change-medium", device="ide1-cd0", filename=paths[1], force=True)
        m.expect(b"DISC second " + hashlib.sha256(discs[1]).hexdigest().encode())
        want([q.event("DEVICE_TRAY_MOVED")["tray-open"] for _ in range(2)] == [True, False],
             "the tray moved otherwise")
        q("eject", device="ide1-cd0", force=True)
        m.expect(rb"NO DISC \d\d?\r")
        want(not any("inserted" in drive for drive in q("query-block")
                     if drive["device"] == "ide1-cd0"), "a disc is in still")
        m.expect(b"DISK 2048\r")
        q("block_resize", device="virtio-hd0", size=2 * MIB)
        m.expect(b"LARGER 0 1048576\r")
        check_pictures(m, q, directory)
        check_pause(m, q)
        q("quit")
        want(q.event("SHUTDOWN") == {"guest": False, "reason": "host-qmp-quit"}, "another reason")
        status = m.status()
        want(status == 0, f"exit status {status} after quit")
