# SPDX-License-Identifier: MIT
"""The guest: a QEMU machine without acceleration, and what a test does with it.

QEMU connects to Unix sockets that we listen on, so nothing has to be polled for: QMP, and virtio-serial
ports for jobs, events and the simulated USB devices. Whatever arrives is kept as lines; a test waits
for a line that matches, with a deadline, and looks at lines from a mark on.
"""

import json
import os
import re
import selectors
import shlex
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from . import image, packages

BOOT_SECONDS = 180
JOB_SECONDS = 120  # for what takes a moment: the machine may be busy with other things
QMP_SECONDS = 60


class GuestError(Exception):
    """The guest died, or something did not happen in time."""


class Channel:
    """Lines from the guest, all of them; and lines to it."""

    def __init__(self, name, connection):
        self.name, self.connection, self.lines, self.closed = name, connection, [], False
        self._partial = b''

    def fileno(self):
        return self.connection.fileno()

    def receive(self):
        data = self.connection.recv(65536)
        self.closed = not data
        *whole, self._partial = (self._partial + data).split(b'\n')
        self.lines += [line.decode('utf-8', 'replace') for line in whole]

    def send(self, line):
        self.connection.sendall(line.encode() + b'\n')


class Job:
    """A command that runs in the guest; its output is on the host as soon as it has ended."""

    def __init__(self, guest, number, command, stream):
        self.guest, self.number, self.command = guest, number, command
        self.folder = guest.share / 'jobs' / str(number)
        self.folder.mkdir(parents=True)
        (self.folder / 'script').write_text(f'echo $$ >{guest.inside(self.folder)}/pid\n{command}\n')
        if stream:
            (self.folder / 'stream').touch()
        guest.channels['shell'].send(str(number))

    def wait(self, timeout=JOB_SECONDS):
        """The exit code."""
        return int(self.guest.wait_for('events', rf'exit {self.number} (\d+)$', timeout=timeout)[1])

    def running(self):
        self.guest.pump(0)
        return not any(line.startswith(f'exit {self.number} ') for line in self.guest.channels['events'].lines)

    def wait_line(self, pattern, timeout=JOB_SECONDS, since=0):
        """A line of output of a job started with stream=True."""
        return self.guest.wait_for('events', rf'line {self.number} .*?(?:{pattern})', timeout=timeout, since=since)

    def lines(self):
        prefix = f'line {self.number} '
        return [line[len(prefix):] for line in self.guest.channels['events'].lines if line.startswith(prefix)]

    def _text(self, name):
        path = self.folder / name
        return path.read_text(errors='replace') if path.exists() else ''

    @property
    def out(self):
        return self._text('out')

    @property
    def err(self):
        return self._text('err')

    def wait_pid(self):
        """Shell words that put its process id into $pid, once it has one."""
        path = f'{self.guest.inside(self.folder)}/pid'
        return f'until [ -s {path} ]; do sleep 0.01; done; pid=$(cat {path})'

    def kill(self, number=signal.SIGTERM):
        """Signal the job's process group."""
        self.guest.run(f'{self.wait_pid()}; kill -{int(number)} -$pid', check=False)


