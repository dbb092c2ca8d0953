# SPDX-License-Identifier: MIT
"""Much at once, and long: plug storms, thousands of plug cycles and clients. Figures are printed (-s, or -rP)."""

import json
import re
import socket
import time

import pytest

from mockbed.sim import Fleet
from mockbed.stream import Stream

RACK = '[device rack]\nmatch = 2fe3:.*\nquiet_ms = 50\nbroken_count = 0\n'


@pytest.fixture
def fleet(program, tmp_path):
    made = []

    def make(count, **settings):
        made.append(Fleet(program('mcumgr-sim'), tmp_path, [f'b{i}' for i in range(count)], **settings))
        return made[-1]

    yield make
    for one in made:
        one.end()


class States:
    """The boards as Watch tells of them."""

    def __init__(self, path):
        self._stream, self.boards = Stream(path, 'Watch'), {}

    def until(self, condition):
        while not condition(self.boards):
            told = self._stream.next()
            device = told.get('device')
            if device and told['event'] == 'removed':
                self.boards.pop(device['id'], None)
            elif device:
                self.boards[device['id']] = device

    def close(self):
        self._stream.close()


def all_in(state, serials):
    def condition(boards):
        return {b['serial'] for b in boards.values() if b['state'] == state} >= set(serials)
    return condition


def plug(testbed, fleet, names):
    for i, name in enumerate(names):
        testbed.add(f'ttyACM{i}', fleet.ttys[name], serial=name, path=f'1-{i + 1}')


def test_storm_of_forty(rack, testbed, fleet):
    """Each is who it says it is: its serial number leads to its own tty, and it answers there. (The mock has room for 49.)"""
    made = fleet(40)
    names = list(made.ttys)
    rack.start(RACK)
    states = States(rack.socket)
    began = time.monotonic()
    plug(testbed, made, names)
    plugged = time.monotonic() - began
    states.until(all_in('ready', names))
    ready = time.monotonic() - began
    for device in states.boards.values():
        assert device['tty'] == f'/dev/ttyACM{device["serial"][1:]}'
        assert rack.ctl('os', 'echo', device['serial'], device=device['id']).value == {'text': device['serial']}
    assert len(states.boards) == 40
    states.close()
    print(f'40 ports plugged within {plugged:.2f} s, all ready after {ready:.2f} s')


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
    names = list(made.ttys)
    for _ in range(count // len(names)):
        plug(testbed, made, names)
        states.until(all_in('ready', names))
        for i in range(len(names)):
            testbed.remove(f'ttyACM{i}')
        states.until(all_in('absent', names))


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
        rack.start(RACK)
        states = States(rack.socket)
        states.until(lambda known: True)
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
    assert seen[0][1] == seen[1][1]
    assert last.files <= first.files and last.threads <= first.threads


def test_nothing_is_left_of_a_hundred_plugs_and_three_hundred_clients(rack, testbed, fleet):
    run_long(rack, testbed, fleet, 96, 300)


@pytest.mark.slow
def test_nothing_is_left_of_ten_thousand_plugs_and_clients(rack, testbed, fleet):
    """Memory is measured without the mock, which takes some for each plug: tests/daemon/test_leaks.py."""
    run_long(rack, testbed, fleet, 10000, 10000)
