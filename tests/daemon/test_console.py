# SPDX-License-Identifier: MIT
"""What boards print, for any number of readers, and typing to them while SMP goes on."""

import base64
import os
import threading

import pytest

RING_LINES, RING_BYTES = 2000, 256 << 10
SLOW_ROUNDS = 24  # of 4001 lines each: more replies than the daemon holds for a reader


def encode(data):
    return base64.b64encode(data).decode()


def raw(line):
    return base64.b64decode(line['bytes']) if 'bytes' in line else line['text'].encode()


class Reader:
    """A stream of Console, put together again: nothing twice, nothing missing that is not told."""

    def __init__(self, client, device='a', **more):
        self.client, self.device = client, device
        self.text, self.lines, self.dropped, self.last = b'', [], 0, None
        client.send('Console', {'device': device, 'follow': True, **more}, more=True)
        self.first = self.take()

    def take(self):
        reply = self.client.reply()
        dropped = reply.get('dropped', 0)
        self.dropped += dropped
        for line in reply['lines']:
            if self.last:
                number, partial = self.last
                follows = number if partial else number + 1
                # A line that was cut goes on under the next number; of a lost one the rest is lost.
                assert line['number'] - dropped in ((follows, follows + 1) if partial else (follows,)), (self.last, reply)
            dropped = 0
            self.last = line['number'], line.get('partial', False)
            self.text += raw(line) + (b'' if line.get('partial') else b'\n')
            self.lines.append(line)
        return reply

    def expect(self, text):
        while text not in self.text:
            self.take()
        return self


def held(client, device='a', **more):
    """What the ring holds, in one reply."""
    return client.call('Console', device=device, **more)


def type_to(client, keys, device='a'):
    assert client.call('ConsoleWrite', device=device, data=encode(keys)) == {}


# ---- what is read ----


@pytest.fixture(scope='module')
def plain():
    """A board without a shell, which prints what it is told."""
    import rack
    r = rack.Rack(('a',))
    r.ready()
    yield r
    r.close()


# What the sim prints (its escapes); what is read as text; as bytes, where they differ.
PRINTED = [
    (r'one\ntwo\r\n', [('one', None), ('two', None)]),
    (r'\n\r\n', [('', None), ('', None)]),
    (r'tab\there\n', [('tab\there', None)]),
    (r'10%\r20%\r\n', [('10%\ufffd20%', b'10%\r20%')]),
    (r'double\r\r\n', [('double', b'double\r')]),
    (r'\e[1;31mred\e[0m\n', [('red', b'\x1b[1;31mred\x1b[0m')]),
    (r'\e[8D\e[Jlog\n', [('log', b'\x1b[8D\x1b[Jlog')]),
    (r'\e]0;title\x07x\e]2;t\e\\y\n', [('xy', b'\x1b]0;title\x07x\x1b]2;t\x1b\\y')]),
    (r'\e[999999999\n', [('\ufffd[999999999', b'\x1b[999999999')]),
    (r'bell\x07 nul\x00 del\x7f\n', [('bell\ufffd nul\ufffd del\ufffd', b'bell\x07 nul\x00 del\x7f')]),
    (r'\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\n', [('é€😀', None)]),
    (r'\xff\xc3\xe2\x82\n', [('\ufffd\ufffd\ufffd\ufffd', b'\xff\xc3\xe2\x82')]),
    (r'\xc2\x9b31m\n', [('\ufffd31m', b'\xc2\x9b31m')]),
    (r'\xed\xa0\x80\n', [('\ufffd' * 3, b'\xed\xa0\x80')]),
    (r'\x06not a frame\x04\n', [('\ufffdnot a frame\ufffd', b'\x06not a frame\x04')]),
    ('x' * 2500 + r'\n', [('x' * 1024, None), ('x' * 1024, None), ('x' * 452, None)]),
    # A character of four bytes lies across the place where a long line is cut.
    ('x' * 1022 + r'\xf0\x9f\x98\x80' + r'y\n', [('x' * 1022, None), ('😀y', None)]),
]


