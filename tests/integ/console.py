# SPDX-License-Identifier: GPL-2.0-or-later
"""A machine under test whose serial port is a terminal or a pipe, and initial RAM disks for it."""

import os
import pty
import re
import select
import subprocess
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
PROMPT = b"# "
SKIP = 77


class Wrong(Exception):
    """What a test found."""


class Guest:
    """A running machine, with its serial port on a terminal or a pipe."""

    def __init__(self, words, timeout, terminal=False):
        self.text = b""
        self.deadline = time.monotonic() + timeout
        self.times = {}
        if terminal:
            self.fd, slave = pty.openpty()
            self.child = subprocess.Popen(words, stdin=slave, stdout=slave, stderr=slave,
                                          start_new_session=True)
            os.close(slave)
        else:
            self.child = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                          stderr=subprocess.STDOUT)
            self.fd = self.child.stdout.fileno()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.child.poll() is None:
            self.child.kill()
        self.child.wait()

    def left(self):
        seconds = self.deadline - time.monotonic()
        if seconds <= 0:
            raise Wrong("took too long; the last output is\n" + tail(self.text))
        return seconds

    def read(self):
        """More output; False at its end."""
        ready, _, _ = select.select([self.fd], [], [], self.left())
        if not ready:
            self.left()
            return True
        try:
            more = os.read(self.fd, 65536)
        except OSError:
            more = b""
        self.text += more
        for line in re.findall(rb"CLOCK (\w+)", self.text[-200:]):
            self.times.setdefault(line.decode(), time.monotonic())
        return bool(more)

    def expect(self, pattern, start=0):
        """Reads until the pattern appears after `start`; where it ends."""
        while True:
            found = re.search(pattern, self.text[start:])
            if found:
                return start + found.end()
            if not self.read():
                raise Wrong(f"ended without {pattern!r}; the last output is\n{tail(self.text)}")

    def type(self, keys):
        os.write(self.fd, keys)

    def shell(self, line, answer):
        """Types a line and waits for the answer and the next prompt."""
        at = len(self.text)
        self.type(line + b"\r")
        self.expect(PROMPT, self.expect(answer, at))

    def status(self):
        """Reads to the end; the exit status."""
        while self.read():
            pass
        try:
            return self.child.wait(self.left())
        except subprocess.TimeoutExpired as e:
            raise Wrong("the output ended, but the process does not") from e


def tail(text):
    return "\n".join(text.decode("latin-1").replace("\r", "").splitlines()[-30:])


def initramfs(directory, *extras):
    out = os.path.join(directory, "initramfs.cpio")
    subprocess.run([os.path.join(TOP, "scripts/make-initramfs"), "-o", out, *extras], check=True,
                   stdout=subprocess.DEVNULL)
    return out


def script(directory, text):
    path = os.path.join(directory, "test")
    with open(path, "w", encoding="ascii") as f:
        f.write("#!/bin/sh\n" + text)
    return path


def fetch_kernel(package):
    done = subprocess.run([os.path.join(TOP, "scripts/fetch-kernel"), package],
                          stdout=subprocess.PIPE, check=True, text=True)
    return done.stdout.strip()


def want(condition, message):
    if not condition:
        raise Wrong(message)
