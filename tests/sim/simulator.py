# SPDX-License-Identifier: MIT
"""Runs mcumgr-sim for a test, and speaks to its control socket."""

import json
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile

import smp_wire


def program():
    """The simulator under test: $MCUMGR_SIM, or the one in PATH."""
    path = os.environ.get('MCUMGR_SIM') or shutil.which('mcumgr-sim')
    if not path:
        raise FileNotFoundError('mcumgr-sim: set MCUMGR_SIM to the built program')
    return path


def make_image(path, version='2.0.0', **options):
    """Writes an image file; returns its bytes and its hash."""
    words = [program(), 'image', '--version', version, '-o', str(path)]
    for key, value in options.items():
        words.append('--' + key.replace('_', '-'))
        if value is not True:
            words.append(str(value))
    out = subprocess.run(words, check=True, capture_output=True, text=True).stdout.split()
    assert out[0] == version
    return pathlib.Path(path).read_bytes(), bytes.fromhex(out[1])


class Simulator:
    """A running simulator. Use as a context manager."""

    def __init__(self, *boards, arguments=()):
        words = [program()]
        self.dir = tempfile.mkdtemp(prefix='sim')
        words += ['--dir', self.dir, '--control', f'{self.dir}/control', *arguments]
        for board in boards:
            words += ['--board', board]
        self.ports = []
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, stdin=subprocess.PIPE)
        if self.process.stdout.readline() != b'ready\n':
            shutil.rmtree(self.dir, ignore_errors=True)
            raise RuntimeError('mcumgr-sim did not start')
        self.control = socket.socket(socket.AF_UNIX)
        self.control.settimeout(90)
        self.control.connect(f'{self.dir}/control')
        self.file = self.control.makefile('rw')

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Ends it; a sanitizer's complaint or a crash fails the test."""
        for port in self.ports:
            port.close()
        self.file.close()
        self.control.close()
        self.process.terminate()
        try:
            status = self.process.wait(60)
        finally:
            self.process.stdout.close()
            self.process.stdin.close()
        left = [n for n in os.listdir(self.dir) if n != 'control']
        shutil.rmtree(self.dir, ignore_errors=True)
        assert status == 0
        assert not left, 'links stay behind'

    def path(self, board):
        return f'{self.dir}/{board}'

    def command(self, line):
        """One command, one line of answer; an error is raised."""
        self.file.write(line + '\n')
        self.file.flush()
        answer = self.file.readline().rstrip('\n')
        if answer.startswith('error'):
            raise RuntimeError(answer)
        return answer

    def state(self, board='a'):
        return json.loads(self.command(f'{board} state'))

    def wait(self, condition, board='a', timeout=60000):
        self.command(f'{board} wait {condition} timeout={timeout}')

    def settle(self, port, board='a'):
        """The board has read what the (only) port sent, and has nothing left to do."""
        self.wait(f'rx_bytes>={port.sent}', board)
        self.command(f'{board} wait-idle')

    def running(self, board='a'):
        self.wait('phase=app', board)

    def open(self, board='a', raw=True):
        port = smp_wire.Port(self.path(board), raw=raw)
        self.ports.append(port)
        return port
