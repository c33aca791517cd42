# SPDX-License-Identifier: GPL-2.0-or-later
"""The machines that the benchmark compares: how each is started with a kernel, and what it says
on its first serial port and when. The host is one that needs no kernel.

Every run has a process group of its own, which is killed when the run is over.
"""

import os
import pty
import re
import select
import shlex
import shutil
import signal
import subprocess
import time

# The emulated time of Bochs follows the instructions executed, here 20 million to a second. That
# is less than it executes in a second of the host, so that what waits for a timer is short.
BOCHSRC = """\
display_library: term
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/vgabios/vgabios.bin
memory: guest={memory}, host={memory}
cpu: model=trinity_apu, count=1, ips=20000000
clock: sync=none
ata0-master: type=cdrom, path={iso}, status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev={serial}
log: {log}
panic: action=fatal
speaker: enabled=0
"""

GRUB_CFG = """\
serial --unit=0 --speed=115200
terminal_output serial
{load}
echo LOADED
boot
"""

# Before the words of a command: it ends with the benchmark, also if that is killed.
MORTAL = ["setpriv", "--pdeathsig", "KILL"]


class Failed(Exception):
    """A machine did not do what the benchmark needs."""


class Image:
    """What to boot. protocol: linux or multiboot, or disk, where it is on one of the hardware's; memory in
    MiB; hardware: a Hardware, or None."""

    def __init__(self, protocol, kernel, append, memory, initrd=None, hardware=None):
        self.protocol, self.kernel, self.append = protocol, kernel, append
        self.memory, self.initrd, self.hardware = memory, initrd, hardware


class Mark:
    """A line of output: the match of its pattern, and the seconds since the start, of the host's
    clock and of CPU time that the machine used."""

    def __init__(self, match, wall, cpu):
        self.match, self.wall, self.cpu = match, wall, cpu


def cpu_time(pid):
    """CPU seconds of a process so far; None once it has ended. The number of its clock is made
    as clock_getcpuclockid(3) does."""
    try:
        return time.clock_gettime((~pid << 3) | 2)
    except OSError:
        return None


def plain(line):
    """Text without what only moves a cursor; GRUB writes for a terminal."""
    return re.sub(r"\x1b\[[0-9;]*[A-Za-z]|[\0\r]", "", line.decode("latin-1"))