class Guest:
    def __init__(self, folder, programs, memory=512):
        self.folder, self.share = Path(folder), Path(folder) / 'share'
        self.share.mkdir(parents=True, exist_ok=True)
        self.channels, self.jobs = {}, 0
        self._selector = selectors.DefaultSelector()
        if not shutil.which('qemu-system-x86_64'):
            raise packages.Unavailable('qemu-system-x86_64 is not here: install qemu-system-x86')
        self._start(self._build(programs), memory)
        try:
            self.wait_for('events', 'udev listening$', timeout=BOOT_SECONDS)
        except GuestError:
            self.stop()
            raise

    def _build(self, programs):
        """Writes `initramfs` and whatever else it boots from; returns the kernel."""
        return image.build(self.folder / 'initramfs', programs)

    def _drives(self):
        return []

    def _start(self, kernel, memory):
        ports = ('qmp', 'shell', 'events', 'usb')
        listeners = {name: self._listen(name) for name in ports}
        command = self._command(kernel, memory)
        with open(self.folder / 'qemu.log', 'wb') as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder)
        for name, listener in listeners.items():
            listener.settimeout(QMP_SECONDS)
            try:
                connection = listener.accept()[0]
            except TimeoutError as error:
                self.stop()
                raise GuestError(f'qemu does not start: {(self.folder / "qemu.log").read_text()}') from error
            finally:
                listener.close()
            self.channels[name] = Channel(name, connection)
            self._selector.register(self.channels[name], selectors.EVENT_READ)
        self.qmp('qmp_capabilities')

    def _listen(self, name):
        path = self.folder / f'{name}.socket'
        path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX)
        # a relative name: the limit of 107 bytes is soon reached in a folder of a test
        here = os.open('.', os.O_RDONLY)
        try:
            os.chdir(self.folder)
            listener.bind(path.name)
        finally:
            os.fchdir(here)
            os.close(here)
        listener.listen(1)
        return listener

    def _command(self, kernel, memory):
        ports = []
        for name in ('shell', 'events', 'usb'):
            ports += ['-chardev', f'socket,id={name},path={name}.socket',
                      '-device', f'virtserialport,chardev={name},name={name}']
        return ['qemu-system-x86_64', '-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot', '-nic', 'none',
                '-machine', 'pc', '-accel', 'tcg,thread=multi', '-cpu', 'qemu64', '-m', str(memory), '-smp', '2',
                '-kernel', str(kernel), '-initrd', 'initramfs',
                '-append', 'console=ttyS0 quiet panic=-1 mitigations=off audit=0 random.trust_cpu=on',
                '-serial', 'file:console.log', '-qmp', 'unix:qmp.socket',
                '-device', 'virtio-rng-pci', '-device', 'virtio-serial-pci', *ports,
                '-device', 'qemu-xhci,id=usb,p2=15,p3=15',
                '-virtfs', 'local,path=share,mount_tag=share,security_model=none,multidevs=remap', *self._drives()]

    def pump(self, timeout):
        """Take in what the guest has to say; wait for it at most `timeout` seconds."""
        for key, _ in self._selector.select(timeout):
            key.fileobj.receive()
            if key.fileobj.closed:
                self._selector.unregister(key.fileobj)
                raise GuestError(f'the guest is gone ({key.fileobj.name}); its console ended with:\n{self.console()[-2000:]}')

    def console(self):
        path = self.folder / 'console.log'
        return path.read_text(errors='replace') if path.exists() else ''

    def mark(self, channel='events'):
        """Where a later wait_for() may begin to look."""
        self.pump(0)
        return len(self.channels[channel].lines)

    def wait_for(self, channel, pattern, timeout, since=0):
        """The match of the first line that fits, from its beginning on."""
        expression, lines, deadline = re.compile(pattern), self.channels[channel].lines, time.monotonic() + timeout
        at = since
        while True:
            while at < len(lines):
                found = expression.match(lines[at])
                if found:
                    return found
                at += 1
            left = deadline - time.monotonic()
            if left <= 0:
                raise GuestError(f'no line on {channel} fits {pattern!r} within {timeout} s; the last were:\n'
                                 + '\n'.join(lines[since:][-30:]) + f'\nconsole:\n{self.console()[-1000:]}')
            self.pump(left)

    def inside(self, path):
        """The guest's name of a file of the shared folder."""
        return f'/mnt/{Path(path).relative_to(self.share)}'

    def spawn(self, command, stream=False):
        """Start a shell command, or an argument list."""
        self.jobs += 1
        return Job(self, self.jobs, command if isinstance(command, str) else shlex.join(map(str, command)), stream)

    def run(self, command, timeout=JOB_SECONDS, check=True):
        job = self.spawn(command)
        job.code = job.wait(timeout)
        if check and job.code:
            raise GuestError(f'{job.command}: exit {job.code}\n{job.out}{job.err}')
        return job

    def qmp(self, command, **arguments):
        channel = self.channels['qmp']
        channel.send(json.dumps({'execute': command, 'arguments': arguments, 'id': command}))
        mark = len(channel.lines)
        deadline = time.monotonic() + QMP_SECONDS
        while time.monotonic() < deadline:
            for line in channel.lines[mark:]:
                mark += 1
                reply = json.loads(line)
                if 'error' in reply:
                    raise GuestError(f'{command} {arguments}: {reply["error"]["desc"]}')
                if 'return' in reply:
                    return reply['return']
            self.pump(1)
        raise GuestError(f'no answer to {command}')

    def stop(self):
        for channel in self.channels.values():
            channel.connection.close()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
