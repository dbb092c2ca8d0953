# SPDX-License-Identifier: MIT
"""What goes wrong: exit code, sentence and hint on stderr, the API's error object on stdout with --json."""

import json
import os
import socket
import subprocess

import pytest

from conftest import DEADLINE, environment, program
from fake_daemon import Close, Error, Open, Raw

BOARD = {"device": "rack-1"}
SAID = {"message": "it went wrong", "hint": "try this"}
LOST = "the daemon on {socket} closed the connection"

ERRORS = [
    ("NoSuchDevice", {**BOARD, "available": []}, 3),
    ("AmbiguousDevice", {**BOARD, "matches": []}, 3),
    ("DeviceBusy", {**BOARD, "holder": "ann"}, 4),
    ("NoSuchLease", {}, 4),
    ("DeviceGone", BOARD, 5),
    ("DeviceUnavailable", {**BOARD, "state": "broken"}, 5),
    ("TimedOut", BOARD, 5),
    ("NotSupported", {**BOARD, "group": 0, "command": 0}, 6),
    ("DeviceError", {**BOARD, "rc": 1}, 6),
    ("ProtocolError", {**BOARD, "reason": "r"}, 1),
    ("BadImage", {"reason": "truncated"}, 8),
    ("NoSuchImage", {"file": "x"}, 8),
    ("UpdateRefused", {**BOARD, "reason": "pending"}, 7),
    ("NotBooted", {**BOARD, "reason": "reverted", "expected": "1.0"}, 7),
    ("Cancelled", {**BOARD, "step": "upload"}, 130),
    ("NoSuchJob", {"job": "x"}, 1),
    ("LimitExceeded", {"limit": "connections", "maximum": 1}, 1),
    ("PermissionDenied", {"role": "change"}, 10),
]


def test_table_has_every_error(interface):
    assert {name for name, _, _ in ERRORS} | {"Stopping"} == set(interface.errors)


@pytest.mark.parametrize("name,parameters,code", ERRORS, ids=[row[0] for row in ERRORS])
def test_api_errors(daemon, ctl, name, parameters, code):
    parameters = {**parameters, **SAID}
    daemon.on("Echo", Error(name, **parameters))
    prefix = "rack-1: " if "device" in parameters else ""
    text = ctl("os", "echo", "x")
    assert (text.code, text.out, text.err) == (code, "", f"mcumgrctl: {prefix}it went wrong\n  try this\n")
    as_json = ctl("--json", "os", "echo", "x")
    assert (as_json.code, as_json.err) == (code, "")
    assert json.loads(as_json.out) == {"error": f"io.mcumgr.{name}", "parameters": parameters}


SERVICE = "org.varlink.service."
SERVICE_ERRORS = [
    (SERVICE + "MethodNotFound", {"method": "io.mcumgr.Echo"}, 1,
     "the daemon has no method io.mcumgr.Echo: it may be older than its client"),
    (SERVICE + "InvalidParameter", {"parameter": "text"}, 2, "the daemon does not take the parameter 'text' as it was given"),
    (SERVICE + "InvalidParameter", {"parameter": "text", "message": "text: too long"}, 2, "text: too long"),
    (SERVICE + "PermissionDenied", {}, 10, "the daemon does not allow this user to do that"),
    ("com.example.Odd", {}, 1, "the daemon answered with the error com.example.Odd"),
]


@pytest.mark.parametrize("name,parameters,code,sentence", SERVICE_ERRORS)
def test_varlink_errors(daemon, ctl, name, parameters, code, sentence):
    daemon.on("Echo", Error(name, **parameters))
    result = ctl("-d", "rack-1", "os", "echo", "x")
    assert (result.code, result.out, result.err) == (code, "", f"mcumgrctl: rack-1: {sentence}\n")


def test_several_boards_are_listed(daemon, ctl):
    daemon.on("Echo", Error("AmbiguousDevice", device=".", matches=["rack-1", "rack-2\n\x1b[2J"], message="2 boards match ."))
    result = ctl("-d", ".", "os", "echo", "x")
    assert result.err == "mcumgrctl: .: 2 boards match .\n  These match:\n   - rack-1\n   - rack-2\\x0a\\x1b[2J\n"


@pytest.mark.parametrize("message, shown", [
    ("rack-1: no answer", "rack-1: no answer"), ("rack-1 is busy", "rack-1 is busy"),
    ("no board goes by 'rack-1'", "no board goes by 'rack-1'"), ("no answer", "rack-1: no answer"),
    ("rack-10 is busy", "rack-1: rack-10 is busy")])
def test_name_is_not_said_twice(daemon, ctl, message, shown):
    daemon.on("Echo", Error("TimedOut", device="rack-1", message=message))
    assert ctl("os", "echo", "x").err == f"mcumgrctl: {shown}\n"