@pytest.mark.parametrize('printed, lines', PRINTED, ids=[str(i) for i in range(len(PRINTED))])
def test_lines(plain, printed, lines):
    reader = Reader(plain.client(), backlog=0)
    plain.sim.command(f'a console {printed}')
    plain.sim.command(r'a console end\n')
    reader.expect(b'end\n')
    got = held(plain.client(), backlog=len(lines) + 1)['lines'][:-1]
    assert [(line['text'], base64.b64decode(line['bytes']) if 'bytes' in line else None) for line in got] == lines
    # A long line comes in pieces that belong together. Read along, it is the same.
    cut = printed[0] == 'x'
    assert [line.get('partial', False) for line in got] == [cut] * (len(lines) - 1) + [False]
    assert reader.text == (b'' if cut else b'\n').join(raw(line) for line in got) + b'\nend\n'


def test_noise(plain):
    """Every byte but a line's end, in every order of neighbours that comes up; frames are not text."""
    noise = bytes(b for n in range(0, 256, 5) for b in range(n, 256) if b not in b'\n\r\x06\x04')[:6000]
    reader = Reader(plain.client(), backlog=0)
    for i in range(0, len(noise), 1500):
        plain.sim.command('a console ' + ''.join(f'\\x{b:02x}' for b in noise[i:i + 1500]))
    plain.sim.command(r'a console \nquiet\n')
    reader.expect(b'quiet\n')
    assert reader.text == noise + b'\nquiet\n'
    assert plain.client().call('Echo', device='a', text='still') == {'text': 'still'}


def test_a_line_that_stays_open(plain):
    client = plain.client()
    before = Reader(plain.client(), backlog=0)
    plain.sim.command(r'a console before\n')
    before.expect(b'before\n')
    reader = Reader(plain.client(), backlog=0)
    number = held(client, backlog=1)['lines'][-1]['number'] + 1
    for piece in ('uart', ':~', '$ '):
        plain.sim.command(f'a console {piece}')
        reader.expect(piece.encode())
        assert reader.lines[-1]['partial'] and reader.lines[-1]['number'] == number
    # Half a character, and half a colour, wait for the rest.
    plain.sim.command(r'a console é\xe2\x82')
    reader.expect('é'.encode())
    plain.sim.command(r'a console \xac\e[3')
    reader.expect('€'.encode())
    plain.sim.command(r'a console 1mz')
    reader.expect(b'z')
    assert [line['text'] for line in reader.lines[-3:]] == ['é', '€', 'z']
    late = held(client, backlog=0)['lines']
    assert [(line['number'], line['text'], line.get('partial')) for line in late] == [(number, 'uart:~$ é€z', True)]
    plain.sim.command(r'a console \nnext\n')
    reader.expect(b'next\n')
    assert reader.text == 'uart:~$ é€\x1b[31mz\nnext\n'.encode()


def test_backlog(plain):
    for i in range(5):
        plain.sim.command(rf'a console line {i}\n')
    Reader(plain.client()).expect(b'line 4\n')
    client = plain.client()
    assert [line['text'] for line in held(client, backlog=2)['lines']] == ['line 3', 'line 4']
    assert held(client, backlog=0) == {'lines': []}
    assert held(client)['lines'] == held(client, backlog=2 ** 62)['lines']
    assert Reader(plain.client(), backlog=0).first == {'lines': []}
    assert [line['text'] for line in Reader(plain.client(), backlog=1).first['lines']] == ['line 4']
    # In several replies, without following.
    reader = Reader(plain.client(), backlog=0)
    plain.sim.command('a console ' + r'0123456789abcdef\n' * 400)
    reader.expect(b'0123456789abcdef\n' * 400)
    assert [line for reply in client.stream('Console', device='a') for line in reply['lines']] == held(client)['lines']


def test_two_readers_read_the_same(plain):
    first, second = Reader(plain.client(), backlog=0), Reader(plain.client(), backlog=0)
    for i in range(50):
        plain.sim.command(rf'a console number {i}\n')
        if i % 7 == 0:
            first.expect(f'number {i}\n'.encode())
    first.expect(b'number 49\n')
    second.expect(b'number 49\n')
    assert first.text == second.text == b''.join(b'number %d\n' % i for i in range(50))
    first.client.close()
    plain.sim.command(r'a console still\n')
    second.expect(b'still\n')


def test_a_quick_reader_loses_nothing(plain):
    """More lines at once than the ring holds."""
    reader = Reader(plain.client(), backlog=0)
    for _ in range(3):
        plain.sim.command('a console ' + r'\n' * 4000)
        plain.sim.command(r'a console end\n')
        reader.expect(b'end\n')
        assert reader.text == b'\n' * 4000 + b'end\n' and not reader.dropped
        reader.text = b''


