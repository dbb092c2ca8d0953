# SPDX-License-Identifier: MIT
"""Simulated boards and the real daemon for the package of this tree. The programs are $MCUMGRD and $MCUMGR_SIM."""
import os
import pathlib
import sys

import pytest

TREE = pathlib.Path(__file__).resolve().parents[3]
sys.path[:0] = [str(TREE / "libclient/python"), str(TREE / "tests/daemon"), str(TREE / "tests/sim")]
BUILD = pathlib.Path(os.environ.get("MCUMGRD_BUILD", TREE / "build"))
os.environ.setdefault("MCUMGRD", str(BUILD / "daemon/mcumgrd"))
os.environ.setdefault("MCUMGR_SIM", str(BUILD / "tests/sim/mcumgr-sim"))

import rack as racks  # noqa: E402
import simulator  # noqa: E402

import mcumgrd  # noqa: E402


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: left out of the quick run (-m 'not slow')")


@pytest.fixture(autouse=True)
def no_daemon_of_this_machine(monkeypatch):
    monkeypatch.setenv("MCUMGR_SOCKET", "/nonexistent/io.mcumgr")


@pytest.fixture
def sim():
    """sim("a", "b,boot_ms=10"): boards without a daemon."""
    running = []

    def start(*boards):
        running.append(simulator.Simulator(*boards))
        return running[-1]

    yield start
    for s in running:
        s.close()


@pytest.fixture
def rack(monkeypatch):
    """rack("a", "b", keys="erase_ms=100"): boards that answer, and a daemon that clients find."""
    running = []

    def start(*boards, **more):
        running.append(racks.Rack(boards or ("a",), **more))
        monkeypatch.setenv("MCUMGR_SOCKET", running[-1].socket)
        running[-1].ready()
        return running[-1]

    yield start
    for r in running:
        r.close()


@pytest.fixture(scope="module")
def shared():
    """A board for tests that leave it as it is."""
    r = racks.Rack(("a",))
    r.ready()
    yield r
    r.close()


@pytest.fixture
def client(shared):
    with mcumgrd.MCUmgrClient.device("a", shared.socket) as c:
        yield c


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """(bytes, image hash) of version 2.0.0."""
    return simulator.make_image(tmp_path_factory.mktemp("image") / "new.bin", "2.0.0")