def test_boards_of_a_call_that_names_none(daemon, ctl):
    daemon.on("Echo", Error("AmbiguousDevice", matches=["a", "b"], message="2 boards are known", hint="name one"))
    assert ctl("os", "echo", "x").err == "mcumgrctl: 2 boards are known\n  name one\n  These are there:\n   - a\n   - b\n"


def test_nothing_to_release(daemon, ctl):
    daemon.on("Release", {"ports": [{"device": "rack-1"}]})
    result = ctl("release", "rack-1", "--", "echo", "it ran")
    assert (result.code, result.out) == (5, "")
    assert result.err == "mcumgrctl: rack-1: it is not plugged in, and has no tty to hand over\n"


BROKEN = [
    ((Close(),), "ConnectionLost", LOST),
    ((Raw(b'{"parameters":{"text":'), Close()), "ConnectionLost", LOST),
    ((Raw(b"hello\0"),), "NotADaemon", "what came from {socket} is no Varlink reply"),
    ((Raw(b"\0"),), "NotADaemon", "what came from {socket} is no Varlink reply"),
    ((Raw(b'{"parameters":[]}\0'),), "NotADaemon", "what came from {socket} is no Varlink reply"),
    ((Raw(b'{"parameters":{"a":1,"a":2}}\0'),), "NotADaemon", "what came from {socket} is no Varlink reply"),
    ((Raw(b'{"parameters":{"text":"\xff"}}\0'),), "NotADaemon", "what came from {socket} is no Varlink reply"),
    ((Raw(b'{"parameters":{"text":"x"},"continues":true}\0'),), "NotADaemon", "a reply came from {socket} that nothing asked for"),
]


@pytest.mark.parametrize("replies,error,sentence", BROKEN)
def test_broken_daemon(daemon, ctl, replies, error, sentence):
    daemon.on("Echo", *replies)
    sentence = sentence.format(socket=daemon.path)
    result = ctl("os", "echo", "x")
    assert result.code == 9 and result.out == "" and result.err.startswith(f"mcumgrctl: {sentence}"), result
    as_json = json.loads(ctl("--json", "os", "echo", "x").out)
    assert as_json["error"] == f"mcumgrctl.{error}" and as_json["parameters"]["message"].startswith(sentence)


ARRAYS = "devices", "slots", "images", "tasks", "pools", "groups", "jobs", "values"
ODD = [b"{}", b'{"parameters":{}}', b'{"parameters":{"text":7,"value":"?","payload":[],"groups":7}}'] + [
    json.dumps({"parameters": {**{name: odd for name in ARRAYS}, "value": 1, "group": "x"}}).encode()
    for odd in ([None], [7], ["x"], [[]], [{}], [{"name": None, "slots": [None], "images": 7}], "x")]


@pytest.mark.parametrize("reply", ODD)
@pytest.mark.parametrize("argv", [["os", "echo", "x"], ["list"], ["image", "get-state"], ["settings", "read", "x"], ["jobs"],
                                  ["enum", "list-groups"], ["raw", "read", "1", "1"], ["os", "task-statistics"], ["stats", "get"],
                                  ["stats", "list-groups"], ["image", "slot-info"], ["os", "memory-pool-statistics"],
                                  ["enum", "show-group-details"], ["--all", "os", "echo", "x"], ["job", "watch", "1"]])
def test_replies_without_what_belongs_there(daemon, ctl, argv, reply):
    for method in ("Echo", "List", "ImageList", "SettingRead", "Jobs", "GroupIds", "Request", "Tasks", "StatGroups", "StatRead",
                   "SlotInfo", "MemoryPools", "Groups", "JobWatch"):
        daemon.on(method, Raw(reply + b"\0"))
    assert ctl(*argv).code in (0, 1, 3, 9)


@pytest.mark.parametrize("text,shown", [
    ("\x1b[2J\x07", r"\x1b[2J\x07"),
    ("a\nb\r\tc", r"a\x0ab\x0d\x09c"),
    ("\x9b31m\x7f", r"\u009b31m\x7f"),
    ("\u202eevil\u2066", r"\u202eevil\u2066"),
    ("gr\u00fc\u00df \U0001f600", "gr\u00fc\u00df \U0001f600"),
    ("\U000e0041", r"\U000e0041"),
    ("\0", r""),
])
def test_board_text_is_harmless(daemon, ctl, text, shown):
    daemon.on("Echo", {"text": text}).on("SetTime", Error("DeviceError", device=text, rc=1, message=text.replace("\n", "")))
    assert ctl("os", "echo", "x").out == shown + "\n"
    as_json = ctl("--json", "os", "echo", "x").out
    assert json.loads(as_json) == {"text": text}
    assert all(c == "\n" or c.isprintable() for c in as_json)
    error = ctl("os", "set-datetime").err
    assert "\x1b" not in error and "\x9b" not in error and "\u202e" not in error


