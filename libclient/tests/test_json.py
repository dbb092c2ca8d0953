# SPDX-License-Identifier: MIT
"""--json, with the real daemon and a simulated board: one JSON value of every verb that ends, a line each of those that go on."""

import json
import os
import subprocess
import sys

import pytest

from conftest import TREE, build_dir, environment, program

os.environ.setdefault("MCUMGRD", str(build_dir() / "daemon/mcumgrd"))
os.environ.setdefault("MCUMGR_SIM", str(build_dir() / "tests/sim/mcumgr-sim"))
sys.path.insert(0, str(TREE / "tests/daemon"))

import rack as racks  # noqa: E402

ONE, LINES = "one value", "a line a reply"
VERBS = [  # in an order in which they work
    (ONE, ["list"]), (ONE, ["list", "--all-ports"]), (ONE, ["leases"]), (ONE, ["jobs"]), (ONE, ["suggest", "--all"]),
    (ONE, ["suggest", "--udev"]), (ONE, ["doctor"]), (ONE, ["reset-state"]), (ONE, []),
    (ONE, ["console"]), (ONE, ["trace"]), (LINES, ["wait-for"]), (LINES, ["watch"]),
    (LINES, ["console", "-f"]), (LINES, ["trace", "-f"]),
    (ONE, ["os", "echo", "hi"]), (ONE, ["os", "application-info"]), (ONE, ["os", "application-info", "-s"]),
    (ONE, ["os", "bootloader-info"]), (ONE, ["os", "mcumgr-parameters"]), (ONE, ["os", "task-statistics"]),
    (ONE, ["os", "memory-pool-statistics"]), (ONE, ["os", "set-datetime"]), (ONE, ["os", "get-datetime"]),
    (ONE, ["enum", "list-groups"]), (ONE, ["enum", "list-groups", "--iter"]), (ONE, ["enum", "count-groups"]),
    (ONE, ["enum", "show-group-details"]), (ONE, ["enum", "show-group-details", "0"]),
    (ONE, ["stats", "list-groups"]), (ONE, ["stats", "get"]), (ONE, ["stats", "get", "smp_svr_stats"]),
    (ONE, ["settings", "write", "sim/b", "01ff"]), (ONE, ["settings", "read", "sim/b"]), (ONE, ["settings", "commit"]),
    (ONE, ["settings", "save"]), (ONE, ["settings", "load"]), (ONE, ["settings", "delete", "sim/b"]),
    (LINES, ["fs", "upload", "FILE", "/lfs1/x"]), (LINES, ["fs", "download", "/lfs1/x", "-"]), (ONE, ["fs", "status", "/lfs1/x"]),
    (ONE, ["fs", "checksum", "/lfs1/x"]), (ONE, ["fs", "supported-checksums"]), (ONE, ["fs", "close"]),
    (ONE, ["shell", "kernel", "uptime"]), (ONE, ["raw", "read", "0", "6"]), (ONE, ["raw", "write", "0", "0", '{"d": "x"}']),
    (ONE, ["transport", "list"]), (ONE, ["transport", "status"]), (ONE, ["transport", "modes", "1"]),
    (ONE, ["transport", "connect", "1"]), (ONE, ["transport", "disconnect", "--every"]),
    (ONE, ["zephyr", "erase-storage"]),
    (ONE, ["lock", "--for", "10min"]), (ONE, ["keep"]), (ONE, ["unlock"]), (ONE, ["lock", "--pid", "PID"]), (ONE, ["unlock", "--force"]),
    (ONE, ["release"]),
    (ONE, ["image", "get-state"]), (ONE, ["image", "slot-info"]), (LINES, ["image", "upload", "IMAGE"]),
    (ONE, ["image", "erase"]), (ONE, ["image", "set-state", "--confirm"]), (ONE, ["firmware", "get-image-info", "mcuboot", "IMAGE"]),
    (LINES, ["firmware", "update", "IMAGE"]), (LINES, ["job", "watch", "JOB"]), (ONE, ["job", "cancel", "JOB"]),
    (ONE, ["os", "system-reset"]), (ONE, ["os", "system-reset", "--bootmode", "1"]),
]


@pytest.fixture(scope="module")
def shared():
    r = racks.Rack(("a",), "transport=on,shell=on")
    r.ready()
    yield r
    r.close()


@pytest.fixture(scope="module")
def words(shared):
    """What stands for a word of the table."""
    image, file = shared.dir / "image.bin", shared.dir / "file"
    subprocess.run([os.environ["MCUMGR_SIM"], "image", "--version", "1.1.0", "--size", "20000", "-o", image], check=True,
                   stdout=subprocess.DEVNULL)
    file.write_bytes(b"x" * 3000)
    return {"IMAGE": str(image), "FILE": str(file), "PID": str(os.getpid())}


def run(shared, argv, env):
    """Verbs that go on until Ctrl-C are ended after their first line."""
    endless = argv[:1] == ["watch"] or "-f" in argv
    process = subprocess.Popen([program(), "--json", *argv], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True, env=environment(shared.socket, **env))
    if endless:
        first = process.stdout.readline()
        process.terminate()
        rest, err = process.communicate(timeout=60)
        return first + rest, err
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, (argv, out, err)
    return out, err


def test_every_verb(shared, words):
    env = {}
    for kind, argv in VERBS:
        if argv[:2] == ["job", "watch"]:
            words["JOB"] = shared.client().call("Jobs")["jobs"][-1]["id"]
        out, err = run(shared, [words.get(word, word) for word in argv], env)
        values = [json.loads(line) for line in out.splitlines()]
        assert values and all(isinstance(value, dict) for value in values), (argv, out, err)
        assert kind is LINES or len(values) == 1, (argv, out)
        assert "error" not in values[-1] and not err.strip().startswith("{"), (argv, out, err)
        if "token" in values[0]:
            env = {"MCUMGR_LEASE": values[0]["token"]}
        elif argv[:1] == ["unlock"]:
            env = {}
        elif argv[:2] == ["os", "system-reset"]:
            shared.ready() if "--bootmode" not in argv else None


def test_the_table_has_every_verb():
    lines = subprocess.run([program(), "--verbs"], capture_output=True, text=True, check=True).stdout.splitlines()
    titles = {line.split("\t")[0] for line in lines} - {"*"}
    assert {title for title in titles if not any(argv[:len(title.split())] == title.split() for _, argv in VERBS)} == set()
