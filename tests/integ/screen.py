# SPDX-License-Identifier: GPL-2.0-or-later
"""A "pc" under test, with its screen; files and programs that such tests need."""

import os
import subprocess
import threading

from console import Guest, Wrong, tail
from rfb import Rfb


class Machine(Guest):
    """A "pc" with a screen."""

    def __init__(self, a, directory, *options, terminal=False):
        address = os.path.join(directory, "vnc")
        super().__init__([a.domus, "run", "--machine", "pc", "--engine", a.engine,
                          "--display", "vnc=unix:" + address, *options], a.timeout, terminal)
        try:
            self.screen = Rfb(address)
        except OSError as e:
            self.__exit__()
            raise Wrong("no VNC server answers; the output is\n" + tail(self.text)) from e

    def status(self):
        threading.Thread(target=self.screen.drain, daemon=True).start()
        return super().status()

    def see(self, words, timeout=60):
        """Waits for words on the screen; its text."""
        try:
            return self.screen.wait_text(words, min(timeout, self.left()))
        except TimeoutError as e:
            raise Wrong(str(e)) from e
        except OSError as e:
            while self.read():
                pass
            raise Wrong(f"ended: {e}; the output is\n{tail(self.text)}") from e


def write(path, data):
    with open(path, "wb") as f:
        f.write(data)
    return path


def tool(*words):
    try:
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    except FileNotFoundError as e:
        raise Wrong(f"no program {words[0]}; scripts/deps check installs it") from e
    except subprocess.CalledProcessError as e:
        raise Wrong(f"{words[0]} fails: {e.stderr.decode()}") from e
