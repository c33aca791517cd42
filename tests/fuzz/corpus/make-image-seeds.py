#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes seeds for the fuzz target `image`. Usage: make-image-seeds.py DOMUS FOLDER"""

import pathlib
import subprocess
import sys
import tempfile

# name, number of the format in src/block/format.c, options, format
SEEDS = [
    ("qcow2", 1, "cluster_size=512", "qcow2"),
    ("qcow2-v2", 1, "cluster_size=512,compat=0.10", "qcow2"),
    ("qcow2-ref1", 1, "cluster_size=512,refcount_bits=1", "qcow2"),
    ("qcow2-sub", 1, "cluster_size=16k,extended_l2=on", "qcow2"),
    ("qcow2-luks", 0x21, "cluster_size=512,refcount_bits=1,LUKS", "qcow2"),
    ("qcow2-luks-v2", 0x21, "cluster_size=4k,compat=0.10,LUKS", "qcow2"),
    ("qcow2-packed", 1, "cluster_size=1k,compression_type=zstd", "qcow2"),
    ("qcow", 2, "", "qcow"),
    ("vdi", 3, "", "vdi"),
    ("vpc", 4, "", "vpc"),
    ("vpc-fixed", 4, "subformat=fixed", "vpc"),
    ("vmdk", 5, "", "vmdk"),
    ("vmdk-stream", 5, "subformat=streamOptimized", "vmdk"),
    ("parallels", 6, "cluster_size=4k", "parallels"),
]


def main():
    domus, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    with tempfile.TemporaryDirectory() as tmp:
        raw, image = f"{tmp}/raw", f"{tmp}/image"
        data = bytearray(16384)
        data[1024:1536] = bytes(range(256)) * 2
        data[9000:9010] = b"0123456789"
        pathlib.Path(raw).write_bytes(data)
        luks = f"encrypt.format=luks,encrypt.iter-time=1,encrypt.key-file={raw}"
        for name, number, options, form in SEEDS:
            args = ["-c"] if "packed" in name else []
            args += ["-o", options.replace("LUKS", luks)] if options else []
            pathlib.Path(image).unlink(missing_ok=True)
            subprocess.run([domus, "img", "convert", "-f", "raw", "-O", form, *args, raw, image], check=True)
            if name == "qcow2":
                subprocess.run([domus, "img", "snapshot", "-c", "one", image], check=True)
                subprocess.run([domus, "img", "bitmap", "--add", image, "b0"], check=True)
            content = pathlib.Path(image).read_bytes().rstrip(b"\0")
            if "LUKS" in options:  # without its keys
                content = content[: content.index(b"LUKS\xba\xbe") + 592]
            if len(content) > 70000:
                content = content[:70000]
            for how, flags in (("", 0), ("-ro", 0x80)):
                if how and name not in ("qcow2", "vmdk"):
                    continue
                (folder / (name + how)).write_bytes(bytes([number | flags, 0x95]) + content)


main()
