# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tests of "pc" share: files and programs, and a peer on the host."""

import hashlib
import os
import random
import shutil
import socket
import threading

from console import fetch_kernel, initramfs, script

CLOUD = "linux-image-cloud-amd64"
GENERIC = "linux-image-amd64"
MIB = 1 << 20


def read(path):
    with open(path, "rb") as f:
        return f.read()


def noise(size, seed):
    return random.Random(seed).randbytes(size)


def digest(data):
    return hashlib.sha256(data).hexdigest()


class Collector(threading.Thread):
    """Takes what guests send by TCP: a line with the sender's name, and data."""

    def __init__(self):
        super().__init__(daemon=True)
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        self.got = {}
        self.start()

    def run(self):
        while True:
            peer, _ = self.server.accept()
            with peer, peer.makefile("rb") as f:
                name = f.readline().decode().strip()
                self.got[name] = f.read()


def with_modules(directory, test=None, **files):
    """An initial RAM disk with Debian's drivers, files by the names they have there, and the text of a
    script that it runs instead of a shell."""
    extra = os.path.join(directory, "extra")
    shutil.copytree(os.path.join(os.path.dirname(fetch_kernel(GENERIC)), "modules"),
                    extra + "/modules")
    for name, path in files.items():
        shutil.copy(path, os.path.join(extra, name))
    return initramfs(directory, extra, *([script(directory, test)] if test else []))
