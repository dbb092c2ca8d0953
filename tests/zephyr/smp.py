# SPDX-License-Identifier: MIT
"""A small SMP client, independent of the daemon: it proves the boards of these tests.

CBOR as SMP uses it, console framing, and a blocking client on a tty. It also reads the
frames out of what a relay recorded, so that a test can say what went over the wire.
"""

import base64
import binascii
import collections
import errno
import os
import select
import struct
import time
import tty

READ, WRITE = 0, 2
OS, IMAGE, STAT, SETTINGS, FS, SHELL, ENUM, ZEPHYR = 0, 1, 2, 3, 8, 9, 10, 63
ECHO, TASKS, RESET, PARAMETERS, INFO, BOOTLOADER = 0, 2, 5, 6, 7, 8
STATE, UPLOAD, ERASE, SLOTS = 0, 1, 5, 6

START, MORE = b"\x06\x09", b"\x04\x14"
LINE = 127
HEADER = struct.Struct(">BBHHBB")


class Timeout(Exception):
    """No answer in time."""


class Refused(Exception):
    """The board answered with an error; `group` is None for a plain rc."""

    def __init__(self, group, rc, reply):
        super().__init__(f"group {group} rc {rc}: {reply}")
        self.group, self.rc, self.reply = group, rc, reply


# CBOR

def _head(major, value):
    for limit, extra, code in ((24, "", 0), (1 << 8, "B", 24), (1 << 16, "H", 25),
                               (1 << 32, "I", 26), (1 << 64, "Q", 27)):
        if value < limit:
            first = major << 5 | (value if not extra else code)
            return bytes([first]) + (struct.pack(">" + extra, value) if extra else b"")
    raise OverflowError(value)


def encode(value):
    if value is None:
        return b"\xf6"
    if isinstance(value, bool):
        return b"\xf5" if value else b"\xf4"
    if isinstance(value, int):
        return _head(0, value) if value >= 0 else _head(1, -1 - value)
    if isinstance(value, bytes):
        return _head(2, len(value)) + value
    if isinstance(value, str):
        text = value.encode()
        return _head(3, len(text)) + text
    if isinstance(value, (list, tuple)):
        return _head(4, len(value)) + b"".join(map(encode, value))
    if isinstance(value, dict):
        pairs = (encode(key) + encode(item) for key, item in value.items())
        return _head(5, len(value)) + b"".join(pairs)
    raise TypeError(type(value))


BREAK = object()


def _decode(data, at):
    first = data[at]
    major, low = first >> 5, first & 31
    at += 1
    if first == 0xFF:
        return BREAK, at
    length = None
    if low < 24:
        length = low
    elif low < 28:
        width = 1 << (low - 24)
        length = int.from_bytes(data[at:at + width], "big")
        at += width
    elif low != 31:
        raise ValueError(f"CBOR byte {first:#x}")
    if major == 0:
        return length, at
    if major == 1:
        return -1 - length, at
    if major in (2, 3):
        if length is None or at + length > len(data):
            raise ValueError("CBOR string length")
        raw = bytes(data[at:at + length])
        return (raw if major == 2 else raw.decode()), at + length
    if major in (4, 5):
        return _decode_items(data, at, major == 5, length)
    if major == 7 and low in (20, 21, 22):
        return (False, True, None)[low - 20], at
    raise ValueError(f"CBOR byte {first:#x}")


def _decode_items(data, at, is_map, length):
    items = []
    while length is None or len(items) < length * (2 if is_map else 1):
        item, at = _decode(data, at)
        if item is BREAK:
            if length is not None:
                raise ValueError("CBOR break in a definite length")
            break
        items.append(item)
    return (dict(zip(items[::2], items[1::2])) if is_map else items), at


def decode(data):
    value, at = _decode(data, 0)
    if at != len(data):
        raise ValueError(f"{len(data) - at} bytes after the CBOR value")
    return value


# Messages and frames

Message = collections.namedtuple("Message", "op version group command sequence payload")


def message(op, group, command, sequence, payload, version=1):
    body = payload if isinstance(payload, bytes) else encode(payload)
    return HEADER.pack(version << 3 | op, 0, len(body), group, sequence, command) + body


def parse(raw):
    first, _, length, group, sequence, command = HEADER.unpack_from(raw)
    if length != len(raw) - HEADER.size:
        raise ValueError(f"length {length} in a message of {len(raw)} bytes")
    return Message(first & 7, first >> 3 & 3, group, command, sequence, decode(raw[8:]))


def frame(raw, line=LINE):
    """The console lines of one message, as a list of bytes."""
    packet = struct.pack(">H", len(raw) + 2) + raw
    packet += struct.pack(">H", binascii.crc_hqx(raw, 0))
    step = (line - 3) // 4 * 3
    return [(MORE if at else START) + base64.b64encode(packet[at:at + step]) + b"\n"
            for at in range(0, len(packet), step)]


