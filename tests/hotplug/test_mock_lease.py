# SPDX-License-Identifier: MIT
"""Leases and lent ttys of boards that go and come back as something else."""

import os
import subprocess

import pytest

from mockbed.stream import Stream

RACK = '[device rack]\nmatch = 2fe3:.*\nquiet_ms = 50\n'


def test_a_lease_outlives_the_list(rack, testbed, boards):
    """A board that is away for so long that it is no longer listed comes back leased, on another tty."""
    board = boards.add('b0')
    rack.start(RACK)
    testbed.add('ttyACM0', board.tty, serial='B0', path='1-1')
    device = rack.wait(serial='B0', state='ready')['id']
    token = rack.run('lock', device, '--for', '10min', '--reason', 'long').stdout.strip()
    mark = rack.mark()
    testbed.remove('ttyACM0')
    rack.wait(mark, event='removed', id=device, timeout=60)
    assert rack.devices() == [] and rack.ctl('leases').value['leases'][0]['devices'] == [device]
    assert rack.run('lock', device, '--wait', '--', 'true').returncode == 3, 'it is not known now'
    mark = rack.mark()
    testbed.add('ttyACM7', board.tty, serial='B0', path='1-3', pid='0200')
    assert rack.wait(mark, id=device, state='ready')['lease']['reason'] == 'long'
    refused = rack.run('-d', device, 'os', 'system-reset')
    assert refused.returncode == 4 and 'long' in refused.stderr
    assert rack.run('unlock', device, '--force').stdout == f'Unlocked: {device}\n'
    assert rack.run('-d', device, 'os', 'system-reset').returncode == 0
    assert len(token) == 32


def test_an_absent_board_is_unlocked_by_its_id(rack, testbed, boards):
    board = boards.add('b0')
    rack.start(RACK)
    testbed.add('ttyACM0', board.tty, serial='B0', path='1-1')
    device = rack.wait(serial='B0', state='ready')['id']
    rack.run('lock', device, '--for', '10min')
    mark = rack.mark()
    testbed.remove('ttyACM0')
    rack.wait(mark, event='removed', id=device, timeout=60)
    assert rack.run('unlock', device, '--force').stdout == f'Unlocked: {device}\n'


def test_a_board_that_comes_joins_the_pool(rack, testbed, boards):
    one, other, foreign = boards.add('b0'), boards.add('b1'), boards.add('b2')
    rack.start(RACK + 'tags = lab\n[device other]\nmatch = 0483:.*\nquiet_ms = 50\n')
    testbed.add('ttyACM0', one.tty, serial='B0', path='1-1')
    testbed.add('ttyACM2', foreign.tty, serial='B2', path='1-2', vid='0483')
    for serial in 'B0', 'B2':
        rack.wait(serial=serial, state='ready')
    refused = rack.run('lock', '--any', '2fe3:.*', '--count', '2', '--wait', '--', 'true')
    assert refused.returncode == 3 and "1 board goes by '2fe3:.*', and 2 are asked for" in refused.stderr
    mark = rack.mark()
    testbed.add('ttyACM1', other.tty, serial='B1', path='1-3')
    known = [rack.wait(mark, serial='B1', state='ready')['id'], *[d['id'] for d in rack.devices() if d['serial'] == 'B0']]
    holder = rack.run('lock', known[1], '--for', '10min').stdout.strip()
    waiter = rack.popen('lock', '--any', 'lab', '--count', '2', '--wait', '--', 'sh', '-c', 'echo $MCUMGR_LEASE_DEVICES')
    assert '1 of 2 boards are free, 2 are asked for' in waiter.stderr.readline()
    third = boards.add('b3')
    testbed.add('ttyACM3', third.tty, serial='B3', path='1-4')
    out, _ = waiter.communicate(timeout=60)
    assert waiter.returncode == 0 and known[1] not in out.split() and len(out.split()) == 2
    assert len(holder) == 32


