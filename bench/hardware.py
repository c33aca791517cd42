# SPDX-License-Identifier: GPL-2.0-or-later
"""The devices that the parts `disk`, `net`, `pair` and `screen` measure, how Domus and QEMU are told of
them, and the host's ends of them: images, an iperf3, a switch, tap interfaces and a VNC client."""

import copy
import os
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time

from machines import Failed, MORTAL, output_of
from workloads import CARDS, DISKS

sys.path.append(os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))),
                             "tests", "integ"))
from rfb import Rfb  # noqa: E402

MiB = 1024 * 1024
BRIDGE = "domusbench"
FORGOTTEN = 10  # seconds


def tap_possible():
    return os.geteuid() == 0 and os.path.exists("/dev/net/tun") and shutil.which("ip")


class Hardware:
    """Everything of a kind ("disk", "net", "pair", "screen") that a machine is given for one run. With
    `with`: the host's ends exist meanwhile. Of a pair, server() is what the other machine is given."""

    def __init__(self, kind, directory, domus):
        self.kind, self.directory, self.program = kind, directory, domus
        self.serves = False
        self.ends = []
        self.disks = DISKS if kind == "disk" else {}
        self.cards, self.port, self.viewer = [], 5201, None

    def __enter__(self):
        try:
            for name, disk in self.disks.items():
                make_disk(self.disk(name), disk)
            if self.kind in CARDS:
                self.open_network()
            if self.kind == "screen":
                self.viewer = Viewer(self.path("vnc"))
                self.ends.append(self.viewer)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for end in reversed(self.ends):
            end.close()

    def server(self):
        other = copy.copy(self)
        other.serves = True
        return other

    def await_server(self, run):
        """Until there is what the client's cable is put in."""
        while not os.path.exists(self.path("cable")):
            if not run.more():
                raise run.failed("ended early")

    def open_network(self):
        self.cards = [card for card in CARDS[self.kind] if card[2] != "tap" or tap_possible()]
        if self.kind == "net":
            self.port = free_port()
            self.ends.append(Process(["iperf3", "-s", "-p", str(self.port)]))
        else:
            self.ends.append(Process([self.program, "switch", self.path("switch"), "run"]))
            if tap_possible():
                self.ends.append(Interface(BRIDGE, ["link", "add", BRIDGE, "type", "bridge"]))
        for n, (_, _, end, _) in enumerate(self.cards):
            for other in [self, self.server()][:1 + (self.kind == "pair")] if end == "tap" else []:
                self.ends.append(Tap(other.tap(n), None if self.kind == "pair" else address(n, 1)))

    def path(self, name):
        return os.path.join(self.directory, name)

    def disk(self, name):
        return self.path(f"disks/{name}")

    def mac(self, n):
        return f"52:54:00:be:{self.serves:02x}:{n + 1:02x}"

    def tap(self, n):
        return f"{BRIDGE}{n}{'s' if self.serves else ''}"

    def append(self):
        """What the programs have to know, for the kernel's command line."""
        words = ["server=1", "quiet"] if self.serves else []
        if self.disks:
            words.append("disks=" + ",".join(f"{name}:{d.size}" for name, d in self.disks.items()))
        if self.cards:
            lines = []
            for n, (name, _, end, _) in enumerate(self.cards):
                own, peer = [address(n, 2), address(n, 1)][::-1 if self.serves else 1]
                if end == "user":
                    own, peer = "10.0.2.15", "10.0.2.2"
                lines.append(f"{name}/{n + 1:02x}/{own}/{peer}")
            words += [f"port={self.port}", "cards=" + ",".join(lines)]
        return words

    def domus(self):
        words = ["--machine", "pc"]
        for name, d in self.disks.items():
            words += ["--disk", f"{self.disk(name)},bus={d.controller},format={d.format}"]
        for n, (_, model, end, _) in enumerate(self.cards):
            side = "listen" if self.serves else "connect"
            net = {"user": "user", "tap": f"tap,ifname={self.tap(n)}",
                   "socket": f"socket,{side}=unix:{self.path('cable')}",
                   "switch": f"switch={self.path('switch')}"}[end]
            words += ["--net", f"{net},model={model},mac={self.mac(n)}"]
        if self.viewer:
            words += ["--vga", "std", "--display", f"vnc=unix:{self.viewer.path}"]
        return words

    def qemu(self):
        words = ["-device", "ahci,id=ahci", "-device", "virtio-scsi-pci,id=scsi"] if self.disks else []
        for name, d in self.disks.items():
            device = {"virtio": "virtio-blk-pci", "scsi": "scsi-hd,bus=scsi.0"}.get(
                d.controller, f"ide-hd,bus={d.controller}.0")
            words += ["-drive", f"id={name},if=none,format={d.format},file={self.disk(name)}",
                      "-device", f"{device},drive={name}"]
        stream = "stream,addr.type=unix,addr.path="
        for n, (_, model, end, _) in enumerate(self.cards):
            net = {"user": "user", "tap": f"tap,ifname={self.tap(n)},script=no,downscript=no",
                   "socket": f"{stream}{self.path('cable')},server={'on' if self.serves else 'off'}",
                   "switch": f"{stream}{self.path('switch')}/port-any,server=off"}[end]
            model = "virtio-net-pci" if model == "virtio" else model
            words += ["-netdev", f"{net},id=net{n}",
                      "-device", f"{model},netdev=net{n},mac={self.mac(n)}"]
        if self.viewer:
            words += ["-vga", "std", "-display", f"vnc=unix:{self.viewer.path}"]
        return words


