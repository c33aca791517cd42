# SPDX-License-Identifier: GPL-2.0-or-later
"""Options that are refused, and how."""

import subprocess

from console import want
from pc_common import MIB
from screen import write

# Options, and what the one line has to say.
def refused(directory):
    disk = write(directory + "/disk.img", bytes(MIB))
    large = write(directory + "/large.img", bytes(4 * MIB))
    return [
        (["--disk", "/no/such"], "/no/such"),
        (["--cdrom", "/no/such"], "/no/such"),
        (["--floppy", "/no/such"], "/no/such"),
        (["--bios", "/no/such"], "/no/such"),
        (["--disk", directory], directory),
        (["--disk", disk, "--disk", disk], disk),
        (["--disk", disk + ",bus=mca"], "bus=mca"),
        (["--disk", disk + ",media=tape"], "media=tape"),
        (["--disk", disk + ",packed=on"], "bus=virtio"),
        (["--disk", disk + ",bus=virtio,num-queues=17"], "num-queues"),
        (["--net", "user,model=e1000,packed=on"], "model=virtio"),
        (["--disk", ""], "--disk"),
        (["--disk", "none"], "no empty drive"),
        (["--disk", disk + ",ro"] * 5, "four drives"),
        (["--floppy", large], "no floppy disk"),
        (["--floppy", "none"] * 3, "--floppy"),
        (["--boot", "tape"], "--boot"),
        (["--boot", "disk,disk"], "disk twice"),
        (["--vga", "ega"], "ega"),
        (["--vga", "none", "--display", "text"], "no display adapter"),
        (["--display", "window"], "window"),
        (["--display", "vnc=unix:/no/such/socket"], "/no/such/socket"),
        (["--keyboard", "xx", "--display", "vnc=unix:" + directory + "/vnc"], "xx"),
        (["--usb", "camera"], "camera"),
        (["--net", "user,model=3c509"], "3c509"),
        (["--net", "wifi"], "wifi"),
        (["--sound", "sb16"], "sb16"),
        (["--watchdog", "bark"], "bark"),
        (["--rtc", "noon"], "noon"),
        (["--cpus", "0"], "--cpus"),
        (["--memory", "1"], "memory"),
        (["--machine", "isa"], "isa"),
        (["--machine", "micro", "--disk", disk], "--kernel"),
        (["--nvram", directory + "/vars"], "--nvram"),
    ]


def test_errors(a, directory):
    """Each is refused by one line that names what is wrong."""
    wrong = []
    for options, words in refused(directory):
        done = subprocess.run([a.domus, "run", "--machine", "pc", "--serial", "none", *options],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=20, check=False)
        said = done.stderr
        if done.returncode != 1 or done.stdout or said.count("\n") != 1 or words not in said:
            wrong.append(f"{' '.join(options)}: exit status {done.returncode}, "
                         f"want 1 and a line with '{words}':\n{said}")
    want(not wrong, "\n".join(wrong))
