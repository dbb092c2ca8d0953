# SPDX-License-Identifier: MIT
"""The test bed itself: boards on the guest's bus are what real ones are."""

import hashlib
import socket

import pytest

from vmbed.usb import UsbGadget, wait_ttys

PORT = 'stty -F {0} raw -echo -hupcl 115200'


def test_board_appears_with_all_that_udev_knows(bus):
    first, second = bus.board('a', vid=0x1d50, pid=0x6018, serial='BMP1', far=('loop', 'loop')).plug()
    assert [first.interface, second.interface] == [0, 2]
    assert first.node.startswith('/dev/ttyACM')
    expected = {'ID_BUS': 'usb', 'ID_VENDOR_ID': '1d50', 'ID_MODEL_ID': '6018', 'ID_SERIAL_SHORT': 'BMP1',
                'ID_USB_DRIVER': 'cdc_acm', 'SUBSYSTEM': 'tty'}
    assert expected.items() <= first.properties.items()
    assert first.properties['ID_PATH'].endswith(':1.0') and second.properties['ID_PATH'].endswith(':1.2')
    assert '/dev/serial/by-id/usb-mcumgrd_Simulated_board_BMP1-if00' in first.properties['DEVLINKS']


def test_function_five_is_interface_ten(bus):
    ttys = bus.board('a', serial='TEN', far=('loop',) * 6).plug()
    assert [tty.properties['ID_USB_INTERFACE_NUM'] for tty in ttys] == ['00', '02', '04', '06', '08', '0a']


@pytest.mark.parametrize('function', [0, 1])
def test_bytes_go_through(guest, bus, function):
    node = bus.board('a', serial='BYTES', far=('loop', 'loop')).plug()[function].node
    done = guest.run(f'''{PORT.format(node)} || exit
        dd if=/dev/urandom of=/tmp/sent bs=1024 count=64 2>/dev/null
        exec 3<>{node}
        head -c 65536 <&3 >/tmp/received & cat /tmp/sent >&3; wait $!
        sha256sum </tmp/sent; sha256sum </tmp/received''')
    sent, received = done.out.splitlines()
    assert sent == received


@pytest.mark.parametrize('option, dropped', [('hupcl', True), ('-hupcl', False)])
def test_line_coding_and_modem_lines_are_seen(guest, bus, option, dropped):
    board = bus.board('a', serial='LINES')
    node = board.plug()[0].node
    mark = board.mark()
    guest.run(f'{PORT.format(node)} 57600 {option}; : <>{node}')
    board.wait('0 baud=57600 bits=8 parity=0 stop=0', since=mark)
    board.wait('0 dtr=1 rts=1', since=mark)
    if dropped:
        board.wait('0 dtr=0 rts=0', since=mark)
    else:
        assert '0 dtr=0 rts=0' not in board.events(mark)[1:]


def test_twenty_plug_cycles(bus):
    board = bus.board('a', serial='CYCLES')
    paths = set()
    for _ in range(20):
        paths.add(tuple(tty.properties['ID_PATH'] for tty in board.plug()))
        board.unplug()
    assert len(paths) == 1, 'a board that comes back is found in the same place'


def test_board_comes_back_with_another_product_id(bus):
    board = bus.board('a', serial='REBOOT', pid=0x0100)
    before = board.plug()[0]
    board.unplug()
    after = board.plug(pid=0x0101)[0]
    assert (before.properties['ID_MODEL_ID'], after.properties['ID_MODEL_ID']) == ('0100', '0101')
    assert before.properties['ID_PATH'] == after.properties['ID_PATH']


def test_hung_board_blocks_open_and_no_other(guest, bus):
    hung, well = bus.board('a', serial='HUNG'), bus.board('b', serial='WELL')
    hung_node, well_node = hung.plug()[0].node, well.plug()[0].node
    hung.hang()
    for _ in range(5):  # the kernel gives up on the hung one after some seconds; a busy machine may take as long for the other
        job = guest.spawn(f': <>{hung_node}')
        guest.run(f': <>{well_node}')
        overtaken = job.running()
        if overtaken:
            break
        job.wait()
    assert overtaken
    hung.resume()
    assert job.wait() == 0


@pytest.mark.parametrize('serial, seen', [
    ('', None), ('A B', 'A_B'), ('a/../b', 'a_.._b'), ('quote"$(x)', 'quote___x_'), ('x' * 126, 'x' * 126),
    ('new\nline', None), ('comma,', None), ('\u00e9', None)])