def address(n, host):
    return f"10.{9 + n}.0.{host}"


def free_port():
    with socket.create_server(("0.0.0.0", 0)) as s:
        return s.getsockname()[1]


class System:
    """The devices of a machine that boots an image, which stays as it is."""

    def __init__(self, image):
        self.image = image

    def domus(self):
        return ["--machine", "pc", "--disk", f"{self.image},bus=virtio,snapshot",
                "--net", "user,model=virtio", "--rng", "--balloon", "0"]

    def qemu(self):
        return ["-drive", f"id=disk,if=none,snapshot=on,file={self.image}",
                "-device", "virtio-blk-pci,drive=disk", "-netdev", "user,id=net",
                "-device", "virtio-net-pci,netdev=net", "-device", "virtio-rng-pci",
                "-device", "virtio-balloon-pci", "-vga", "std"]


class Process:
    """One of the host that machines need."""

    def __init__(self, words):
        self.child = subprocess.Popen([*MORTAL, *words], stdin=subprocess.DEVNULL,
                                      stdout=subprocess.DEVNULL)

    def close(self):
        self.child.kill()
        self.child.wait()


class Interface:
    """One of the host's network, made by a command of ip, in place of what a killed run has left."""

    def __init__(self, name, words):
        self.name = name
        self.close()
        output_of(["ip", *words])
        output_of(["ip", "link", "set", name, "up"])

    def close(self):
        subprocess.run(["ip", "link", "delete", self.name], check=False, capture_output=True)


class Tap(Interface):
    """With an address of the host's, or in the bridge."""

    def __init__(self, name, own):
        super().__init__(name, ["tuntap", "add", name, "mode", "tap"])
        output_of(["ip", "address", "add", f"{own}/24", "dev", name] if own else
                  ["ip", "link", "set", name, "master", BRIDGE])


def make_disk(path, disk):
    """With data in it: a hole is read in another way. One that is to be read from where it is kept is
    new for each machine, and not left in memory, neither of the host nor, after a while, of what the host
    is a guest of."""
    cold = "cold" in disk.patterns
    if cold or not os.path.exists(path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        block = os.urandom(MiB)
        with open(path, "wb") as f:
            for _ in range(disk.size):
                f.write(block)
        if disk.format != "raw":
            os.rename(path, path + ".raw")
            output_of(["qemu-img", "convert", "-f", "raw", "-O", disk.format, path + ".raw", path])
            os.remove(path + ".raw")
    if cold:
        with open(path, "rb") as f:
            os.fsync(f.fileno())
            os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        time.sleep(FORGOTTEN)


class Viewer:
    """A VNC client that asks for the next update as soon as it has one, and counts them."""

    def __init__(self, path):
        self.path = path
        self.updates = 0
        self.client = None

    def connect(self):
        self.client = Rfb(self.path)
        threading.Thread(target=self.watch, daemon=True).start()

    def watch(self):
        try:
            while True:
                self.client.s.sendall(struct.pack(">BBHHHH", 3, 1, 0, 0, 65535, 65535))
                self.client.s.settimeout(None)
                while not self.message():
                    pass
                self.updates += 1
        except OSError:  # the machine has ended
            return

    def message(self):
        """Whether it was an update."""
        read = self.client.read
        kind = read(1)[0]
        if kind == 1:
            read(struct.unpack(">x2xH", read(5))[0] * 6)
        elif kind == 3:
            read(struct.unpack(">3xI", read(7))[0])
        elif kind == 0:
            for _ in range(struct.unpack(">xH", read(3))[0]):
                _, _, w, h, encoding = struct.unpack(">HHHHi", read(12))
                if encoding == 0:
                    read(w * h * 4)
        else:
            raise Failed(f"VNC message {kind}")
        return kind == 0

    def close(self):
        if self.client:
            self.client.s.close()
        if os.path.exists(self.path):
            os.unlink(self.path)
