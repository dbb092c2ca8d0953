# SPDX-License-Identifier: MIT
"""Nothing is left of thousands of plugs and clients: files, memory, handles of the loop. Figures are printed (-rP)."""

import os
import re

import pytest


def figures(r):
    folder = f'/proc/{r.process.pid}'
    with open(f'{folder}/status', encoding='ascii') as status:
        return len(os.listdir(f'{folder}/fd')), int(re.search(r'VmRSS:\s+(\d+)', status.read())[1])


class Watch:
    """What state each board is in."""

    def __init__(self, r):
        self._replies, self._states, self._count = r.client().stream('Watch'), {}, len(r.boards)

    def until(self, *states):
        while len(self._states) < self._count or not set(self._states.values()) <= set(states):
            told = next(self._replies)
            if told.get('device'):
                self._states[told['device']['id']] = told['device']['state']


def plugs(r, watch, count):
    for _ in range(count // len(r.boards)):
        for board in r.boards:
            r.sim.command(f'{board} unplug')
        watch.until('absent', 'opening', 'unavailable')
        for board in r.boards:
            r.sim.command(f'{board} plug')
        watch.until('ready')


def clients(r, count):
    for i in range(count):
        client = r.client()
        if i % 3 == 0:
            client.call('List')
        elif i % 3 == 1:
            client.send('Echo', {'device': 'b0', 'text': 'x'})  # and leaves
        client.close()
        r.clients.clear()


def run(rack, count):
    """Figures after a tenth of it and at the end."""
    r = rack(*(f'b{i}' for i in range(8)), broken_count=0, quiet_ms=50)
    r.ready()
    seen = []
    for part in (count // 10, count):
        watch = Watch(r)
        plugs(r, watch, part)
        clients(r, part)
        r.client().call('List')
        seen.append(figures(r))
    (files, before), (files_after, after) = seen
    print(f'{count} plugs and {count} clients: {files} files, {before} kB before; {files_after} files, {after} kB after')
    assert files_after <= files + 16  # the last clients, which the daemon has not seen go yet
    return after - before


def test_hundreds(rack):
    run(rack, 160)


@pytest.mark.slow
def test_ten_thousand(rack, monkeypatch):
    # freed memory is kept for a while by the sanitizer, which would look like a leak here
    monkeypatch.setenv('ASAN_OPTIONS', os.environ.get('ASAN_OPTIONS', '') + ':quarantine_size_mb=1:malloc_context_size=2')
    assert run(rack, 10000) < 4096