class Run:
    """A running machine. Use with `with`."""

    def __init__(self, command, timeout, serial=None, cwd=None):
        """serial: a FIFO that carries the serial port. Then the machine also gets a terminal,
        whose content is thrown away; otherwise standard output is the serial port."""
        self.command = command
        self.text = b""
        self.line_start = 0
        self.terminal = None
        if serial:
            # For reading and writing, so that there is no end of file before the machine opens it.
            self.fd = os.open(serial, os.O_RDWR | os.O_NONBLOCK)
            self.terminal, slave = pty.openpty()
            standard = {"stdin": slave, "stdout": slave, "stderr": slave}
        else:
            self.fd, slave = os.pipe()
            standard = {"stdin": subprocess.DEVNULL, "stdout": slave, "stderr": subprocess.STDOUT}
        self.start = time.monotonic()
        self.deadline = self.start + timeout
        try:
            self.child = subprocess.Popen([*MORTAL, *command], start_new_session=True, cwd=cwd,
                                          env=dict(os.environ, TERM="linux"), **standard)
        except OSError as e:
            raise Failed(f"{command[0]}: {e.strerror}") from e
        finally:
            os.close(slave)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            os.killpg(self.child.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.child.wait()
        os.close(self.fd)
        if self.terminal is not None:
            os.close(self.terminal)

    def failed(self, why):
        lines = self.text.decode("latin-1").replace("\r", "").splitlines()
        return Failed("\n    ".join([f"{why}; the last output of", shlex.join(self.command)] +
                                    lines[-8:]))

    def more(self):
        """Waits for output. False if there will be none."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise self.failed("took too long")
        fds = [self.fd] + ([] if self.terminal is None else [self.terminal])
        ready, _, _ = select.select(fds, [], [], min(left, 0.5))
        if not ready:
            return self.child.poll() is None
        if self.terminal in ready:
            self.throw_away()
        if self.fd in ready:
            new = os.read(self.fd, 65536)
            self.text += new
            return bool(new)
        return True

    def throw_away(self):
        try:
            os.read(self.terminal, 65536)
        except OSError:  # nobody has the other end any more
            os.close(self.terminal)
            self.terminal = None

    def marks(self, pattern, last):
        """Yields a Mark for each line in which the pattern is found, up to the one in which
        `last` is found too."""
        while True:
            more = self.more()
            wall = time.monotonic() - self.start
            cpu = cpu_time(self.child.pid)
            while (end := self.text.find(b"\n", self.line_start)) >= 0:
                line = plain(self.text[self.line_start:end])
                self.line_start = end + 1
                match = re.search(pattern, line)
                if match:
                    yield Mark(match, wall, cpu)
                    if re.search(last, line):
                        return
            if not more:
                raise self.failed("ended early")


class Domus:
    name = "domus"

    def __init__(self, program, engine, options):
        self.program, self.engine, self.options = program, engine, options

    def version(self):
        return f"{first_line([self.program, '--version'])}, engine {self.engine}"

    def run(self, image, cpus, timeout):
        command = [self.program, "run", "--engine", self.engine, "--memory",
                   f"{image.memory}M", "--cpus", str(cpus)]
        if image.kernel:
            command += ["--kernel", image.kernel, "--append", image.append]
        if image.initrd:
            command += ["--initrd", image.initrd]
        if image.hardware:
            command += image.hardware.domus()
        return Run(command + self.options, timeout)


class Qemu:
    name = "qemu"

    def version(self):
        return first_line(["qemu-system-x86_64", "--version"])

    def run(self, image, cpus, timeout):
        command = ["qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max",
                   "-machine", "pc", "-nodefaults", "-serial", "stdio",
                   "-no-reboot", "-m", str(image.memory), "-smp", str(cpus)]
        if image.kernel:
            command += ["-kernel", image.kernel, "-append", image.append]
        if image.initrd:
            command += ["-initrd", image.initrd]
        if image.hardware:
            command += image.hardware.qemu()
        if "-display" not in command:
            command += ["-display", "none"]
        return Run(command, timeout)


class Native:
    """The host, which runs the programs that /init runs elsewhere."""

    name = "native"

    def __init__(self, directory):
        self.directory = directory

    def run(self, image, _cpus, timeout):
        settings = dict(word.split("=", 1) for word in image.append.split() if "=" in word)
        script = "for p in $(echo $1 | tr , ' '); do ./$p || echo failed $p: status $?; done"
        command = ["env", f"works={settings['works']}"] if "works" in settings else []
        return Run(command + ["sh", "-c", script + "; echo ended 0", "sh", settings["programs"]],
                   timeout, cwd=self.directory)


class Bochs:
    """Starts kernels by GRUB from a CD. Debian's package has the debugger built in, which waits
    for a command before the first instruction."""

    name = "bochs"

    def __init__(self, directory):
        self.directory = directory
        self.isos = {}

    def version(self):
        return first_line(["dpkg-query", "-W", "-f", "Bochs ${Version}", "bochs"])

    def run(self, image, cpus, timeout):
        if cpus != 1:
            raise Failed("Debian's Bochs has one CPU")
        config, commands, serial = (os.path.join(self.directory, n)
                                    for n in ("bochsrc", "bochs-commands", "bochs-serial"))
        write(config, BOCHSRC.format(memory=image.memory, iso=self.iso(image), serial=serial,
                                     log=os.path.join(self.directory, "bochs-log")))
        write(commands, "c\n")
        if not os.path.exists(serial):
            os.mkfifo(serial)
        return Run(["bochs", "-q", "-f", config, "-rc", commands], timeout, serial=serial)

    def iso(self, image):
        key = (image.kernel, image.initrd, image.append)
        if key not in self.isos:
            path = os.path.join(self.directory, f"bochs-{len(self.isos)}.iso")
            make_iso(path, image, os.path.join(self.directory, f"bochs-{len(self.isos)}"))
            self.isos[key] = path
        return self.isos[key]


def make_iso(path, image, root):
    boot = os.path.join(root, "boot", "grub")
    os.makedirs(boot)
    shutil.copy(image.kernel, os.path.join(root, "boot", "kernel"))
    load = f"{image.protocol} /boot/kernel {image.append}"
    if image.initrd:
        shutil.copy(image.initrd, os.path.join(root, "boot", "initrd"))
        load += "\ninitrd /boot/initrd"
    write(os.path.join(boot, "grub.cfg"), GRUB_CFG.format(load=load))
    output_of(["grub-mkrescue", "-d", "/usr/lib/grub/i386-pc", "-o", path, "--fonts=", "--locales=",
               "--themes=", "--install-modules=normal iso9660 biosdisk linux multiboot serial "
               "terminal echo boot", root])


def write(path, text):
    with open(path, "w", encoding="ascii") as f:
        f.write(text)


def output_of(words):
    try:
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    except OSError as e:
        raise Failed(f"{words[0]}: {e.strerror}; scripts/deps bench installs what is needed") from e
    if done.returncode != 0:
        raise Failed(f"{shlex.join(words)} failed:\n{done.stderr.decode('latin-1')}")
    return done.stdout.decode("latin-1")


def first_line(words):
    return (output_of(words).splitlines() or [""])[0]
