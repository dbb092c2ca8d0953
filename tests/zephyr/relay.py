# SPDX-License-Identifier: MIT
"""The cable between a board and the daemon: a pty whose far end a test can handle.

A thread moves bytes between the board (a socket of the emulator, or the pty of a native
process) and a pty of its own, which a symlink names, so that the name stays the same when
the pty does not. Bytes go on as soon as they come, unless the cable is told to be slow.
Each direction is a Lane: it counts and records what passed, and loses or corrupts what a
test asks for; `to_board.deaf` is for a board that does not listen. All positions are byte
numbers since the relay started.

Three ways to break the line: `silence()` loses everything both ways (a loose wire behind a
USB-UART bridge, the tty stays); `unplug()` hangs up the tty and takes its name away;
`trip()` does either of them when a byte of a direction passes.
"""

import collections
import os
import pty
import select
import threading
import time
import tty

from . import smp

RECORD_LIMIT = 64 << 20
UART_BITS = 10
FIFO = 16


class Lane:
    """One direction. Written by the relay's thread; tests read the counters."""

    def __init__(self):
        self.offered = 0        # bytes that the sender gave
        self.count = 0          # bytes that were let through
        self.record = bytearray()
        self.baud = None
        self.latency = 0.0
        self.silent = False
        self.deaf = False
        self._lost = []         # ranges of byte numbers
        self._flipped = set()
        self._trips = []
        self._watches = []
        self._tail = b""
        self._hearers = []
        self._deframer = None
        self._queue = collections.deque()   # (when, bytes)
        self._free_at = 0.0

    def lose(self, first, length=1):
        """Bytes first … first + length - 1 vanish."""
        self._lost.append(range(first, first + length))

    def corrupt(self, number):
        """Byte `number` arrives with two bits wrong."""
        self._flipped.add(number)

    def messages(self, since=0):
        """What was let through since byte `since`, as SMP messages."""
        return smp.messages(bytes(self.record[since:]))

    def trip(self, number, action):
        """`action` runs (on the relay's thread) once byte `number` was offered; the bytes
        offered after it are handled as the action left things."""
        self._trips.append((number, action))
        self._trips.sort(key=lambda trip: trip[0])

    def watch(self, text, action):
        """`action` runs on the relay's thread each time the sender said `text`, whether it
        gets through or not."""
        self._watches.append((text, action))

    def hear(self, group, command, action):
        """`action` runs on the relay's thread, once, when an SMP message of this kind went
        through (console framing), before anything that comes after it."""
        self._deframer = self._deframer or smp.Deframer()
        self._hearers.append((group, command, action))

    def offer(self, data, now):
        while data:
            part = data
            if self._trips and self._trips[0][0] < self.offered + len(data):
                part = data[:max(self._trips[0][0] - self.offered + 1, 0)]
            self._pass(part, now)
            data = data[len(part):]
            while self._trips and self._trips[0][0] < self.offered:
                self._trips.pop(0)[1]()

    def _pass(self, data, now):
        start = self.offered
        self.offered += len(data)
        self._watch(data)
        if self.silent or self.deaf:
            return
        if self._lost or self._flipped:
            numbers = range(start, start + len(data))
            data = bytes(byte ^ 0x12 if number in self._flipped else byte
                         for number, byte in zip(numbers, data)
                         if not any(number in lost for lost in self._lost))
        self.count += len(data)
        if len(self.record) < RECORD_LIMIT:
            self.record += data
        self._hear(data)
        if not self.baud:
            self._queue.append((now + self.latency, data))
            return
        start = max(self._free_at, now + self.latency)
        for at in range(0, len(data), FIFO):
            part = data[at:at + FIFO]
            start += len(part) * UART_BITS / self.baud
            self._queue.append((start, part))
        self._free_at = start

    def _watch(self, data):
        if not self._watches:
            return
        for text, action in self._watches:
            if text in self._tail[-len(text) + 1:] + data:
                action()
        self._tail = (self._tail + data)[-256:]

    def _hear(self, data):
        if not self._deframer:
            return
        for raw in self._deframer.feed(data):
            got = smp.parse(raw)
            for hearer in [item for item in self._hearers
                           if item[:2] == (got.group, got.command)]:
                self._hearers.remove(hearer)
                hearer[2]()

    def wait(self, now):
        """Seconds until there is something to write; None when nothing is queued."""
        return max(self._queue[0][0] - now, 0) if self._queue else None

    def due(self, now):
        taken = bytearray()
        while self._queue and self._queue[0][0] <= now:
            taken += self._queue.popleft()[1]
        return taken

    def put_back(self, data):
        self._queue.appendleft((0, bytes(data)))

    def clear(self):
        self._queue.clear()

    def queued(self):
        return len(self._queue)