def test_a_flasher_makes_it_another_board(rack, testbed, boards):
    """While its tty is lent the board re-enumerates, under another product id and tty: nothing of it is opened before the end."""
    board = boards.add('b0')
    rack.start(RACK)
    testbed.add('ttyACM0', board.tty, serial='B0', path='1-1')
    device = rack.wait(serial='B0', state='ready')['id']
    release = subprocess.Popen([rack._mcumgrctl, '--socket', rack.socket, 'release', device], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert release.stdout.readline() == '/dev/ttyACM0\n'
    opens = board.state()['opens']
    for node in 'ttyACM5', 'ttyACM6':
        testbed.remove('ttyACM0' if node == 'ttyACM5' else 'ttyACM5')
        testbed.add(node, board.tty, serial='B0', path='1-1', pid='0300')
        rack.wait_ports(1)
    assert [d['state'] for d in rack.devices()] == ['released'] and board.state()['opens'] == opens
    assert not [name for name in rack.open_files() if name == os.path.realpath(board.tty)]
    mark = rack.mark()
    release.stdin.close()
    assert rack.wait(mark, id=device, state='ready')['tty'] == '/dev/ttyACM6'
    assert release.wait(60) == 0


LAB = '[device lab]\nserial = B0\nquiet_ms = 50\n{}' + RACK + '{}'


def test_a_pool_follows_the_configuration(rack, testbed, boards):
    """Who waits for one of a pool gets what is in it then, and not what was."""
    config = LAB.format('tags = lab\n', '')
    rack.start(config)
    for i, board in enumerate([boards.add('b0'), boards.add('b1')]):
        testbed.add(f'ttyACM{i}', board.tty, serial=f'B{i}', path=f'1-{i + 1}')
    rack.ready(config, 'B0', 'B1')
    first, second = (next(d['id'] for d in rack.devices() if d['serial'] == serial) for serial in ('B0', 'B1'))
    rack.run('lock', first, '--for', '10min')
    waiter = Stream(rack.socket, 'Lock', any='lab', wait=True)
    assert f'{first} is locked' in waiter.next()['message']
    rack.reload(LAB.format('', ''))
    assert "0 boards go by 'lab' now, and 1 is asked for" in waiter.next()['message']
    assert rack.run('unlock', first, '--force').returncode == 0
    assert rack.run('lock', first, '--', 'true').returncode == 0, 'it is not in the pool any more'
    rack.reload(LAB.format('', 'tags = lab\n'))
    assert waiter.last()['lease']['devices'] == [second]
    waiter.close()


def test_a_pool_of_what_boards_are_now(rack, testbed, boards):
    """One that was in its bootloader goes by another product id when it is back."""
    board = boards.add('b0')
    rack.start(RACK)
    testbed.add('ttyACM0', board.tty, serial='B0', path='1-1')
    device = rack.wait(serial='B0', state='ready')['id']
    rack.run('lock', device, '--for', '10min')
    testbed.add('ttyACM1', boards.add('b1').tty, serial='B1', path='1-2', pid='0200')
    other = rack.wait(serial='B1', state='ready')['id']
    waiter = Stream(rack.socket, 'Lock', any='2fe3:0100.*', wait=True)
    assert f'{device} is locked' in waiter.next()['message']
    mark = rack.mark()
    testbed.remove('ttyACM1')
    rack.wait(mark, id=other, state='absent')
    testbed.add('ttyACM1', boards.add('b2').tty, serial='B1', path='1-2', pid='0100')
    assert waiter.last()['lease']['devices'] == [other]
    waiter.close()


def test_a_board_that_is_away_has_no_tty_to_lend(rack, testbed, boards):
    """Certainly not the one that it had last, which is another board's by now."""
    rack.start('[device gone]\nserial = B0\nquiet_ms = 50\n' + RACK)
    testbed.add('ttyACM0', boards.add('b0').tty, serial='B0', path='1-1')
    gone = rack.wait(serial='B0', state='ready')['id']
    mark = rack.mark()
    testbed.remove('ttyACM0')
    rack.wait(mark, id=gone, event='detached')
    testbed.add('ttyACM0', boards.add('c0').tty, serial='C0', path='1-2')
    here = rack.wait(mark, serial='C0', state='ready')['id']
    refused = rack.run('release', gone, '--', 'echo', 'it runs')
    assert (refused.returncode, refused.stdout) == (5, '') and 'not plugged in' in refused.stderr
    for boards_named in (gone, here), ('--all',):
        done = rack.run('release', *boards_named, '--', 'sh', '-c', 'echo "<$MCUMGR_TTY>"')
        assert done.stdout == '</dev/ttyACM0>\n', done.stderr


@pytest.mark.parametrize('order', [(0, 2), (2, 0)])
def test_a_lent_board_is_listed_where_it_is(rack, testbed, boards, silent_pty, order):
    """A flasher makes it come back elsewhere, and another board takes the tty that it had."""
    board, other, printing = boards.add('b0'), boards.add('c0'), silent_pty()
    rack.start(RACK)
    testbed.add('ttyACM0', board.tty, serial='B0', path='1-1', iface=2)
    testbed.add('ttyACM1', printing, serial='B0', path='1-1', iface=0)
    device = rack.wait(serial='B0', state='ready')['id']
    release = rack.popen('release', device, stdin=subprocess.PIPE)
    assert release.stdout.readline() == '/dev/ttyACM0\n'
    mark = rack.mark()
    for node in 'ttyACM0', 'ttyACM1':
        testbed.remove(node)
    testbed.add('ttyACM0', other.tty, serial='C0', path='1-2')
    rack.wait(mark, serial='C0', state='ready')
    assert rack.ctl('os', 'echo', 'x', device='/dev/ttyACM0').code == 0
    for iface in order:
        testbed.add(f'ttyACM{5 + iface}', board.tty if iface == 2 else printing, serial='B0', path='1-1', iface=iface)
    found = rack.wait(mark, id=device, tty='/dev/ttyACM7', timeout=30)
    assert (found['state'], found['interface']) == ('released', 2)
    release.stdin.close()
    assert release.wait(60) == 0
    assert rack.wait(mark, id=device, state='ready', timeout=40)['tty'] == '/dev/ttyACM7'
