# SPDX-License-Identifier: MIT
"""mcumgrctl -u REGEX where no daemon runs: one of its own manages the ports that match, for this run."""

import json

import pytest


@pytest.fixture
def three(testbed, boards):
    for number, (vid, pid) in enumerate((('2fe3', '0100'), ('2fe3', '0200'), ('0403', '6001'))):
        testbed.add(f'ttyACM{number}', boards.add(f'b{number}', banner='on').tty, path=f'1-{number + 1}', vid=vid, pid=pid,
                    serial=f'S{number}')


def run(rack, *words):
    process = rack.alone(*words)
    out, err = process.communicate(timeout=60)
    assert not rack.left_behind()
    return process.returncode, out, err


@pytest.mark.parametrize('regex, serial', [('0403:6001', 's2'), ('2fe3:02', 's1'), ('2FE3:0100:0', 's0'), ('2fe3:01|ffff', 's0')])
def test_the_board_that_matches(rack, three, regex, serial):
    assert run(rack, '-u', regex, 'os', 'echo', 'hi') == (0, 'hi\n', '')
    code, out, _ = run(rack, '--json', '-u', regex, 'wait-for')
    assert code == 0 and json.loads(out.splitlines()[-1])['device']['id'] == serial


def test_an_update(rack, three, image):
    code, out, err = run(rack, '-u', '2fe3:0200', 'firmware', 'update', str(image('1.1.0')))
    assert code == 0 and 'Updated: 1.1.0' in out and not err, (out, err)
    code, out, _ = run(rack, '-u', '2fe3:0200', 'image', 'get-state')
    assert '1.1.0' in out.split('Slot 1')[0]


@pytest.mark.parametrize('regex, code, says', [
    ('2fe3:', 3, ['2 boards go by', 's0 (2fe3:0100:0, /dev/ttyACM0)', 's1 (2fe3:0200:0, /dev/ttyACM1)']),
    ('dead:beef', 3, ['no serial port on USB matches', 'mcumgrctl -u lists them']),
    ('0100', 3, ['no serial port on USB matches']),
    ('2fe3:(', 9, ['missing closing parenthesis'])])
def test_no_board_or_several(rack, three, regex, code, says):
    done = run(rack, '-u', regex, 'os', 'echo', 'hi')
    assert done[:2] == (code, '')
    for word in says:
        assert word in done[2], done[2]


def test_all_of_a_running_daemon(rack, three):
    """With a daemon it is the same as -d."""
    rack.start('[device a]\nmatch = .*\n')
    for name in ('s0', 's1', 's2'):
        rack.wait(id=name, state='ready')
    assert rack.run('-u', '0403:', 'os', 'echo', 'hi').stdout == 'hi\n'
