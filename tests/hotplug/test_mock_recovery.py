# SPDX-License-Identifier: MIT
"""The same board in its bootloader: another product id, perhaps another tty, and few commands. And the tape of an update."""

import json

import pytest

# The bootloader's product id fits no section: it is the board that is managed.
ONLY_THE_APPLICATION = '[device rack]\nmatch = 2fe3:0100\nquiet_ms = 50\n'
BOTH = '[device rack]\nmatch = 2fe3:01\nquiet_ms = 50\nwindow = 4\n'


def comes_back(testbed, board, before, node, **properties):
    board.wait('plugged=0', 60)
    testbed.remove(before)
    board.wait('plugged=1', 60)
    testbed.add(node, board.tty, **properties)


def into_recovery(rack, testbed, board, name, serial):
    mark = rack.mark()
    reset = rack.start_ctl('os', 'system-reset', '--bootmode', '1', device=name)
    comes_back(testbed, board, 'ttyACM0', 'ttyACM4', serial=serial, pid='0101', iface=2)
    device = rack.wait(mark, event='recovery')
    reset.wait_line('"state": ?"recovery"', timeout=60)
    assert reset.wait() == 0, 'the command follows the board'
    return device


def start(rack, testbed, boards, config, serial):
    board = boards.add('b0', hang_up=1, boot_ms=50, bootloader_info=0, enum=0)
    rack.start(config)
    testbed.add('ttyACM0', board.tty, serial=serial)
    return board, rack.wait(event='ready')['id']


@pytest.mark.parametrize('config', [ONLY_THE_APPLICATION, BOTH])
@pytest.mark.parametrize('serial', ['B0', None])
def test_update_in_recovery(rack, testbed, boards, image, config, serial):
    board, name = start(rack, testbed, boards, config, serial)
    device = into_recovery(rack, testbed, board, name, serial)
    assert (device['id'], device['tty'], device['productId'], device['section']) == (name, '/dev/ttyACM4', 0x101, 'rack')
    mark = rack.mark()
    update = rack.start_ctl('firmware', 'update', image('2.0.0'), device=name)
    comes_back(testbed, board, 'ttyACM4', 'ttyACM1', serial=serial)
    update.wait_line('"outcome": ?"updated"', timeout=60)
    assert update.wait() == 0
    current = rack.wait(mark, event='ready')
    assert (current['id'], current['tty'], current['version']) == (name, '/dev/ttyACM1', '2.0.0')
    state = board.state()
    assert state['version'] == '2.0.0' and state['slots'][0]['version'] == '2.0.0'
    assert not any(slot.get('pending') for slot in state['slots'])
    told = [json.loads(line) for line in rack.watch.lines[mark:]]
    firmware, = [event for event in told if event['event'] == 'firmware']
    assert (firmware['before']['version'], firmware['after']['version']) == ('1.0.0', '2.0.0')


COMMANDS = [
    (['image', 'get-state'], 0), (['os', 'mcumgr-parameters'], 0), (['os', 'system-reset'], 0), (['stats', 'list-groups'], 6),
    (['settings', 'read', 'x'], 6), (['fs', 'status', '/x'], 6), (['shell', 'help'], 6), (['os', 'task-statistics'], 6),
    (['os', 'application-info'], 6), (['fs', 'upload', __file__, '/x'], 6), (['fs', 'download', '/x', '-'], 6),
    (['os', 'get-datetime'], 6), (['image', 'erase'], 6), (['zephyr', 'erase-storage'], 6), (['enum', 'list-groups'], 6)]


def test_commands_in_recovery(rack, testbed, boards):
    """What recovery knows works; of the rest it is said that it is recovery that does not know it."""
    board, name = start(rack, testbed, boards, BOTH, 'B0')
    into_recovery(rack, testbed, board, name, 'B0')
    for words, code in sorted(COMMANDS, key=lambda row: 'system-reset' in row[0]):
        done = rack.ctl(*words, device=name)
        assert done.code == code, (words, done.out)
        if code:
            error = done.lines[-1]
            assert error['error'] == 'io.mcumgr.NotSupported' and 'recovery' in error['parameters']['hint'], words


