# SPDX-License-Identifier: MIT
"""Boards that do not come to rest are left alone, until they do."""

import pytest

RACK = '[device rack]\nmatch = 2fe3:.*\nquiet_ms = 50\nbroken_count = {}\nbroken_window_ms = {}\n'
LONG = '10min'


def flap(testbed, board, times):
    for _ in range(times):
        testbed.remove('ttyACM0')
        testbed.add('ttyACM0', board.tty, serial='B0')


def start(rack, testbed, board, count, window):
    rack.start(RACK.format(count, window))
    testbed.add('ttyACM0', board.tty, serial='B0')
    return rack.wait(serial='B0', state='ready')['id']


def test_flapping_usb_is_left_alone(rack, testbed, boards):
    board = boards.add('b0')
    name = start(rack, testbed, board, 5, LONG)
    mark = rack.mark()
    flap(testbed, board, 5)
    device = rack.wait(mark, event='broken', id=name)
    assert device['reason'] == 'was attached 5 times within 600 s'
    told = [line for line in rack.daemon.errors().splitlines() if 'times within' in line and 'debug' not in line]
    assert len(told) == 1 and 'warning' in told[0], told
    had = board.state()
    flap(testbed, board, 3)
    assert rack.devices()[0]['state'] == 'broken'
    refused = rack.ctl('os', 'echo', 'x', device=name)
    assert (refused.code, refused.value['error']) == (5, 'io.mcumgr.DeviceUnavailable')
    assert 'reset-state' in refused.value['parameters']['hint']
    now = board.state()
    assert (now['opens'], now['rx_bytes']) == (had['opens'], had['rx_bytes']), 'its port was opened'


@pytest.mark.parametrize('plugged', [True, False])
def test_flapping_usb_recovers_when_it_is_quiet(rack, testbed, boards, plugged):
    board = boards.add('b0')
    name = start(rack, testbed, board, 4, '3s')
    mark = rack.mark()
    flap(testbed, board, 4)
    rack.wait(mark, event='broken', id=name)
    if not plugged:
        testbed.remove('ttyACM0')
    rack.wait(mark, event='ready' if plugged else 'detached', id=name, timeout=30)


def test_flapping_that_is_slower_than_the_list_counts(rack, testbed, boards):
    """A board that is away for so long that it is not listed any more."""
    board = boards.add('b0')
    name = start(rack, testbed, board, 2, LONG)
    flap(testbed, board, 1)
    mark = rack.mark()
    testbed.remove('ttyACM0')
    rack.wait(mark, event='removed', id=name, timeout=60)
    mark = rack.mark()
    testbed.add('ttyACM0', board.tty, serial='B0')
    assert rack.wait(mark, event='broken', id=name)['reason'] == 'was attached 2 times within 600 s'


def test_reset_state_looks_at_once(rack, testbed, boards):
    board = boards.add('b0')
    name = start(rack, testbed, board, 3, LONG)
    mark = rack.mark()
    flap(testbed, board, 3)
    rack.wait(mark, event='broken', id=name)
    mark = rack.mark()
    assert rack.ctl('reset-state', device=name).code == 0
    rack.wait(mark, event='ready', id=name)
    mark = rack.mark()
    flap(testbed, board, 2)
    assert rack.wait(mark, event='attached', id=name)['state'] == 'opening', 'what was before counts no longer'


def test_plugs_far_apart_are_no_flapping(rack, testbed, boards):
    board = boards.add('b0')
    name = start(rack, testbed, board, 2, '100ms')
    for _ in range(3):
        mark = rack.mark()
        flap(testbed, board, 1)
        rack.wait(mark, event='ready', id=name)


def crash(board, times):
    for _ in range(times):
        board.command('reset')
        board.wait('phase=app')


