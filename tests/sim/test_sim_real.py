# SPDX-License-Identifier: MIT
"""The simulator beside real Zephyr: the same bytes to both, and the same bytes back.

What a build does not have is switched off in the simulator too, so that nothing is left
to explain away. Where they differ, Zephyr is right.
"""

import pathlib
import sys
import time

import pytest
import simulator
import smp_wire as wire
from smp_wire import READ, WRITE

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))
from zephyr import boards, firmware  # noqa: E402

NAME = '/lfs1/f'
LAST = wire.frame(wire.message(WRITE, 0, 0, {'d': 'LAST'}, seq=0xee))


def msg(op, group, id_, payload, **kw):
    return wire.message(op, group, id_, payload, 1, **kw)


def echo(payload, **kw):
    return msg(WRITE, 0, 0, {'d': payload} if isinstance(payload, str) else payload, **kw)


def framing():
    """Lines as they are; the other cases are messages."""
    good = wire.frame(echo('x'))
    long = wire.lines(wire.packet(echo('l' * 120)))
    for name, data in [
            ('crc', wire.lines(wire.packet(echo('x'), crc=1))[0]),
            ('plen', wire.lines(wire.packet(echo('x'), plen=6))[0]),
            ('base64', b'\x06\x09ABAKAAAG!ABCAKFhZGJoaZsK\n'),
            ('quads', b'\x06\x09ABAKAAAGAABCAKFhZGJoaZs\n'),
            ('padding', b'\x06\x09ABA=KAAA\n'),
            ('continuation', b'\x04\x14ABAKAAAGAABCAKFhZGJoaZsK\n'),
            ('text before', b'x' + good), ('junk line', b'junk\n' + good), ('newline', b'\n' + good),
            ('crlf', good[:-1] + b'\r\n'), ('blank', good[:-1] + b' \n'),
            ('short', wire.frame(b'\x0a\0\0\0\0\0\x42')), ('one byte', b'\x06\x09AA==\n'),
            ('empty', b'\x06\x09\n'), ('restart', long[0] + good),
            ('line of 131', wire.lines(wire.packet(echo('l' * 100)), 96)[0])]:
        yield name, data


def headers():
    yield 'v0', echo('x', version=0)
    yield 'v2', echo('x', version=2)
    yield 'v3', echo('x', version=3)
    for op in (1, 3, 4, 5, 6, 7):
        yield f'op {op}', msg(op, 0, 0, {'d': 'x'})
    for n in (1, 7, 8, 9):
        yield f'{n} bytes left', echo('x') + b'leftleft1'[:n]
    yield 'two messages', echo('1') + echo('2')
    yield 'unknown, then echo', msg(READ, 7, 7, {}) + echo('2')
    yield 'group error, then echo', msg(READ, 0, 7, {'format': '?'}) + echo('2')
    yield 'length too large', msg(WRITE, 0, 0, {'d': 'x'}, length=200)
    for op, group, id_ in [(READ, 0, 99), (READ, 7, 0), (WRITE, 64, 0), (READ, 0, 5), (WRITE, 0, 6),
                           (READ, 4, 0), (WRITE, 0, 1), (READ, 65535, 255), (WRITE, 0, 7)]:
        yield f'unknown {op} {group}/{id_}', msg(op, group, id_, {})


def cbor():
    for n in [0, 20, *range(70, 85), 100, *range(165, 175), 250, 255, 256, 300, *range(346, 356)]:
        yield f'echo of {n}', echo('z' * n)
    for payload in [b'', b'\xa0', b'\xbf\x61d\x61x\xff', b'\xa2\x61d\x61x\x61d\x61y', b'\xa1\x61d\x01',
                    b'\xa1\x61d\x41x', b'\xa2\x61d\x61x', b'\xa1\x61d\x7b\x7f' + b'\xff' * 7,
                    b'\xbb' + b'\xff' * 8, b'\xbf\x61d' + b'\x9f' * 60, b'\x81\x01', b'\xff',
                    b'\xbf\x61d\xff', b'\xa1\x01\x61x', b'\xa2\x01\x61x\x61d\x61y',
                    b'\xa2\x61d\x61x\x63new\xa1\x61a\x9f\x01\xff',
                    b'\xa3\x61u\xf6\x61d\x61x\x61f\xfb' + bytes(8), b'\xa1\x61d\xc1\x61x',
                    b'\xa2\x61t\xc1\x01\x61d\x61x', b'\xa1\x61d\x61xjunk', b'\xa1\x61d\x7f\x61x\xff',
                    b'\xb8\x01\x61d\x78\x01x', wire.encode({**{f'k{i}': i for i in range(30)}, 'd': 'x'})]:
        yield f'cbor {payload.hex()}', echo(payload)


