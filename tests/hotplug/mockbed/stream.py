# SPDX-License-Identifier: MIT
"""A call with 'more', straight on the socket."""

import json
import socket


class Stream:
    """Replies of one call with 'more'."""

    def __init__(self, path, method):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(60)
        self._socket.connect(str(path))
        self._socket.sendall(json.dumps({'method': f'io.mcumgr.{method}', 'more': True}).encode() + b'\0')
        self._data = b''

    def next(self):
        while b'\0' not in self._data:
            received = self._socket.recv(65536)
            assert received, 'the daemon hung up'
            self._data += received
        message, self._data = self._data.split(b'\0', 1)
        reply = json.loads(message)
        assert reply['continues']
        return reply['parameters']

    def close(self):
        self._socket.close()
