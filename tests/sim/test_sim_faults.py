# SPDX-License-Identifier: MIT
"""Faults on demand, the control socket, and the command line."""

import os
import subprocess
import time

import pytest
import simulator
import smp_wire as wire
from images import chunk, flags, upload
from smp_wire import READ, WRITE

ECHO = (WRITE, 0, 0)


def echo(text='x', seq=0x42):
    return wire.frame(wire.message(*ECHO, {'d': text}, seq))


def replies(port, text='x'):
    """Sends an echo, and one more to see the end by; returns what came before the latter's reply."""
    port.lines.clear()
    port.send(echo(text, seq=1))
    port.send(echo('end', seq=2))
    out = []
    while True:
        out.append(port.receive())
        if out[-1].map == {'r': 'end'}:
            return [(r.seq, r.map) for r in out[:-1]]


GOOD = [(1, {'r': 'x'})]


@pytest.mark.parametrize('fault, expected', [
    ('lose-request', []),
    ('lose-reply', []),
    ('duplicate-reply', GOOD * 2),
    ('wrong-seq', [(102, {'r': 'x'})]),
    ('corrupt-crc', []),
    ('corrupt-base64', []),
    ('truncated-reply', []),
    ('oversize-length', []),
    ('garbage-line', GOOD),
    ('log-before-frame', GOOD),
    ('log-between', GOOD),
    ('crlf', GOOD),
    ('long-line', GOOD),
    ('busy', [(1, {'rc': 10})]),
    ('error rc=6', [(1, {'rc': 6})]),
    ('error rc=2 errgroup=0', [(1, {'err': {'group': 0, 'rc': 2}})]),
])
def test_faults_of_a_reply(start, fault, expected):
    sim, port = start()
    sim.command(f'a fault {fault}')
    assert sim.state()['faults'] == 1
    assert replies(port) == expected
    assert sim.state()['faults'] == 0
    assert replies(port) == GOOD


def test_what_the_faults_look_like(start):
    sim, port = start()
    text = 'y' * 250
    for fault, check in [
            ('crlf', lambda: all(line.endswith(b'\r\n') for line in port.lines[:-1])),
            ('long-line', lambda: len(port.lines[0]) > 300),
            ('log-in-packet', lambda: port.console.count(b'sensor reading 42\r\n') == 2),
            ('log-between', lambda: port.console.count(b'sensor reading 42\r\n') == 2),
            ('log-before-frame', lambda: port.console == b'\x1b[1;32muart:~$ \x1b[m')]:
        port.console = b''
        sim.command(f'a fault {fault}')
        assert replies(port, text) == [(1, {'r': text})], fault
        assert check(), fault


def test_late_reply(start):
    sim, port = start()
    sim.command('a fault late-reply ms=80')
    began = time.monotonic()
    port.send(echo(seq=1) + echo('next', seq=2))
    assert [port.receive().seq, port.receive().seq] == [2, 1]
    assert time.monotonic() - began >= 0.08


def test_bombs_are_small_and_vary(start):
    sim, port = start()
    sim.command('a fault cbor-bomb count=20')
    seen = {port.ask(*ECHO, {'d': 'x'}).payload[:2] for _ in range(20)}
    assert len(seen) == 3


def test_count_chance_and_match(start):
    sim, port = start()
    sim.command('a fault busy count=2 group=1 id=0 op=read')
    assert port.ask(WRITE, 0, 0, {'d': 'x'}).map == {'r': 'x'}
    assert port.ask(WRITE, 1, 0, {'confirm': True}).map.keys() >= {'images'}
    assert [port.ask(READ, 1, 0).map.get('rc') for _ in range(3)] == [10, 10, None]
    sim.command('a fault busy count=0 p=0.5')
    busy = sum(port.ask(*ECHO, {'d': 'x'}).map == {'rc': 10} for _ in range(200))
    assert 60 < busy < 140
    sim.command('a clear-faults')
    assert replies(port) == GOOD


