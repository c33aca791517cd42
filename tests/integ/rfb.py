# SPDX-License-Identifier: GPL-2.0-or-later
"""A VNC client (RFC 6143, raw encoding) for tests: screenshots, keys, pointer, and the text on a
VGA text screen, read by comparing its cells with the font of the VGA BIOS."""

import re
import socket
import struct
import time
import zlib

KEYS = {"ret": 0xFF0D, "esc": 0xFF1B, "tab": 0xFF09, "backspace": 0xFF08, "up": 0xFF52,
        "down": 0xFF54, "left": 0xFF51, "right": 0xFF53, "ctrl": 0xFFE3, "alt": 0xFFE9,
        "shift": 0xFFE1, "del": 0xFFFF, **{f"f{n}": 0xFFBD + n for n in range(1, 13)}}

FONT_ROM = "/usr/share/seabios/vgabios-stdvga.bin"
GLYPH_A = bytes.fromhex("000010386cc6c6fec6c6c6c600000000")


def load_font():
    """Glyph bytes -> character, from the 8x16 font in the VGA BIOS."""
    rom = open(FONT_ROM, "rb").read()
    start = rom.index(GLYPH_A) - 16 * ord("A")
    return {rom[start + 16 * n:start + 16 * n + 16]: bytes([n]).decode("cp437") if n >= 32 else " "
            for n in range(255, -1, -1)}


class Rfb:
    def __init__(self, where, timeout=20):
        end = time.time() + timeout
        while True:
            try:
                if where.startswith("/"):
                    self.s = socket.socket(socket.AF_UNIX)
                    self.s.connect(where)
                else:
                    host, port = where.rsplit(":", 1)
                    self.s = socket.create_connection((host, int(port)), timeout=10)
                break
            except OSError:
                if time.time() > end:
                    raise
                time.sleep(0.1)
        self.s.settimeout(20)
        self.read(12)
        self.s.sendall(b"RFB 003.008\n")
        self.read(self.read(1)[0])
        self.s.sendall(b"\x01")
        if struct.unpack(">I", self.read(4))[0]:
            raise OSError("the server refuses")
        self.s.sendall(b"\x01")
        self.w, self.h = struct.unpack(">HH", self.read(4))
        self.read(16)
        self.read(struct.unpack(">I", self.read(4))[0])
        # 32 bits, little-endian, red at 16; raw and DesktopSize
        self.s.sendall(struct.pack(">B3xBBBBHHHBBB3x", 0, 32, 24, 0, 1, 255, 255, 255, 16, 8, 0))
        self.s.sendall(struct.pack(">BxHii", 2, 2, 0, -223))
        self.pix = bytearray(self.w * self.h * 4)
        self.font = load_font()

    def read(self, n):
        out = b""
        while len(out) < n:
            piece = self.s.recv(n - len(out))
            if not piece:
                raise OSError("the server has gone")
            out += piece
        return out

    def update(self):
        """Brings the whole screen."""
        self.s.sendall(struct.pack(">BBHHHH", 3, 0, 0, 0, self.w, self.h))
        while True:
            kind = self.read(1)[0]
            if kind == 0:
                n = struct.unpack(">xH", self.read(3))[0]
                if self.rects(n):
                    return
                self.s.sendall(struct.pack(">BBHHHH", 3, 0, 0, 0, self.w, self.h))
            elif kind == 1:
                self.read(struct.unpack(">x2xH", self.read(5))[0] * 6)
            elif kind == 3:
                self.read(struct.unpack(">3xI", self.read(7))[0])

    def rects(self, n):
        whole = True
        for _ in range(n):
            x, y, w, h, enc = struct.unpack(">HHHHi", self.read(12))
            if enc == -223:
                self.w, self.h = w, h
                self.pix = bytearray(w * h * 4)
                whole = False
                continue
            data = self.read(w * h * 4)
            for row in range(h):
                to = ((y + row) * self.w + x) * 4
                self.pix[to:to + w * 4] = data[row * w * 4:(row + 1) * w * 4]
        return whole

    def png(self, path):
        self.update()
        rows = b"".join(b"\0" + b"".join(
            bytes((self.pix[i + 2], self.pix[i + 1], self.pix[i]))
            for i in range(y * self.w * 4, (y + 1) * self.w * 4, 4)) for y in range(self.h))

        def chunk(tag, data):
            return (struct.pack(">I", len(data)) + tag + data +
                    struct.pack(">I", zlib.crc32(tag + data)))
        with open(path, "wb") as f:
            f.write(b"\x89PNG\r\n\x1a\n" +
                    chunk(b"IHDR", struct.pack(">IIBBBBB", self.w, self.h, 8, 2, 0, 0, 0)) +
                    chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))

    def text(self):
        """The lines of a text screen with 16-line characters; unknown glyphs are '?'."""
        self.update()
        cell = 9 if self.w % 9 == 0 and self.w % 8 else 8
        if self.w == 720:
            cell = 9
        lines = []
        for top in range(0, self.h - 15, 16):
            line = ""
            for left in range(0, self.w - cell + 1, cell):
                line += self.glyph(left, top)
            lines.append(line.rstrip())
        return "\n".join(lines)

    def glyph(self, left, top):
        rows = []
        back = bytes(self.pix[(top * self.w + left) * 4:(top * self.w + left) * 4 + 4])
        for y in range(top, top + 16):
            bits = 0
            for x in range(8):
                at = (y * self.w + left + x) * 4
                bits = bits << 1 | (self.pix[at:at + 4] != back)
            rows.append(bits)
        glyph = bytes(rows)
        return self.font.get(glyph) or self.font.get(bytes(b ^ 0xFF for b in glyph)) or "?"

    def wait_text(self, want, timeout):
        """Waits until `want`, words or a pattern, is on the screen; the screen's text, or TimeoutError
        with it."""
        end = time.time() + timeout
        while True:
            text = self.text()
            if want.search(text) if isinstance(want, re.Pattern) else want in text:
                return text
            if time.time() > end:
                raise TimeoutError(f"no {want!r} within {timeout} s on:\n{text}")
            time.sleep(0.3)

    def key(self, keysym, down):
        self.s.sendall(struct.pack(">BBxxI", 4, down, keysym))

    def press(self, *names):
        syms = [KEYS.get(n) or ord(n) for n in names]
        for sym in syms:
            self.key(sym, 1)
        for sym in reversed(syms):
            self.key(sym, 0)
        time.sleep(0.05)

    def type(self, text):
        for ch in text:
            self.press("ret" if ch == "\n" else ch)

    def drain(self):
        """Takes what comes until the server ends: one that cannot send drops its client, and with it the
        keys that it has not read yet."""
        try:
            while self.s.recv(1 << 16):
                pass
        except OSError:
            pass

    def pointer(self, x, y, buttons=0):
        self.s.sendall(struct.pack(">BBHH", 5, buttons, x, y))
