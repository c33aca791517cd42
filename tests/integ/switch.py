# SPDX-License-Identifier: GPL-2.0-or-later
"""A running switch between machines, as tests use it."""

import json
import os
import subprocess
import time

from console import want


class Switch:
    def __init__(self, a, directory, *commands):
        self.a, self.dir = a, directory + "/sw"
        self.child = subprocess.Popen([a.domus, "switch", self.dir, "run", *commands])
        deadline = time.monotonic() + 30
        while not os.path.exists(self.dir + "/control"):
            want(self.child.poll() is None and time.monotonic() < deadline, "the switch does not start")
            time.sleep(0.05)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.child.kill()
        self.child.wait()

    def __call__(self, *words):
        done = subprocess.run([self.a.domus, "switch", self.dir, *words, "--json"], text=True,
                              stdout=subprocess.PIPE, timeout=30, check=False)
        want(done.returncode == 0, f"switch {' '.join(words)} fails")
        return json.loads(done.stdout) if done.stdout.strip() else None

    def drops(self, port, why):
        return self("port", port)["dropped"][why]
