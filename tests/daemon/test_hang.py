# SPDX-License-Identifier: MIT
"""open and close of a tty that hang in the kernel: no other board and no client notices."""

import base64
import ctypes
import functools
import os
import re
import select
import signal
import statistics
import sys
import threading
import time

import pytest
import rack as racks
import updates

PINGS = 100
MOST_SECONDS = 0.010


class Gate:
    """A named pipe that the daemon reads while it hangs."""

    def __init__(self, path):
        os.mkfifo(path)
        self.path = path
        self.fd = None

    def wait(self):
        """Until the daemon hangs there."""
        def open_it():
            self.fd = os.open(self.path, os.O_WRONLY)

        thread = threading.Thread(target=open_it, daemon=True)  # which may wait for ever
        thread.start()
        thread.join(racks.SECONDS)
        assert self.fd is not None, 'the daemon does not come to the gate'

    def let_go(self):
        os.close(self.fd)
        self.fd = None

    def stand_open(self):
        """Nobody hangs there from now on: a plain file ends at once."""
        os.unlink(self.path)
        open(self.path, 'w').close()
        if self.fd is not None:
            self.let_go()

    def shut(self):
        """Whoever comes hangs there again."""
        os.unlink(self.path)
        os.mkfifo(self.path)


class Arrivals:
    """Counts the files that are put into a directory from now on."""

    MOVED_FROM, MOVED_TO, NONBLOCK = 0x40, 0x80, os.O_NONBLOCK

    def __init__(self, path):
        libc = ctypes.CDLL(None, use_errno=True)
        self.fd = libc.inotify_init1(self.NONBLOCK)
        assert self.fd >= 0 and libc.inotify_add_watch(self.fd, os.fsencode(path), self.MOVED_FROM | self.MOVED_TO) >= 0

    def count(self):
        """So far, and no more after that. (Two alike in a row would be one event: each has a MOVED_FROM before it.)"""
        events = b''
        while select.select([self.fd], [], [], 0)[0]:
            events += os.read(self.fd, 65536)
        os.close(self.fd)
        count = 0
        while events:
            mask, size = (int.from_bytes(events[at:at + 4], sys.byteorder) for at in (4, 12))
            events = events[16 + size:]
            count += mask == self.MOVED_TO
        return count


@functools.cache
def hang_library():
    """A descriptor of it: its own name may have a space, where a name in LD_PRELOAD ends."""
    return os.open(os.environ['HANG_LIBRARY'], os.O_RDONLY | os.O_CLOEXEC)


def preload(monkeypatch, **variables):
    """The daemon that is started next hangs where these say (hang.c)."""
    monkeypatch.setenv('LD_PRELOAD', f'/proc/{os.getpid()}/fd/{hang_library()}')
    monkeypatch.setenv('ASAN_OPTIONS', 'verify_asan_link_order=0')
    for name, value in variables.items():
        monkeypatch.setenv(name, str(value))


@pytest.fixture
def gate(tmp_path):
    g = Gate(tmp_path / 'gate')
    yield g
    if g.fd is not None:
        g.let_go()


@pytest.fixture
def hanging(rack, gate, monkeypatch):
    """A rack whose board `a` has a tty that hangs."""

    def begin(where):
        r = rack('a', 'b')
        r.stop()
        preload(monkeypatch, HANG_TTY=r.sim.path('a'), **{where: gate.path})
        r.start()
        return r

    return begin


def echo_times(client, device):
    times = []
    for number in range(PINGS):
        start = time.monotonic()
        assert client.call('Echo', device=device, text=str(number)) == {'text': str(number)}
        times.append(time.monotonic() - start)
    return times


def state_of(client, device):
    return next(d['state'] for d in client.call('List')['devices'] if d['id'] == device)


def test_open_that_hangs(hanging, gate):
    r = hanging('HANG_OPEN')
    gate.wait()
    client = r.ready('b')
    assert statistics.median(echo_times(client, 'b')) < MOST_SECONDS
    assert state_of(client, 'a') == 'opening'
    gate.let_go()
    r.ready('a')


def test_close_that_hangs(hanging, gate):
    r = hanging('HANG_CLOSE')
    client = r.ready()
    r.sim.command('a unplug')
    gate.wait()
    assert statistics.median(echo_times(client, 'b')) < MOST_SECONDS
    r.sim.command('a plug')  # the tty is another one: it can be opened while the old one still hangs
    r.ready('a')
    gate.let_go()


