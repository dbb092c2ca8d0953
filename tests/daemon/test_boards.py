# SPDX-License-Identifier: MIT
"""Looking at a board does not harm it; and what the daemon makes of boards that come, go, are silent or are in their
bootloader."""

import concurrent.futures
import os
import pathlib
import signal
import time

import pytest
import rack as racks
import simulator
import updates


def reset(r, board='a'):
    """Resets a board and waits until it has come up again."""
    c = r.client()
    since = next(d['since'] for d in c.call('List')['devices'] if d['id'] == board)
    c.call('Reset', device=board)
    c.wait_device(board, lambda d: d['state'] == 'ready' and d['since'] != since)


def test_a_board_that_leaves_before_its_answer_is_read_was_reset(rack):
    r = rack('a', keys='hang_up=on,reset_delay_ms=0')
    r.ready()
    r.sim.command('a fault lose-reply group=0 id=5')
    reset(r)
    assert r.sim.state('a')['boots'] == 2


def test_200_resets_leave_no_board_in_its_bootloader(rack):
    """MCUboot stays in recovery when a request reaches it within its window. 8 boards, 25 resets each, half of them
    plugged again at each reset, windows of several lengths below the quiet time."""
    keys = {f'b{i}': f'wait_dfu_ms={60 * (i % 4 + 1)}{",hang_up=on" if i % 2 else ""}{",banner=on" if i > 5 else ""}'
            for i in range(8)}
    r = rack(*keys, keys=keys, quiet_ms=400)
    r.ready()

    def resets(board):
        for _ in range(25):
            reset(r, board)

    with concurrent.futures.ThreadPoolExecutor(len(keys)) as pool:
        list(pool.map(resets, keys))
    for board in keys:
        state = r.sim.state(board)
        assert state['phase'] == 'app' and not state['in_recovery'], state
        # Every boot led to the application: none was kept, and none had to be reset out of the bootloader.
        assert state['boots'] == state['app_starts'] == 26, state
        assert state['resets_smp'] == 25, state


def test_plugs_leave_no_board_in_its_bootloader(rack):
    boards = [f'b{i}' for i in range(6)]
    r = rack(*boards, keys='wait_dfu_ms=200,bus_power=on', quiet_ms=500)
    r.ready()
    for _ in range(5):
        for board in boards:
            r.sim.command(f'{board} unplug')
        for board in boards:
            r.client().wait_device(board, lambda d: d['state'] in ('absent', 'unavailable'))
            r.sim.command(f'{board} plug')
        r.ready()
    for board in boards:
        state = r.sim.state(board)
        assert state['phase'] == 'app' and state['boots'] == state['app_starts'] == 6, state


@pytest.mark.parametrize('more', ['', pytest.param(',hang_up=on', marks=pytest.mark.slow)])
def test_a_longer_window_is_met_once(rack, more):
    """A window longer than the quiet time catches the board once: it is reset, and never again, for the daemon has learnt."""
    r = rack(keys='wait_dfu_ms=1500' + more, quiet_ms=300)
    r.ready()
    before = r.sim.state()['resets_smp']
    for _ in range(2):
        reset(r)
    state = r.sim.state()
    assert state['phase'] == 'app'
    assert state['resets_smp'] == before + 2 + 1, state
    # ... and the next daemon knows it, too.
    assert r.stop() == 0
    r.start()
    r.ready()
    reset(r)
    assert r.sim.state()['resets_smp'] == before + 4


def test_recovery_that_nobody_asked_for_is_left(rack):
    r = rack(keys='recovery=on')
    r.ready()
    assert r.sim.state()['resets_smp'] == 1


@pytest.mark.parametrize('keys', ['hang_up=on,banner=on', *(pytest.param(k, marks=pytest.mark.slow)
                                                           for k in ('', 'banner=on', 'hang_up=on'))])
def test_the_way_out_of_recovery_leads_past_the_window(rack, keys):
    """Neither a banner of the bootloader nor a port that comes back ends the quiet after the reset."""
    r = rack(keys=f'recovery=on,wait_dfu_ms=1500,{keys}'.rstrip(','), quiet_ms=10)
    r.client().wait_device('a', lambda d: d['state'] in ('ready', 'recovery'))
    state = r.sim.state()
    assert state['phase'] == 'app' and state['resets_smp'] == 1, state


@pytest.fixture(scope='module')
def bad_image(tmp_path_factory):
    path = tmp_path_factory.mktemp('bad') / 'image'
    simulator.make_image(path, broken='signature')
    return path


