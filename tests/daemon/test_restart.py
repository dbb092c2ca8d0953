# SPDX-License-Identifier: MIT
"""A restart that boards do not notice: their ttys stay open with the service manager."""

import contextlib
import fcntl
import os
import re
import signal
import time

import pytest
import rack as racks
import updates
from manager import Service


@pytest.fixture
def service():
    running = []

    def begin(*boards, **more):
        r = Service(boards or ('a',), **more)
        running.append(r)
        return r

    yield begin
    for r in running:
        r.close()


def seen(r, board='a'):
    """What a board notices of us."""
    state = r.sim.state(board)
    return {key: state[key] for key in ('open', 'opens', 'rx_bytes', 'termios')}


def get(r, board='a'):
    with_times = r.client().call('Get', device=board)['device']
    return {key: value for key, value in with_times.items() if key != 'since'}


def test_restart_is_invisible(service):
    r = service('a', 'b')
    r.ready()
    for board in r.boards:
        r.sim.command(f'{board} wait-idle')
    known, noticed = [get(r, b) for b in r.boards], [seen(r, b) for b in r.boards]
    assert len(r.manager.stored) == 2
    assert r.stop() == 0
    assert [seen(r, b) for b in r.boards] == noticed
    r.words = [word.replace('quiet_ms=100', 'quiet_ms=60000') for word in r.words]  # nobody is asked to wait for it
    r.start()
    r.ready()
    assert [get(r, b) for b in r.boards] == known
    assert [seen(r, b) for b in r.boards] == noticed
    assert r.client().call('Echo', device='a', text='x') == {'text': 'x'}
    assert len(r.manager.stored) == 2


def test_restart_again_and_again(service):
    r = service()
    r.ready()
    r.sim.command('a wait-idle')
    noticed = seen(r)
    for _ in range(5):
        assert r.stop() == 0
        r.start()
        r.ready()
    assert seen(r) == noticed
    assert len(r.manager.stored) == 1


def test_after_a_crash_the_tty_is_open_and_the_board_is_asked_again(service):
    r = service()
    r.ready()
    opens = r.sim.state()['opens']
    assert r.stop(signal.SIGKILL) == -signal.SIGKILL
    r.start()
    r.ready()
    assert r.sim.state()['opens'] == opens
    assert 'device: quiet' in r.text().split('stopped')[-1]


