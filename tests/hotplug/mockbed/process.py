# SPDX-License-Identifier: MIT
"""A program that talks in lines, waited for with a deadline."""

import os
import re
import selectors
import subprocess
import time


class Died(Exception):
    """The program ended, or did not say what it should in time."""


class LineProcess:
    """stdout is kept as lines; stderr goes to a file (`log`). Without `stdin` the program reads nothing."""

    def __init__(self, command, log, env=None, stdin=subprocess.DEVNULL, pass_fds=()):
        self.name, self.log, self.lines, self._partial = os.path.basename(str(command[0])), log, [], b''
        with open(log, 'ab') as err:
            self.process = subprocess.Popen([str(word) for word in command], stdin=stdin, stdout=subprocess.PIPE,
                                            stderr=err, env=env, pass_fds=pass_fds)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self.process.stdout, selectors.EVENT_READ)

    def send(self, line):
        self.process.stdin.write(line.encode() + b'\n')
        self.process.stdin.flush()

    def _receive(self, timeout):
        """Takes in what there is within that time; False at the end of output."""
        if not self._selector.select(timeout):
            return True
        data = os.read(self.process.stdout.fileno(), 65536)
        *whole, self._partial = (self._partial + data).split(b'\n')
        self.lines += [line.decode('utf-8', 'replace') for line in whole]
        return bool(data)

    def mark(self):
        while self._selector.select(0):
            if not self._receive(0):
                break
        return len(self.lines)

    def wait_line(self, pattern, since=0, timeout=60):
        """The match of the first line from the mark on."""
        expression, deadline, at, alive = re.compile(pattern), time.monotonic() + timeout, since, True
        while True:
            while at < len(self.lines):
                found = expression.search(self.lines[at])
                if found:
                    return found
                at += 1
            left = deadline - time.monotonic()
            if left <= 0 or not alive:
                raise Died(f'{self.name}: {"no line" if alive else "ended without a line"} that fits {pattern!r}:\n'
                           + '\n'.join(self.lines[since:][-20:]) + self.errors()[-3000:])
            alive = self._receive(left)

    def errors(self):
        return self.log.read_text(errors='replace') if self.log.exists() else ''

    def wait(self, timeout=60):
        """The exit code, once it has ended by itself."""
        deadline = time.monotonic() + timeout
        while self._receive(max(deadline - time.monotonic(), 0)) and time.monotonic() < deadline:
            pass
        return self._reap(max(deadline - time.monotonic(), 0.1))

    def end(self, timeout=60):
        """Ends it, by its stdin if it has one, else by SIGTERM; returns the exit code."""
        if self.process.stdin:
            self.process.stdin.close()
        elif self.process.poll() is None:
            self.process.terminate()
        return self._reap(timeout)

    def _reap(self, timeout):
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired as error:
            self.process.kill()
            self.process.wait()
            raise Died(f'{self.name} did not end within {timeout} s:\n{self.errors()[-3000:]}') from error
        finally:
            self.process.stdout.close()
            self._selector.close()
        return code