@pytest.mark.parametrize('keys, size', [('', 1020), ('rec_params=off', 508), ('hang_up=on', 1020)])
def test_a_board_without_an_application(rack, bad_image, tmp_path, keys, size):
    """It is reset once, in the hope of an application, and not for ever, though its port may go and come back each time. Its
    bootloader takes one."""
    r = rack(keys=f'image={bad_image},{keys}'.rstrip(','))
    d = r.client().wait_device('a', lambda d: d['state'] == 'recovery')
    assert d['frameSize'] == size and d['reason']
    assert r.sim.state()['resets_smp'] == 1
    image = updates.Image(tmp_path)
    assert updates.check(r, updates.run(r.client(), image), image) == 'new'


@pytest.mark.parametrize('fault', ['lose-reply', *(pytest.param(f, marks=pytest.mark.slow) for f in ('lose-request', 'corrupt-crc'))])
def test_a_first_chunk_that_recovery_lost_costs_no_erase_time(rack, bad_image, tmp_path, fault):
    """It may take 40 s to erase, and is not sent again before that; unless what was asked behind it is answered first."""
    r = rack(keys=f'image={bad_image},erase_ms=100')
    r.client().wait_device('a', lambda d: d['state'] == 'recovery')
    r.sim.command(f'a fault {fault} count=1 group=1 id=1')
    image = updates.Image(tmp_path)
    began = time.monotonic()
    assert updates.check(r, updates.run(r.client(), image), image) == 'new'
    assert time.monotonic() - began < 35


