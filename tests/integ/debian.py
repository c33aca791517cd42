# SPDX-License-Identifier: GPL-2.0-or-later
"""What an image of Debian is put through: used as a person would, its disk, memory and shared folder as
a host would, killed while it writes, and three of it on one network."""

import os
import random
import re
import shutil
import subprocess
import sys
import time
from contextlib import ExitStack

from console import Guest, Wrong, tail, want
from qmp import Qmp
from switch import Switch

MiB = 1 << 20
PASSWORD = "as good as any"
KILLS = 12
FIO = "fio --output-format=terse --ioengine=libaio --direct=1 --name=t --filename=t --randrepeat=0"


class Debian(Guest):
    """A Debian on its console, with what a shell there says. before: words in front of the command."""

    def __init__(self, a, *options, before=()):
        super().__init__([*before, a.domus, "run", *options], a.timeout, True)
        self.lines = 0

    def ready(self):
        self.login(b"ada", PASSWORD.encode())
        self.run("stty -echo cols 200; export TERM=dumb SYSTEMD_PAGER=cat SYSTEMD_COLORS=0; PS1= PS2=;"
                 " bind 'set enable-bracketed-paste off'")
        self.run(f"echo {PASSWORD} | sudo -S -v")

    def login(self, user, password):
        """login(1) drops what is typed before it has turned the echo off: more than one try."""
        at = self.expect(rb"test login: ")
        for _ in range(4):
            self.type(user + b"\r")
            at = self.expect(rb"Password: ", at)
            time.sleep(2)
            self.type(password + b"\r")
            at = self.expect(rb"test login: |:~\$ ", at)
            if self.text[:at].endswith(b"$ "):
                return
        raise Wrong("cannot log in\n" + tail(self.text))

    def run(self, line, status=0):
        """What the line prints."""
        self.lines += 1
        at = len(self.text)
        self.type(f"{line}; echo END''{self.lines}:$?\r".encode())
        end = self.expect(rf"END{self.lines}:\d+\r?\n".encode(), at)
        text, _, got = self.text[at:end].decode("latin-1").rpartition(f"END{self.lines}:")
        want(int(got) == status, f"{line}: status {got}{text}")
        return text.replace("\r", "").strip()

    def comes_to(self, line, right, what):
        """Waits until what the line prints is right."""
        while not right(said := self.run(line)):
            want(self.left() > 60, f"{what}: {said}")
            time.sleep(0.5)

    def healthy(self):
        state = self.run("systemctl is-system-running --wait; systemctl --failed --no-legend")
        want(state == "running", state)
        self.check_log()

    def check_log(self):
        errors = self.run("sudo dmesg --level emerg,alert,crit,err --notime")
        want(not errors, f"the kernel reports errors:\n{errors}")

    def poweroff(self):
        self.check_log()
        self.type(b"sudo poweroff\r")
        want(self.status() == 0, "the machine does not end well")


def check_filesystem(a, image, killed=False):
    """The image, and the root file system as e2fsck finds it; of a machine that was killed, once it has
    been through the journal. The partition is taken out of the disk: after the journal, e2fsck opens
    "FILE?offset=N" again without the offset."""
    done = subprocess.run([a.domus, "img", "check", image], capture_output=True, text=True, check=False)
    want(done.returncode in ((0, 3) if killed else (0,)), f"domus img check: {done.stdout}{done.stderr}")
    raw, part = image + ".raw", image + ".ext4"
    subprocess.run([a.domus, "img", "convert", "-O", "raw", image, raw], check=True)
    subprocess.run(["dd", "status=none", "bs=1M", "skip=2", "conv=sparse", "if=" + raw,
                    "of=" + part], check=True)
    os.remove(raw)
    for options in (["-fy"] if killed else []) + ["-fn"]:
        done = subprocess.run(["/sbin/e2fsck", options, part], stdout=subprocess.PIPE, check=False,
                              stderr=subprocess.STDOUT, text=True)
        want(done.returncode <= (options == "-fy"), f"e2fsck {options}: {done.returncode}\n{done.stdout}")
    os.remove(part)


def check_use(a, image):
    """Installs a package, and makes use of more room."""
    with Debian(a, image) as g:
        g.ready()
        g.healthy()
        g.run("sudo apt-get -qq update && sudo apt-get -qq install tree && tree --version")
        g.poweroff()
    check_filesystem(a, image)
    subprocess.run([a.domus, "img", "resize", "-q", image, "3G"], check=True)
    with Debian(a, image) as g:
        g.ready()
        g.healthy()
        size = int(g.run("df --output=size -B1M / | tail -1"))
        want(size > 2800, f"the file system has {size} MiB on a disk of 3 GiB")
        g.poweroff()
    check_filesystem(a, image)