def test_same_seed_same_chances():
    def run(seed):
        with simulator.Simulator('a', arguments=['--seed', seed]) as sim:
            sim.running()
            port = sim.open()
            sim.command('a fault busy p=0.5')
            return [port.ask(*ECHO).map for _ in range(40)]

    assert run('7') == run('7') != run('8')


def test_upload_faults(start, tmp_path):
    sim, port = start()
    data, _ = simulator.make_image(tmp_path / 'i', '2.0.0', size=4096)

    def put(off, **more):
        return port.ask(WRITE, 1, 1, chunk(data, off, **more))['off']

    sim.command('a fault session-loss at=512')
    sim.command('a fault stuck-offset count=2 at=768')
    assert [put(0), put(256)] == [256, 512]
    assert put(512) == 0
    assert [put(0), put(256), put(512)] == [256, 512, 768]
    assert [put(768), put(768), put(768)] == [768, 768, 1024]
    sim.command('a fault match-false')
    assert upload(port, data).map == {'off': 4096, 'match': False}


def test_reset_faults(start):
    sim, port = start()
    sim.command('a fault reset-ignored')
    assert port.ask(WRITE, 0, 5).map == {}
    sim.command('a wait-idle')
    assert sim.state()['boots'] == 1
    sim.command('a fault no-reset-reply')
    port.send(wire.frame(wire.message(WRITE, 0, 5, {})))
    sim.wait('boots>=2')
    sim.running()
    assert replies(port) == GOOD


@pytest.mark.parametrize('when, answered', [('before', False), ('after', True)])
def test_die_at(start, tmp_path, when, answered):
    sim, port = start('hang_up=on')
    _, digest = simulator.make_image(tmp_path / 'i', '2.0.0')
    upload(port, (tmp_path / 'i').read_bytes())
    sim.command(f'a fault die-at=state-write when={when}')
    port.send(wire.frame(wire.message(WRITE, 1, 0, {'hash': digest})))
    if answered:
        port.receive()
    with pytest.raises((OSError, EOFError)):
        while True:
            port.receive(5)
    sim.wait('power_cuts>=1')
    sim.running()
    port = sim.open()
    # flash kept what was written before the cut, and only that
    assert flags(port)[0] == ((0, '2.0.0', 'active') if answered
                              else (0, '1.0.0', 'confirmed active'))


@pytest.mark.parametrize('words', ['', 'nonsense', 'busy=1', 'busy count', 'busy count=x', 'busy p=2',
                                   'die-at=nothing', 'busy when=before', 'error rc=70000',
                                   'busy colour=1', 'busy op=both'])
def test_bad_faults_are_refused(start, words):
    sim, _ = start()
    with pytest.raises(RuntimeError, match='^error fault: '):
        sim.command(f'a fault {words}')
    assert sim.state()['faults'] == 0


# Control socket -----------------------------------------------------------------------

@pytest.mark.parametrize('line', ['', 'nobody state', 'a', 'a nothing', 'a set', 'a set x=1',
                                  'a set slot_size=64K', 'a set buf_size=abc', 'a set mode=mcuboot',
                                  'a set shell=maybe', 'a flood maybe', 'a wait', 'a wait x',
                                  'a wait nothing=1', 'a wait boots>=1 boots>=2', 'a power-cut 7',
                                  'nobody wait boots>=1', 'a wait boots>=9 timeout=1'])
def test_bad_commands_are_refused(start, line):
    sim, port = start()
    with pytest.raises(RuntimeError, match='^error '):
        sim.command(line)
    assert replies(port) == GOOD


def test_refusals_say_what_is_allowed(start):
    sim, _ = start()
    with pytest.raises(RuntimeError, match='v1=maybe: allowed is off, on, refuse, silent, none'):
        sim.command('a set v1=maybe')
    with pytest.raises(RuntimeError, match='baud=-1: allowed is a number from 0 to 12000000'):
        sim.command('a set baud=-1')
    with pytest.raises(RuntimeError, match='image can be set at the start only'):
        sim.command('a set image=x')