@pytest.mark.slow
def test_a_slow_erase_in_recovery_is_waited_for(rack, bad_image, tmp_path):
    r = rack(keys=f'image={bad_image},erase_ms=3500')
    r.client().wait_device('a', lambda d: d['state'] == 'recovery')
    before = r.sim.state()['requests'].get('1/1', 0)
    image = updates.Image(tmp_path)
    assert updates.check(r, updates.run(r.client(), image), image) == 'new'
    chunks = -(-len(image.data) // 900)
    assert r.sim.state()['requests']['1/1'] - before < chunks + 10, 'nothing is sent twice'


def test_a_reset_after_a_mark_is_left_in_peace_while_it_swaps(rack, tmp_path):
    """A request that reaches MCUboot while it exchanges images keeps it in its bootloader, and the way out of there undoes the
    test. By single commands, not by the update; the second reset reverts, which is a swap as well."""
    r = rack(keys='swap_ms_per_kb=15,wait_dfu_ms=100', quiet_ms=300)
    c = r.ready()
    image = updates.Image(tmp_path, size=100000)
    c.call('ImageUpload', device='a', file=c.put(image.data)['hash'])
    c.call('ImageTest', device='a', hash=image.hash)
    for version in ('2.0.0', '1.0.0'):
        reset(r)
        state = r.sim.state()
        assert updates.active(state)['version'] == version and state['boots'] == state['app_starts'], state
    assert r.sim.state()['resets_smp'] == 2


def test_recovery_that_was_asked_for_stays(rack):
    r = rack(keys='wait_dfu_ms=50')
    c = r.ready()
    c.call('Reset', device='a', bootMode=1)
    d = r.client().wait_device('a', lambda d: d['state'] in ('recovery', 'ready') and d['since'])
    assert d['state'] == 'recovery' and r.sim.state()['resets_smp'] == 1


def test_silent_boards(rack):
    r = rack('a', 'b', keys={'a': 'dead=on', 'b': ''})
    d = r.client().wait_device('a', lambda d: d['state'] == 'unresponsive')
    assert d['reason']
    r.ready('b')
    # It is asked again by itself, and at once when it says something.
    r.sim.command('a set dead=off')
    r.sim.command('a console "I am here\\n"')
    r.ready('a')


def test_a_silent_board_that_speaks_version_1_alone(rack):
    r = rack(keys='dead=on,v1=silent')
    r.client().wait_device('a', lambda d: d['state'] == 'unresponsive')
    r.sim.command('a set dead=off')
    r.sim.command('a console "I am here\\n"')
    r.ready()
    assert r.client().call('List')['devices'][0]['smpVersion'] == 1


def test_a_board_that_dies_is_noticed(rack):
    r = rack()
    c = r.ready()
    r.sim.command('a set dead=on')
    assert c.fails('Echo', device='a', text='hi').name == 'TimedOut'
    r.client().wait_device('a', lambda d: d['state'] == 'unresponsive')


def test_a_reboot_on_its_own_is_noticed(rack):
    r = rack(keys='banner=on,bus_power=on')
    c = r.ready()
    since = c.call('List')['devices'][0]['since']
    r.sim.command('a reset')
    r.client().wait_device('a', lambda d: d['state'] == 'ready' and d['since'] != since)


def test_a_port_that_others_hold(rack):
    import fcntl
    r = rack()
    r.ready()
    assert r.stop() == 0
    with open(r.sim.path('a'), 'rb', buffering=0) as tty:
        fcntl.flock(tty, fcntl.LOCK_EX)
        r.start()
        d = r.client().wait_device('a', lambda d: d['state'] == 'unavailable')
        assert d['reason']
        e = r.client().fails('Echo', device='a', text='hi')
        assert e.name == 'DeviceUnavailable' and e.parameters['state'] == 'unavailable'
    r.ready()


def test_a_path_of_a_client_is_not_followed_anywhere(rack, tmp_path):
    """Where it leads may be a disk that hangs; /dev does not."""
    r = rack()
    c = r.ready()
    tty = os.path.realpath(r.sim.path('a'))
    for path in (str(r.sim.path('a')), tty):
        assert c.call('Echo', device=path, text='x') == {'text': 'x'}
    (tmp_path / 'link').symlink_to(tty)
    for path in (str(tmp_path / 'link'), f'/dev/..{tmp_path}/link'):
        assert c.fails('Echo', device=path, text='x').name == 'NoSuchDevice'


def test_a_tty_that_comes_later(rack):
    r = rack()
    r.ready()
    r.sim.command('a unplug')
    r.client().wait_device('a', lambda d: d['state'] == 'absent')
    r.sim.command('a plug')
    r.ready()


def test_probe_never_and_passive(rack):
    r = rack('n', probe='never')
    c = r.client()
    c.wait_device('n', lambda d: d['state'] == 'ready')
    e = r.client().fails('Echo', device='n', text='hi')
    assert (e.name, e.parameters['message']) == (
        'DeviceUnavailable', 'n is ready, but not for this: its section says probe = never: nothing is sent to this port')
    assert e.parameters['hint'].startswith('with probe = passive'), 'to try again would help nobody'
    assert r.sim.state('n')['rx_bytes'] == 0
    p = rack('p', probe='passive')
    p.client().wait_device('p', lambda d: d['state'] == 'ready')
    assert p.sim.state('p')['rx_bytes'] == 0
    assert p.client().call('Echo', device='p', text='hi')['text'] == 'hi'


def test_passive_boards_are_updated(rack, tmp_path):
    image = updates.Image(tmp_path)
    r = rack(probe='passive')
    r.client().wait_device('a', lambda d: d['state'] == 'ready')
    assert updates.check(r, updates.run(r.client(), image), image) == 'new'


def test_pacing_is_found_before_it_costs_anything(rack, tmp_path):
    """A board that loses bursts: found by probing, not by the first chunk of an upload; and remembered."""
    image = updates.Image(tmp_path)
    r = rack(keys='burst=lose')
    c = r.ready()
    assert c.call('List')['devices'][0]['lineDelayMs'] > 0
    assert updates.check(r, updates.run(c, image), image) == 'new'
    echoes = r.sim.state()['requests']['0/0']
    assert r.stop() == 0
    r.start()
    c = r.ready()
    assert c.call('List')['devices'][0]['lineDelayMs'] > 0
    assert r.sim.state()['requests']['0/0'] == echoes


def test_state_directory_of_a_newer_daemon(rack):
    r = rack()
    r.ready()
    assert r.stop() == 0
    (r.dir / 'state/version').write_text('2\n')
    out = racks.subprocess.run(r.words, capture_output=True, text=True, timeout=racks.SECONDS)
    assert out.returncode != 0 and 'newer mcumgrd' in out.stderr, out
    (r.dir / 'state/version').write_text('1\n')
    r.start()
    r.ready()


def test_damaged_records_do_not_matter(rack):
    r = rack()
    r.ready()
    assert r.stop(signal.SIGKILL) == -signal.SIGKILL
    for name in 'boards/a', 'jobs/update-1', 'boards/.new':
        pathlib.Path(r.dir / 'state' / name).write_bytes(os.urandom(64))
    r.start()
    r.ready()
    assert 'damaged' in r.text()
