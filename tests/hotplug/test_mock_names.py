# SPDX-License-Identifier: MIT
"""What boards go by: ids, aliases, tags, ttys and expressions; one, several, all, and boards that are not there yet."""

import json

import pytest

CONFIG = '''[device left]
match = 2fe3:0100
alias = zephyr
tags = lab fast
quiet_ms = 50

[device right]
match = 2fe3:0200
tags = lab, slow
quiet_ms = 50
'''


@pytest.fixture
def three(rack, testbed, boards):
    """l0 and l1 of the one section, r0 of the other, and a port that no section manages."""
    rack.start(CONFIG)
    for i, (name, pid) in enumerate((('l0', '0100'), ('l1', '0100'), ('r0', '0200'))):
        testbed.add(f'ttyACM{i}', boards.add(name).tty, path=f'1-{i + 1}', serial=name, pid=pid)
        rack.wait(serial=name, event='ready')
    return rack


@pytest.mark.parametrize('selector, names', [
    ('l0', ['l0']), ('zephyr', ['l0', 'l1']), ('lab', ['l0', 'l1', 'r0']), ('fast', ['l0', 'l1']), ('slow', ['r0']),
    ('/dev/ttyACM1', ['l1']), ('2fe3:0200', ['r0']), ('2FE3', ['l0', 'l1', 'r0']), ('.*', ['l0', 'l1', 'r0'])])
def test_selectors(three, selector, names):
    everyone = three.ctl('--all', 'os', 'echo', 'x', device=selector)
    assert everyone.code == 0
    assert sorted(line['device'] for line in everyone.lines) == names
    one = three.ctl('os', 'echo', 'x', device=selector)
    if len(names) == 1:
        assert one.code == 0
        return
    assert (one.code, one.value['error']) == (3, 'io.mcumgr.AmbiguousDevice')
    assert one.value['parameters']['matches'] == names


@pytest.mark.parametrize('selector, words', [
    ('dead:beef', ["no board goes by 'dead:beef'", 'There is:', '- l0 (2fe3:0100:0, /dev/ttyACM0)', '- r0 (2fe3:0200:0']),
    ('2fe3', ["3 boards go by '2fe3'", 'These match:', '- l1 (2fe3:0100:0', '--all -d']),
    ('2fe3:(', ["'2fe3:(' is no name of a board", 'character 7']), ('', ['is empty', 'it takes an id'])])
def test_expressions_that_name_nobody(three, selector, words):
    import subprocess
    command = [three._mcumgrctl, '--socket', three.socket, '-d', selector, 'os', 'echo', 'x']
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode in (2, 3) and not done.stdout
    for word in words:
        assert word in done.stderr


def test_the_exact_comes_before_the_vague(rack, testbed, boards):
    """A tag that is another board's id, and an id that is an expression, too."""
    rack.start('[device a]\nmatch = 2fe3:0100\ntags = r0\nquiet_ms = 50\n[device b]\nmatch = 2fe3:0200\nquiet_ms = 50\n')
    testbed.add('ttyACM0', boards.add('x').tty, path='1-1', serial='2fe3')
    testbed.add('ttyACM1', boards.add('y').tty, path='1-2', serial='r0', pid='0200')
    rack.wait(serial='2fe3', event='ready')
    rack.wait(serial='r0', event='ready')
    for name in ('2fe3', 'r0'):
        assert [line['device'] for line in rack.ctl('--all', 'os', 'echo', 'x', device=name).lines] == [name]


def test_tags_are_listed(three):
    devices = {device['id']: device for device in three.devices()}
    assert devices['l0']['tags'] == ['lab', 'fast'] and devices['r0']['tags'] == ['lab', 'slow']


