# SPDX-License-Identifier: MIT
"""Who comes back as whom: interfaces, twins, and boards that come back as something else."""

import fcntl
import itertools
import os
import pty
import select
import subprocess
import time
import tty

import pytest

RACK = '[device rack]\nmatch = 2fe3:.*\nquiet_ms = 50\n'


@pytest.mark.parametrize('order', list(itertools.permutations((0, 2, 4))))
def test_interfaces_of_one_board_are_one_device(rack, testbed, boards, silent_pty, order):
    """Only interface 2 speaks SMP; whichever comes first, it is found."""
    board = boards.add('b0')
    rack.start(RACK)
    for iface in order:
        testbed.add(f'ttyACM{iface}', board.tty if iface == 2 else silent_pty(), serial='B0', iface=iface)
    device = rack.wait(serial='B0', state='ready', interface=2, timeout=40)
    assert device['tty'] == '/dev/ttyACM2'
    assert [known['id'] for known in rack.devices()] == [device['id']]
    assert rack.ctl('os', 'echo', 'x', device=device['id']).code == 0


class Line:
    """The board's end of a pty whose other end is a port: what is printed there, and what arrives."""

    def __init__(self):
        self.fd, self.other = pty.openpty()
        tty.setraw(self.other)
        self.path = os.ttyname(self.other)

    def expect(self, text):
        got, end = b'', time.monotonic() + 30
        while text not in got:
            assert select.select([self.fd], [], [], max(0, end - time.monotonic()))[0], got
            got += os.read(self.fd, 4096)

    def close(self):
        os.close(self.fd)
        os.close(self.other)


@pytest.fixture
def line():
    made = []

    def make():
        made.append(Line())
        return made[-1]

    yield make
    for one in made:
        one.close()


def console_with(rack, text, *words):
    end = time.monotonic() + 30
    while text not in (shown := rack.run('console', *words).stdout):
        assert time.monotonic() < end, shown
        time.sleep(0.05)
    return shown


@pytest.mark.parametrize('order', [(0, 2), (2, 0)])
def test_every_port_has_its_console(rack, testbed, boards, line, order):
    """Interface 0 prints and has the shell, interface 2 speaks SMP; no byte is lost, whenever it is printed."""
    board, shell = boards.add('b0'), line()
    rack.start(RACK)
    for iface in order:
        testbed.add(f'ttyACM{iface}', board.tty if iface == 2 else shell.path, serial='B0', iface=iface)
        if iface == 0:
            os.write(shell.fd, b'printed at once\r\n')
    device = rack.wait(serial='B0', state='ready', interface=2, timeout=40)
    os.write(shell.fd, b'printed later\r\n')
    board.command(r'console on the other port\n')
    console_with(rack, 'printed later\n', '--port', '0')
    assert console_with(rack, 'printed at once\n', '--port', '0').endswith('printed later\n')
    assert console_with(rack, 'on the other port\n', '--port', '2') == 'on the other port\n'
    refused = rack.run('console', '--port', '1')
    assert refused.returncode == 2 and 'its interfaces: 0, 2' in refused.stderr
    # Keys go where they are sent, and SMP goes on.
    typing = rack.popen('console', '-i', '--port', '0', device['id'], stdin=subprocess.PIPE)
    try:
        typing.stdin.write('help\r')
        typing.stdin.flush()
        shell.expect(b'help\r')
        assert rack.ctl('os', 'echo', 'x', device=device['id']).code == 0
    finally:
        typing.kill()
        typing.communicate()


def test_the_usual_console_is_the_one_that_is_printed_to(rack, testbed, boards, line):
    board, shell = boards.add('b0'), line()
    rack.start(RACK)
    testbed.add('ttyACM2', board.tty, serial='B0', iface=2)
    testbed.add('ttyACM0', shell.path, serial='B0', iface=0)
    rack.wait(serial='B0', state='ready', interface=2)
    os.write(shell.fd, b'only here\r\n')
    console_with(rack, 'only here\n')
    # After a re-plug it goes on in the same ring, whichever interface comes first.
    testbed.remove('ttyACM2')
    testbed.remove('ttyACM0')
    mark = rack.mark()
    testbed.add('ttyACM0', shell.path, serial='B0', iface=0)
    testbed.add('ttyACM2', board.tty, serial='B0', iface=2)
    rack.wait(mark, serial='B0', state='ready', interface=2, timeout=40)
    os.write(shell.fd, b'and again\r\n')
    assert 'only here\n' in console_with(rack, 'and again\n')