@pytest.mark.parametrize("text,shown", [
    ("\x1b[2J\x07", r"\x1b[2J\x07"), (r"C:\x41", r"C:\x41"), ("\u202eevil", r"\u202eevil"), ("gr\u00fc\u00df", "gr\u00fc\u00df"),
])
def test_board_text_is_the_same_in_tables(daemon, ctl, text, shown):
    lease = {"devices": ["a"], "user": "u", "since": "2026-01-01T00:00:00.000Z", "waiting": 0, "reason": text, "command": text}
    daemon.on("Leases", {"leases": [lease]})
    assert ctl("leases").out.splitlines()[1].split()[-2:] == [shown, shown]


def test_no_daemon(ctl, daemon, short_dir):
    missing = ctl("--socket", str(short_dir / "none"), "list")
    assert missing.code == 9
    assert missing.err.startswith(f"mcumgrctl: no daemon listens on {short_dir}/none: there is no such socket\n  Start it")
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(str(short_dir / "stale"))
    ended = ctl("list", "--socket", str(short_dir / "stale"))
    assert ended.code == 9 and "stale: it has ended" in ended.err
    assert json.loads(ctl("--json", "list", "--socket", "/none").out)["error"] == "mcumgrctl.DaemonUnreachable"
    long = ctl("list", "--socket", "/" + "x" * 108)
    assert long.code == 9 and "at most 107 bytes" in long.err


@pytest.mark.skipif(os.geteuid() == 0 and not os.path.exists("/usr/bin/setpriv"), reason="needs another user")
def test_socket_of_somebody_else(daemon, ctl, short_dir):
    import shutil
    os.chmod(daemon.path, 0o600 if os.geteuid() == 0 else 0)
    os.chmod(short_dir, 0o755)
    argv = [program(), "list"]
    if os.geteuid() == 0:
        argv = ["/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *argv]
        assert shutil.which(argv[0])
    done = subprocess.run(argv, capture_output=True, text=True, env=environment(daemon.path), timeout=30)
    if "Permission denied" in done.stderr or done.returncode == 127:  # of the program, or of a library of its
        pytest.skip("the build directory is closed to other users")
    assert done.returncode == 10
    assert "no permission to use" in done.stderr and "usermod -aG mcumgr" in done.stderr


def test_where_the_socket_is(daemon, ctl, short_dir):
    daemon.on("List", {"devices": []})
    assert ctl("list").code == 0
    assert ctl("list", "--socket", daemon.path, env={"MCUMGR_SOCKET": "/none"}).code == 0
    fallback = ctl("list", env={"MCUMGR_SOCKET": "", "XDG_RUNTIME_DIR": str(short_dir)})
    if os.geteuid() == 0 or os.path.exists("/run/mcumgr/io.mcumgr"):
        assert "/run/mcumgr/io.mcumgr" in fallback.err or fallback.code == 0
    else:
        assert f"{short_dir}/mcumgr/io.mcumgr" in fallback.err


@pytest.mark.parametrize("argv", [["os", "echo", "x"], ["--help"], ["help", "os", "echo"], ["--version"]])
def test_output_that_cannot_be_written(daemon, argv):
    daemon.on("Echo", {"text": "x"})
    with open("/dev/full", "w") as full:
        done = subprocess.run([program(), *argv], stdout=full, stderr=subprocess.PIPE, text=True,
                              env=environment(daemon.path), timeout=30)
    assert (done.returncode, done.stderr) == (1, "mcumgrctl: cannot write the output\n")


@pytest.mark.parametrize("argv, method, reply", [
    (["watch"], "Watch", {"event": "hubAttached", "number": 1, "time": "2026-01-02T03:04:05.678Z", "hub": {
        "path": "1-1", "sections": [], "state": "attached", "since": "2026-01-02T03:04:05.678Z", "devices": []}}),
    (["--json", "watch"], "Watch", {"event": "current", "number": 1, "time": "2026-01-02T03:04:05.678Z"}),
    (["console", "-f"], "Console", {"lines": [{"number": 1, "time": "2026-01-02T03:04:05.678Z", "text": "one"}]}),
    (["trace", "-f"], "Trace", {"entries": [{"number": 1, "time": "2026-01-02T03:04:05.678Z", "kind": "opened"}]}),
])
@pytest.mark.parametrize("closed", [False, True])
def test_a_verb_without_end_ends_when_its_output_is_lost(daemon, argv, method, reply, closed):
    """A disk that is full, and no standard output at all: then no byte of the board's goes to the daemon in its place."""
    daemon.on(method, reply, reply, Open())
    with open("/dev/full", "w") as full:
        done = subprocess.run(["sh", "-c", 'exec "$@" >&-' if closed else 'exec "$@"', "sh", program(), *argv], stdout=full,
                              stderr=subprocess.PIPE, text=True, env=environment(daemon.path), timeout=DEADLINE)
    assert (done.returncode, done.stderr) == (1, "mcumgrctl: cannot write the output\n")
