# SPDX-License-Identifier: MIT
"""A new configuration for boards that are there: SIGHUP."""

import signal
import subprocess
import time

import pytest

RACK = '[device rack]\nmatch = 2fe3:.*\nquiet_ms = 50\n'


@pytest.fixture
def two(rack, testbed, boards):
    one, other = boards.add('b0'), boards.add('b1')
    rack.start(RACK)
    testbed.add('ttyACM0', one.tty, serial='B0', path='1-1')
    testbed.add('ttyACM1', other.tty, serial='B1', path='1-2')
    rack.ready(RACK, 'B0', 'B1')
    return one, other


def by_serial(rack, serial):
    return next(device for device in rack.devices() if device.get('serial') == serial)


def noticed(board):
    state = board.state()
    return state['opens'], state['rx_bytes'], state['open']


def write(rack, config):
    """All at once: the daemon may read it at any time."""
    new = rack.folder / 'new.conf'
    new.write_text(config)
    new.rename(rack.folder / 'mcumgrd.conf')


def reload(rack, config, answer='config: reloaded'):
    write(rack, config)
    said, deadline = len(rack.daemon.errors()), time.monotonic() + 60
    rack.daemon.process.send_signal(signal.SIGHUP)
    while answer not in rack.daemon.errors()[said:]:
        assert time.monotonic() < deadline and rack.daemon.process.poll() is None, rack.daemon.errors()[said:]
        time.sleep(0.02)


def wait_open(rack, paths, wanted):
    """Until of these ttys the daemon has exactly the wanted open; closing is a thread's work."""
    deadline = time.monotonic() + 60
    while set(rack.open_files()) & paths != wanted:
        assert time.monotonic() < deadline, (wanted, rack.open_files())
        time.sleep(0.05)


def test_other_settings_are_taken_without_a_break(rack, two):
    """Another name, answer time, section: nothing that the board would notice."""
    before = [noticed(board) for board in two]
    reload(rack, '[device special]\nserial = B0\nalias = left\ntimeout_ms = 700\nquiet_ms = 900\nretries = 0\n' + RACK)
    device = by_serial(rack, 'B0')
    assert (device['section'], device['name'], device['state']) == ('special', 'left', 'ready')
    assert by_serial(rack, 'B1')['section'] == 'rack'
    assert [noticed(board) for board in two] == before
    assert rack.ctl('os', 'echo', 'x', device='left').code == 0


def test_what_the_port_was_opened_with_is_set_anew(rack, two):
    before, mark = noticed(two[1]), rack.mark()
    reload(rack, '[device fast]\nserial = B0\nbaud = 230400\nquiet_ms = 50\n' + RACK)
    rack.wait(mark, serial='B0', state='ready', section='fast')
    assert two[0].state()['termios']['baud'] == 230400
    assert noticed(two[1]) == before


def test_a_section_that_goes_lets_go_of_its_boards_and_one_that_comes_takes_them(rack, two):
    mark = rack.mark()
    reload(rack, RACK.replace('2fe3:.*', 'dead:beef'))
    rack.wait(mark, serial='B0', state='unavailable')
    wait_open(rack, {board.wait_tty() for board in two}, set())
    mark = rack.mark()
    reload(rack, RACK)
    for serial in 'B0', 'B1':
        rack.wait(mark, serial=serial, state='ready')
    assert rack.ctl('os', 'echo', 'x', device=by_serial(rack, 'B0')['id']).code == 0


def test_expected_boards_come_and_go(rack, two):
    mark = rack.mark()
    reload(rack, RACK + '[device missing]\nserial = B9\nalias = nine\n')
    rack.wait(mark, serial='B9', state='absent')
    reload(rack, RACK + '[device missing]\nserial = B9\nalias = neun\n')
    assert by_serial(rack, 'B9')['name'] == 'neun'
    reload(rack, RACK)
    assert sorted(device['serial'] for device in rack.devices()) == ['B0', 'B1']


def test_a_broken_file_changes_nothing(rack, two):
    before = [noticed(board) for board in two]
    reload(rack, '[device rack]\nmatch = (\nbaud = 1\n', answer='config: not reloaded')
    assert [device['section'] for device in rack.devices()] == ['rack', 'rack']
    assert [noticed(board) for board in two] == before
    said = rack.daemon.errors()
    assert ':2: ' in said and ":3: bad value '1' for baud" in said
    reload(rack, RACK)
    assert rack.ctl('os', 'echo', 'x', device=by_serial(rack, 'B1')['id']).code == 0


