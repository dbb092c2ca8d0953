# SPDX-License-Identifier: MIT
"""Runs a program on a pty and keeps the screen that a user would see."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

DEADLINE = 60
SEQUENCE = re.compile(rb"\x1b\[(\d*)([A-Za-z])")


class Screen:
    """The few controls that mcumgrctl may use; anything else is a failure."""

    def __init__(self, columns):
        self.columns, self.lines, self.row, self.column = columns, [""], 0, 0
        self.half = b""  # of a sequence or a character that two reads have cut

    def feed(self, text):
        text, self.half = self.half + text, b""
        cut = re.search(rb"(\x1b(\[\d*)?|[\xc0-\xff][\x80-\xbf]*)$", text)
        if cut and not self.whole(cut[0]):
            text, self.half = text[:cut.start()], cut[0]
        at = 0
        while at < len(text):
            match = SEQUENCE.match(text, at)
            if match:
                self.control(int(match[1] or 1), match[2].decode(), match[1])
                at = match.end()
                continue
            end = at + 1
            while end < len(text) and text[end] >= 0x80 and text[end] < 0xC0:
                end += 1
            self.put(text[at:end].decode("utf-8", "strict"))
            at = end

    @staticmethod
    def whole(end):
        return end[0] != 0x1B and len(end) == (2 if end[0] < 0xE0 else 3 if end[0] < 0xF0 else 4)

    def control(self, n, kind, digits):
        if kind == "A":
            assert n <= self.row, "the cursor leaves the screen"
            self.row -= n
        elif kind == "K" and not digits:
            # Lines that are drawn end with this; one that the terminal wraps would break the block.
            assert self.column < self.columns, f"line too long: {self.lines[self.row]}"
            self.lines[self.row] = self.lines[self.row][:self.column]
        elif kind == "J" and not digits:
            self.lines[self.row] = self.lines[self.row][:self.column]
            del self.lines[self.row + 1:]
        else:
            raise AssertionError(f"control sequence {digits}{kind}")

    def put(self, c):
        if c == "\r":
            self.column = 0
        elif c == "\n":
            self.row += 1
            if self.row == len(self.lines):
                self.lines.append("")
        else:
            assert c == "\t" or ord(c) >= 0x20 and not 0x7F <= ord(c) < 0xA0, f"control {c!r} on the terminal"
            line = self.lines[self.row].ljust(self.column)
            self.lines[self.row] = line[:self.column] + c + line[self.column + 1:]
            self.column += 1

    def text(self):
        return "\n".join(line.rstrip() for line in self.lines)


class Terminal:
    def __init__(self, argv, columns, lines, env):
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        # Its own session, with the pty as controlling terminal: Ctrl-C reaches it as from a keyboard.
        self.process = subprocess.Popen(argv, stdin=slave, stdout=slave, stderr=slave, env=env, start_new_session=True,
                                        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        os.close(slave)
        self.raw, self.shown = b"", Screen(columns)
        self.history = []

    def read(self, timeout):
        if not select.select([self.master], [], [], timeout)[0]:
            return False
        try:
            data = os.read(self.master, 65536)
        except OSError:
            return None
        self.raw += data
        if data:
            self.shown.feed(data)
            self.history.append(self.shown.text())
        return True if data else None

    def expect(self, text):
        """Reads until the screen shows this."""
        end = time.monotonic() + DEADLINE
        while text not in self.shown.text():
            left = end - time.monotonic()
            state = self.read(left) if left > 0 else False
            assert state, f"no {text!r} on the screen:\n{self.shown.text()}"
        return self.shown.text()

    def finish(self):
        end = time.monotonic() + DEADLINE
        while time.monotonic() < end:
            if self.read(end - time.monotonic()) is None:
                return self.process.wait(DEADLINE)
        raise AssertionError(f"does not end:\n{self.shown.text()}")

    def interrupt(self):
        os.write(self.master, b"\x03")

    def close(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        os.close(self.master)
