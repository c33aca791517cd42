# SPDX-License-Identifier: GPL-2.0-or-later
"""Builds what the machines boot: the programs of guest/ and the initial RAM disks they lie in.

Everything goes to one directory: init/ and work/ become the root of the RAM disk of workloads,
gcc/ is added where the compiler is wanted. The host runs the same files, in work/bench.
"""

import os
import re
import shutil
import sys

from machines import output_of, write
from workloads import FIO, LIBRARIES, PARTS, TOOLS

HERE = os.path.dirname(os.path.abspath(__file__))
GUEST = os.path.join(HERE, "guest")
SCRIPTS = os.path.join(os.path.dirname(HERE), "scripts")
LINES = 5000
FIO_GLOBAL = """\
[global]
ioengine=libaio
direct=${DIRECT}
invalidate=0
norandommap=1
allow_file_create=0
stonewall
thread=1
disk_util=0
clocksource=clock_gettime
"""
CC = ["gcc", "-std=gnu17", "-O2", "-Wall", "-Wextra", "-static", "-s"]


class Images:
    def __init__(self, directory):
        self.directory = directory

    def path(self, *names):
        return os.path.join(self.directory, *names)

    def kernel(self, package="linux-image-cloud-amd64"):
        """Path and version of Debian's."""
        kernel = output_of([os.path.join(SCRIPTS, "fetch-kernel"), package]).strip()
        with open(os.path.join(os.path.dirname(kernel), "version"), encoding="ascii") as f:
            return kernel, f.read().strip()

    def speed(self):
        guest = self.path("speed")
        output_of(["gcc", "-m32", "-nostdlib", "-static", "-no-pie", "-Wl,--build-id=none",
                   "-Wl,-z,noexecstack", "-T", os.path.join(GUEST, "speed.ld"), "-o", guest,
                   os.path.join(GUEST, "speed.S")])
        return guest

    def init(self):
        """A RAM disk that only says that it has been reached."""
        if not os.path.exists(self.path("init")):
            os.mkdir(self.path("init"))
            output_of(CC + ["-o", self.path("init", "init"), os.path.join(GUEST, "init.c")])
        return self.initramfs("init.cpio", ["init"])

    def workloads(self, parts):
        """A RAM disk with the programs of the parts, and the directory they are in."""
        self.init()
        bench = self.programs("work", parts)
        for name in os.listdir(os.path.join(GUEST, "lua")):
            shutil.copy(os.path.join(GUEST, "lua", name), bench)
        roots = ["init", "work"]
        if "compile" in parts:
            make_source(os.path.join(bench, "source.c"), LINES)
            make_source(os.path.join(bench, "small.c"), LINES // 20)
            # Where they are on the host, because the driver looks for the others there.
            cc1 = output_of(["gcc", "-print-prog-name=cc1"]).strip()
            copy_programs(self.path("gcc"), ["gcc", "as", cc1])
            roots.append("gcc")
        return self.initramfs("work.cpio", roots), bench

    def with_devices(self, part, kernel, works):
        """The same of one part, with the drivers that the kernel has as modules."""
        self.init()
        root = f"devices-{part}"
        bench = self.programs(root, [part])
        if part == "disk":
            write(os.path.join(bench, "disk.fio"), fio_jobs(works))
        for program in PARTS[part].programs:
            copy_programs(self.path(root), TOOLS.get(program, []))
        shutil.copytree(os.path.join(os.path.dirname(kernel), "modules"), self.path(root, "modules"))
        return self.initramfs(f"{root}.cpio", ["init", root])

    def native_disks(self, works):
        """What the host runs on the files themselves, in the directory."""
        shutil.copy(os.path.join(GUEST, "disk"), self.directory)
        write(self.path("disk.fio"), fio_jobs([w for w in works if not w.startswith("qcow2-")]))

    def programs(self, root, parts):
        """Those of the parts, compiled if need be; the directory they are in."""
        bench = self.path(root, "bench")
        os.makedirs(bench)
        for part in parts:
            for program in PARTS[part].programs:
                if program in TOOLS:
                    shutil.copy(os.path.join(GUEST, program), bench)
                else:
                    compile_program(program, bench)
        return bench

    def initramfs(self, name, roots):
        return output_of([os.path.join(SCRIPTS, "make-initramfs"), "-o", self.path(name)] +
                         [self.path(root) for root in roots]).strip()


def compile_program(program, directory):
    sources = [os.path.join(GUEST, f"{name}.c") for name in (program, "work")]
    output_of(CC + ["-I/usr/include/lua5.4", "-o", os.path.join(directory, program)] + sources +
              LIBRARIES.get(program, []))


def make_source(path, lines):
    text = output_of([sys.executable, os.path.join(HERE, "make-source"), str(lines)])
    with open(path, "w", encoding="ascii") as f:
        f.write(text)


def fio_jobs(works):
    """fio's description of these, one after the other, on what is in disks/."""
    text = FIO_GLOBAL
    for work in works:
        name, pattern = work.split("-", 1)
        options = FIO[pattern][0].replace(" ", "\n")
        text += f"[{work}]\nfilename=disks/{name}\n{options}\n"
    return text if works else ""


def copy_programs(root, names):
    """With their libraries, all where they are on the host."""
    files = {shutil.which(name) or name for name in names}
    for program in list(files):
        # "libz.so.1 => /lib/x86_64-linux-gnu/libz.so.1 (0x…)", or the dynamic linker's path alone
        files.update(re.findall(r"(/\S+) \(0x", output_of(["ldd", program])))
    for path in files:
        to = root + path
        os.makedirs(os.path.dirname(to), exist_ok=True)
        shutil.copy(path, to)
