# SPDX-License-Identifier: MIT
"""A small SMP client, written apart from both the simulator and the project.

Framing, CRC and as much CBOR as SMP needs, in the standard library alone, so
that a test can look at every byte that goes over the wire.
"""

import base64
import os
import select
import struct
import termios
import time
import tty

READ, WRITE = 0, 2


# CBOR ---------------------------------------------------------------------

def _head(major, n):
    if n < 24:
        return bytes([major << 5 | n])
    for code, fmt, limit in ((24, '>B', 1 << 8), (25, '>H', 1 << 16),
                             (26, '>I', 1 << 32), (27, '>Q', 1 << 64)):
        if n < limit:
            return bytes([major << 5 | code]) + struct.pack(fmt, n)
    raise OverflowError(n)


def encode(v):
    if v is True:
        return b'\xf5'
    if v is False:
        return b'\xf4'
    if isinstance(v, int):
        return _head(0, v) if v >= 0 else _head(1, -1 - v)
    if isinstance(v, bytes):
        return _head(2, len(v)) + v
    if isinstance(v, str):
        return _head(3, len(v.encode())) + v.encode()
    if isinstance(v, (list, tuple)):
        return _head(4, len(v)) + b''.join(encode(i) for i in v)
    if isinstance(v, dict):
        return _head(5, len(v)) + b''.join(encode(k) + encode(i) for k, i in v.items())
    raise TypeError(v)


class _End(Exception):
    pass


def _item(data, at):
    first = data[at]
    major, info = first >> 5, first & 31
    at += 1
    if first == 0xff:
        raise _End
    if info < 24:
        n = info
    elif info < 28:
        size = 1 << (info - 24)
        n = int.from_bytes(data[at:at + size], 'big')
        at += size
    elif info == 31:
        n = None
    else:
        raise ValueError('reserved CBOR length')
    if major == 0:
        return n, at
    if major == 1:
        return -1 - n, at
    if major in (2, 3):
        raw = bytes(data[at:at + n])
        if len(raw) < n:
            raise ValueError('CBOR string is cut')
        return (raw if major == 2 else raw.decode()), at + n
    if major in (4, 5):
        return _container(data, at, major, n)
    if first in (0xf4, 0xf5):
        return first == 0xf5, at
    raise ValueError(f'CBOR item {first:#x}')


def _container(data, at, major, n):
    items = []
    while n is None or len(items) < n * (major - 3):
        try:
            item, at = _item(data, at)
        except _End:
            at += 1
            break
        items.append(item)
    if major == 4:
        return items, at
    return dict(zip(items[::2], items[1::2])), at


def decode(data):
    value, at = _item(data, 0)
    if at != len(data):
        raise ValueError('bytes after CBOR item')
    return value


# Messages and frames --------------------------------------------------------

def crc16(data):
    crc = 0
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xffff
    return crc


def message(op, group, id_, payload, seq=0, version=1, length=None):
    if not isinstance(payload, bytes):
        payload = encode(payload)
    return struct.pack('>BBHHBB', version << 3 | op, 0,
                       len(payload) if length is None else length, group, seq, id_) + payload


def packet(msg, crc=None, plen=None):
    crc = crc16(msg) if crc is None else crc
    return (struct.pack('>H', len(msg) + 2 if plen is None else plen) + msg +
            struct.pack('>H', crc))


def lines(raw, size=93):
    """A packet cut into console lines."""
    out = []
    for at in range(0, len(raw), size):
        out.append((b'\x06\x09' if not at else b'\x04\x14') +
                   base64.b64encode(raw[at:at + size]) + b'\n')
    return out


def frame(msg):
    return b''.join(lines(packet(msg)))