def test_reboot_loop_is_left_alone_and_its_console_kept(rack, testbed, boards):
    board = boards.add('b0', banner=1, boot_ms=20)
    name = start(rack, testbed, board, 4, LONG)
    mark = rack.mark()
    crash(board, 4)
    device = rack.wait(mark, event='broken', id=name)
    assert device['reason'] == 'booted 4 times within 600 s'
    received = board.state()['rx_bytes']
    crash(board, 2)
    lines = [line['text'] for line in rack.ctl('console', device=name).value['lines']]
    assert len([line for line in lines if 'Booting Zephyr' in line]) >= 6
    assert board.state()['rx_bytes'] == received, 'a byte was sent to it'
    mark = rack.mark()
    assert rack.ctl('reset-state', device=name).code == 0
    rack.wait(mark, event='ready', id=name)


def test_reboot_loop_that_ends_by_itself(rack, testbed, boards):
    board = boards.add('b0', banner=1, boot_ms=20)
    name = start(rack, testbed, board, 4, '3s')
    mark = rack.mark()
    crash(board, 4)
    rack.wait(mark, event='broken', id=name)
    rack.wait(mark, event='ready', id=name, timeout=30)


@pytest.mark.parametrize('banner', [0, 1])
def test_resets_that_somebody_asked_for_are_no_loop(rack, testbed, boards, banner):
    board = boards.add('b0', banner=banner, boot_ms=20)
    name = start(rack, testbed, board, 2, LONG)
    for _ in range(4):
        mark = rack.mark()
        assert rack.ctl('os', 'system-reset', device=name).code == 0
        rack.wait(mark, event='ready', id=name)
    assert board.state()['resets_smp'] == 4


def test_an_update_is_no_loop(rack, testbed, boards, image):
    board = boards.add('b0', banner=1, boot_ms=20, hang_up=1)
    name = start(rack, testbed, board, 2, LONG)
    for version in ('2.0.0', '3.0.0', '4.0.0'):
        update = rack.start_ctl('firmware', 'update', image(version), device=name)
        board.wait('plugged=0', 60)
        testbed.remove('ttyACM0')
        board.wait('plugged=1', 60)
        testbed.add('ttyACM0', board.tty, serial='B0')
        update.wait_line('"outcome": ?"updated"', timeout=60)
        assert update.wait() == 0
    assert rack.devices()[0]['state'] == 'ready'


def test_never_broken(rack, testbed, boards):
    board = boards.add('b0')
    name = start(rack, testbed, board, 0, LONG)
    flap(testbed, board, 15)
    mark = rack.mark()
    flap(testbed, board, 1)
    rack.wait(mark, event='ready', id=name)


def test_an_update_names_the_loop_that_its_image_ended_in(rack, testbed, boards, image):
    board = boards.add('b0', banner=1, boot_ms=20)
    name = start(rack, testbed, board, 3, LONG)
    board.command('fault hang-at-boot')
    mark = rack.mark()
    update = rack.start_ctl('firmware', 'update', '--boot-timeout', '6s', image('2.0.0'), device=name)
    update.wait_line('"step": ?"(reset|boot|reboot|verify)"', timeout=60)
    flap(testbed, board, 8)
    rack.wait(mark, event='broken', id=name, timeout=30)
    assert update.wait() == 7
    told = next(line for line in update.lines if 'NotBooted' in line)
    assert '"silent"' in told and 'it was attached 3 times within 600 s, and is broken' in told


def test_a_broken_board_is_listed_where_it_is(rack, testbed, boards):
    board, other = boards.add('b0'), boards.add('c0')
    name = start(rack, testbed, board, 3, LONG)
    flap(testbed, board, 3)
    mark = rack.mark()
    testbed.remove('ttyACM0')
    testbed.add('ttyACM0', other.tty, serial='C0', path='1-2')
    rack.wait(mark, serial='C0', state='ready')
    testbed.add('ttyACM4', board.tty, serial='B0', path='1-1')
    rack.wait(mark, id=name, state='broken', tty='/dev/ttyACM4')
    assert rack.ctl('os', 'echo', 'x', device='/dev/ttyACM0').code == 0
