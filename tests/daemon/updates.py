# SPDX-License-Identifier: MIT
"""What the update's tests share: the truth about a simulated board, and whether what a job said of it is true."""

import concurrent.futures
import threading
import time

import rack as racks
import simulator

OLD = '1.0.0'
LOCK = threading.Lock()  # of the simulator's one connection


class Image:
    """A new image file, the same for every test of a module."""

    def __init__(self, folder, version='2.0.0', **options):
        self.version = version
        self.data, digest = simulator.make_image(folder / f'{version}.bin', version, **options)
        self.hash = digest.hex()


def active(state):
    """The slot that runs, of image 0."""
    return next(s for s in state['slots'] if s['image'] == 0 and s['active'])


def other(state):
    return next(s for s in state['slots'] if s['image'] == 0 and not s['active'])


def is_new(state, image):
    return state['phase'] == 'app' and active(state).get('hash') == image.hash


def begin(client, image, board='a', **options):
    """Puts the file and starts an update; the connection then streams."""
    file = client.put(image.data)['hash']
    client.send('Update', {'device': board, 'file': file, **options}, more=True)
    return file


def steps(client):
    """Yields the replies of an update under way; the error, as the last thing, if it ends with one."""
    while True:
        message = client.receive()
        if message is None:
            yield None
            return
        if 'error' in message:
            yield racks.Error(message['error'], message['parameters'])
            return
        yield message['parameters']
        if not message.get('continues'):
            return


def follow(client):
    """The end of an update: the last reply or the error; None when the daemon went away."""
    end = None
    for end in steps(client):
        pass
    return end


def run(client, image, board='a', **options):
    begin(client, image, board, **options)
    return follow(client)


def until(client, step):
    """Reads replies until this step is told (or the end); the last one read."""
    for reply in steps(client):
        if reply is None or isinstance(reply, racks.Error) or reply['step'] in (step, 'done'):
            return reply
    return None


def lists(rack, board='a'):
    """How often a board was asked for its images, or to change their marks."""
    return rack.sim.state(board)['requests'].get('1/0', 0)


def until_mark_is_sent(rack, client, before, board='a'):
    """The step is told before that: it is put on record first. before: lists() when a new image's update began."""
    reply = until(client, 'mark')
    deadline = time.monotonic() + racks.SECONDS
    while lists(rack, board) < before + 3:
        assert time.monotonic() < deadline, f'no mark is sent: {reply}'
        time.sleep(0.01)
    return reply


def of_job(job):
    """A job of Jobs or JobWatch in the words of an Update's end."""
    if job['state'] == 'done':
        return {'step': 'done', 'outcome': job['outcome'], 'hash': job.get('hash')}
    return racks.Error(job['error']['error'], job['error']['parameters'])


def watch(client, job):
    """Follows a job to its end; in the words of an Update's end."""
    try:
        *_, last = client.stream('JobWatch', job=job)
    except racks.Error as error:
        return error
    return of_job(last['job'])


def listed_again(client, job):
    """A job that the daemon before began: it is listed once its file has been read from the disk."""
    deadline = time.monotonic() + racks.SECONDS
    while True:
        for listed in client.call('Jobs')['jobs']:
            if listed['id'] == job:
                return listed
        assert time.monotonic() < deadline, f'{job} was lost with its daemon'
        time.sleep(0.02)


def watch_again(client, job):
    listed_again(client, job)
    return watch(client, job)


def check(rack, end, image, board='a'):
    """What an update said at its end must be true of the board. The board is up, or is known not to be."""
    with LOCK:
        state = rack.sim.state(board)
    place = f'{end} but {state}'
    if not isinstance(end, racks.Error):
        assert end['outcome'] in ('updated', 'confirmed', 'unchanged'), place
        assert is_new(state, image) and state['confirmed'], place
        return 'new'
    text = end.parameters['message']
    if end.name == 'NotBooted':
        if end.parameters['reason'] == 'silent':
            return 'unknown'
        assert not is_new(state, image), place
        return 'old'
    if 'not known' in text or 'may be marked' in text:
        return 'unknown'
    if 'not confirmed' in text or 'may be confirmed' in text:
        # Seen to run, never seen again.
        return 'unknown'
    if 'is marked' in text:
        assert is_new(state, image) or other(state)['pending'], place
        return 'old'
    assert not is_new(state, image) and not other(state)['pending'], place
    return 'old'


def settle(rack, image, board='a'):
    """Whatever was left behind: one more update, at most after one reset, ends with the new image."""
    client = rack.ready(board)
    end = run(client, image, board)
    if isinstance(end, racks.Error):
        assert end.name in ('UpdateRefused', 'NotBooted'), end
        client.call('Reset', device=board)
        client = rack.ready(board)
        end = run(client, image, board)
    assert not isinstance(end, racks.Error), end
    assert check(rack, end, image, board) == 'new'


def settle_all(rack, image):
    with concurrent.futures.ThreadPoolExecutor(len(rack.boards)) as pool:
        list(pool.map(lambda board: settle(rack, image, board), rack.boards))


class Parallel:
    """One rack with a board for each case, all updated at once; the cases are then looked at one by one."""

    def __init__(self, cases, image, keys, faults=None, **settings):
        self.boards = {case: f'b{i}' for i, case in enumerate(cases)}
        self.rack = racks.Rack(tuple(self.boards.values()), {b: keys(c) for c, b in self.boards.items()}, **settings)
        self.rack.ready()
        for case, board in self.boards.items() if faults else ():
            self.rack.sim.command(f'{board} fault {faults(case)}')
        with concurrent.futures.ThreadPoolExecutor(len(self.boards)) as pool:
            ends = pool.map(lambda board: run(self.rack.client(), image, board), self.boards.values())
        self.ends = dict(zip(self.boards, ends))

    def __getitem__(self, case):
        """How the case's update ended, and the state of its board."""
        return self.ends[case], self.rack.sim.state(self.boards[case])

    def check(self, case, image):
        return check(self.rack, self.ends[case], image, self.boards[case])
