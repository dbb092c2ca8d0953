# SPDX-License-Identifier: MIT
"""Much at once, and long: plug storms, thousands of plug cycles and clients. Figures are printed (-s, or -rP)."""

import json
import os
import re
import signal
import socket
import time

import pytest

from mockbed.sim import Fleet
from mockbed.storm import RACK, Places, States, all_in, check_identities, named_rack
from mockbed.stream import call

on_namespaces = pytest.mark.parametrize('testbed', ['namespace'], indirect=True)


@pytest.fixture
def fleet(program, tmp_path):
    made = []

    def make(count, prefix='b', **settings):
        names = [f'{prefix}{i}' for i in range(count)]
        made.append(Fleet(program('mcumgr-sim'), tmp_path, names, board_id=lambda name: name, **settings))
        return made[-1]

    yield make
    for one in made:
        one.end()


def storm(rack, testbed, made):
    """Plugs all at once; where they are."""
    names, places = list(made.ttys), Places(testbed, made.ttys)
    states = States(rack.socket)
    began = time.monotonic()
    places.plug({name: (i, i) for i, name in enumerate(names)})
    plugged = time.monotonic() - began
    states.until(all_in('ready', names))
    ready = time.monotonic() - began
    states.close()
    print(f'{len(names)} ports plugged within {plugged:.2f} s, all ready after {ready:.2f} s')
    return places


@on_namespaces
@pytest.mark.parametrize('count', [64, pytest.param(256, marks=pytest.mark.slow), pytest.param(1000, marks=pytest.mark.slow)])
def test_storm(rack, testbed, fleet, count):
    """Each is who it says it is: its serial number leads to its own tty, and it answers there. (umockdev has room for 49, and
    gives up when ten events are not read yet.)"""
    made = fleet(count)
    rack.start(RACK)
    check_identities(rack, storm(rack, testbed, made).now)


@on_namespaces
def test_all_come_back_elsewhere(rack, testbed, fleet):
    """64 boards go within a second and come back under other tty names, in another order, at other places: each is who it was."""
    made = fleet(64)
    names = list(made.ttys)
    rack.start(named_rack(names))
    places = storm(rack, testbed, made)
    ids = check_identities(rack, places.now)
    states = States(rack.socket)
    for stride, shift in ((1, 0), (27, 0), (27, 13)):  # in another order; as another tty; in another hub port, too
        began = time.monotonic()
        places.unplug()
        gone = time.monotonic() - began
        states.until(all_in('absent', names))
        absent = time.monotonic() - began
        began = time.monotonic()
        places.plug({f'b{i}': (i * stride % 64, (i + shift) % 64) for i in reversed(range(64))})
        states.until(all_in('ready', names))
        print(f'64 ports unplugged within {gone:.2f} s, all absent after {absent:.2f} s; '
              f'back in another order, all ready after {time.monotonic() - began:.2f} s')
        check_identities(rack, places.now, ids)
        for name in names:
            assert call(rack.socket, 'Get', device=f'{name}-alias')['device']['serial'] == name
    states.close()


@on_namespaces
def test_others_take_the_names_at_once(rack, testbed, fleet):
    """Nobody waits until a board is known as gone: its tty name has the next one already."""
    made = fleet(64)
    names = list(made.ttys)
    rack.start(named_rack(names))
    places = storm(rack, testbed, made)
    ids = check_identities(rack, places.now)
    for shift in (1, 5, 32):
        before = dict(places.now)
        places.unplug()
        places.plug({name: (before[names[(i + shift) % 64]][0], before[name][1]) for i, name in enumerate(names)})
    states = States(rack.socket)
    states.until(lambda boards: {b['serial']: b['tty'] for b in boards.values() if b['state'] == 'ready'}
                 == {name: f'/dev/ttyACM{number}' for name, (number, _) in places.now.items()})
    states.close()
    check_identities(rack, places.now, ids)


