# SPDX-License-Identifier: MIT
"""Errors of the daemon and of boards. All derive from RuntimeError, as scripts for mcumgr_toolkit expect."""
from __future__ import annotations

from typing import Any, Dict, Mapping, Optional, Type

__all__ = [
    "MCUmgrError", "DaemonUnreachable", "NoSuchDevice", "AmbiguousDevice", "DeviceBusy", "NoSuchLease", "DeviceGone", "DeviceUnavailable",
    "TimedOut", "NotSupported", "DeviceError", "ProtocolError", "BadImage", "NoSuchImage", "UpdateRefused", "NotBooted",
    "Cancelled", "NoSuchJob", "LimitExceeded", "Stopping", "InvalidParameter", "PermissionDenied", "AlreadyInstalled",
]


class MCUmgrError(RuntimeError):
    """What went wrong. code is the stable name of the error in the API ("io.mcumgr.TimedOut"); group and rc are the
    board's own codes where a board said no; hint says what to do about it."""

    code: str = "io.mcumgr.Unknown"

    def __init__(self, message: str, code: Optional[str] = None, parameters: Optional[Mapping[str, Any]] = None) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code
        self.parameters: Dict[str, Any] = dict(parameters or {})
        self.message = message
        self.hint: Optional[str] = self.parameters.get("hint")
        self.group: Optional[int] = self.parameters.get("group")
        self.rc: Optional[int] = self.parameters.get("rc")

    def __str__(self) -> str:
        return f"{self.message}\n  hint: {self.hint}" if self.hint else self.message


class DaemonUnreachable(MCUmgrError):
    """No daemon listens on the socket, or none could be started."""
    code = "io.mcumgr.DaemonUnreachable"


class NoSuchDevice(MCUmgrError):
    """No board goes by this name."""


class AmbiguousDevice(MCUmgrError):
    """More than one board matches."""


class DeviceBusy(MCUmgrError):
    """Somebody holds a lease on the board: parameters["holder"], parameters["lease"]. To lock() also: a job runs there."""


class NoSuchLease(MCUmgrError):
    """The lease has ended, or never was."""


class DeviceGone(MCUmgrError):
    """The board went away."""


class DeviceUnavailable(MCUmgrError):
    """The board's port cannot be used now."""


class TimedOut(MCUmgrError):
    """The board did not answer in time."""


class NotSupported(MCUmgrError):
    """The board does not have this command: rc is 8."""

    def __init__(self, message: str, code: Optional[str] = None, parameters: Optional[Mapping[str, Any]] = None) -> None:
        super().__init__(message, code, parameters)
        self.rc = 8


class DeviceError(MCUmgrError):
    """The board answered with an error: group and rc."""


class ProtocolError(MCUmgrError):
    """The board's answer breaks the protocol."""


class BadImage(MCUmgrError):
    """The file is no image that a board could take."""


class NoSuchImage(MCUmgrError):
    """The daemon does not have a file with this hash."""


class UpdateRefused(MCUmgrError):
    """The board's state forbids the update."""


class AlreadyInstalled(UpdateRefused):
    """The image is active and confirmed already (as mcumgr_toolkit, which raises here)."""
    code = "io.mcumgr.AlreadyInstalled"


class NotBooted(MCUmgrError):
    """The new image is not the one that runs: parameters["reason"] says reverted, refused, silent or unchanged."""


class Cancelled(MCUmgrError):
    """The job was cancelled; the message says in which state the board is."""


class NoSuchJob(MCUmgrError):
    """No job has this id."""


class LimitExceeded(MCUmgrError):
    """A bound of the daemon."""


class Stopping(MCUmgrError):
    """The daemon is ending."""


class InvalidParameter(MCUmgrError):
    """A parameter is unknown, missing or wrong."""


class PermissionDenied(MCUmgrError):
    """The caller may not do this: parameters["role"] is what is missing."""


_BY_NAME: Dict[str, Type[MCUmgrError]] = {
    f"io.mcumgr.{cls.__name__}": cls
    for cls in (NoSuchDevice, AmbiguousDevice, DeviceBusy, NoSuchLease, DeviceGone, DeviceUnavailable, TimedOut, NotSupported, DeviceError,
                ProtocolError, BadImage, NoSuchImage, UpdateRefused, NotBooted, Cancelled, NoSuchJob, LimitExceeded, Stopping)
}
_BY_NAME["org.varlink.service.InvalidParameter"] = InvalidParameter
for _name, _class in _BY_NAME.items():
    _class.code = _name
PermissionDenied.code = "io.mcumgr.PermissionDenied"
_BY_NAME["io.mcumgr.PermissionDenied"] = _BY_NAME["org.varlink.service.PermissionDenied"] = PermissionDenied


def from_reply(name: str, parameters: Mapping[str, Any]) -> MCUmgrError:
    """The exception for an error reply of the API."""
    message = parameters.get("message")
    if not isinstance(message, str):
        parameter = parameters.get("parameter")
        message = f"invalid parameter: {parameter}" if parameter is not None else name
    return _BY_NAME.get(name, MCUmgrError)(message, name, parameters)
