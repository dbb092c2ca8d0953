# SPDX-License-Identifier: MIT
"""Leases from Python: lock(), and MCUMGR_LEASE of a process that has one."""
import os

import pytest

import mcumgrd
from mcumgrd import MCUmgrClient


def test_lock(rack):
    rack("a", "b")
    mine, other = MCUmgrClient.device("a"), MCUmgrClient.device("a")
    with mine.lock(reason="a test") as lease:
        assert lease.devices == ["a"] and lease.info["pid"] == os.getpid()
        mine.set_retries(1)
        assert other.os_echo("x") == "x"
        with pytest.raises(mcumgrd.DeviceBusy) as raised:
            other.set_retries(1)
        assert raised.value.parameters["lease"]["reason"] == "a test" and "a test" in raised.value.message
        for wait in False, 0.01:
            with pytest.raises(mcumgrd.DeviceBusy):
                other.lock(wait=wait)
    with other.lock(wait=True):
        other.set_retries(1)
        # Taken away: no call goes on as if nothing had happened, also over a connection that is made anew.
        mine._connection.call("io.mcumgr.Unlock", device="a", force=True)
        with pytest.raises(mcumgrd.NoSuchLease):
            other.set_retries(1)
        other._connection._drop()
        with pytest.raises(mcumgrd.NoSuchLease):
            other.set_retries(1)
    other.set_retries(1)


@pytest.mark.parametrize("wait", ["5", None, -1, float("inf"), float("nan"), 1e300])
def test_a_wait_that_is_no_time(rack, wait):
    rack("a")
    board = MCUmgrClient.device("a")
    with pytest.raises(mcumgrd.InvalidParameter) as raised:
        board.lock(wait=wait)
    assert raised.value.message == f"wait is True, False or a number of seconds, not {wait!r}"


def test_the_environment(rack, monkeypatch):
    rack("a")
    holder = MCUmgrClient.device("a")
    lease = holder.lock()
    with pytest.raises(mcumgrd.DeviceBusy):
        MCUmgrClient.device("a").set_retries(1)
    monkeypatch.setenv("MCUMGR_LEASE", lease.token)
    MCUmgrClient.device("a").set_retries(1)
    lease.unlock()
    with pytest.raises(mcumgrd.NoSuchLease):
        MCUmgrClient.device("a").set_retries(1)
    assert MCUmgrClient.device("a").os_echo("x") == "x"


def test_a_private_daemon_has_leases_of_its_own(sim, monkeypatch):
    s = sim("a,boot_ms=10")
    monkeypatch.setenv("MCUMGR_LEASE", "0" * 32)
    with MCUmgrClient.serial(s.path("a")) as client:
        client.set_retries(1)


def test_several_of_a_pool(rack):
    rack("a", "b", "c")
    with mcumgrd.Connection() as one, mcumgrd.Connection() as two:
        first = mcumgrd.Lease.take(one, any="*", count=2)
        with pytest.raises(mcumgrd.DeviceBusy):
            mcumgrd.Lease.take(two, any="*", count=2)
        second = mcumgrd.Lease.take(two, any="*")
        assert sorted(first.devices + second.devices) == ["a", "b", "c"]
