# SPDX-License-Identifier: MIT
"""The table of everywhere.py on the simulated board, and that it has every command."""

import everywhere
import evidence
import pytest
import rack as racks
import simulator
from test_conformance import COMMANDS, calling


@pytest.fixture(scope='module')
def columns():
    seen = {client: evidence.Column(client) for client in everywhere.CLIENTS}
    yield seen
    for column in seen.values():
        column.save()


@pytest.fixture(scope='module')
def board(tmp_path_factory):
    folder = tmp_path_factory.mktemp('everywhere')
    r = racks.Rack(('a',), 'burst=ok')
    client = r.ready()
    hashes = {}

    def image(version):
        path = folder / version
        hashes[path] = simulator.make_image(path, version)[1].hex()
        return path

    files = {client: image(f'{n}.0.0') for n, client in enumerate(everywhere.CLIENTS, 2)}
    yield r, everywhere.Everywhere(r.socket, 'a', calling(r), folder, image('1.9.0'), files,
                                   lambda data: client.put(data)['hash'], hashes.get)
    r.close()


@pytest.mark.parametrize('row', everywhere.ROWS, ids=str)
def test_all_clients_say_the_same(board, columns, row):
    r, clients = board
    everywhere.check(row, clients, r.ready, lambda client, *seen: columns[client].record(*seen))


@pytest.mark.parametrize('method', COMMANDS)
def test_every_command_has_a_row(method):
    assert method in {row.method for row in everywhere.ROWS}
