# SPDX-License-Identifier: MIT
"""The mocked bus itself: a program sees it through libudev as it would see a real one."""

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios

import pytest

from mockbed.process import Died

pytestmark = pytest.mark.parametrize('testbed', ['umockdev', 'namespace'], indirect=True)


def seen(line):
    """(action, subsystem, name), properties."""
    head, *properties = line.split('\t')
    return tuple(head.split()), dict(entry.split('=', 1) for entry in properties)


def test_what_is_plugged_before_is_found(testbed, udevtail):
    testbed.add('ttyACM3', '/dev/null', path='1-2.4', vid='1d50', pid='6018', serial='BMP1', iface=10)
    tail = udevtail()
    head, properties = seen(tail.lines[0])
    assert head == ('present', 'tty', 'ttyACM3')
    expected = {'DEVNAME': '/dev/ttyACM3', 'ID_BUS': 'usb', 'ID_VENDOR_ID': '1d50', 'ID_MODEL_ID': '6018',
                'ID_SERIAL_SHORT': 'BMP1', 'ID_USB_INTERFACE_NUM': '0a', 'ID_USB_DRIVER': 'cdc_acm',
                'ID_PATH': 'pci-0000:00:14.0-usb-0:2.4:1.10'}
    assert expected.items() <= properties.items()
    assert '/dev/serial/by-id/usb-mcumgrd_Mock_board_BMP1-if0a' in properties['DEVLINKS']


def test_events_come_once_and_in_order(testbed, udevtail):
    tail = udevtail()
    mark = tail.mark()
    testbed.add('ttyACM0', '/dev/null', serial='A')
    testbed.add('ttyACM1', '/dev/null', serial='A', iface=2)
    testbed.event('ttyACM1', 'change')
    testbed.remove('ttyACM0')
    testbed.remove('ttyACM1')
    tail.wait_line('^remove usb', mark)
    heads = [seen(line)[0] for line in tail.lines[mark:]]
    assert heads == [('add', 'usb', '1-1'), ('add', 'tty', 'ttyACM0'), ('add', 'tty', 'ttyACM1'),
                     ('change', 'tty', 'ttyACM1'), ('remove', 'tty', 'ttyACM0'), ('remove', 'tty', 'ttyACM1'),
                     ('remove', 'usb', '1-1')]


def test_properties_can_be_set_and_left_out(testbed, udevtail):
    tail = udevtail()
    testbed.add('ttyUSB0', '/dev/null', driver='ftdi_sio', ID_BUS='', ID_MODEL='two words', ID_EXTRA='1')
    _, properties = seen(tail.wait_line('^add tty ttyUSB0').string)
    assert 'ID_BUS' not in properties and 'ID_SERIAL_SHORT' not in properties
    assert {'ID_MODEL': 'two words', 'ID_EXTRA': '1', 'ID_USB_DRIVER': 'ftdi_sio'}.items() <= properties.items()


def test_forty_ports_one_after_the_other(testbed, udevtail):
    tail = udevtail()
    for i in range(40):
        testbed.add(f'ttyACM{i}', '/dev/null', path=f'1-{i + 1}', serial=f'S{i}')
    tail.wait_line('^add tty ttyACM39')
    assert sum(line.startswith('add tty') for line in tail.lines) == 40


def test_device_node_leads_to_the_pty(testbed, program):
    controller, terminal = pty.openpty()
    testbed.add('ttyACM0', os.ttyname(terminal))
    environment = testbed.environment(program('udevtail'))

    def run(command):
        return subprocess.run([*testbed.prefix, 'sh', '-c', command], env=environment, capture_output=True, text=True, check=False)

    assert run('echo hello >/dev/ttyACM0').returncode == 0
    assert os.read(controller, 100) == b'hello\r\n'
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack('HHHH', 12, 34, 0, 0))
    size = run(f"{sys.executable} -c 'import os; print(*os.get_terminal_size(os.open(\"/dev/ttyACM0\", os.O_RDWR)))'")
    assert size.stdout == '34 12\n', 'ioctls reach the pty' + size.stderr
    testbed.node('ttyACM0', None)
    testbed.remove('ttyACM0')
    assert run('[ -L /dev/ttyACM0 ]').returncode == 1
    os.close(controller)
    os.close(terminal)


@pytest.mark.parametrize('words, error', [
    (('add', 'ttyACM0', 'tty=/dev/null'), 'path=BUS-PORT is needed'), (('remove', 'ttyACM0'), 'no such port'),
    (('add',), 'VERB NODE KEY=VALUE...'), (('add', 'ttyACM0', 'path'), 'VERB NODE KEY=VALUE...')])
def test_mistakes_are_told(testbed, words, error):
    with pytest.raises(Died, match=error):
        testbed._command(*words)