def test_nobody_else_gets_the_tty_meanwhile(service):
    r = service()
    r.ready()
    assert r.stop() == 0
    fd = os.open(r.sim.path('a'), os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    with pytest.raises(BlockingIOError):
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(fd)
    r.start()
    r.ready()


def test_board_that_went_meanwhile(service):
    r = service()
    r.ready()
    assert r.stop() == 0
    r.sim.command('a unplug')
    r.start()
    r.client().wait_device('a', lambda d: d['state'] == 'absent')
    r.manager.wait(lambda m: not m.stored)
    r.sim.command('a plug')
    r.ready()
    r.manager.wait(lambda m: len(m.stored) == 1)


def test_board_that_was_exchanged_meanwhile(service):
    """Another tty goes by the same name: what was kept is hung up."""
    r = service()
    r.ready()
    old = list(r.manager.stored)
    assert r.stop() == 0
    r.sim.command('a unplug')
    r.sim.command('a plug')
    r.start()
    r.ready()
    r.manager.wait(lambda m: len(m.stored) == 1 and list(m.stored) != old)
    assert 'device: quiet' in r.text().split('stopped')[-1]


def test_board_that_reset_itself_meanwhile(service):
    """Its banner waits in the kernel and is heard first."""
    r = service('a', keys='banner=on')
    r.ready()
    assert r.stop() == 0
    r.sim.command('a reset')
    r.sim.wait('boots>=2')
    r.sim.running()
    r.start()
    r.client().wait_device('a', lambda d: d['state'] in ('quiet', 'probing'))
    r.ready()


def test_what_boards_say_meanwhile_is_on_the_console(service):
    r = service()
    r.ready()
    assert r.stop() == 0
    r.sim.command('a console while you were out\\n')
    r.start()
    for reply in r.client().stream('Console', device='a', follow=True):
        if any(line['text'] == 'while you were out' for line in reply['lines']):
            break


def test_unplugged_boards_leave_the_store(service):
    r = service('a', 'b')
    r.ready()
    r.sim.command('a unplug')
    r.manager.wait(lambda m: len(m.stored) == 1)
    assert next(iter(r.manager.stored)).startswith('tty-')


@pytest.mark.slow
def test_what_nobody_wants_any_more_is_closed(service):
    r = service('a', 'b')
    r.ready()
    assert r.stop() == 0
    at = r.words.index('--port')
    del r.words[at:at + 2]
    r.start()
    r.manager.wait(lambda m: len(m.stored) == 1)
    r.ready('b')


def test_without_a_store_nothing_is_kept(service):
    """A service manager that stores nothing (FileDescriptorStoreMax=0): the next start is like any other."""
    r = service()
    r.ready()
    assert r.stop() == 0
    for name in list(r.manager.stored):
        os.close(r.manager.stored.pop(name))
    r.start()
    r.ready()
    assert r.sim.state()['opens'] == 2


# --- jobs that ended ------------------------------------------------------------------------------------------------------


def records(r):
    """The files of jobs that ended, by name; whole ones only, and not those that go meanwhile."""
    found = {}
    for path in (r.dir / 'state/ended').glob('[!.]*'):
        with contextlib.suppress(FileNotFoundError):
            found[path.name] = path.read_bytes()
    return found


def wait_recorded(r, *jobs):
    """A thread writes them; the record of the unfinished job goes then."""
    end = time.monotonic() + racks.SECONDS
    while not set(jobs) <= set(records(r)) or any((r.dir / 'state/jobs' / job).exists() for job in jobs):
        assert time.monotonic() < end, (jobs, list(records(r)))
        time.sleep(0.02)


def wait_records(r, expected):
    """What is too much goes a moment later."""
    end = time.monotonic() + racks.SECONDS
    while sorted(records(r)) != sorted(expected):
        assert time.monotonic() < end, sorted(records(r))
        time.sleep(0.02)


def told(r):
    """All that Jobs and JobWatch say."""
    client = r.client()
    jobs = client.call('Jobs')['jobs']
    return jobs, [client.call('JobWatch', job=j['id'])['job'] for j in jobs]


@pytest.fixture(scope='module')
def image(tmp_path_factory):
    return updates.Image(tmp_path_factory.mktemp('image'))


def fail_an_update(r, image, board='a'):
    """Of a board that prints, and then refuses to be written; the job's id."""
    r.sim.command(rf'{board} console <err> flash: \x00\xff page 7 is worn out\r\n')
    r.sim.command(rf'{board} console >>> ZEPHYR FATAL ERROR 4: Kernel panic on CPU 0\r\n')
    r.sim.command(f'{board} fault error rc=9 errgroup=1 group=1 id=1 count=0')
    client = r.client()
    updates.begin(client, image, board)
    first = next(updates.steps(client))
    assert updates.follow(client).name == 'DeviceError'
    return first['job']


@pytest.mark.parametrize('how', [signal.SIGTERM, signal.SIGKILL])
def test_a_failure_at_night_is_read_in_the_morning(service, image, how):
    r = service('a', 'b', 'c', keys='baud=1000000')
    r.ready()
    failed = fail_an_update(r, image)
    assert updates.run(r.client(), image, 'b')['outcome'] == 'updated'
    client = r.client()
    updates.begin(client, image, 'c', detached=True)
    cancelled = updates.until(client, 'upload')['job']
    r.client().call('JobCancel', job=cancelled)
    assert updates.watch(r.client(), cancelled).name == 'Cancelled'
    jobs, watched = told(r)
    assert {j['state'] for j in jobs} == {'failed', 'done', 'cancelled'}
    evidence = next(j for j in watched if j['id'] == failed)['error']
    assert 'page 7 is worn out' in evidence['console'][-2]['text'] and evidence['console'][-2]['bytes']
    assert evidence['console'][-1]['mark'] == 'fatal'
    assert evidence['trace'][-1]['rc'] == 9 and evidence['trace'][-1]['commandName'] == 'ImageUpload'
    wait_recorded(r, *(j['id'] for j in jobs))
    for _ in range(2):
        r.stop(how)
        r.start()
        r.ready()
        again, watched_again = told(r)
        assert sorted(again, key=str) == sorted(jobs, key=str)
        assert sorted(watched_again, key=str) == sorted(watched, key=str)
    assert r.client().fails('JobCancel', job='update-00000000').name == 'NoSuchJob'
    assert r.client().call('JobCancel', job=failed) == {}, 'nothing happens to one that has ended'


DAMAGE = {
    'empty': lambda t: b'',
    'cut': lambda t: t[:len(t) // 2],
    'binary': lambda t: bytes(range(256)) * 20,
    'large': lambda t: t + b'more=' + b'x' * 70000 + b'\n',
    'unknown state': lambda t: t.replace(b'state=failed', b'state=running'),
    'no device': lambda t: t.replace(b'device=a\n', b''),
    'device': lambda t: t.replace(b'device=a\n', b'device=../%1B[2J\n'),
    'percent': lambda t: re.sub(b'percent=.*\n', b'', t) + b'percent=101\n',
    'error': lambda t: t.replace(b'error=DeviceError', b'error=Device.Error'),
    'console': lambda t: t.replace(b'console_00=', b'console_00=x'),
    'console text': lambda t: t.replace(b'console_00=1 ', b'console_00=1 1 - ' + b'QUFB' * 100 + b' '),
    'mark': lambda t: t.replace(b' fatal ', b' fatale '),
    'trace': lambda t: t.replace(b'trace_00=', b'trace_00=x'),
    'trace kind': lambda t: t.replace(b' sent ', b' spent '),
    'trace number': lambda t: t.replace(b'trace_01=', b'trace_01=99999999999999999999'),
}


def test_damaged_records_are_told_and_left_out(service, image):
    r = service('a')
    r.ready()
    job = fail_an_update(r, image)
    wait_recorded(r, job)
    assert r.stop() == 0
    good = records(r)[job]
    names = {}
    for number, (what, damage) in enumerate(DAMAGE.items()):
        assert damage(good) != good, what
        names[f'update-{number:08x}'] = what
        (r.dir / f'state/ended/update-{number:08x}').write_bytes(damage(good))
    (r.dir / 'state/ended/a-name-that-is-too-long-for-any-job').write_bytes(good)
    (r.dir / 'state/ended/update-folder').mkdir()
    (r.dir / 'state/ended/update-link').symlink_to('/etc/passwd')
    r.start()
    client = r.ready()
    assert [j['id'] for j in client.call('Jobs')['jobs']] == [job]
    for name in (*names, 'a-name-that-is-too-long-for-any-job', 'update-folder', 'update-link'):
        assert f'ended/{name} of the state directory' in r.text(), names.get(name, name)


@pytest.mark.parametrize('parameters, shown', [
    ('%7B%22message%22:%22fine%22%7D', {'message': 'fine'}),
    ('no JSON', {}),
    ('[1]', {}),
    ('%7B%22a%22:' + '[' * 23 + ']' * 23 + '%7D', {}),
    ('%7B%22message%22:%22%FF%22%7D', {}),
    ('%7B%22message%22:%22' + 'x' * 8100 + '%22%7D', {'message': 'x' * 8100}),
], ids=['fine', 'words', 'array', 'deep', 'no UTF-8', 'large'])
def test_whatever_the_error_of_a_record_says(service, image, parameters, shown):
    r = service('a')
    r.ready()
    job = fail_an_update(r, image)
    wait_recorded(r, job)
    assert r.stop() == 0
    lines = records(r)[job].decode().splitlines()
    text = ''.join(f'parameters={parameters}\n' if line.startswith('parameters=') else line + '\n' for line in lines)
    (r.dir / f'state/ended/{job}').write_text(text)
    r.start()
    assert r.ready().call('JobWatch', job=job)['job']['error']['parameters'] == shown


def test_the_newest_hundred_are_kept(service, image):
    r = service('a')
    r.ready()
    job = fail_an_update(r, image)
    wait_recorded(r, job)
    assert r.stop() == 0
    lines = [line for line in records(r)[job].decode().splitlines() if not line.startswith('finished_us=')]
    for number in range(150):
        text = ''.join(line + '\n' for line in [*lines, f'finished_us={1000000 * (number + 1)}'])
        (r.dir / f'state/ended/update-{number:08x}').write_text(text)
    r.start()
    r.ready()
    expected = [f'update-{number:08x}' for number in range(51, 150)] + [job]
    assert [j['id'] for j in r.client().call('Jobs')['jobs']] == expected
    wait_records(r, expected)
    other = fail_an_update(r, image)
    wait_records(r, [*expected[1:], other])


def test_a_disk_that_takes_nothing(service, image):
    """The end is told by this daemon, and the job does not begin again with the next one."""
    r = service('a')
    r.ready()
    (r.dir / 'state/ended/.new').mkdir()
    job = fail_an_update(r, image)
    end = time.monotonic() + racks.SECONDS
    while f'ended/{job} cannot be recorded in the state directory' not in r.text():
        assert time.monotonic() < end, r.text()[-2000:]
        time.sleep(0.02)
    assert [j['state'] for j in r.client().call('Jobs')['jobs']] == ['failed']
    assert r.stop() == 0
    r.start()
    assert r.ready().call('Jobs') == {'jobs': []}