class Reply:
    """A message as it came: header fields, payload bytes, decoded map."""

    def __init__(self, msg):
        (first, self.flags, self.length, self.group, self.seq,
         self.id) = struct.unpack('>BBHHBB', msg[:8])
        self.op = first & 7
        self.version = first >> 3 & 3
        self.raw = msg
        self.payload = msg[8:]

    @property
    def map(self):
        return decode(self.payload)

    def __getitem__(self, key):
        return self.map[key]

    def __repr__(self):
        return f'<op {self.op} v{self.version} {self.group}/{self.id} seq {self.seq} {self.map}>'


class Timeout(Exception):
    pass


class Port:
    """A tty (or connected socket) with SMP on it; console text is kept apart."""

    def __init__(self, path=None, sock=None, raw=True):
        self.sock = sock
        self.fd = sock.fileno() if sock else os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        if raw and not sock:
            tty.setraw(self.fd, termios.TCSANOW)    # what is in the buffer already stays
        self.buf = b''
        self.console = b''
        self.lines = []      # every line of a frame, as received
        self.partial = None
        self.seq = 0
        self.sent = 0        # bytes, over the life of this port

    def close(self):
        if self.sock:
            self.sock.close()
        elif self.fd >= 0:
            os.close(self.fd)
        self.fd = -1

    def send(self, data):
        while data:
            select.select([], [self.fd], [], 30)
            n = os.write(self.fd, data)
            self.sent += n
            data = data[n:]

    def read(self, timeout):
        """Whatever comes within the timeout; b'' when nothing does."""
        if not select.select([self.fd], [], [], max(timeout, 0))[0]:
            return b''
        data = os.read(self.fd, 65536)
        if not data:
            raise EOFError
        return data

    def _take(self):
        """One message out of the buffer, or None."""
        while True:
            starts = [i for i in (self.buf.find(b'\x06\x09'), self.buf.find(b'\x04\x14')) if i >= 0]
            at = min(starts, default=-1)
            if at < 0:
                keep = 1 if self.buf[-1:] in (b'\x06', b'\x04') else 0
                self.console += self.buf[:len(self.buf) - keep]
                self.buf = self.buf[len(self.buf) - keep:]
                return None
            end = self.buf.find(b'\n', at)
            if end < 0:
                return None
            self.console += self.buf[:at]
            line, self.buf = self.buf[at:end], self.buf[end + 1:]
            self.lines.append(line + b'\n')
            try:
                raw = base64.b64decode(line[2:].rstrip(b'\r'), validate=True)
            except ValueError:
                self.partial = None
                continue
            if line[:2] == b'\x06\x09':
                self.partial = raw
            elif self.partial is None:
                continue
            else:
                self.partial += raw
            plen = int.from_bytes(self.partial[:2], 'big')
            if len(self.partial) - 2 < plen:
                continue
            body, self.partial = self.partial[2:], None
            if len(body) == plen and crc16(body) == 0:
                return Reply(body[:-2])

    def receive(self, timeout=30):
        """The next message; Timeout when there is none."""
        deadline = time.monotonic() + timeout
        while True:
            reply = self._take()
            if reply:
                return reply
            left = deadline - time.monotonic()
            if left <= 0:
                raise Timeout
            self.buf += self.read(left)

    def silent(self, timeout=0.15):
        """True when no message comes."""
        try:
            self.receive(timeout)
        except Timeout:
            return True
        return False

    def text(self, wanted, timeout=30):
        """Reads until the console said `wanted`."""
        deadline = time.monotonic() + timeout
        while wanted not in self.console:
            self._take()
            if wanted in self.console:
                break
            left = deadline - time.monotonic()
            if left <= 0:
                raise Timeout(self.console)
            self.buf += self.read(left)
        return self.console

    def ask(self, op, group, id_, payload=None, timeout=30, version=1):
        """Sends a request and returns the reply that matches it."""
        self.seq = (self.seq + 1) & 0xff
        self.send(frame(message(op, group, id_, {} if payload is None else payload,
                                self.seq, version)))
        while True:
            reply = self.receive(timeout)
            if (reply.seq, reply.group, reply.id) == (self.seq, group, id_):
                return reply
