# SPDX-License-Identifier: MIT
"""mcumgrd as the real service of a Debian machine, in its sandbox, with USB boards.

What was asked and answered goes to a transcript: $MCUMGRD_TRANSCRIPT, or systemd-guest.txt in the build folder.
The tests are one story, in the order of the file, on one machine.
"""

import json
import os
import re
from pathlib import Path

import pytest

from conftest import BED, ROOT, UNDER_TEST, _missing, _need, _programs
from vmbed.packages import Unavailable
from vmbed.systemd import SystemdGuest
from vmbed.usb import wait_ttys

pytestmark = pytest.mark.slow

RACK = '[device rack]\nmatch = 2fe3:.*\nquiet_ms = 300\n'
SIXTEEN = [f'board{i:02}' for i in range(16)]


class Transcript:
    """Commands as a person would type them, and what the machine said."""

    def __init__(self, guest, path):
        self.guest, self.path = guest, path
        path.write_text('')

    def __call__(self, command, user=None, check=True, timeout=240):
        full = f"runuser -u {user} -- sh -c '{command}'" if user else command
        done = self.guest.run(full, timeout=timeout, check=False)
        done.text = (done.out + done.err).strip()
        with self.path.open('a', encoding='utf-8') as file:
            file.write(f'{user or "root"}$ {command}\n{done.text}\n' + (f'[exit {done.code}]\n' if done.code else '') + '\n')
        assert not check or done.code == 0, f'{command}: exit {done.code}\n{done.text}'
        return done


@pytest.fixture(scope='module')
def guest(tmp_path_factory):
    wanted = {**BED, 'mcumgr-sim': UNDER_TEST['mcumgr-sim']}
    _need(wanted)
    try:
        machine = SystemdGuest(tmp_path_factory.mktemp('systemd'), _programs(wanted))
    except Unavailable as error:
        _missing(str(error))
    yield machine
    machine.stop()


@pytest.fixture(scope='module')
def sh(guest):
    default = ROOT / os.environ.get('MCUMGRD_BUILD', 'build') / 'systemd-guest.txt'
    return Transcript(guest, Path(os.environ.get('MCUMGRD_TRANSCRIPT') or default))


@pytest.fixture(scope='module')
def service(sh):
    """As the README says; and two people."""
    sh('systemd-sysusers')
    sh(f"printf '{RACK}' >/etc/mcumgrd.conf")
    sh('useradd -m ann && adduser --quiet ann mcumgr && useradd -m bob')
    sh('systemctl daemon-reload && systemctl enable --now mcumgrd.socket mcumgrd.service')
    sh('systemctl status --no-pager mcumgrd.service')


def devices(sh):
    return {d['serial']: d for d in json.loads(sh.guest.run('mcumgrctl --json list').out)['devices'] if 'serial' in d}


def wait_state(sh, name, state='ready'):
    """Also of a board, or of a daemon, that is not there yet."""
    sh.guest.run(f'until mcumgrctl wait-for {name} --state {state} --timeout 30s >/dev/null 2>&1; do sleep 0.3; done', timeout=240)


def pid(sh):
    return int(sh.guest.run('systemctl show -P MainPID mcumgrd').out)


@pytest.fixture
def sixteen(guest, boards, bus):
    made = boards.add(*SIXTEEN)
    for board in made:
        board.command('plug')
    mark = guest.mark()
    bus.all('plug')
    wait_ttys(guest, 16, mark)
    return made


def wait_sixteen(sh):
    for name in SIXTEEN:
        wait_state(sh, name)
    assert {devices(sh)[name]['state'] for name in SIXTEEN} == {'ready'}


def test_service_in_its_sandbox(sh, service, boards):
    """Started with no board and no driver in use; then boards come."""
    assert 'enabled' in sh('systemctl is-enabled mcumgrd.service').text
    figure = sh('systemd-analyze security --no-pager mcumgrd.service').text
    assert float(re.search(r'exposure level for mcumgrd.service: ([0-9.]+)', figure)[1]) <= 1.5
    sh('lsmod | grep -E "cdc_acm|usbserial"')
    boards.add('hotplug').plug()
    wait_state(sh, 'hotplug')
    sh('mcumgrctl list')
    assert 'hello' in sh('mcumgrctl -d hotplug os echo hello').text
    assert 'Permission' not in sh('journalctl -u mcumgrd -b --no-pager -o cat').text


