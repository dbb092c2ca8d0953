# SPDX-License-Identifier: MIT
"""Power, reset, recovery (SMP 5.MCUboot), and ttys that come and go."""

import hashlib
import os
import select
import socket
import time

import pytest
import simulator
import smp_wire as wire
from images import chunk, flags, upload
from smp_wire import READ, WRITE


def pending(sim, port, image, **kw):
    """Uploads an image and marks it for test; returns its hash."""
    data, digest = image(**kw)
    upload(port, data)
    port.ask(WRITE, 1, 0, {'hash': digest})
    return digest


# Recovery -----------------------------------------------------------------------

def test_recovery_answers(start):
    _, port = start('recovery=on')
    assert port.ask(READ, 0, 6).map == {'buf_size': 1024, 'buf_count': 1}
    [entry] = port.ask(READ, 1, 0)['images']
    assert entry.keys() == {'slot', 'hash', 'version'} and entry['version'] == '1.0.0'
    assert port.ask(WRITE, 0, 1, {'echo': 1}).map == {'rc': 0}
    for op, group, id_ in ((WRITE, 0, 0), (WRITE, 1, 5), (WRITE, 1, 0), (READ, 1, 6), (READ, 0, 7),
                           (READ, 10, 0), (WRITE, 63, 0)):
        assert port.ask(op, group, id_, {'d': 'x'}).map == {'rc': 8}, (op, group, id_)


def test_recovery_options(start):
    _, port = start('recovery=on,rec_params=off,rec_echo=on,rec_slots=on,rec_state=on')
    assert port.ask(READ, 0, 6).map == {'rc': 8}
    assert port.ask(WRITE, 0, 0, {'d': 'x'}).map == {'r': 'x'}
    assert port.ask(READ, 1, 6)['images'][0]['image'] == 0
    assert port.ask(READ, 1, 0)['images'][0].keys() >= {'bootable', 'confirmed'}


def test_recovery_header_rules(start):
    _, port = start('recovery=on')

    def messages(data):
        port.send(data)
        port.send(wire.frame(wire.message(READ, 0, 6, {}, seq=0xee)))
        out = []
        while True:
            out.append(port.receive())
            if out[-1].seq == 0xee:
                return out[:-1]

    def params(**kw):
        return wire.message(kw.pop('op', READ), 0, 6, {}, **kw)

    for version in range(4):
        [reply] = messages(wire.frame(params(version=version)))
        assert reply.version == version and reply['buf_size'] == 1024
    for op in (1, 3, 4, 7):
        assert messages(wire.frame(params(op=op))) == []
    assert len(messages(wire.frame(params(op=WRITE)))) == 1         # op is not checked
    assert len(messages(wire.frame(params(length=50)))) == 1        # too long: executed
    assert messages(wire.frame(params() + b'left')) == []           # too short: dropped
    assert messages(wire.frame(params())[:-1] + b'\r\n') == []      # CRLF
    assert len(messages(b'junk\n\n' + wire.frame(params()))) == 1
    assert messages(b'x' + wire.frame(params())) == []
    assert len(messages(wire.frame(params())[:-1] + b' \n')) == 1


def test_recovery_packet_limit(start):
    _, port = start('recovery=on')
    for length, good in ((1020, True), (1021, True), (1022, False)):
        payload = wire.encode({'z': b'z' * (length - 8 - 6)})
        msg = wire.message(READ, 0, 6, payload, seq=1)
        assert len(msg) == length
        port.send(wire.frame(msg) + wire.frame(wire.message(READ, 0, 6, {}, seq=2)))
        seqs = [port.receive().seq]
        if good:
            seqs.append(port.receive().seq)
        assert seqs == ([1, 2] if good else [2]), length


def test_recovery_lines_are_full(start):
    _, port = start('recovery=on,rec_echo=on')
    port.ask(WRITE, 0, 0, {'d': 'x' * 300})
    assert [len(line) for line in port.lines] == [127, 127, 127, 59]


