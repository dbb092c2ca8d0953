# SPDX-License-Identifier: MIT
"""The simulator against the wire as real Zephyr showed it: frames, header, CBOR, versions."""

import base64
import random
import struct
import time

import pytest
import smp_wire as wire
from smp_wire import READ, WRITE

ECHO = (WRITE, 0, 0)


def echo(text='x', seq=0x42, **kw):
    return wire.message(*ECHO, {'d': text}, seq, **kw)


def answers(port, data, n=1):
    """Sends bytes; returns the n messages that come, and checks that no other does."""
    port.send(data)
    got = [port.receive() for _ in range(n)]
    last(port)
    return got


def last(port):
    """The next message is the answer to what is asked now: nothing else is on its way."""
    port.send(wire.frame(echo('last', seq=0xee)))
    reply = port.receive()
    assert (reply.seq, reply.map) == (0xee, {'r': 'last'})


def dropped(port, data):
    port.send(data)
    last(port)


# Frames (SMP 2.1) -----------------------------------------------------------

def test_crc_vectors():
    assert wire.crc16(b'123456789') == 0x31c3
    assert wire.crc16(b'') == 0
    assert wire.crc16(b'A') == 0x58e5
    assert wire.crc16(bytes(range(256))) == 0x7e55


def test_example_a_byte_for_byte(start):
    _, port = start()
    request = bytes.fromhex('06094142414b414141474141424341'
                            '4b46685a474a6f61') + bytes.fromhex('5a734b0a')
    assert request == b'\x06\x09ABAKAAAGAABCAKFhZGJoaZsK\n' == wire.frame(echo('hi'))
    port.send(request)
    reply = port.receive()
    assert port.lines == [b'\x06\x09ABELAAAHAABCAL9hcmJoaf9Hhw==\n']
    assert reply.raw.hex() == '0b00000700004200' 'bf61726268' '69ff'


def test_example_b_two_lines(start):
    _, port = start()
    request = wire.lines(wire.packet(echo('0123456789' * 10, seq=7)))
    assert request == [
        b'\x06\x09AHMKAABpAAAHAKFhZHhkMDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0'
        b'NTY3ODkwMTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3\n',
        b'\x04\x14ODkwMTIzNDU2Nzg5MDEyMzQ1Njc4OU3T\n']
    [reply] = answers(port, b''.join(request))
    assert reply.map == {'r': '0123456789' * 10}


def test_reply_lines_are_cut_as_zephyr_cuts_them(start):
    _, port = start()
    for n in range(0, 340):
        port.lines.clear()
        reply = port.ask(*ECHO, {'d': 'y' * n})
        assert reply.map == {'r': 'y' * n}
        lengths = [len(line) for line in port.lines]
        assert lengths[0] <= 127
        assert all(length <= 123 for length in lengths[1:])
        if len(lengths) > 2:
            # 3 + 90 bytes, then never more than 90
            assert lengths[0] == 127 and set(lengths[1:-2]) <= {123}
        if len(reply.raw) == 90:
            # the last byte waits for its CRC
            assert lengths == [123, 11]


def message_of(length):
    """An echo request of exactly this many bytes."""
    for n in range(length):
        msg = wire.message(*ECHO, {'d': '', 'z': 'z' * n})
        if len(msg) == length:
            return msg
    raise ValueError(length)


@pytest.mark.parametrize('size', [96, 128, 384, 512, 2048])
def test_largest_packet(start, size):
    _, port = start(f'buf_size={size}')
    [reply] = answers(port, wire.frame(message_of(size - 4)))
    assert reply.map == {'r': ''}
    dropped(port, wire.frame(message_of(size - 3)))


def cut(msg, **kw):
    return b''.join(wire.lines(wire.packet(msg, **kw)))


