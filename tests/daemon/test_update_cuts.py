# SPDX-License-Identifier: MIT
"""Updates that are killed at any byte: the power, the cable, the client, the daemon. Each ends in the new image, or in the
old one, and says which; the board agrees; and the next update goes on from there. Seeds make the places the same each time."""

import concurrent.futures
import os
import random
import signal
import socket
import subprocess
import time

import pytest
import rack as racks
import simulator
import updates

TAIL = 500  # bytes sent after the upload: the list, the mark, the reset, the verification, the confirmation


@pytest.fixture(scope='module')
def image(tmp_path_factory):
    return updates.Image(tmp_path_factory.mktemp('image'))


@pytest.fixture(scope='module')
def length(image):
    """How many bytes an undisturbed update sends."""
    r = racks.Rack(keys='baud=1000000')
    c = r.ready()
    before = r.sim.state()['rx_bytes']
    assert updates.run(c, image)['outcome'] == 'updated'
    sent = r.sim.state()['rx_bytes'] - before
    r.close()
    return sent


class Control:
    """One board's own connection to the simulator: a wait holds up only itself."""

    def __init__(self, rack, board):
        self.board = board
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(racks.SECONDS)
        self.socket.connect(f'{rack.sim.dir}/control')
        self.file = self.socket.makefile('rw')

    def __call__(self, command):
        self.file.write(f'{self.board} {command}\n')
        self.file.flush()
        answer = self.file.readline().rstrip('\n')
        if answer.startswith('error'):
            raise RuntimeError(answer)
        return answer

    def close(self):
        self.file.close()
        self.socket.close()


def places(seed, count, length):
    """A third of them anywhere, the others after the upload, where it matters most."""
    r = random.Random(seed)
    return [r.randrange(length - TAIL) if i % 3 == 0 else length - r.randrange(TAIL) for i in range(count)]


def cut(rack, control, kind):
    if kind in ('power-cut', 'reset'):
        control(kind + (' ms=150' if kind == 'power-cut' else ''))
        return
    control('unplug')
    rack.client().wait_device(control.board, lambda d: d['state'] in ('absent', 'unavailable'))
    control('plug')


def strike(rack, board, image, kind, at, step=None):
    """One update, and the blow; how it ended, once the board is up again."""
    control = Control(rack, board)
    client = rack.client()
    start = rack_bytes(control)
    updates.begin(client, image, board)
    try:
        if step:
            reached = updates.until(client, step)
            if reached is None or isinstance(reached, racks.Error):
                return reached
        else:
            control(f'wait rx_bytes>={start + at} timeout=3000')
        cut(rack, control, kind)
    except RuntimeError:
        pass  # over before it came to that byte
    end = updates.follow(client)
    control('wait phase=app timeout=20000')
    control.close()
    return end


def rack_bytes(control):
    import json
    return json.loads(control('state'))['rx_bytes']


def everywhere(rack, image, kind, blows):
    """A board for each blow, all at once."""
    r = rack(*(f'b{i}' for i in range(len(blows))), keys=KEYS[kind])
    r.ready()
    with concurrent.futures.ThreadPoolExecutor(len(blows)) as pool:
        ends = list(pool.map(lambda i: strike(r, f'b{i}', image, kind, *blows[i]), range(len(blows))))
    return r, ends


# Bytes take time, so that a blow in the middle of them is one.
KEYS = {
    'power-cut': 'baud=1000000',
    'reset': 'baud=1000000,hang_up=on',
    'unplug': 'baud=1000000,bus_power=on',
    'cable': 'baud=1000000',
}


MORE = [pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 8)]


@pytest.mark.parametrize('seed', [1, *MORE])
@pytest.mark.parametrize('kind', KEYS)
def test_board_and_cable(rack, image, length, kind, seed):
    blows = [(at,) for at in places(f'{kind}{seed}', 15, length)]
    r, ends = everywhere(rack, image, kind, blows)
    seen = []
    for i, end in enumerate(ends):
        assert end is not None
        seen.append(updates.check(r, end, image, f'b{i}'))
    # Nothing is left unsaid of a board that came back, but whether a mark arrived.
    for end, verdict in zip(ends, seen):
        assert verdict != 'unknown' or 'may be marked' in end.parameters['message'], end
    print(kind, [v if not isinstance(e, racks.Error) else f'{v} {e.name}' for e, v in zip(ends, seen)])
    updates.settle_all(r, image)


