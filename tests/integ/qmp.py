# SPDX-License-Identifier: GPL-2.0-or-later
"""The control socket, as tests use it."""

import json
import socket

from console import want


class Qmp:
    """A client of the control socket."""

    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(30)
        self.sock.connect(path)
        self.file = self.sock.makefile("r")
        self.events = []
        want("QMP" in json.loads(self.file.readline()), "no greeting")
        self("qmp_capabilities")

    def message(self):
        line = self.file.readline()
        want(line, "the control socket ended")
        msg = json.loads(line)
        if "event" in msg:
            self.events.append(msg)
        return msg

    def __call__(self, command, **arguments):
        arguments = {k.replace("_", "-"): v for k, v in arguments.items()}
        self.sock.sendall(json.dumps({"execute": command, "arguments": arguments}).encode())
        while True:
            msg = self.message()
            if "return" in msg:
                return msg["return"]
            want("event" in msg, f"{command}: {msg}")

    def event(self, name):
        while not any(e["event"] == name for e in self.events):
            self.message()
        found = next(e for e in self.events if e["event"] == name)
        self.events.remove(found)
        return found.get("data")
