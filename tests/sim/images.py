# SPDX-License-Identifier: MIT
"""What tests of images share: reading image state, uploading, booting."""

import hashlib

from smp_wire import READ, WRITE

FLAGS = ('bootable', 'pending', 'confirmed', 'active', 'permanent')


def flags(port, **kw):
    """[(slot, version, "active confirmed"), …] as image state lists it."""
    return listed(port.ask(READ, 1, 0, **kw).map)


def listed(state):
    return [(i['slot'], i['version'], ' '.join(f for f in FLAGS[1:] if i.get(f)))
            for i in state['images']]


def err(reply):
    assert reply.map.keys() >= {'err'}, reply
    return reply['err']['group'], reply['err']['rc']


def chunk(data, off, size=256, **more):
    body = {'off': off, 'data': data[off:off + size]}
    if off == 0:
        body['len'] = len(data)
    body.update(more)
    return body


def upload(port, data, size=300, image=None, sha=True):
    """Sends a whole file; returns the last reply."""
    off, reply = 0, None
    while off < len(data):
        body = chunk(data, off, size)
        if off == 0 and sha:
            body['sha'] = hashlib.sha256(data).digest()
        if off == 0 and image is not None:
            body['image'] = image
        reply = port.ask(WRITE, 1, 1, body)
        assert reply['off'] > off, reply
        off = reply['off']
    return reply


def boot(sim, port, n):
    assert port.ask(WRITE, 0, 5).map == {}
    sim.wait(f'boots>={n}')
    sim.running()
