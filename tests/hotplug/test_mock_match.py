# SPDX-License-Identifier: MIT
"""Which ports a [device] section takes: VID:PID[:interface] as a regular expression."""

import pytest

# one board each: identifier -> properties
PORTS = {
    '2fe3:00ab:0': {'vid': '2fe3', 'pid': '00ab', 'iface': 0},
    '2fe3:00ab:10': {'vid': '2fe3', 'pid': '00ab', 'iface': 10},
    '2fe3:00ac:2': {'vid': '2fe3', 'pid': '00ac', 'iface': 2},
    '0403:6001:0': {'vid': '0403', 'pid': '6001', 'iface': 0, 'driver': 'ftdi_sio'},
    '1d50:6018': {'vid': '1d50', 'pid': '6018', 'ID_USB_INTERFACE_NUM': ''},
}
NOT_USB = {'vid': '2fe3', 'pid': '00ab', 'ID_BUS': ''}


def identifier(device):
    text = f'{device["vendorId"]:04x}:{device["productId"]:04x}'
    return text if device.get('interface') is None else f'{text}:{device["interface"]}'


def managed(devices, section):
    return {identifier(device) for device in devices if device.get('section') == section}


@pytest.fixture
def five_ports(testbed, silent_pty):
    for i, properties in enumerate(PORTS.values()):
        testbed.add(f'ttyACM{i}', silent_pty(), path=f'1-{i + 1}', serial=f'S{i}', **properties)
    testbed.add('ttyGS0', silent_pty(), path='1-9', serial='S9', **NOT_USB)


@pytest.mark.parametrize('regex, expected', [
    ('2fe3:00ab:0', ['2fe3:00ab:0']),
    ('2FE3:00AB:0', ['2fe3:00ab:0']),
    ('2fe3:00ab', ['2fe3:00ab:0', '2fe3:00ab:10']),
    ('2fe3:00ab:1', ['2fe3:00ab:10']),
    ('2fe3:00ab:1$', []),
    ('2fe3:00ab:0a', []),
    ('00ab', []),
    ('.*00ab', ['2fe3:00ab:0', '2fe3:00ab:10']),
    ('(?-i)2FE3', []),
    ('6001|0403:6001', ['0403:6001:0']),
    (r'\d{4}:6001', ['0403:6001:0']),
    ('2fe3:00(?:ab|ac):[2-9]', ['2fe3:00ac:2']),
    ('1d50:6018', ['1d50:6018']),
    ('1d50:6018:', []),
    ('.', list(PORTS)),
    ('dead:beef', []),
])
def test_regular_expression(rack, five_ports, regex, expected):
    rack.start(f'[device rack]\nmatch = {regex}\n')
    assert managed(rack.devices(), 'rack') == set(expected)


@pytest.mark.parametrize('setting, expected', [
    ('serial = S1', ['2fe3:00ab:10']), ('serial = s1', []), ('serial = S', []),
    ('path = pci-0000:00:14.0-usb-0:3:1.2', ['2fe3:00ac:2']),
])
def test_serial_number_and_path_pin_one_board(rack, five_ports, setting, expected):
    rack.start(f'[device pinned]\n{setting}\n[device rack]\nmatch = .\n')
    devices = rack.devices()
    assert managed([device for device in devices if device['state'] != 'absent'], 'pinned') == set(expected)
    assert managed(devices, 'rack') == set(PORTS) - set(expected)


def test_first_section_in_file_order_wins(rack, five_ports):
    rack.start('[device first]\nmatch = 2fe3\n[device second]\nmatch = .\n')
    devices = rack.devices()
    assert managed(devices, 'first') == {name for name in PORTS if name.startswith('2fe3')}
    assert managed(devices, 'second') == {name for name in PORTS if not name.startswith('2fe3')}


@pytest.mark.parametrize('config', ['', '[device other]\nmatch = dead:beef\n'])
def test_what_nobody_asked_for_is_not_opened(rack, five_ports, silent_pty, config):
    rack.start(config)
    rack.devices()
    assert not set(rack.open_files()) & set(silent_pty.paths)


@pytest.mark.parametrize('regex', ['2fe3:(', '[', '2fe3:00ab:\\K0'])
def test_bad_expression_is_told_with_its_place(rack, regex):
    done = rack.check(f'[daemon]\n\n[device rack]\nmatch = {regex}\n')
    assert done.returncode != 0
    assert 'mcumgrd.conf:4' in done.stderr and 'match' in done.stderr


def test_selector_on_the_command_line_is_the_same_expression(rack, five_ports):
    rack.start('[device rack]\nmatch = .\n')
    both = rack.ctl('os', 'echo', 'x', device='2fe3:00ab')
    assert both.code == 3 and both.value['error'] == 'io.mcumgr.AmbiguousDevice'
    assert len(both.value['parameters']['matches']) == 2
    none = rack.ctl('os', 'echo', 'x', device='00ab')
    assert none.code == 3 and none.value['error'] == 'io.mcumgr.NoSuchDevice'