def test_a_slow_reader_is_told_what_it_missed(plain):
    client, slow, quick = plain.client(), plain.client(), Reader(plain.client(), backlog=0)
    slow = Reader(slow, backlog=0)
    for i in range(SLOW_ROUNDS):
        plain.sim.command('a console ' + r'\n' * 4000)
        plain.sim.command(rf'a console mark {i}\n')
        quick.expect(f'mark {i}\n'.encode())
        assert client.call('Echo', device='a', text=str(i)) == {'text': str(i)}
    assert not quick.dropped
    slow.expect(b'mark %d\n' % (SLOW_ROUNDS - 1))
    assert slow.dropped
    assert slow.dropped + slow.text.count(b'\n') == SLOW_ROUNDS * 4001
    told = held(client)
    assert len(told['lines']) == RING_LINES and told['dropped'] == told['lines'][0]['number'] - 1


def test_misuse(plain):
    client = plain.client()
    assert client.fails('Console', device='a', follow=True).name == 'ExpectedMore'
    for parameters, says in [({'backlog': -1}, 'backlog'), ({'follow': 'yes'}, 'follow'), ({'lines': 1}, 'lines')]:
        failed = client.fails('Console', device='a', **parameters)
        assert failed.name == 'InvalidParameter' and failed.parameters['parameter'] == says
    assert client.fails('Console', device='b').name == 'NoSuchDevice'
    assert client.fails('ConsoleWrite', device='b', data='').name == 'NoSuchDevice'
    failed = client.fails('ConsoleWrite', device='a', data='a')
    assert failed.name == 'InvalidParameter' and 'base64' in failed.parameters['message']
    failed = client.fails('ConsoleWrite', device='a', data=encode(b'x' * 4097))
    assert (failed.name, failed.parameters['limit'], failed.parameters['maximum']) == ('LimitExceeded', 'typedBytes', 4096)
    assert client.call('ConsoleWrite', device='a', data=encode(b'x' * 4095 + b'\n')) == {}
    assert client.call('Echo', device='a', text='alive') == {'text': 'alive'}


def test_who_types_is_in_the_log_once(rack):
    r = rack('a', 'b')
    client = r.ready()
    for device in 'aaaabb':
        assert client.call('ConsoleWrite', device=device, data=encode(b'x')) == {}
    assert [r.text().count(f'{device} audit: ConsoleWrite by user') for device in 'ab'] == [1, 1]


def test_boots_are_in_it_also_those_before(rack):
    r = rack('a', keys='banner=on')
    client = r.ready()
    reader = Reader(r.client(), backlog=0)
    client.call('Reset', device='a')
    reader.expect(b'*** Booting MCUboot').expect(b'I: Jumping to the first image slot\n').expect(b'*** Booting Zephyr OS build v4.4.0 ***\n')
    r.ready()
    # Whole lines, and of half a line before a reset nothing is put together with what comes after.
    r.sim.command(r'a console half')
    reader.expect(b'half')
    r.sim.command('a unplug')
    client.wait_device('a', lambda d: d['state'] == 'absent')
    assert held(r.client(), backlog=0)['lines'][-1]['text'] == 'half'
    r.sim.command('a plug')
    r.ready()
    r.sim.command(r'a console after\n')
    reader.expect(b'half\nafter\n')


@pytest.mark.parametrize('fault, keys', [('log-in-packet', ''), ('log-between', ''), ('log-before-frame', 'shell=on'), ('crlf', '')])
def test_text_around_and_inside_of_packets(rack, fault, keys):
    r = rack('a', keys=keys)
    client = r.ready()
    reader = Reader(r.client(), backlog=0)
    r.sim.command(f'a fault {fault} count=5')
    for i in range(10):
        assert client.call('Echo', device='a', text=f'{i}' * 120) == {'text': f'{i}' * 120}
    r.sim.command(r'a console \nend\n')
    reader.expect(b'end\n')
    assert b'\x06\x09' not in reader.text and b'\x04\x14' not in reader.text
    if fault != 'crlf':
        assert reader.text.count({'log-before-frame': b'uart:~$ '}.get(fault, b'<')) >= 5, reader.text


