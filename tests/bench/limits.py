# SPDX-License-Identifier: MIT
"""How fast a transfer can be: what the wire carries, and what the board's buffers allow."""

import dataclasses

FORMULAS = """\
message    buf_size - 4: what fits the board's buffer besides length and checksum
chunk      message - 8 (SMP header) - CBOR around the data; download: what the board puts into a reply
framed(n)  n + 4 bytes in base64, 93 in a line, and 3 bytes a line
wire       (baud / 10) * chunk / framed(message with the chunk): full messages back to back, the other direction idle
round trip (framed(request) + framed(reply)) * 10 / baud + 2 * latency
buffers    (buf_count - 1) * chunk / round trip: as many requests as the board has room for
limit      the smaller of the two"""


def cbor_head(n):
    """Bytes of the head of an integer, a text or a byte string."""
    return 1 if n < 24 else 2 if n < 256 else 3 if n < 65536 else 5


def framed(message):
    """SMP over console: bytes on the wire of a message."""
    packet = message + 4
    full, rest = divmod(packet, 93)
    return full * 127 + (3 + (rest + 2) // 3 * 4 if rest else 0)


def text(word):
    return cbor_head(len(word)) + len(word)


def around_upload(offset, name=None):
    """The map {off, data} (files: {off, name, data}), without the data and its head."""
    path = text('name') + text(name) if name else 0
    return 8 + 1 + text('off') + cbor_head(offset) + text('data') + path


def chunk_of(message, around):
    n = message - around - 1
    while around + cbor_head(n) + n > message:
        n -= 1
    return n


@dataclasses.dataclass
class Limit:
    chunk: int
    request: int  # bytes on the wire
    reply: int
    wire: float  # payload B/s; None without a baud rate
    buffers: float

    @property
    def least(self):
        return min(x for x in (self.wire, self.buffers) if x is not None)


def limit(kind, size, baud, buf_size, buf_count, latency, download_chunk=None, name=None):
    """kind: image, write or read. latency: seconds, one way."""
    message = buf_size - 4
    last = size - 1  # the largest offset, whose number takes the most room
    if kind == 'read':
        chunk = download_chunk
        request = framed(8 + 1 + text('off') + cbor_head(last) + text('name') + text(name))
        reply = framed(8 + 2 + text('off') + cbor_head(last) + text('data') + cbor_head(chunk) + chunk)
        full = reply
    else:
        around = around_upload(last, name)
        chunk = chunk_of(message, around)
        request = full = framed(around + cbor_head(chunk) + chunk)
        reply = framed(8 + 2 + text('off') + cbor_head(size))
    round_trip = ((request + reply) * 10 / baud if baud else 0) + 2 * latency
    return Limit(chunk, request, reply, baud / 10 * chunk / full if baud else None,
                 max(1, buf_count - 1) * chunk / round_trip if round_trip else None)
