# SPDX-License-Identifier: MIT
"""suggest: what it prints is a configuration that manages the boards, without an edit."""

import re
import signal

import pytest

HUB = 'pci-0000:00:14.0-usb-0:'


def board(path, vid, pid, driver='cdc_acm', serial=None, ifaces=(0,), maker='', product=''):
    def encoded(text):
        return ''.join(c if c.isascii() and (c.isalnum() or c in '#+-.:=@_/') else ''.join(f'\\x{b:02x}' for b in c.encode())
                       for c in text)
    return {'path': path, 'vid': vid, 'pid': pid, 'driver': driver, 'serial': serial, 'ifaces': ifaces,
            'ID_VENDOR_ENC': encoded(maker) or vid, 'ID_MODEL_ENC': encoded(product) or pid}


def nordic(path, serial):
    return board(path, '1366', '1069', serial=serial, ifaces=(0, 2), maker='SEGGER', product='nRF52840 DK')


def ftdi(path, serial, ifaces=(0,)):
    return board(path, '0403', '6001', 'ftdi_sio', serial, ifaces, 'FTDI', 'FT232R USB UART')


def cp210x(path, serial):
    return board(path, '10c4', 'ea60', 'cp210x', serial, maker='Silicon Labs', product='CP2102N USB to UART Bridge Controller')


def ch340(path):
    return board(path, '1a86', '7523', 'ch341', product='USB Serial')


def zephyr(path, serial, product='USB-DEV'):
    return board(path, '2fe3', '0100', serial=serial, maker='ZEPHYR', product=product)


# What is plugged in, and what it is called and chosen by.
BOARDS = [
    (nordic('1-1', '001050012345'), 'nrf52840-dk-2345', 'serial = 001050012345'),
    (nordic('1-2.1', '001050067890'), 'nrf52840-dk-7890', 'serial = 001050067890'),
    (nordic('1-2.2', '001050097890'), 'nrf52840-dk-97890', 'serial = 001050097890'),
    (ftdi('1-2.3', 'A50285BI'), 'ft232r-85bi', 'serial = A50285BI'),
    (ftdi('1-2.4', 'AB0CDEFG'), 'ft232r-defg', 'serial = AB0CDEFG'),
    (ftdi('1-3.1', None), 'ft232r-port-3.1', f'path = {HUB}3.1'),
    (ftdi('1-3.2', None), 'ft232r-port-3.2', f'path = {HUB}3.2'),
    (board('1-3.3', '0403', '6010', 'ftdi_sio', 'FT4XYZ', (0, 1), 'FTDI', 'Dual RS232-HS'), 'ftdi', 'serial = FT4XYZ'),
    (cp210x('1-3.4.1', '02d8a1b2c3'), 'cp2102n-b2c3', 'serial = 02d8a1b2c3'),
    (cp210x('1-3.4.2', '02d8a1ffff'), 'cp2102n-ffff', 'serial = 02d8a1ffff'),
    (cp210x('1-3.4.3', '0001'), 'cp2102n-port-3.4.3', f'path = {HUB}3.4.3'),
    (cp210x('1-3.4.4', '0001'), 'cp2102n-port-3.4.4', f'path = {HUB}3.4.4'),
    (cp210x('1-4.1', '0001'), 'cp2102n-port-4.1', f'path = {HUB}4.1'),
    (ch340('1-4.2'), 'ch340-port-4.2', f'path = {HUB}4.2'),
    (ch340('1-4.3'), 'ch340-port-4.3', f'path = {HUB}4.3'),
    (ch340('1-4.4'), 'ch340-port-4.4', f'path = {HUB}4.4'),
    (ch340('1-5'), 'ch340-port-5', f'path = {HUB}5'),
    (zephyr('1-6', 'E6614103E7'), 'zephyr-03e7', 'serial = E6614103E7'),
    (zephyr('1-7', 'E6614103E8'), 'zephyr-03e8', 'serial = E6614103E8'),
    (zephyr('1-8', 'E661-4103-E9', 'USBD sample'), 'zephyr-03e9', 'serial = E661-4103-E9'),
    (zephyr('1-9', None), 'zephyr-port-9', f'path = {HUB}9'),
    (zephyr('1-10', 'TWIN-7A'), 'zephyr-port-10', f'path = {HUB}10'),
    (zephyr('1-11', 'TWIN-7A'), 'zephyr-port-11', f'path = {HUB}11'),
    (board('1-12', '0483', '374b', serial='066DFF49', ifaces=(2,), maker='STMicroelectronics', product='STM32 STLink'),
     'stm32-stlink', 'serial = 066DFF49'),
    (board('1-13', '0d28', '0204', serial='9904360256', ifaces=(1,), maker='Arm', product='DAPLink CMSIS-DAP'),
     'daplink-cmsis-dap', 'serial = 9904360256'),
    (board('1-14.1', '2e8a', '000a', ifaces=(0, 2, 4), maker='Raspberry Pi', product='Pico'), 'pico', f'path = {HUB}14.1'),
    (board('1-14.2', '1209', '0001', serial='a #b', product='Tab\tand \x1b[31m'), 'tab-and-31m', f'path = {HUB}14.2'),
    (board('1-14.3', '1209', '0002', serial='long' * 63, product='X' * 200), 'board', 'serial = ' + 'long' * 63),
    (board('1-14.4.4.4', '1209', '0003', serial='ünïcode', maker='Ångström GmbH', product='Prüfling №7'), 'pr-fling-7',
     'serial = ünïcode'),
    (board('1-15', '067b', '2303', 'pl2303', '0123456789ABCDEF', maker='Prolific Technology Inc.',
           product='USB-Serial Controller'), 'pl2303', f'path = {HUB}15'),
]


