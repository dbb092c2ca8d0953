# SPDX-License-Identifier: MIT
"""A restart that boards do not notice: their ttys stay open with the service manager."""

import fcntl
import os
import signal

import pytest
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