def test_recovery_upload(start, image):
    sim, port = start('recovery=on')
    data, digest = image()

    def put(off, size, **more):
        return port.ask(WRITE, 1, 1, chunk(data, off, size, **more)).map

    assert put(64, 64) == {'rc': 0, 'off': 0}                # no session yet
    assert put(0, 512) == {'rc': 0, 'off': 512}
    assert put(512, 255) == {'rc': 0, 'off': 764}            # cut to the write unit
    assert put(512, 256) == {'rc': 0, 'off': 764}
    assert put(0, 512) == {'rc': 0, 'off': 512}              # off 0 always restarts
    assert put(512, 256, len=1) == {'rc': 0, 'off': 768}
    off = 768
    while off < len(data):
        off = put(off, 509)['off']
    assert off == len(data)
    assert put(len(data) - 4, 4) == {'rc': 0, 'off': len(data)}   # duplicate of the last
    assert port.ask(WRITE, 1, 1, {'off': len(data), 'data': b'xxxx'}).map == {'rc': 3}
    assert port.ask(WRITE, 1, 1, chunk(data, 0, image=1)).map == {'rc': 3}
    assert port.ask(WRITE, 1, 1, {'data': b'xxxx'}).map == {'rc': 3}
    assert port.ask(READ, 1, 0)['images'][0]['hash'] == digest
    assert port.ask(WRITE, 0, 5).map == {'rc': 0}
    sim.running()
    assert flags(port) == [(0, '2.0.0', 'confirmed active')]


def test_no_application_stays_in_recovery(start, image):
    sim, port = start('recovery=on')
    data, _ = image()
    port.ask(WRITE, 1, 1, chunk(data, 0))
    assert port.ask(READ, 1, 0).map == {'images': []}
    port.ask(WRITE, 0, 5)
    sim.wait('boots>=2')
    sim.wait('phase=recovery')
    upload(port, data, sha=False)
    port.ask(WRITE, 0, 5)
    sim.running()


def test_recovery_sets_state(start, image, tmp_path):
    image()
    sim, port = start(f'recovery=on,rec_state=on,image1={tmp_path}/image.bin')
    digest = port.ask(READ, 1, 0)['images'][1]['hash']
    assert port.ask(WRITE, 1, 0, {'hash': b'x' * 32}).map == {'rc': 5}
    images = port.ask(WRITE, 1, 0, {'hash': digest})['images']
    assert images[1]['pending'] and 'permanent' not in images[1]
    port.ask(WRITE, 0, 5)
    sim.running()
    assert flags(port)[0] == (0, '2.0.0', 'active')


def test_boot_mode(start):
    sim, port = start()
    port.ask(WRITE, 0, 5, {'boot_mode': 1})
    sim.wait('in_recovery=true')
    assert port.ask(READ, 1, 0)['images'][0].keys() == {'slot', 'hash', 'version'}
    port.ask(WRITE, 0, 5)
    sim.wait('boots>=3')
    sim.running()
    assert sim.state()['resets_smp'] == 2


# The window after a reset ---------------------------------------------------------

def test_wait_dfu_keeps_the_board(start):
    sim, port = start('wait_dfu_ms=2000,boot_ms=0', )
    sim.wait('phase=wait-dfu')
    assert port.ask(READ, 0, 6)['buf_count'] == 1
    assert sim.state()['in_recovery']
    port.ask(WRITE, 0, 5)
    sim.wait('boots>=2')
    sim.wait('phase=wait-dfu')
    port.send(b'not a request\n\x06\x09ABAKAAAG\n')
    sim.running()
    assert sim.state()['boots'] == 2


def test_request_during_the_swap_is_seen_after_it(start, image):
    sim, port = start('wait_dfu_ms=1,swap_ms_per_kb=5')
    sim.running()
    pending(sim, port, image)
    port.ask(WRITE, 0, 5)
    sim.wait('swapping=true')
    port.seq = 7
    port.send(wire.frame(wire.message(READ, 0, 6, {}, 7)))
    assert port.receive()['buf_count'] == 1
    assert sim.state()['in_recovery'] and sim.state()['version'] == '2.0.0'


def test_quiet_board_starts_its_app(start):
    sim, _ = start('wait_dfu_ms=100,banner=on')
    sim.command('a reset')
    sim.wait('boots>=2')
    sim.running()
    assert not sim.state()['in_recovery']


# Resets and power ------------------------------------------------------------------

