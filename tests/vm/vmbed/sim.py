# SPDX-License-Identifier: MIT
"""Simulated boards: mcumgr-sim in the guest behind a device of usbip_acm."""

import json
import shlex

from .usb import UsbBoard, command


class Board:
    """A board on its cable: plugging and pulling is told to the USB side and to the firmware."""

    def __init__(self, boards, name, settings):
        self._boards, self.name = boards, name
        usb = {key: settings.pop(key) for key in ('vid', 'pid', 'serial', 'port') if key in settings}
        self.path = f'{boards.folder}/{name}'
        self.words = ','.join([name, f'unix={self.path}', *(f'{key}={value}' for key, value in settings.items())])
        self.usb = UsbBoard(boards.guest, name, **{'serial': name, **usb}, far=(self.path,))

    def command(self, text):
        return self._boards.ask(f'{self.name} {text}')

    def state(self):
        return json.loads(self.command('state'))

    def wait(self, condition, timeout=60):
        self._boards.ask(f'{self.name} wait {condition} timeout={timeout * 1000}', timeout + 60)

    def plug(self):
        """Returns the tty."""
        mark = self.usb.guest.mark()
        self.command('plug')
        command(self.usb.guest, f'plug {self.name}')
        return self.usb.wait_ttys(mark)[0]

    def unplug(self):
        mark = self.usb.guest.mark()
        command(self.usb.guest, f'unplug {self.name}')
        self.command('unplug')
        self.usb.wait_ttys(mark, 'remove')


class Boards:
    """The boards of one test."""

    def __init__(self, guest, folder):
        self.guest, self.folder = guest, folder
        self._sims, self._control = [], {}
        guest.run(f'mkdir -p {folder}')

    def add(self, *names, **settings):
        """Boards in one process, not yet plugged. One name: a board; more: a list. A setting may be a function of the name."""
        control = f'{self.folder}/control{len(self._sims)}'
        made = [Board(self, name, {key: value(name) if callable(value) else value for key, value in settings.items()})
                for name in names]
        words = ['exec', 'mcumgr-sim', '--control', control]
        for board in made:
            words += ['--board', board.words]
            self._control[board.name] = control
        sim = self.guest.spawn(shlex.join(words), stream=True)
        sim.wait_line('ready$')
        self._sims.append(sim)
        for board in made:
            board.command('unplug')
        return made if len(made) > 1 else made[0]

    def ask(self, text, timeout=120):
        done = self.guest.run(shlex.join(['ask', self._control[text.split()[0]], text]), timeout)
        return done.out.rstrip('\n')

    def end(self):
        for sim in self._sims:
            sim.kill()
            sim.wait()
