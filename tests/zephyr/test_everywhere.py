# SPDX-License-Identifier: MIT
"""The table of tests/daemon/everywhere.py on real Zephyr: the API, mcumgrctl in words and with --json, and Python say the same."""

import sys
from pathlib import Path

import pytest

from . import image

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "daemon"))
import everywhere  # noqa: E402
from .test_conformance import calling  # noqa: E402


def is_emulated(row):
    """Asked of the emulated board; a native_sim process ends with its reset."""
    return row.method.startswith("Image") or row.method in ("Update", "SlotInfo", "Reset")


def test_native_sim(board, daemon, tmp_path):
    running = daemon({"z": board("serial_bigrx").tty})
    running.wait("z")
    clients = everywhere.Everywhere(running.socket, "z", calling(running), tmp_path, None, {}, None, None)
    everywhere.run([row for row in everywhere.ROWS if not is_emulated(row)], clients, lambda: running.wait("z"))


@pytest.mark.slow
def test_cortex_m0(board, daemon, tmp_path):
    one, hashes = board("cortex_m0"), {}
    running = daemon({"z": one.tty})
    running.wait("z")

    def write(version):
        path, data = tmp_path / str(version), image.with_version(one.image, version)
        path.write_bytes(data)
        hashes[path] = image.image_hash(data).hex()
        return path

    files = {client: write(n) for n, client in enumerate(everywhere.CLIENTS, 2)}
    clients = everywhere.Everywhere(running.socket, "z", calling(running, one), tmp_path, write(1), files, running.put,
                                    hashes.get)
    everywhere.run([row for row in everywhere.ROWS if is_emulated(row)], clients, lambda: running.wait("z"))
