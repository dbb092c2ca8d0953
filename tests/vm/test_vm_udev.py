# SPDX-License-Identifier: MIT
"""The daemon and udev, for real: events that are lost, many boards at once, and the rules that suggest prints."""

import re
import socket
import time

import pytest
from vmbed.split import Split

RACK = '[device rack]\nmatch = 2fe3:.*\nquiet_ms = 300\nbroken_count = 0\n'

def test_lost_events_lose_no_board(guest, rack, boards):
    """While the daemon sleeps a board goes, one comes, and one comes back as another product; it hears of none of it."""
    goes, comes, changes = boards.add('goes', 'comes', 'changes')
    goes.plug()
    changes.plug()
    rack.start(RACK)
    known = {name: rack.wait(serial=name, state='ready') for name in ('goes', 'changes')}
    mark = rack.mark()
    guest.run(f'{rack.daemon.wait_pid()}; kill -STOP $pid; flood $pid')
    goes.unplug()
    comes.plug()
    changes.unplug()
    changes.usb.set(pid=0x0101)
    changes.plug()
    rack.daemon.kill(18)  # SIGCONT
    rack.wait(mark, serial='comes', state='ready')
    rack.wait(mark, id=known['goes']['id'], state='absent')
    assert rack.wait(mark, serial='changes', state='ready', productId=0x0101)['id'] == known['changes']['id']
    assert 'events were lost; looking at everything again' in rack.log()


def test_a_bus_is_a_hub(guest, rack, boards):
    """The kernel's root hub, by its name on the bus and by udev's for the controller: boards on it belong to the section."""
    board, other = boards.add('first', 'second')
    tty = board.plug()
    bus = re.search(r'/(usb\d+)/', guest.run(f'readlink -f /sys/class/tty/{tty.name}').out)[1]
    controller = tty.properties['ID_PATH'].split('-usb-')[0]
    rack.start(f'[device all]\npath = {bus}\nquiet_ms = 300\n[device none]\npath = {controller}\nmatch = dead:beef\n'
               '[device gone]\npath = usb99\n')
    assert rack.wait(serial='first', state='ready')['section'] == 'all'
    other.plug()
    rack.wait(serial='second', state='ready', section='all')
    listed = {hub['path']: hub for hub in rack.ctl('list').value['hubs']}
    assert set(listed) == {bus, controller, 'usb99'} and listed['usb99']['state'] == 'absent'
    for path in bus, controller:
        assert (listed[path]['state'], listed[path]['devices']) == ('attached', ['first', 'second'])
    mark = rack.mark()
    for one in board, other:
        one.unplug()
    for name in 'first', 'second':
        rack.wait(mark, event='removed', serial=name)
    listed = {hub['path']: hub for hub in rack.ctl('list').value['hubs']}
    assert (listed[bus]['state'], listed[bus]['devices']) == ('attached', []), 'the hub itself is there'


@pytest.mark.slow
def test_storm_of_sixty_four_boards(guest, rack, boards, bus, image):
    """Each runs another version, read from the port that has its serial number: none is taken for another."""
    names = [f'storm{i}' for i in range(64)]
    for board in boards.add(*names, image=lambda name: image(f'1.0.{name[5:]}', size=2000)):
        board.command('plug')
    rack.start(RACK)
    split = Split(guest, rack)
    mark, began = rack.mark(), time.monotonic()
    bus.all('plug')
    plugged = time.monotonic() - began
    for name in names:
        rack.wait(mark, serial=name, state='ready', timeout=600)
    print(f'64 boards told to come within {plugged:.1f} s, all ready after {time.monotonic() - began:.1f} s (emulated processor)')
    print(split.told(names))
    devices = rack.devices()
    assert {device['serial']: device['version'] for device in devices} == {name: f'1.0.{name[5:]}' for name in names}
    assert len({device['tty'] for device in devices}) == len({device['path'] for device in devices}) == 64


@pytest.fixture
def far_end(tmp_path, monkeypatch):
    """A Unix socket on the host for QEMU's serial adapter."""
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind('far')
        listener.listen(1)
        yield tmp_path / 'far'


def test_suggested_rules_do_what_they_say(guest, bus, rack, far_end):
    ftdi, other = bus.serial('ftdi', far_end, 'FT1').plug(), bus.board('other', vid=0x1d50, serial='OTHER').plug()[0]
    board = bus.board('board', serial='B"1').plug()[0]
    hub = re.sub(r':[0-9.]*$', '', board.properties['ID_PATH'])
    rack.start(f'[device adapter]\nserial = FT1\nprobe = never\n[device board]\npath = {hub}\nprobe = never\n')
    ctl = f'mcumgrctl --socket {rack.socket}'
    rules = '/etc/udev/rules.d/70-mcumgrd-boards.rules'
    try:
        told = guest.run(f'mkdir -p /etc/udev/rules.d; {ctl} suggest --udev >{rules} && udevadm control --reload && udevadm trigger && udevadm settle')
        assert told.err == ''
        for tty, expected in ((ftdi, 1), (board, 1), (other, 0)):
            found = guest.run(f'udevadm info -q property {tty.node}; stat -c %G {tty.node}; cd /sys/class/tty/{tty.name}/device; '
                              'until [ -e power/control ] && [ -e idVendor ]; do cd -P ..; done; '
                              'udevadm info -q property -p $PWD | sed s/^/usb:/; echo control=$(cat power/control)').out
            assert found.count('ID_MM_DEVICE_IGNORE=1') == 2 * expected, found
            assert ('usb:ID_MM_DEVICE_IGNORE=1' in found) == bool(expected)
            assert 'dialout' in found
            assert not expected or 'control=on' in found
        assert guest.run(f'cat /sys/class/tty/{ftdi.name}/device/latency_timer').out == '1\n'
    finally:
        guest.run(f'rm -f {rules}; udevadm control --reload')
