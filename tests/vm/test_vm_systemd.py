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

    @staticmethod
    def _as(user, command):
        return f"runuser -u {user} -- sh -c '{command}'" if user else command

    def tell(self, user, command, text, code=0):
        """An entry; command '': only what a command of before has printed now."""
        with self.path.open('a', encoding='utf-8') as file:
            parts = [f'{user}$ {command}' if command else '', text.strip(), f'[exit {code}]' if code else '']
            file.write('\n'.join(filter(None, parts)) + '\n\n')

    def heading(self, text):
        with self.path.open('a', encoding='utf-8') as file:
            file.write(f'# {text}\n\n')

    def __call__(self, command, user=None, check=True, timeout=240, label=None):
        done = self.guest.run(self._as(user, command), timeout=timeout, check=False)
        done.text = (done.out + done.err).strip()
        self.tell(user or 'root', command + (f'   # {label}' if label else ''), done.text, done.code)
        assert not check or done.code == 0, f'{command}: exit {done.code}\n{done.text}'
        return done

    def spawn(self, command, user=None):
        """In the background."""
        self.tell(user or 'root', command + ' &', '')
        return self.guest.spawn(self._as(user, command))


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
    configure(sh, RACK, reload=False)
    sh('useradd -m ann && adduser --quiet ann mcumgr && useradd -m bob')
    sh('systemctl daemon-reload && systemctl enable --now mcumgrd.socket mcumgrd.service')
    sh('systemctl status --no-pager mcumgrd.service')


def configure(sh, text, reload=True):
    sh(f'cat >/etc/mcumgrd.conf <<EOF\n{text}EOF')
    if reload:
        sh('systemctl reload mcumgrd.service')


def devices(sh):
    return {d['serial']: d for d in json.loads(sh.guest.run('mcumgrctl --json list').out)['devices'] if 'serial' in d}


def wait_state(sh, name, state='ready'):
    """Also of a board, or of a daemon, that is not there yet."""
    sh.guest.run(f'until mcumgrctl wait-for {name} --state {state} --timeout 30s >/dev/null 2>&1; do sleep 0.3; done', timeout=240)


def pid(sh):
    return int(sh.guest.run('systemctl show -P MainPID mcumgrd').out)


@pytest.fixture(autouse=True)
def told_apart(sh, request):
    sh.heading(request.node.name.replace('_', ' ').removeprefix('test '))


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
    figure = sh('systemd-analyze security --no-pager mcumgrd.service | grep -v "^✓"').text
    assert float(re.search(r'exposure level for mcumgrd.service: ([0-9.]+)', figure)[1]) <= 1.2
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
        configure(sh, RACK + '\n[device ftdi]\nmatch = 0403:6001\nprobe = never\n')
        bus.serial('ftdi', tmp_path / 'far', 'FT1').plug()
        wait_state(sh, 'ft1')
        with listener.accept()[0] as far:
            far.sendall(b'hello from the board\n')
            sh.guest.run('until mcumgrctl -d ft1 console -n 5 | grep -q hello; do sleep 0.3; done')
            sh('mcumgrctl -d ft1 console -n 5')
    configure(sh, RACK)


def healthy(sh, *boards):
    """What doctor says; nothing is wrong with the daemon or these boards."""
    alone = len(boards) == 1
    said = sh(f'mcumgrctl doctor {boards[0]}' if alone else 'mcumgrctl doctor | tail -n 4').text
    assert said.endswith('0 problems, 0 warnings.'), said
    whole = said if alone else sh.guest.run('mcumgrctl doctor').out
    assert all(f'\n{board}:\n  ok       it answers, and runs ' in whole for board in boards), whole


def stored(sh):
    """How many descriptors systemd keeps for the service."""
    return int(sh.guest.run('systemctl show -P NFileDescriptorStore mcumgrd').out)


def restarts(sh):
    return int(sh.guest.run('systemctl show -P NRestarts mcumgrd').out)


def wait_another(sh, before):
    """Systemd has started the daemon again, by itself."""
    sh.guest.run(f'until p=$(systemctl show -P MainPID mcumgrd); [ "$p" != {before} ] && [ "$p" != 0 ] && '
                 'systemctl -q is-active mcumgrd; do sleep 0.2; done', timeout=240)


