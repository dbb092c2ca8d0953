# SPDX-License-Identifier: MIT
"""Calls straight on the socket."""

import json
import socket


class Stream:
    """Replies of one call with 'more'."""

    def __init__(self, path, method, **parameters):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(60)
        self._socket.connect(str(path))
        call = {'method': f'io.mcumgr.{method}', 'parameters': parameters, 'more': True}
        self._socket.sendall(json.dumps(call).encode() + b'\0')
        self._data = b''

    def _receive(self):
        while b'\0' not in self._data:
            received = self._socket.recv(65536)
            assert received, 'the daemon hung up'
            self._data += received
        message, self._data = self._data.split(b'\0', 1)
        return json.loads(message)

    def next(self):
        reply = self._receive()
        assert reply['continues']
        return reply['parameters']

    def last(self):
        """The reply that ends the call, whatever comes before."""
        while (reply := self._receive()).get('continues'):
            pass
        assert 'error' not in reply, reply
        return reply['parameters']

    def close(self):
        self._socket.close()


def call(path, method, **parameters):
    """One call; its reply."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(60)
        client.connect(str(path))
        client.sendall(json.dumps({'method': f'io.mcumgr.{method}', 'parameters': parameters}).encode() + b'\0')
        data = b''
        while not data.endswith(b'\0'):
            received = client.recv(65536)
            assert received, 'the daemon hung up'
            data += received
    reply = json.loads(data[:-1])
    assert 'error' not in reply, reply
    return reply['parameters']
