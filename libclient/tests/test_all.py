# SPDX-License-Identifier: MIT
"""--all: every board, a connection each, in parallel; lines while it goes, a table at the end, one exit code."""

import json
import signal

import pytest

from fake_daemon import Close, Error, Later
from test_jobs import CANCELLED, FILE, IMAGE, PUT, done, step


def device(id_, **more):
    return {"id": id_, "state": "ready", "since": "2026-01-01T00:00:00.000Z", **more}


@pytest.fixture
def rack(daemon):
    daemon.on("List", {"devices": [device(f"rack-{n}") for n in (1, 2, 3)]}).on("ImagePut", {"hash": FILE})
    return daemon


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "zephyr.bin"
    path.write_bytes(IMAGE)
    return str(path)


def refused(board):
    return Error("DeviceError", device=board, group=0, rc=1, message="the board refuses", hint="ask it again")


def test_plain_verb(rack, ctl):
    rack.on("Echo", lambda p: [refused("rack-2") if p["device"] == "rack-2" else {"text": p["text"]}])
    result = ctl("--all", "os", "echo", "hi")
    assert result.code == 6
    lines = result.out.splitlines()
    assert sorted(lines[:2]) == ["rack-1: hi", "rack-3: hi"]
    assert lines[2:] == ["DEVICE RESULT      DETAIL", "rack-1 ok          -", "rack-2 DeviceError the board refuses",
                         "rack-3 ok          -"]
    assert result.err == "mcumgrctl: rack-2: the board refuses\n  ask it again\n"
    assert sorted(p["device"] for m, p, _ in rack.calls if m == "Echo") == ["rack-1", "rack-2", "rack-3"]


def test_several_lines_are_indented(rack, ctl):
    rack.on("Parameters", {"bufferSize": 1, "bufferCount": 2})
    out = ctl("--all", "os", "mcumgr-parameters").out
    assert "rack-2:\n  Buffer size:   1\n  Buffer count:  2\n" in out


def test_json(rack, ctl):
    rack.on("Echo", lambda p: [refused("rack-2") if p["device"] == "rack-2" else {"text": p["text"]}])
    result = ctl("--all", "--json", "os", "echo", "hi")
    assert (result.code, result.err) == (6, "")
    replies = sorted((json.loads(line) for line in result.out.splitlines()), key=lambda r: r["device"])
    assert replies == [
        {"device": "rack-1", "parameters": {"text": "hi"}},
        {"device": "rack-2", "error": "io.mcumgr.DeviceError", "parameters": refused("rack-2").parameters},
        {"device": "rack-3", "parameters": {"text": "hi"}}]


def test_they_run_in_parallel(rack, ctl):
    """Each is answered only when all three have asked."""
    rack.on("Echo", lambda p: [Later("Echo", 3), {"text": "x"}])
    assert ctl("--all", "os", "echo", "x").code == 0


def test_so_many_at_once(rack, ctl):
    """The third is asked when one of the first two has answered, and not before."""
    rack.on("Echo", lambda p: [Later("Echo", 2), {"text": p["device"]}])
    result = ctl("--all", "--parallel", "2", "os", "echo", "x")
    assert result.code == 0 and result.out.count(" ok ") == 3
    rack.calls.clear()
    rack.on("Echo", lambda p: [{"text": str([m for m, _, _ in rack.calls].count("Echo"))}])
    result = ctl("--all", "--parallel=1", "os", "echo", "x")
    assert result.out.splitlines()[:3] == ["rack-1: 1", "rack-2: 2", "rack-3: 3"]


@pytest.mark.parametrize("failing, count, results", [
    ("rack-1", "1", ["DeviceError", "skipped", "skipped"]), ("rack-2", "1", ["ok", "DeviceError", "skipped"]),
    ("rack-1 rack-2", "2", ["DeviceError", "DeviceError", "skipped"]), ("rack-1", "2", ["DeviceError", "ok", "ok"])])
def test_no_more_after_so_many_failures(rack, ctl, failing, count, results):
    rack.on("Echo", lambda p: [refused(p["device"]) if p["device"] in failing else {"text": "x"}])
    words = "--all", "--parallel", "1", "--stop-after", count, "os", "echo", "x"
    result = ctl(*words)
    assert result.code == 6 and [line.split()[1] for line in result.out.splitlines()[-3:]] == results
    assert ("not begun with: others failed" in result.out) == ("skipped" in results)
    lines = [json.loads(line) for line in ctl("--json", *words).out.splitlines()]
    assert [line["device"] for line in lines if line.get("skipped") == "skipped"] == [
        f"rack-{n}" for n in (1, 2, 3) if results[n - 1] == "skipped"]


def test_ctrl_c_begins_with_no_other_board(rack, ctl):
    rack.on("Echo", Later("nothing ever"))
    process = ctl.start("--all", "--parallel", "1", "os", "echo", "x")
    with rack.changed:
        assert rack.changed.wait_for(lambda: "Echo" in [m for m, _, _ in rack.calls], 30)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 130 and out.count(b"interrupted before its turn") == 2
    assert [m for m, _, _ in rack.calls].count("Echo") == 1