@pytest.mark.parametrize('where', ['HANG_OPEN', 'HANG_CLOSE'])
def test_the_daemon_ends_all_the_same(hanging, gate, where):
    r = hanging(where)
    if where == 'HANG_OPEN':
        gate.wait()
    else:
        r.ready()
    start = time.monotonic()
    assert r.stop() == 0
    assert time.monotonic() - start < 5


@pytest.mark.parametrize('step', ['upload', 'reattach'])
def test_a_board_that_is_there_before_its_job(rack, gate, tmp_path, monkeypatch, step):
    """A new daemon reads the file of an update from a slow disk, and the board answers long before that is done."""
    r = rack(keys='baud=1000000')
    new = updates.Image(tmp_path)
    c = r.ready()
    file = updates.begin(c, new, detached=True)
    job = updates.until(c, step)['job']
    assert r.stop(signal.SIGKILL) == -signal.SIGKILL
    preload(monkeypatch, HANG_FILE=r.dir / 'state/images' / file, HANG_FOPEN=gate.path)
    r.start()
    gate.wait()
    c = r.ready()
    gate.let_go()
    r.client().wait_device('a', lambda d: 'job' in d or updates.is_new(r.sim.state(), new))
    assert updates.check(r, updates.watch_again(c, job), new) == 'new'


@pytest.mark.parametrize('let_go', [True, pytest.param(False, marks=pytest.mark.slow)])
def test_the_daemon_ends_while_its_configuration_is_read_again(rack, gate, monkeypatch, let_go):
    r = rack()
    r.ready()
    assert r.stop() == 0
    file = r.dir / 'mcumgrd.conf'
    file.write_text('[daemon]\nlog_level = debug\n')
    r.words += ['--config', str(file)]
    preload(monkeypatch, HANG_TTY=file, HANG_OPEN=gate.path)
    first = threading.Thread(target=lambda: (gate.wait(), gate.let_go()))
    first.start()
    r.start()
    first.join()
    r.ready()
    r.process.send_signal(signal.SIGHUP)
    gate.wait()
    r.process.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + racks.SECONDS
    while os.path.exists(r.socket):
        assert time.monotonic() < deadline and r.process.poll() is None, r.text()[-3000:]
        time.sleep(0.01)
    if let_go:
        gate.let_go()
        assert r.process.wait(racks.SECONDS) == 0, r.text()[-3000:]
        return
    assert r.process.wait(racks.SECONDS) == 1
    assert 'something hangs' in r.text()
    r.stop = lambda: 0  # there is nothing left to be stopped
    r.process.returncode = 0


def test_a_state_directory_that_hangs(hanging, gate, monkeypatch):
    """What is known of boards is written by and by; nobody waits for it."""
    monkeypatch.setenv('HANG_RECORD', 'b')
    r = hanging('HANG_RENAME')
    gate.wait()
    c = r.ready()
    for board in ('a', 'b'):
        assert statistics.median(echo_times(c, board)) < MOST_SECONDS
    gate.stand_open()
    assert r.stop() == 0
    for board in ('a', 'b'):
        text = (r.dir / 'state/boards' / board).read_text()
        assert 'version=' in text, text


@pytest.mark.parametrize('again', [True, pytest.param(False, marks=pytest.mark.slow)])
def test_the_daemon_ends_while_its_state_directory_hangs(hanging, gate, monkeypatch, again):
    """Clients are told, boards are let go, and a second signal ends it at once; else its patience does."""
    monkeypatch.setenv('HANG_RECORD', 'b')
    r = hanging('HANG_RENAME')
    gate.wait()
    watcher = r.ready()
    watcher.send('Watch', more=True)
    assert watcher.receive()['continues']
    r.process.send_signal(signal.SIGTERM)
    while 'error' not in (message := watcher.receive()):
        pass
    assert message['error'] == 'io.mcumgr.Stopping'
    assert watcher.receive() is None
    if again:
        r.process.send_signal(signal.SIGTERM)
    status = r.process.wait(racks.SECONDS)
    assert status in (1, -signal.SIGTERM) if again else status == 1, r.text()[-3000:]
    assert again or 'something hangs' in r.text()
    r.process.returncode = 0
    r.stop = lambda: 0  # there is nothing left to be stopped