@pytest.mark.parametrize('config', ['', ' \n\n'])
def test_an_empty_file_is_one_that_is_being_written(rack, two, config):
    before = [noticed(board) for board in two]
    reload(rack, config, answer='is empty now')
    assert [noticed(board) for board in two] == before
    assert [device['state'] for device in rack.devices()] == ['ready', 'ready']
    reload(rack, RACK)


def test_a_board_with_a_job_waits_for_its_end(rack, two, image):
    job = rack.start_ctl('image', 'upload', image('2.0.0', size=60000), device=by_serial(rack, 'B0')['id'])
    rack.wait(serial='B0', state='busy')
    mark = rack.mark()
    reload(rack, '[device fast]\nserial = B0\nbaud = 230400\nquiet_ms = 50\n' + RACK)
    assert job.wait(60) == 0
    rack.wait(mark, serial='B0', state='ready', section='fast', timeout=60)
    assert two[0].state()['termios']['baud'] == 230400


def test_many_reloads(rack, two):
    before = [noticed(board) for board in two]
    for i in range(20):
        write(rack, RACK.replace('rack', f'rack{i}'))
        rack.daemon.process.send_signal(signal.SIGHUP)
    reload(rack, RACK.replace('rack', 'last'))
    assert [device['section'] for device in rack.devices()] == ['last', 'last']
    assert [noticed(board) for board in two] == before


def test_the_console_gets_a_file_and_loses_it(rack, two, tmp_path):
    """The file is made for what is printed from then on, and closed with all that was printed before."""
    logs = tmp_path / 'logs'
    daemon = f'[daemon]\nlog_dir = {logs}\n'
    before = [noticed(board) for board in two]

    def wait_text(text):
        deadline = time.monotonic() + 60
        while not (logs / 'b0.log').exists() or text not in (logs / 'b0.log').read_text():
            assert time.monotonic() < deadline, rack.daemon.errors()[-2000:]
            time.sleep(0.02)

    two[0].command(r'console too early\n')
    reload(rack, daemon + RACK + 'console_log = yes\n')
    two[0].command(r'console kept\n')
    wait_text('kept')
    reload(rack, daemon + RACK)
    two[0].command(r'console too late\n')
    deadline = time.monotonic() + 60
    while 'too late' not in rack.run('console', 'b0').stdout:
        assert time.monotonic() < deadline
    reload(rack, daemon + RACK + 'console_log = yes\n')
    two[0].command(r'console kept again\n')
    wait_text('kept again')
    assert 'too late' not in (logs / 'b0.log').read_text()
    assert [noticed(board) for board in two] == before


def test_one_port_of_a_board_is_let_go(rack, testbed, boards, silent_pty):
    board, other = boards.add('b0'), silent_pty()
    rack.start(RACK)
    testbed.add('ttyACM2', board.tty, serial='B0', iface=2)
    testbed.add('ttyACM0', other, serial='B0', iface=0)
    rack.wait(serial='B0', state='ready', interface=2, timeout=60)
    session = board.wait_tty()
    for match, wanted in ('2fe3:0100:2', {session}), ('2fe3:.*', {session, other}), ('2fe3:0100:2', {session}):
        reload(rack, RACK.replace('2fe3:.*', match))
        wait_open(rack, {session, other}, wanted)
        assert noticed(board)[0] == 1 and by_serial(rack, 'B0')['state'] == 'ready'
    assert rack.ctl('os', 'echo', 'x', device=by_serial(rack, 'B0')['id']).code == 0


def test_a_released_board_whose_port_goes(rack, testbed, boards, silent_pty):
    """Another program has its ttys and resets it: one of them is away while the configuration is read again."""
    board = boards.add('b0')
    rack.start(RACK)
    testbed.add('ttyACM0', silent_pty(), serial='B0', path='1-1', iface=0)
    testbed.add('ttyACM1', board.tty, serial='B0', path='1-1', iface=2)
    device = rack.wait(state='ready', serial='B0', tty='/dev/ttyACM1', timeout=40)['id']
    release = subprocess.Popen([rack._mcumgrctl, '--socket', rack.socket, 'release', device], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True)
    assert release.stdout.readline() == '/dev/ttyACM1\n'
    testbed.remove('ttyACM1')
    reload(rack, RACK)
    assert [d['state'] for d in rack.devices()] == ['released']
    testbed.add('ttyACM1', board.tty, serial='B0', path='1-1', iface=2)
    mark = rack.mark()
    release.stdin.close()
    assert release.wait(60) == 0
    rack.wait(mark, state='ready', serial='B0', timeout=40)
