# SPDX-License-Identifier: MIT
"""The daemon and simulated boards on the mocked bus, and what their users see."""

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import time
from pathlib import Path

from .process import Died, LineProcess
from .stream import Stream

SANITIZER = re.compile(r'ERROR: \w+Sanitizer|runtime error:|SUMMARY: \w+Sanitizer')


class Result:
    """A run of mcumgrctl --json."""

    def __init__(self, done):
        self.code, self.out, self.err = done.returncode, done.stdout, done.stderr

    @property
    def lines(self):
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def value(self):
        return json.loads(self.out)


class Rack:
    """mcumgrd on the bus of `testbed`. Devices are told by `mcumgrctl watch`, from the start on."""

    def __init__(self, testbed, program, folder):
        self.testbed, self.folder = testbed, folder
        self.socket, self.state, self.log = folder / 'io.mcumgr', folder / 'state', folder / 'mcumgrd.log'
        self._mcumgrd, self._mcumgrctl = program('mcumgrd'), program('mcumgrctl')
        self.daemon = self.watch = self.manager = None

    def start(self, config, before=()):
        """`before`: a command that mcumgrd is started through."""
        path = self.folder / 'mcumgrd.conf'
        path.write_text(config)
        # ended by its stdin: the preload can leave all signals blocked (umockdev 0.17.16, trap_path_sig_restore)
        command = [*before, *self.testbed.prefix, self._mcumgrd, '-c', path, '--socket', self.socket, '--state-dir', self.state,
                   '--log-level', 'debug', '--until-eof']
        if self.manager:
            self._start_stored(command)
        else:
            self._start_plain(command)
        self.watch = LineProcess(self._ctl('watch'), self.folder / 'watch.log')
        self.watch.wait_line('"event": ?"current"')

    def _start_plain(self, command):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.bind(str(self.folder / 'notify'))
            notify.settimeout(20)
            environment = self.testbed.environment(self._mcumgrd, NOTIFY_SOCKET=str(self.folder / 'notify'))
            self.daemon = LineProcess(command, self.log, environment, subprocess.PIPE)
            self._wait_ready(notify)
        (self.folder / 'notify').unlink()

    def _start_stored(self, command):
        """By a service manager (tests/daemon/manager.py) that keeps its ttys open meanwhile."""
        command, fds = self.manager.words(command)
        said = len(self.manager.messages)
        environment = self.testbed.environment(self._mcumgrd, NOTIFY_SOCKET=self.manager.path)
        self.daemon = LineProcess(command, self.log, environment, subprocess.PIPE, fds)
        self.manager.wait(lambda m: any('READY' in fields for fields in m.messages[said:]))

    def _wait_ready(self, notify):
        try:
            while b'READY=1' not in notify.recv(4096):
                pass
        except TimeoutError as error:
            raise Died(f'mcumgrd is not ready:\n{self.daemon.errors()[-3000:]}') from error

    def _ctl(self, *words, device=None):
        return [self._mcumgrctl, '--socket', self.socket, *(['-d', device] if device else []), '--json', *words]

    def ctl(self, *words, device=None, timeout=60):
        command = [str(word) for word in self._ctl(*words, device=device)]
        return Result(subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False))

    def run(self, *words, timeout=60):
        """mcumgrctl as people use it, without --json."""
        return subprocess.run([self._mcumgrctl, '--socket', self.socket, *words], capture_output=True, text=True,
                              timeout=timeout, check=False)

    def alone(self, *words):
        """mcumgrctl where no daemon runs; one that it starts itself sees the mocked bus."""
        starter = self.folder / 'mcumgrd-on-the-bus'
        seen = self.testbed.environment(self._mcumgrd)
        starter.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >{shlex.quote(str(self.folder))}/alone\n'
                           + ''.join(f'{key}={shlex.quote(seen[key])} ' for key in ('LD_PRELOAD', 'UMOCKDEV_DIR'))
                           + f'exec {shlex.quote(str(self._mcumgrd))} "$@"\n')
        starter.chmod(0o755)
        return subprocess.Popen([self._mcumgrctl, '--socket', self.folder / 'none', *words], text=True,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                env=dict(os.environ, MCUMGRD=str(starter)))

    def left_behind(self):
        """Whether what the last alone() made for its daemon is still there."""
        words = (self.folder / 'alone').read_text().split()
        return Path(words[words.index('--private') + 1]).exists()

    def popen(self, *words, stdin=subprocess.DEVNULL):
        return subprocess.Popen([self._mcumgrctl, '--socket', self.socket, *words], stdin=stdin,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def wait_ports(self, count):
        """Until the daemon has seen so many ports, managed or not."""
        stream = Stream(self.socket, 'Ports')
        while len(stream.next()['ports']) != count:
            pass
        stream.close()

    def start_ctl(self, *words, device=None):
        return LineProcess(self._ctl(*words, device=device), self.folder / 'ctl.log')

    def mark(self):
        return self.watch.mark()

    def wait(self, since=0, timeout=60, event=None, **fields):
        """The device of the first event since the mark whose fields are these."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                found = self.watch.wait_line('"device"', since, max(deadline - time.monotonic(), 0))
            except Died as error:
                raise Died(f'no device with {fields}:\n{error}\n{self.daemon.errors()[-4000:]}') from error
            since = self.watch.lines.index(found.string, since) + 1
            told = json.loads(found.string)
            device = told['device']
            if event in (None, told['event']) and all(device.get(key) == value for key, value in fields.items()):
                return device

    def _hears_signals(self):
        status = Path(f'/proc/{self.daemon.process.pid}/status').read_text()
        return not int(re.search(r'^SigBlk:\s*(\w+)', status, re.M)[1], 16) & 1 << (signal.SIGHUP - 1)

    def ready(self, config, *serials):
        """These boards are ready, and the daemon hears SIGHUP: the preload, which can leave all signals blocked while ttys
        are opened (see start), may need another try."""
        for serial in serials:
            self.wait(serial=serial, state='ready')
        while not self._hears_signals():
            self.stop()
            self.start(config)
            for serial in serials:
                self.wait(serial=serial, state='ready')

    def reload(self, config):
        """All of the file at once: the daemon may read it at any time."""
        new = self.folder / 'new.conf'
        new.write_text(config)
        new.rename(self.folder / 'mcumgrd.conf')
        said, deadline = len(self.daemon.errors()), time.monotonic() + 60
        self.daemon.process.send_signal(signal.SIGHUP)
        while 'config: reloaded' not in self.daemon.errors()[said:]:
            assert time.monotonic() < deadline and self.daemon.process.poll() is None, self.daemon.errors()[said:]
            time.sleep(0.02)

    @staticmethod
    def absent_since(text):
        """What `list` says of the first that is absent: the time if that was today (UTC), else the day."""
        return re.search(r'absent since (\S+)', text)[1]

    def check(self, config):
        """mcumgrd --check-config."""
        path = self.folder / 'mcumgrd.conf'
        path.write_text(config)
        return subprocess.run([self._mcumgrd, '-c', path, '--check-config'], capture_output=True, text=True, timeout=60,
                              check=False)

    def open_files(self):
        files = []
        for entry in (Path('/proc') / str(self.daemon.process.pid) / 'fd').iterdir():
            try:
                files.append(os.readlink(entry))
            except FileNotFoundError:
                pass  # closed meanwhile
        return files

    def devices(self):
        return self.ctl('list').value['devices']

    def stop(self):
        """Ends the daemon, which must go in peace."""
        if self.watch:
            self.watch.end()
        if self.daemon:
            code = self.daemon.end()
            assert not SANITIZER.search(self.daemon.errors()), self.daemon.errors()[-6000:]
            assert code == 0, f'mcumgrd ended with {code}:\n{self.daemon.errors()[-3000:]}'
        self.daemon = self.watch = None