class Relay:
    """`link` is where the symlink to the pty stands; `tty` is its path."""

    QUEUE_LIMIT = 4096

    def __init__(self, link):
        self.tty = str(link)
        self.to_board, self.to_host = Lane(), Lane()
        self._board = self._master = self._slave = None
        self._lock = threading.RLock()
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._ended = False
        self.plug()
        self._thread = threading.Thread(target=self._run, name=f"relay {link}", daemon=True)
        self._thread.start()

    # what a test does

    def connect(self, board):
        """Takes over the file descriptor `board` (non-blocking) as the board's end."""
        with self._lock:
            self._drop_board()
            os.set_blocking(board, False)
            self._board = board
        self._wake()

    def disconnect(self):
        with self._lock:
            self._drop_board()
        self._wake()

    def plug(self):
        with self._lock:
            if self._master is not None:
                return
            self._master, self._slave = pty.openpty()
            tty.setraw(self._slave)
            os.set_blocking(self._master, False)
            for lane in (self.to_board, self.to_host):
                lane.clear()
            new = self.tty + ".new"
            os.symlink(os.ttyname(self._slave), new)
            os.replace(new, self.tty)
        self._wake()

    def unplug(self):
        """The tty is gone: its holder sees a hang-up, and its name is not there."""
        with self._lock:
            if self._master is None:
                return
            os.unlink(self.tty)
            os.close(self._slave)
            os.close(self._master)
            self._master = self._slave = None
        self._wake()

    def silence(self):
        with self._lock:
            self.to_board.silent = self.to_host.silent = True

    def restore(self):
        with self._lock:
            self.to_board.silent = self.to_host.silent = False
        self.plug()

    def pace(self, baud=None, latency=0.0):
        with self._lock:
            for lane in (self.to_board, self.to_host):
                lane.baud, lane.latency = baud, latency

    def close(self):
        with self._lock:
            self._ended = True
        self._wake()
        self._thread.join(5)
        self.unplug()
        self._drop_board()
        os.close(self._wake_read)
        os.close(self._wake_write)

    # the thread

    def _wake(self):
        try:
            os.write(self._wake_write, b"x")
        except BlockingIOError:
            pass

    def _drop_board(self):
        self.to_board.clear()   # what is on its way to a board that is gone is lost with it
        if self._board is not None:
            os.close(self._board)
            self._board = None

    def _run(self):
        while not self._ended:
            with self._lock:
                poll, timeout = self._interest(time.monotonic())
            events = poll.poll(timeout)
            with self._lock:
                self._move({fd for fd, _ in events})

    def _interest(self, now):
        """What to wait for: input where its way out is not clogged, output that is due."""
        poll, waits = select.poll(), []
        poll.register(self._wake_read, select.POLLIN)
        wanted = collections.Counter()
        for source, lane, sink in self._ways():
            if source is not None and lane.queued() < self.QUEUE_LIMIT:
                wanted[source] |= select.POLLIN
            wait = lane.wait(now)
            if wait is None or sink is None:
                continue
            if wait > 0:
                waits.append(wait)
            else:
                wanted[sink] |= select.POLLOUT
        for fd, events in wanted.items():
            poll.register(fd, events)
        return poll, min(waits) * 1000 + 0.5 if waits else None

    def _ways(self):
        return ((self._master, self.to_board, self._board),
                (self._board, self.to_host, self._master))

    def _move(self, ready):
        if self._wake_read in ready:
            os.read(self._wake_read, 4096)
        for way in (0, 1):
            source, lane, _ = self._ways()[way]
            if source in ready:
                data = self._read(source)
                lane.offer(data, time.monotonic())
            _, lane, sink = self._ways()[way]   # a trip may have changed things
            if sink is None and source is not None and lane is self.to_board:
                lane.clear()                    # nobody listens: lost, as on a wire
            self._write(sink, lane)

    def _read(self, source):
        try:
            data = os.read(source, 65536)
        except BlockingIOError:
            return b""
        except OSError:
            data = b""
        if not data and source == self._board:
            self._drop_board()
        return data

    @staticmethod
    def _write(sink, lane):
        if sink is None:
            return
        data = lane.due(time.monotonic())
        while data:
            try:
                del data[:os.write(sink, data)]
            except BlockingIOError:
                lane.put_back(data)
                return
            except OSError:
                return
