# SPDX-License-Identifier: MIT
"""Sections that name a hub: the boards below it are theirs, and the hub is listed, there or not."""

import json
import signal
import time

import pytest

PCI = 'pci-0000:00:14.0-usb-0:'
HUB = PCI + '1.4'
REST = 'quiet_ms = 50\nbroken_count = 0\n'
SHELF = f'[device shelf]\npath = {HUB}\nalias = shelf\ntags = rack\n{REST}'


def hubs(rack):
    return rack.ctl('list').value['hubs']


def wait_hub(rack, event, since=0, timeout=60, path=HUB):
    deadline = time.monotonic() + timeout
    while True:
        found = rack.watch.wait_line(f'"{event}"', since, max(deadline - time.monotonic(), 0))
        hub = json.loads(found.string)['hub']
        if hub['path'] == path:
            return hub
        since = rack.watch.lines.index(found.string, since) + 1


@pytest.mark.parametrize('path', [HUB, '1-1.4'])
def test_boards_below_a_hub_belong_to_its_section(rack, testbed, boards, silent_pty, path):
    """At any depth; not one whose place only begins with the same digits, nor one with a section for its own place."""
    made = [boards.add(f'b{i}') for i in range(3)]
    rack.start(SHELF.replace(HUB, path) + f'[device own]\npath = {PCI}1.4.3\n{REST}[device other]\nmatch = .\nprobe = never\n')
    testbed.hub('1-1')
    testbed.hub('1-1.4')
    wait_hub(rack, 'hubAttached', path=path)
    for i, place in enumerate(['1-1.4.1', '1-1.4.2.7', '1-1.4.3']):
        testbed.add(f'ttyACM{i}', made[i].tty, path=place, serial=f'B{i}')
        rack.wait(serial=f'B{i}', state='ready')
    for i, place in enumerate(['1-1.40', '1-1.3', '1-14'], 3):
        testbed.add(f'ttyACM{i}', silent_pty(), path=place, serial=f'B{i}')
        rack.wait(serial=f'B{i}', section='other')
    sections = {device['serial']: device['section'] for device in rack.devices()}
    assert sections == {'B0': 'shelf', 'B1': 'shelf', 'B2': 'own', 'B3': 'other', 'B4': 'other', 'B5': 'other'}
    ids = {device['serial']: device['id'] for device in rack.devices()}
    below = sorted(ids[f'B{i}'] for i in range(3))
    hub = hubs(rack)[0]
    assert len(hubs(rack)) == 1
    assert (hub['path'], hub['sections'], hub['state'], hub['devices']) == (path, ['shelf'], 'attached', below)
    row = rack.run('list').stdout.splitlines()[-1].split()
    assert row == [path, 'attached', 'shelf', ','.join(below)]
    # An alias and tags are those of every board of the section, as with match.
    assert rack.ctl('os', 'echo', 'x', device='shelf').value['error'] == 'io.mcumgr.AmbiguousDevice'
    for name in 'shelf', 'rack':
        done = rack.ctl('os', 'echo', 'x', '--all', device=name)
        assert done.code == 0 and {line['device'] for line in done.lines if 'device' in line} == {'b0', 'b1'}, done.out


def test_a_hub_that_goes_with_its_boards_stays_listed(rack, testbed, boards):
    board = boards.add('b0')
    rack.start(SHELF)
    testbed.hub('1-1.4')
    attached = wait_hub(rack, 'hubAttached')
    testbed.add('ttyACM0', board.tty, path='1-1.4.2', serial='B0')
    rack.wait(serial='B0', state='ready')
    assert hubs(rack) == [{**attached, 'devices': ['b0']}]
    mark = rack.mark()
    testbed.remove('ttyACM0')
    testbed.unhub('1-1.4')
    gone = wait_hub(rack, 'hubDetached', mark)
    assert (gone['state'], gone['devices']) == ('absent', [])
    rack.wait(mark, event='removed', serial='B0', timeout=60)
    assert rack.devices() == [] and hubs(rack) == [gone]
    shown = rack.run('list').stdout
    assert rack.absent_since(shown) in (gone['since'][:10], gone['since'][11:19] + 'Z') and HUB in shown and 'shelf' in shown
    for _ in range(2):  # by the daemons after, too
        rack.stop()
        rack.start(SHELF)
        assert rack.devices() == [] and hubs(rack)[0]['since'][:-4] == gone['since'][:-4]
        assert wait_hub(rack, 'hubPresent')['state'] == 'absent'
    # The hub in another port is another place; back in its own it is there again, and so is the board.
    mark = rack.mark()
    testbed.hub('1-1.3')
    testbed.add('ttyACM0', board.tty, path='1-1.3.2', serial='B0')
    rack.wait_ports(1)
    assert hubs(rack)[0]['state'] == 'absent' and rack.devices() == []
    testbed.remove('ttyACM0')
    testbed.unhub('1-1.3')
    testbed.hub('1-1.4')
    assert wait_hub(rack, 'hubAttached', mark)['devices'] == []
    assert rack.run('list').stdout.splitlines()[-1].split() == [HUB, 'attached', 'shelf', 'none']
    testbed.add('ttyACM0', board.tty, path='1-1.4.2', serial='B0')
    assert rack.wait(mark, serial='B0', state='ready')['id'] == 'b0'
    rack.stop()
    testbed.remove('ttyACM0')
    testbed.unhub('1-1.4')
    rack.start(SHELF)
    assert hubs(rack)[0]['state'] == 'absent' and hubs(rack)[0]['since'] > attached['since']


