# SPDX-License-Identifier: MIT
"""A rack for a test: simulated boards, the real daemon, and clients that speak Varlink with nothing but a socket."""

import base64
import json
import os
import pathlib
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(SOURCE / 'tests/sim'), str(SOURCE / 'tests/daemon')]

import idl  # noqa: E402
import simulator  # noqa: E402

INTERFACE = idl.Interface((SOURCE / 'proto/io.mcumgr.varlink').read_text())

SECONDS = 60  # no test waits longer for anything


def program():
    """The daemon under test: $MCUMGRD, or the one in PATH."""
    path = os.environ.get('MCUMGRD') or shutil.which('mcumgrd')
    if not path:
        raise FileNotFoundError('mcumgrd: set MCUMGRD to the built program')
    return path


class Error(Exception):
    """An error reply."""

    def __init__(self, name, parameters):
        super().__init__(f'{name} {parameters}')
        self.name = name.removeprefix('io.mcumgr.').removeprefix('org.varlink.service.')
        self.parameters = parameters


class Client:
    """One connection. Whatever it receives is held against the interface description."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        # Not by settimeout(): where many come at once, that one's connect() fails instead of waiting until there is room.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack('ll', SECONDS, 0))
        self.socket.connect(path)
        self.socket.settimeout(SECONDS)
        self.buffer = b''
        self.methods = []  # of the calls that are not answered yet

    def close(self):
        self.socket.close()

    def send(self, method, parameters=None, **flags):
        name = method if '.' in method else 'io.mcumgr.' + method
        if not flags.get('oneway'):
            self.methods.append(name)
        self.socket.sendall(json.dumps({'method': name, 'parameters': parameters or {}, **flags}).encode() + b'\0')

    def receive(self):
        """The next message as it came; None when the daemon has closed."""
        while b'\0' not in self.buffer:
            data = self.socket.recv(65536)
            if not data:
                return None
            self.buffer += data
        text, _, self.buffer = self.buffer.partition(b'\0')
        message = json.loads(text)
        INTERFACE.check_reply(self.methods[0], message)
        if not message.get('continues'):
            self.methods.pop(0)
        return message

    def reply(self):
        """The parameters of the next reply; an error is raised."""
        message = self.receive()
        assert message is not None, 'the daemon has closed the connection'
        if 'error' in message:
            raise Error(message['error'], message['parameters'])
        return message['parameters']

    def call(self, method, parameters=None, /, **named):
        """call('Echo', device='a', text='hi')"""
        self.send(method, {**(parameters or {}), **named})
        return self.reply()

    def fails(self, method, parameters=None, /, **named):
        """The error that the call ends with."""
        self.send(method, {**(parameters or {}), **named})
        message = self.receive()
        assert message and 'error' in message, message
        return Error(message['error'], message['parameters'])

    def stream(self, method, parameters=None, /, **named):
        """All replies; an error is raised at its place."""
        self.send(method, {**(parameters or {}), **named}, more=True)
        while True:
            message = self.receive()
            assert message is not None, 'the daemon has closed the connection'
            if 'error' in message:
                raise Error(message['error'], message['parameters'])
            yield message['parameters']
            if not message.get('continues'):
                return

    def put(self, data, **more):
        return self.call('ImagePut', data=base64.b64encode(data).decode(), **more)

    def wait_device(self, device, holds):
        """Watches until a board is as wanted; the board as the API shows it then."""
        deadline = time.monotonic() + SECONDS
        for reply in self.stream('Watch', device=device):
            assert time.monotonic() < deadline, f'{device} does not come to be as wanted: {reply}'
            if reply.get('device') and holds(reply['device']):
                self.close()
                return reply['device']


def come_and_go(rack, client):
    """300 clients that ask for a lease and are gone before it is even known who they are; another one is served meanwhile."""
    for i in range(300):
        comer = Client(rack.socket)
        comer.send('Lock', {'devices': ['a']})
        comer.close()
        if i % 50 == 0:
            client.call('Leases')


class Rack:
    """Simulated boards, each on a port of its name, and a daemon. keys: of all boards, or a dict of each board's. before: a
    command that the daemon is started through."""

    def __init__(self, boards=('a',), keys='', arguments=(), before=(), **settings):
        each = keys if isinstance(keys, dict) else {b: keys for b in boards}
        self.sim = simulator.Simulator(*(f'{b},reset_delay_ms=50,boot_ms=50{"," + each[b] if each[b] else ""}' for b in boards))
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix='rack'))
        self.socket = str(self.dir / 'io.mcumgr')
        options = ''.join(f',{key}={value}' for key, value in {'quiet_ms': 100, **settings}.items())
        self.words = [*before, program(), '--socket', self.socket, '--state-dir', str(self.dir / 'state'), *arguments]
        self.boards = boards
        for board in boards:
            self.words += ['--port', f'{self.sim.path(board)},name={board}{options}']
        self.clients = []
        self.process = None
        self.start()

    def start(self, **more):
        self.log = open(self.dir / 'log', 'ab')
        # Ready is said on the socket that systemd would give.
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        notify.settimeout(SECONDS)
        address = str(self.dir / 'notify')
        if os.path.exists(address):
            os.unlink(address)
        notify.bind(address)
        self.process = subprocess.Popen(self.words, stderr=self.log, env={**os.environ, 'NOTIFY_SOCKET': address}, **more)
        try:
            while b'READY=1' not in notify.recv(4096):
                pass
        except TimeoutError as e:
            raise AssertionError(self.text()) from e
        notify.close()

    def start_activated(self, listener):
        """With the socket of somebody else: the descriptor becomes number 3 and LISTEN_PID the daemon's, as a service manager
        does it."""
        self.words[self.words.index('--socket') + 1] = str(self.dir / 'unused')
        self.words = ['/bin/sh', '-c', 'LISTEN_FDS=1 LISTEN_PID=$$ exec "$@"', 'sh', *self.words]
        self.socket = listener.getsockname()
        original = os.dup(3) if os.path.exists('/proc/self/fd/3') else None
        os.dup2(listener.fileno(), 3)
        try:
            self.start(pass_fds=(3,))
        finally:
            if original is None:
                os.close(3)
            else:
                os.dup2(original, 3, inheritable=False)
                os.close(original)

    def text(self):
        return (self.dir / 'log').read_text(errors='replace')

    def client(self):
        client = Client(self.socket)
        self.clients.append(client)
        return client

    def ready(self, *boards):
        """All boards, or these, answer."""
        for board in boards or self.boards:
            self.client().wait_device(board, lambda d: d['state'] == 'ready')
        return self.client()

    def stop(self, number=signal.SIGTERM):
        """Ends the daemon: cleanly, and without a sanitizer's complaint."""
        self.process.send_signal(number)
        try:
            status = self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            status = 'hangs'
        self.log.close()
        return status

    def close(self):
        for client in self.clients:
            client.close()
        status = self.stop() if self.process.poll() is None else self.process.returncode
        self.sim.close()
        text = self.text()
        shutil.rmtree(self.dir, ignore_errors=True)
        assert status == 0, text[-6000:]