class Deframer:
    """Bytes in, whole messages out; everything else is collected in `text`."""

    def __init__(self):
        self.text = bytearray()
        self.broken = 0
        self._line = bytearray()
        self._packet = None

    def feed(self, data):
        self._line += data
        while (end := self._line.find(b"\n")) >= 0:
            line = bytes(self._line[:end])
            del self._line[:end + 1]
            raw = self._take(line)
            if raw is not None:
                yield raw

    def _take(self, line):
        starts = [at for at in (line.find(START), line.find(MORE)) if at >= 0]
        if not starts:
            self.text += line + b"\n"
            return None
        at = min(starts)
        self.text += line[:at]
        if line[at:at + 2] == START:
            self._packet = bytearray()
        if self._packet is None:
            self.broken += 1
            return None
        try:
            self._packet += base64.b64decode(line[at + 2:].rstrip(b"\r"), validate=True)
        except binascii.Error:
            self.broken, self._packet = self.broken + 1, None
            return None
        return self._complete()

    def _complete(self):
        packet = self._packet
        if len(packet) < 2 or len(packet) < (size := struct.unpack_from(">H", packet)[0]) + 2:
            return None
        self._packet = None
        raw = bytes(packet[2:size])
        if len(packet) != size + 2 or binascii.crc_hqx(bytes(packet[2:]), 0):
            self.broken += 1
            return None
        return raw


def messages(data):
    """All messages in recorded bytes."""
    return [parse(raw) for raw in Deframer().feed(data)]


def check(reply):
    """The reply, or Refused when it is an error of the board."""
    if "err" in reply:
        raise Refused(reply["err"]["group"], reply["err"]["rc"], reply)
    if reply.get("rc", 0):
        raise Refused(None, reply["rc"], reply)
    return reply


class Client:
    """Blocking SMP over a tty. `gap` seconds pass between the lines of a message."""

    def __init__(self, path, timeout=30, gap=0.0, raw=False):
        self.fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        tty.setraw(self.fd)
        self.timeout, self.gap, self.raw = timeout, gap, raw
        self.sequence = os.getpid() & 0xFF
        self.deframer = Deframer()
        self._buffer = bytearray()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        os.close(self.fd)

    def write(self, data):
        while data:
            select.select([], [self.fd], [], 5)
            data = data[os.write(self.fd, data):]

    def send(self, raw):
        lines = [raw] if self.raw else frame(raw)
        for number, line in enumerate(lines):
            if number and self.gap:
                time.sleep(self.gap)
            self.write(line)

    def received(self, timeout):
        """Raw messages as they come, until `timeout` seconds have passed."""
        deadline = time.monotonic() + timeout
        while (left := deadline - time.monotonic()) > 0:
            if not select.select([self.fd], [], [], left)[0]:
                return
            data = os.read(self.fd, 65536)
            if not data:
                raise OSError(errno.EIO, "the tty hung up")
            yield from self._split(data)

    def _split(self, data):
        if not self.raw:
            yield from self.deframer.feed(data)
            return
        self._buffer += data
        while len(self._buffer) >= 8:
            size = 8 + struct.unpack_from(">H", self._buffer, 2)[0]
            if len(self._buffer) < size:
                return
            yield bytes(self._buffer[:size])
            del self._buffer[:size]

    def exchange(self, op, group, command, payload, timeout=None, version=1):
        """One request, one reply message; Timeout when none came."""
        self.sequence = (self.sequence + 1) & 0xFF
        self.send(message(op, group, command, self.sequence, payload, version))
        for raw in self.received(self.timeout if timeout is None else timeout):
            got = parse(raw)
            if got[:1] + got[2:5] == ((op | 1), group, command, self.sequence):
                return got
        raise Timeout(f"group {group} command {command}")

    def request(self, op, group, command, payload=None, **how):
        return check(self.exchange(op, group, command, payload or {}, **how).payload)

    def read(self, group, command, payload=None, **how):
        return self.request(READ, group, command, payload, **how)

    def write_request(self, group, command, payload=None, **how):
        return self.request(WRITE, group, command, payload, **how)

    def persist(self, group, command, payload, timeout, attempts=5):
        """A write request that may be repeated: an emulated board on a busy machine loses
        some."""
        while True:
            attempts -= 1
            try:
                return self.write_request(group, command, payload, timeout=timeout)
            except Timeout:
                if not attempts:
                    raise

    def echo(self, text, **how):
        return self.write_request(OS, ECHO, {"d": text}, **how)["r"]

    def images(self, **how):
        return self.read(IMAGE, STATE, **how)["images"]

    def set_state(self, digest=None, confirm=False):
        wish = {"confirm": confirm}
        if digest is not None:
            wish["hash"] = digest
        return self.write_request(IMAGE, STATE, wish)["images"]

    def upload(self, data, chunk=256, sha=None, first=None, stop_at=None):
        """Sends an image, following the board's `off`; returns the offset reached."""
        off = 0
        while off < len(data) and (stop_at is None or off < stop_at):
            wish = {"off": off, "data": data[off:off + chunk]}
            if off == 0:
                wish = {"len": len(data), **({"sha": sha} if sha else {}),
                        **(first or {}), **wish}
            reply = self.persist(IMAGE, UPLOAD, wish, timeout=40 if off == 0 else 1)
            if reply["off"] == off:
                raise AssertionError(f"the board stays at offset {off}")
            off = reply["off"]
        return off

    def wait(self, timeout=60, probe=None):
        """Asks for the image list (or `probe`) until it is answered."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                return (probe or self.images)(timeout=0.3)
            except Timeout:
                if time.monotonic() > deadline:
                    raise
