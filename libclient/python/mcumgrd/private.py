# SPDX-License-Identifier: MIT
"""A daemon of one's own, for one board, that ends with the client."""
from __future__ import annotations

import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
from typing import List, Optional

from .errors import DaemonUnreachable

__all__ = ["PrivateDaemon", "find_daemon"]

_START_SECONDS = 20.0


def find_daemon() -> str:
    """The mcumgrd program: $MCUMGRD, beside the installed package, then PATH."""
    named = os.environ.get("MCUMGRD")
    if named:
        return named
    # PREFIX/lib/python3.x/site-packages/mcumgrd/private.py, and PREFIX/sbin/mcumgrd
    prefixes = [*list(pathlib.Path(__file__).resolve().parents)[2:6], pathlib.Path(sys.prefix)]
    beside = [str(prefix / folder / "mcumgrd") for prefix in prefixes for folder in ("sbin", "bin")]
    for candidate in beside + [shutil.which("mcumgrd"), "/usr/sbin/mcumgrd", "/usr/local/sbin/mcumgrd", "/usr/local/bin/mcumgrd"]:
        if candidate and os.access(candidate, os.X_OK):
            return candidate
    raise DaemonUnreachable("mcumgrd is not installed", None, {
        "hint": "install it, or name the program in the environment variable MCUMGRD"})


class PrivateDaemon:
    """Starts mcumgrd on a private socket and waits until it is ready. It ends when this object or this process does:
    it watches its standard input, which closes with either."""

    def __init__(self, arguments: List[str], config: Optional[str] = None) -> None:
        program = find_daemon()
        self._folder = tempfile.TemporaryDirectory(prefix="mcumgr-")
        self.socket = os.path.join(self._folder.name, "s")
        command = [program, "--until-eof", "--socket", self.socket, "--state-dir", os.path.join(self._folder.name, "state"),
                   "--log-level", os.environ.get("MCUMGRD_LOG", "error")]
        if config is not None:
            path = os.path.join(self._folder.name, "mcumgrd.conf")
            with open(path, "w", encoding="utf-8") as file:
                file.write(config)
            command += ["-c", path]
        else:
            command += ["-c", "/dev/null"]
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            notify.bind(os.path.join(self._folder.name, "n"))
            notify.settimeout(_START_SECONDS)
            environment = dict(os.environ, NOTIFY_SOCKET=os.path.join(self._folder.name, "n"))
            environment.pop("LISTEN_FDS", None)
            self._errors = tempfile.TemporaryFile()
            try:
                self._process = subprocess.Popen(command + arguments, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                                 stderr=self._errors, env=environment)
            except OSError as error:
                raise DaemonUnreachable(f"cannot run {program}: {error.strerror}", None, {
                    "hint": "name the program in the environment variable MCUMGRD"}) from error
            self._wait_ready(notify, program)
        except BaseException:
            self.close()
            raise
        finally:
            notify.close()

    def _wait_ready(self, notify: socket.socket, program: str) -> None:
        notify.settimeout(0.2)
        waited = 0.0
        while True:
            try:
                if b"READY=1" in notify.recv(4096).split(b"\n"):
                    return
            except socket.timeout:
                waited += 0.2
            if self._process.poll() is not None or waited > _START_SECONDS:
                self._errors.seek(0)
                text = self._errors.read().decode("utf-8", "replace").strip()
                raise DaemonUnreachable(f"{program} did not start: {text or 'no reason given'}")

    def close(self) -> None:
        """Ends the daemon and waits for it: the port is free afterwards."""
        process = getattr(self, "_process", None)
        if process is not None:
            if process.stdin:
                process.stdin.close()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if hasattr(self, "_errors"):
            self._errors.close()
        self._folder.cleanup()