def kept(path):
    """Bytes that a file takes of the host's disk."""
    return os.stat(path).st_blocks * 512


def check_disk(g, q, image):
    g.run(f"{FIO} --size=64m --rw=randrw --bsrange=512-64k --iodepth=16 --verify=crc32c --verify_fatal=1 "
          "--verify_backlog=256 >said || cat said")
    g.run(f"{FIO} --size=200m --rw=write --bs=1m --end_fsync=1 >said || cat said")
    full = kept(image)
    g.run("rm t; sync; sudo fstrim -v /")
    g.comes_to("true", lambda _: kept(image) < full - 150 * MiB,
               f"trimmed, the image still takes about {full} bytes")
    q("block_resize", device=q("query-block")[0]["device"], size=4096 * MiB)
    g.comes_to("lsblk -bdno SIZE /dev/vda", lambda said: said == str(4096 * MiB), "the disk's size is")


def shared_memory(g):
    """KiB of the process, in which the guest's memory is."""
    with open(f"/proc/{g.child.pid}/status", encoding="ascii") as f:
        return int(re.search(r"RssShmem:\s+(\d+) kB", f.read())[1])


def check_balloon(g, q):
    g.run("dd status=none if=/dev/zero of=/dev/shm/t bs=1M count=300; rm /dev/shm/t")
    before = shared_memory(g)
    want(before > 300 * 1024, f"the guest has touched {before} KiB")
    q("balloon", value=512 * MiB)
    g.comes_to("true", lambda _: q("query-balloon")["actual"] == 512 * MiB, "the balloon does not fill")
    want(shared_memory(g) < before - 100 * 1024, f"{shared_memory(g)} KiB of {before} stay")
    q("balloon", value=1024 * MiB)
    g.comes_to("free -m | awk '/^Mem/ {print $4}'", lambda said: int(said) > 500, "free memory is")


def check_devices(a, image, directory):
    control = directory + "/control"
    with Debian(a, image, "--qmp", "unix:" + control) as g:
        g.ready()
        q = Qmp(control)
        check_disk(g, q, image)
        check_balloon(g, q)
        g.poweroff()
    check_filesystem(a, image)


def check_share(a, image, directory):
    """Debian's kernel for the cloud has no 9P: in an image with the other one."""
    folder = directory + "/folder"
    os.mkdir(folder)
    shutil.copy(a.files, folder + "/files")
    with Debian(a, image, "--share", folder + ",tag=folder") as g:
        g.ready()
        g.healthy()
        g.run("sudo mount -t 9p -o trans=virtio,version=9p2000.L,msize=131072 folder /mnt && "
              "sudo mkdir /mnt/work")
        said = g.run("sudo /mnt/files /mnt/work 7 2000")
        want(re.search(r"^FILES \d+ steps", said, re.MULTILINE) and "FAIL" not in said, said)
        g.run(f"sudo sh -c 'cd /mnt/work && {FIO} --direct=0 --ioengine=psync --size=16m --rw=randrw "
              "--bsrange=1k-128k --verify=sha1 --verify_fatal=1' >said || cat said")
        want(os.path.getsize(folder + "/work/t") == 16 * MiB, "the guest's file is not there")
        g.run("sudo umount /mnt")
        g.poweroff()
    check_filesystem(a, image)


def check_kills(a, image):
    """What the guest says it has written to the disk is there after each."""
    last = 0
    for n in range(KILLS):
        with Debian(a, image) as g:
            g.ready()
            g.healthy()
            if n:
                found = int(g.run("cat count"))
                want(found >= last, f"{last} was written and flushed; {found} is there")
            g.run("rm -rf copy; (while mkdir copy && cp -r /usr/share /usr/bin copy; do rm -r copy; done) "
                  ">&- 2>&- & true")
            at = len(g.text)
            g.type(f"for n in $(seq {last + 1} 100000); do echo $n >new; mv new count; sync . count;"
                   " echo WRITTEN $n; done\r".encode())
            wanted = random.randrange(2, 40)
            g.expect(rf"WRITTEN {last + wanted}\r".encode(), at)
            g.child.kill()
            g.child.wait()
            last = max(int(i) for i in re.findall(rb"WRITTEN (\d+)\r", g.text[at:]))
        check_filesystem(a, image, killed=True)