def node(path, iface):
    return f'ttyACM{re.sub("[^0-9]", "", path)}{iface}'


def plug(testbed, silent_pty, made):
    made = dict(made)
    for iface in made.pop('ifaces'):
        testbed.add(node(made['path'], iface), silent_pty(), iface=iface, **made)


def sections(text):
    return {name: body.strip() for name, body in re.findall(r'^\[device (\S+)\]\n(.*?)(?:^$|\Z)', text, re.M | re.S)}


def test_thirty_boards_are_managed_by_what_it_prints(rack, testbed, silent_pty):
    assert len(BOARDS) == 30
    for made, _, _ in BOARDS:
        plug(testbed, silent_pty, made)
    rack.start('')
    done = rack.run('suggest', '--all')
    assert done.returncode == 0
    assert 'Append this to' in done.stderr and str(rack.folder / 'mcumgrd.conf') in done.stderr
    expected = {name: f'{chosen}\nalias = {name}' for _, name, chosen in BOARDS}
    assert sections(done.stdout) == expected
    rack.stop()
    checked = rack.check(done.stdout)
    assert checked.returncode == 0, checked.stderr
    rack.start(done.stdout)
    devices = rack.devices()
    assert sorted(device['section'] for device in devices) == sorted(expected)
    assert all(device['name'] == device['section'] and device['state'] != 'absent' for device in devices)
    where = {device['section']: device['path'] for device in devices}
    for made, name, _ in BOARDS:
        assert where[name].startswith('pci-0000:00:14.0-usb-0:' + made['path'].split('-')[1] + ':'), name
    ports = rack.ctl('list', '--all-ports').value['ports']
    assert len(ports) == sum(len(made['ifaces']) for made, _, _ in BOARDS)
    assert not [port for port in ports if 'section' not in port]
    assert rack.ctl('suggest', '--all').value == {'sections': []}


def test_names_that_are_taken_are_not_given_again(rack, testbed, silent_pty):
    config = ('[device nrf52840-dk]\nserial = 1\nalias = nrf52840-dk-2345\n'
              '[device other]\nmatch = ffff\nalias = ft232r\n')
    rack.start(config)
    plug(testbed, silent_pty, nordic('1-1', '001050012345'))
    plug(testbed, silent_pty, ftdi('1-2', None))
    rack.wait_ports(3)
    told = rack.ctl('suggest', '--all').value['sections']
    assert [(s['name'], s['alias']) for s in told] == [('nrf52840-dk-12345',) * 2, ('ft232r-port-2',) * 2]
    assert told[0]['serial'] == '001050012345' and told[0]['ttys'] == ['/dev/ttyACM110', '/dev/ttyACM112']
    assert told[1]['reason'] == 'it has no serial number'
    done = rack.run('suggest', '--all')
    assert rack.check(config + done.stdout).returncode == 0


def test_a_serial_number_that_no_line_can_hold(rack, testbed, silent_pty):
    plug(testbed, silent_pty, ftdi('1-1', '"A50285BI"'))
    rack.start('')
    done = rack.run('suggest', '--all')
    assert sections(done.stdout) == {'ft232r': f'path = {HUB}1\nalias = ft232r'}
    assert rack.check(done.stdout).returncode == 0


def test_the_newest_board_alone_is_suggested(rack, testbed, silent_pty):
    plug(testbed, silent_pty, ftdi('1-1', 'A1234567'))
    rack.start('')
    plug(testbed, silent_pty, nordic('1-2', '001050012345'))
    rack.wait_ports(3)
    assert list(sections(rack.run('suggest').stdout)) == ['nrf52840-dk']


def test_it_waits_for_a_plug_when_all_is_managed(rack, testbed, silent_pty):
    plug(testbed, silent_pty, ftdi('1-1', 'A1234567'))
    rack.start('[device f]\nserial = A1234567\n')
    waiting = rack.popen('suggest')
    assert waiting.stderr.readline() == ('The configuration manages all that is plugged in (1 board). '
                                         'Waiting for a new board: plug it in. Ctrl-C ends this.\n')
    plug(testbed, silent_pty, nordic('1-2', '001050012345'))
    out, err = waiting.communicate(timeout=60)
    assert list(sections(out)) == ['nrf52840-dk'] and waiting.returncode == 0, err


@pytest.mark.parametrize('words, says', [(['--timeout', '200'], 'no new board within 200 ms'),
                                         (['--timeout=1s'], 'no new board within 1 s')])