def test_an_update_waits_for_a_state_directory_that_hangs(hanging, gate, monkeypatch, tmp_path):
    """Its client hears of it once the next daemon would know it. Nobody else waits, and it goes on by itself."""
    monkeypatch.setenv('HANG_RECORD', 'b')
    r = hanging('HANG_RENAME')
    gate.wait()
    c, updater, new = r.ready(), r.client(), updates.Image(tmp_path)
    updates.begin(updater, new, 'a')
    deadline = time.monotonic() + racks.SECONDS
    while not c.call('Jobs')['jobs']:
        assert time.monotonic() < deadline, 'no update began'
    for board in ('a', 'b'):
        assert statistics.median(echo_times(c, board)) < MOST_SECONDS
    assert not select.select([updater.socket], [], [], 0)[0], 'nothing was promised'
    assert not updates.is_new(r.sim.state('a'), new)
    gate.stand_open()
    replies = list(updates.steps(updater))
    assert replies[0]['step'] == 'check' and replies[-1]['outcome'] == 'updated'
    assert updates.is_new(r.sim.state('a'), new)


@pytest.fixture
def good_disk(hanging, gate, monkeypatch):
    """A rack whose disk hangs from hang_at_record() on."""
    monkeypatch.setenv('HANG_RECORD', 'b')
    gate.stand_open()
    return hanging('HANG_RENAME')


def hang_at_record(r, gate):
    """Of board b, and all that are written behind it."""
    gate.shut()
    r.sim.command('b unplug')
    gate.wait()


def job_that_waits_for_its_mark(r, updater, tmp_path):
    r.sim.command('a fault lose-request group=1 id=0 op=write count=0')
    before = updates.lists(r)
    updates.begin(updater, updates.Image(tmp_path), 'a', detached=True)
    return updates.until_mark_is_sent(r, updater, before)['job']


def test_a_cancel_is_answered_once_it_is_on_record(good_disk, gate, tmp_path):
    """The next daemon must not go on with what somebody was told to be cancelled."""
    r = good_disk
    c, updater, canceller = r.ready(), r.client(), r.client()
    job = job_that_waits_for_its_mark(r, updater, tmp_path)
    hang_at_record(r, gate)
    canceller.send('JobCancel', {'job': job})
    for _ in range(3):
        assert [j['state'] for j in c.call('Jobs')['jobs']] == ['running']
    assert not select.select([canceller.socket], [], [], 0)[0]
    gate.stand_open()
    assert canceller.reply() == {}
    r.sim.command('a clear-faults')
    assert updates.follow(updater).name == 'Cancelled'


def test_a_cancel_that_ends_the_job_is_answered_once_that_is_on_record(good_disk, gate, tmp_path):
    r = good_disk
    c, updater, canceller = r.ready(), r.client(), r.client()
    r.sim.command('a fault lose-request group=1 id=1 op=write count=0')
    updates.begin(updater, updates.Image(tmp_path), 'a', detached=True)
    job = updates.until(updater, 'upload')['job']
    hang_at_record(r, gate)
    canceller.send('JobCancel', {'job': job})
    assert updates.follow(updater).name == 'Cancelled'
    assert [j['state'] for j in c.call('Jobs')['jobs']] == ['cancelled']
    assert not select.select([canceller.socket], [], [], 0)[0], 'the next daemon would go on with it'
    other = r.client()
    other.send('JobCancel', {'job': job})
    c.send('FileWrite', {'device': 'a', 'path': '/lfs1/x', 'data': base64.b64encode(b'x').decode()})
    assert c.reply()['doneBytes'] == 1, 'nothing else waits for that'
    assert not select.select([canceller.socket, other.socket], [], [], 0)[0]
    gate.stand_open()
    assert canceller.reply() == other.reply() == {}
    assert (r.dir / 'state/ended' / job).exists()
    assert c.call('JobCancel', job=job) == {}


def test_cancels_do_not_pile_up(good_disk, gate, tmp_path):
    """Clients that ask again and again, and go, leave nothing behind while the disk hangs."""
    r = good_disk
    c, updater = r.ready(), r.client()
    job = job_that_waits_for_its_mark(r, updater, tmp_path)
    hang_at_record(r, gate)
    records = Arrivals(r.dir / 'state/jobs')
    cancellers = [r.client() for _ in range(100)]
    for one in cancellers:
        one.send('JobCancel', {'job': job})
    c.call('Jobs')
    for one in cancellers[1:-1]:
        one.close()
    c.call('Jobs')
    gate.stand_open()
    assert cancellers[0].reply() == cancellers[-1].reply() == {}
    assert c.call('JobCancel', job=job) == {}
    r.sim.command('a clear-faults')
    assert updates.follow(updater).name == 'Cancelled'
    assert records.count() <= 3  # of both, and that it was marked


