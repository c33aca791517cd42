# SPDX-License-Identifier: GPL-2.0-or-later
"""What is measured: the parts, the programs of guest/ that belong to them, and how the tables name
their works."""

MACHINES = ["domus", "qemu", "bochs"]
NATIVE = "native"
TITLES = {"domus": "Domus", "qemu": "QEMU", "bochs": "Bochs", NATIVE: "native"}

# The programs that need more than the C library, and what they are linked with; the scripts, and what
# they run.
LIBRARIES = {"lua": ["-llua5.4", "-lm"], "zlib": ["-lz"], "smp": ["-lz", "-pthread"]}
TOOLS = {"disk": ["fio"], "net": ["iperf3"]}


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


def with_devices(kind, title, works, machines=None, pairs=None, program=None):
    return Part(title + "; a ratio below 1 is faster", machines or ["domus", "qemu"],
                pairs or [("domus", "qemu")], [program or kind], 1, works, devices=kind)


class Disk:
    """controller and format: of the machine's disk. A guest tells it by its size in MiB, which no other
    has. patterns: of FIO, what is measured."""

    def __init__(self, title, controller, disk_format, size, patterns):
        self.title, self.controller, self.format = title, controller, disk_format
        self.size, self.patterns = size, patterns


# What fio does, and its title. Where a time is given, it goes on for so long, in memory of the host; the
# others go over the disk once, and to where it is kept.
TIMED = "time_based=1 ramp_time=500ms runtime=1500ms"
FIO = {
    "sequential": (f"rw=read bs=1m {TIMED}", "1 MiB in a row"),
    "sequential-write": (f"rw=write bs=1m {TIMED}", "1 MiB written in a row"),
    "random": (f"rw=randread bs=4k {TIMED}", "4 KiB anywhere"),
    "random-32": (f"rw=randread bs=4k iodepth=32 {TIMED}", "4 KiB anywhere, 32 at once"),
    "random-write": (f"rw=randwrite bs=4k {TIMED}", "4 KiB written anywhere"),
    "random-write-32": (f"rw=randwrite bs=4k iodepth=32 {TIMED}",
                        "4 KiB written anywhere, 32 at once"),
    "cold": ("rw=read bs=1m invalidate=1", "1 MiB in a row, not in memory of the host"),
    "flushed": ("rw=write bs=1m end_fsync=1", "1 MiB written in a row, and flushed at the end"),
}
ALL = [name for name in FIO if "time" in FIO[name][0]]
DISKS = {
    "ide": Disk("IDE", "ide", "raw", 64, ["sequential", "sequential-write", "random"]),
    "ahci": Disk("AHCI", "ahci", "raw", 80, ["sequential", "sequential-write", "random"]),
    "scsi": Disk("virtio-scsi", "scsi", "raw", 128, ["sequential", "sequential-write", "random"]),
    "virtio": Disk("virtio", "virtio", "raw", 96, ALL),
    "qcow2": Disk("virtio, qcow2", "virtio", "qcow2", 112, ALL),
    "disk": Disk("virtio", "virtio", "raw", 512, ["cold", "flushed"]),
}
DISK_WORKS = {f"{name}-{pattern}": f"{disk.title}, {FIO[pattern][1]}"
              for name, disk in DISKS.items() for pattern in disk.patterns}

# By part: name, model, what it is connected to, title. Of a pair, "tap" are ports of a bridge.
CARDS = {
    "net": [("e1000", "e1000", "user", "e1000, user"),
            ("rtl8139", "rtl8139", "user", "RTL8139, user"),
            ("ne2000", "ne2k_pci", "user", "NE2000, user"),
            ("pcnet", "pcnet", "user", "PCnet, user"),
            ("virtio", "virtio", "user", "virtio, user"),
            ("tap", "e1000", "tap", "e1000, tap"),
            ("virtio-tap", "virtio", "tap", "virtio, tap")],
    "pair": [("socket", "virtio", "socket", "virtio, socket"),
             ("switch", "virtio", "switch", "virtio, switch"),
             ("bridge", "virtio", "tap", "virtio, taps in a bridge")],
}


def card_works(part):
    return {f"{name}-{work}": f"{title}: {text}" for name, _, _, title in CARDS[part]
            for work, text in (("send", "send"), ("receive", "receive"), ("ping", "a ping"))}


def with_cpu_time(works):
    return {name + suffix: title + column for name, title in works.items()
            for suffix, column in (("", ""), ("-cpu", ": CPU time"))}


PARTS = {
    "boot": Part("From power-on to /init of Debian's kernel, in seconds; a ratio below 1 is faster",
                 MACHINES, [("domus", "qemu"), ("domus", "bochs")]),
    "image": Part("From power-on to the login of an image of Debian, in seconds; a ratio below 1 is faster",
                  ["domus", "qemu"], [("domus", "qemu")]),
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
    "disk": with_devices("disk", "Disks; native: the same file by a process of the host", DISK_WORKS,
                         machines=[NATIVE, "domus", "qemu"],
                         pairs=[("domus", NATIVE), ("domus", "qemu")]),
    "net": with_devices("net", "Network: 1 MiB by TCP, from the guest (send) or to it",
                        card_works("net")),
    "pair": with_devices("pair", "Network between two machines: 1 MiB by TCP", card_works("pair"),
                         program="net"),
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
