# SPDX-License-Identifier: MIT
"""lock, unlock, leases and keep, with the real daemon and simulated boards."""

import json
import os
import select
import shlex
import signal
import subprocess
import sys

import pytest

from conftest import DEADLINE, TREE, Result, build_dir, environment, program

os.environ.setdefault("MCUMGRD", str(build_dir() / "daemon/mcumgrd"))
os.environ.setdefault("MCUMGR_SIM", str(build_dir() / "tests/sim/mcumgr-sim"))
sys.path.insert(0, str(TREE / "tests/daemon"))

import rack as racks  # noqa: E402


@pytest.fixture(scope="module")
def shared():
    r = racks.Rack(("a", "b", "c"))
    r.ready()
    yield r
    r.close()


class Ctl:
    def __init__(self, rack):
        self.rack = rack
        self.started = []

    def __call__(self, *argv, input=None, **env):
        # Under a short name: of a holder's command line only so much is kept, wherever the program is.
        return Result(subprocess.run(["mcumgrctl", *argv], executable=program(), input=input and input.encode(), capture_output=True,
                                     timeout=60, stdin=None if input else subprocess.DEVNULL, env=environment(self.rack.socket, **env)))

    def start(self, *argv, **env):
        process = subprocess.Popen([program(), *argv], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   text=True, env=environment(self.rack.socket, **env))
        self.started.append(process)
        return process

    def hold(self, *argv, **env):
        """A lock without a command; the process and its token."""
        process = self.start("lock", *argv, **env)
        return process, line(process.stdout).strip()


def line(stream):
    assert select.select([stream], [], [], DEADLINE)[0], "nothing is said"
    return stream.readline()


@pytest.fixture
def ctl(shared):
    c = Ctl(shared)
    shared.ready()  # the test before may have reset a board
    yield c
    for process in c.started:
        process.stdin.close()
        process.kill()
        process.wait()
    # The daemon hears of closed connections in its own time.
    client = shared.client()
    for reply in client.stream("Watch"):
        if reply["event"] in ("current", "unlocked") and not shared.client().call("Leases")["leases"]:
            break
    client.close()


def test_a_command_is_the_holder(ctl):
    ours = shlex.quote(program())
    script = (f"{ours} -d a os system-reset && {ours} wait-for a && {ours} leases && "
              "echo $MCUMGR_LEASE_DEVICES && exit 23")
    r = ctl("lock", "a", "--reason", "a test", "--", "sh", "-c", script)
    assert r.code == 23 and r.err == ""
    lines = r.out.splitlines()
    assert lines[-1] == "a" and "a test" in r.out and "sh -c" in r.out
    assert ctl("leases").out == "No leases.\n"


@pytest.mark.parametrize("command, code", [(["true"], 0), (["false"], 1), (["sh", "-c", "kill -TERM $$"], 143),
                                           (["/nowhere/at/all"], 127), (["/dev/null"], 126)])
def test_the_exit_code_is_the_commands(ctl, command, code):
    r = ctl("lock", "a", "--", *command)
    assert r.code == code
    assert ("cannot be run" in r.err) == (code in (126, 127))


def test_others_are_told_who_holds_it(ctl):
    process, token = ctl.hold("a", "b", "--reason", "the nightly run")
    assert "until Ctrl-C" in line(process.stderr) and len(token) == 32
    r = ctl("-d", "a", "os", "system-reset")
    assert r.code == 4 and "a is locked by" in r.err and "the nightly run" in r.err and str(process.pid) in r.err
    assert ctl("-d", "a", "os", "echo", "hi").code == 0
    assert ctl("-d", "a", "os", "system-reset", MCUMGR_LEASE=token).code == 0
    r = ctl("list")
    assert "LOCKED BY" in r.out and f", {process.pid}" in r.out and "the nightly run" not in r.out
    r = ctl("leases")
    assert "a b" in r.out and "the nightly run" in r.out and token not in r.out
    assert ctl("--json", "leases").out.count("\n") == 1
    # The end of standard input ends it.
    process.stdin.close()
    assert process.wait(DEADLINE) == 0
    r = ctl("-d", "a", "os", "system-reset", MCUMGR_LEASE=token)
    assert r.code == 4 and "the lease has ended" in r.err and "MCUMGR_LEASE is set" in r.err


def test_waiting_in_line(ctl):
    first, _ = ctl.hold("a")
    r = ctl("lock", "a", "--", "true")
    assert r.code == 4 and "a is locked by" in r.err
    r = ctl("lock", "a", "--wait=10ms", "--", "true")
    assert r.code == 4 and "it waited in vain" in r.err
    second = ctl.start("lock", "a", "--wait", "--", "echo", "mine")
    assert line(second.stderr).startswith("mcumgrctl: waiting: a is locked by")
    first.send_signal(signal.SIGINT)
    assert first.wait(DEADLINE) == -signal.SIGINT
    assert line(second.stdout) == "mine\n" and second.wait(DEADLINE) == 0


