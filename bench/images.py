# SPDX-License-Identifier: GPL-2.0-or-later
"""Builds what the machines boot: the programs of guest/ and the initial RAM disks they lie in.

Everything goes to one directory: init/ and work/ become the root of the RAM disk of workloads,
gcc/ is added where the compiler is wanted. The host runs the same files, in work/bench.
"""

import os
import re
import shutil
import sys

from machines import output_of
from workloads import LIBRARIES, PARTS

HERE = os.path.dirname(os.path.abspath(__file__))
GUEST = os.path.join(HERE, "guest")
SCRIPTS = os.path.join(os.path.dirname(HERE), "scripts")
LINES = 5000
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
            copy_gcc(self.path("gcc"))
            roots.append("gcc")
        return self.initramfs("work.cpio", roots), bench

    def with_devices(self, parts, kernel):
        """The same with the drivers that the kernel has as modules."""
        self.init()
        self.programs("devices", parts)
        modules, to = os.path.join(os.path.dirname(kernel), "modules"), self.path("devices/modules")
        shutil.copytree(modules, to)
        return self.initramfs("devices.cpio", ["init", "devices"])

    def programs(self, root, parts):
        """Compiles those of the parts; the directory they are in."""
        bench = self.path(root, "bench")
        os.makedirs(bench)
        for part in parts:
            for program in PARTS[part].programs:
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


def copy_gcc(root):
    """The driver, the compiler and the assembler, where they are on the host, because the driver
    looks for the others there; and the libraries of all three."""
    programs = [shutil.which("gcc"), shutil.which("as"),
                output_of(["gcc", "-print-prog-name=cc1"]).strip()]
    files = set(programs)
    for program in programs:
        # "libz.so.1 => /lib/x86_64-linux-gnu/libz.so.1 (0x…)", or the dynamic linker's path alone
        files.update(re.findall(r"(/\S+) \(0x", output_of(["ldd", program])))
    for path in files:
        to = root + path
        os.makedirs(os.path.dirname(to), exist_ok=True)
        shutil.copy(path, to)