def wait_for(path, holds):
    end = time.monotonic() + 30
    while not holds(path):
        assert time.monotonic() < end, path
        time.sleep(0.02)


@pytest.mark.parametrize('order', [(0, 2), (2, 0)])
def test_files_of_every_port(rack, testbed, boards, line, tmp_path, order):
    """The first interface has the board's name, whichever came first."""
    board, shell = boards.add('b0'), line()
    logs = tmp_path / 'logs'
    rack.start(f'[daemon]\nlog_dir = {logs}\n{RACK}console_log = yes\n')
    for iface in order:
        testbed.add(f'ttyACM{iface}', board.tty if iface == 2 else shell.path, serial='B0', iface=iface)
    name = rack.wait(serial='B0', state='ready', interface=2, timeout=40)['id']
    os.write(shell.fd, b'from the shell\r\n')
    board.command(r'console from the other\n')
    wait_for(logs / f'{name}.log', lambda p: p.exists() and 'from the shell' in p.read_text())
    wait_for(logs / f'{name}.if2.log', lambda p: p.exists() and 'from the other' in p.read_text())


@pytest.mark.parametrize('testbed, restart', [('umockdev', False), ('umockdev', True), ('namespace', False)], indirect=['testbed'])
def test_interface_that_answered_is_asked_first_the_next_time(rack, testbed, boards, silent_pty, restart):
    """In the namespace the second interface is there before the tty of the first one is open."""
    board, other = boards.add('b0'), silent_pty()

    def plug():
        testbed.add('ttyACM0', other, serial='B0', iface=0)
        testbed.add('ttyACM2', board.tty, serial='B0', iface=2)

    rack.start(RACK)
    plug()
    rack.wait(serial='B0', state='ready', interface=2, timeout=40)
    for node in ('ttyACM0', 'ttyACM2'):
        testbed.remove(node)
    if restart:
        rack.stop()
        rack.start(RACK)
    mark, log = rack.mark(), len(rack.daemon.errors())
    plug()
    rack.wait(mark, serial='B0', state='ready', interface=2)
    assert 'does not answer' not in rack.daemon.errors()[log:]


ONE_INTERFACE = '[device rack]\nmatch = 2fe3:0100:2\nquiet_ms = 50\n'


@pytest.mark.parametrize('order', [(0, 2), (2, 0)])
def test_interface_can_be_named_in_the_match(rack, testbed, boards, silent_pty, order):
    board, other = boards.add('b0'), silent_pty()
    rack.start(ONE_INTERFACE)
    for iface in order:
        testbed.add(f'ttyACM{iface}', board.tty if iface == 2 else other, serial='B0', iface=iface)
    device = rack.wait(serial='B0', state='ready')
    assert (device['tty'], device['interface'], device['section']) == ('/dev/ttyACM2', 2, 'rack')
    assert other not in rack.open_files()


def test_unmanaged_interface_is_not_tried_for_a_silent_one(rack, testbed, silent_pty):
    managed, other = silent_pty(), silent_pty()
    rack.start(ONE_INTERFACE)
    testbed.add('ttyACM2', managed, serial='B0', iface=2)
    testbed.add('ttyACM0', other, serial='B0', iface=0)
    rack.wait(serial='B0', state='unresponsive', timeout=40)
    assert managed in rack.open_files() and other not in rack.open_files()


def test_unmanaged_interface_is_not_tried_when_the_managed_one_goes(rack, testbed, boards, silent_pty):
    board, other = boards.add('b0'), silent_pty()
    rack.start(ONE_INTERFACE)
    testbed.add('ttyACM2', board.tty, serial='B0', iface=2)
    testbed.add('ttyACM0', other, serial='B0', iface=0)
    rack.wait(serial='B0', state='ready')
    mark = rack.mark()
    testbed.remove('ttyACM2')
    rack.wait(mark, serial='B0', state='unavailable')
    assert other not in rack.open_files()
    mark = rack.mark()
    testbed.add('ttyACM2', board.tty, serial='B0', iface=2)
    rack.wait(mark, serial='B0', state='ready')