@pytest.mark.parametrize('method', ['Update', pytest.param('ImageUpload', marks=pytest.mark.slow)])
def test_a_reset_in_the_upload_that_nobody_sees(rack, image, method):
    """By its pin, on a UART, without a word on the console: what is under way keeps the board in its bootloader, which would write
    the upload over the application."""
    r = rack(keys='baud=1000000,wait_dfu_ms=1500', quiet_ms=2000)
    c = r.ready()
    file = c.put(image.data)['hash']
    start = r.sim.state()['rx_bytes']
    c.send(method, {'device': 'a', 'file': file}, more=True)
    r.sim.wait(f'rx_bytes>={start + 20000}')
    r.sim.command('a reset')
    end = updates.follow(c)
    assert not isinstance(end, racks.Error), (end, r.text()[-3000:])
    state = r.sim.state()
    old, new = next(s for s in state['slots'] if s.get('version') == '1.0.0'), method == 'Update'
    assert old['valid'] and old['active'] != new and updates.is_new(state, image) == new, state
    assert state['resets_smp'] == 1 + new, state


def test_a_reset_after_the_boot_that_nobody_sees(rack, image):
    """By its pin, once it has confirmed, and what it is asked then keeps it in its bootloader. That names no image that runs: it is
    no old one."""
    r = rack(keys='wait_dfu_ms=1500', quiet_ms=2000)
    c = r.ready()
    updates.begin(c, image)
    updates.until(c, 'reset')
    r.sim.command('a fault lose-reply group=1 id=0 op=write')
    deadline = time.monotonic() + racks.SECONDS
    while not (updates.is_new(r.sim.state(), image) and r.sim.state()['confirmed']):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    r.sim.command('a reset')
    end = updates.follow(c)
    assert not isinstance(end, racks.Error), (end, r.text()[-3000:])
    assert updates.check(r, end, image) == 'new'
    assert r.sim.state()['resets_smp'] == 2, 'its own, and that out of the bootloader'


def test_a_last_chunk_that_may_have_arrived(rack, image):
    """Without marks what is in the other slot is booted, however the upload ended."""
    r = rack(keys='mode=direct-xip')
    c = r.ready()
    r.sim.command('a fault lose-reply group=1 id=1 at=32400 count=0')
    updates.begin(c, image)
    job = updates.until(c, 'upload')['job']
    deadline = time.monotonic() + racks.SECONDS
    while updates.other(r.sim.state()).get('hash') != image.hash:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    r.client().call('JobCancel', job=job)
    end = updates.follow(c)
    assert end.name == 'Cancelled' and 'a reset may boot it' in end.parameters['message'], end


def test_pulled_out_in_a_mark_that_matters_not(rack, image):
    """Without marks the image is booted whether the board heard of one or not."""
    r = rack(keys='mode=direct-xip')
    c = r.ready()
    r.sim.command('a fault lose-request group=1 id=0 op=write count=0')
    updates.begin(c, image)
    updates.until(c, 'mark')
    r.sim.command('a unplug')
    end = updates.follow(c)
    assert end.name == 'DeviceGone' and 'may be marked; a reset may boot it' in end.parameters['message'], end


STEPS = ['inspect', 'upload', 'mark', 'reset', 'reattach', 'verify', 'confirm', 'final']


@pytest.mark.parametrize('kind', KEYS)
def test_in_every_step(rack, image, kind):
    r, ends = everywhere(rack, image, kind, [(0, step) for step in STEPS])
    for i, end in enumerate(ends):
        assert end is not None
        print(kind, STEPS[i], updates.check(r, end, image, f'b{i}'), end.name if isinstance(end, racks.Error) else end['outcome'])
    updates.settle_all(r, image)


@pytest.mark.parametrize('command', ['state-read', 'upload', 'state-write', 'reset', 'bootloader', 'slot-info'])
@pytest.mark.parametrize('when', ['before', 'after'])
def test_power_cut_at_a_command(rack, image, command, when):
    r = rack()
    c = r.ready()
    r.sim.command(f'a fault die-at={command} when={when} ms=100')
    end = updates.run(c, image)
    r.sim.wait('phase=app')
    assert updates.check(r, end, image) != 'unknown', end
    updates.settle(r, image)


# --- the client ---------------------------------------------------------------------------------------------------------


