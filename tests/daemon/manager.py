# SPDX-License-Identifier: MIT
"""The part of a service manager that a restart needs: it is told when the daemon is ready, and keeps its file descriptors."""

import os
import socket
import threading

import rack as racks

# Becomes the daemon, with the descriptors of the first argument as 3, 4, ... and their names.
BECOME = '''
import fcntl, os, sys
given = [int(word) for word in sys.argv[1].split(',') if word]
high = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 200) for fd in given]
for fd in given:
    os.close(fd)
for i, fd in enumerate(high):
    os.dup2(fd, 3 + i)
if given:
    os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(given)), LISTEN_FDNAMES=sys.argv[2])
os.execvp(sys.argv[3], sys.argv[3:])
'''


class Manager:
    def __init__(self, path):
        self.messages, self.stored, self._changed = [], {}, threading.Condition()
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(path)
        self.path = path
        self._own = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._own.connect(path)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while True:
            data, fds, _, _ = socket.recv_fds(self.socket, 8192, 16)
            if data == b'end':
                return
            with self._changed:
                self._take(data.decode(), fds)
                self._changed.notify_all()

    def _take(self, text, fds):
        fields = dict(line.split('=', 1) for line in text.splitlines())
        self.messages.append(fields)
        if fields.get('FDSTORE') == '1':
            assert fields['FDNAME'] not in self.stored and len(fds) == 1, fields
            self.stored[fields['FDNAME']] = fds[0]
        else:
            assert not fds
        if fields.get('FDSTOREREMOVE') == '1' and fields['FDNAME'] in self.stored:
            os.close(self.stored.pop(fields['FDNAME']))

    def wait(self, holds):
        """Until holds(self) is true of what has been said so far."""
        with self._changed:
            assert self._changed.wait_for(lambda: holds(self), racks.SECONDS), self.messages

    def words(self, words):
        """The command that starts `words` with what is stored; and the descriptors it needs."""
        fds = list(self.stored.values())
        return ['/usr/bin/python3', '-c', BECOME, ','.join(map(str, fds)), ':'.join(self.stored), *words], fds

    def close(self):
        self._own.send(b'end')
        self._thread.join()
        self._own.close()
        self.socket.close()
        for fd in self.stored.values():
            os.close(fd)


class Service(racks.Rack):
    """A rack whose daemon is run by a service manager."""

    manager = None

    def start(self, **more):
        if not self.manager:
            self.manager = Manager(str(self.dir / 'notify'))
        said = len(self.manager.messages)
        plain = self.words
        self.words, fds = self.manager.words(plain)
        try:
            self.process = self._spawn(fds)
        finally:
            self.words = plain
        self.manager.wait(lambda m: any('READY' in fields for fields in m.messages[said:]) or self.process.poll() is not None)
        assert self.process.poll() is None, self.text()

    def _spawn(self, fds):
        self.log = open(self.dir / 'log', 'ab')
        return racks.subprocess.Popen(self.words, stderr=self.log, pass_fds=fds,
                                      env={**os.environ, 'NOTIFY_SOCKET': self.manager.path})

    def close(self):
        super().close()
        self.manager.close()
