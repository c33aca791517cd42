#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes the seeds of the network cards' fuzz targets: each programs a card as a driver does, then
sends and receives. The encoding is nic_input.h's."""

import pathlib
import struct

HERE = pathlib.Path(__file__).resolve().parent


def mm(at, val):
    return struct.pack("<BHI", 0x05, at, val)


def mm_read(at):
    return struct.pack("<BH", 0x04, at)


def mm8(at, val):  # spans of at most 256 take one byte of address
    return struct.pack("<BBI", 0x05, at, val)


def io(at, val, size):
    return struct.pack("<BB", 0x51 | {1: 0, 2: 2, 4: 4}[size], at) + val.to_bytes(size, "little")


def io_read(at, size):
    return struct.pack("<BB", 0x50 | {1: 0, 2: 2, 4: 4}[size], at)


def mem(at, data):
    return struct.pack("<BHB", 0xA0, at // 16, len(data)) + data


def frame(length, data=b"", op=0xC3):
    return struct.pack("<BHB", op, length - 1, len(data)) + data


ROOM, NO_ROOM = b"\xd8", b"\xd9"
STATE = b"\xf5\x00"
TIME = b"\xe0\x14"
IP = bytes.fromhex("525400123456525400000002080045000052000740004006000 00a00020f0a000202".replace(" ", ""))


def e1000():
    ring = b"".join(mem(0x1000 + 16 * i, struct.pack("<QQ", 0x8000 + 2048 * i, 0)) for i in range(4))
    rx = ring + mm(0x2800, 0x1000) + mm(0x2808, 128) + mm(0x2818, 4) + mm(0x100, 0x8002)
    rx += mm(0x5000, 0x300) + mm(0xD0, 0xFFFF) + frame(60) + frame(200, IP) + mm_read(0xC0)
    tx = mem(0x2000, struct.pack("<QII", 0x3000, 0x0B000000 | 60, 0))
    tx += mem(0x2010, struct.pack("<IIII", 33 << 16 | 24 << 8 | 14, 50 << 8 | 34, 0x27000000 | 400, 100 << 16 | 54 << 8))
    tx += mem(0x2020, struct.pack("<QII", 0x3000, 0x2D100000 | 454, 0x300))
    tx += mm(0x3800, 0x2000) + mm(0x3808, 128) + mm(0x400, 0x0A)
    go = mm(0x3818, 3)
    mdic = mm(0x20, 0x04201200) + TIME + mm(0x20, 0x04204140)
    yield "rx", rx
    yield "tx", tx + go + NO_ROOM + mm(0x3818, 0) + STATE + ROOM
    yield "both", rx + tx + mdic + go + STATE + TIME
    yield "delays", mm(0x2820, 10) + mm(0x282C, 20) + mm(0x3820, 9) + mm(0xC4, 500) + rx + TIME + tx + go + TIME
    yield "vlan", mm(0, 0x40140241) + rx + frame(80, IP[:12] + b"\x81\0\x20\x05" + IP[12:]) + tx + go
    yield "eeprom", b"".join(mm(0x10, v) for v in (0x42, 0x47, 0x46, 0x47, 0x46, 0x43, 0x42)) + mm(0x14, 0x301)


def rtl8139():
    c = io(0x30, 0x4000, 4) + io(0x37, 0x0C, 1) + io(0x44, 0x0F, 4) + io(0x3C, 0xFFFF, 2)
    c += frame(60) + frame(1500) + io(0x38, 52, 2) + io(0x20, 0x3000, 4) + io(0x10, 100, 4) + io(0x3E, 0xFFFF, 2)
    rx = b"".join(mem(0x1000 + 16 * i, struct.pack("<IIQ", 0x80000000 | (0x40000000 if i == 3 else 0) | 1536, 0, 0x8000 + 2048 * i)) for i in range(4))
    tx = mem(0x2000, struct.pack("<IIQ", 0xB0070000 | 454, 0x20000, 0x3000))
    tx += mem(0x2010, struct.pack("<IIQ", 0xF8000000 | 100 << 16 | 454, 0, 0x3000)) + mem(0x3000, IP)
    plus = rx + tx + io(0xE0, 0x63, 2) + io(0x20, 0x2000, 4) + io(0xE4, 0x1000, 4) + io(0x37, 0x0C, 1) + io(0x44, 0x0F, 4)
    plus += io(0x3C, 0xFFFF, 2) + frame(200, IP) + frame(3000) + io(0xD9, 0x40, 1)
    yield "c", c + STATE
    yield "plus", plus + NO_ROOM + io(0xD9, 0x40, 1) + STATE + ROOM + TIME
    yield "loop", io(0x40, 0x60000, 4) + plus + TIME
    yield "timer", io(0x3C, 0x4000, 2) + io(0x54, 1000, 4) + TIME + mm8(0x48, 0)


def ne2000():
    def reg(at, val):
        return io(at, val, 1)
    start = reg(0, 0x21) + reg(14, 0x49) + reg(12, 0x1C) + reg(1, 0x46) + reg(2, 0x60) + reg(3, 0x46) + reg(0, 0x61)
    start += reg(7, 0x47) + reg(0, 0x22) + reg(15, 0x7F)
    rx = frame(60) + frame(1500) + reg(3, 0x48)
    dma = reg(10, 64) + reg(11, 0) + reg(8, 0) + reg(9, 0x40) + reg(0, 0x12) + io(16, 0x1234, 2) * 32
    tx = reg(4, 0x40) + reg(5, 64) + reg(6, 0) + reg(0, 0x26)
    yield "rx", start + rx + reg(0, 0x1A) + io_read(16, 4) * 10
    yield "tx", start + dma + NO_ROOM + tx + STATE + ROOM + io_read(31, 1)


def pcnet():
    def csr(n, val):
        return io(0x12, n, 2) + io(0x10, val, 2)
    for style in (0, 2, 3):
        out = io(0x12, 20, 2) + io(0x16, style, 2)
        if style:
            out += mem(0x800, struct.pack("<HBB6sHQII", 0, 0x20, 0x20, b"RT\0\x124V", 0, 0, 0x1000, 0x2000))
        else:
            out += mem(0x800, struct.pack("<H6sQII", 0, b"RT\0\x124V", 0, 0x40001000, 0x40002000))
        for ring, buf, st in ((0x1000, 0x8000, 0x8000), (0x2000, 0x3000, 0x8300)):
            d = b""
            for i in range(4):
                if style == 0:
                    d += struct.pack("<IHH", buf | st << 16, (-1536 if ring == 0x1000 else -100) & 0xFFFF, 0)
                elif style == 2:
                    d += struct.pack("<IHHQ", buf, (-1536 if ring == 0x1000 else -100) & 0xFFFF, st, 0)
                else:
                    d += struct.pack("<IHHII", 0, (-1536 if ring == 0x1000 else -100) & 0xFFFF, st, buf, 0)
            for i in range(0, len(d), 48):
                out += mem(ring + i, d[i:i + 48])
        out += csr(4, 0x0915) + csr(1, 0x800) + csr(2, 0) + csr(0, 1) + csr(0, 0x42)
        yield f"style{style}", out + frame(60) + frame(2000) + csr(0, 0x48) + TIME + STATE + frame(61)
    yield "dword", mm8(0x10, 0) + mm8(0x14, 88) + mm8(0x18, 0)


def netsocket():
    yield "frames", b"\x08\0\0\0\x04abcd\xff\x06\0\0\0\x02hi\xff\x80\x02\0\0\xff\x83\xff\xa5\xa5\xc0"
    yield "bad", b"\x04\0\x01\0\0\xff\xa1"


def netconfig():
    for i, text in enumerate((
            "user,net=10.0.2.0/24,host=10.0.2.2,dns=10.0.2.3,dhcpstart=10.0.2.15,restrict=on,ipv6=off,mtu=1500",
            "user,hostfwd=tcp:127.0.0.1:2222-10.0.2.15:22,hostfwd=udp::53-:53,tftp=/srv,,x,bootfile=a,dnssearch=b",
            "tap,ifname=tap0,script=no,downscript=no,fd=3", "socket,listen=:1234,mac=52:54:00:12:34:56,model=e1000",
            "socket,connect=unix:/x,reconnect=1,pcap=/tmp/x,snaplen=64", "socket,mcast=230.0.0.1:1,localaddr=1.2.3.4",
            "none", "52:54:00:12:34:56")):
        yield str(i), text.encode()


for target in (e1000, rtl8139, ne2000, pcnet, netsocket, netconfig):
    folder = HERE / target.__name__
    folder.mkdir(exist_ok=True)
    for name, data in target():
        (folder / name).write_bytes(data)