def test_a_board_that_prints_without_end(rack):
    r = rack('a')
    client = r.ready()
    silent = r.client()  # follows and never reads
    silent.send('Console', {'device': 'a', 'follow': True}, more=True)
    reader = Reader(r.client(), backlog=0)
    r.sim.command('a flood on')
    for i in range(40):
        assert client.call('Echo', device='a', text=f'{i}') == {'text': f'{i}'}
    while len(reader.lines) < 2 * RING_LINES + 500:
        reader.take()
        if len(reader.lines) % 10 == 0:
            assert client.call('Echo', device='a', text='on') == {'text': 'on'}
    assert not reader.dropped
    r.sim.command('a flood off')
    told = held(client)
    assert len(told['lines']) <= RING_LINES and sum(len(raw(line)) for line in told['lines']) <= RING_BYTES
    assert told['dropped'] == told['lines'][0]['number'] - 1 > RING_LINES


def test_a_ring_of_another_size(rack):
    r = rack('a', console_lines=3, console_bytes=2000)
    client = r.ready()
    reader = Reader(r.client(), backlog=0)
    r.sim.command('a console ' + r'one\ntwo\nthree\nfour\n')
    reader.expect(b'four\n')
    assert [line['text'] for line in held(client)['lines']] == ['two', 'three', 'four']
    r.sim.command('a console ' + 'x' * 1000 + r'\n' + 'y' * 1000 + r'\n')
    reader.expect(b'y\n')
    assert [len(line['text']) for line in held(client)['lines']] == [1000, 1000]


# How the text arrives; the marks that are told, and their lines as text.
MARKED = [
    ([r'*** Booting Zephyr OS build v4.4.0 ***\r\n'], [('boot', '*** Booting Zephyr OS build v4.4.0 ***')]),
    ([r'I: Starting boot', r'loader\n'], [('bootloader', 'I: Starting bootloader')]),
    ([r'\e[1;31m[00:00:00.010,000] <err> os: >>> ZEP', r'HYR \e[0mFATAL ERROR 3: Kernel oops on CPU 0\e[0m\r\n'],
     [('fatal', '[00:00:00.010,000] <err> os: >>> ZEPHYR FATAL ERROR 3: Kernel oops on CPU 0')]),
    ([r'ASSERTION FAIL [n > 0] @ src/main.c:12\n'], [('assert', 'ASSERTION FAIL [n > 0] @ src/main.c:12')]),
    ([r'uart:~$ ASSERTION FAIL'], [('assert', 'uart:~$ ASSERTION FAIL')]),  # and then it hangs
    ([r'ASSERTION FAIL\nASSERTION FAIL\n'], [('assert', 'ASSERTION FAIL')] * 2),
    ([r'ASSERT\nION FAIL\n', r'*** Booting\n'], []),
]


@pytest.mark.parametrize('pieces, marks', MARKED, ids=[str(i) for i in range(len(MARKED))])
def test_lines_that_tell_of_something_become_events(rack, pieces, marks):
    r = rack('a')
    client = r.ready()
    reader, events = Reader(r.client(), backlog=0), r.client()
    events.send('Watch', {'device': 'a'}, more=True)
    while events.reply()['event'] != 'current':
        pass
    for piece in pieces:
        seen = len(reader.text)
        r.sim.command(f'a console {piece}')
        while len(reader.text) == seen:  # what comes next comes apart from it
            reader.take()
    if pieces[-1].endswith(r'\n'):
        r.sim.command(r'a console stop\n')
    if not marks:
        reader.expect(b'stop\n')
        assert not any('mark' in line for line in held(client)['lines'])
        return
    told = []
    while len(told) < len(marks):
        event = events.reply()
        if event['event'] == 'console':
            assert event['device']['id'] == 'a'
            told.append((event['line']['mark'], event['line']['text']))
    assert told == marks
    assert [(line['mark'], line['text']) for line in held(client)['lines'] if 'mark' in line] == marks


# ---- what is typed ----


def test_the_shell_runs_what_is_typed(rack):
    r = rack('a', keys='shell=on')
    client = r.ready()
    reader = Reader(r.client(), backlog=0).expect(b'uart:~$ ')
    type_to(client, b'kernel version\r\n')
    reader.expect(b'Zephyr version 4.4.0\n')
    type_to(client, b'')
    type_to(client, b'echo a b\r')
    reader.expect(b'\na b\n')


