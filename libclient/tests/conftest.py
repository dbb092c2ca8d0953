# SPDX-License-Identifier: MIT
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

import pytest

HERE = pathlib.Path(__file__).resolve().parent
TREE = HERE.parent.parent
sys.path.insert(0, str(HERE))

from fake_daemon import FakeDaemon  # noqa: E402
from terminal import Terminal  # noqa: E402
from varlink_idl import Interface  # noqa: E402

DEADLINE = 60

# A shell that runs the tests in the background ignores the keyboard's signals, and programs inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGQUIT, signal.SIG_DFL)


def build_dir():
    return pathlib.Path(os.environ.get("MCUMGRD_BUILD", TREE / "build"))


def program():
    if "MCUMGRCTL" in os.environ:
        return os.environ["MCUMGRCTL"]
    return str(build_dir() / "libclient/mcumgrctl/mcumgrctl")


@pytest.fixture(scope="session")
def interface():
    return Interface(TREE / "proto/io.mcumgr.varlink")


@pytest.fixture
def short_dir():
    """A socket's path has at most 107 bytes, which pytest's own directories may not leave."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="mctl"))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def daemon(interface, short_dir):
    server = FakeDaemon(short_dir / "s", interface)
    yield server
    server.close()


class Result:
    def __init__(self, done):
        self.code, self.out, self.err = done.returncode, done.stdout.decode(), done.stderr.decode()
        assert "Sanitizer" not in self.err and "runtime error" not in self.err, self.err

    def __repr__(self):
        return f"exit code {self.code}\n--- stdout\n{self.out}--- stderr\n{self.err}---"


def environment(socket=None, **more):
    env = {k: v for k, v in os.environ.items() if k not in ("MCUMGR_SOCKET", "XDG_RUNTIME_DIR", "COLUMNS", "LC_CTYPE", "LANG")}
    env.update({"LC_ALL": "C.UTF-8", "TZ": "UTC", "TERM": "xterm"})
    if socket:
        env["MCUMGR_SOCKET"] = str(socket)
    env.update(more)
    return env


@pytest.fixture
def ctl(daemon):
    def run(*argv, input=b"", env=None):
        done = subprocess.run([program(), *argv], input=input, capture_output=True, timeout=DEADLINE,
                              env=environment(daemon.path, **(env or {})))
        return Result(done)

    run.start = lambda *argv, **more: subprocess.Popen(
        [program(), *argv], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=environment(daemon.path), **more)
    return run


@pytest.fixture
def terminal(daemon):
    started = []

    def start(*argv, columns=100, lines=24, **env):
        started.append(Terminal([program(), *argv], columns, lines, environment(daemon.path, **env)))
        return started[-1]

    yield start
    for t in started:
        t.close()