@pytest.mark.parametrize('bad', [
    pytest.param(cut(echo(), crc=0x1234), id='crc'),
    pytest.param(b'\x06\x09ABAKAAAG!ABCAKFhZGJoaZsK\n', id='base64'),
    pytest.param(b'\x06\x09ABAKAAAGAABCAKFhZGJoaZs\n', id='not-whole-quads'),
    pytest.param(wire.lines(wire.packet(echo('l' * 100)), size=96)[0], id='line-of-131'),
    pytest.param(b'\x04\x14ABAKAAAGAABCAKFhZGJoaZsK\n', id='continuation-alone'),
    pytest.param(cut(echo(), plen=6), id='plen-too-small'),
    pytest.param(b'x' + wire.frame(echo()), id='text-before'),
    pytest.param(b'text\r' + wire.frame(echo()), id='text-and-cr-before'),
    pytest.param(wire.frame(echo('h' * 100))[:127], id='second-line-missing'),
    pytest.param(wire.frame(b'\x0a\x00\x00\x00\x00\x00\x42'), id='7-bytes'),
    pytest.param(b'\x06\x09AA==\n', id='one-byte'),
    pytest.param(b'\x06\x09\n', id='empty'),
])
def test_bad_frames_are_dropped_in_silence(start, bad):
    _, port = start()
    dropped(port, bad)


@pytest.mark.parametrize('before, after', [(b'\n', b''), (b'junk\n', b''), (b'', b'\r'), (b'', b' '),
                                           (b'\x06\x09AAAA\n', b'')])
def test_frames_are_found(start, before, after):
    _, port = start()
    answers(port, before + wire.frame(echo())[:-1] + after + b'\n')


def test_new_start_restarts(start):
    _, port = start()
    long = wire.lines(wire.packet(echo('0' * 120)))
    answers(port, long[0] + wire.frame(echo()))
    # a junk line between the lines of a packet does no harm
    answers(port, long[0] + b'junk\n' + long[1])


def test_line_limit_is_of_the_board(start):
    _, port = start('line_len=512')
    answers(port, wire.lines(wire.packet(echo('0' * 300)), size=360)[0])


# Header and versions (SMP 1) --------------------------------------------------

def test_reply_header(start):
    _, port = start()
    for version in (0, 1):
        [r] = answers(port, wire.frame(echo(seq=9, version=version)))
        assert (r.op, r.version, r.flags, r.group, r.id, r.seq) == (3, version, 0, 0, 0, 9)
        assert r.length == len(r.payload)
    assert port.ask(READ, 0, 6).op == 1


def test_flags_are_ignored(start):
    _, port = start()
    msg = bytearray(echo())
    msg[1] = 0xff
    [reply] = answers(port, wire.frame(bytes(msg)))
    assert reply.flags == 0


@pytest.mark.parametrize('version', [2, 3])
def test_version_too_new(start, version):
    _, port = start()
    [reply] = answers(port, wire.frame(echo(version=version)))
    assert (reply.version, reply.map) == (1, {'rc': 13})


@pytest.mark.parametrize('op', [1, 3, 4, 5, 6, 7])
def test_other_ops(start, op):
    _, port = start()
    [reply] = answers(port, wire.frame(wire.message(op, 0, 0, {'d': 'x'})))
    assert (reply.op, reply.map) == (3, {'rc': 8})


@pytest.mark.parametrize('op, group, id_', [(READ, 0, 99), (READ, 7, 0), (WRITE, 64, 0),
                                            (READ, 0, 5), (WRITE, 0, 6), (READ, 4, 0),
                                            (WRITE, 0, 1), (READ, 1, 2), (READ, 65535, 255)])
def test_unknown_commands(start, op, group, id_):
    _, port = start()
    assert port.ask(op, group, id_).map == {'rc': 8}


def test_length_field(start):
    _, port = start()
    [reply] = answers(port, wire.frame(echo() + b'left' * 1))
    assert reply.map == {'r': 'x'}
    [reply] = answers(port, wire.frame(wire.message(*ECHO, {'d': 'x'}, length=200)))
    assert reply.map == {'rc': 9}


def test_messages_in_one_packet(start):
    _, port = start()
    both = answers(port, wire.frame(echo('1', seq=1) + echo('2', seq=2)), n=2)
    assert [(r.seq, r['r']) for r in both] == [(1, '1'), (2, '2')]
    bad = wire.message(READ, 7, 7, {}, seq=1)
    [reply] = answers(port, wire.frame(bad + echo('2', seq=2)))
    assert reply.map == {'rc': 8}


