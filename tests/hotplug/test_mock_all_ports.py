# SPDX-License-Identifier: MIT
"""Ports: whatever is plugged in, with the section that manages it or none; told again when something comes or goes."""

from datetime import datetime

from mockbed.stream import Stream

CONFIG = '[device zephyr]\nmatch = 2fe3:0100:2\nalias = left\nquiet_ms = 50\nbaud = 57600\n'


def test_ports_that_nobody_manages_are_listed_with_all_they_say(rack, testbed, boards, silent_pty):
    board, began = boards.add('b0'), datetime.utcnow()
    rack.start(CONFIG)
    testbed.add('ttyACM10', silent_pty(), serial='B0', iface=0)
    testbed.add('ttyACM2', board.tty, serial='B0', iface=2)
    testbed.add('ttyUSB0', silent_pty(), path='1-4', vid='0403', pid='6001', driver='ftdi_sio', ID_VENDOR_ENC='FTDI',
                ID_MODEL_ENC='FT232R\\x20USB\\x20UART')
    ready = rack.wait(serial='B0', state='ready')
    told = rack.ctl('list', '--all-ports').value
    assert [port['tty'] for port in told['ports']] == ['/dev/ttyACM2', '/dev/ttyACM10', '/dev/ttyUSB0']
    managed, console, other = told['ports']
    assert (managed['section'], managed['device'], managed['interface']) == ('zephyr', ready['id'], 2)
    assert 'section' not in console and console['path'] == 'pci-0000:00:14.0-usb-0:1:1.0'
    since = other.pop('since')
    other.pop('device', None)
    assert other == {'tty': '/dev/ttyUSB0', 'path': 'pci-0000:00:14.0-usb-0:4:1.0', 'vendorId': 0x403, 'productId': 0x6001,
                     'interface': 0, 'manufacturer': 'FTDI', 'product': 'FT232R USB UART', 'driver': 'ftdi_sio'}
    assert datetime.fromisoformat(since.rstrip('Z')) >= began.replace(microsecond=0)
    assert told['sections'] == [{'name': 'zephyr', 'match': '2fe3:0100:2', 'alias': 'left', 'baud': 57600}]
    assert told['configuration'].endswith('mcumgrd.conf')


def test_ports_are_told_again_when_one_comes_or_goes(rack, testbed, silent_pty):
    rack.start('')
    stream = Stream(rack.socket, 'Ports')
    assert stream.next() == {'ports': [], 'sections': [], 'configuration': str(rack.folder / 'mcumgrd.conf')}
    testbed.add('ttyACM0', silent_pty(), serial='B0')
    assert [port['tty'] for port in stream.next()['ports']] == ['/dev/ttyACM0']
    testbed.add('ttyACM1', silent_pty(), serial='B1', path='1-2')
    assert [port['serial'] for port in stream.next()['ports']] == ['B0', 'B1']
    testbed.remove('ttyACM0')
    assert [port['serial'] for port in stream.next()['ports']] == ['B1']
    stream.close()
    testbed.remove('ttyACM1')
    assert rack.ctl('list', '--all-ports').value['ports'] == []