def lines(board, since):
    """What the board saw of its modem lines and line coding."""
    return [event for event in board.usb.events(since) if 'dtr=' in event or 'baud=' in event]


@pytest.mark.parametrize('how', ['restart', 'crash', 'reload'])
def test_sixteen_boards_do_not_notice(sh, service, guest, sixteen, how):
    wait_sixteen(sh)
    assert all('dtr=1 rts=1' in ' '.join(lines(board, 0)) for board in sixteen), 'a board would see it if its lines changed'
    before, marks, again = pid(sh), [board.usb.mark() for board in sixteen], restarts(sh)
    bytes_before = [board.state()['rx_bytes'] for board in sixteen]
    if how == 'reload':
        sh('systemctl reload mcumgrd.service')
    elif how == 'crash':
        sh(f'kill -KILL {before}')  # Restart=on-failure
        wait_another(sh, before)
    else:
        sh('systemctl restart mcumgrd.service')
    wait_sixteen(sh)
    assert (pid(sh) == before) == (how == 'reload')
    assert restarts(sh) == again + (how == 'crash')
    assert stored(sh) == 16
    for board in SIXTEEN:
        assert 'x' in sh.guest.run(f'mcumgrctl -d {board} os echo x').out
    sh.guest.run('udevadm settle')
    assert [lines(board, mark) for board, mark in zip(sixteen, marks)] == [[]] * 16
    seen = [event for board, mark in zip(sixteen, marks) for event in board.usb.events(mark)]
    sh.heading(f'what the 16 USB devices saw of DTR, RTS, line coding, resets and plugs since: {seen or "nothing"} '
               f'(the first one before: {", ".join(lines(sixteen[0], 0)[-3:])})')
    assert not seen
    if how != 'crash':
        sent = [board.state()['rx_bytes'] - count for board, count in zip(sixteen, bytes_before)]
        assert max(sent) < 64, f'nothing but the echo of this test was sent to any board: {sent}'
    healthy(sh, *SIXTEEN)
    sh('systemctl show mcumgrd.service -p MainPID -p NFileDescriptorStore -p NRestarts')
    sh('mcumgrctl list | head -5')


def lease(sh):
    """The one there is."""
    return json.loads(sh.guest.run('mcumgrctl --json leases').out)['leases'][0]


def test_lock(sh, service, guest, boards):
    boards.add('talks').plug()
    wait_state(sh, 'talks')
    sh('timeout 100 mcumgrctl -d talks lock --reason "nightly test" -- mcumgrctl -d talks os echo leased')
    holder = sh.spawn('mcumgrctl -d talks lock --reason "flashing by hand" -- sleep 1000', user='ann')
    sh.guest.run('until mcumgrctl leases | grep -q flashing; do sleep 0.2; done')
    listed = sh('mcumgrctl leases').text
    assert 'talks' in listed and 'flashing by hand' in listed
    refused = sh('mcumgrctl -d talks os system-reset', check=False)
    assert refused.code == 4
    for word in ('flashing by hand', 'ann', 'sleep 1000', 'process '):
        assert word in refused.text, (word, refused.text)
    assert 'hello' in sh('mcumgrctl -d talks os echo hello').text, 'reading state needs no lease'
    next_one = sh.spawn('mcumgrctl -d talks lock --wait=200 -- echo it is mine now')
    while lease(sh)['waiting'] != 1:
        pass
    sh(f'kill -KILL {lease(sh)["pid"]}', label='the holder dies')
    assert next_one.wait(240) == 0 and next_one.out == 'it is mine now\n'
    sh.tell('root', '', next_one.out)
    holder.kill()
    holder.wait()
    assert 'talks' not in sh('mcumgrctl leases').text