def test_it_waits_no_longer_than_it_is_told(rack, testbed, words, says):
    rack.start('')
    done = rack.run('suggest', *words)
    assert (done.returncode, done.stdout) == (5, '') and says in done.stderr
    assert done.stderr.startswith('No serial port on USB is plugged in. Waiting for a new board')
    told = rack.ctl('suggest', *words)
    assert told.code == 5 and told.value['error'] == 'mcumgrctl.TimedOut'


def test_it_tells_of_boards_that_it_leaves_out(rack, testbed, silent_pty):
    for number, serial in enumerate(('A1', 'A2', 'A3'), 1):
        plug(testbed, silent_pty, ftdi(f'1-{number}', serial))
    rack.start('[device f]\nserial = A1\n')
    assert 'there is 1 more that nothing manages, see suggest --all' in rack.run('suggest').stderr
    assert 'more that' not in rack.run('suggest', '--all').stderr


def test_without_a_daemon(rack, testbed, silent_pty):
    done = rack.alone('suggest', '--all')
    out, err = done.communicate(timeout=60)
    assert (done.returncode, out) == (0, '') and 'No serial port on USB is plugged in.' in err
    plug(testbed, silent_pty, ftdi('1-1', 'A1234567'))
    plug(testbed, silent_pty, nordic('1-2', '001050012345'))
    done = rack.alone('suggest', '--all')
    out, err = done.communicate(timeout=60)
    assert sections(out) == {'ft232r': 'serial = A1234567\nalias = ft232r',
                             'nrf52840-dk': 'serial = 001050012345\nalias = nrf52840-dk'}
    assert 'no daemon runs' in err and '/etc/mcumgrd.conf' in err and 'enable --now' in err
    assert rack.check(out).returncode == 0
    assert rack.run('suggest', '--udev').returncode == 9


def test_a_plug_without_a_daemon(rack, testbed, silent_pty):
    waiting = rack.alone('suggest')
    assert 'no daemon runs' in waiting.stderr.readline() and 'Waiting for a new board' in waiting.stderr.readline()
    plug(testbed, silent_pty, nordic('1-2', '001050012345'))
    out, err = waiting.communicate(timeout=60)
    assert list(sections(out)) == ['nrf52840-dk'] and waiting.returncode == 0, err
    waiting = rack.alone('--quiet', 'suggest', '--timeout', '10min')
    assert list(sections(waiting.communicate(timeout=60)[0])) == ['nrf52840-dk']
    testbed.remove('ttyACM120')
    testbed.remove('ttyACM122')
    waiting = rack.alone('suggest')
    waiting.stderr.readline()
    waiting.stderr.readline()
    waiting.send_signal(signal.SIGINT)
    assert waiting.communicate(timeout=60)[0] == '' and waiting.returncode == 130
    assert not rack.left_behind()


PCI = 'pci-0000:00:15.0'


@pytest.fixture
def rules(rack, testbed, silent_pty):
    for made in (ftdi('1-1', 'A1'), nordic('1-2', 'B2'), nordic('1-3', 'C3'), ch340('1-4')):
        plug(testbed, silent_pty, made)
    rack.start(f'[device f]\nserial = A1\n[device class]\nmatch = 1366:.*:0\n[device place]\npath = {HUB}4\n'
               f'[device bus]\npath = 1-5.2:1.0\n[device root]\npath = usb2\n[device controller]\npath = {PCI}\n'
               '[device odd]\nserial = a"b*c\n[device later]\nmatch = dead:beef\n')
    return rack.run('suggest', '--udev').stdout


def test_rules_name_the_boards_that_are_configured(rules):
    chosen = re.findall(r'^# \[device (\S+)\]\n(.*)\n(?!.*MCUMGRD_BOARD}="1"$)', rules, re.M)
    assert chosen == [
        ('f', 'ATTRS{serial}=="A1", ENV{.MCUMGRD_BOARD}="1"'),
        ('class', 'ATTRS{idVendor}=="1366", ATTRS{idProduct}=="1069", ENV{.MCUMGRD_BOARD}="1"'),
        ('place', f'ENV{{ID_PATH}}=="{HUB}4|{HUB}4:*|{HUB}4.*", ENV{{.MCUMGRD_BOARD}}="1"'),
        ('bus', 'KERNELS=="1-5.2", ENV{.MCUMGRD_BOARD}="1"'),
        ('root', 'KERNELS=="usb2", ENV{.MCUMGRD_BOARD}="1"'),
        ('controller', f'ENV{{ID_PATH}}=="{PCI}|{PCI}:*|{PCI}-usb-*", ENV{{.MCUMGRD_BOARD}}="1"'),
        ('odd', 'ATTRS{serial}=="a?b?c", ENV{.MCUMGRD_BOARD}="1"'),
        ('later', '# ... nothing of it is plugged in: its USB ids are not known'),
    ]
    for what in ('ENV{ID_MM_DEVICE_IGNORE}="1"', 'GROUP="dialout"', 'ATTR{latency_timer}="1"', 'ATTR{power/control}="on"'):
        assert what in rules
    assert [target for target in re.findall(r'GOTO="(\w+)"', rules) if f'LABEL="{target}"' not in rules] == []