def test_interface_that_cannot_be_opened_leaves_the_others(rack, testbed, boards, silent_pty):
    """Somebody watches the console of the board; its other port is the one for SMP."""
    board, console = boards.add('b0'), silent_pty()
    with open(console, 'rb', buffering=0) as watcher:
        fcntl.flock(watcher, fcntl.LOCK_EX)
        rack.start(RACK)
        testbed.add('ttyACM0', console, serial='B0', iface=0)
        testbed.add('ttyACM2', board.tty, serial='B0', iface=2)
        assert rack.wait(serial='B0', state='ready')['tty'] == '/dev/ttyACM2'


def test_unplug_takes_all_interfaces_and_one_device(rack, testbed, boards, silent_pty):
    board = boards.add('b0')
    rack.start(RACK)
    testbed.add('ttyACM0', board.tty, serial='B0', iface=0)
    testbed.add('ttyACM1', silent_pty(), serial='B0', iface=2)
    device = rack.wait(serial='B0', state='ready')
    mark = rack.mark()
    testbed.remove('ttyACM1')
    assert rack.ctl('os', 'echo', 'x', device=device['id']).code == 0
    testbed.remove('ttyACM0')
    rack.wait(mark, state='absent', id=device['id'])


def test_same_serial_number_twice(rack, testbed, boards):
    """The first keeps its id, the twin gets one by its path, whoever comes first the next time."""
    one, two = boards.add('one'), boards.add('two')
    rack.start(RACK)
    testbed.add('ttyACM0', one.tty, serial='SAME', path='1-1')
    first = rack.wait(path='pci-0000:00:14.0-usb-0:1:1.0', state='ready')
    testbed.add('ttyACM1', two.tty, serial='SAME', path='1-2')
    second = rack.wait(path='pci-0000:00:14.0-usb-0:2:1.0', state='ready')
    assert first['id'] != second['id']
    for device, board in ((first, one), (second, two)):
        before = board.state()['requests'].get('0/0', 0)
        assert rack.ctl('os', 'echo', 'x', device=device['id']).code == 0
        assert board.state()['requests']['0/0'] == before + 1
    mark = rack.mark()
    testbed.remove('ttyACM0')
    testbed.remove('ttyACM1')
    rack.wait(mark, state='absent', id=first['id'])
    rack.wait(mark, state='absent', id=second['id'])
    mark = rack.mark()
    testbed.add('ttyACM0', two.tty, serial='SAME', path='1-2')
    assert rack.wait(mark, path=second['path'], state='ready')['id'] == second['id']
    testbed.add('ttyACM1', one.tty, serial='SAME', path='1-1')
    assert rack.wait(mark, path=first['path'], state='ready')['id'] == first['id']


@pytest.mark.parametrize('serial, path', [('B0', '1-1'), ('B0', '1-7'), (None, '1-1')])
def test_id_is_given_once_and_kept_by_the_state_directory(rack, testbed, boards, serial, path):
    """By its serial number in any hub port; without one, by the hub port."""
    board = boards.add('b0')
    testbed.add('ttyACM0', board.tty, serial=serial, path='1-1')
    rack.start(RACK)
    first = rack.wait(state='ready')
    rack.stop()
    testbed.remove('ttyACM0')
    testbed.add('ttyACM5', board.tty, serial=serial, path=path, pid='0101', iface=2)
    rack.start(RACK)
    again = rack.wait(state='ready')
    assert again['id'] == first['id'] and again['tty'] == '/dev/ttyACM5'


@pytest.mark.parametrize('serial', ['A B/c', 'ümlaut', 'X' * 126, '2fe3:0100', '..', '%n$(id)', 'rack'])
def test_odd_serial_numbers_make_good_ids(rack, testbed, boards, serial):
    board = boards.add('b0')
    rack.start(RACK)
    testbed.add('ttyACM0', board.tty, serial=serial)
    device = rack.wait(state='ready')
    assert set(device['id']) <= set('abcdefghijklmnopqrstuvwxyz0123456789._-') and device['id'].strip('._-')
    assert device['id'] != 'rack', 'an id is never the name of a section'
    assert rack.ctl('os', 'echo', 'x', device=device['id']).code == 0


