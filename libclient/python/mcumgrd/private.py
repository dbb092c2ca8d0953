# SPDX-License-Identifier: MIT
"""A daemon of one's own, for one board, that ends with the client."""
from __future__ import annotations

import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import weakref
from typing import List, Optional

from .errors import DaemonUnreachable, InvalidParameter

__all__ = ["PrivateDaemon", "find_daemon"]

_START_SECONDS = 20.0
_EXIT_USAGE, _EXIT_CONFIG = 2, 3


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


def _remove(folder: str, pid: int) -> None:
    if os.getpid() == pid:
        shutil.rmtree(folder, ignore_errors=True)


def _make_folder() -> str:
    """Where temporary files go, unless that is too deep for a socket: the name of one has 107 bytes at most."""
    folder = tempfile.mkdtemp(prefix="mcumgr-")
    if len(os.fsencode(os.path.join(folder, "socket"))) <= 107:
        return folder
    os.rmdir(folder)
    return tempfile.mkdtemp(prefix="mcumgr-", dir="/tmp")


class PrivateDaemon:
    """Starts mcumgrd on a private socket and waits until it is ready. It ends when this object or this process does, and
    removes what was made for it: it watches its standard input, which closes with either."""

    def __init__(self, arguments: List[str], config: Optional[str] = None) -> None:
        program = find_daemon()
        self._pid = os.getpid()
        self._folder = _make_folder()
        self._remove = weakref.finalize(self, _remove, self._folder, self._pid)
        self.socket = os.path.join(self._folder, "socket")
        notify_path = os.path.join(self._folder, "n")
        file = os.memfd_create("mcumgrd.conf")  # has no name, so that nobody needs to remove it
        command = [program, "--private", self._folder, "-c", f"/dev/fd/{file}", "--log-level", os.environ.get("MCUMGRD_LOG", "error")]
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            os.write(file, (config or "").encode())
            notify.bind(notify_path)
            notify.settimeout(_START_SECONDS)
            environment = dict(os.environ, NOTIFY_SOCKET=notify_path)
            environment.pop("LISTEN_FDS", None)
            self._errors = tempfile.TemporaryFile()
            try:
                self._process = subprocess.Popen(command + arguments, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                                 stderr=self._errors, env=environment, pass_fds=[file])
            except OSError as error:
                raise DaemonUnreachable(f"cannot run {program}: {error.strerror}", None, {
                    "hint": "name the program in the environment variable MCUMGRD"}) from error
            self._wait_ready(notify, program)
            os.unlink(notify_path)  # all else is the daemon's own, which removes it (and this) also when this process is killed
        except BaseException:
            self.close()
            raise
        finally:
            os.close(file)
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
                wrong = re.search(r"\bbad value '.*|\bmatch: a comment needs.*", text)
                if self._process.returncode in (_EXIT_USAGE, _EXIT_CONFIG) and wrong:  # what the caller gave, and not the daemon
                    raise InvalidParameter(wrong.group())
                raise DaemonUnreachable(f"{program} did not start: {text or 'no reason given'}")

    def close(self) -> None:
        """Ends the daemon and waits for it: the port is free afterwards. In a forked process, which has none of its own, gives
        up the copies of what belongs to the parent's."""
        process = getattr(self, "_process", None)
        if process is not None:
            if os.getpid() == self._pid:
                self._end(process)
            if process.stdin:
                process.stdin.close()
        if hasattr(self, "_errors"):
            self._errors.close()
        self._remove()

    @staticmethod
    def _end(process: "subprocess.Popen[bytes]") -> None:
        process.terminate()  # forked processes may hold its standard input open
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
