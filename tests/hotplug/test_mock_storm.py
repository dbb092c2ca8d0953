# SPDX-License-Identifier: MIT
"""Much at once, and long: plug storms, thousands of plug cycles and clients. Figures are printed (-s, or -rP)."""

import json
import re
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


@pytest.mark.parametrize('testbed, count', [
    ('umockdev', 40), ('namespace', 64), pytest.param('namespace', 256, marks=pytest.mark.slow),
    pytest.param('namespace', 1000, marks=pytest.mark.slow)], indirect=['testbed'])
def test_storm(rack, testbed, fleet, count):
    """Each is who it says it is: its serial number leads to its own tty, and it answers there. (umockdev has room for 49.)"""
    made = fleet(count)
    rack.start(RACK)
    check_identities(rack, storm(rack, testbed, made).now)


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
