# SPDX-License-Identifier: MIT
"""The daemon and its command line, as the tests of this folder run them.

The programs are $MCUMGRD and $MCUMGRCTL, or those of the build folder $MCUMGRD_BUILD, or
those of `build` beside the sources.
"""

import base64
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

from .boards import die_with_parent

START_TIMEOUT = 60
SANITIZER = re.compile(r"ERROR: \w+Sanitizer|runtime error:|SUMMARY: \w+Sanitizer")


def program(variable, *below):
    chosen = os.environ.get(variable)
    if chosen:
        return Path(chosen)
    build = os.environ.get("MCUMGRD_BUILD")
    base = Path(build) if build else Path(__file__).resolve().parents[2] / "build"
    return base.joinpath(*below)


def daemon_program():
    return program("MCUMGRD", "daemon", "mcumgrd")


def client_program():
    return program("MCUMGRCTL", "libclient", "mcumgrctl", "mcumgrctl")


class ApiError(Exception):
    """A Varlink error; `name` without the interface, `parameters` as sent."""

    def __init__(self, reply):
        super().__init__(json.dumps(reply))
        self.full_name = reply["error"]
        self.name = self.full_name.rpartition(".")[2]
        self.parameters = reply.get("parameters", {})


class Api:
    """One Varlink connection, in the plainest way."""

    def __init__(self, path, timeout=60):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(timeout)
        self.sock.connect(str(path))
        self._buffer = bytearray()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.sock.close()

    def send(self, method, more=False, **parameters):
        name = method if "." in method else f"io.mcumgr.{method}"
        call = {"method": name, "parameters": parameters, **({"more": True} if more else {})}
        self.sock.sendall(json.dumps(call).encode() + b"\0")

    def receive(self):
        while (end := self._buffer.find(b"\0")) < 0:
            data = self.sock.recv(65536)
            if not data:
                raise ConnectionError("the daemon closed the connection")
            self._buffer += data
        reply = json.loads(self._buffer[:end])
        del self._buffer[:end + 1]
        return reply

    def call(self, method, **parameters):
        self.send(method, **parameters)
        reply = self.receive()
        if "error" in reply:
            raise ApiError(reply)
        return reply["parameters"]

    def stream(self, method, **parameters):
        self.send(method, more=True, **parameters)
        while True:
            reply = self.receive()
            if "error" in reply:
                raise ApiError(reply)
            yield reply["parameters"]
            if not reply.get("continues"):
                return


class Result:
    """What a run of mcumgrctl left: code, out, err; `lines` are its JSON lines, `error` is
    the JSON object of the error, if any."""

    def __init__(self, command, code, out, err):
        self.command, self.code, self.out, self.err = command, code, out, err

    @staticmethod
    def _json(text):
        for line in text.splitlines():
            with contextlib.suppress(ValueError):
                yield json.loads(line)

    @property
    def lines(self):
        return list(self._json(self.out))

    @property
    def value(self):
        """The one JSON value of standard output, however it is laid out."""
        return json.loads(self.out)

    @property
    def error(self):
        for text in (self.err, self.out):
            for value in self._json(text):
                if isinstance(value, dict) and "error" in value:
                    return value
        return None

    def __repr__(self):
        return f"{' '.join(self.command)}\nexit {self.code}\n{self.out}{self.err}"


class Daemon:
    """mcumgrd on some boards: `ports` maps an id to a tty, or to a tty with ",key=value"."""

    def __init__(self, folder, ports, config=None):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.ports = ports
        self.config = config
        self.socket = self.folder / "socket"
        self.log_path = self.folder / "log"
        self.process = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *error):
        if self.running:
            self.stop()

    @property
    def running(self):
        return self.process is not None and self.process.poll() is None

    @property
    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def command(self):
        command = [str(daemon_program()), "--socket", str(self.socket),
                   "--state-dir", str(self.folder / "state"), "--log-level", "debug"]
        if self.config is not None:
            path = self.folder / "mcumgrd.conf"
            path.write_text(self.config, encoding="utf-8")
            command += ["-c", str(path)]
        for name, tty in self.ports.items():
            command += ["--port", f"{tty},name={name}"]
        return command

    def start(self):
        (self.folder / "state").mkdir(exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            self.socket.unlink()
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                preexec_fn=die_with_parent)
        deadline = time.monotonic() + START_TIMEOUT
        while True:
            with contextlib.suppress(OSError):
                self.api().sock.close()
                return
            assert self.running, f"mcumgrd ended at once:\n{self.log[-3000:]}"
            assert time.monotonic() < deadline, f"no socket:\n{self.log[-3000:]}"
            time.sleep(0.01)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"SIGTERM did not end it:\n{self.log[-3000:]}") from None
        found = SANITIZER.search(self.log)
        assert not found, self.log[found.start():][:6000]
        assert code == 0, f"exit {code}:\n{self.log[-3000:]}"

    def kill(self):
        self.process.kill()
        self.process.wait()

    def api(self, timeout=60):
        return Api(self.socket, timeout)

    def call(self, method, **parameters):
        with self.api() as api:
            return api.call(method, **parameters)

    def device(self, name):
        """What List says of a board."""
        for device in self.call("List")["devices"]:
            if device["id"] == name:
                return device
        raise AssertionError(f"no {name} in the list")

    def wait(self, names, states=("ready",), timeout=60, where=lambda device: True):
        """Waits until each of the boards is in one of the states (and `where` holds)."""
        names = [names] if isinstance(names, str) else list(names)
        waiting, seen = set(names), {}
        with self.api(timeout) as api:
            try:
                for event in api.stream("Watch"):
                    device = event.get("device")
                    if not device or device["id"] not in names:
                        continue
                    seen[device["id"]] = device
                    if device["state"] in states and where(device):
                        waiting.discard(device["id"])
                    else:
                        waiting.add(device["id"])
                    if not waiting:
                        return seen[names[0]]
            except TimeoutError:
                pass
        states_seen = {name: (seen.get(name) or {}).get("state") for name in waiting}
        raise AssertionError(f"not {states} within {timeout} s: {states_seen}\n"
                             f"{self.log[-3000:]}")

    def start_client(self, *arguments, device=None, as_json=True):
        command = [str(client_program()), "--socket", str(self.socket)]
        command += ["-d", device] if device else []
        command += ["--json"] if as_json else []
        command += [str(argument) for argument in arguments]
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True,
                                preexec_fn=die_with_parent)

    def cli(self, *arguments, timeout=120, **how):
        """Runs mcumgrctl to its end."""
        return finish(self.start_client(*arguments, **how), timeout)

    def put(self, data):
        return self.call("ImagePut", data=base64.b64encode(data).decode())["hash"]


def finish(process, timeout=120):
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        raise AssertionError(f"no end within {timeout} s:\n{out}{err}") from None
    result = Result(process.args, process.returncode, out, err)
    found = SANITIZER.search(err)
    assert not found, err
    return result
