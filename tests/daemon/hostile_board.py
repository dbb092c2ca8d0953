# SPDX-License-Identifier: MIT
"""A board that answers what a test likes, right or wrong: one thread on a pty."""

import base64
import os
import select
import struct
import threading
import tty

import rack  # noqa: F401  (the path of smp_wire)
import smp_wire


class Board:
    """answers: {(group, id): payload}, bytes or what CBOR has, or a function that makes one of a request's payload; any other
    command is refused with rc 8."""

    def __init__(self, answers):
        self.answers = answers
        self.master, self.slave = os.openpty()
        tty.setraw(self.slave)
        self.path = os.ttyname(self.slave)
        self.wake = os.pipe()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def close(self):
        os.write(self.wake[1], b'x')
        self.thread.join()
        for fd in (self.master, self.slave, *self.wake):
            os.close(fd)

    def lines(self):
        buffer = b''
        while True:
            ready, _, _ = select.select([self.master, self.wake[0]], [], [])
            if self.wake[0] in ready:
                return
            buffer += os.read(self.master, 65536)
            *whole, buffer = buffer.split(b'\n')
            yield from whole

    def run(self):
        packet = b''
        for line in self.lines():
            if line[:2] == b'\x06\x09':
                packet = line[2:]
            elif line[:2] == b'\x04\x14':
                packet += line[2:]
            else:
                continue
            raw = base64.b64decode(packet)
            if len(raw) >= 2 and len(raw) == 2 + struct.unpack('>H', raw[:2])[0]:
                self.answer(raw[2:-2])

    def answer(self, message):
        op, _, _, group, sequence, number = struct.unpack('>BBHHBB', message[:8])
        payload = self.answers.get((group, number), {'rc': 8})
        if callable(payload):
            payload = payload(smp_wire.decode(message[8:]))
        if not isinstance(payload, bytes):
            payload = smp_wire.encode(payload)
        header = struct.pack('>BBHHBB', (op & 7) + 1, 8, len(payload), group, sequence, number)
        for part in smp_wire.frame(header + payload).splitlines(keepends=True):
            os.write(self.master, part)
