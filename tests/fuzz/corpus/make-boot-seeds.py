#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes the seeds of the fuzz targets bzimage, elf and multiboot beside this file."""
import pathlib
import struct

HERE = pathlib.Path(__file__).parent
MAGIC = 0x1BADB002


def bzimage(version, **fields):
    h = bytearray(1024)
    put = lambda fmt, at, v: struct.pack_into("<" + fmt, h, at, v)
    put("B", 0x1F1, 1)
    put("I", 0x1F4, 16)
    put("H", 0x1FE, 0xAA55)
    put("H", 0x200, 0x6AEB)
    h[0x202:0x206] = b"HdrS"
    put("H", 0x206, version)
    put("B", 0x211, fields.get("loadflags", 1))
    put("I", 0x214, 0x100000)
    put("I", 0x22C, fields.get("initrd_max", 0x7FFFFFFF))
    put("I", 0x230, 0x200000)
    put("B", 0x234, fields.get("relocatable", 1))
    put("B", 0x235, 21)
    put("H", 0x236, fields.get("xloadflags", 3))
    put("I", 0x238, 2047)
    put("Q", 0x258, fields.get("pref", 0x1000000))
    put("I", 0x260, fields.get("init_size", 0x100000))
    return bytes(h) + b"\x90" * 256


def multiboot(flags, *addresses):
    return struct.pack("<III", MAGIC, flags, -(MAGIC + flags) & 0xFFFFFFFF) + struct.pack(
        "<%dI" % len(addresses), *addresses)


def note(owner, kind, desc):
    pad = lambda b: b + b"\0" * (-len(b) % 4)
    return struct.pack("<III", len(owner) + 1, len(desc), kind) + pad(owner + b"\0") + pad(desc)


def elf(bits, text, notes=b"", virt=0, align=4, bss=0x1000):
    """One segment at 1 MiB that starts with `text`, and one of notes."""
    wide = bits == 64
    machine, ehdr, phdr = (62, 64, 56) if wide else (3, 52, 32)
    at = ehdr + 2 * phdr
    notes_at = at + len(text)
    entry = (virt + 0x100000) & (2**bits - 1)
    out = b"\x7fELF" + bytes([2 if wide else 1, 1, 1]) + b"\0" * 9
    out += struct.pack("<HHIQQQI" if wide else "<HHIIIII", 2, machine, 1, entry, ehdr, 0, 0)
    out += struct.pack("<HHHHHH", ehdr, phdr, 2, 0, 0, 0)
    for kind, off, paddr, size, mem in ((1, at, 0x100000, len(text), len(text) + bss),
                                        (4, notes_at, 0, len(notes), len(notes))):
        vaddr = (paddr + virt) & (2**bits - 1)
        if wide:
            out += struct.pack("<IIQQQQQQ", kind, 7, off, vaddr, paddr, size, mem, align)
        else:
            out += struct.pack("<IIIIIIII", kind, off, vaddr, paddr, size, mem, 7, align)
    return out + text + notes


def main():
    code = b"\x90" * 60 + b"\xf4"
    pvh32 = note(b"Linux", 1, b"abc") + note(b"Xen", 18, struct.pack("<I", 0x100000))
    pvh64 = note(b"Xen", 6, b"linux\0") + note(b"Xen", 18, struct.pack("<Q", 0x100010))
    high = 0xFFFFFFFF80000000
    seeds = {
        "bzimage/modern": bzimage(0x20F),
        "bzimage/fixed": bzimage(0x20A, relocatable=0, pref=0x400000),
        "bzimage/no-room": bzimage(0x20F, init_size=0x40000000, initrd_max=0x200000),
        "bzimage/old-2.02": bzimage(0x202),
        "bzimage/old-2.05": bzimage(0x205),
        "bzimage/zimage": bzimage(0x202, loadflags=0),
        "elf/pvh32": elf(32, code, pvh32, virt=0xC0000000),
        "elf/pvh64": elf(64, code, pvh64, virt=high),
        "elf/pvh64-align8": elf(64, code, note(b"Xen", 18, b"\0\0\x10\0\0\0\0\0"), align=8),
        "elf/both": elf(64, code + multiboot(3), pvh64),
        "elf/neither": elf(64, code),
        "multiboot/elf32": elf(32, multiboot(3) + code, virt=0xC0000000),
        "multiboot/elf64": elf(64, multiboot(7) + code, virt=high),
        "multiboot/flat": multiboot(0x10003, 0x100000, 0x100000, 0, 0, 0x100020) + code,
        "multiboot/flat-bss": b"\0" * 64
        + multiboot(0x10000, 0x4040, 0x4000, 0x4080, 0x6000, 0x4000) + code,
        "multiboot/demands": multiboot(0x10008, 0x100000, 0x100000, 0, 0, 0x100020) + code,
        "multiboot/no-addresses": multiboot(3) + code,
    }
    for name, data in seeds.items():
        (HERE / name).write_bytes(data)


if __name__ == "__main__":
    main()
