# SPDX-License-Identifier: GPL-2.0-or-later
"""`domus img` beside Debian's qemu-img: the same command on the same images, on the host."""

import os
import random
import subprocess
import time

from machines import Failed, output_of

MIB = 1 << 20
LARGE, SMALL = 4096, 512  # MiB of a disk; every other one has data

# source, options
WORKS = {
    "raw-qcow2": ("large.raw", ["convert", "-f", "raw", "-O", "qcow2"]),
    "qcow2-raw": ("large.qcow2", ["convert", "-f", "qcow2", "-O", "raw"]),
    "qcow2-qcow2": ("large.qcow2", ["convert", "-f", "qcow2", "-O", "qcow2"]),
    "zlib": ("small.raw", ["convert", "-c", "-f", "raw", "-O", "qcow2"]),
    "zstd": ("small.raw", ["convert", "-c", "-o", "compression_type=zstd", "-f", "raw", "-O",
                           "qcow2"]),
    "unzlib": ("small.zlib", ["convert", "-f", "qcow2", "-O", "raw"]),
    "create": (None, ["create", "-q", "-f", "qcow2"]),
    "create-metadata": (None, ["create", "-q", "-f", "qcow2", "-o", "preallocation=metadata"]),
}


def make_disk(path, mib):
    """A quarter of the data is noise; the rest are words, no two pieces of 64 KiB alike."""
    r = random.Random(mib)
    words = [bytes(r.choices(b"abcdefghijklmnopqrstuvwxyz", k=r.randint(2, 9)))
             for _ in range(2000)]
    text = b" ".join(r.choices(words, k=2 * MIB // 6))[:MIB]
    with open(path, "wb") as f:
        f.truncate(mib * MIB)
        for n in range(0, mib, 2):
            turn = r.randrange(MIB)
            data = bytearray(r.randbytes(MIB) if n % 8 == 0 else text[turn:] + text[:turn])
            for at in range(0, MIB, 64 << 10):
                data[at:at + 8] = r.randbytes(8)
            f.seek(n * MIB)
            f.write(data)


class ImageTools:
    """The commands, and what they work on."""

    def __init__(self, directory, domus):
        self.directory = directory
        self.commands = {"domus": [domus, "img"], "qemu": ["qemu-img"]}
        for name, mib in (("large", LARGE), ("small", SMALL)):
            make_disk(self.path(f"{name}.raw"), mib)
        output_of(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", self.path("large.raw"),
                   self.path("large.qcow2")])
        output_of([domus, "img", "convert", "-c", "-f", "raw", "-O", "qcow2",
                   self.path("small.raw"), self.path("small.zlib")])

    def path(self, name):
        return os.path.join(self.directory, name)

    def measure(self, machine, work, check):
        """Seconds of the host's clock and of CPU time: of the faster of two runs, since the first
        finds memory that the host has yet to clear."""
        source, options = WORKS[work]
        target = self.path("target")
        files = [self.path(source), target] if source else [target, "64G"]
        times = [run(self.commands[machine] + options + files, target) for _ in range(2)]
        if check and source:
            output_of(["qemu-img", "compare", "-F", options[-1],
                       "-f", options[options.index("-f") + 1], *files])
        os.unlink(target)
        return [min(column) for column in zip(*times)]


def run(command, target):
    if os.path.exists(target):
        os.unlink(target)
    start, used = time.monotonic(), os.times()
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    end, now = time.monotonic(), os.times()
    if done.returncode != 0:
        raise Failed(f"{' '.join(command)}: {done.stderr.decode('latin-1')}")
    return end - start, (now.children_user - used.children_user +
                         now.children_system - used.children_system)