def test_typing_while_an_echo_loop_runs(rack):
    """Key by key, and a request between any two: no command is torn apart, no request is lost."""
    r = rack('a', keys='shell=on')
    client = r.ready()
    reader = Reader(r.client(), backlog=0)
    stop, echoes, other = threading.Event(), [], r.client()

    def loop():
        while not stop.is_set():
            other.send('Echo', {'device': 'a', 'text': 'x' * 100})
            echoes.append(other.receive())

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        for i in range(5):
            for key in f'echo typed {i}\r':
                seen = len(echoes)
                type_to(client, key.encode())
                while len(echoes) == seen and thread.is_alive():
                    client.call('Echo', device='a', text='y')
            reader.expect(f'\ntyped {i}\n'.encode())
    finally:
        stop.set()
        thread.join()
    assert all(e == {'parameters': {'text': 'x' * 100}} for e in echoes), [e for e in echoes if 'error' in e]
    assert b'not found' not in reader.text


# A line-based board without a shell drops a frame behind typed text.
@pytest.mark.parametrize('typed', [b'k', b'kernel\r', b'line\n', b'a\nb', b'\x06\x09AAA', b'\x06', b'\x1b[A'])
@pytest.mark.parametrize('keys', ['', 'shell=on', 'shell=on,baud=115200'])
def test_requests_survive_half_typed_lines(rack, keys, typed):
    r = rack('a', keys=keys, timeout_ms=300)
    client = r.ready()
    for i in range(3):
        type_to(client, typed)
        assert client.call('Echo', device='a', text=f'{i}') == {'text': f'{i}'}
        type_to(client, typed)
        # Sent once: it must not be the one that finds out.
        assert client.call('ShellExecute', device='a', arguments=['echo', 'x'])['status'] == 0


def test_keys_stay_in_order_and_outside_of_frames(rack):
    """Two long requests under way, keys in between."""
    r = rack('a', keys='shell=on,buf_size=1024,baud=115200')
    client, other = r.ready(), r.client()
    reader = Reader(r.client(), backlog=0)
    for i in range(10):
        other.send('Echo', {'device': 'a', 'text': 'z' * 600})
        for key in f'echo {i}{i}{i}\r':
            type_to(client, key.encode())
        assert other.reply() == {'text': 'z' * 600}
        reader.expect(f'\n{i}{i}{i}\n'.encode())


@pytest.mark.parametrize('settings, says', [
    ({}, 'a is absent'),
    ({'probe': 'never'}, 'probe = never'),
    ({'framing': 'raw', 'timeout_ms': 50, 'quiet_ms': 0}, 'framing = raw'),
], ids=['unplugged', 'never', 'raw'])
def test_who_is_not_typed_to(rack, settings, says):
    r = rack('a', **settings)
    if not settings:
        r.ready()
        r.sim.command('a unplug')
        r.client().wait_device('a', lambda d: d['state'] == 'absent')
    if 'framing' in settings:
        r.client().wait_device('a', lambda d: d['state'] == 'unresponsive')
    before = r.sim.state()['rx_bytes']
    failed = r.client().fails('ConsoleWrite', device='a', data=encode(b'x'))
    assert failed.name == 'DeviceUnavailable'
    assert says in failed.parameters['message']
    assert r.sim.state()['rx_bytes'] == before


def test_a_tty_that_takes_nothing(rack):
    r = rack('a', keys='shell=on,baud=300')
    client = r.client()
    failed = None
    for _ in range(200):
        client.send('ConsoleWrite', {'device': 'a', 'data': encode(b'x' * 4096)})
        message = client.receive()
        if message.get('error') == 'io.mcumgr.LimitExceeded':
            failed = message['parameters']
            break
    assert failed and failed['limit'] == 'typed'


def test_many_readers_leave_nothing_behind(rack):
    r = rack('a')
    r.ready()

    def descriptors():
        return len(os.listdir(f'/proc/{r.process.pid}/fd'))

    def come_and_go():
        for _ in range(20):
            reader = Reader(r.client(), backlog=0)
            r.sim.command(r'a console x\nhalf')
            reader.expect(b'x\n')
            reader.client.close()
        client = r.client()
        client.call('List')
        return client

    come_and_go().close()
    before = descriptors()
    client = come_and_go()
    while descriptors() > before + 1:
        client.call('List')