class Namespace:
    """A network namespace that ends with a process in it."""

    def __init__(self):
        self.child = subprocess.Popen(["unshare", "-n", "sleep", "100000"])
        own = os.readlink("/proc/self/ns/net")
        deadline = time.monotonic() + 30
        while os.readlink(f"/proc/{self.child.pid}/ns/net") == own:
            want(time.monotonic() < deadline, "no network namespace is made")
            time.sleep(0.05)
        self.words = ["nsenter", "-t", str(self.child.pid), "-n"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.child.kill()
        self.child.wait()

    def run(self, script):
        subprocess.run([*self.words, "sh", "-ec", script], check=True)


def connect(a, image, sw, n):
    """Guest n, on the switch, on a user network, and by a tap on a bridge; the namespace it is in, to which the
    interface comes that is the bridge's way to the switch."""
    ns, up = Namespace(), interface(n)
    subprocess.run(["ip", "link", "set", up, "netns", str(ns.child.pid)], check=True)
    ns.run(f"ip link set lo up; ip link add br0 type bridge; ip tuntap add tap0 mode tap; "
           f"for i in {up} tap0; do ip link set $i master br0; ip link set $i up; done; "
           f"ip addr add 10.7.0.{n}/24 dev br0; ip link set br0 up")
    mac = f"model=virtio,mac=52:54:00:00:0{n}:0"
    return ns, Debian(a, "--disk", f"{image},bus=virtio,snapshot", "--memory", "1G", "--rng",
                      "--net", f"tap,ifname=tap0,{mac}1", "--net", f"switch={sw.dir},port=g{n},{mac}2",
                      "--net", f"user,hostfwd=tcp::5202-:5201,{mac}3", before=ns.words)


def interface(n):
    return f"up{n}p{os.getpid()}"


def stream(g, kind, words):
    """By iperf3, for 3 s; what arrives."""
    said = g.run(f"iperf3 -f m -t 3 --connect-timeout 30000 -c {words}")
    rate = re.search(r"([\d.]+) Mbits/sec +receiver", said)
    want(rate and float(rate[1]) > 0, f"{kind}: {said}")
    return float(rate[1])


def check_streams(guests, what):
    """Each to the next, by each of its networks."""
    for kind, words in (("tap", "10.8.0.{}"), ("switch", "10.9.0.{}"), ("user", "10.7.0.{} -p 5202")):
        rates = [stream(g, kind, words.format(n % len(guests) + 1)) for n, g in enumerate(guests, 1)]
        print(f"iperf3 by {kind}, {what}: {rates} Mbit/s", flush=True)


def check_network(a, image, directory):
    if os.geteuid() or subprocess.run(["unshare", "-n", "true"], check=False).returncode:
        print("three on a network: left out, needs root and network namespaces", file=sys.stderr)
        return
    numbers = (1, 2, 3)
    ports = [f"port {name}{n} {settings}" for n in numbers for name, settings in
             (("g", "vlan=20"), ("u", f"vlan=10 uplink=tap,ifname={interface(n)}"))]
    with ExitStack() as stack:
        sw = stack.enter_context(Switch(a, directory, *ports))
        guests = []
        for n in numbers:
            for thing in connect(a, image, sw, n):
                stack.enter_context(thing)
            guests.append(thing)
        for n, g in enumerate(guests, 1):
            g.ready()
            for card, net in ((1, 8), (2, 9)):
                g.run(f"i=$(grep -l 00:0{n}:0{card} /sys/class/net/*/address | cut -d / -f 5); "
                      f"sudo ip addr add 10.{net}.0.{n}/24 dev $i && sudo ip link set $i up")
            g.run("iperf3 -s -D")
        check_streams(guests, "no loss")
        for n in numbers:
            for port in (f"g{n}", f"u{n}"):
                sw("port", port, "loss=1")
        check_streams(guests, "1 % of frames lost")
        for n in numbers:
            for port in (f"g{n}", f"u{n}"):
                want(sw.drops(port, "loss") > 0, f"nothing is lost at {port}")
        for g in guests:
            g.poweroff()


def run(a, image, generic, directory):
    """generic: an image with that kernel."""
    check_filesystem(a, image)
    for check, *words in ((check_use, image), (check_devices, image, directory),
                          (check_share, generic, directory), (check_kills, image),
                          (check_network, image, directory)):
        start = time.monotonic()
        check(a, *words)
        print(f"{check.__name__}: {time.monotonic() - start:.0f} s", flush=True)
