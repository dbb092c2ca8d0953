# SPDX-License-Identifier: MIT
"""Ports with and without a daemon: a private one lives as long as its client; a running one is gone through."""
import os
import pathlib
import runpy
import signal
import subprocess
import sys
import threading
import time

import pytest

import mcumgrd
from mcumgrd import MCUmgrClient

PACKAGE = str(pathlib.Path(__file__).resolve().parents[1])

# The examples of mcumgr_toolkit's documentation, as they are but for the import and the path.
EXAMPLE = '''\
from mcumgrd import MCUmgrClient

with MCUmgrClient.serial("/dev/ttyACM0") as client:
    client.use_auto_frame_size()

    print(client.os_echo("Hello world!"))
    # Hello world!
'''
RAW_EXAMPLE = '''\
client.raw_command(True, 0, 0, {"d": "Hello!"})
# Returns: {'r': 'Hello!'}
'''


def eventually(holds, seconds=20):
    deadline = time.monotonic() + seconds
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.01)
    return holds()


def gone(pid):
    """Waits until a process has ended."""
    def has_ended():
        try:
            return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
        except FileNotFoundError:
            return True
    return eventually(has_ended)


def test_the_examples(sim, tmp_path, capsys):
    path = sim("a").path("a")
    (tmp_path / "example.py").write_text(EXAMPLE.replace("/dev/ttyACM0", path))
    runpy.run_path(str(tmp_path / "example.py"))
    assert capsys.readouterr().out == "Hello world!\n"
    with MCUmgrClient.serial(path) as client:
        assert eval(RAW_EXAMPLE.splitlines()[0], {"client": client}) == {"r": "Hello!"}


def test_a_private_daemon_ends_with_its_client(sim):
    path = sim("a").path("a")
    client = MCUmgrClient.serial(path)
    pid, folder = client._private._process.pid, os.path.dirname(client._private.socket)
    assert client.os_echo("x") == "x" and os.path.isdir(folder)
    client.close()
    assert gone(pid) and not os.path.exists(folder)
    with pytest.raises(mcumgrd.DaemonUnreachable, match="closed"):
        client.os_echo("x")
    with MCUmgrClient.serial(path) as again:
        assert again.os_echo("free again") == "free again"


@pytest.mark.parametrize("length", [0, 60, 150])
def test_a_private_daemon_in_any_temporary_folder(sim, monkeypatch, tmp_path, length):
    """Also where that of a job of CI is deeper than the name of a socket may be long."""
    folder = tmp_path / ("x" * length)
    folder.mkdir(exist_ok=True)
    path = sim("a").path("a")
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    with MCUmgrClient.serial(path) as c:
        assert c.os_echo("x") == "x"
    assert not list(folder.glob("mcumgr-*"))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_private_daemon_ends_with_a_killed_client(sim, number):
    path = sim("a").path("a")
    script = (f"import sys; sys.path.insert(0, {PACKAGE!r})\nfrom mcumgrd import MCUmgrClient\n"
              f"c = MCUmgrClient.serial({path!r})\nprint(c._private._process.pid, c._private.socket, c.os_echo('x'), flush=True)\ninput()")
    child = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    pid, socket, text = child.stdout.readline().split()
    assert text == "x" and os.path.exists(socket)
    child.send_signal(number)
    child.wait()
    assert gone(int(pid)) and not os.path.exists(os.path.dirname(socket))
    child.stdin.close()
    child.stdout.close()


# mcumgrd as it is when it starts on a busy machine: it tells with what it was called, and runs once its client is gone.
SLOW_START = """#!/bin/sh
printf '%s\\n' "$@" >"$TOLD"
cat >/dev/null
exec "$TRUE_MCUMGRD" "$@"
"""