def test_serial_numbers_that_nobody_asked_for(bus, serial, seen):
    """udev replaces some characters, and for others takes the number for none at all."""
    tty = bus.board('a', serial=serial).plug()[0]
    assert tty.properties.get('ID_SERIAL_SHORT') == seen


def test_sixteen_boards_with_two_ports_at_once(guest, bus):
    for i in range(16):
        bus.board(f'b{i}', pid=0x0100 + i, serial=f'MANY{i}', far=('loop', 'loop'))
    mark = guest.mark()
    bus.all('plug')
    ttys = wait_ttys(guest, 32, mark)
    assert len({tty.node for tty in ttys}) == len({tty.properties['ID_PATH'] for tty in ttys}) == 32
    mark = guest.mark()
    bus.all('unplug')
    wait_ttys(guest, 32, mark, 'remove')


@pytest.fixture
def far_end(tmp_path, monkeypatch):
    """A Unix socket on the host for QEMU's serial adapter."""
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind('far')
        listener.listen(1)
        listener.settimeout(60)
        yield tmp_path / 'far', listener


def test_serial_adapter(guest, bus, far_end):
    path, listener = far_end
    adapter = bus.serial('ftdi', path, 'FT1')
    tty = adapter.plug()
    expected = {'ID_VENDOR_ID': '0403', 'ID_MODEL_ID': '6001', 'ID_SERIAL_SHORT': 'FT1', 'ID_USB_DRIVER': 'ftdi_sio'}
    assert expected.items() <= tty.properties.items()
    with listener.accept()[0] as far:
        far.settimeout(60)
        job = guest.spawn(f'{PORT.format(tty.node)}; exec 3<>{tty.node}; echo ping >&3; head -n 1 <&3')
        assert far.recv(100) == b'ping\n'
        far.sendall(b'pong\n')
        assert (job.wait(), job.out) == (0, 'pong\n')
        adapter.unplug()


def test_gadget_has_a_tty_on_either_side(guest):
    gadget = UsbGadget(guest, 'GADGET')
    try:
        mark = guest.mark()
        tty = gadget.plug()
        assert {'ID_VENDOR_ID': '1d50', 'ID_USB_DRIVER': 'cdc_acm'}.items() <= tty.properties.items()
        done = guest.run(f'{PORT.format(tty.node)}; stty -F /dev/ttyGS0 raw -echo; exec 3<>/dev/ttyGS0; '
                         f'echo ping >{tty.node}; head -n 1 <&3')
        assert done.out == 'ping\n'
        assert not any('ttyGS0' in line and 'ID_BUS' in line for line in guest.channels['events'].lines[mark:])
        gadget.unplug()
    finally:
        gadget.remove()


def test_simulated_board_drops_off_the_bus_at_a_reset(guest, boards):
    board = boards.add('reset', hang_up=1, boot_ms=200)
    tty = board.plug()
    # One descriptor for both: an answer that comes before a close is thrown away with it.
    assert guest.run(f'{PORT.format(tty.node)}; exec 3<>{tty.node}; printf "\\006\\011ABAKAAAGAABCAKFhZGJoaZsK\\n" >&3; '
                     f'head -n 1 <&3').out == '\x06\x09ABELAAAHAABCAL9hcmJoaf9Hhw==\n'
    mark, usb_mark = guest.mark(), board.usb.mark()
    board.command('reset')
    again = board.usb.wait_ttys(mark)[0]
    assert again.properties['ID_PATH'] == tty.properties['ID_PATH']
    board.usb.wait('lost', since=usb_mark)
    assert (board.state()['phase'], board.state()['boots']) == ('app', 2)


def test_jobs_report_code_output_and_lines(guest):
    job = guest.spawn('echo one; echo two >&2; exit 7')
    assert (job.wait(), job.out, job.err) == (7, 'one\n', 'two\n')
    job = guest.spawn('echo begun; sleep 1000; echo never', stream=True)
    job.wait_line('begun$')
    job.kill()
    assert job.wait() == 143
    assert job.lines() == ['begun']


def test_shared_folder_goes_both_ways(guest):
    data = hashlib.sha256(b'any').digest() * 8192
    (guest.share / 'to').write_bytes(data)
    guest.run('cp /mnt/to /mnt/from')
    assert (guest.share / 'from').read_bytes() == data