@pytest.mark.parametrize('kind, asked, version, expected', [
    ('on', 1, 0, {'r': 'x'}), ('on', 0, 0, {'r': 'x'}),
    ('refuse', 1, 0, {'rc': 13}), ('refuse', 0, 0, {'r': 'x'}),
    ('none', 0, 0, {'rc': 12}), ('none', 1, 1, {'r': 'x'}),
    ('silent', 0, 0, {'r': 'x'}),
])
def test_v1_boards(start, kind, asked, version, expected):
    _, port = start(f'v1={kind}')
    port.send(wire.frame(echo(version=asked)))
    reply = port.receive()
    assert (reply.version, reply.map) == (version, expected)


def test_v1_silent_board_ignores_v2(start):
    _, port = start('v1=silent')
    port.send(wire.frame(echo(version=1)) + wire.frame(echo('v1', version=0)))
    assert port.receive().map == {'r': 'v1'}


def test_v1_collapses_errors(start):
    _, port = start()
    assert port.ask(READ, 0, 7, {'format': '?'}).map == {'err': {'group': 0, 'rc': 2}}
    for request, rc in [((READ, 0, 7, {'format': '?'}), 3), ((READ, 0, 8, {'query': 'x'}), 5),
                        ((READ, 2, 0, {'name': 'x'}), 5), ((READ, 3, 0, {'name': 'sim/x'}), 5),
                        ((READ, 8, 1, {'name': '/lfs1/x'}), 5), ((WRITE, 9, 0, {'argv': []}), 3),
                        ((WRITE, 1, 0, {'confirm': False}), 3),
                        ((WRITE, 1, 5, {'slot': 0}), 6), ((READ, 10, 2, {'index': 99}), 1)]:
        reply = port.ask(*request, version=0)
        assert (reply.version, reply.map) == (0, {'rc': rc}), request


# CBOR (SMP 3) -----------------------------------------------------------------

def test_payload_without_map(start):
    _, port = start()
    assert port.ask(READ, 0, 6, b'')['buf_size'] == 384
    assert 'images' in port.ask(READ, 1, 0, b'').map
    for op, group, id_ in (ECHO, (READ, 0, 7), (READ, 0, 8), (READ, 10, 2), (WRITE, 1, 5)):
        assert port.ask(op, group, id_, b'').map == {'rc': 3}


@pytest.mark.parametrize('payload, expected', [
    (b'\xa0', {'r': ''}),
    (b'\xbf\x61d\x61x\xff', {'r': 'x'}),
    (b'\xa2\x61d\x61x\x63new\xa1\x61a\x9f\x01\xff', {'r': 'x'}),
    (b'\xa3\x61u\xf6\x61d\x61x\x61f\xfb' + bytes(8), {'r': 'x'}),
    (b'\xa2\x61t\xc1\x01\x61d\x61x', {'r': 'x'}),
    (wire.encode({**{f'k{i}': i for i in range(30)}, 'd': 'x'}), {'r': 'x'}),
    (b'\xa1\x61d\x61xleft', {'r': 'x'}),
    (b'\xa1\x61d\xc1\x61x', {'rc': 3}),
    (b'\xa1\x61d\x7f\x61x\xff', {'rc': 3}),
    (b'\xa2\x61d\x61x\x61d\x61y', {'rc': 3}),
    (b'\xa1\x61d\x01', {'rc': 3}),
    (b'\xa1\x61d\x41x', {'rc': 3}),
    (b'\xa2\x61d\x61x', {'rc': 3}),
    (b'\xa1\x61d\x7b\x7f' + b'\xff' * 7, {'rc': 3}),
    (b'\xbb' + b'\xff' * 8, {'rc': 3}),
    (b'\xbf\x61d' + b'\x9f' * 60, {'rc': 3}),
    (b'\x81\x01', {'rc': 3}),
    (b'\xff', {'rc': 3}),
    (b'\xbf\x61d\xff', {'rc': 3}),
    (b'\xa1\x01\x61x', {'rc': 3}),
])
def test_requests_are_decoded_with_care(start, payload, expected):
    _, port = start()
    assert port.ask(*ECHO, payload).map == expected