@pytest.mark.parametrize("words", [["--parallel", "2", "os", "echo", "x"], ["--all", "--parallel", "2", "lock"],
                                   ["--stop-after", "1", "-d", "a", "os", "echo", "x"], ["--all", "--parallel", "0", "list"]])
def test_many_are_meant(rack, ctl, words):
    assert ctl(*words).code == 2 and not rack.calls


def test_the_worst_exit_code(rack, ctl):
    answers = {"rack-1": [Close()], "rack-2": [refused("rack-2")],
               "rack-3": [Error("TimedOut", device="rack-3", message="no answer")]}
    rack.on("Echo", lambda p: answers[p["device"]])
    result = ctl("--all", "os", "echo", "x")
    assert result.code == 9
    assert "rack-1 daemon" in result.out and "rack-3 TimedOut    no answer" in result.out


def test_boards_that_are_not_there_are_told_and_not_judged(daemon, ctl):
    daemon.on("List", {"devices": [device("a"), device("b", state="absent"), device("c")]})
    daemon.on("Echo", {"text": "hi"}).on("Configure", {})
    result = ctl("--all", "--retries", "1", "os", "echo", "hi")
    assert (result.code, result.err) == (0, "")
    assert result.out.splitlines()[2:] == ["DEVICE RESULT DETAIL", "a      ok     -", "b      absent not plugged in: left out",
                                           "c      ok     -"]
    assert sorted(p["device"] for m, p, _ in daemon.calls if m in ("Echo", "Configure")) == ["a", "a", "c", "c"]
    lines = [json.loads(line) for line in ctl("--all", "--json", "os", "echo", "hi").out.splitlines()]
    assert {"device": "b", "skipped": "absent"} in lines and len(lines) == 3


def test_no_board_is_there(daemon, ctl):
    daemon.on("List", {"devices": [device("a", state="absent")]})
    result = ctl("--all", "os", "echo", "hi")
    assert result.code == 3 and "no board is plugged in" in result.err


def test_no_boards(daemon, ctl):
    daemon.on("List", {"devices": []})
    result = ctl("--all", "os", "echo", "x")
    assert (result.code, result.out) == (3, "") and "there is no board" in result.err


def test_update(rack, ctl, image):
    rack.on("Update", lambda p: [step("check", 0), refused("rack-2")] if p["device"] == "rack-2" else
            [step("check", 0), step("upload", 5, 10, 10), done("unchanged" if p["device"] == "rack-3" else "updated")])
    result = ctl("--all", "firmware", "update", image)
    assert result.code == 6
    assert [c for c in rack.calls if c[0] != "Update"] == [PUT, ("List", {}, False)]
    for line in ("rack-1: check", "rack-1: upload 100 % (10 B of 10 B)", "rack-2: check",
                 "rack-1: Updated: 2.0.0 (ab12cd34) is active and confirmed."):
        assert line in result.out.splitlines()
    table = result.out[result.out.index("DEVICE"):].splitlines()
    assert [line.split()[:2] for line in table] == [
        ["DEVICE", "RESULT"], ["rack-1", "updated"], ["rack-2", "DeviceError"], ["rack-3", "unchanged"]]
    assert "Nothing to do: 2.0.0" in table[3]


def test_update_json(rack, ctl, image):
    rack.on("Update", step("check", 0), done())
    lines = [json.loads(line) for line in ctl("--json", "--all", "firmware", "update", image).out.splitlines()]
    for n in (1, 2, 3):
        assert [line for line in lines if line["device"] == f"rack-{n}"] == [
            {"device": f"rack-{n}", "parameters": step("check", 0)}, {"device": f"rack-{n}", "parameters": done()}]


def test_interrupt_cancels_every_job(rack, ctl, image):
    rack.on("JobCancel", {})
    rack.on("Update", lambda p: [{**step("check", 0), "job": p["device"]}, Later("JobCancel", 3), CANCELLED])
    process = ctl.start("--all", "firmware", "update", image)
    assert {process.stdout.readline() for _ in range(3)} == {b"rack-1: check\n", b"rack-2: check\n", b"rack-3: check\n"}
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130 and err.count(b"cancelling") == 1
    assert sorted(p["job"] for m, p, _ in rack.calls if m == "JobCancel") == ["rack-1", "rack-2", "rack-3"]
    assert out.count(b"Cancelled") == 3


def test_detach(rack, ctl, image):
    rack.on("Update", lambda p: [{**step("check", 0), "job": p["device"][5:]}, Later("Jobs"), done()])
    rack.on("Jobs", {"jobs": []})
    result = ctl("--all", "--detach", "firmware", "update", image)
    assert result.code == 0 and "rack-2: Job 2 runs in the daemon." in result.out
    assert ctl("jobs").code == 0


def test_two_hundred_boards(daemon, ctl):
    daemon.on("List", {"devices": [device(f"b{n}") for n in range(200)]}).on("Echo", lambda p: [{"text": p["text"]}])
    result = ctl("--all", "--json", "os", "echo", "x")
    assert result.code == 0 and len(result.out.splitlines()) == 200
