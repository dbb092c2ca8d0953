# SPDX-License-Identifier: MIT
"""tty = yes: the console of a board as a pseudo-terminal for other programs, while SMP goes on."""

import os
import pathlib
import pty
import select
import shutil
import signal
import socket
import stat
import subprocess
import time
import tty

import pytest

SECONDS = 60


class Terminal:
    """One who has it open, as a serial library does: raw, and never its controlling terminal."""

    def __init__(self, r, board='a', mode=os.O_RDWR):
        self.path = r.dir / 'dev' / board
        self.fd = os.open(self.path, mode | os.O_NOCTTY)
        tty.setraw(self.fd)
        self.text = b''

    def expect(self, text):
        end = time.monotonic() + SECONDS
        while text not in self.text:
            assert select.select([self.fd], [], [], max(0, end - time.monotonic()))[0], self.text[-500:]
            self.text += os.read(self.fd, 4096)
        return self

    def type(self, keys):
        os.write(self.fd, keys)

    def close(self):
        os.close(self.fd)


def wait_log(r, text, count=1):
    end = time.monotonic() + SECONDS
    while r.text().count(text) < count:
        assert time.monotonic() < end, (text, r.text()[-1000:])
        time.sleep(0.02)


@pytest.fixture
def shell(rack):
    r = rack('a', keys='shell=on', tty='yes')
    r.ready()
    return r


def opened(r, count=1, **more):
    """Somebody who is seen to have it open: what is printed now reaches them."""
    t = Terminal(r, **more)
    wait_log(r, 'is in use', count)
    return t


def test_a_shell_while_echoes_run(shell):
    client, t = shell.ready(), opened(shell)
    for i in range(5):
        t.type(f'echo turn {i}\r'.encode())
        assert client.call('Echo', device='a', text='z' * 200) == {'text': 'z' * 200}
        t.expect(f'\nturn {i}\r\n'.encode())
        assert client.call('Echo', device='a', text='y') == {'text': 'y'}
    t.expect(b'uart:~$ ')
    assert b'\x06\x09' not in t.text and b'not found' not in t.text
    t.close()


def test_bytes_as_they_were_printed(rack):
    r = rack('a', tty='yes')
    r.ready()
    t = opened(r)
    r.sim.command(r'a console one\r\ntwo\n\e[1;31mred\e[0m \x00\xff\x80 100%\rdone\r\nuart:~$ ')
    t.expect(b'uart:~$ ')
    assert t.text == b'one\r\ntwo\n\x1b[1;31mred\x1b[0m \x00\xff\x80 100%\rdone\r\nuart:~$ '
    for i in range(10):
        r.sim.command('a console ' + r'0123456789\r\n' * 200)
        r.sim.command(rf'a console end {i}\n')
        t.expect(b'end %d\n' % i)
    assert t.text.count(b'0123456789\r\n') == 2000
    t.close()


def test_programs_come_and_go(shell):
    """Who opens it reads what is printed from then on, and nothing that another one left."""
    for turn in range(1, 4):
        shell.sim.command(rf'a console \nunread {turn}\n')
        next(reply for reply in shell.client().stream('Console', device='a', follow=True)
             if f'unread {turn}' in [line['text'] for line in reply['lines']])
        t = opened(shell, turn)
        t.type(f'echo hello {turn}\r'.encode())
        t.expect(f'\nhello {turn}\r\n'.encode())
        assert b'unread' not in t.text
        shell.sim.command(r'a console left behind\n')
        t.close()
        wait_log(shell, 'is no longer in use', turn)
    # Also without anybody who reads in between: keys of one who leaves at once arrive.
    reader = shell.client()
    reader.send('Console', {'device': 'a', 'follow': True, 'backlog': 0}, more=True)
    t = Terminal(shell)
    t.type(b'echo quick\r')
    t.close()
    while not any(line['text'] == 'quick' for line in reader.reply()['lines']):
        pass


def test_one_who_does_not_read_holds_nothing_up(rack):
    r = rack('a', tty='yes', console_lines=100)
    client = r.ready()
    t = opened(r)
    reader = r.client()
    reader.send('Console', {'device': 'a', 'follow': True, 'backlog': 0}, more=True)
    reader.reply()
    begin = time.monotonic()
    for i in range(40):  # more than the kernel holds for a pseudo-terminal, by far
        r.sim.command('a console ' + (50 * 'y' + r'\n') * 150 + rf'end {i}\n')
        while not any(line['text'] == f'end {i}' for line in reader.reply()['lines']):
            pass
        assert client.call('Echo', device='a', text=str(i)) == {'text': str(i)}
    t.expect(b'end 39\n')
    t.close()
    wait_log(r, 'is no longer in use')
    told = [line for line in r.text().splitlines() if 'lines are lost' in line]
    lost = sum(int(line.split(' lines are lost')[0].split()[-1]) for line in told)
    assert lost > 0 and lost + t.text.count(b'\n') == 40 * 151
    assert len(told) <= 2 + (time.monotonic() - begin) / 10, 'the log grows with what is lost'