def test_ctrl_c_leaves_the_line(ctl):
    ctl.hold("a")
    second = ctl.start("lock", "a", "--wait")
    line(second.stderr)
    second.send_signal(signal.SIGINT)
    assert second.wait(DEADLINE) == -signal.SIGINT
    client = ctl.rack.client()
    client.wait_device("a", lambda d: d["lease"]["waiting"] == 0)


def test_force(ctl):
    process, _ = ctl.hold("a")
    line(process.stderr)
    r = ctl("unlock", "a")
    assert r.code == 4 and "a is locked by" in r.err
    r = ctl("unlock", "a", "--force")
    assert (r.code, r.out) == (0, "Unlocked: a\n")
    assert process.wait(DEADLINE) == 4 and "took it away" in process.stderr.read()
    assert ctl("unlock", "a", "--force").code == 4
    assert ctl("unlock").code == 4


def test_watch_tells_of_it(ctl):
    watch = ctl.start("watch", "a")
    line(watch.stdout)
    process, _ = ctl.hold("a", "--reason", "the nightly run")
    assert f", {process.pid}: the nightly run" in line(watch.stdout)
    process.stdin.close()
    assert line(watch.stdout).rstrip().endswith("a unlocked")
    watch.send_signal(signal.SIGINT)


def test_a_command_hears_of_a_loss(ctl):
    process = ctl.start("lock", "a", "--", "sh", "-c", f"read x; {shlex.quote(program())} -d a os system-reset; echo code $?")
    ctl.rack.client().wait_device("a", lambda d: "lease" in d)
    assert ctl("-d", "a", "unlock", "--force").code == 0
    assert "took it away" in line(process.stderr)
    process.stdin.write("\n")
    process.stdin.close()
    assert line(process.stdout) == "code 4\n"
    assert "by force" in process.stderr.read()


def test_a_signal_goes_to_the_command(ctl):
    process = ctl.start("lock", "a", "--", "sh", "-c", "trap 'echo caught; exit 7' TERM; echo ready; while :; do read x; done")
    assert line(process.stdout) == "ready\n"
    process.send_signal(signal.SIGTERM)
    process.stdin.write("\n")
    process.stdin.flush()
    assert line(process.stdout) == "caught\n" and process.wait(DEADLINE) == 7


def test_steps_of_a_script(ctl):
    holder = subprocess.Popen(["sleep", "1000"])
    token = ctl("lock", "a", "--pid", str(holder.pid)).out.strip()
    assert ctl("-d", "a", "os", "system-reset").code == 4
    assert ctl("-d", "a", "os", "system-reset", MCUMGR_LEASE=token).code == 0
    assert f"process {holder.pid} ends" in ctl("leases").out
    r = ctl("keep", MCUMGR_LEASE=token)
    assert r.code == 0 and "not bound to a time" in r.out
    holder.kill()
    holder.wait()
    ctl.rack.client().wait_device("a", lambda d: "lease" not in d)
    token = ctl("-d", "b", "lock", "--for", "10min").out.strip()
    assert "locked until 20" in ctl("keep", "--for", "1h", MCUMGR_LEASE=token).out
    assert ctl("unlock", MCUMGR_LEASE=token).out == "Unlocked: b\n"
    assert ctl("keep", MCUMGR_LEASE=token).code == 4


def test_the_token_that_is_no_token(ctl):
    """MCUMGR_LEASE=$(mcumgrctl lock ...) when that failed."""
    r = ctl("unlock", MCUMGR_LEASE="")
    assert r.code == 4 and "MCUMGR_LEASE is empty" in r.err and "names it" not in r.err.split("take one")[0]
    assert "MCUMGR_LEASE is set, and names it" in ctl("unlock", MCUMGR_LEASE="f" * 32).err


def test_a_pool(ctl):
    r = ctl("lock", "--any", "*", "--count", "2", "--", "sh", "-c", "echo $MCUMGR_LEASE_DEVICES")
    assert r.code == 0 and len(r.out.split()) == 2 and set(r.out.split()) < {"a", "b", "c"}
    assert ctl("lock", "--any", "*", "--count", "4", "--", "true").code == 3
    assert ctl("--all", "lock", "--", "sh", "-c", "echo $MCUMGR_LEASE_DEVICES").out == "a b c\n"
    assert ctl("--all", "-d", "b", "lock", "--", "sh", "-c", "echo $MCUMGR_LEASE_DEVICES").out == "b\n"
    assert ctl("--all", "-d", "nobody", "lock", "--", "true").code == 3


