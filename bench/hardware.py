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
DISKS = [("ide", 64 * MiB), ("ahci", 80 * MiB)]
CARDS = [("e1000", "user"), ("rtl8139", "user"), ("ne2k_pci", "user"), ("pcnet", "user"),
         ("e1000", "tap")]
TAP = "domusbench0"
TAP_HOST = "10.9.0.1"


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
                for name, size in DISKS:
                    make_disk(self.disk(name), size)
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
            self.ends.append(Tap())
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
            for name, _ in DISKS:
                words += ["--disk", f"{self.disk(name)},bus={name},snapshot"]
        for n, (model, end) in enumerate(self.cards):
            interface = f",ifname={TAP}" if end == "tap" else ""
            words += ["--net", f"{end}{interface},model={model},mac={mac(n)}"]
        if self.viewer:
            words += ["--vga", "std", "--display", f"vnc=unix:{self.viewer.path}"]
        return words

    def qemu(self):
        words = []
        if "disk" in self.kinds:
            words += ["-device", "ahci,id=ahci"]
            for name, _ in DISKS:
                bus = "ide.0" if name == "ide" else "ahci.0"
                words += ["-drive", f"id={name},if=none,format=raw,snapshot=on,file={self.disk(name)}",
                          "-device", f"ide-hd,drive={name},bus={bus}"]
        for n, (model, end) in enumerate(self.cards):
            interface = f",ifname={TAP},script=no,downscript=no" if end == "tap" else ""
            words += ["-netdev", f"{end},id=net{n}{interface}",
                      "-device", f"{model},netdev=net{n},mac={mac(n)}"]
        if self.viewer:
            words += ["-vga", "std", "-display", f"vnc=unix:{self.viewer.path}"]
        return words


def mac(n):
    return f"52:54:00:be:00:{n + 1:02x}"


def make_disk(path, size):
    """With data in it: a hole is read in another way."""
    if not os.path.exists(path):
        block = os.urandom(MiB)
        with open(path, "wb") as f:
            for _ in range(size // MiB):
                f.write(block)


class Tap:
    def __init__(self):
        output_of(["ip", "tuntap", "add", TAP, "mode", "tap"])
        output_of(["ip", "address", "add", f"{TAP_HOST}/24", "dev", TAP])
        output_of(["ip", "link", "set", TAP, "up"])

    def close(self):
        subprocess.run(["ip", "link", "delete", TAP], check=False, capture_output=True)


class Peer:
    """The other end of the guest's connections. A request is 'S', with a MiB behind it that is
    answered by a byte, or 'R', which is answered by a MiB."""

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
            try:
                while (request := connection.recv(1)):
                    if request == b"R":
                        connection.sendall(data)
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