def test_console(sh, service, boards):
    """What it prints, what is typed, and the same terminal for other programs (tty = yes): of the group, and of nobody else."""
    board = boards.add('talks', shell='on')
    board.plug()
    wait_state(sh, 'talks')
    board.command(r'console *** Booting Zephyr OS build v4.4.0 ***\r\nsensor: 21.5 C\r\n')
    sh.guest.run('until mcumgrctl -d talks console -n 5 | grep -q "21.5 C"; do sleep 0.2; done')
    said = sh('mcumgrctl -d talks console -n 5').text
    assert 'Booting Zephyr OS' in said and 'sensor: 21.5 C' in said
    configure(sh, RACK + 'tty = yes\n')
    sh.guest.run('until [ -e /run/mcumgr/dev/talks ]; do sleep 0.2; done')
    assert re.search(r'^crw-rw---- \S+ mcumgrd mcumgr ', sh('ls -lL /run/mcumgr/dev/talks').text)
    type_there(sh, 'ann', 'hello from ann')
    refused = sh('cat </run/mcumgr/dev/talks', user='bob', check=False)
    assert refused.code != 0 and 'Permission denied' in refused.text
    sh('systemctl restart mcumgrd.service')
    wait_state(sh, 'talks')
    sh.guest.run('until [ -e /run/mcumgr/dev/talks ]; do sleep 0.2; done')
    type_there(sh, 'ann', 'hello again')
    healthy(sh, 'talks')
    configure(sh, RACK)
    sh.guest.run('while [ -e /run/mcumgr/dev/talks ]; do sleep 0.2; done')


def type_there(sh, user, text):
    """A terminal program: raw, a command for the board's shell, and its answer; SMP goes on meanwhile."""
    talk = (f'exec 3<>/run/mcumgr/dev/talks; stty raw -echo <&3; printf "echo {text}\\r" >&3; '
            f'mcumgrctl -d talks os echo meanwhile; timeout 100 grep -m1 "^{text}" <&3')
    assert sh(talk, user=user).text.split('\n') == ['meanwhile', text]


def test_doctor(sh, service, guest, boards):
    """Who may not, what has another program's hand on it, and what does not speak SMP."""
    silent = boards.add('silent', dead='on', shell='on')
    silent.plug()
    wait_state(sh, 'silent', 'unresponsive')
    asked = sh('mcumgrctl doctor silent', check=False)
    assert asked.code == 1 and re.search(r'(?m)^  problem +', asked.text), asked.text
    tty = boards.add('shared').plug().node
    wait_state(sh, 'shared')
    other = guest.spawn(f'sleep 1000 <>{tty} & wait')  # the shell's controlling terminal would be hung up with it
    guest.run(f'until ls -l /proc/[0-9]*/fd 2>/dev/null | grep -q "0 -> {tty}"; do sleep 0.2; done')
    asked = sh('mcumgrctl doctor shared', check=False)
    assert asked.code == 1 and re.search(r'problem +.*sleep', asked.text), asked.text
    other.kill()
    other.wait()
    healthy(sh, 'shared')
    asked = sh('mcumgrctl doctor', user='bob', check=False)
    assert asked.code != 0 and 'mcumgr' in asked.text


def test_updates_and_the_end_of_the_daemon(sh, service, boards, image):
    """One goes on when the daemon is killed in the middle; of one that fails it is told why after a restart."""
    boards.add('slow', write_us=30000).plug()
    wait_state(sh, 'slow')
    said = sh(f'mcumgrctl -d slow firmware update --detach {image("2.0.0", size=100000)}').text
    job = json.loads(sh.guest.run('mcumgrctl --json jobs').out)['jobs'][0]
    assert job['state'] == 'running' and job['id'] in said
    before = pid(sh)
    sh(f'kill -KILL {before}')
    wait_another(sh, before)
    sh.guest.run(f'until mcumgrctl --json jobs | grep -q {job["id"]}; do sleep 0.2; done')
    assert '2.0.0' in sh(f'mcumgrctl job watch {job["id"]}').text
    wait_state(sh, 'slow')
    assert devices(sh)['slow']['version'] == '2.0.0'
    board = boards.add('worn')
    board.plug()
    wait_state(sh, 'worn')
    board.command(r'console <err> flash: page 7 is worn out\r\n')
    board.command('fault error rc=9 errgroup=1 group=1 id=1 count=0')
    failed = sh(f'mcumgrctl -d worn firmware update {image("2.0.0")}', check=False)
    assert failed.code != 0 and 'page 7 is worn out' in failed.text
    sh('systemctl restart mcumgrd.service')
    wait_state(sh, 'worn')
    sh('mcumgrctl jobs')
    job = next(j for j in json.loads(sh.guest.run('mcumgrctl --json jobs').out)['jobs'] if j['device'] == 'worn')
    again = sh(f'mcumgrctl job watch {job["id"]}', check=False)
    assert again.code == failed.code and 'page 7 is worn out' in again.text and 'NO_FREE_SLOT' in again.text


