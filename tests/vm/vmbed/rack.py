# SPDX-License-Identifier: MIT
"""The daemon and simulated boards in the guest, and what their users see."""

import json
import re
import shlex
import time

from .guest import GuestError

SANITIZER = re.compile(r'ERROR: \w+Sanitizer|runtime error:|SUMMARY: \w+Sanitizer')


class Result:
    """A run of mcumgrctl --json."""

    def __init__(self, job, code):
        self.code, self.out, self.err = code, job.out, job.err

    @property
    def lines(self):
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def value(self):
        return json.loads(self.out)


class Rack:
    """mcumgrd in the guest. Devices are told by `mcumgrctl watch`, from the start on."""

    def __init__(self, guest, name):
        self.guest, self.folder = guest, guest.share / name
        self.folder.mkdir()
        self.inside = guest.inside(self.folder)
        self.run_folder = f'/run/{name}'
        self.socket = f'{self.run_folder}/socket'
        self.daemon = self.watch = None
        guest.run(f'mkdir -p {self.run_folder}')

    def start(self, config):
        (self.folder / 'conf').write_text(config)
        self.daemon = self.guest.spawn(f'exec mcumgrd -c {self.inside}/conf --socket {self.socket} --log-level debug '
                                       f'--state-dir {self.run_folder}/state')
        self.guest.run(f'{self.daemon.wait_pid()}; while ! [ -S {self.socket} ] && kill -0 $pid; do sleep 0.02; done')
        self.watch = self.guest.spawn(f'exec mcumgrctl --socket {self.socket} --json watch', stream=True)
        self.watch.wait_line('"event": ?"current"')

    def _ctl(self, words, device):
        return shlex.join(['mcumgrctl', '--socket', self.socket, *(['-d', device] if device else []), '--json',
                           *map(str, words)])

    def ctl(self, *words, device=None, timeout=240):
        job = self.guest.spawn(self._ctl(words, device))
        return Result(job, job.wait(timeout))

    def start_ctl(self, *words, device=None):
        """The same without waiting; lines as they come."""
        return self.guest.spawn('exec ' + self._ctl(words, device), stream=True)

    def log(self):
        return self.daemon.err

    def mark(self):
        return self.guest.mark()

    def wait(self, since=0, timeout=120, event=None, **fields):
        """The device of the first event since the mark whose fields are these."""
        deadline = time.monotonic() + timeout
        lines = self.guest.channels['events'].lines
        prefix = f'line {self.watch.number} '
        while True:
            try:
                found = self.watch.wait_line('"device"', max(deadline - time.monotonic(), 0), since)
            except GuestError as error:
                raise GuestError(f'no device with {fields}:\n{error}\n{self.log()[-4000:]}') from error
            since = lines.index(found.string, since) + 1
            told = json.loads(found.string[len(prefix):])
            device = told['device']
            if event in (None, told['event']) and all(device.get(key) == value for key, value in fields.items()):
                return device

    def devices(self):
        return self.ctl('list').value['devices']

    def stop(self):
        """Ends the daemon, which must go in peace."""
        if self.watch:
            self.watch.kill()
            self.watch.wait()
        if self.daemon:
            self.daemon.kill()
            code = self.daemon.wait()
            assert not SANITIZER.search(self.log()), self.log()[-6000:]
            assert code == 0, f'mcumgrd ended with {code}:\n{self.log()[-3000:]}'
        self.daemon = self.watch = None
