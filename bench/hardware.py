# SPDX-License-Identifier: GPL-2.0-or-later
"""The devices that the parts `disk`, `net` and `screen` measure, how Domus and QEMU are told of
them, and the host's ends of them: a TCP peer, a tap interface and a VNC client."""

import os
import shutil
import socket
import struct
import subprocess
import sys
import threading

from machines import Failed, output_of

sys.path.append(os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))),
                             "tests", "integ"))
from rfb import Rfb  # noqa: E402

MiB = 1024 * 1024
# The guest tells the disks by their size, the cards by the last byte of their address.
DISKS = [("ide", "ide", "raw", 64 * MiB), ("ahci", "ahci", "raw", 80 * MiB),
         ("virtio", "virtio", "raw", 96 * MiB), ("qcow2", "virtio", "qcow2", 112 * MiB)]
CARDS = [("e1000", "user"), ("rtl8139", "user"), ("ne2k_pci", "user"), ("pcnet", "user"),
         ("virtio", "user"), ("e1000", "tap"), ("virtio", "tap")]


class Hardware:
    """Everything of a kind ("disk", "net", "screen") that a machine is given for one run. With
    `with`: the host's ends exist meanwhile."""

    def __init__(self, kinds, directory):
        self.kinds, self.directory = kinds, directory
        self.ends = []
        self.cards, self.peer, self.viewer = [], None, None

    def __enter__(self):
        try:
            if "disk" in self.kinds:
                for name, _, disk_format, size in DISKS:
                    make_disk(self.disk(name), disk_format, size)
            if "net" in self.kinds:
                self.open_network()
            if "screen" in self.kinds:
                self.viewer = Viewer(os.path.join(self.directory, "vnc"))
                self.ends.append(self.viewer)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for end in reversed(self.ends):
            end.close()

    def open_network(self):
        tap = os.geteuid() == 0 and os.path.exists("/dev/net/tun") and shutil.which("ip")
        if tap:
            self.ends += [Tap(n) for n, (_, end) in enumerate(CARDS) if end == "tap"]
        self.cards = [card for card in CARDS if tap or card[1] != "tap"]
        self.peer = Peer()
        self.ends.append(self.peer)

    def disk(self, name):
        return os.path.join(self.directory, f"{name}.img")

    def append(self):
        """What the programs have to know, for the kernel's command line."""
        if not self.peer:
            return []
        tap = ["tap=1"] if any(end == "tap" for _, end in self.cards) else []
        return [f"port={self.peer.port}"] + tap

    def domus(self):
        words = ["--machine", "pc"]
        if "disk" in self.kinds:
            for name, bus, disk_format, _ in DISKS:
                snapshot = "" if bus == "virtio" else ",snapshot"
                words += ["--disk", f"{self.disk(name)},bus={bus},format={disk_format}{snapshot}"]
        for n, (model, end) in enumerate(self.cards):
            interface = f",ifname={tap_name(n)}" if end == "tap" else ""
            words += ["--net", f"{end}{interface},model={model},mac={mac(n)}"]
        if self.viewer:
            words += ["--vga", "std", "--display", f"vnc=unix:{self.viewer.path}"]
        return words

    def qemu(self):
        words = []
        if "disk" in self.kinds:
            words += ["-device", "ahci,id=ahci"]
            for name, bus, disk_format, _ in DISKS:
                snapshot = "off" if bus == "virtio" else "on"
                device = "virtio-blk-pci" if bus == "virtio" else f"ide-hd,bus={bus}.0"
                words += ["-drive", f"id={name},if=none,format={disk_format},snapshot={snapshot},"
                          f"file={self.disk(name)}", "-device", f"{device},drive={name}"]
        for n, (model, end) in enumerate(self.cards):
            interface = f",ifname={tap_name(n)},script=no,downscript=no" if end == "tap" else ""
            model = "virtio-net-pci" if model == "virtio" else model
            words += ["-netdev", f"{end},id=net{n}{interface}",
                      "-device", f"{model},netdev=net{n},mac={mac(n)}"]
        if self.viewer:
            words += ["-vga", "std", "-display", f"vnc=unix:{self.viewer.path}"]
        return words


def mac(n):
    return f"52:54:00:be:00:{n + 1:02x}"


def make_disk(path, disk_format, size):
    """With data in it: a hole is read in another way."""
    if os.path.exists(path):
        return
    block = os.urandom(MiB)
    with open(path, "wb") as f:
        for _ in range(size // MiB):
            f.write(block)
    if disk_format != "raw":
        os.rename(path, path + ".raw")
        output_of(["qemu-img", "convert", "-f", "raw", "-O", disk_format, path + ".raw", path])
        os.remove(path + ".raw")


def tap_name(n):
    return f"domusbench{n}"


class Tap:
    """That of card n. The host has the first address of a network of its own."""

    def __init__(self, n):
        self.name = tap_name(n)
        address = f"10.{9 + n - first_tap()}.0.1/24"
        output_of(["ip", "tuntap", "add", self.name, "mode", "tap"])
        output_of(["ip", "address", "add", address, "dev", self.name])
        output_of(["ip", "link", "set", self.name, "up"])

    def close(self):
        subprocess.run(["ip", "link", "delete", self.name], check=False, capture_output=True)


def first_tap():
    return [end for _, end in CARDS].index("tap")


class Peer:
    """The other end of the guest's connections. A request is 'S', with a MiB behind it that is
    answered by a byte, or 'R', which is answered by a MiB, or 'P', which is by a byte."""

    def __init__(self):
        self.listener = socket.create_server(("0.0.0.0", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:  # closed
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    @staticmethod
    def serve(connection):
        data, room = bytes(MiB), bytearray(MiB)
        with connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                while (request := connection.recv(1)):
                    if request in b"RP":
                        connection.sendall(data if request == b"R" else b".")
                        continue
                    view = memoryview(room)
                    while view:
                        n = connection.recv_into(view)
                        if not n:
                            return
                        view = view[n:]
                    connection.sendall(b".")
            except OSError:  # the machine was killed
                return

    def close(self):
        self.listener.close()


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
