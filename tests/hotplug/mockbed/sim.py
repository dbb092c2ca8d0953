# SPDX-License-Identifier: MIT
"""Simulated boards: mcumgr-sim(1), one process a board, and its control socket."""

import json
import os
import socket
import subprocess

from .process import Died, LineProcess


class Board:
    """`tty` is a symlink to its pty; where a board drops off the bus the symlink goes with it."""

    def __init__(self, program, folder, name, settings):
        self.name, self.tty = name, folder / name
        words = [name, *(f'{key}={value}' for key, value in settings.items())]
        control = folder / f'{name}.control'
        self._sim = LineProcess([program, '--dir', folder, '--control', control, '--board', ','.join(words)],
                                folder / f'{name}.log')
        self._sim.wait_line('^ready$')
        self._control = socket.socket(socket.AF_UNIX)
        self._control.settimeout(60)
        self._control.connect(str(control))
        self._answers = self._control.makefile('r')

    def command(self, text):
        """The answer to a command of the control socket, without its "ok"."""
        self._control.sendall(f'{self.name} {text}\n'.encode())
        answer = self._answers.readline().rstrip('\n')
        if answer.startswith('error') or not answer:
            raise Died(f'{self.name} {text}: {answer}\n{self._sim.errors()}')
        return answer

    def state(self):
        return json.loads(self.command('state'))

    def wait(self, condition, timeout=60):
        self.command(f'wait {condition} timeout={timeout * 1000}')

    def wait_tty(self, before=None):
        """Waits until it has a tty (another one than before); returns the pty."""
        self.wait('plugged=1')
        pty = os.readlink(self.tty)
        assert pty != before
        return pty

    def end(self):
        self._answers.close()
        self._control.close()
        self._sim.end()


class Fleet:
    """Many boards in one process: their ttys by name. A setting that is a function is called with the name."""

    def __init__(self, program, folder, names, **settings):
        words = []
        for name in names:
            keys = [f'{key}={value(name) if callable(value) else value}' for key, value in settings.items()]
            words += ['--board', ','.join([name, *keys])]
        self.ttys = {name: folder / name for name in names}
        self._sim = LineProcess([program, '--dir', folder, *words], folder / 'fleet.log')
        self._sim.wait_line('^ready$', timeout=60)

    def end(self):
        self._sim.end()


class Images:
    """Firmware files; the simulator makes them, too."""

    def __init__(self, program, folder):
        self._program, self._folder = program, folder

    def __call__(self, version, size=20000):
        path = self._folder / f'{version}-{size}.bin'
        subprocess.run([self._program, 'image', '--version', version, '--size', str(size), '-o', path], check=True,
                       stdout=subprocess.DEVNULL)
        return path