def test_wait_is_answered_when_it_comes_true(start):
    sim, port = start()
    sim.file.write('a wait requests.0/0>=2 timeout=5000\na wait requests.0/0>=3 timeout=50\nlist\n')
    sim.file.flush()
    port.send(echo() + echo())
    assert sim.file.readline() == 'ok\n'
    assert sim.file.readline().startswith('error timeout: {')
    assert sim.file.readline() == 'ok a\n'          # commands behind a wait wait too


def test_waits(start):
    sim, _ = start()
    for good in ('boots=1', 'boots==1', 'boots!=2', 'boots<2', 'boots<=1', 'boots>0', 'phase=app',
                 'phase!=off', 'open=true', 'version=1.0.0', 'termios.raw=1', 'confirmed=1'):
        sim.wait(good, timeout=2000)


def test_two_clients_of_the_control_socket(start):
    import socket
    sim, _ = start()
    sim.file.write('a wait boots>=2\n')
    sim.file.flush()
    with socket.socket(socket.AF_UNIX) as other:
        other.connect(f'{sim.dir}/control')
        other.sendall(b'a reset\n')
        assert other.recv(100) == b'ok\n'
    assert sim.file.readline() == 'ok\n'


def test_a_client_that_says_no_more_gets_its_answers(start):
    """As in: echo 'a wait boots>=2' | socat - UNIX:control"""
    import socket
    sim, _ = start()
    with socket.socket(socket.AF_UNIX) as other:
        other.settimeout(30)
        other.connect(f'{sim.dir}/control')
        other.sendall(b'a wait boots>=2\na wait boots>=99 timeout=10\nlist\n')
        other.shutdown(socket.SHUT_WR)
        sim.command('a reset')
        answers = b''.join(iter(lambda: other.recv(65536), b'')).decode().splitlines()
    assert [answer[:13] for answer in answers] == ['ok', 'error timeout', 'ok a']
    sim.command('a wait-idle')


def test_console_and_flood(start):
    sim, port = start()
    sim.command(r'a console one\ttwo\r\n\x1b[0m\\')
    assert port.text(b'\\') == b'one\ttwo\r\n\x1b[0m\\'
    sim.command('a flood on')
    port.text(b'flood')
    assert port.ask(*ECHO, {'d': 'x'})['r'] == 'x'
    sim.command('a flood off')
    sim.command('a wait-idle')


def test_flood_that_nobody_reads_is_bounded(start):
    sim, port = start()
    sim.command('a flood on')
    sim.wait('lost_bytes>=1', timeout=20000)
    sim.command('a flood off')
    port.text(b'flood')


def test_state(start):
    sim, port = start()
    port.ask(*ECHO, {'d': 'x'})
    state = sim.state()
    assert state['requests'] == {'0/0': 1} and state['replies'] == 1
    assert state['rx_bytes'] == port.sent and state['tx_bytes'] == len(port.lines[0])
    assert state['phase'] == 'app' and state['mode'] == 'swap-move' and state['plugged']
    assert state['version'] == '1.0.0' and len(state['hash']) == 64 and state['confirmed']
    assert state['tty'].startswith('/dev/pts/') and state['dtr'] is None
    assert [(s['image'], s['slot'], s['blank']) for s in state['slots']] == [(0, 0, False),
                                                                             (0, 1, True)]


def test_quit():
    with simulator.Simulator('a') as sim:
        assert sim.command('quit') == 'ok'
        assert sim.process.wait(10) == 0


# Command line -------------------------------------------------------------------------

