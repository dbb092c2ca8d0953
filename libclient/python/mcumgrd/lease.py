# SPDX-License-Identifier: MIT
"""Boards for oneself: leases."""
from __future__ import annotations

import sys
from typing import Any, Dict, List, Optional, Union

from .errors import InvalidParameter, NoSuchLease
from .varlink import Connection

__all__ = ["Lease"]


class Lease:
    """A lease on one board or several. It ends with unlock(), at the end of a with block, or with the connection that took it.
    token makes other processes the holder: as MCUMGR_LEASE in their environment."""

    def __init__(self, connection: Connection, token: str, info: Dict[str, Any]) -> None:
        self._connection = connection
        self.token = token
        self.info = info  # type Lease of the API
        self.devices: List[str] = info["devices"]

    @staticmethod
    def take(connection: Connection, devices: Optional[List[str]] = None, wait: Union[bool, float] = False,
             reason: Optional[str] = None, any: Optional[str] = None, count: Optional[int] = None) -> "Lease":
        """All of these boards, or with any count boards of a pool that are free. wait: in line, True or so many seconds.
        Raises DeviceBusy."""
        timed = not isinstance(wait, bool)
        if timed and not (isinstance(wait, (int, float)) and 0 <= wait < 2 ** 50):
            raise InvalidParameter(f"wait is True, False or a number of seconds, not {wait!r}")
        reply = connection.call("io.mcumgr.Lock", devices=devices, any=any, count=count, reason=reason,
                                wait=wait is True or None, waitMs=max(1, int(wait * 1000)) if timed else None,
                                command=" ".join(sys.argv).encode("utf-8", "replace")[:200].decode("utf-8", "ignore").replace("\0", "")
                                or None)
        connection.lease = reply["token"]
        return Lease(connection, reply["token"], reply["lease"])

    def unlock(self) -> None:
        """Gives the boards back. A lease that has ended already is no error."""
        try:
            self._connection.call("io.mcumgr.Unlock", lease=self.token)
        except NoSuchLease:
            pass
        if self._connection.lease == self.token:
            self._connection.lease = None

    def __enter__(self) -> "Lease":
        return self

    def __exit__(self, *_: object) -> None:
        self.unlock()