@pytest.mark.parametrize("start", ["serial({path!r})", "usb_serial('fffe:fffe:7')"])
def test_a_client_killed_while_its_daemon_starts_leaves_nothing(sim, tmp_path, start):
    path, starts, told = sim("a").path("a"), tmp_path / "mcumgrd", tmp_path / "told"
    os.mkfifo(told)
    starts.write_text(SLOW_START)
    starts.chmod(0o755)
    script = (f"import sys; sys.path.insert(0, {PACKAGE!r})\nfrom mcumgrd import MCUmgrClient\n"
              f"MCUmgrClient.{start.format(path=path)}")
    child = subprocess.Popen([sys.executable, "-c", script], env=dict(
        os.environ, MCUMGRD=str(starts), TOLD=str(told), TRUE_MCUMGRD=mcumgrd.private.find_daemon()))
    arguments = told.read_text().splitlines()
    child.kill()
    child.wait()
    folder = arguments[arguments.index("--private") + 1]
    assert eventually(lambda: not os.path.exists(folder))


FORKS = """\
import os, sys
from mcumgrd import MCUmgrClient
c = MCUmgrClient.serial(sys.argv[1])
c.os_echo("x")
folder, daemon = os.path.dirname(c._private.socket), c._private._process
child = os.fork()
if child == 0:
    exec(sys.argv[2])
    sys.exit()
assert os.waitpid(child, 0)[1] == 0 and os.path.exists(c._private.socket)
print(c.os_echo("after the child"))
c._connection._drop()
print(c.os_echo("over a new connection"))
read, write = os.pipe()
child = os.fork()
if child == 0:
    os.close(write)
    os.read(read, 1)
    os._exit(0)
c.close()
print(daemon.returncode, os.path.exists(folder))
os.close(write)
os.waitpid(child, 0)
"""


@pytest.mark.parametrize("what", ["pass", "os._exit(0)", "c.close()", "del c", "assert c.os_echo('y') == 'y'"])
def test_a_forked_child_leaves_its_parents_client_alone(sim, what):
    """Though it has a copy of all that the parent has open, also while the parent closes the client."""
    path = sim("a").path("a")
    argv = [sys.executable, "-W", "error:unclosed:ResourceWarning", "-c", FORKS, path, what]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, env={**os.environ, "PYTHONPATH": PACKAGE})
    assert (done.stdout, done.stderr) == ("after the child\nover a new connection\n0 False\n", "")


def test_closing_in_another_thread_ends_the_call(rack):
    """Not only when the answer is there: it waits in line behind a lease that nobody gives back."""
    rack("a")
    with MCUmgrClient.device("a") as holder, holder.lock():
        client, ended = MCUmgrClient.device("a"), []

        def wait():
            with pytest.raises(mcumgrd.DaemonUnreachable, match="closed"):
                client.lock(wait=True)
            ended.append(True)

        thread = threading.Thread(target=wait)
        thread.start()
        deadline = time.monotonic() + 30
        while not mcumgrd.devices()[0]["lease"]["waiting"] and time.monotonic() < deadline:
            time.sleep(0.01)
        client.close()
        thread.join(30)
        assert ended


def test_a_port_of_the_running_daemon_goes_through_it(rack):
    r = rack("a")
    with MCUmgrClient.serial(r.sim.path("a")) as client:
        assert client._private is None and client.os_echo("x") == "x"


def test_another_port_gets_its_own_daemon(rack, sim):
    rack("a")
    with MCUmgrClient.serial(sim("b").path("b")) as client:
        assert client._private is not None and client.os_echo("x") == "x"


@pytest.mark.parametrize("open_,error,says", [
    (lambda: MCUmgrClient.serial("/dev/none"), mcumgrd.MCUmgrError, "/dev/none"),
    (lambda: MCUmgrClient.serial("/dev/null"), mcumgrd.MCUmgrError, "not a serial port|terminal"),
    (lambda: MCUmgrClient.usb_serial("dead:beef"), mcumgrd.MCUmgrError, "dead:beef"),
    (lambda: MCUmgrClient.usb_serial(""), mcumgrd.NoSuchDevice, "VID:PID"),
    (lambda: MCUmgrClient.usb_serial("("), mcumgrd.InvalidParameter, r"^bad value '\(' for match; bad regular expression"),
    (lambda: MCUmgrClient.usb_serial("2fe3 ;x"), mcumgrd.InvalidParameter, r"^match: a comment needs"),
    (lambda: MCUmgrClient.serial("/dev/null", 0), mcumgrd.InvalidParameter, r"^bad value '0' for baud; allowed: 50 to 20000000$"),
    (lambda: MCUmgrClient.serial("/dev/null", timeout_ms=0), mcumgrd.InvalidParameter, "timeout_ms.*1 to 600000"),
    (lambda: MCUmgrClient.serial("/dev/a,b"), ValueError, "comma"),
    (lambda: MCUmgrClient.device("x", "/none"), mcumgrd.DaemonUnreachable, "no daemon listens on /none")])