def test_json(ctl):
    process, text = ctl.hold("--json", "a")
    assert json.loads(text)["lease"]["devices"] == ["a"] and len(json.loads(text)["token"]) == 32
    r = ctl("--json", "lock", "a", "--", "true")
    assert r.code == 4 and json.loads(r.out)["error"] == "io.mcumgr.DeviceBusy"
    process.kill()


@pytest.mark.parametrize("words, says", [
    (["lock", "--serial", "/dev/x"], "has no use for --serial"), (["lock", "a", "--any", "b"], "exclude each other"),
    (["-d", "a", "lock", "b"], "named by --device and after it"), (["lock", "--count", "2"], "--count goes with --any"),
    (["lock", "a", "--pid", "1", "--", "true"], "--pid and a command exclude each other"),
    (["lock", "a", "--wait=x"], "is no time"), (["lock", "a", "--for", "1ms"], "is not from"),
    (["unlock", "a", "b"], "has no use for the argument 'b'")])
def test_usage(ctl, words, says):
    r = ctl(*words)
    assert r.code == 2 and says in r.err


WAIT, COMMAND = "A time for --wait stands behind an equals sign: --wait=", "A command stands behind --: mcumgrctl lock DEV -- COMMAND"


@pytest.mark.parametrize("words, says, other", [
    (["lock", "a", "--wait", "5s", "--", "true"], WAIT + "5s.", COMMAND), (["lock", "--wait", "30", "a", "--", "true"], WAIT + "30.", COMMAND),
    (["lock", "a", "make", "test"], COMMAND, WAIT), (["lock", "a", "5s", "--", "true"], "no board goes by '5s'", WAIT),
    (["lock", "nobody", "--wait"], "no board goes by 'nobody'", COMMAND)])
def test_words_that_were_not_meant_as_boards(ctl, words, says, other):
    r = ctl(*words)
    assert r.code == 3 and says in r.err and other not in r.err
    assert json.loads(ctl("--json", *words).out)["error"] == "io.mcumgr.NoSuchDevice" and not ctl("--json", *words).err


def test_another_pid_namespace(ctl):
    words = ["unshare", "--user", "--map-root-user", "--pid", "--fork"]
    if subprocess.run([*words, "true"], check=False).returncode:
        pytest.skip("no namespaces to be had here")
    done = subprocess.run([*words, program(), "lock", "a", "--pid", "1"], capture_output=True, text=True, check=False,
                          env=environment(ctl.rack.socket))
    assert done.returncode == 2 and "another pid namespace" in done.stderr


OUTSIDER = """
import fcntl, os, sys
sys.path.insert(0, sys.argv[1])
import smp_wire
port = smp_wire.Port(os.environ["MCUMGR_TTY"])
fcntl.flock(port.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
print(port.ask(2, 0, 0, {"d": "from outside"}, timeout=30)["r"])
sys.exit(42)
"""


def test_release_for_a_command(ctl):
    r = ctl("release", "a", "--reason", "a flasher", "--", sys.executable, "-c", OUTSIDER, str(TREE / "tests/sim"))
    assert (r.code, r.out) == (42, "from outside\n"), r
    assert "mcumgrctl: a is ready, version 1.0.0" in r.err
    assert ctl("-d", "a", "os", "echo", "hi").code == 0


def test_release_until_the_end_of_input(ctl):
    process = ctl.start("--all", "release")
    names = line(process.stdout).split()
    assert len(names) == 3 and all(name.startswith("/") for name in names)
    r = ctl("list")
    assert r.out.count("released") == 3 and "handed over" in r.out
    r = ctl("-d", "b", "os", "echo", "hi")
    assert r.code == 5 and "handed over to process" in r.err
    assert ctl("release", "a", "--", "true").code == 5
    process.stdin.close()
    assert process.wait(DEADLINE) == 0
    assert sorted(process.stderr.read().split("\n")[1:4]) == [f"mcumgrctl: {b} is ready, version 1.0.0" for b in "abc"]


def test_release_of_all_that_fit_is_not_of_all(ctl):
    script = f"echo $MCUMGR_TTY; {shlex.quote(program())} list"
    r = ctl("--all", "-d", "b", "release", "--", "sh", "-c", script)
    tty, *rack = r.out.splitlines()
    assert r.code == 0 and tty.endswith("/b") and " " not in tty
    assert [line.split()[2] for line in rack[1:]] == ["ready", "released", "ready"], r
    assert ctl("--all", "-d", "nobody", "release", "--", "true").code == 3


def test_release_within_a_lease(ctl):
    r = ctl("lock", "a", "--", program(), "release", "a", "--", "sh", "-c", "exit 3")
    assert r.code == 3
    ctl.hold("a")
    r = ctl("release", "a", "--", "true")
    assert r.code == 4 and "a is locked by" in r.err