def test_client_is_killed(rack, image, length, tmp_path):
    """mcumgrctl ends by SIGKILL at some byte: the job stops at its next safe step, or goes on to its end when committed."""
    program = os.environ.get('MCUMGRCTL')
    if not program:
        pytest.skip('set MCUMGRCTL to the built program')
    file = tmp_path / 'image.bin'
    file.write_bytes(image.data)
    blows = places('client', 12, length)
    boards = [f'b{i}' for i in range(len(blows))]
    r = rack(*boards, keys='baud=1000000')
    r.ready()

    def one(i):
        control = Control(r, boards[i])
        start = rack_bytes(control)
        process = subprocess.Popen([program, '--socket', r.socket, '-d', boards[i], 'firmware', 'update', str(file)],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            control(f'wait rx_bytes>={start + blows[i]} timeout=3000')
        except RuntimeError:
            pass
        process.kill()
        process.wait()
        control.close()

    with concurrent.futures.ThreadPoolExecutor(len(blows)) as pool:
        list(pool.map(one, range(len(blows))))
    c = r.client()
    for board in boards:
        jobs = [j for j in c.call('Jobs')['jobs'] if j['device'] == board]
        assert len(jobs) <= 1
        for job in jobs:
            end = updates.watch(c, job['id'])
            if isinstance(end, racks.Error):
                assert end.name == 'Cancelled', end
            updates.check(r, end, image, board)
    updates.settle_all(r, image)


# --- the daemon ---------------------------------------------------------------------------------------------------------


def killed_at(rack, image, detached, at, how, boards):
    """The daemon is killed while all boards are updated; a new one is started. The jobs of before, by board, ended."""
    controls = [Control(rack, b) for b in boards]
    starts = [rack_bytes(c) for c in controls]
    jobs = {}
    clients = []
    for board in boards:
        client = rack.client()
        clients.append(client)
        updates.begin(client, image, board, detached=detached)
        jobs[board] = updates.until(client, 'check')['job']
    # The first board decides; the others are wherever they are by then.
    try:
        controls[0](f'wait rx_bytes>={starts[0] + at} timeout=20000')
    except RuntimeError:
        pass
    for c in controls:
        c.close()
    assert rack.stop(how) in (0, -signal.SIGKILL)
    rack.start()
    client = rack.ready(*boards)
    return {board: updates.watch_again(client, job) for board, job in jobs.items()}


@pytest.mark.parametrize('how', [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize('seed', [1, *MORE])
def test_daemon_is_killed_and_goes_on(rack, length, seed, how):
    boards = [f'b{i}' for i in range(5)]
    r = rack(*boards, keys='baud=1000000')
    r.ready()
    for version, at in enumerate(places(f'daemon{seed}', 4, length), start=2):
        new = updates.Image(r.dir, version=f'{version}.0.0')
        ends = killed_at(r, new, True, at, how, boards)
        for board in boards:
            end = ends[board]  # that of a job which had ended is kept; every other one went on to the new image
            assert not isinstance(end, racks.Error), (end, r.text()[-3000:])
            assert updates.check(r, end, new, board) == 'new'


def test_daemon_is_killed_and_the_client_with_it(rack, length):
    boards = [f'b{i}' for i in range(3)]
    r = rack(*boards, keys='baud=1000000')
    r.ready()
    for version, at in enumerate(places('both', 4, length), start=2):
        new = updates.Image(r.dir, version=f'{version}.0.0')
        ends = killed_at(r, new, False, at, signal.SIGKILL, boards)
        for board, end in ends.items():
            if isinstance(end, racks.Error):
                assert end.name == 'Cancelled' and 'daemon ended' in end.parameters['message'], end
            updates.check(r, end, new, board)
        updates.settle_all(r, new)


MEANWHILE = {None: '', 'reset': 'reset', 'power-cut': 'power-cut ms=100'}


def kill_points():
    """Each step; what the board does meanwhile where it matters most, and with --all everywhere."""
    for step in STEPS:
        for meanwhile in MEANWHILE:
            slow = meanwhile and (step, meanwhile) not in (('mark', 'reset'), ('reattach', 'reset'), ('upload', 'power-cut'))
            yield pytest.param(step, meanwhile, marks=[pytest.mark.slow] if slow else [])


@pytest.mark.parametrize('step, meanwhile', kill_points())
def test_daemon_is_killed_in_a_step(rack, image, step, meanwhile):
    """Whatever it was at, and whatever the board does while there is no daemon: the next one says how it ended, and that is so.
    One of the jobs is detached, the other one's client goes with the daemon."""
    r = rack('detached', 'attached', keys='baud=1000000')
    r.ready()
    jobs = {}
    for board in r.boards:
        client = r.client()
        updates.begin(client, image, board, detached=board == 'detached')
        jobs[board] = client
    # The second one is wherever it is when the first one is there.
    for board, client in jobs.items():
        reached = updates.until(client, step if board == 'detached' else 'check')
        jobs[board] = reached['job']
    assert r.stop(signal.SIGKILL) == -signal.SIGKILL
    for board in r.boards if meanwhile else ():
        r.sim.command(f'{board} {MEANWHILE[meanwhile]}')
        Control(r, board)('wait phase=app timeout=20000')
    r.start()
    client = r.ready()
    for board, job in jobs.items():
        end = updates.watch_again(client, job)
        verdict = updates.check(r, end, image, board)
        assert verdict in ('old', 'new'), (board, end)
        if board == 'detached' and not meanwhile:
            assert verdict == 'new', (end, r.text()[-3000:])
        listed = next(j for j in client.call('Jobs')['jobs'] if j['id'] == job)
        assert listed['state'] == {'new': 'done'}.get(verdict, listed['state']) != 'running'
    updates.settle_all(r, image)


@pytest.mark.parametrize('step', ['upload', 'reset', 'reattach'])
def test_daemon_is_killed_with_a_board_in_recovery(rack, image, step):
    """The application's own slot is written: what is left behind is a bootloader that waits, or the new image."""
    r = rack('detached', 'attached', keys='baud=1000000')
    r.ready()
    jobs = {}
    for board in r.boards:
        r.sim.command(f'{board} set recovery=on')
        r.client().call('Reset', device=board, bootMode=1)
        r.client().wait_device(board, lambda d: d['state'] == 'recovery')
        r.sim.command(f'{board} set recovery=off')
        client = r.client()
        updates.begin(client, image, board, detached=board == 'detached')
        jobs[board] = updates.until(client, step)['job']
    assert r.stop(signal.SIGKILL) == -signal.SIGKILL
    r.start()
    ends = {board: updates.watch_again(r.client(), job) for board, job in jobs.items()}
    assert updates.check(r, ends['detached'], image, 'detached') == 'new'
    end = ends['attached']
    if isinstance(end, racks.Error):
        # Killed before the first chunk was sent, or came there, it is as it was, and starts. A reset is told before it is on
        # record, and sent after.
        assert step != 'reattach' and end.name == 'Cancelled', end
        words = ('stays in its bootloader', 'Nothing was changed') if step == 'upload' else ('a reset boots it', )
        assert any(w in end.parameters['message'] for w in words), end
        r.client().wait_device('attached', lambda d: d['state'] in ('recovery', 'ready'))
        end = updates.run(r.client(), image, 'attached')
    assert updates.check(r, end, image, 'attached') == 'new'


@pytest.mark.parametrize('detached', [True, False])
def test_daemon_is_killed_in_a_plain_upload(rack, image, detached):
    r = rack(keys='baud=1000000')
    c = r.ready()
    file = c.put(image.data)['hash']
    c.send('ImageUpload', {'device': 'a', 'file': file, 'detached': detached}, more=True)
    job = updates.until(c, 'upload')['job']
    assert r.stop(signal.SIGKILL) == -signal.SIGKILL
    r.start()
    end = updates.watch_again(r.client(), job)
    r.ready()
    there = updates.other(r.sim.state())
    if detached:
        assert end['outcome'] == 'uploaded' and there['hash'] == image.hash and not there['pending'], (end, there)
    else:
        assert end.name == 'Cancelled' and 'The daemon ended' in end.parameters['message'], end
        assert updates.check(r, end, image) == 'old'


def test_a_cancelled_job_stays_cancelled(rack, image):
    """Asked to stop while it waits to hear whether the mark arrived; the daemon is killed before it knows."""
    r = rack(keys='baud=1000000')
    c = r.ready()
    r.sim.command('a fault lose-request group=1 id=0 op=write count=0')
    before = updates.lists(r)
    updates.begin(c, image, detached=True)
    job = updates.until_mark_is_sent(r, c, before)['job']
    other = r.client()
    other.call('JobCancel', job=job)
    assert [j['state'] for j in other.call('Jobs')['jobs']] == ['running']
    assert r.stop(signal.SIGKILL) == -signal.SIGKILL
    r.sim.command('a wait-idle')  # it has read all that the daemon wrote
    r.sim.command('a clear-faults')
    r.start()
    end = updates.watch_again(r.ready(), job)
    assert end.name == 'Cancelled' and 'not marked' in end.parameters['message'], end
    assert updates.check(r, end, image) == 'old'
    updates.settle(r, image)


def test_a_cancelled_job_is_not_said_to_go_on(rack, image):
    r = rack(keys='baud=1000000')
    c = r.ready()
    before = updates.lists(r)
    r.sim.command('a fault lose-request group=1 id=0 op=write count=0')
    updates.begin(c, image, detached=True)
    job = updates.until_mark_is_sent(r, c, before)['job']
    r.client().call('JobCancel', job=job)
    assert r.stop() == 0
    end = updates.follow(c)
    assert end.name == 'Stopping' and 'may be marked' in end.parameters['message'], end
    assert 'goes on' not in end.parameters['message'], end
    r.sim.command('a clear-faults')
    r.start()
    assert updates.watch_again(r.ready(), job).name == 'Cancelled'
    updates.settle(r, image)


@pytest.mark.parametrize('reset', [False, True], ids=['left alone', 'reset meanwhile'])
@pytest.mark.parametrize('when', ['before', 'after'])
def test_a_mark_that_may_have_arrived(rack, image, when, reset):
    """The daemon and its client are killed while it is not known whether the board is marked: the next daemon looks."""
    r = rack(keys='baud=1000000')
    c = r.ready()
    r.sim.command(f'a fault lose-{"request" if when == "before" else "reply"} group=1 id=0 op=write count=0')
    before = updates.lists(r)
    updates.begin(c, image)
    job = updates.until_mark_is_sent(r, c, before)['job']
    end = time.monotonic() + racks.SECONDS
    while when == 'after' and not updates.other(r.sim.state())['pending']:
        assert time.monotonic() < end
        time.sleep(0.02)
    assert r.stop(signal.SIGKILL) == -signal.SIGKILL
    r.sim.command('a wait-idle')  # it has read all that the daemon wrote
    r.sim.command('a clear-faults')
    if reset:
        r.sim.command('a reset')
        r.sim.wait('boots>=2')
        r.sim.wait('phase=app')
    r.start()
    end = updates.watch_again(r.ready(), job)
    verdict = updates.check(r, end, image)
    if when == 'after' and reset:
        assert verdict == 'new', end
    else:
        assert verdict == 'old' and ('is marked' in end.parameters['message']) == (when == 'after'), end
    updates.settle(r, image)


@pytest.mark.parametrize('mode', ['swap-move', 'direct-xip-revert'])
def test_daemon_is_killed_while_an_image_is_tried(rack, image, mode):
    """It crashes, and the bootloader goes back; some erase it then. The next daemon says so, as the first one would have."""
    r = rack(keys=f'mode={mode}')
    c = r.ready()
    r.sim.command('a fault revert-on-boot')
    updates.begin(c, image, detached=True)
    job = updates.until(c, 'reattach')['job']
    assert r.stop(signal.SIGKILL) == -signal.SIGKILL
    r.sim.wait('boots>=3')
    r.sim.wait('phase=app')
    r.start()
    end = updates.watch_again(r.ready(), job)
    assert (end.name, end.parameters['reason']) == ('NotBooted', 'reverted'), end
    assert updates.check(r, end, image) == 'old'


def test_a_job_waits_for_its_board(rack, image):
    """The daemon and the board go in the middle of an update; the board comes back later than the daemon."""
    r = rack(keys='baud=1000000')
    c = r.ready()
    updates.begin(c, image, detached=True)
    job = updates.until(c, 'reattach')['job']
    assert r.stop(signal.SIGKILL) == -signal.SIGKILL
    r.sim.command('a unplug')
    r.start()
    c = r.client()
    assert updates.listed_again(c, job)['state'] == 'running'
    r.sim.command('a plug')
    assert updates.check(r, updates.watch_again(c, job), image) == 'new'


def test_a_job_whose_board_stays_away(rack, image):
    r = rack(keys='baud=1000000')
    c = r.ready()
    updates.begin(c, image, detached=True, bootTimeoutMs=1500)
    job = updates.until(c, 'reattach')['job']
    r.sim.command('a unplug')
    end = updates.watch(c, job)
    assert end.name == 'DeviceGone' and 'not known' in end.parameters['message']