def test_ports_that_are_none(open_, error, says):
    with pytest.raises(error, match=says):
        with open_() as client:
            client.os_echo("x")


@pytest.mark.parametrize("path,says", [("/dev/none", "/dev/none is not there"), ("/dev/null", "/dev/null: not a serial port"),
                                       ("/", "/: Is a directory")])
def test_a_port_that_cannot_be_opened_is_told_at_once(path, says):
    """By serial() and not by the first call: scripts try one port after the other, or wait for one to appear."""
    with pytest.raises(mcumgrd.DeviceUnavailable, match=says) as caught:
        MCUmgrClient.serial(path)
    assert caught.value.parameters["state"] in ("absent", "unavailable")


def test_a_port_that_another_has_is_told_at_once(sim):
    path = sim("a").path("a")
    with MCUmgrClient.serial(path) as first:
        assert first.os_echo("x") == "x"
        with pytest.raises(mcumgrd.DeviceUnavailable, match=f"{path} is in use by mcumgrd"):
            MCUmgrClient.serial(path)


def test_a_port_of_the_running_daemon_that_is_gone_is_told_at_once(rack):
    r = rack("a")
    path = r.sim.path("a")
    r.sim.command("a unplug")
    with MCUmgrClient.device("a") as client:
        assert any(reply["device"]["state"] == "absent" for reply in client._stream("Watch") if "device" in reply)
    with pytest.raises(mcumgrd.DeviceUnavailable, match="is not there"):
        MCUmgrClient.serial(path)


def test_a_short_time_to_answer_is_taken(sim):
    with MCUmgrClient.serial(sim("a").path("a"), timeout_ms=1) as client:
        client.set_timeout_ms(5000)
        assert client.os_echo("x") == "x"


def test_an_empty_variable_names_no_socket(monkeypatch):
    """As for mcumgrctl and libmcumgr."""
    monkeypatch.setenv("MCUMGR_SOCKET", "")
    empty = mcumgrd.varlink.default_socket()
    monkeypatch.delenv("MCUMGR_SOCKET")
    assert empty == mcumgrd.varlink.default_socket() != ""


def test_without_the_program(monkeypatch):
    monkeypatch.setenv("MCUMGRD", "/none/mcumgrd")
    with pytest.raises(mcumgrd.DaemonUnreachable, match="/none/mcumgrd"):
        MCUmgrClient.serial("/dev/null")


def test_boards_answer_in_threads_at_once(rack):
    """Four boards that take 800 ms for an answer each: together they take as long as one."""
    names = ["a", "b", "c", "d"]
    r = rack(*names)
    for name in names:
        r.sim.command(f"{name} set latency_ms=400")
    clients = [MCUmgrClient.device(name, timeout_ms=30000) for name in names]
    began, answers = time.monotonic(), {}

    def talk(name, client):
        answers[name] = [client.os_echo(f"{name}{n}") for n in range(3)]

    threads = [threading.Thread(target=talk, args=pair) for pair in zip(names, clients)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    took = time.monotonic() - began
    assert answers == {name: [f"{name}{n}" for n in range(3)] for name in names}
    assert 2.4 <= took < 7.2, "one after the other would be 9.6 s"
    for client in clients:
        client.close()


def test_one_client_in_many_threads(client):
    answers = []
    threads = [threading.Thread(target=lambda n=n: answers.append((n, client.os_echo(str(n))))) for n in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert sorted(answers) == [(n, str(n)) for n in range(8)]


def test_a_daemon_that_was_restarted_is_found_again(rack):
    r = rack("a")
    with MCUmgrClient.device("a") as client:
        assert client.os_echo("x") == "x"
        r.stop()
        with pytest.raises(mcumgrd.DaemonUnreachable):
            client.os_echo("x")
        r.start()
        r.ready()
        assert client.os_echo("x") == "x"