def test_ftdi_adapter_comes_later(sh, service, guest, bus, tmp_path, monkeypatch):
    """ttyUSB: its driver was not loaded when the service started."""
    import socket
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind('far')
        listener.listen(1)
        listener.settimeout(60)
        sh("printf '[device ftdi]\\nmatch = 0403:6001\\nprobe = never\\n' >>/etc/mcumgrd.conf")
        sh('systemctl reload mcumgrd.service')
        bus.serial('ftdi', tmp_path / 'far', 'FT1').plug()
        wait_state(sh, 'ft1')
        with listener.accept()[0] as far:
            far.sendall(b'hello from the board\n')
            sh.guest.run('until mcumgrctl -d ft1 console -n 5 | grep -q hello; do sleep 0.3; done')
            sh('mcumgrctl -d ft1 console -n 5')
    sh(f"printf '{RACK}' >/etc/mcumgrd.conf")
    sh('systemctl reload mcumgrd.service')


def lines(board, since):
    """What the board saw of its modem lines and line coding."""
    return [event for event in board.usb.events(since) if 'dtr=' in event or 'baud=' in event]


@pytest.mark.parametrize('how', ['restart', 'crash', 'reload'])
def test_sixteen_boards_do_not_notice(sh, service, guest, sixteen, how):
    wait_sixteen(sh)
    before, marks = pid(sh), [board.usb.mark() for board in sixteen]
    bytes_before = [board.state()['rx_bytes'] for board in sixteen]
    if how == 'reload':
        sh('systemctl reload mcumgrd.service')
    elif how == 'crash':
        sh(f'kill -KILL {before}')  # Restart=on-failure
        sh.guest.run(f'until p=$(systemctl show -P MainPID mcumgrd); [ "$p" != {before} ] && [ "$p" != 0 ] && '
                     'systemctl -q is-active mcumgrd; do sleep 0.2; done')
    else:
        sh('systemctl restart mcumgrd.service')
    wait_sixteen(sh)
    assert (pid(sh) == before) == (how == 'reload')
    for board in SIXTEEN:
        assert 'x' in sh.guest.run(f'mcumgrctl -d {board} os echo x').out
    sh.guest.run('udevadm settle')
    assert [lines(board, mark) for board, mark in zip(sixteen, marks)] == [[]] * 16
    assert not [event for board, mark in zip(sixteen, marks) for event in board.usb.events(mark)]
    if how != 'crash':
        sent = [board.state()['rx_bytes'] - count for board, count in zip(sixteen, bytes_before)]
        assert max(sent) < 64, f'nothing but the echo of this test was sent to any board: {sent}'
    sh('systemctl show mcumgrd.service -p MainPID -p NFileDescriptorStore -p NRestarts')
    sh('mcumgrctl list | head -5')


def test_console_and_lock(sh, service, boards):
    boards.add('talks', shell='on').plug()
    wait_state(sh, 'talks')
    sh('timeout 100 mcumgrctl -d talks lock --reason "flashing by hand" -- mcumgrctl -d talks os echo leased')
    sh('mcumgrctl -d talks console -n 5')
    sh('mcumgrctl doctor talks')