def test_banner(start):
    sim, port = start('banner=on')
    boot = (b'*** Booting MCUboot v2.2.0 ***\r\n*** Using Zephyr OS build v4.4.0 ***\r\n'
            b'I: Starting bootloader\r\nI: Image version: v1.0.0\r\n'
            b'I: Jumping to the first image slot\r\n*** Booting Zephyr OS build v4.4.0 ***\r\n')
    # said before anybody listened, and kept by the board; the tty was still cooked then, or not
    assert port.text(b'Booting Zephyr OS build v4.4.0 ***').split() == boot.split()
    sim.command('a reset')
    port.console = b''
    assert port.text(b'Booting Zephyr OS build v4.4.0 ***\r\n').lstrip() == boot


def test_reset_forgets_the_upload(start, image):
    sim, port = start()
    data, _ = image()
    port.ask(WRITE, 1, 1, chunk(data, 0))
    assert sim.state()['uploading']
    sim.command('a reset')
    sim.wait('boots>=2')
    sim.running()
    assert port.ask(WRITE, 1, 1, chunk(data, 256))['off'] == 0


def test_upload_survives_a_disconnect(start, image):
    sim, port = start()
    data, _ = image()
    sha = hashlib.sha256(data).digest()
    port.ask(WRITE, 1, 1, chunk(data, 0, sha=sha))
    sim.command('a unplug')
    sim.command('a plug')
    port = sim.open()
    assert port.ask(WRITE, 1, 1, chunk(data, 0, sha=sha))['off'] == 256


@pytest.mark.parametrize('mode', ['swap-move', 'overwrite'])
def test_power_cuts_in_the_swap(start, image, mode):
    sim, port = start(f'mode={mode},swap_ms_per_kb=4')      # 32 KiB: 128 ms
    digest = pending(sim, port, image)
    port.ask(WRITE, 0, 5)
    sim.wait('swapping=true')
    done = 0
    for n in range(3):
        time.sleep(0.03)        # a part of the swap, whichever
        sim.command('a power-cut')
        state = sim.state()
        assert state['swapped'] >= done
        done = state['swapped']
    assert 0 < done < 8
    sim.wait('boots>=5')
    sim.running()
    expected = 'active' if mode == 'swap-move' else 'confirmed active'
    assert flags(port)[0] == (0, '2.0.0', expected)
    assert sim.state()['hash'] == digest.hex() and sim.state()['valid']
    assert all(s.get('valid', True) for s in sim.state()['slots'])


def test_power_stays_off(start):
    sim, port = start()
    sim.command('a power-cut ms=100')
    assert sim.state()['phase'] == 'off'
    port.send(wire.frame(wire.message(WRITE, 0, 0, {'d': 'x'})))
    sim.running()
    assert port.ask(WRITE, 0, 0, {'d': 'y'})['r'] == 'y'


def test_power_cut_while_erasing(start, image, tmp_path):
    image()
    sim, port = start(f'erase_ms=5000,image1={tmp_path}/image.bin')
    port.send(wire.frame(wire.message(WRITE, 1, 5, {})))
    sim.wait('busy=1')
    sim.command('a power-cut')
    sim.running()
    assert flags(port) == [(0, '1.0.0', 'confirmed active')]


def test_crash_of_a_new_image(start, image):
    sim, port = start()
    pending(sim, port, image)
    sim.command('a fault revert-on-boot')
    port.ask(WRITE, 0, 5)
    sim.wait('boots>=3')
    sim.running()
    assert sim.state()['crashes'] == 1
    assert flags(port) == [(0, '1.0.0', 'confirmed active'), (1, '2.0.0', '')]


def test_hang_and_slow_boot(start):
    sim, port = start()
    sim.command('a fault slow-boot ms=150')
    began = time.monotonic()
    sim.command('a reset')
    sim.running()
    assert time.monotonic() - began >= 0.15
    sim.command('a fault hang-at-boot')
    sim.command('a reset')
    sim.wait('phase=hung')
    port.send(wire.frame(wire.message(WRITE, 0, 0, {'d': 'x'})))
    assert port.silent(0.05)
    sim.command('a reset')
    sim.running()


# ttys that come and go ----------------------------------------------------------------

def hung_up(port):
    return select.select([port.fd], [], [], 5)[0] and not _read(port)