def test_what_nothing_manages_is_no_board(three, testbed, silent_pty):
    before = three.mark()
    testbed.add('ttyACM7', silent_pty(), path='1-7', serial='other', pid='0999')
    testbed.add('ttyACM3', silent_pty(), path='1-8', serial='z9', pid='0200')
    three.wait(before, serial='z9', event='attached')
    assert 'other' not in [device.get('serial') for device in three.devices()]
    assert not any('"other"' in line for line in three.watch.lines[before:])
    named = three.ctl('os', 'echo', 'x', device='/dev/ttyACM7')
    assert named.value['error'] == 'io.mcumgr.DeviceUnavailable'
    assert 'match = 2fe3:0999:0' in named.value['parameters']['reason']
    ports = [line['section'] for line in three.ctl('list', '--all-ports').value['ports'] if 'section' in line]
    assert ports == ['left', 'left', 'right', 'right']


def test_twins_are_told(rack, testbed, boards):
    rack.start(CONFIG)
    ids = []
    for i, name in enumerate(('one', 'two')):
        mark = rack.mark()
        testbed.add(f'ttyACM{i}', boards.add(name).tty, path=f'1-{i + 1}', serial='SAME')
        ids.append(rack.wait(mark, event='ready')['id'])
    first, second = ({device['id']: device for device in rack.devices()}[name] for name in ids)
    assert (first['sameSerial'], second['sameSerial']) == ([ids[1]], [ids[0]])


def test_wait_for_a_board_that_comes_later(three, testbed, boards):
    waiting = three.start_ctl('wait-for', 'r5')
    waiting.wait_line('current')
    testbed.add('ttyACM5', boards.add('r5').tty, path='1-5', serial='r5', pid='0200')
    assert waiting.wait(30) == 0
    assert json.loads(waiting.lines[-1])['device']['state'] == 'ready'


@pytest.mark.parametrize('words, code', [(['wait-for', 'slow'], 0), (['--all', 'wait-for', 'lab'], 0),
                                         (['--timeout', '300ms', 'wait-for', 'nobody'], 5),
                                         (['--timeout', '300ms', 'wait-for', '--state', 'recovery', 'l0'], 5)])
def test_wait_for(three, words, code):
    assert three.ctl(*words).code == code


def test_watch_follows_a_board_whatever_it_is_called(three, testbed, boards):
    watch = three.start_ctl('watch', '/dev/ttyACM2')
    watch.wait_line('current')
    testbed.remove('ttyACM2')
    testbed.add('ttyACM9', boards.add('again').tty, path='1-3', serial='r0', pid='0200')
    watch.wait_line('"event": ?"ready".*ttyACM9')
    testbed.add('ttyACM2', boards.add('r7').tty, path='1-6', serial='r7', pid='0200')
    three.wait(serial='r7', event='ready')
    assert not any('"r7"' in line for line in watch.lines), 'another board has its tty now'
    watch.process.terminate()
    watch.wait()


@pytest.mark.slow
def test_a_new_board_among_thousands_that_were_there_once(rack, testbed, boards):
    """A place where boards are made sees a new one every minute. Of the oldest is forgotten what is known of them."""
    known = rack.state / 'boards'
    known.mkdir(parents=True)
    (rack.state / 'version').write_text('1\n')
    for number in range(4096):
        (known / f's{number}').write_text(f'serial=S{number}\nseen_us={1700000000000000 + number}\n')
    (known / 's77').write_text('serial=S77\n')  # plugged in once, and managed by nobody
    rack.start('[device rack]\nmatch = 2fe3:.*\nquiet_ms = 50\n[device expected]\nserial = S0\n')
    for number in range(2):
        board = boards.add(f'b{number}')
        testbed.add(f'ttyACM{number}', board.tty, serial=f'NEW{number}', path=f'1-{number + 1}')
        assert rack.wait(state='ready', serial=f'NEW{number}')['id'] == f'new{number}'
    names = {path.name for path in known.iterdir()}
    assert len(names) == 4096 and {'new0', 'new1', 's0'} < names and not {'s77', 's1'} & names


def test_a_record_that_the_disk_has_emptied(rack, testbed, boards):
    """As some file systems leave it when the power fails: the board it was about is known by the same id again."""
    (rack.state / 'boards').mkdir(parents=True)
    (rack.state / 'version').write_text('1\n')
    (rack.state / 'boards' / 'b0').write_text('')
    rack.start('[device rack]\nmatch = 2fe3:.*\nquiet_ms = 50\n')
    testbed.add('ttyACM0', boards.add('b0').tty, serial='B0', path='1-1')
    assert rack.wait(state='ready', serial='B0')['id'] == 'b0'