def test_definite_and_indefinite_maps(start):
    _, port = start()
    assert port.ask(READ, 1, 0).payload[:9] == b'\xbf\x66images\x9f'
    assert port.ask(READ, 1, 0).payload[-1] == 0xff
    _, other = start('canonical=on')
    raw = other.ask(READ, 1, 0).payload
    assert raw[:9] == b'\xa2\x66images\x81' and b'\xff' not in (raw[:1], raw[-1:])
    assert other.ask(READ, 1, 0).map == port.ask(READ, 1, 0).map
    assert other.ask(READ, 0, 7, {'format': '?'}).map == {'err': {'group': 0, 'rc': 2}}
    # more than 23 entries need a longer head
    assert len(other.ask(READ, 10, 1)['groups']) == 8


def test_reply_too_large(start):
    _, port = start('buf_size=96')
    assert port.ask(READ, 0, 2).map == {'rc': 7}
    assert port.ask(READ, 10, 3).map == {'rc': 9}
    assert port.ask(READ, 0, 6).map == {'buf_size': 96, 'buf_count': 4}


def test_legacy_rc(start):
    _, port = start('legacy_rc=on')
    assert port.ask(*ECHO, {'d': 'x'}).map == {'r': 'x', 'rc': 0}
    assert port.ask(WRITE, 1, 5).map == {'rc': 0}
    assert port.ask(READ, 8, 1, {'name': '/lfs1/x'}).map == {'err': {'group': 8, 'rc': 3}}


# Buffers and time ---------------------------------------------------------------

def three_lines(seq):
    return wire.frame(wire.message(*ECHO, {'d': 'z' * 250}, seq))


def test_burst_is_lost_on_a_board_with_two_line_buffers(start):
    sim, port = start('burst=lose')
    data = three_lines(1)
    assert data.count(b'\n') == 3
    port.send(data)
    sim.settle(port)
    assert sim.state()['dropped_lines'] == 1 and sim.state()['replies'] == 0
    # two lines fit, and lines that come apart do
    port.send(wire.frame(echo('z' * 100)))
    assert port.receive()['r'] == 'z' * 100
    for line in data.splitlines(keepends=True):
        port.send(line)
        sim.settle(port)
    assert port.receive()['r'] == 'z' * 250


def test_slow_lines(start):
    sim, port = start('line_us=20000')
    began = time.monotonic()
    answers(port, wire.frame(echo('z' * 100)))
    assert time.monotonic() - began >= 0.06     # two lines, and the last echo's one
    port.send(wire.frame(wire.message(*ECHO, {'d': 'z' * 250})))
    sim.settle(port)
    assert sim.state()['dropped_lines'] == 1
    last(port)


def test_baud_and_latency(start):
    _, port = start('baud=115200,latency_ms=20')
    request = wire.frame(echo('z' * 200))
    began = time.monotonic()
    port.send(request)
    port.receive()
    passed = time.monotonic() - began
    wire_time = (len(request) + sum(map(len, port.lines))) * 10 / 115200
    assert wire_time + 0.04 <= passed <= wire_time + 0.04 + 0.1


def test_requests_wait_while_the_board_works(start):
    sim, port = start('erase_ms=300')
    port.send(wire.frame(wire.message(WRITE, 63, 0, {}, seq=1)))
    sim.wait('busy=1')
    # Four buffers: the erase holds two, so two wait, the third and fourth find none.
    for seq in (2, 3, 4, 5):
        port.send(wire.frame(echo(seq=seq)))
    assert [port.receive().seq for _ in range(3)] == [1, 2, 3]
    last(port)
    assert sim.state()['dropped_packets'] == 2


