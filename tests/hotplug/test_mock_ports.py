# SPDX-License-Identifier: MIT
"""Ports that come, go, or cannot be had: a state of the device, never an error of the daemon."""

import fcntl
import os

import pytest

RACK = '[device rack]\nmatch = 2fe3:.*\nquiet_ms = 50\nbroken_count = 0\n'


def lock_of_another_process(path):
    """An exclusive lock on a descriptor of its own is one of "another process" for flock."""
    fd = os.open(path, os.O_RDWR | os.O_NOCTTY)
    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return fd


def test_busy_port_is_said_and_taken_when_it_is_free(rack, testbed, boards):
    board = boards.add('b0')
    holder = lock_of_another_process(board.tty)
    rack.start(RACK)
    testbed.add('ttyACM0', board.tty, serial='B0')
    device = rack.wait(serial='B0', state='unavailable')
    assert 'use' in device['reason'] or 'lock' in device['reason']
    done = rack.ctl('os', 'echo', 'x', device=device['id'])
    assert (done.code, done.value['error']) == (5, 'io.mcumgr.DeviceUnavailable')
    mark = rack.mark()
    os.close(holder)
    rack.wait(mark, id=device['id'], state='ready', timeout=30)
    assert rack.ctl('os', 'echo', 'back', device=device['id']).code == 0


def test_refused_port_is_said_and_taken_when_it_is_allowed(rack, testbed, boards):
    board = boards.add('b0')
    os.chmod(os.path.realpath(board.tty), 0)
    # root is asked for no permission; without this capability it is
    bound = ['setpriv', '--bounding-set=-dac_override,-dac_read_search'] if os.getuid() == 0 else []
    rack.start(RACK, before=bound)
    testbed.add('ttyACM0', board.tty, serial='B0')
    device = rack.wait(serial='B0', state='unavailable')
    assert 'ermission' in device['reason']
    mark = rack.mark()
    os.chmod(os.path.realpath(board.tty), 0o600)
    rack.wait(mark, id=device['id'], state='ready', timeout=30)


def test_node_that_is_not_there_yet(rack, testbed, boards, tmp_path):
    board = boards.add('b0')
    rack.start(RACK)
    testbed.add('ttyACM0', tmp_path / 'nothing', serial='B0')
    device = rack.wait(serial='B0', state='unavailable')
    mark = rack.mark()
    testbed.node('ttyACM0', board.tty)
    rack.wait(mark, id=device['id'], state='ready', timeout=30)


def test_port_is_held_exclusively_and_let_go_at_the_end(rack, testbed, boards):
    board = boards.add('b0')
    testbed.add('ttyACM0', board.tty, serial='B0')
    rack.start(RACK)
    rack.wait(serial='B0', state='ready')
    with pytest.raises(BlockingIOError):
        lock_of_another_process(board.tty)
    rack.stop()
    os.close(lock_of_another_process(board.tty))


def test_unplugged_port_is_let_go_and_the_device_is_gone(rack, testbed, boards):
    """Gone after some seconds: until then it may be a board that resets."""
    board = boards.add('b0')
    testbed.add('ttyACM0', board.tty, serial='B0')
    rack.start(RACK)
    device = rack.wait(serial='B0', state='ready')
    mark = rack.mark()
    testbed.remove('ttyACM0')
    rack.wait(mark, state='absent', id=device['id'])
    rack.wait(mark, event='removed', id=device['id'])
    assert rack.devices() == []
    os.close(lock_of_another_process(board.tty))


def test_repeated_and_changed_events_are_one_device(rack, testbed, boards):
    board = boards.add('b0')
    rack.start(RACK)
    testbed.add('ttyACM0', board.tty, serial='B0')
    device = rack.wait(serial='B0', state='ready')
    opens = board.state()['opens']
    testbed.event('ttyACM0', 'add')
    testbed.event('ttyACM0', 'change')
    testbed.event('ttyACM0', 'bind')
    assert rack.ctl('os', 'echo', 'x', device=device['id']).code == 0
    assert [device['tty'] for device in rack.devices()] == ['/dev/ttyACM0']
    assert board.state()['opens'] == opens


def test_a_hundred_plugs_and_unplugs(rack, testbed, boards):
    """The same board each time, and nothing left of the times before."""
    board = boards.add('b0')
    rack.start(RACK.replace('quiet_ms = 50', 'quiet_ms = 0'))
    ids, files = set(), []
    for _ in range(100):
        mark = rack.mark()
        testbed.add('ttyACM0', board.tty, serial='B0')
        ids.add(rack.wait(mark, serial='B0', event='ready')['id'])
        files.append(len(rack.open_files()))
        mark = rack.mark()
        testbed.remove('ttyACM0')
        rack.wait(mark, event='detached', serial='B0')
    assert len(ids) == 1
    # While a record is written there are more, for a moment.
    assert min(files[-10:]) == min(files[1:]), files


def test_unplug_while_the_port_is_being_opened(rack, testbed, boards):
    """Plugged and pulled without a pause: whatever the daemon was doing, the next plug is as good as the first."""
    board = boards.add('b0')
    rack.start(RACK)
    for _ in range(20):
        testbed.add('ttyACM0', board.tty, serial='B0')
        testbed.remove('ttyACM0')
    mark = rack.mark()
    testbed.add('ttyACM0', board.tty, serial='B0')
    rack.wait(mark, serial='B0', state='ready')
