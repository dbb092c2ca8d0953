# SPDX-License-Identifier: MIT
"""trace: entries as lines; and what a failed job left behind, under its error."""

import signal

import pytest

from fake_daemon import Error, Open

TIME = "2026-01-02T03:04:05.678Z"
ECHO = {"operation": "write", "group": 0, "groupName": "OS", "command": 0, "commandName": "Echo", "sequence": 7}


def entry(kind, **more):
    return {"number": 1, "time": TIME, "kind": kind, **more}


@pytest.mark.parametrize("given, shown", [
    (entry("sent", size=17, attempt=1, **ECHO), "> write OS Echo, seq 7, 17 bytes"),
    (entry("sent", size=17, attempt=3, **ECHO), "> write OS Echo, seq 7, 17 bytes, attempt 3"),
    (entry("received", size=18, rc=0, roundTripUs=2150, **ECHO), "< write OS Echo, seq 7, 18 bytes, ok, 2.1 ms"),
    (entry("received", operation="read", group=77, command=3, sequence=255, size=14, rc=8, rcName="ENOTSUP"),
     "< read group 77 command 3, seq 255, 14 bytes, rc 8 ENOTSUP"),
    (entry("timeout", size=17, attempt=1, **ECHO), "- timeout write OS Echo, seq 7, 17 bytes"),
    (entry("damaged", text="bad CRC"), "- damaged bad CRC"),
    (entry("typed", size=3), "- typed 3 bytes"),
    (entry("mark", text="\x1b[2J"), "- mark \\x1b[2J"),
    (entry("a new kind"), "- a new kind "),
])
def test_lines(daemon, ctl, given, shown):
    daemon.on("Trace", {"entries": [given]})
    result = ctl("trace", "a", "-n", "5")
    assert (result.code, result.out, result.err) == (0, f"03:04:05.678 {shown}\n", "")
    assert daemon.calls == [("Trace", {"device": "a", "backlog": 5}, True)]


def test_lost_entries_are_told(daemon, ctl):
    daemon.on("Trace", {"entries": [entry("damaged", text="x")], "dropped": 2})
    assert ctl("trace").out.startswith("(2 entries are lost)\n")
    assert "lost" not in ctl("-q", "trace").out


def test_follow_ends_by_interrupt(daemon, ctl):
    daemon.on("Trace", {"entries": []}, {"entries": [entry("damaged", text="x")]}, Open())
    process = ctl.start("trace", "-f")
    assert process.stdout.readline() == b"03:04:05.678 - damaged x\n"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, b"", b"")


PARAMETERS = {"device": "a", "reason": "reverted", "expected": "00", "message": "it is back on 1.0.0"}
LEFT = {"job": {"id": "7", "kind": "update", "device": "a", "state": "failed", "step": "verify", "percent": 80, "detached": False,
                "started": TIME, "error": {
                    "error": "io.mcumgr.NotBooted", "parameters": PARAMETERS,
                    "console": [{"number": n, "time": TIME, "text": f"line {n}\x1b"} for n in range(1, 20)],
                    "trace": [entry("sent", size=8, attempt=1, **ECHO), entry("damaged", text="bad CRC")]}}}
SHOWN = """\
mcumgrctl: a: it is back on 1.0.0
  What the board printed last:
""" + "".join(f"    03:04:05.678 line {n}\\x1b\n" for n in range(8, 20)) + """\
  What went over its line last:
    03:04:05.678 > write OS Echo, seq 7, 8 bytes
    03:04:05.678 - damaged bad CRC
"""


@pytest.fixture
def failing(daemon, tmp_path):
    image = tmp_path / "zephyr.bin"
    image.write_bytes(b"\0" * 64)
    daemon.on("ImagePut", {"hash": "f1" * 32})
    daemon.on("Update", {"job": "7", "step": "check", "percent": 0}, Error("NotBooted", **PARAMETERS))
    daemon.on("JobWatch", LEFT)
    return str(image)


def test_a_failed_update_shows_what_its_job_left_behind(failing, daemon, ctl):
    result = ctl("firmware", "update", failing)
    assert result.code == 7 and result.err.endswith(SHOWN), result.err
    assert daemon.calls[-1] == ("JobWatch", {"job": "7"}, False)


@pytest.mark.parametrize("option", ["--json", "-q"])
def test_only_people_are_shown_it(failing, daemon, ctl, option):
    result = ctl(option, "firmware", "update", failing)
    assert result.code == 7 and "printed last" not in result.err
    assert "JobWatch" not in [method for method, _, _ in daemon.calls]


def test_a_daemon_that_has_forgotten_the_job_changes_nothing(failing, daemon, ctl):
    daemon.on("JobWatch", Error("NoSuchJob", job="7", message="there is no job '7'"))
    result = ctl("firmware", "update", failing)
    assert result.code == 7 and result.err.endswith("mcumgrctl: a: it is back on 1.0.0\n")


def test_job_watch_shows_it_later(failing, ctl):
    result = ctl("job", "watch", "7")
    assert result.code == 7 and result.err == SHOWN


def test_who_asks_for_no_entry_is_not_told_that_there_is_none(daemon, ctl):
    daemon.on("Trace", {"entries": []})
    assert (ctl("trace", "-n", "0").err, ctl("trace").err) == ("", "mcumgrctl: nothing has gone over the line of the board\n")
