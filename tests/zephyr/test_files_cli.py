# SPDX-License-Identifier: MIT
"""mcumgrctl fs on real Zephyr: a board with two line buffers (the daemon finds its pace), and one with large packets."""

import base64
import random
import signal
import subprocess
import threading

import pytest

from . import harness
from .boards import die_with_parent

SIZE = 2000  # the file system has 16 KiB: room for one file, and to write it anew


@pytest.fixture(scope="module", params=["serial", "serial_fs"])
def board(request, programs, lasting_board, tmp_path_factory):
    one = lasting_board(request.param)
    with harness.Daemon(tmp_path_factory.mktemp("files"), {"z": one.tty}) as daemon:
        daemon.wait("z")
        yield one, daemon


def run(daemon, *words, stdin=b"", code=0):
    """mcumgrctl with bytes in and out."""
    done = subprocess.run([harness.client_program(), "--socket", daemon.socket, "-d", "z", *map(str, words)], input=stdin,
                          capture_output=True, timeout=120, preexec_fn=die_with_parent)
    assert done.returncode == code and b"Sanitizer" not in done.stderr, done
    return done


def test_there_and_back(board, tmp_path):
    _, daemon = board
    data = random.Random(1).randbytes(SIZE)
    (tmp_path / "a.bin").write_bytes(data)
    assert b"sha256" in run(daemon, "fs", "upload", tmp_path / "a.bin", "/lfs1/").stdout  # a folder there: the name is added
    (tmp_path / "into").mkdir()
    run(daemon, "fs", "download", "/lfs1/a.bin", tmp_path / "into")
    assert (tmp_path / "into/a.bin").read_bytes() == data
    assert run(daemon, "-q", "fs", "download", "/lfs1/a.bin", "-").stdout == data
    run(daemon, "fs", "upload", "-", "/lfs1/a.bin", stdin=data[::-1])
    assert run(daemon, "fs", "download", "/lfs1/a.bin", "-").stdout == data[::-1]
    assert daemon.call("FileStatus", device="z", path="/lfs1/a.bin") == {"size": SIZE}


def test_what_was_here_stays_until_all_has_come(board, tmp_path):
    _, daemon = board
    target = tmp_path / "kept"
    target.write_text("before")
    run(daemon, "fs", "download", "/lfs1/nonesuch", target, code=6)
    assert target.read_text() == "before" and list(tmp_path.iterdir()) == [target]


def test_a_transfer_that_was_cut_leaves_nothing_open_or_behind(board, tmp_path):
    """Ctrl-C in the middle of a download: the file here is as it was, and the board serves the next one."""
    one, daemon = board
    data = random.Random(2).randbytes(SIZE)
    daemon.call("FileWrite", device="z", path="/lfs1/a.bin", data=base64.b64encode(data).decode())
    target = tmp_path / "kept"
    target.write_text("before")
    under_way = threading.Event()
    one.relay.to_host.trip(one.relay.to_host.offered + SIZE // 2, under_way.set)
    one.relay.pace(baud=19200)
    try:
        client = daemon.start_client("fs", "download", "/lfs1/a.bin", target, device="z")
        assert under_way.wait(30)
        client.send_signal(signal.SIGINT)
        assert harness.finish(client).code == 130
    finally:
        one.relay.pace(baud=None)
    assert target.read_text() == "before" and list(tmp_path.iterdir()) == [target]
    run(daemon, "fs", "upload", "-", "/lfs1/a.bin", stdin=b"short")
    assert run(daemon, "fs", "download", "/lfs1/a.bin", "-").stdout == b"short"


@pytest.mark.parametrize("lane", ["to_host", "to_board"])
def test_a_lost_line_costs_time_not_bytes(board, lane):
    one, daemon = board
    data = random.Random(3).randbytes(SIZE)
    cable = getattr(one.relay, lane)
    cable.lose(cable.offered + 900)
    run(daemon, "fs", "upload", "-", "/lfs1/a.bin", stdin=data)
    cable.lose(cable.offered + 300)
    assert run(daemon, "fs", "download", "/lfs1/a.bin", "-").stdout == data