def _read(port):
    try:
        return os.read(port.fd, 100)
    except OSError:
        return b''


def test_unplug_and_plug(start):
    sim, port = start()
    path = sim.path('a')
    first = os.readlink(path)
    sim.command('a unplug')
    assert not os.path.lexists(path)
    assert hung_up(port)
    sim.command('a plug')
    assert os.path.exists(path)
    port = sim.open()
    assert port.ask(WRITE, 0, 0, {'d': 'x'})['r'] == 'x'
    assert sim.state()['boots'] == 1 and first.startswith('/dev/pts/')


def test_bus_powered_board_boots_when_plugged(start):
    sim, port = start('bus_power=on')
    sim.command('a unplug')
    assert sim.state()['phase'] == 'off'
    sim.command('a plug')
    sim.running()
    assert sim.state()['boots'] == 2
    assert sim.open().ask(WRITE, 0, 0, {'d': 'x'})['r'] == 'x'


@pytest.mark.parametrize('window', [0, 100])
def test_hang_up_at_reset(start, window):
    sim, port = start(f'hang_up=on,wait_dfu_ms={window}')
    port.ask(WRITE, 0, 5)
    assert hung_up(port)
    sim.wait('boots>=2')
    sim.running()
    assert sim.open().ask(WRITE, 0, 0, {'d': 'x'})['r'] == 'x'
    assert sim.state()['opens'] == 2


def test_hang_up_stays_unplugged(start):
    sim, port = start('hang_up=on')
    sim.command('a unplug')
    sim.command('a reset')
    sim.running()
    assert not os.path.lexists(sim.path('a'))
    sim.command('a plug')
    assert sim.open().ask(WRITE, 0, 0, {'d': 'x'})['r'] == 'x'


def test_default_mode_is_cooked(start):
    sim, _ = start('shell=on')
    state = sim.state()['termios']
    assert state == {'raw': True, 'echo': False, 'hupcl': True, 'clocal': True, 'baud': 9600}
    sim.command('a unplug')
    sim.command('a plug')
    port = sim.open(raw=False)
    assert sim.state()['termios']['raw'] is False
    # whoever does not set raw mode has the board talk to itself: "tick" comes back to its shell
    sim.command('a console tick\\n')
    port.text(b'tick: command not found')


def test_nobody_listens(start):
    sim, port = start()
    port.close()
    sim.wait('open=false')
    sim.command('a console ' + 'x' * 2000)
    assert sim.state()['lost_bytes'] == 2000 - 1024
    port = sim.open()
    port.text(b'x' * 1024)
    assert port.ask(WRITE, 0, 0, {'d': 'x'})['r'] == 'x'


def test_what_was_not_read_is_gone(start):
    sim, port = start()
    sim.command('a console for the first')
    port.close()
    sim.wait('open=false')
    port = sim.open()
    sim.wait('opens>=2')
    sim.command('a console for the second')
    assert port.text(b'second') == b'for the second'


def test_unix_socket(tmp_path):
    path = str(tmp_path / 'board')
    with simulator.Simulator(f'a,unix={path}') as sim:
        sim.running()
        for _ in range(2):
            s = socket.socket(socket.AF_UNIX)
            s.connect(path)
            port = wire.Port(sock=s)
            assert port.ask(WRITE, 0, 0, {'d': 'x'})['r'] == 'x'
            port.close()
        sim.command('a unplug')
        assert not os.path.exists(path)
        sim.command('a plug')
        assert os.path.exists(path)


def test_until_eof():
    with simulator.Simulator('a', arguments=['--until-eof']) as sim:
        sim.process.stdin.close()
        assert sim.process.wait(10) == 0


def test_hundred_boards():
    names = [f'b{i}' for i in range(100)]
    with simulator.Simulator(*[f'{n},baud=115200' for n in names]) as sim:
        ports = [sim.open(n) for n in names]
        for name in names:
            sim.running(name)
        for n, port in enumerate(ports):
            port.send(wire.frame(wire.message(WRITE, 0, 0, {'d': str(n)})))
        assert [port.receive()['r'] for port in ports] == [str(n) for n in range(100)]
        assert sim.command('list').split() == ['ok', *names]