def groups():
    for request in [
            (READ, 0, 6, {}), (READ, 0, 6, b''), (READ, 0, 7, {}), (READ, 0, 7, b''),
            (READ, 0, 7, {'format': 1}), *[(READ, 0, 7, {'format': f}) for f in
                                           ('', 's', 'v', 'sz', 'n', 'o', 'sv', 'vs')],
            (READ, 0, 3, {}), (READ, 0, 4, {}), (READ, 0, 8, {}),
            (READ, 2, 0, {'name': 'x'}), (READ, 2, 0, {}), (READ, 2, 0, {'name': b'x'}),
            (WRITE, 2, 0, {'name': 'x'}),
            (READ, 10, 0, {}), (READ, 10, 1, {}), (READ, 10, 2, {}), (READ, 10, 2, {'index': 6}),
            (READ, 10, 2, {'index': 7}), (READ, 10, 3, {}), (READ, 10, 3, {'groups': [0, 2]}),
            (READ, 10, 3, {'groups': [99]}),
            (READ, 3, 0, {'name': 'zzz/x'}), (READ, 3, 0, {}), (READ, 3, 0, {'name': ''}),
            (READ, 3, 0, {'name': 'x' * 31}), (READ, 3, 0, {'name': 'x' * 32}),
            (WRITE, 3, 1, {'name': 'zzz/x'}), (WRITE, 3, 2, {}), (READ, 3, 3, {}),
            (WRITE, 3, 0, {'name': 'zzz/x', 'val': b'1'}), (WRITE, 3, 0, {'name': 'zzz/x'}),
            (WRITE, 9, 0, {'argv': ['nonsense']}), (WRITE, 9, 0, {'argv': []}), (WRITE, 9, 0, {}),
            (WRITE, 9, 0, {'argv': 'x'}), (WRITE, 9, 0, {'argv': [1]}), (WRITE, 9, 0, {'argv': ['']}),
            (WRITE, 9, 0, {'argv': ['kernel', 'version']}), (WRITE, 9, 0, {'argv': ['x' * 250]}),
            (READ, 63, 0, {})]:
        yield f'{request}', msg(*request)
    for request in [(READ, 0, 7, {'format': '?'}), (READ, 2, 0, {'name': 'x'}),
                    (READ, 10, 2, {'index': 99}), (READ, 3, 0, {'name': 'zzz/x'}),
                    (WRITE, 9, 0, {'argv': []})]:
        yield f'v1 {request}', msg(*request, version=0)


def files():
    def put(off, data, name=NAME, **more):
        return WRITE, 0, {'off': off, 'data': data, 'name': name, **more}

    def get(off, name=NAME):
        return READ, 0, {'off': off, 'name': name}

    def stat(name=NAME):
        return READ, 1, {'name': name}

    def check(**more):
        return READ, 2, {'name': NAME, **more}

    close = (WRITE, 4, {})
    for op, id_, body in [
            stat(), get(0), stat('/lfs1'), stat('/lfs1/'), stat('rel'), stat('/sd/x'), stat(''),
            stat('/lfs1/' + 'x' * 60), put(0, b'x', '/sd/x', len=1), put(0, b'x', 'rel', len=1),
            put(0, b'x'), (READ, 3, {}), close,
            put(0, b'1' * 100, len=300), stat(), check(), put(0, b'2' * 100, len=300),
            put(200, b'3' * 100), stat(), get(0), check(), check(type='sha256'), check(type='md5'),
            check(len=0), check(off=3, len=5), check(off=300), get(2000), get(300),
            put(0, b'4' * 100, len=300), put(200, b'x'), put(100, b'5' * 200), stat(), close, stat(),
            get(0), put(0, b'6' * 200, len=300), put(200, b'6' * 110), stat(),
            put(0, b'', '/lfs1/z', len=0), close, stat('/lfs1/z'), get(0, '/lfs1/z'), close,
            put(100, b'x', '/lfs1/new'), stat('/lfs1/new')]:
        yield f'{op} {id_} {body}', msg(op, 8, id_, body)


def ask(port, data):
    """What comes back, as bytes and as lines."""
    port.lines.clear()
    for line in data.splitlines(keepends=True):
        port.send(line)
        time.sleep(0.012)       # Zephyr's native boards have two line buffers and a slow tick
    port.send(LAST)
    replies = []
    while True:
        reply = port.receive()
        if reply.seq == 0xee:
            return [r.raw for r in replies], port.lines[:-1]
        replies.append(reply)


@pytest.fixture(scope='module')
def native():
    running = {}

    def begin(build):
        try:
            board = boards.NativeSim(build)
            running[board] = board.__enter__()
        except firmware.Unavailable as reason:
            pytest.skip(str(reason))
        return wire.Port(str(board.tty))

    yield begin
    for board in running:
        board.__exit__(None, None, None)


@pytest.mark.parametrize('build, keys, cases', [
    ('serial_bigrx', '', framing), ('serial_bigrx', '', headers), ('serial_bigrx', '', cbor),
    ('serial_bigrx', '', groups), ('serial_fs', ',buf_size=1024', files),
], ids=lambda v: v.__name__ if callable(v) else None)
def test_beside_zephyr(native, build, keys, cases):
    real = native(build)
    absent = ',image_group=off,bootloader_info=off,datetime=off,mpstat=off'
    with simulator.Simulator('a' + absent + keys) as sim:
        sim.running()
        mine = sim.open()
        differ = []
        for name, data in cases():
            data = data if cases is framing else wire.frame(data)
            got = ask(real, data), ask(mine, data)
            if got[0] != got[1]:
                differ.append((name, *got))
    real.close()
    assert not differ
