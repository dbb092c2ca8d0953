# SPDX-License-Identifier: MIT
"""The programs of docs/examples: compiled as their first lines say, against the library as it would be installed, and run."""

import json
import os
import re
import shlex
import shutil
import subprocess

import pytest

from conftest import TREE, build_dir, environment
from fake_daemon import Close, Error, Later
from test_all import device
from test_jobs import FILE, IMAGE, PUT, done, step


def sanitizers():
    """What the library was built with, a program that links it needs too."""
    done_ = subprocess.run(["meson", "introspect", "--buildoptions", str(build_dir())], capture_output=True, text=True, check=True)
    value = {option["name"]: option["value"] for option in json.loads(done_.stdout)}["b_sanitize"]
    return [] if value == "none" else [f"-fsanitize={value}"]


@pytest.fixture(scope="session")
def compiled(tmp_path_factory):
    """Compiles an example with pkg-config's words alone."""
    if "MCUMGRD_BUILD" not in os.environ and not build_dir().exists():
        pytest.skip("no build directory")
    directory = tmp_path_factory.mktemp("examples")
    env = {**os.environ, "PKG_CONFIG_PATH": str(build_dir() / "meson-uninstalled")}
    words = subprocess.run(["pkg-config", "--cflags", "--libs", "mcumgr-uninstalled"], capture_output=True, check=True, env=env).stdout
    # It puts a backslash before each byte that is not ASCII, and not before each character.
    flags = [word.encode("latin-1") for word in shlex.split(words.decode("latin-1"))]

    def compile_(name):
        source, target = TREE / f"docs/examples/{name}.c", directory / name
        assert re.search(rf"cc {name}\.c \$\(pkg-config --cflags --libs mcumgr\) -o {name}", source.read_text())
        if not target.exists():
            subprocess.run(["cc", "-Wall", "-Wextra", "-Werror", str(source), "-o", str(target), *flags, *sanitizers(),
                            f"-Wl,-rpath,{build_dir()}/libclient"], check=True)
        return str(target)

    assert shutil.which("cc") and shutil.which("pkg-config")
    return compile_


@pytest.fixture
def example(compiled, daemon):
    def run(name, *argv):
        done_ = subprocess.run([compiled(name), *argv], capture_output=True, text=True, timeout=30, env=environment(daemon.path))
        return done_.returncode, done_.stdout, done_.stderr
    return run


def test_list(daemon, example):
    daemon.on("List", {"devices": [device("a", version="1.0.0"), device("b", version="2.0.0"),
                                   {**device("c"), "state": "broken", "reason": "worn out"}]})
    daemon.on("BootloaderInfo", lambda p: [{"name": "MCUboot"} if p["device"] == "a" else Error(
        "NotSupported", device="b", group=0, command=8, message="it cannot")])
    assert example("list") == (0, "a: ready\n  version: 1.0.0\n  bootloader: MCUboot\nb: ready\n  version: 2.0.0\n"
                               "  bootloader: the board does not tell\nc: broken: worn out\n", "")


def test_list_without_a_daemon(daemon, example):
    os.unlink(daemon.path)
    code, out, err = example("list")
    assert (code, out) == (1, "") and "there is no such socket" in err


def test_update(daemon, example, tmp_path):
    (tmp_path / "image").write_bytes(IMAGE)
    daemon.on("ImagePut", {"hash": FILE}).on("Update", step("check", 0), step("upload", 50, 5, 10), done())
    assert example("update", str(tmp_path / "image"), "rack-1") == (
        0, "  0 %  check\n 50 %  upload\n100 %  done\nupdated\n", "")
    assert daemon.calls == [PUT, ("Update", {"device": "rack-1", "file": FILE}, True)]


def test_update_without_a_file_that_can_be_read(example, tmp_path):
    assert example("update") == (2, "", "usage: update FILE [DEVICE]\n")
    assert example("update", str(tmp_path / "none")) == (1, "", f"{tmp_path}/none: No such file or directory\n")
    assert example("update", str(tmp_path)) == (1, "", f"{tmp_path}: Is a directory\n")


def test_update_that_fails(daemon, example, tmp_path):
    (tmp_path / "image").write_bytes(IMAGE)
    daemon.on("ImagePut", Error("BadImage", reason="no-hash", message="the image has no hash", hint="sign it"))
    assert example("update", str(tmp_path / "image")) == (1, "", "the image has no hash\nsign it\n")


def test_watch(daemon, example):
    time = {"time": "2026-01-02T03:04:05.678Z"}
    daemon.on("Watch", {"event": "present", "number": 1, **time, "device": device("a")},
              {"event": "current", "number": 1, **time}, Later("Echo"), Close())
    daemon.on("Echo", lambda p: [{"text": p["text"]}])
    code, out, err = example("watch")
    assert (code, err) == (0, "")
    # Of two connections either may speak first; the echo may also be too late for the end of the other one.
    lines = out.splitlines()
    assert [line for line in lines if line != "echo: a"] == [
        "present", "current", f"watch: the daemon on {daemon.path} closed the connection"]
    assert lines.count("echo: a") <= 1
    assert daemon.calls[1:] == [("Echo", {"device": "a", "text": "a"}, False)]


def test_watch_that_ends_before_the_echo(daemon, example):
    """What is cancelled by the program's own end is no news."""
    time = {"time": "2026-01-02T03:04:05.678Z"}
    daemon.on("Watch", {"event": "present", "number": 1, **time, "device": device("a")}, Later("Echo"), Close())
    code, out, err = example("watch")
    assert (code, err) == (0, "")
    assert out.splitlines() == ["present", f"watch: the daemon on {daemon.path} closed the connection"]
