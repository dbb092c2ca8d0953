# SPDX-License-Identifier: MIT
"""Calls functions of libmcumgr by the names of their methods, through libclient/tests/api_driver.c, which names every member of
every struct. What the C structs say is held against the JSON of the same call, always."""

import json
import os
import pathlib
import subprocess

import rack as racks

BUILD = pathlib.Path(os.environ.get('MCUMGRD_BUILD', racks.SOURCE / 'build'))
EINVAL, EREMOTEIO = -22, -121
called = set()  # (method, whether as a stream)


def same(value):
    """JSON as the structs hold it: what is null is absent, and integers have 64 bits."""
    if isinstance(value, dict):
        return {k: same(v) for k, v in value.items() if v is not None}
    if isinstance(value, list):
        return [same(v) for v in value]
    return value


class Driver:
    def __init__(self, socket):
        self.process = subprocess.Popen([BUILD / 'libclient/api-driver', str(socket)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)

    def run(self, method, parameters, **flags):
        """flags: more, stopAfter. Replies and error have 'shown', what the structs say, and 'object', the JSON."""
        self.process.stdin.write(json.dumps({'method': method, 'parameters': parameters, **flags}) + '\n')
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, f'the driver ended at {method}'
        out = json.loads(line)
        called.add((method, bool(flags.get('more'))))
        for reply in out['replies']:
            assert same(reply['shown']) == same(reply['object']), method
        if 'error' in out:
            assert out['result'] == EREMOTEIO
            assert same(out['shown']) == same(out['parameters']), method
        return out

    def call(self, method, parameters):
        """('reply', the last one) or (error, its parameters), as the tables of conformance want it."""
        out = self.run(method, parameters)
        if out['result'] == 0:
            return 'reply', out['replies'][-1]['object']
        if 'error' in out:
            return out['error'].rpartition('.')[2], out['parameters']
        return out['result'], {'message': out['message']}

    def close(self):
        self.process.stdin.close()
        assert self.process.wait(racks.SECONDS) == 0
        self.process.stdout.close()