def test_what_is_there_at_the_start(rack, testbed, boards):
    """Nobody is expected in the place of a hub, also when it is seen for the first time."""
    board = boards.add('b0')
    testbed.hub('1-1.4')
    testbed.add('ttyACM0', board.tty, path='1-1.4.2', serial='B0')
    rack.start(SHELF + f'[device second]\npath = {HUB}\nmatch = dead:beef\n[device one]\npath = {PCI}9\nquiet_ms = 50\n')
    rack.wait(serial='B0', state='ready')
    assert sorted(device['section'] for device in rack.devices()) == ['one', 'shelf']
    assert [(hub['state'], hub['sections'], hub['devices']) for hub in hubs(rack)] == [('attached', ['shelf', 'second'], ['b0'])]
    assert rack.ctl('list', device='b0').value.get('hubs') is None


def test_all_of_a_bus(rack, testbed, boards):
    """No board is ever in its place: it is a hub from the beginning."""
    board, config = boards.add('b0'), f'[device all]\npath = usb1\n{REST}[device more]\npath = pci-0000:00:14.0\nmatch = dead\n'
    rack.start(config)
    assert rack.devices() == []
    known = [(hub['path'], hub['state'], hub['sections']) for hub in hubs(rack)]
    assert known == [('pci-0000:00:14.0', 'absent', ['more']), ('usb1', 'absent', ['all'])]
    since = [hub['since'][:-4] for hub in hubs(rack)]
    rack.stop()
    rack.start(config)
    assert [hub['since'][:-4] for hub in hubs(rack)] == since
    mark = rack.mark()
    testbed.add('ttyACM0', board.tty, path='1-3.2', serial='B0')
    assert rack.wait(mark, serial='B0', state='ready')['section'] == 'all'
    assert {hub['path']: hub['devices'] for hub in hubs(rack)} == {'usb1': ['b0'], 'pci-0000:00:14.0': ['b0']}
    wait_hub(rack, 'hubAttached', mark, path='usb1')
    testbed.remove('ttyACM0')
    wait_hub(rack, 'hubDetached', mark, path='pci-0000:00:14.0')


def test_a_hub_that_udev_does_not_tell_of(rack, testbed, boards):
    """It is there as long as a board is below it."""
    board = boards.add('b0')
    rack.start(SHELF)
    assert [device['state'] for device in rack.devices()] == ['absent'], 'a place is a board until it is seen to be a hub'
    mark = rack.mark()
    testbed.hub('1-1.4', ID_PATH='')
    testbed.add('ttyACM0', board.tty, path='1-1.4.2', serial='B0')
    assert wait_hub(rack, 'hubAttached', mark)['devices'] == ['b0']
    rack.wait(mark, event='removed', section='shelf', state='absent')
    rack.wait(mark, serial='B0', state='ready')
    assert [device['id'] for device in rack.devices()] == ['b0']
    testbed.remove('ttyACM0')
    wait_hub(rack, 'hubDetached', mark)


def test_the_half_of_a_hub_for_usb_3_does_not_count(rack, testbed):
    rack.start(SHELF)
    testbed.hub('2-1.4', type='9/0/3')
    testbed.hub('1-1.4')
    wait_hub(rack, 'hubAttached')
    testbed.unhub('1-1.4')
    wait_hub(rack, 'hubDetached')


def test_a_board_in_the_place_of_a_hub(rack, testbed, boards):
    """What is in a place last says what it is."""
    board = boards.add('b0')
    rack.start(SHELF)
    testbed.hub('1-1.4')
    wait_hub(rack, 'hubAttached')
    testbed.unhub('1-1.4')
    mark = rack.mark()
    testbed.add('ttyACM0', board.tty, path='1-1.4', serial='B0')
    rack.wait(mark, serial='B0', state='ready', section='shelf')
    wait_hub(rack, 'hubRemoved', mark)
    testbed.remove('ttyACM0')
    rack.wait(mark, serial='B0', event='detached')
    for _ in range(2):
        assert hubs(rack) == [] and [device['state'] for device in rack.devices()] == ['absent']
        rack.stop()
        rack.start(SHELF)
    mark = rack.mark()
    testbed.hub('1-1.4')
    wait_hub(rack, 'hubAttached', mark)
    rack.wait(mark, event='removed', id='b0')
    assert rack.devices() == []


