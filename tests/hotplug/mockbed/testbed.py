# SPDX-License-Identifier: MIT
"""The mocked bus, as a test drives it, and how to start programs that shall see it."""

import os
import re
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import quote

from .process import Died, LineProcess

PRELOAD = 'libumockdev-preload.so.0'


def sanitizer_library(program):
    """libasan of a program that is built with it: it must come first of all preloaded libraries."""
    linked = subprocess.run(['ldd', program], capture_output=True, text=True, check=False).stdout
    found = re.search(r'=> (\S*libasan\S*)', linked)
    return [found[1]] if found else []


def preload(program, **variables):
    return dict(os.environ, LD_PRELOAD=':'.join([*sanitizer_library(program), PRELOAD]), **variables)


class Bus:
    """The commands, whichever program plays the bus. What shall see it is started through `prefix`."""

    prefix = []

    def __init__(self, process):
        self._bus = process

    def _command(self, *words):
        mark = self._bus.mark()
        self._bus.send(' '.join(words))
        answer = self._bus.wait_line(r'^(ok|error: .*)$', mark)[1]
        if answer != 'ok':
            raise Died(f'mockbus: {" ".join(words)}: {answer}')

    @staticmethod
    def _words(properties):
        return [f'{key}={quote(str(value), safe="/:")}' for key, value in properties.items() if value is not None]

    def add(self, node, tty, path='1-1', vid='2fe3', pid='0100', **properties):
        """A tty appears: serial=, iface=, driver= and udev properties in capitals."""
        self._command('add', node, *self._words({'tty': tty, 'path': path, 'vid': vid, 'pid': pid, **properties}))

    def node(self, node, tty):
        """Its device node leads elsewhere, without an event."""
        self._command('node', node, *self._words({'tty': tty}))

    def event(self, node, action):
        self._command('event', node, f'action={action}')

    def remove(self, node):
        self._command('remove', node)

    def hub(self, path, **properties):
        """A hub appears: type= as the kernel says it (9/0/3: for USB 3 devices), ID_PATH=."""
        self._command('hub', path, *self._words(properties))

    def unhub(self, path):
        self._command('unhub', path)

    def close(self):
        self._bus.end()


class Testbed(Bus):
    """The bus of umockdev, which a library makes programs believe in: needs no rights. It has its limits: 50 open ttys a
    program (FD_MAP_MAX in libumockdev-preload) and ten events that are not read yet (the queue of a Unix socket)."""

    __test__ = False

    def __init__(self, mockbus, folder):
        # its sockets' paths have 107 bytes at most, which pytest's own directories may not leave
        self._short = tempfile.TemporaryDirectory(prefix='bus')
        # glib and vala keep memory until exit: not ours to report
        super().__init__(LineProcess([mockbus], Path(folder) / 'mockbus.log', stdin=subprocess.PIPE,
                                     env=preload(mockbus, ASAN_OPTIONS='detect_leaks=0', TMPDIR=self._short.name)))
        self.root = Path(self._bus.wait_line(r'^root (\S+)$')[1])

    def close(self):
        try:
            super().close()
        finally:
            self._short.cleanup()

    def environment(self, program, **variables):
        return preload(program, UMOCKDEV_DIR=str(self.root), **variables)