@pytest.mark.parametrize('change', ['[device other]\nmatch = 1209:.*\n', 'baud = 230400\n'])
@pytest.mark.parametrize('serial', ['B0', None])
def test_a_reload_takes_it_for_the_same_board(rack, testbed, boards, change, serial):
    """Its place alone tells who a board without a serial number is, and the reset that brought it there is long over."""
    board, name = start(rack, testbed, boards, ONLY_THE_APPLICATION, serial)
    rack.ready(ONLY_THE_APPLICATION)
    rack.wait(state='ready', id=name)
    into_recovery(rack, testbed, board, name, serial)
    mark = rack.mark()
    rack.reload(ONLY_THE_APPLICATION + change)
    rack.wait(mark, id=name, state='recovery', timeout=60)
    assert [(d['id'], d['section']) for d in rack.devices()] == [(name, 'rack')]
    assert rack.ctl('image', 'get-state').code == 0


def test_its_other_product_id_is_no_other_board(rack, testbed, boards):
    """Nobody is told to configure the bootloader of a board that is managed."""
    board, name = start(rack, testbed, boards, ONLY_THE_APPLICATION, 'B0')
    into_recovery(rack, testbed, board, name, 'B0')
    port, = rack.ctl('list', '--all-ports').value['ports']
    assert (port['productId'], port['section'], port['device']) == (0x101, 'rack', name)
    assert rack.ctl('suggest', '--all').value == {'sections': []}
    findings = rack.ctl('doctor').value['findings']
    assert 'bootloader' in [f['check'] for f in findings] and 'configured' not in [f['check'] for f in findings], findings
    done = rack.ctl('--serial', '/dev/ttyACM4', 'os', 'mcumgr-parameters')
    assert done.code == 0, done.out


def test_board_found_in_its_bootloader_by_a_new_daemon(rack, testbed, boards):
    board, name = start(rack, testbed, boards, ONLY_THE_APPLICATION, 'B0')
    rack.stop()
    testbed.remove('ttyACM0')
    board.command('set recovery=1')
    board.command('reset')
    board.wait_tty()
    board.command('set recovery=0')
    testbed.add('ttyACM4', board.tty, serial='B0', pid='0101')
    rack.start(ONLY_THE_APPLICATION)
    assert rack.devices()[0]['id'] == name


def test_another_board_in_the_same_place_is_left_alone(rack, testbed, boards, silent_pty):
    """Without a serial number, and nobody asked for a reset: it may be anything."""
    start(rack, testbed, boards, ONLY_THE_APPLICATION, None)
    testbed.remove('ttyACM0')
    other = silent_pty()
    testbed.add('ttyACM0', other, pid='0999')
    rack.devices()
    assert other not in rack.open_files()


def tape(lines):
    """What was told: states in between and progress within a step left out."""
    told, step = [], None
    for line in lines:
        event = json.loads(line)
        if event['event'] in ('changed', 'console'):
            continue
        word = event['event']
        if word == 'job':
            word = f"job {event['job']['step']} {event['job']['state']}"
            if word == step:
                continue
            step = word
        elif word == 'firmware':
            word = f"firmware {event['before']['version']} -> {event['after']['version']}"
        elif word in ('attached', 'ready'):
            word = f"{word} {event['device']['tty']} {event['device']['productId']:04x}"
        elif word == 'rebooted':
            word = f"rebooted: {event['reason']}"
        told.append(word)
    return told


UPDATE = '''\
job check running
job inspect running
job upload running
job mark running
job reset running
job reattach running
detached
attached /dev/ttyACM3 0103
rebooted: it was reset, and its port came back
firmware 1.0.0 -> 2.0.0
ready /dev/ttyACM3 0103
job verify running
job confirm running
job final running
job done done'''


def test_tape_of_an_update_with_reenumeration(rack, testbed, boards, image):
    board = boards.add('b0', hang_up=1, boot_ms=50, banner=1)
    rack.start(BOTH)
    testbed.add('ttyACM0', board.tty, serial='B0')
    name = rack.wait(event='ready')['id']
    mark = rack.mark()
    update = rack.start_ctl('firmware', 'update', image('2.0.0'), device=name)
    comes_back(testbed, board, 'ttyACM0', 'ttyACM3', serial='B0', pid='0103')
    assert update.wait(60) == 0
    rack.watch.wait_line('"state": ?"done"', mark)
    assert '\n'.join(tape(rack.watch.lines[mark:])) == UPDATE
    numbers = [json.loads(line)['number'] for line in rack.watch.lines if '"present"' not in line]
    assert numbers == list(range(numbers[0], numbers[-1] + 1)), 'none is left out'