def test_jobs_that_ended_do_not_pile_up(good_disk, gate):
    """Of those that are no longer listed when the disk takes records again none is written."""
    r = good_disk
    c = r.ready()
    hang_at_record(r, gate)
    records = Arrivals(r.dir / 'state/ended')
    data = base64.b64encode(b'x').decode()
    for number in range(300):
        c.call('FileWrite', device='a', path=f'/lfs1/{number % 3}', data=data)
    kept = [job['id'] for job in c.call('Jobs')['jobs']]
    gate.stand_open()
    assert r.stop() == 0
    assert records.count() <= len(kept) + 1
    assert sorted(os.listdir(r.dir / 'state/ended')) == sorted(kept)
    r.start()
    assert [job['id'] for job in r.client().call('Jobs')['jobs']] == kept


def test_files_that_hang_leave_threads_to_others(rack, gate, tmp_path, monkeypatch):
    """However many clients wait for a file on a disk that hangs: a lease is to be had, and a file that is in memory."""
    boards = [f'b{i}' for i in range(16)]
    r = rack(*boards)
    r.ready()
    slow, new = updates.Image(tmp_path), updates.Image(tmp_path, '3.0.0')
    file = r.client().put(slow.data)['hash']
    assert r.stop() == 0
    preload(monkeypatch, HANG_FILE=r.dir / 'state/images' / file, HANG_FOPEN=gate.path)
    r.start()
    r.ready()
    other = r.client().put(new.data)['hash']
    updaters = [r.client() for _ in boards[1:]]
    for board, updater in zip(boards[1:], updaters):
        updater.send('Update', {'device': board, 'file': file}, more=True)
    gate.wait()
    c = r.client()
    assert c.call('Lock', devices=['b0'])['token']
    c.send('Update', {'device': 'b0', 'file': other}, more=True)
    assert updates.follow(c)['outcome'] == 'updated'
    gate.stand_open()
    for updater in updaters:
        assert updates.follow(updater)['outcome'] == 'updated'


def test_a_file_whose_removal_hangs(rack, gate, tmp_path, monkeypatch):
    """The file longest unused makes room: no board waits for the disk."""
    r = rack()
    r.ready()
    first = r.client().put(b'0', any=True)['hash']
    assert r.stop() == 0
    preload(monkeypatch, HANG_FILE=r.dir / 'state/images' / first, HANG_UNLINK=gate.path)
    r.start()
    c, putter = r.ready(), r.client()
    for number in range(1, 64):
        putter.put(str(number).encode(), any=True)
    putter.send('ImagePut', {'data': base64.b64encode(b'64').decode(), 'any': True})
    gate.wait()
    assert statistics.median(echo_times(c, 'a')) < MOST_SECONDS
    assert putter.reply()['hash']
    putter.send('ImagePut', {'data': base64.b64encode(b'0').decode(), 'any': True})
    gate.stand_open()
    assert putter.reply()['hash'] == first
    assert r.stop() == 0
    assert (r.dir / 'state/images' / first).exists()


def test_a_name_service_that_hangs(rack, gate, tmp_path, monkeypatch):
    """Whoever asks for a lease has to wait for the name of its holder. Files are put, and boards updated, all the same."""
    boards = [f'b{i}' for i in range(16)]
    r = rack(*boards)
    r.ready()
    assert r.stop() == 0
    preload(monkeypatch, HANG_NAMES=gate.path)
    r.start()
    c = r.ready()
    lockers = [r.client() for _ in boards]
    for board, locker in zip(boards, lockers):
        locker.send('Lock', {'devices': [board]})
    gate.wait()
    new = updates.Image(tmp_path)
    assert updates.run(c, new, 'b0')['outcome'] == 'updated'
    for locker in lockers[1::2]:
        locker.close()
    gate.stand_open()
    for locker in lockers[::2]:
        assert locker.reply()['token']
    for board in boards[1::2]:
        assert r.client().call('Lock', devices=[board])['token'], 'who has gone holds nothing'


def test_who_has_gone_is_not_looked_up(rack, gate, monkeypatch):
    """While a name service hangs clients come and go: nothing is kept of those who went."""
    r = rack('a', arguments=('--log-level', 'debug'))
    r.ready()
    assert r.stop() == 0
    preload(monkeypatch, HANG_NAMES=gate.path)
    r.start()
    c = r.ready()
    racks.come_and_go(r, c)
    gate.wait()
    first, last = r.client(), r.client()
    for client in first, last:
        client.send('Lock', {'devices': ['a'], 'wait': True})
    c.call('Leases')
    first.close()
    c.call('Leases')
    r.process.send_signal(signal.SIGTERM)
    assert last.receive()['error'] == 'io.mcumgr.Stopping'
    gate.stand_open()
    assert r.process.wait(racks.SECONDS) == 0
    timers = re.search(r'the loop has.* timer=(\d+)', r.text()[r.text().rindex('stopping ('):])[1]
    assert int(timers) < 50, timers