def run(*words):
    return subprocess.run([simulator.program(), *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20)


@pytest.mark.parametrize('words, text', [
    ([], 'usage'),
    (['--board', 'a,shell'], 'expected KEY=VALUE'),
    (['--board', 'a,colour=1'], 'unknown key colour'),
    (['--board', '../a'], 'a name is made of'),
    (['--board', 'a', '--board', 'a'], 'a board of that name already'),
    (['--board', 'a,slot_size=20000'], 'multiple of 4096'),
    (['--board', 'a,image=/proc/nowhere/i'], 'mcumgr-sim: /proc/nowhere/i: No such file'),
    (['--board', 'a,slot_size=16K,image1=/bin/sh'], 'mcumgr-sim: /bin/sh: larger than the slot'),
    (['--dir', '/proc/nowhere', '--board', 'a'], 'No such file'),
    (['--seed', 'x', '--board', 'a'], 'expected a number'),
    (['--board', 'a', '--until-eof'], 'needs a pipe or a terminal'),  # it is /dev/null
    (['--board', 'a', 'b'], 'usage'),
    (['--what'], 'usage'),
])
def test_bad_command_lines(words, text):
    result = run(*words)
    assert result.returncode in (1, 2) and text in result.stderr and not result.stdout


def test_a_second_one_leaves_the_first_its_links(start):
    sim, _ = start()
    before = os.readlink(sim.path('a'))
    result = run('--dir', sim.dir, '--control', f'{sim.dir}/control', '--board', 'a')
    assert (result.returncode, result.stdout) == (1, '') and 'another mcumgr-sim listens there' in result.stderr
    assert os.readlink(sim.path('a')) == before and sim.state()['phase'] == 'app'


def test_links_that_another_one_has_taken_over_stay(tmp_path):
    def begin():
        words = [simulator.program(), '--dir', str(tmp_path), '--board', 'a', '--until-eof']
        process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert process.stdout.readline() == b'ready\n'
        return process, os.readlink(tmp_path / 'a')

    def end(process):
        process.communicate(timeout=30)
        return os.path.lexists(tmp_path / 'a')

    (first, its), (second, link) = begin(), begin()
    assert its != link and end(first) and os.readlink(tmp_path / 'a') == link
    assert not end(second)


def test_help():
    assert 'usage' in run('--help').stdout and 'usage' in run('image', '--help').stdout


@pytest.mark.parametrize('words, text', [
    (['-o', 'x', '--version', '1.2'], 'bad value 1.2'),
    (['-o', 'x', '--version', '256.0.0'], 'bad value'),
    (['-o', 'x', '--hash', 'md5'], 'bad value md5'),
    (['-o', 'x', '--broken', 'window'], 'bad value window'),
    (['-o', 'x', '--size', '100'], '--size: 100 bytes cannot hold'),
    (['-o', 'x', '--pad', '4096'], '--pad: a slot of 4096 bytes cannot hold an image of 32768'),
    (['-o', '/proc/nowhere/x'], 'No such file'),
    ([], 'usage'),
])
def test_bad_image_command_lines(tmp_path, words, text):
    result = subprocess.run([simulator.program(), 'image', *words], capture_output=True, text=True,
                            cwd=tmp_path, timeout=20)
    assert result.returncode in (1, 2) and text in result.stderr and not result.stdout


def test_images_depend_on_the_seed_alone(tmp_path):
    def make(**kw):
        return simulator.make_image(tmp_path / 'i', '1.0.0', **kw)

    assert make(seed=5) == make(seed=5) != make(seed=6)
    assert len(make(size='48K')[0]) == 49152


def test_image_hash_is_the_digest_of_header_body_and_protected_tlvs(tmp_path):
    import hashlib
    data, digest = simulator.make_image(tmp_path / 'i', '1.2.3.4', protected=True)
    header, protected = (int.from_bytes(data[at:at + 2], 'little') for at in (8, 10))
    body = int.from_bytes(data[12:16], 'little')
    assert data[:4].hex() == '3db8f396' and protected == 12
    assert hashlib.sha256(data[:header + body + protected]).digest() == digest
    assert data[20:28].hex() == '0102030004000000'
    assert int.from_bytes(data[header + body:header + body + 2], 'little') == 0x6908
    tlvs = header + body + protected
    assert int.from_bytes(data[tlvs:tlvs + 2], 'little') == 0x6907
    assert len(data) == tlvs + int.from_bytes(data[tlvs + 2:tlvs + 4], 'little')
