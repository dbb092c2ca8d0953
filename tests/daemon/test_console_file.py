# SPDX-License-Identifier: MIT
"""The console of a board as a file: what stands in it, how it is rotated, and disks that fail."""

import os
import re
import resource
import shutil
import signal
import time

import pytest

SECONDS = 60
STAMP = re.compile(r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (?:\[\w+\] )?')


@pytest.fixture
def logged(rack):
    def begin(*boards, **settings):
        r = rack(*boards, console_log='yes', **settings)
        r.ready()
        r.folder = r.dir / 'mcumgr-log'
        return r
    return begin


def text(r, name='a.log'):
    try:
        return (r.folder / name).read_text()
    except (FileNotFoundError, IsADirectoryError):
        return ''


def wait(r, holds, what):
    end = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < end, (what, text(r)[-500:], r.text()[-500:])
        time.sleep(0.02)


def wait_text(r, wanted, name='a.log'):
    wait(r, lambda: wanted in text(r, name), wanted)


def test_lines(logged):
    r = logged('a', 'b')
    r.sim.command(r'a console one\r\n\e[1;31m<err> os: >>> ZEPHYR FATAL ERROR 4\e[0m\r\nbell\x07\n')
    r.sim.command(r'b console other\n')
    wait_text(r, 'bell')
    wait_text(r, 'other', 'b.log')
    lines = text(r).splitlines()
    assert all(STAMP.match(line) for line in lines)
    assert [STAMP.sub('', line) for line in lines] == ['one', '<err> os: >>> ZEPHYR FATAL ERROR 4', 'bell\ufffd']
    assert '[fatal]' in lines[1] and '[' not in lines[0]
    assert (r.folder / 'a.log').stat().st_mode & 0o777 == 0o640
    # It goes on in the next daemon.
    assert r.stop() == 0
    assert text(r).count('\n') == 3
    r.start()
    r.ready()
    r.sim.command(r'a console again\n')
    wait_text(r, 'again')
    assert text(r).splitlines()[:3] == lines


def test_what_was_printed_last_is_written_when_the_daemon_ends(logged):
    r = logged('a')
    reader = r.client()
    reader.send('Console', {'device': 'a', 'follow': True, 'backlog': 0}, more=True)
    reader.reply()
    r.sim.command(r'a console the end\n')
    while not any(line['text'] == 'the end' for line in reader.reply()['lines']):
        pass
    assert r.stop() == 0
    assert 'the end\n' in text(r)
    r.start()


def test_rotation(logged):
    r = logged('a', log_size=4096, log_count=2)
    for i in range(10):
        r.sim.command('a console ' + rf'round {i} {"x" * 80}\n' * 20)
    wait_text(r, 'round 9')
    wait(r, lambda: text(r).count('round 9') + text(r, 'a.log.1').count('round 9') == 20, 'all of the last round')
    assert sorted(os.listdir(r.folder)) == ['a.log', 'a.log.1', 'a.log.2']
    for name in os.listdir(r.folder):
        assert (r.folder / name).stat().st_size <= 4096
        assert text(r, name).endswith('\n') and all(STAMP.match(line) for line in text(r, name).splitlines())
    # Nothing is missing between the files.
    rounds = [int(line.split()[2]) for name in ('a.log.2', 'a.log.1', 'a.log') for line in text(r, name).splitlines()]
    assert rounds == sorted(rounds) and rounds[-20:] == [9] * 20


def test_no_old_files(logged):
    r = logged('a', log_size=4096, log_count=0)
    for i in range(5):
        r.sim.command('a console ' + rf'round {i} {"x" * 80}\n' * 20)
    wait_text(r, 'round 4')
    assert os.listdir(r.folder) == ['a.log']


def test_a_disk_that_is_full_loses_nothing_that_the_ring_holds(logged):
    r = logged('a')
    r.sim.command(r'a console before\n')
    wait_text(r, 'before')
    usual = resource.prlimit(r.process.pid, resource.RLIMIT_FSIZE)
    size = (r.folder / 'a.log').stat().st_size
    resource.prlimit(r.process.pid, resource.RLIMIT_FSIZE, (size + 20, usual[1]))  # a line and a part of it
    client = r.client()
    for i in range(20):
        r.sim.command(rf'a console number {i}\n')
        assert client.call('Echo', device='a', text=str(i)) == {'text': str(i)}
    # The daemon's own log is full, too.
    wait(r, lambda: (r.folder / 'a.log').stat().st_size == size + 20, 'no more fits')
    resource.prlimit(r.process.pid, resource.RLIMIT_FSIZE, usual)
    wait_text(r, 'number 19\n')
    assert [STAMP.sub('', line) for line in text(r).splitlines()] == ['before'] + [f'number {i}' for i in range(20)]


def test_what_the_ring_cannot_hold_meanwhile_is_counted(logged):
    r = logged('a', console_lines=10)
    r.sim.command(r'a console before\n')
    wait_text(r, 'before')
    (r.folder / 'a.log').rename(r.folder / 'moved')
    (r.folder / 'a.log').mkdir()
    r.sim.command(r'a console first\n')
    wait(r, lambda: 'cannot be written' in r.text(), 'the log tells')
    r.sim.command('a console ' + ''.join(rf'number {i}\n' for i in range(50)))
    client = r.client()
    while client.call('Console', device='a', backlog=1)['lines'][-1]['text'] != 'number 49':
        pass
    (r.folder / 'a.log').rmdir()
    wait_text(r, 'number 49\n')
    assert r.text().count('cannot be written') == 1 and 'is written again' in r.text()
    assert [STAMP.sub('', line) for line in text(r).splitlines()] == \
        ['first', '(40 lines are lost)'] + [f'number {i}' for i in range(40, 50)]


def test_a_directory_that_is_removed_is_made_again(logged):
    r = logged('a')
    r.sim.command(r'a console one\n')
    wait_text(r, 'one')
    shutil.rmtree(r.folder)
    r.sim.command(r'a console two\n')
    wait_text(r, 'two')
    os.rename(r.folder / 'a.log', r.folder / 'moved')  # as others rotate it
    r.sim.command(r'a console three\n')
    wait_text(r, 'three')


@pytest.mark.parametrize('kind', ['link', 'folder', 'pipe'])
def test_what_is_no_plain_file_is_left_alone(logged, kind):
    r = logged('a', 'b')
    r.sim.command(r'b console x\n')
    wait_text(r, 'x', 'b.log')
    path, victim = r.folder / 'a.log', r.dir / 'victim'
    victim.write_text('precious')
    {'link': lambda: path.symlink_to(victim), 'folder': path.mkdir, 'pipe': lambda: os.mkfifo(path)}[kind]()
    r.sim.command(r'a console harm\n')
    wait(r, lambda: 'cannot be written' in r.text(), 'the log tells')
    assert victim.read_text() == 'precious'
    path.rmdir() if kind == 'folder' else path.unlink()
    wait_text(r, 'harm')


def test_a_reload_loses_nothing(logged):
    """What could not be written yet is not forgotten with the configuration of before."""
    r = logged('a')
    r.sim.command(r'a console before\n')
    wait_text(r, 'before')
    (r.folder / 'a.log').rename(r.folder / 'moved')
    (r.folder / 'a.log').mkdir()
    r.sim.command(r'a console first\n')
    wait(r, lambda: 'cannot be written' in r.text(), 'the log tells')
    r.sim.command(r'a console second\n')
    client = r.client()
    while client.call('Console', device='a', backlog=1)['lines'][-1]['text'] != 'second':
        pass
    r.process.send_signal(signal.SIGHUP)
    wait(r, lambda: 'config: reloaded' in r.text(), 'it is reloaded')
    (r.folder / 'a.log').rmdir()
    r.sim.command(r'a console third\n')
    wait_text(r, 'third\n')
    assert [STAMP.sub('', line) for line in text(r).splitlines()] == ['first', 'second', 'third']


def test_the_end_of_much_is_written_when_the_daemon_ends(logged):
    r = logged('a')
    reader = r.client()
    reader.send('Console', {'device': 'a', 'follow': True, 'backlog': 0}, more=True)
    reader.reply()
    for i in range(100):
        r.sim.command('a console ' + ''.join(rf'{20 * i + k} {"x" * 80}\n' for k in range(20)))
    while not any(line['text'].startswith('1999 ') for line in reader.reply()['lines']):
        pass
    assert r.stop() == 0
    numbers = [int(STAMP.sub('', line).split()[0]) for line in text(r).splitlines()]
    assert numbers == list(range(2000))
    r.start()
