# SPDX-License-Identifier: MIT
"""os system-reset --bootmode 1: the board is followed into its bootloader, each in its own time. First with replies as written
down here, then with the real daemon and simulated boards."""

import json
import os
import subprocess
import sys
import threading
import time

import pytest

from conftest import TREE, build_dir, environment, program
from fake_daemon import Error, Open

os.environ.setdefault("MCUMGRD", str(build_dir() / "daemon/mcumgrd"))
os.environ.setdefault("MCUMGR_SIM", str(build_dir() / "tests/sim/mcumgr-sim"))
sys.path.insert(0, str(TREE / "tests/daemon"))

import rack as racks  # noqa: E402

RESET = ["os", "system-reset", "--bootmode", "1"]
LATE = "mcumgrctl: not back in its bootloader in time\n"


def event(word, state=None, id_="a", number=1):
    device = {"device": {"id": id_, "state": state, "since": "2026-01-01T00:00:00.000Z"}} if state else {}
    return {"event": word, "number": number, "time": "2026-01-02T03:04:05.678Z", **device}


CURRENT = event("current")
HOWS = [
    # what Watch tells, the last words
    ([event("present", "quiet"), CURRENT, event("changed", "probing"), event("ready", "ready")],
     "It runs its application: its firmware or its bootloader does not know boot mode 1."),
    ([event("present", "ready"), CURRENT, event("detached", "absent")], "It is absent."),
    ([event("present", "quiet"), CURRENT, event("unresponsive", "unresponsive")], "It is unresponsive."),
    ([CURRENT], "It is not there."),
    ([], "It is not there."),
]


@pytest.mark.parametrize("events, hint", HOWS)
@pytest.mark.parametrize("as_json", [False, True])
def test_a_board_that_does_not_come_back(daemon, ctl, events, hint, as_json):
    daemon.on("Reset", {}).on("Watch", *events, Open())
    begun = time.monotonic()
    result = ctl(*(["--json"] if as_json else []), *RESET, "--boot-timeout", "300ms")
    assert time.monotonic() - begun >= 0.3
    assert [call[:2] for call in daemon.calls] == [("Reset", {"bootMode": 1}), ("Watch", {})]
    assert result.code == 5
    if as_json:
        error = json.loads(result.out)
        assert error["error"] == "mcumgrctl.TimedOut" and hint in json.dumps(error), error
    else:
        assert (result.out, result.err) == ("Reset; waiting for its bootloader\n", LATE + "  " + hint + "\n")


def test_it_is_followed_until_it_is_back(daemon, ctl):
    """Whatever it does on the way; also when it is there before anybody looks."""
    last = event("recovery", "recovery")
    for events in ([event("present", "quiet"), CURRENT, event("detached", "absent"), event("ready", "ready"), last],
                   [event("present", "recovery")]):
        daemon.on("Reset", {}).on("Watch", *events, Open())
        assert ctl(*RESET).out == "Reset; waiting for its bootloader\na is in its bootloader\n"
        result = ctl("--json", *RESET, "--boot-timeout", "20")
        assert result.code == 0 and json.loads(result.out) == events[-1]


def test_a_reset_that_fails_is_not_followed(daemon, ctl):
    daemon.on("Reset", Error("TimedOut", device="a", message="no answer for 500 ms"))
    assert ctl(*RESET).code == 5 and daemon.methods() == ["Reset"]


def test_each_of_several_has_its_own_time(daemon, ctl):
    """One that is reset when the time of another is over has all of its own; the others are not held up."""
    names, over = ("a", "b", "c", "d"), threading.Event()
    daemon.on("List", {"devices": [event("x", "ready", name)["device"] for name in names]})

    def reset(parameters):
        if parameters["device"] == "d":
            return [Error("TimedOut", device="d", message="no answer")]
        assert parameters["device"] != "c" or over.wait(30)
        return [{}]

    daemon.on("Reset", reset)
    daemon.on("Watch", lambda p: [event("present", "ready" if p["device"] == "b" else "recovery", p["device"]), Open()])
    process = ctl.start("--all", *RESET, "--boot-timeout", "300ms")
    told = []
    for line in process.stderr:
        told.append(line.decode())
        if "in time" in told[-1]:
            break
    over.set()
    out, err = process.communicate(timeout=60)
    text = "".join(told) + err.decode()
    table = out.decode()[out.decode().index("DEVICE"):].splitlines()
    assert [line.split()[:2] for line in table] == [["DEVICE", "RESULT"], ["a", "ok"], ["b", "TimedOut"], ["c", "ok"], ["d", "TimedOut"]]
    assert "c: c is in its bootloader" in out.decode() and "b: not back in its bootloader in time" in text, (out, text)
    assert process.returncode == 5


@pytest.fixture
def rack():
    made = []

    def make(boards, keys):
        made.append(racks.Rack(boards, keys))
        for name in boards:
            made[-1].ready(name)
        return made[-1]

    yield make
    for one in made:
        one.close()


def ctl_of(r, *argv):
    return subprocess.run([program(), *argv], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120,
                          env=environment(r.socket))


def test_boards_of_a_rack(rack):
    """All at once into their bootloaders, and back; one by one they are told."""
    names = ("a", "b", "c", "d")
    r = rack(names, "boot_ms=50")
    done = ctl_of(r, "--json", "--all", *RESET)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, done
    assert sorted((line["device"], line["parameters"]["device"]["state"]) for line in lines) == [(n, "recovery") for n in names]
    assert {d["id"]: d["state"] for d in r.client().call("List")["devices"]} == dict.fromkeys(names, "recovery")
    assert all(r.sim.state(name)["phase"] == "recovery" for name in names)
    done = ctl_of(r, "--all", "os", "system-reset")
    assert done.returncode == 0, done
    for name in names:
        r.ready(name)


def test_a_board_that_only_says_that_it_resets(rack):
    r = rack(("a",), "boot_ms=50")
    r.sim.command("a fault reset-ignored")
    done = ctl_of(r, *RESET, "--boot-timeout", "2s")
    assert done.returncode == 5 and done.stderr.startswith(LATE + "  It "), done
    assert r.sim.state("a")["phase"] == "app"
