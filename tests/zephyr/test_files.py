# SPDX-License-Identifier: MIT
"""Files of real Zephyr over a cable that loses bytes: they arrive intact, and what others see of them is the new content."""

import base64
import random

import pytest

from . import harness

SIZE = 3000  # of 16 KiB: to go on behind a wrong offset, littlefs copies what it has of a block


@pytest.fixture(scope="module")
def board(programs, lasting_board, tmp_path_factory):
    one = lasting_board("serial_bigrx")
    with harness.Daemon(tmp_path_factory.mktemp("files"), {"z": one.tty}) as daemon:
        daemon.wait("z")
        yield one, daemon


def hurt(lane, dice, count, within):
    for _ in range(count):
        lane.corrupt(lane.offered + dice.randrange(within))


@pytest.mark.parametrize("seed", [0, 2, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 3, 4, 5))])
def test_a_bad_cable_costs_time_not_bytes(board, seed):
    one, daemon = board
    dice = random.Random(seed)
    data = dice.randbytes(SIZE)
    hurt(one.relay.to_board, dice, seed % 3 + 1, 2 * SIZE)
    hurt(one.relay.to_host, dice, seed % 2, 1000)
    with daemon.api() as api:
        written = list(api.stream("FileWrite", device="z", path="/lfs1/x",
                                  data=base64.b64encode(data).decode(), timeoutMs=300))
    assert written[-1]["verified"] == "sha256"
    hurt(one.relay.to_host, dice, 2, 2 * SIZE)
    assert daemon.call("FileStatus", device="z", path="/lfs1/x") == {"size": SIZE}
    reply = daemon.call("FileRead", device="z", path="/lfs1/x")
    assert base64.b64decode(reply["data"]) == data


def test_an_empty_file_over_another_is_told(board):
    _, daemon = board
    daemon.call("FileWrite", device="z", path="/lfs1/full", data="AAAA")
    with pytest.raises(harness.ApiError) as caught:
        daemon.call("FileWrite", device="z", path="/lfs1/full", data="")
    assert "left the file as it was, with 3 bytes" in caught.value.parameters["message"]
    daemon.call("FileWrite", device="z", path="/lfs1/new", data="")
    assert daemon.call("FileStatus", device="z", path="/lfs1/new") == {"size": 0}