def comes_back(testbed, board, node, before, **properties):
    """What the bus does while a board resets: its tty vanishes, another one appears."""
    board.wait('plugged=0', 60)
    testbed.remove(before)
    board.wait('plugged=1', 60)
    testbed.add(node, board.tty, **properties)


@pytest.mark.parametrize('node, properties', [
    ('ttyACM0', {'serial': 'B0'}),
    ('ttyACM1', {'serial': 'B0'}),
    ('ttyACM1', {'serial': 'B0', 'pid': '0101'}),
    ('ttyACM1', {'serial': 'B0', 'pid': '0101', 'iface': 2}),
    ('ttyACM1', {'serial': 'B0', 'path': '1-5'}),
    ('ttyACM1', {}),  # no serial number: known by its place
])
def test_update_of_a_board_that_comes_back_as_something_else(rack, testbed, boards, image, node, properties):
    board = boards.add('b0', hang_up=1, boot_ms=100)
    rack.start(RACK)
    testbed.add('ttyACM0', board.tty, serial=properties.get('serial'))
    device = rack.wait(state='ready')
    update = rack.start_ctl('firmware', 'update', image('2.0.0'), device=device['id'])
    comes_back(testbed, board, node, 'ttyACM0', **properties)
    update.wait_line('"outcome": ?"updated"', timeout=60)
    assert update.wait() == 0
    current, = rack.devices()
    assert (current['id'], current['tty'], current['version']) == (device['id'], f'/dev/{node}', '2.0.0')
    state = board.state()
    assert (state['version'], state['confirmed'], state['resets_smp']) == ('2.0.0', True, 1)


@pytest.mark.parametrize('config', [RACK, ONE_INTERFACE])
@pytest.mark.parametrize('order', [(0, 2), (2, 0)])
def test_update_of_a_board_with_a_console_beside(rack, testbed, boards, silent_pty, image, config, order):
    """Its ttys vanish and come back in any order."""
    board, console = boards.add('b0', hang_up=1, boot_ms=100), silent_pty()

    def plug():
        for iface in order:
            testbed.add(f'ttyACM{iface}', board.tty if iface == 2 else console, serial='B0', iface=iface)

    rack.start(config)
    plug()
    device = rack.wait(state='ready')
    update = rack.start_ctl('firmware', 'update', image('2.0.0'), device=device['id'])
    board.wait('plugged=0', 60)
    for iface in order:
        testbed.remove(f'ttyACM{iface}')
    board.wait('plugged=1', 60)
    plug()
    update.wait_line('"outcome": ?"updated"', timeout=60)
    assert update.wait() == 0


def test_pulled_in_the_middle_of_a_command(rack, testbed, boards):
    """The answer would take long; the client is told at once."""
    board = boards.add('b0')
    rack.start(RACK)
    testbed.add('ttyACM0', board.tty, serial='B0')
    device = rack.wait(state='ready')
    before = board.state()['requests'].get('0/0', 0)
    board.command('set latency_ms=60000')
    call = rack.start_ctl('--timeout', '300s', 'os', 'echo', 'x', device=device['id'])
    board.wait('idle=0')
    testbed.remove('ttyACM0')
    line = call.wait_line('DeviceGone', timeout=50)  # before an answer, and the call's own end
    assert device['id'] in line.string
    assert call.wait() == 5
    assert board.state()['requests'].get('0/0', 0) == before


def test_pulled_in_the_middle_of_an_update(rack, testbed, boards, image):
    board = boards.add('b0', baud=115200)
    file = image('2.0.0', size=60000)
    rack.start(RACK)
    testbed.add('ttyACM0', board.tty, serial='B0')
    device = rack.wait(state='ready')
    update = rack.start_ctl('firmware', 'update', file, device=device['id'])
    board.wait('upload_off>5000')
    testbed.remove('ttyACM0')
    line = update.wait_line('DeviceGone')
    assert 'upload' in line.string
    assert update.wait() == 5
    had = board.state()['upload_off']
    mark = rack.mark()
    testbed.add('ttyACM0', board.tty, serial='B0')
    rack.wait(mark, state='ready')
    received = board.state()['rx_bytes']
    done = rack.ctl('firmware', 'update', file, device=device['id'], timeout=120)
    assert done.code == 0 and done.lines[-1]['outcome'] == 'updated'
    assert board.state()['rx_bytes'] - received < (60000 - had) * 2, 'the upload went on where it had stopped'