def test_rc_2_when_only_the_reply_finds_no_buffer(start):
    sim, port = start('erase_ms=200,buf_count=3')
    port.send(wire.frame(wire.message(WRITE, 63, 0, {}, seq=1)))
    sim.wait('busy=1')
    sim.command('a set buf_count=5')
    for seq in (2, 3, 4):
        port.send(wire.frame(echo(seq=seq)))
    sim.wait(f'rx_bytes>={port.sent}')
    sim.command('a set buf_count=3')
    assert [port.receive().map for _ in range(4)] == [{}, {'rc': 2}, {'r': 'x'}, {'r': 'x'}]


def test_a_packet_has_its_buffer_from_its_first_line_on(start):
    sim, port = start('erase_ms=300,buf_count=3')
    port.send(wire.frame(wire.message(WRITE, 63, 0, {}, seq=1)))
    sim.wait('busy=1')
    lines = three_lines(2).splitlines(keepends=True)
    port.send(lines[0])  # takes the last one
    port.send(b''.join(lines[1:]) + wire.frame(echo(seq=3)))
    assert [port.receive().seq for _ in range(2)] == [1, 2]
    last(port)
    assert sim.state()['dropped_packets'] == 1


def test_a_reply_holds_its_buffers_until_it_has_left(start):
    """140 bytes at 1200 baud: more than a second, in which the first two of the three hold all three buffers."""
    sim, port = start('uart=1200,buf_count=3')
    port.send(wire.frame(echo('z' * 90, seq=1)) + wire.frame(echo('z' * 90, seq=2)) + wire.frame(echo(seq=3)))
    assert [port.receive().seq for _ in range(2)] == [1, 2]
    sim.settle(port)
    assert sim.state()['dropped_packets'] == 1
    sim.command('a set buf_count=5')
    last(port)


def test_dead_board(start):
    sim, port = start()
    sim.command('a set dead=on')
    port.send(wire.frame(echo(seq=1)))
    sim.wait('rx_bytes>=1')
    sim.command('a set dead=off')
    last(port)
    sim.command('a set dead=on')
    assert port.silent(0.05)


def test_noise(start):
    """Whatever comes in, the next good request is answered."""
    sim, port = start()
    rng = random.Random(1)
    good = [wire.frame(echo('x' * 100)), wire.frame(wire.message(READ, 1, 0, {})),
            wire.frame(wire.message(WRITE, 1, 1, {'off': 0, 'data': b'x' * 40, 'len': 99})),
            wire.frame(wire.message(WRITE, 8, 0, {'off': 0, 'data': b'x', 'len': 9, 'name': '/lfs1/x'}))]
    for _ in range(400):
        data = bytearray(rng.choice(good))
        for _ in range(rng.randrange(1, 4)):
            at = rng.randrange(len(data))
            data[at:at + rng.randrange(3)] = rng.randbytes(rng.randrange(3))
        port.send(bytes(data))
    for _ in range(400):
        # frames that are whole, with a payload that is not
        msg = bytearray(wire.message(rng.choice((READ, WRITE)), rng.choice((0, 1, 2, 3, 8, 9, 10)),
                                     rng.randrange(9),
                                     {'off': 1, 'name': '/lfs1/x', 'data': b'x', 'argv': ['x']}))
        msg[rng.randrange(8, len(msg))] = rng.randrange(256)
        if msg[4:8] != bytes([0, 0, 0, 5]) and msg[5:8:2] != bytes([0, 5]):
            port.send(wire.frame(bytes(msg)))
    port.send(b'\n' + wire.frame(echo('end', seq=0xee)))
    while True:
        reply = port.receive()
        if reply.map == {'r': 'end'}:
            break
    last(port)
    assert sim.state()['boots'] == 1


def test_hostile_header_fields():
    """The client in here is bounded too: what it decodes was checked against the standard."""
    assert wire.decode(base64.b16decode('BF61729F01FFFF')) == {'r': [1]}
    assert wire.encode({'a': [1, -1, 300, 'x', b'y', True]}).hex() == 'a161618601201' '9012c61784179f5'
    assert struct.unpack('>H', wire.packet(b'12345678')[:2]) == (10,)
