# SPDX-License-Identifier: MIT
"""mcumgrd on the emulated mps2: MCUboot loads the higher version to RAM (no state write),
and has serial recovery."""

import time

import pytest

from . import image, smp
from .test_boards import flags, versions
from .test_swap import changing, uploaded

pytestmark = pytest.mark.slow


@pytest.fixture
def bench(board, daemon):
    one = board("mps2")
    server = daemon({"mps2": one.tty})
    server.wait("mps2")
    return server, one


def firmware_update(server, tmp_path, data, *options):
    path = tmp_path / "new.bin"
    path.write_bytes(data)
    return server.cli("firmware", "update", *options, path, device="mps2", timeout=200)


def test_update(bench, tmp_path):
    server, one = bench
    new = image.with_version(one.image, 1, 2, 3)
    result = firmware_update(server, tmp_path, new)
    assert (result.code, result.lines[-1]["outcome"]) == (0, "updated"), result
    assert result.lines[-1]["version"] == "1.2.3"
    assert one.resets == 1
    device = server.wait("mps2", where=lambda device: device.get("version") == "1.2.3")
    assert flags(device["images"]) == {0: set(), 1: {"active", "confirmed"}}

    before = one.relay.to_board.count
    again = firmware_update(server, tmp_path, new)
    assert (again.code, again.lines[-1]["outcome"]) == (0, "unchanged"), again
    assert changing(one, before) == []

    newer = image.with_version(one.image, 1, 2, 4)
    result = firmware_update(server, tmp_path, newer)
    assert (result.code, result.lines[-1]["version"]) == (0, "1.2.4"), result


def test_a_lower_version_does_not_boot(bench, tmp_path):
    """The bootloader takes the higher version whatever was uploaded: said as it is."""
    server, one = bench
    assert firmware_update(server, tmp_path, image.with_version(one.image, 3)).code == 0
    result = firmware_update(server, tmp_path, image.with_version(one.image, 2))
    assert result.code == 7, result
    assert server.wait("mps2")["version"] == "3.0.0"


def test_state_write_is_not_supported(bench):
    server, one = bench
    digest = image.image_hash(one.image).hex()
    for arguments in (["--confirm"], ["--hash", digest]):
        result = server.cli("image", "set-state", *arguments, device="mps2")
        assert result.code == 6
        assert result.error["error"] == "io.mcumgr.NotSupported"


def test_into_recovery_update_and_out(bench, tmp_path):
    server, one = bench
    assert server.cli("os", "system-reset", "--bootmode", "1", device="mps2").code == 0
    device = server.wait("mps2", states=("recovery",), timeout=30)
    assert device["bufferSize"] == 1024
    assert versions(device["images"]) == {0: "0.0.0"}
    new = image.with_version(one.image, 2)
    result = firmware_update(server, tmp_path, new)
    assert result.code == 0, result
    assert len(new) <= uploaded(one) < len(new) * 1.1
    device = server.wait("mps2", where=lambda device: device.get("version") == "2.0.0")
    assert device["state"] == "ready" and device["bufferSize"] == 384


def test_a_board_found_in_recovery_is_reset_once(board, daemon):
    one = board("mps2")
    with smp.Client(one.tty) as client:
        client.wait()
        client.write_request(smp.OS, smp.RESET, {"boot_mode": 1})
        deadline = time.monotonic() + 60
        while not one.resets:
            assert time.monotonic() < deadline, "the board did not reset"
            time.sleep(0.01)
        client.wait()
        assert client.read(smp.OS, smp.PARAMETERS)["buf_size"] == 1024
    assert one.resets == 1
    server = daemon({"mps2": one.tty})
    device = server.wait("mps2", timeout=30)
    assert one.resets == 2 and device["bufferSize"] == 384


def test_raw_framing(board, daemon, tmp_path):
    one = board("mps2_raw")
    server = daemon({"mps2": one.tty + ",framing=raw"})
    server.wait("mps2")
    new = image.with_version(one.image, 1, 2, 3)
    result = firmware_update(server, tmp_path, new)
    assert (result.code, result.lines[-1]["outcome"]) == (0, "updated"), result