@pytest.mark.slow
@on_namespaces
def test_storm_past_running_jobs(rack, testbed, fleet, image):
    """64 boards come, go and come back while others are being updated; those end well."""
    busy, made = fleet(4, 'busy', write_us=2000, boot_ms=300), fleet(64)
    rack.start(RACK)
    at_work = Places(testbed, busy.ttys)
    at_work.plug({name: (100 + i, 100 + i) for i, name in enumerate(busy.ttys)})
    states = States(rack.socket)
    states.until(all_in('ready', busy.ttys))
    ids = {device['serial']: device['id'] for device in states.boards.values()}
    new = image('2.0.0', size=400000)
    running = [rack.popen('-d', ids[name], 'firmware', 'update', str(new)) for name in busy.ttys]
    states.until(all_in('busy', busy.ttys))
    places = storm(rack, testbed, made)
    known = check_identities(rack, places.now, others=busy.ttys)
    places.unplug()
    states.until(all_in('absent', made.ttys))
    places.plug({f'b{i}': (i * 27 % 64, i) for i in range(64)})
    states.until(all_in('ready', made.ttys))
    assert any(device['state'] == 'busy' for device in states.boards.values()), 'the updates were to last longer'
    for one in running:
        out, err = one.communicate(timeout=120)
        assert one.returncode == 0, out + err
    states.until(all_in('ready', busy.ttys))
    assert {device['version'] for device in states.boards.values() if device['serial'] in busy.ttys} == {'2.0.0'}
    check_identities(rack, {**places.now, **at_work.now}, {**known, **ids})
    states.close()


@on_namespaces
def test_storm_of_composite_boards(rack, testbed, fleet, silent_pty):
    """32 boards of two interfaces, of which one never answers, in any order: 64 ports."""
    made = fleet(32)
    names, silent = list(made.ttys), [silent_pty() for _ in made.ttys]
    rack.start(RACK)
    states = States(rack.socket)
    began = time.monotonic()
    for i, name in enumerate(names):
        ends = [(2 * i, silent[i], 0), (2 * i + 1, made.ttys[name], 2)]
        for number, tty, iface in ends if i % 2 else reversed(ends):
            testbed.add(f'ttyACM{number}', tty, serial=name, path=f'1-{i + 1}', iface=iface)
    plugged = time.monotonic() - began
    states.until(all_in('ready', names))
    print(f'64 ports of 32 boards plugged within {plugged:.2f} s, all ready after {time.monotonic() - began:.2f} s')
    states.close()
    check_identities(rack, {name: (2 * i + 1, i) for i, name in enumerate(names)}, interface=2)


@on_namespaces
@pytest.mark.parametrize('shift', [0, 1])
def test_lost_events_lose_no_board(rack, testbed, fleet, shift):
    """The kernel drops what the daemon does not read in time. Meanwhile all boards got other names, and with a shift places."""
    made = fleet(64)
    names = list(made.ttys)
    rack.start(named_rack(names))
    places = storm(rack, testbed, made)
    ids = check_identities(rack, places.now)
    gone = {f'b{i}': (i, i) for i in range(0, 64, 3)}
    rack.daemon.process.send_signal(signal.SIGSTOP)
    testbed.flood('ttyACM0', 20000)
    places.unplug()
    places.plug({f'b{i}': (i * 27 % 64, (i + shift) % 64) for i in range(64) if f'b{i}' not in gone})
    rack.daemon.process.send_signal(signal.SIGCONT)
    states = States(rack.socket)
    states.until(lambda boards: {b['serial']: b['tty'] for b in boards.values() if b['state'] == 'ready'}
                 == {name: f'/dev/ttyACM{number}' for name, (number, _) in places.now.items()})
    states.until(all_in('absent', gone))
    states.close()
    assert 'events were lost; looking at everything again' in rack.log.read_text()
    check_identities(rack, places.now, ids, others=gone)


class Figures:
    """What the daemon holds."""

    def __init__(self, rack):
        status = open(f'/proc/{rack.daemon.process.pid}/status', encoding='ascii').read()
        self.files, self.threads = len(rack.open_files()), int(re.search(r'Threads:\s+(\d+)', status)[1])
        self.kilobytes = int(re.search(r'VmRSS:\s+(\d+) kB', status)[1])

    def __str__(self):
        return f'{self.files} files, {self.threads} threads, {self.kilobytes} kB'