def test_reload_adds_and_removes_the_section(rack, testbed, boards):
    one, other = boards.add('b0'), boards.add('b1')
    rest = f'[device rest]\nmatch = 2fe3:.*\n{REST}'
    rack.start(rest)
    testbed.hub('1-1.4')
    testbed.add('ttyACM0', one.tty, path='1-1.4.1', serial='B0')
    testbed.add('ttyACM1', other.tty, path='1-1.5', serial='B1')
    rack.ready(rest, 'B0', 'B1')
    before = [(board.state()['opens'], board.state()['rx_bytes']) for board in (one, other)]
    for config, section, listed in (SHELF + rest, 'shelf', [HUB]), (rest, 'rest', []), (rest + SHELF, 'shelf', [HUB]):
        mark = rack.mark()
        rack.reload(config)
        wait_hub(rack, 'hubAttached' if listed else 'hubRemoved', mark)
        assert {device['serial']: device['section'] for device in rack.devices()} == {'B0': section, 'B1': 'rest'}
        assert [hub['path'] for hub in hubs(rack)] == listed
    assert [(board.state()['opens'], board.state()['rx_bytes']) for board in (one, other)] == before
    # A hub that is away stays so over a reload that keeps its section.
    mark = rack.mark()
    testbed.remove('ttyACM0')
    testbed.unhub('1-1.4')
    gone = wait_hub(rack, 'hubDetached', mark)
    rack.reload(SHELF + rest)
    assert hubs(rack) == [gone]
    rack.reload(rest)
    wait_hub(rack, 'hubRemoved', mark)
    assert hubs(rack) == []


def test_a_board_that_is_expected_on_a_bus(rack, testbed, boards):
    """The kernel's name of a board's own place."""
    board, config = boards.add('b0'), f'[device left]\npath = 1-1.2\n{REST}'
    rack.start(config)
    expected = rack.devices()[0]
    assert expected['state'] == 'absent' and hubs(rack) == []
    for serial in None, 'B0':
        mark = rack.mark()
        testbed.add('ttyACM0', board.tty, path='1-1.2', serial=serial)
        ready = rack.wait(mark, state='ready', section='left')
        assert ready['id'] == expected['id'] and len(rack.devices()) == 1
        mark = rack.mark()
        testbed.remove('ttyACM0')
        rack.wait(mark, event='detached', id=expected['id'])
        rack.stop()
        rack.start(config)
        assert [(device['id'], device['state']) for device in rack.devices()] == [(expected['id'], 'absent')]


def test_a_serial_number_below_a_hub(rack, testbed, boards):
    """Both have to hold: the board is expected, and nobody else below the hub is taken."""
    one, other = boards.add('b0'), boards.add('b1')
    config = f'[device left]\nserial = B0\npath = {HUB}\n{REST}'
    rack.start(config)
    testbed.hub('1-1.4')
    wait_hub(rack, 'hubAttached')
    testbed.add('ttyACM1', other.tty, path='1-1.4.3', serial='B1')
    testbed.add('ttyACM0', one.tty, path='1-1.4.2', serial='B0')
    rack.ready(config, 'B0')
    rack.reload(config + 'alias = left\n')
    assert [(device['serial'], device['section'], device['name']) for device in rack.devices()] == [('B0', 'left', 'left')]
    mark = rack.mark()
    testbed.remove('ttyACM0')
    rack.wait(mark, event='detached', serial='B0')
    rack.reload(config)
    assert [(device['serial'], device['state']) for device in rack.devices()] == [('B0', 'absent')]


def test_suggestions_go_by_boards(rack, testbed, silent_pty):
    """A hub changes nothing of what is suggested; below one that a section names there is nothing to suggest."""
    testbed.add('ttyACM0', silent_pty(), path='1-1.4.2')
    rack.start('')
    rack.wait_ports(1)
    before = rack.run('suggest', '--all').stdout
    assert f'path = {HUB}.2\n' in before
    rack.stop()
    testbed.hub('1-1.4')
    rack.start('')
    rack.wait_ports(1)
    rack.ready('')
    assert rack.run('suggest', '--all').stdout == before
    rack.reload(SHELF)
    assert 'manages every serial port' in rack.run('suggest', '--all').stderr


@pytest.mark.parametrize('testbed', ['namespace'], indirect=True)
def test_lost_events_lose_no_hub(rack, testbed, silent_pty):
    """The kernel drops what the daemon does not read in time; then everything is looked at, hubs too."""
    other = PCI + '2'
    rack.start(SHELF + f'[device other]\npath = {other}\n')
    testbed.hub('1-1.4')
    wait_hub(rack, 'hubAttached')
    testbed.add('ttyACM0', silent_pty(), path='1-9')
    rack.wait_ports(1)
    mark = rack.mark()
    rack.daemon.process.send_signal(signal.SIGSTOP)
    testbed.flood('ttyACM0', 20000)
    testbed.unhub('1-1.4')
    testbed.hub('1-2')
    rack.daemon.process.send_signal(signal.SIGCONT)
    assert wait_hub(rack, 'hubDetached', mark)['state'] == 'absent'
    assert wait_hub(rack, 'hubAttached', mark, path=other)['state'] == 'attached'
    assert 'events were lost; looking at everything again' in rack.daemon.errors()
    assert {hub['path']: hub['state'] for hub in hubs(rack)} == {HUB: 'absent', other: 'attached'}