def test_who_may_what(sh, service, boards):
    boards.add('shared').plug()
    wait_state(sh, 'shared')
    assert 'shared' in sh('mcumgrctl list', user='ann').text
    refused = sh('mcumgrctl list', user='bob', check=False)
    assert refused.code == 10 and 'mcumgr' in refused.text
    # everybody may look, ann may change
    sh("mkdir -p /etc/systemd/system/mcumgrd.socket.d; printf '[Socket]\\nSocketMode=0666\\n' >/etc/systemd/system/mcumgrd.socket.d/all.conf")
    sh('systemctl daemon-reload; systemctl stop mcumgrd.service mcumgrd.socket; systemctl start mcumgrd.socket mcumgrd.service')
    refused = sh('mcumgrctl list', user='bob', check=False)
    assert refused.code == 10 and "role 'read'" in refused.text, 'an open socket alone gives no role'
    sh(f"printf '[daemon]\\nread = everybody\\nchange = user:ann\\n{RACK}' >/etc/mcumgrd.conf; systemctl reload mcumgrd.service")
    sh.guest.run('until journalctl -u mcumgrd -b -o cat | tail -n 3 | grep -q "reloaded"; do sleep 0.2; done')
    wait_state(sh, 'shared')
    assert 'shared' in sh('mcumgrctl list', user='bob').text
    refused = sh('mcumgrctl -d shared os system-reset', user='bob', check=False)
    assert refused.code == 10 and "role 'change'" in refused.text
    sh('mcumgrctl -d shared os system-reset', user='ann')
    told = sh('journalctl -u mcumgrd -b -o cat --no-pager | grep -E "Reset"').text
    uid = sh.guest.run('id -u ann').out.strip()
    assert f'Reset by user {uid} (process ' in told and 'is refused' in told
    sh(f"printf '{RACK}' >/etc/mcumgrd.conf; rm -r /etc/systemd/system/mcumgrd.socket.d; systemctl daemon-reload; "
       'systemctl stop mcumgrd.service mcumgrd.socket; systemctl start mcumgrd.socket mcumgrd.service')


def test_broken_configuration_fails_the_reload(sh, service):
    before = pid(sh)
    sh("printf '[device x]\\nbaud = 1\\n' >/etc/mcumgrd.conf")
    refused = sh('systemctl reload mcumgrd.service', check=False)
    assert refused.code != 0 and pid(sh) == before
    sh(f'kill -HUP {before}')
    sh.guest.run('until journalctl -u mcumgrd -b -o cat | grep -q "not reloaded"; do sleep 0.2; done')
    assert "bad value '1' for baud" in sh('journalctl -u mcumgrd -b -o cat --no-pager | tail -n 12').text
    sh(f"printf '{RACK}' >/etc/mcumgrd.conf")
    sh('systemctl reload mcumgrd.service')
    assert pid(sh) == before


def test_socket_activation(sh, service):
    sh('systemctl stop mcumgrd.service', check=False)
    assert sh('systemctl is-active mcumgrd.service', check=False).text == 'inactive'
    sh('mcumgrctl list')
    assert sh('systemctl is-active mcumgrd.service').text == 'active'


def test_watchdog(sh, service):
    before = pid(sh)
    sh(f'kill -STOP {before}')
    sh.guest.run(f'until p=$(systemctl show -P MainPID mcumgrd); [ "$p" != {before} ] && [ "$p" != 0 ]; do sleep 0.5; done', timeout=240)
    assert 'watchdog' in sh('journalctl -u mcumgrd -b --no-pager -o cat | grep -i watchdog').text.lower()
    sh('mcumgrctl list')


def test_events_have_fields_in_the_journal(sh, service, boards):
    boards.add('fields').plug()
    wait_state(sh, 'fields')
    entries = [json.loads(line) for line in sh.guest.run('journalctl -u mcumgrd -b -o json MCUMGRD_DEVICE=fields').out.splitlines()]
    assert {entry['MCUMGRD_TOPIC'] for entry in entries} >= {'usb', 'port', 'device'}
    sh('journalctl -b --no-pager -o verbose MCUMGRD_DEVICE=fields MCUMGRD_TOPIC=device | head -n 40')


def test_nothing_was_denied_and_it_ends_in_peace(sh, service):
    """What the sandbox refuses, the daemon tells with the system's words for it."""
    said = sh.guest.run('journalctl -u mcumgrd -b --no-pager -o cat').out
    assert not [line for line in said.splitlines() if re.search('not permitted|[Pp]ermission denied|Bad system call', line)]
    sh('systemctl stop mcumgrd.service mcumgrd.socket')
    assert sh('systemctl show -P Result mcumgrd.service').text == 'success'
    assert 'main: stopped' in sh('journalctl -u mcumgrd -b --no-pager -o cat | tail -n 8').text
