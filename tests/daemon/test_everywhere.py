# SPDX-License-Identifier: MIT
"""The table of everywhere.py on the simulated board, and that it has every command."""

import conformance
import everywhere
import simulator
from test_conformance import COMMANDS, calling


def test_every_client_has_every_command(rack, tmp_path):
    r = rack('a', keys=conformance.KEYS)
    client, hashes = r.ready(), {}

    def image(version):
        path = tmp_path / version
        hashes[path] = simulator.make_image(path, version)[1].hex()
        return path

    files = {kind: image(f'{n}.0.0') for n, kind in enumerate(everywhere.CLIENTS, 2)}
    clients = everywhere.Everywhere(r.socket, 'a', calling(r), tmp_path, image('1.9.0'), files,
                                    lambda data: client.put(data)['hash'], hashes.get)
    columns = everywhere.run(everywhere.ROWS, clients, r.ready).values()
    for column in columns:
        column.save()
    for column in columns:
        assert set(COMMANDS) == set(column.cells)
        assert column.differs_from_page() == [], 'run script/matrix'
