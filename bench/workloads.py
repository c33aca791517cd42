# SPDX-License-Identifier: GPL-2.0-or-later
"""What is measured: the parts, the programs of guest/ that belong to them, and how the tables name
their works."""

MACHINES = ["domus", "qemu", "bochs"]
NATIVE = "native"
TITLES = {"domus": "Domus", "qemu": "QEMU", "bochs": "Bochs", NATIVE: "native"}

# The programs that need more than the C library, and what they are linked with.
LIBRARIES = {"lua": ["-llua5.4", "-lm"], "zlib": ["-lz"], "smp": ["-lz", "-pthread"]}


class Part:
    """programs: those of guest/ that run in Linux with `cpus` CPUs. works: what they measure, and
    the name in the table. mean: the title of a row with the geometric mean. devices: the kind of
    them that the programs need."""

    def __init__(self, title, machines, pairs, programs=(), cpus=1, works=None, mean=None,
                 devices=None):
        self.title, self.machines, self.pairs = title, machines, pairs
        self.programs, self.cpus, self.works, self.mean = programs, cpus, works or {}, mean
        self.devices = devices


def in_linux(title, programs, works, cpus=1, mean=None):
    return Part(title + "; a ratio below 1 is faster", [NATIVE, "domus", "qemu"],
                [("domus", NATIVE), ("qemu", NATIVE), ("domus", "qemu")],
                programs, cpus, works, mean)


def with_devices(kind, title, works):
    return Part(title + "; a ratio below 1 is faster", ["domus", "qemu"], [("domus", "qemu")],
                [kind], 1, works, devices=kind)


def with_cpu_time(works):
    return {name + suffix: title + column for name, title in works.items()
            for suffix, column in (("", ""), ("-cpu", ": CPU time"))}


PARTS = {
    "boot": Part("From power-on to /init of Debian's kernel, in seconds; a ratio below 1 is faster",
                 MACHINES, [("domus", "qemu"), ("domus", "bochs")]),
    "speed": Part("Guest instructions, in millions per second; a ratio above 1 is faster",
                  MACHINES, [("domus", "qemu"), ("domus", "bochs")]),
    "real": in_linux("Programs", ["core", "lua", "zlib"], {
        "core": "core: list, matrix, states, CRC",
        "lua-fib": "Lua: fib",
        "lua-strings": "Lua: strings",
        "lua-tables": "Lua: tables and sort",
        "lua-float": "Lua: float",
        "deflate": "zlib: deflate, 128 KiB",
        "inflate": "zlib: inflate, 128 KiB",
        "adler32": "zlib: adler32, 128 KiB",
    }, mean="geometric mean of the eight"),
    "float": in_linux("Floating point", ["float"], {
        "matrix": "matrix product, a step",
        "pi": "pi by a series, a term",
    }),
    "micro": in_linux("Small loops", ["micro"], {
        "integer": "integer mix, a step",
        "sort": "quicksort, a number of 4096",
        "fib": "recursive fib, a call",
        "interpreter": "bytecode interpreter, an instruction",
        "chase-small": "pointer chase in 128 KiB, a load",
        "chase-large": "pointer chase in 16 MiB, a load",
        "memcpy": "memcpy, 256 KiB",
    }),
    "kernel": in_linux("System calls, faults and processes", ["kernel"], {
        "getppid": "getppid",
        "read": "read of 1 byte of /dev/zero",
        "fault": "page fault, anonymous, a page of 256",
        "mmap": "mmap, 1 page of 64 KiB touched, munmap",
        "fork": "fork, exit, wait",
        "exec": "fork, exec, exit, wait",
        "pipe": "pipe, there and back",
    }),
    "compile": in_linux("gcc -O1 -c of 5,000 lines", ["compile"], {"compile": "compile"}),
    "smp": in_linux("4 CPUs (native: those of the host)", ["smp"], {
        "4-deflates": "4 processes deflate 512 KiB each",
        "futex": "futex, there and back",
        "4-sorts": "merge sort by 4 threads",
    }, cpus=4),
    "disk": with_devices("disk", "Disks, past the guest's cache", {
        "ide-sequential": "IDE, 1 MiB in a row",
        "ide-random": "IDE, 4 KiB anywhere",
        "ahci-sequential": "AHCI, 1 MiB in a row",
        "ahci-random": "AHCI, 4 KiB anywhere",
        "virtio-sequential": "virtio, 1 MiB in a row",
        "virtio-random": "virtio, 4 KiB anywhere",
        "virtio-random-32": "virtio, 4 KiB anywhere, 32 at once",
        "virtio-write": "virtio, 4 KiB written anywhere",
        "virtio-write-32": "virtio, 4 KiB written anywhere, 32 at once",
        "qcow2-sequential": "virtio, qcow2, 1 MiB in a row",
        "qcow2-random": "virtio, qcow2, 4 KiB anywhere",
        "qcow2-random-32": "virtio, qcow2, 4 KiB anywhere, 32 at once",
        "qcow2-write": "virtio, qcow2, 4 KiB written anywhere",
        "qcow2-write-32": "virtio, qcow2, 4 KiB written anywhere, 32 at once",
    }),
    "net": with_devices("net", "Network: 1 MiB by TCP, from the guest (send) or to it", {
        "e1000-send": "e1000, user: send",
        "e1000-receive": "e1000, user: receive",
        "rtl8139-send": "RTL8139, user: send",
        "rtl8139-receive": "RTL8139, user: receive",
        "ne2000-send": "NE2000, user: send",
        "ne2000-receive": "NE2000, user: receive",
        "pcnet-send": "PCnet, user: send",
        "pcnet-receive": "PCnet, user: receive",
        "virtio-send": "virtio, user: send",
        "virtio-receive": "virtio, user: receive",
        "virtio-ping": "virtio, user: a byte there and back",
        "tap-send": "e1000, tap: send",
        "tap-receive": "e1000, tap: receive",
        "virtio-tap-send": "virtio, tap: send",
        "virtio-tap-receive": "virtio, tap: receive",
        "virtio-tap-ping": "virtio, tap: a byte there and back",
    }),
    "img": Part("domus img and qemu-img, on the host; a ratio below 1 is faster",
                ["domus", "qemu"], [("domus", "qemu")], works=with_cpu_time({
                    "raw-qcow2": "convert raw to qcow2, 2 of 4 GiB",
                    "qcow2-raw": "convert qcow2 to raw, 2 of 4 GiB",
                    "qcow2-qcow2": "convert qcow2 to qcow2, 2 of 4 GiB",
                    "zlib": "convert -c, zlib, 256 of 512 MiB",
                    "zstd": "convert -c, zstd, 256 of 512 MiB",
                    "unzlib": "convert from zlib, 256 of 512 MiB",
                    "create": "create qcow2, 64 GiB",
                    "create-metadata": "create qcow2, 64 GiB, metadata preallocated",
                })),
    "screen": with_devices("screen", "Display, with a VNC client", {
        "lines": "text console, a line",
        "fill": "1024x768x32, a screen by the guest",
        "updates": "1024x768x32, a screen at the client",
    }),
}
