#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Makes images of the formats that Domus only reads: make-image.py KIND SOURCE IMAGE

KIND: cloop, bochs, cow-qemu, cow-qemu32, or, over the file "behind", cow-uml2, cow-uml3, cow-uml3-64; or
dmg-zlib, dmg-bzip2, dmg-lzma, dmg-raw, dmg-fork (a resource fork).
"""
import base64
import bz2
import lzma
import struct
import sys
import zlib

SECTOR = 512


def cloop(data, block=65536):
    data += bytes(-len(data) % block)
    packed = [zlib.compress(data[at:at + block]) for at in range(0, len(data), block)]
    head = b"#!/bin/sh\n#V2.0 Format\nmodprobe cloop file=$0 && mount -r -t iso9660 /dev/cloop $1\n"
    at = 136 + 8 * (len(packed) + 1)
    offsets = [at]
    for p in packed:
        at += len(p)
        offsets.append(at)
    return (head.ljust(128, b"\0") + struct.pack(">II", block, len(packed)) +
            struct.pack(f">{len(offsets)}Q", *offsets) + b"".join(packed))


def bochs(data, extent=65536):
    bitmap = extent // SECTOR // 8
    blocks = -(-len(data) // extent)
    catalog, body = [], b""
    for i in range(blocks):
        part = data[i * extent:(i + 1) * extent].ljust(extent, b"\0")
        if not any(part):
            catalog.append(0xffffffff)
            continue
        catalog.append(len(body) // (SECTOR + extent))
        bits = bytearray(bitmap)
        for s in range(extent // SECTOR):
            sector = part[s * SECTOR:(s + 1) * SECTOR]
            if any(sector):
                bits[s // 8] |= 1 << s % 8
            else:  # what is not in the map does not count
                part = part[:s * SECTOR] + b"\xee" * SECTOR + part[(s + 1) * SECTOR:]
        body += bytes(bits).ljust(SECTOR, b"\0") + part
    head = b"Bochs Virtual HD Image".ljust(32, b"\0") + b"Redolog".ljust(16, b"\0")
    head += b"Growing".ljust(16, b"\0")
    head += struct.pack("<IIIIIIQ", 0x20000, SECTOR, blocks, bitmap, extent, 0, len(data))
    return head.ljust(SECTOR, b"\0") + struct.pack(f"<{blocks}I", *catalog) + body


def cow(data, kind):
    """QEMU's has all sectors but those of zeros; the others have every third."""
    size, mtime, backing = len(data), 0, b"behind"
    if kind == "qemu":
        head = struct.pack(">II1024siIQII", 0x4f4f4f4d, 2, b"", mtime, 0, size, SECTOR, 0)
    elif kind == "qemu32":
        head = struct.pack(">II1024siQI", 0x4f4f4f4d, 2, b"", mtime, size, SECTOR)
    elif kind == "uml2":
        head = struct.pack(">II4096siQi", 0x4f4f4f4d, 2, backing, mtime, size, SECTOR)
    elif kind == "uml3":
        head = struct.pack(">IIIQIII4096s", 0x4f4f4f4d, 3, mtime, size, SECTOR, 4096, 0, backing)
    else:
        head = struct.pack(">IIqQIII4096sI", 0x4f4f4f4d, 3, mtime, size, SECTOR, 4096, 0, backing, 0)
    align = 4096 if kind.startswith("uml3") else SECTOR
    sectors = -(-size // SECTOR)
    bits, body = bytearray(-(-sectors // 8)), bytearray()
    for s in range(sectors):
        part = data[s * SECTOR:(s + 1) * SECTOR]
        if any(part) if kind.startswith("qemu") else s % 3 == 0:
            bits[s // 8] |= 1 << s % 8
            body += part
        else:  # what is not in the map does not count
            body += b"\xee" * len(part)
    if align > SECTOR:
        head += bytes(-len(head) % align)
    return head + bits + bytes(-(len(head) + len(bits)) % align) + body


PACK = {
    "zlib": (0x80000005, zlib.compress),
    "bzip2": (0x80000006, bz2.compress),
    "lzma": (0x80000008, lzma.compress),
    "raw": (1, bytes),
    "fork": (0x80000005, zlib.compress),
}


def mish(data, first, offset, kind, chunk=64):
    """A table for a part of the disk, and its chunks' bytes, which start at `offset`."""
    code, pack = PACK[kind]
    entries, body = [(0x7ffffffe, 0, 0, offset, 0)], b""
    size = chunk * SECTOR
    for at in range(0, len(data), size):
        part = data[at:at + size]
        where = (at // SECTOR, len(part) // SECTOR, offset + len(body))
        if not any(part):
            entries.append((0 if at % (2 * size) else 2, *where, 0))
            continue
        # every fifth one is as it is, as hdiutil leaves what does not get smaller
        use = (1, bytes) if at // size % 5 == 4 else (code, pack)
        packed = use[1](part)
        entries.append((use[0], *where, len(packed)))
        body += packed
    entries.append((0xffffffff, len(data) // SECTOR, 0, offset + len(body), 0))
    head = b"mish" + struct.pack(">IQQQII", 1, first, len(data) // SECTOR, 0, chunk, len(entries))
    head = head.ljust(200, b"\0") + struct.pack(">I", len(entries))
    return head + b"".join(struct.pack(">IIQQQQ", t, 0, s, n, o, l)
                           for t, s, n, o, l in entries), body


def dmg(data, kind):
    half = len(data) // 2 // SECTOR * SECTOR
    body, tables = b"", []
    for first, end in ((0, half), (half, len(data))):
        table, more = mish(data[first:end], first // SECTOR, len(body), kind)
        tables.append(table)
        body += more
    if kind == "fork":
        items = b"".join(struct.pack(">I", len(t)) + t for t in tables)
        lists = struct.pack(">IIII", 0x100, 0x100 + len(items), len(items), 0)
        lists = lists.ljust(0x100, b"\0") + items
    else:
        items = "".join(f"<dict><key>Data</key>\n<data>\n\t{base64.encodebytes(t).decode()}</data>"
                        f"<key>ID</key><string>{i}</string></dict>\n" for i, t in enumerate(tables))
        lists = ("<?xml version=\"1.0\"?>\n<plist><dict><key>resource-fork</key><dict>"
                 f"<key>blkx</key>\n<array>\n{items}</array></dict></dict></plist>\n").encode()
    where = (len(body), len(lists))
    koly = b"koly" + struct.pack(">IIIQQQ", 4, 512, 1, 0, 0, len(body))
    koly += struct.pack(">QQII", *(where if kind == "fork" else (0, 0)), 1, 1)
    koly = koly.ljust(216, b"\0") + struct.pack(">QQ", *((0, 0) if kind == "fork" else where))
    koly = koly.ljust(492, b"\0") + struct.pack(">Q", len(data) // SECTOR)
    return body + lists + koly.ljust(512, b"\0")


def main():
    kind, source, image = sys.argv[1:]
    with open(source, "rb") as f:
        data = f.read()
    name, _, how = kind.partition("-")
    make = {"cloop": cloop, "bochs": bochs, "cow": cow, "dmg": dmg}[name]
    with open(image, "wb") as f:
        f.write(make(data, how) if how else make(data))


main()
