# SPDX-License-Identifier: MIT
"""mcumgrctl with the real daemon and a simulated board: what a fake cannot vouch for."""

import base64
import json
import os
import pathlib
import select
import shutil
import signal
import socket
import subprocess
import threading
import tempfile
import time

import pytest

from conftest import DEADLINE, Result, build_dir, environment, program

OLD, NEW = "1.0.0", "1.1.0"


def binary(variable, *path):
    name = os.environ.get(variable, str(build_dir().joinpath(*path)))
    assert os.path.exists(name), f"{name} is not built"
    return name


@pytest.fixture(scope="module")
def rack_dir():
    path = pathlib.Path(tempfile.mkdtemp(prefix="mctl"))
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def sim(rack_dir):
    """A simulated board on rack_dir/amber."""
    process = subprocess.Popen([binary("MCUMGR_SIM", "tests", "sim", "mcumgr-sim"), "--dir", str(rack_dir), "--seed", "1", "--until-eof",
                                "--board", "amber,baud=1000000,boot_ms=100,reset_delay_ms=50,erase_ms=20"],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert select.select([process.stdout], [], [], DEADLINE)[0], "the simulator does not start"
    assert b"ready" in process.stdout.readline()
    yield rack_dir / "amber"
    process.stdin.close()
    process.wait(DEADLINE)


@pytest.fixture
def real(sim, short_dir):
    """The socket of a fresh daemon for that board."""
    path = short_dir / "d"
    notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notify.bind(str(short_dir / "n"))
    notify.settimeout(DEADLINE)
    process = subprocess.Popen([binary("MCUMGRD", "daemon", "mcumgrd"), "-c", "/dev/null", "--socket", str(path), "--state-dir",
                                str(short_dir / "state"), "--port", f"{sim},name=amber,quiet_ms=10", "--until-eof", "--log-level", "error"],
                               stdin=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(NOTIFY_SOCKET=str(short_dir / "n")))
    while b"READY=1" not in notify.recv(4096):
        pass
    yield path
    process.stdin.close()
    err = process.stderr.read().decode()
    assert process.wait(DEADLINE) == 0 and "Sanitizer" not in err, err
    notify.close()


@pytest.fixture
def run(short_dir):
    def run_(*argv, socket_=short_dir / "d", **more):
        return Result(subprocess.run([program(), *argv], capture_output=True, timeout=60, env=environment(socket_, **more)))
    return run_


def image(path, version, *more):
    subprocess.run([binary("MCUMGR_SIM", "tests", "sim", "mcumgr-sim"), "image", "--version", version, "--size", "20000", "-o",
                    str(path), *more], check=True, capture_output=True)
    return str(path)


def test_a_day_with_a_board(real, run, tmp_path):
    new = image(tmp_path / "new.bin", NEW)
    assert run("wait-for", "--all", "--timeout", "20s").out == "amber ready\n"
    assert run().out == "Device alive and responsive.\n"
    assert f" {OLD}" in run("list").out
    update = run("firmware", "update", new)
    assert update.code == 0 and update.err == "", update
    steps = [line.split()[0].rstrip(":") for line in update.out.splitlines()]
    assert [s for i, s in enumerate(steps) if s not in steps[:i]] == [
        "check", "inspect", "upload", "mark", "reset", "reattach", "verify", "confirm", "final", "Updated"]
    assert "Nothing to do" in run("--all", "firmware", "update", new).out
    slots = json.loads(run("--json", "image", "get-state").out)["slots"]
    assert [(s["version"], s["active"], s["confirmed"]) for s in slots] == [(NEW, True, True), (OLD, False, False)]
    jobs = json.loads(run("--json", "jobs").out)["jobs"]
    assert [job["outcome"] for job in jobs] == ["updated", "unchanged"]
    assert "is active and confirmed" in run("job", "watch", jobs[0]["id"]).out


VERBS = [
    ["os", "echo", "x"], ["os", "application-info"], ["os", "bootloader-info"], ["os", "mcumgr-parameters"],
    ["os", "task-statistics"], ["os", "memory-pool-statistics"], ["os", "set-datetime"], ["os", "get-datetime"], ["image", "slot-info"], ["image", "erase"],
    ["stats", "list-groups"], ["stats", "get"], ["settings", "commit"], ["fs", "supported-checksums"], ["fs", "close"],
    ["enum", "list-groups"], ["enum", "list-groups", "--iter"], ["enum", "show-group-details"], ["raw", "read", "0", "6"],
    ["zephyr", "erase-storage"], ["os", "system-reset"], ["os", "echo", "x"]]
REFUSED = [
    (["-d", "green", "os", "echo", "x"], 3), (["fs", "status", "/none"], 6), (["shell", "none"], 6),
    (["image", "set-state", "--hash", "ab" * 32], 6), (["job", "watch", "none"], 1), (["-t", "600001ms", "list"], 2)]


def test_every_verb_is_understood(real, run):
    for argv in VERBS:
        result = run(*argv)
        assert (argv, result.code, result.err) == (argv, 0, "")
    for argv, code in REFUSED:
        text, as_json = run(*argv), run("--json", *argv)
        assert (argv, text.code, as_json.code) == (argv, code, code), text
        assert text.err.startswith("mcumgrctl: ") and json.loads(as_json.out.splitlines()[-1])["error"]


def test_bad_images_read_alike_with_and_without_a_daemon(real, run, tmp_path):
    for broken in ("magic", "truncated", "hash", "no-hash", "two-hashes", "tlv-length", "not-an-image", "header-size"):
        bad = image(tmp_path / "bad.bin", NEW, "--broken", broken)
        alone, asked = run("--json", "firmware", "get-image-info", "mcuboot", bad), run("--json", "firmware", "update", bad)
        assert (broken, alone.code, asked.code) == (broken, 8, 8)
        alone, asked = json.loads(alone.out), json.loads(asked.out)
        assert alone["error"] == asked["error"] == "io.mcumgr.BadImage"
        assert all(alone["parameters"][key] == asked["parameters"][key] for key in ("reason", "message"))
        said = run("firmware", "get-image-info", "mcuboot", bad)
        assert said.err.startswith(f"mcumgrctl: {bad}: {alone['parameters']['message']}")


IMAGES = [[], ["--protected"], ["--hash", "sha512"], ["--pad", "65536"], ["--broken", "encrypted"], ["--rom-address", "4096"]]


@pytest.mark.parametrize("more", IMAGES, ids=str)
def test_images_read_alike_with_and_without_a_daemon(real, run, tmp_path, more):
    path = image(tmp_path / "image.bin", NEW, *more)
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(str(real))
        data = base64.b64encode(open(path, "rb").read()).decode()
        s.sendall(json.dumps({"method": "io.mcumgr.ImageInspect", "parameters": {"data": data}}).encode() + b"\0")
        answer = b""
        while not answer.endswith(b"\0"):
            answer += s.recv(65536)
    alone = run("--json", "firmware", "get-image-info", "mcuboot", path)
    assert json.loads(alone.out) == json.loads(answer[:-1])["parameters"]
    text = run("firmware", "get-image-info", "mcuboot", path)
    assert text.code == 0 and f"Version:    {NEW}" in text.out


# ---- --serial ----

def private_left():
    return {name for name in os.listdir("/tmp") if name.startswith("mcumgrctl-")}


def eventually(holds):
    """What no file descriptor tells."""
    deadline = time.monotonic() + DEADLINE
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def nothing_left(before):
    """Of what came since, whoever it is from: other tests start daemons at the same time, and end them."""
    came = private_left() - before
    eventually(lambda: not came & private_left())


def test_serial_asks_the_daemon_that_has_the_tty(real, run, sim, short_dir):
    link = short_dir / "link"
    link.symlink_to(sim)
    for tty in (sim, link):
        assert run("-s", str(tty), "os", "echo", "x", MCUMGRD="/none").out == "x\n"


def test_serial_starts_a_daemon(sim, run, short_dir, tmp_path):
    before = private_left()
    daemon = {"MCUMGRD": binary("MCUMGRD", "daemon", "mcumgrd"), "socket_": short_dir / "none"}
    assert run("--serial", str(sim), "--baud", "115200", "os", "echo", "x", **daemon).out == "x\n"
    update = run("-s", str(sim), "firmware", "update", image(tmp_path / "new.bin", NEW), **daemon)
    assert update.code == 0 and "is active and confirmed" in update.out, update
    detached = run("-s", str(sim), "firmware", "update", "--detach", str(tmp_path / "new.bin"), **daemon)
    assert detached.code == 2 and "none could go on with the job" in detached.err
    nothing_left(before)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_client_leaves_nothing(sim, short_dir, number):
    before = private_left()
    process = subprocess.Popen([program(), "-s", str(sim), "console", "-f"], stdout=subprocess.PIPE,
                               env=environment(short_dir / "none", MCUMGRD=binary("MCUMGRD", "daemon", "mcumgrd")))
    try:
        eventually(lambda: any(os.path.exists(f"/tmp/{name}/state") and not os.path.exists(f"/tmp/{name}/notify")
                               for name in private_left() - before))
    finally:
        process.send_signal(number)
        process.communicate(timeout=DEADLINE)
    nothing_left(before)


# mcumgrd as it is when it starts on a busy machine: it tells with what it was called, and runs once its client is gone.
SLOW_START = """#!/bin/sh
printf '%s\\n' "$@" >"$TOLD.new" && mv "$TOLD.new" "$TOLD"
cat >/dev/null
exec "$TRUE_MCUMGRD" "$@"
"""


@pytest.mark.parametrize("words", [["-s", "{tty}", "os", "echo", "x"], ["-u", "fffe:fffe:7", "os", "echo", "x"], ["suggest", "--all"]], ids=str)
def test_a_client_killed_while_its_daemon_starts_leaves_nothing(sim, short_dir, words):
    starts, told = short_dir / "mcumgrd", short_dir / "told"
    starts.write_text(SLOW_START)
    starts.chmod(0o755)
    process = subprocess.Popen([program(), *(w.format(tty=sim) for w in words)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                               env=environment(short_dir / "none", MCUMGRD=str(starts), TOLD=str(told),
                                               TRUE_MCUMGRD=binary("MCUMGRD", "daemon", "mcumgrd")))
    eventually(told.exists)
    process.kill()
    process.communicate(timeout=DEADLINE)
    arguments = told.read_text().splitlines()
    directory = arguments[arguments.index("--private") + 1]
    eventually(lambda: not os.path.exists(directory))


def test_serial_without_a_tty(run, short_dir):
    daemon = {"MCUMGRD": binary("MCUMGRD", "daemon", "mcumgrd"), "socket_": short_dir / "none"}
    missing = run("-s", str(short_dir / "tty"), "os", "echo", "x", **daemon)
    assert missing.code == 3 and "tty: No such file or directory" in missing.err
    no_tty = run("-s", "/dev/null", "os", "echo", "x", **daemon)
    assert no_tty.code == 5 and "not a serial port" in no_tty.err
    assert "a comma" in run("-s", "/dev/a,b", "os", "echo", "x", **daemon).err


def test_usb_serial_starts_a_daemon(run, short_dir):
    """Where none runs. No board on USB is here, which that daemon tells, not one that is missing."""
    before = private_left()
    daemon = {"MCUMGRD": binary("MCUMGRD", "daemon", "mcumgrd"), "socket_": short_dir / "none"}
    result = run("-u", "fffe:fffe:7", "--baud", "9600", "--raw", "os", "echo", "x", **daemon)
    assert result.code == 3 and "fffe:fffe:7: no serial port on USB matches" in result.err, result
    bad = run("-u", "2fe3:(", "os", "echo", "x", **daemon)
    assert bad.code == 9 and "cannot start a daemon for this run" in bad.err and "2fe3:(" in bad.err, bad
    assert run("-d", "fffe:fffe:7", "os", "echo", "x", **daemon).code == 9
    nothing_left(before)


def test_usb_serial_asks_the_daemon_that_runs(real, run):
    result = run("-u", "fffe:fffe:7", "os", "echo", "x", MCUMGRD="/none")
    assert result.code == 3 and "amber" in result.err, result


def test_raw_serial_starts_a_daemon(run, short_dir):
    """What it sends is a message, and no line of text."""
    master, slave = os.openpty()
    tty = short_dir / "tty"
    tty.symlink_to(os.ttyname(slave))
    heard = []

    def board():
        data = b""
        while len(data) < 8 or len(data) < 8 + int.from_bytes(data[2:4], "big"):
            data += os.read(master, 4096)
        heard.append(data)
        tty.unlink()
        os.close(slave)
        os.close(master)  # as if unplugged: nobody waits for an answer

    thread = threading.Thread(target=board, daemon=True)
    thread.start()
    daemon = {"MCUMGRD": binary("MCUMGRD", "daemon", "mcumgrd"), "socket_": short_dir / "none"}
    assert run("--raw", "-s", str(tty), "-t", "100", "--retries", "0", "os", "echo", "x", **daemon).code == 5
    thread.join(DEADLINE)
    assert heard and heard[0][0] in (0x00, 0x02, 0x08, 0x0a) and b"\x06\x09" not in heard[0][:8], heard


def test_serial_without_a_program(run, sim, short_dir):
    result = run("-s", str(sim), "os", "echo", "x", MCUMGRD="/none", socket_=short_dir / "none")
    assert result.code == 9 and "cannot run /none: No such file or directory" in result.err


@pytest.mark.parametrize("size", [0, 1, 5000])
def test_files_go_and_come_back(real, run, tmp_path, size):
    data = os.urandom(size)
    (tmp_path / "there").write_bytes(data)
    up = run("fs", "upload", str(tmp_path / "there"), f"/lfs1/f{size}")
    assert (up.code, up.err) == (0, "") and up.out.splitlines()[-1].startswith(f"{size} bytes written to /lfs1/f{size}")
    assert ("sha256 compared" in up.out) == (size > 0)
    down = run("fs", "download", f"/lfs1/f{size}", str(tmp_path / "back"))
    assert (down.code, down.err) == (0, "") and (tmp_path / "back").read_bytes() == data
    assert run("fs", "status", f"/lfs1/f{size}").out == f"length: {size}\n"


def test_an_empty_file_over_another_is_told(real, run, tmp_path):
    (tmp_path / "full").write_text("full")
    assert run("fs", "upload", str(tmp_path / "full"), "/lfs1/").code == 0
    result = run("fs", "upload", "/dev/null", "/lfs1/full")
    assert result.code == 1 and "left the file as it was, with 4 bytes" in result.err
    assert run("fs", "download", "/lfs1/none", str(tmp_path / "x")).code == 6 and not (tmp_path / "x").exists()


def test_the_frame_size_is_obeyed(real, run):
    small = run("--smp-frame-size", "64", "os", "echo", "x" * 100)
    assert small.code == 1 and "larger than the 60 bytes" in small.err, small
    assert run("--smp-frame-size", "0", "os", "echo", "x" * 100).out == "x" * 100 + "\n"