def test_one_who_reads_slowly_does_not_fill_the_log(rack):
    """A board that prints more than its terminal's reader takes loses lines each time that a piece is read."""
    r = rack('a', tty='yes', console_lines=20)
    client = r.ready()
    t = opened(r)
    begin = time.monotonic()
    for i in range(40):
        r.sim.command('a console ' + r'y\n' * 2000)
        assert client.call('Echo', device='a', text=str(i)) == {'text': str(i)}
        os.read(t.fd, 2048)
    told = r.text().count('reads too slowly')
    assert 1 <= told <= 2 + (time.monotonic() - begin) / 10
    t.close()


def test_it_is_of_the_group_of_the_socket(rack):
    """Also of a socket that the service manager made, of which the configuration says nothing."""
    r = rack('a', tty='yes')
    assert r.stop() == 0
    group = 12345 if os.geteuid() == 0 else os.getgid()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(r.dir / 'activated'))
        os.chown(r.dir / 'activated', -1, group)
        os.chmod(r.dir / 'activated', 0o660)
        listener.listen()
        r.start_activated(listener)
    r.ready()
    there = (r.dir / 'dev/a').stat()
    assert (stat.S_IMODE(there.st_mode), there.st_gid) == (0o660, group)


def test_the_link(rack):
    r = rack('a', tty='yes')
    r.ready()
    link = r.dir / 'dev' / 'a'
    assert link.is_symlink() and os.readlink(link).startswith('/dev/pts/')
    assert stat.S_IMODE((r.dir / 'dev').stat().st_mode) == 0o755
    assert stat.S_IMODE(link.stat().st_mode) == 0o660 and link.stat().st_gid == os.stat(r.socket).st_gid
    before = os.readlink(link)
    t = opened(r)
    r.sim.command('a unplug')
    r.client().wait_device('a', lambda d: d['state'] == 'absent')
    t.type(b'nobody hears this')
    r.sim.command('a plug')
    r.ready()
    assert os.readlink(link) == before
    r.sim.command(r'a console back\n')
    t.expect(b'back\n')  # the program that had it open has it still
    t.close()
    assert r.stop() == 0
    assert not os.path.lexists(link)
    r.start()


def test_the_link_of_a_daemon_that_was_killed_is_replaced(rack):
    r = rack('a', tty='yes')
    r.ready()
    link = r.dir / 'dev' / 'a'
    r.stop(signal.SIGKILL)
    assert link.is_symlink()
    link.unlink()
    link.symlink_to('/dev/pts/987654')
    r.start()
    r.ready()
    t = opened(r)
    r.sim.command(r'a console new\n')
    t.expect(b'new\n')
    t.close()


@pytest.mark.parametrize('kind', ['file', 'folder', 'link', 'other'])
def test_what_others_put_there_is_left_alone(rack, kind):
    r = rack('a', tty='yes')
    r.ready()
    assert r.stop() == 0
    path = r.dir / 'dev' / 'a'
    if kind == 'file':
        path.write_text('precious')
    elif kind == 'folder':
        path.mkdir()
    else:
        path.symlink_to('/etc/passwd' if kind == 'link' else '/dev/pts/0')
        if kind == 'other':
            if os.geteuid() != 0:
                pytest.skip('only root can make a link of somebody else')
            os.lchown(path, 65534, 65534)
    before = os.lstat(path).st_ino
    r.start()
    r.ready()
    wait_log(r, 'something else has that name')
    assert r.stop() == 0
    assert os.lstat(path).st_ino == before
    r.start()


def test_without_the_key_there_is_none(rack):
    r = rack('a')
    r.ready()
    assert not (r.dir / 'dev').exists()


def test_a_board_that_takes_nothing_stops_who_types(rack):
    r = rack('a', keys='shell=on,baud=300', tty='yes', probe='passive')
    r.ready()
    t = opened(r)
    os.set_blocking(t.fd, False)
    total, end = 0, time.monotonic() + SECONDS
    while time.monotonic() < end:
        try:
            total += os.write(t.fd, b'x' * 1024)
        except BlockingIOError:
            if total > 16384:
                break
            select.select([], [t.fd], [], 1)
    assert 16384 < total < 16384 + 65536  # what is queued for the board, and what the kernel holds
    t.close()


@pytest.mark.parametrize('program', ['picocom', 'tio', 'socat'])
def test_terminal_programs(shell, program):
    path = shutil.which(program)
    if not path:
        pytest.skip(f'{program} is not installed')
    link = str(pathlib.Path(shell.dir / 'dev' / 'a'))
    words = {'picocom': [path, '-q', '-b', '115200', link], 'tio': [path, '-b', '115200', link],
             'socat': [path, '-,raw,echo=0', f'{link},raw,echo=0']}[program]
    master, slave = pty.openpty()
    process = subprocess.Popen(words, stdin=slave, stdout=slave, stderr=slave, start_new_session=True, close_fds=True)
    os.close(slave)
    seen, end = b'', time.monotonic() + SECONDS
    try:
        wait_log(shell, 'is in use')
        os.write(master, b'echo from the terminal\r')
        while b'\nfrom the terminal' not in seen:
            assert select.select([master], [], [], max(0, end - time.monotonic()))[0], seen
            seen += os.read(master, 4096)
        assert shell.client().call('Echo', device='a', text='x') == {'text': 'x'}
    finally:
        process.kill()
        process.wait()
        os.close(master)
    wait_log(shell, 'is no longer in use')
