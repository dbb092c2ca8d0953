# SPDX-License-Identifier: MIT
"""Pulled in the middle of every command: the client is told at once, the daemon goes on, and the board is as good as new."""

import pytest

CONFIG = '[device rack]\nmatch = 2fe3:.*\nquiet_ms = 0\nbroken_count = 0\nretries = 0\n'
HASH = 'ab' * 32

COMMANDS = [
    ['os', 'echo', 'x'], ['os', 'application-info'], ['os', 'bootloader-info'], ['os', 'mcumgr-parameters'],
    ['os', 'task-statistics'], ['os', 'memory-pool-statistics'], ['os', 'get-datetime'],
    ['os', 'set-datetime', '2026-01-01T00:00:00'], ['os', 'system-reset'],
    ['image', 'get-state'], ['image', 'set-state', '--hash', HASH], ['image', 'set-state', '--confirm'], ['image', 'erase'],
    ['image', 'slot-info'], ['image', 'upload', 'IMAGE'], ['firmware', 'update', 'IMAGE'],
    ['stats', 'list-groups'], ['stats', 'get', 'x'], ['settings', 'read', 'x'], ['settings', 'write', 'x', '00'],
    ['settings', 'delete', 'x'], ['settings', 'commit'], ['settings', 'load'], ['settings', 'save'],
    ['fs', 'upload', 'IMAGE', '/lfs/x'], ['fs', 'download', '/lfs/x', '-'], ['fs', 'status', '/lfs/x'],
    ['fs', 'checksum', '/lfs/x'], ['fs', 'supported-checksums'], ['fs', 'close'], ['shell', 'help'],
    ['enum', 'list-groups'], ['enum', 'count-groups'], ['enum', 'show-group-details'], ['zephyr', 'erase-storage'],
    ['raw', 'read', '0', '6'], ['raw', 'write', '0', '0', '{"d": "x"}'],
]


def test_no_command_is_missing_here(rack):
    import subprocess
    verbs = subprocess.run([rack._mcumgrctl, '--verbs'], capture_output=True, text=True, timeout=60, check=True).stdout
    groups = {'os', 'image', 'firmware', 'stats', 'settings', 'fs', 'enum', 'zephyr', 'raw'}
    known = {tuple(line.split()[:2]) for line in verbs.splitlines() if line.split() and line.split()[0] in groups}
    offline = {('firmware', 'get-image-info')}
    assert known - offline <= {tuple(words[:2]) for words in COMMANDS}


def test_pulled_in_the_middle_of_every_command(rack, testbed, boards, image):
    board, file = boards.add('b0'), image('2.0.0')
    rack.start(CONFIG)
    for words in COMMANDS:
        mark = rack.mark()
        board.command('set latency_ms=0')
        board.command('power-cut ms=1')
        board.wait('phase=app')
        testbed.add('ttyACM0', board.tty, serial='B0')
        name = rack.wait(mark, event='ready')['id']
        before = sum(board.state()['requests'].values())
        board.command('set latency_ms=20000')
        call = rack.start_ctl('--timeout', '60s', *[str(file) if word == 'IMAGE' else word for word in words], device=name)
        board.wait('idle=0')
        testbed.remove('ttyACM0')
        code = call.wait(20)
        told = '\n'.join(call.lines)
        if words[:2] == ['os', 'system-reset']:
            assert code in (0, 5), told
        else:
            assert code == 5 and 'DeviceGone' in told and name in told, (words, code, told)
        assert sum(board.state()['requests'].values()) >= before
    mark = rack.mark()
    board.command('set latency_ms=0')
    board.command('power-cut ms=1')
    board.wait('phase=app')
    testbed.add('ttyACM0', board.tty, serial='B0')
    rack.wait(mark, event='ready')
    assert rack.ctl('os', 'echo', 'still here').code == 0