def cycles(rack, testbed, made, states, count):
    """`count` plugs, in rounds of all boards."""
    names, places = list(made.ttys), Places(testbed, made.ttys)
    for _ in range(count // len(names)):
        places.plug({name: (i, i) for i, name in enumerate(names)})
        states.until(all_in('ready', names))
        places.unplug()
        states.until(all_in('absent', names))
        rack.mark()  # reads what `mcumgrctl watch` has said: unread, the daemon would keep 4 MiB of it


def one_client(path, device, kind):
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(60)
        client.connect(str(path))
        if kind == 0:  # leaves without a word
            return
        call = {'method': 'io.mcumgr.List'} if kind == 1 else {'method': 'io.mcumgr.Watch', 'more': True} if kind == 2 else {
            'method': 'io.mcumgr.Echo', 'parameters': {'device': device, 'text': 'x' * 100}}
        client.sendall(json.dumps(call).encode() + b'\0')
        if kind != 3:  # an echo is left on its way
            assert client.recv(1 << 20)


def clients(rack, states, count):
    device = next(iter(states.boards))
    for i in range(count):
        one_client(rack.socket, device, i % 4)


def settled(rack, connections):
    """The daemon has seen that all clients but these are gone, and has closed the ttys."""
    deadline = time.monotonic() + 60
    while True:
        files = rack.open_files()
        figures = Figures(rack)
        if sum(name.startswith('socket:') for name in files) <= connections and not [n for n in files if '/pts/' in n]:
            return figures
        assert time.monotonic() < deadline, files
        rack.devices()  # makes the time pass


def handles(rack):
    return re.findall(r'the loop has (.*)', rack.log.read_text())[-1]


def run_long(rack, testbed, fleet, plugs, calls, boards=8):
    """Figures after a tenth of it, and at its end; the handles of the loop against those of a daemon that did next to nothing."""
    made = fleet(boards)
    seen = []
    for rounds in (((boards, 4),), ((plugs // 10, calls // 10), (plugs, calls))):
        rack.start(named_rack(made.ttys))
        states = States(rack.socket)
        states.until(lambda known: len(known) == boards)
        sockets = None
        figures = []
        for count, callers in rounds:
            cycles(rack, testbed, made, states, count)
            clients(rack, states, callers)
            if sockets is None:
                sockets = sum(name.startswith('socket:') for name in rack.open_files()) + 8
            figures.append(settled(rack, sockets))
        states.close()
        rack.stop()
        seen.append((figures, handles(rack)))
    (first, last), _ = seen[1]
    print(f'{plugs} plug cycles and {calls} clients: before {first}; after {last}; handles {seen[0][1]} and {seen[1][1]}')
    # a client that has just left may not be seen off yet
    few, many = ({kind: int(n) for kind, n in re.findall(r'(\w+)=(\d+)', text)} for _, text in seen)
    assert all(abs(many.get(kind, 0) - few.get(kind, 0)) <= 2 for kind in {*few, *many})
    assert last.files <= first.files + 8 and last.threads <= first.threads
    return last.kilobytes - first.kilobytes


def test_nothing_is_left_of_a_hundred_plugs_and_three_hundred_clients(rack, testbed, fleet):
    run_long(rack, testbed, fleet, 96, 300)


@pytest.mark.slow
@on_namespaces
def test_nothing_is_left_of_ten_thousand_plugs_and_clients(rack, testbed, fleet, monkeypatch):
    """Through libudev as it is, so that its memory counts, too."""
    # freed memory is kept for a while by the sanitizer, which would look like a leak here
    monkeypatch.setenv('ASAN_OPTIONS', os.environ.get('ASAN_OPTIONS', '') + ':quarantine_size_mb=1:malloc_context_size=2')
    assert run_long(rack, testbed, fleet, 10000, 10000) < 8192  # 44 kB without the sanitizer