def test_who_may_what(sh, service, boards):
    boards.add('shared').plug()
    wait_state(sh, 'shared')
    assert 'shared' in sh('mcumgrctl list', user='ann').text
    refused = sh('mcumgrctl list', user='bob', check=False)
    assert refused.code == 10 and 'mcumgr' in refused.text
    # everybody may look, ann may change
    sh('mkdir -p /etc/systemd/system/mcumgrd.socket.d')
    sh('cat >/etc/systemd/system/mcumgrd.socket.d/all.conf <<EOF\n[Socket]\nSocketMode=0666\nEOF')
    sh('systemctl daemon-reload; systemctl stop mcumgrd.service mcumgrd.socket; systemctl start mcumgrd.socket mcumgrd.service')
    refused = sh('mcumgrctl list', user='bob', check=False)
    assert refused.code == 10 and "role 'read'" in refused.text, 'an open socket alone gives no role'
    configure(sh, f'[daemon]\nread = everybody\nchange = user:ann\n\n{RACK}')
    sh.guest.run('until journalctl -u mcumgrd -b -o cat | tail -n 3 | grep -q "reloaded"; do sleep 0.2; done')
    wait_state(sh, 'shared')
    assert 'shared' in sh('mcumgrctl list', user='bob').text
    refused = sh('mcumgrctl -d shared os system-reset', user='bob', check=False)
    assert refused.code == 10 and "role 'change'" in refused.text
    sh('mcumgrctl -d shared os system-reset', user='ann')
    told = sh('journalctl -u mcumgrd -b -o cat --no-pager | grep -E "Reset"').text
    uid = sh.guest.run('id -u ann').out.strip()
    assert f'Reset by user {uid} (process ' in told and 'is refused' in told
    configure(sh, RACK, reload=False)
    sh('rm -r /etc/systemd/system/mcumgrd.socket.d; systemctl daemon-reload')
    sh('systemctl stop mcumgrd.service mcumgrd.socket; systemctl start mcumgrd.socket mcumgrd.service')


def test_broken_configuration_fails_the_reload(sh, service):
    before = pid(sh)
    configure(sh, '[device x]\nbaud = 1\n', reload=False)
    refused = sh('systemctl reload mcumgrd.service', check=False)
    assert refused.code != 0 and pid(sh) == before
    sh(f'kill -HUP {before}')
    sh.guest.run('until journalctl -u mcumgrd -b -o cat | grep -q "not reloaded"; do sleep 0.2; done')
    assert "bad value '1' for baud" in sh('journalctl -u mcumgrd -b -o cat --no-pager | tail -n 12').text
    configure(sh, RACK)
    assert pid(sh) == before


def test_socket_activation(sh, service):
    sh('systemctl stop mcumgrd.service', check=False)
    assert sh('systemctl is-active mcumgrd.service', check=False).text == 'inactive'
    sh('mcumgrctl list')
    assert sh('systemctl is-active mcumgrd.service').text == 'active'


def test_watchdog(sh, service, boards):
    """A daemon that hangs is ended and started again; its boards do not notice."""
    board = boards.add('watched')
    board.plug()
    wait_state(sh, 'watched')
    before, mark, again = pid(sh), board.usb.mark(), restarts(sh)
    sh(f'kill -STOP {before}')
    wait_another(sh, before)
    assert 'watchdog' in sh('journalctl -u mcumgrd -b --no-pager -o cat | grep -i watchdog').text.lower()
    assert restarts(sh) == again + 1
    wait_state(sh, 'watched')
    assert board.usb.events(mark) == []
    healthy(sh, 'watched')


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
