# SPDX-License-Identifier: MIT
"""A connection to the daemon: Varlink on a Unix socket, blocking, usable from many threads (one call at a time)."""
from __future__ import annotations

import json
import os
import socket
import threading
from typing import Any, Dict, Iterator, Optional

from .errors import DaemonUnreachable, InvalidParameter, MCUmgrError, from_reply

__all__ = ["Connection", "default_socket"]

SYSTEM_SOCKET = "/run/mcumgr/io.mcumgr"


def default_socket() -> str:
    """$MCUMGR_SOCKET, the system's daemon, or the user's own."""
    named = os.environ.get("MCUMGR_SOCKET")
    if named:
        return named
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if os.path.exists(SYSTEM_SOCKET) or os.geteuid() == 0 or not runtime:
        return SYSTEM_SOCKET
    return os.path.join(runtime, "mcumgr", "io.mcumgr")


class Connection:
    """One connection. call() answers once, stream() many times; closing cancels what runs. A connection that broke, or whose
    stream was left early, is made anew by the next call, as is that of the parent in a forked process; one that was closed is not.

    lease: the token of a lease whose holder's these calls are; None: $MCUMGR_LEASE, if there is one; "": none. Once it has
    ended, calls that change a board raise NoSuchLease."""

    def __init__(self, path: Optional[str] = None, lease: Optional[str] = None) -> None:
        self.path = path or default_socket()
        self.lease: Optional[str] = os.environ.get("MCUMGR_LEASE") if lease is None else lease
        self._lock = threading.RLock()
        self._buffer = bytearray()
        self._broken = self._closed = False
        self._connect()

    def _connect(self) -> None:
        self._buffer.clear()
        self._pid = os.getpid()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | getattr(socket, "SOCK_CLOEXEC", 0))
        try:
            self._socket.connect(self.path)
        except PermissionError as error:
            self._socket.close()
            raise DaemonUnreachable(f"{self.path}: permission denied", None, {
                "hint": "join the group mcumgr: sudo usermod -aG mcumgr $USER, then log in again"}) from error
        except OSError as error:
            self._socket.close()
            raise DaemonUnreachable(f"no daemon listens on {self.path}: {error.strerror or error}", None, {
                "hint": "start it: systemctl start mcumgrd.socket, or name its socket in MCUMGR_SOCKET"}) from error
        if self.lease:
            use = {"method": "io.mcumgr.LeaseUse", "parameters": {"lease": self.lease}, "oneway": True}
            self._write(use)

    def _write(self, call: Dict[str, Any]) -> None:
        message = json.dumps(call, ensure_ascii=False, allow_nan=False).encode("utf-8") + b"\0"
        try:
            self._socket.sendall(message)
        except OSError as error:
            self._broken = True
            raise DaemonUnreachable(f"the daemon closed the connection: {error}") from error

    def close(self) -> None:
        """Closes the connection; a call that runs is cancelled at its next safe point."""
        self._closed = True
        self._drop()

    def interrupt(self) -> None:
        """From another thread: the call that waits for its answer raises DaemonUnreachable, and the daemon forgets it."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:  # it is closed
            pass

    def _drop(self) -> None:
        self._broken = True
        if self._pid == os.getpid():  # what a forked process has is its parent's
            self.interrupt()  # closing alone would not wake a thread that waits for its answer
        self._socket.close()

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _send(self, method: str, parameters: Dict[str, Any], more: bool) -> None:
        if self._closed:
            raise DaemonUnreachable("the connection to the daemon is closed")
        for name, value in parameters.items():  # the daemon hangs up at one
            for number in value if isinstance(value, (list, tuple)) else [value]:
                if isinstance(number, int) and not -2 ** 63 <= number < 2 ** 64:
                    raise InvalidParameter(f"'{name}' is beyond 64 bits", None, {"parameter": name})
        if self._pid != os.getpid():
            self._drop()
        if self._broken:
            self._connect()
            self._broken = False
        call: Dict[str, Any] = {"method": method, "parameters": {k: v for k, v in parameters.items() if v is not None}}
        if more:
            call["more"] = True
        self._write(call)

    def _receive(self) -> Dict[str, Any]:
        start = 0
        while (end := self._buffer.find(b"\0", start)) < 0:
            start = len(self._buffer)
            try:
                data = self._socket.recv(1 << 16)
            except OSError as error:
                self._broken = True
                raise DaemonUnreachable(f"the connection to the daemon broke: {error}") from error
            if not data:
                self._broken = True
                raise DaemonUnreachable(f"{'another thread' if self._closed else 'the daemon'} closed the connection")
            self._buffer += data
        message = bytes(self._buffer[:end])
        del self._buffer[:end + 1]
        reply = json.loads(message)
        if not isinstance(reply, dict):
            raise MCUmgrError("the daemon's answer is no JSON object")
        return reply

    def stream(self, method: str, **parameters: Any) -> Iterator[Dict[str, Any]]:
        """Yields the parameters of each reply. Leaving the loop early closes the connection: the call is cancelled."""
        with self._lock:
            self._send(method, parameters, True)
            done = False
            try:
                while not done:
                    reply = self._receive()
                    done = not reply.get("continues", False)
                    if "error" in reply:
                        done = True
                        raise from_reply(reply["error"], reply.get("parameters") or {})
                    yield reply.get("parameters") or {}
            finally:
                if not done:
                    self._drop()

    def call(self, method: str, **parameters: Any) -> Dict[str, Any]:
        """One call, one answer: its parameters."""
        with self._lock:
            self._send(method, parameters, False)
            try:
                reply = self._receive()
            except BaseException:
                self._drop()  # the answer would be taken for the next call's
                raise
        if "error" in reply:
            raise from_reply(reply["error"], reply.get("parameters") or {})
        answer: Dict[str, Any] = reply.get("parameters") or {}
        return answer