def test_every_tty_of_a_board_names_it(rack, testbed, boards, silent_pty):
    """That of the interface that only prints, too: the daemon has it, and nobody else could open it."""
    rack.start('[device one]\nmatch = 2fe3:0100:[02]\nquiet_ms = 50\n')
    for iface, path in enumerate((silent_pty(), silent_pty(), boards.add('b0').tty)):
        testbed.add(f'ttyACM{iface}', path, serial='B0', iface=iface)
    assert rack.wait(serial='B0', state='ready')['tty'] == '/dev/ttyACM2'
    for tty in ('/dev/ttyACM0', '/dev/ttyACM1', '/dev/ttyACM2'):
        assert rack.ctl('os', 'echo', 'x', device=tty).code == 0, tty
    assert rack.ctl('--serial', '/dev/ttyACM0', 'os', 'echo', 'x').code == 0
    assert rack.ctl('--serial', '/dev/ttyACM1', 'os', 'echo', 'x').code == 3, 'no section manages this one'


@pytest.mark.parametrize('words', [('console',), ('console', '-f'), ('trace',), ('trace', '-f')])
def test_of_a_port_that_nobody_manages_nothing_is_heard(rack, testbed, silent_pty, words):
    rack.start(CONFIG)
    testbed.add('ttyACM0', silent_pty(), vid='1209', serial='other')
    rack.wait_ports(1)
    told = rack.ctl(*words, '/dev/ttyACM0', timeout=30)
    assert (told.code, told.value['error']) == (5, 'io.mcumgr.DeviceUnavailable')
    assert 'no section of the configuration manages it' in told.value['parameters']['message']


@pytest.mark.parametrize('words', [('reset-state',), ('release',)])
def test_a_port_that_nobody_manages_is_left_alone(rack, testbed, silent_pty, words):
    path = silent_pty()
    rack.start(CONFIG)
    testbed.add('ttyACM0', path, vid='1209', serial='other')
    rack.wait_ports(1)
    told = rack.ctl(*words, '/dev/ttyACM0', timeout=30)
    assert (told.code, told.value['error']) == (5, 'io.mcumgr.DeviceUnavailable')
    assert 'no section of the configuration manages it' in told.value['parameters']['message']
    assert path not in rack.open_files()


def test_a_tty_names_the_board_that_has_it_now(rack, testbed, boards, silent_pty):
    """Not one that had it last, and is still expected."""
    gone, here = boards.add('b0'), boards.add('c0')
    rack.start('[device gone]\nserial = B0\nquiet_ms = 50\n[device rack]\nmatch = 2fe3:01\nquiet_ms = 50\n')
    testbed.add('ttyACM0', gone.tty, serial='B0', path='1-1')
    rack.wait(serial='B0', state='ready')
    mark = rack.mark()
    testbed.remove('ttyACM0')
    rack.wait(mark, serial='B0', event='detached')
    told = rack.ctl('os', 'echo', 'x', device='/dev/ttyACM0')
    assert told.code == 5 and told.value['parameters']['message'].startswith('b0 is absent'), told.out
    testbed.add('ttyACM0', here.tty, serial='C0', path='1-2')
    rack.wait(mark, serial='C0', state='ready')
    for words in ('-d', '/dev/ttyACM0', 'os', 'echo', 'x'), ('-s', '/dev/ttyACM0', 'os', 'echo', 'x'), ('console', '/dev/ttyACM0'):
        told = rack.run(*words)
        assert told.returncode == 0, (words, told.stderr)
    assert rack.run('lock', '/dev/ttyACM0', '--', 'sh', '-c', 'echo $MCUMGR_LEASE_DEVICES').stdout == 'c0\n'
    testbed.remove('ttyACM0')
    testbed.add('ttyACM0', silent_pty(), serial='D0', path='1-3', vid='1209')
    rack.wait_ports(1)
    told = rack.ctl('os', 'echo', 'x', device='/dev/ttyACM0')
    assert 'no section of the configuration manages it' in told.value['parameters']['message']
