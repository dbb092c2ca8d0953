# SPDX-License-Identifier: MIT
"""MCUmgrClient: one board, with the calls of mcumgr_toolkit, through the daemon."""
from __future__ import annotations

import base64
import datetime as _datetime
import os
import random
import re
import string
from typing import Any, Callable, Dict, Iterator, List, Literal, Optional, Sequence, Tuple, Union

from .errors import AlreadyInstalled, AmbiguousDevice, DeviceUnavailable, InvalidParameter, MCUmgrError, NoSuchDevice
from .image import as_bytes
from .lease import Lease
from .private import PrivateDaemon
from .types import (ApplicationInfo, FileChecksum, FileChecksumDataFormat, FileChecksumProperties, FileStatus, GroupDetails, ImageState,
                    MCUmgrParameters, MemoryPoolStatistics, SettingData, SlotInfoImage, SlotInfoImageSlot, TaskStatistics, Transport, TransportMode,
                    TransportStatus)
from .varlink import Connection, default_socket

__all__ = ["MCUmgrClient", "devices", "watch"]

_API = "io.mcumgr."
_Checksum = Union[str, bytes, None]
_Progress = Optional[Callable[[int, int], None]]
_StepProgress = Optional[Callable[[str, Optional[Tuple[int, int]]], None]]
_STEP_TEXT = {
    "check": "Checking the image ...", "inspect": "Looking at the board's slots ...", "erase": "Erasing ...",
    "upload": "Uploading ...", "mark": "Marking the new image ...", "reset": "Resetting ...",
    "reattach": "Waiting for the board to boot ...", "verify": "Verifying the running image ...",
    "confirm": "Confirming ...", "final": "Final check ...", "done": "Done.",
}


def devices(socket: Optional[str] = None) -> List[Dict[str, Any]]:
    """The boards that the daemon knows, as the API's Device objects."""
    with Connection(socket) as connection:
        found: List[Dict[str, Any]] = connection.call(_API + "List")["devices"]
        return found


def watch(device: Optional[str] = None, socket: Optional[str] = None) -> Iterator[Dict[str, Any]]:
    """The present picture, then every change, as the API's Watch replies. Leave the loop to end it."""
    with Connection(socket) as connection:
        yield from connection.stream(_API + "Watch", device=device)


def _hex(checksum: _Checksum, what: str) -> Optional[str]:
    if checksum is None:
        return None
    if isinstance(checksum, str):
        try:
            checksum = bytes.fromhex(checksum)
        except ValueError as error:
            raise ValueError(f"{what} is no hex string: {error}") from None
    return as_bytes(checksum, what).hex()


def _sha256(checksum: _Checksum) -> Optional[str]:
    digits = _hex(checksum, "checksum")
    if digits is not None and len(digits) != 64:
        raise ValueError(f"checksum is a SHA-256, which has 32 bytes, not {len(digits) // 2}")
    return digits


def _news(progress: _Progress) -> Callable[[int, int], None]:
    """Calls it for what it was not told just before."""
    told: List[Tuple[int, int]] = []

    def tell(done: int, total: int) -> None:
        if progress and told != [(done, total)]:
            told[:] = [(done, total)]
            progress(done, total)

    return tell


def _timeout(timeout_ms: Optional[int]) -> Optional[int]:
    if timeout_ms is not None and (type(timeout_ms) is not int or not 1 <= timeout_ms <= 600000):
        raise InvalidParameter(f"timeout_ms must be a whole number from 1 to 600000, not {timeout_ms!r}")
    return timeout_ms


def _of_port(timeout_ms: int) -> int:
    """What a port may be given, for requests that do not say."""
    return max(10, _timeout(timeout_ms) or 500)


class MCUmgrClient:
    """A high-level client for one board. Make it with serial(), usb_serial() or device(); close it, or use it in a with
    block."""

    def __init__(self, connection: Connection, device: Optional[str], private: Optional[PrivateDaemon] = None,
                 timeout_ms: Optional[int] = None) -> None:
        self._connection = connection
        self._device = device
        self._private = private
        self._timeout_ms = _timeout(timeout_ms)
        self._retries: Optional[int] = None
        self._job: Optional[str] = None  # that runs
        self._stop = False  # it shall end

    # -- making one -----------------------------------------------------------------------------------------------

    @staticmethod
    def device(device: Optional[str] = None, socket: Optional[str] = None, timeout_ms: Optional[int] = None) -> "MCUmgrClient":
        """A board of the running daemon, by id, alias, tty path or VID:PID[:interface] regex; None: the only one."""
        client = MCUmgrClient(Connection(socket), device, None, timeout_ms)
        return client

    @staticmethod
    def serial(serial: str, baud_rate: int = 115200, timeout_ms: int = 500) -> "MCUmgrClient":
        """A board on a serial port. Goes through the system's daemon where that holds the port, else starts a private
        mcumgrd that ends with this client. Raises DeviceUnavailable when the port cannot be opened; whether the board answers
        is seen by check_connection()."""
        return MCUmgrClient._open(serial, baud_rate, timeout_ms, "console")

    @staticmethod
    def raw_serial(serial: str, baud_rate: int = 115200, timeout_ms: int = 500) -> "MCUmgrClient":
        """As serial(), for boards with raw UART framing."""
        return MCUmgrClient._open(serial, baud_rate, timeout_ms, "raw")

    @staticmethod
    def usb_serial(identifier: str, baud_rate: int = 115200, timeout_ms: int = 500) -> "MCUmgrClient":
        """A board by a VID:PID[:interface] regex: case-insensitive, anchored at the start, interface in decimal."""
        return MCUmgrClient._open_usb(identifier, baud_rate, timeout_ms, "console")

    @staticmethod
    def raw_usb_serial(identifier: str, baud_rate: int = 115200, timeout_ms: int = 500) -> "MCUmgrClient":
        """As usb_serial(), for boards with raw UART framing."""
        return MCUmgrClient._open_usb(identifier, baud_rate, timeout_ms, "raw")

    @staticmethod
    def _open_usb(identifier: str, baud_rate: int, timeout_ms: int, framing: str) -> "MCUmgrClient":
        if not identifier:
            raise NoSuchDevice("an empty identifier was given: what is wanted is VID:PID[:interface], e.g. 2fe3:0100")
        if re.search(r"[\r\n]", identifier):
            raise ValueError("the identifier contains a line break")
        holder = MCUmgrClient._of_system(identifier)
        if holder is not None:
            return MCUmgrClient(holder, identifier, None, timeout_ms)._opened()
        config = (f"[device usb]\nmatch = {identifier}\nbaud = {baud_rate}\ntimeout_ms = {_of_port(timeout_ms)}\n"
                  f"framing = {framing}\n")
        client = MCUmgrClient._start([], config, identifier, timeout_ms)
        try:
            client._connection.call(_API + "Get", device=identifier)
        except MCUmgrError as error:
            client.close()
            if isinstance(error, NoSuchDevice):
                raise NoSuchDevice(f"no USB serial port matches {identifier!r}", error.code, {
                    "hint": "VID:PID[:interface] is a regular expression such as 2fe3:.*:0; lsusb lists what is plugged in"}) from error
            raise
        return client._opened()

    @staticmethod
    def _open(path: str, baud_rate: int, timeout_ms: int, framing: str) -> "MCUmgrClient":
        if "," in path:
            raise ValueError(f"a comma in the name of a serial port is not possible: {path}")
        holder = MCUmgrClient._of_system(path)
        if holder is not None:
            return MCUmgrClient(holder, path, None, timeout_ms)._opened()
        port = f"{os.path.abspath(path)},name=board,baud={baud_rate},timeout_ms={_of_port(timeout_ms)},framing={framing}"
        return MCUmgrClient._start(["--port", port], None, "board", timeout_ms)._opened()

    @staticmethod
    def _start(arguments: List[str], config: Optional[str], device: str, timeout_ms: int) -> "MCUmgrClient":
        private = PrivateDaemon(arguments, config)
        try:
            return MCUmgrClient(Connection(private.socket, lease=""), device, private, timeout_ms)
        except BaseException:
            private.close()
            raise

    def _opened(self) -> "MCUmgrClient":
        """This client, once its port is open; closes it and raises when that cannot be opened."""
        try:
            with Connection(self._connection.path, self._connection.lease or "") as another:
                for reply in another.stream(_API + "Watch", device=self._device):
                    state, reason = (reply.get("device") or {}).get("state"), (reply.get("device") or {}).get("reason")
                    if state in ("absent", "unavailable"):
                        raise DeviceUnavailable(reason or f"the port is {state}", None, {"state": state, "reason": reason})
                    if state not in (None, "opening"):
                        break
        except BaseException:
            self.close()
            raise
        return self

    @staticmethod
    def _of_system(selector: str) -> Optional[Connection]:
        """A connection to the running daemon, when one holds this port."""
        if not os.path.exists(default_socket()):
            return None
        connection = None
        try:
            connection = Connection()
            connection.call(_API + "Get", device=selector)
            return connection
        except AmbiguousDevice:
            if connection:
                connection.close()
            raise
        except MCUmgrError:
            if connection:
                connection.close()
            return None

    def close(self) -> None:
        """Closes the connection, and ends the private daemon if there is one."""
        self._connection.close()
        if self._private:
            self._private.close()
            self._private = None

    def __enter__(self) -> "MCUmgrClient":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        try:
            self.close()
        except Exception:  # the interpreter may be half gone
            pass

    # -- plumbing -------------------------------------------------------------------------------------------------

    def _call(self, method: str, **parameters: Any) -> Dict[str, Any]:
        parameters["device"] = self._device
        parameters.setdefault("timeoutMs", self._timeout_ms)
        return self._connection.call(_API + method, **parameters)

    def _stream(self, method: str, **parameters: Any) -> Iterator[Dict[str, Any]]:
        parameters["device"] = self._device
        parameters.setdefault("timeoutMs", self._timeout_ms)
        return self._connection.stream(_API + method, **parameters)

    def _follow(self, take: Callable[[Dict[str, Any]], None], method: str, **parameters: Any) -> None:
        """Hands every reply of a job to take(); when that raises, the job is cancelled, and waited for."""
        replies = self._stream(method, **parameters)
        try:
            for reply in replies:
                self._job = reply.get("job")
                try:
                    if self._stop:
                        raise MCUmgrError("the call was cancelled", _API + "Cancelled")
                    take(reply)
                except Exception:
                    self._cancel(self._job, replies)
                    raise
        finally:
            self._job = None

    def _stop_job(self) -> None:
        """From another thread: ends the job that runs, or is about to."""
        self._stop = True
        if self._job:
            self._cancel(self._job, iter(()))

    def _cancel(self, job: Optional[str], replies: Iterator[Dict[str, Any]]) -> None:
        try:
            with Connection(self._connection.path, self._connection.lease or "") as another:
                another.call(_API + "JobCancel", job=job)
            for _ in replies:
                pass
        except MCUmgrError:  # how it ended is less than why
            pass

    def _put(self, data: bytes) -> str:
        reply = self._connection.call(_API + "ImagePut", data=base64.b64encode(as_bytes(data, "the image")).decode("ascii"))
        return str(reply["hash"])

    # -- settings of this client ----------------------------------------------------------------------------------

    def set_frame_size(self, smp_frame_size: int) -> None:
        """The largest packet sent to the board: its MCUMGR_TRANSPORT_NETBUF_SIZE."""
        self._connection.call(_API + "Configure", device=self._device, frameSize=smp_frame_size)

    def use_auto_frame_size(self) -> None:
        """Takes the packet size from the board's parameters (the daemon's default)."""
        self._connection.call(_API + "Configure", device=self._device, frameSize=0)

    def set_timeout_ms(self, timeout_ms: int) -> None:
        """How long a request waits for its answer, wire time apart."""
        self._timeout_ms = _timeout(timeout_ms)

    def set_retries(self, retries: int) -> None:
        """How often a request whose repetition is harmless is repeated when its answer is lost."""
        self._connection.call(_API + "Configure", device=self._device, retries=retries)

    def check_connection(self) -> None:
        """Echoes random text and compares; raises when the board is not alive."""
        text = "".join(random.choice(string.ascii_letters + string.digits) for _ in range(16))
        answer = self.os_echo(text)
        if answer != text:
            raise MCUmgrError(f"the board echoed {answer!r} for {text!r}", "io.mcumgr.ProtocolError")

    def lock(self, wait: Union[bool, float] = False, reason: Optional[str] = None) -> Lease:
        """Keeps the board for this client: others may look and change nothing, until unlock() of what is returned (or the end
        of a with block), or close(). wait: in line, True or so many seconds; otherwise DeviceBusy is raised at once."""
        return Lease.take(self._connection, None if self._device is None else [self._device], wait, reason)

    # -- firmware -------------------------------------------------------------------------------------------------

    def firmware_update(self, firmware: bytes, checksum: _Checksum = None, bootloader_type: Optional[Literal["MCUboot"]] = None,
                        skip_reboot: bool = False, force_confirm: bool = False, upgrade_only: bool = False,
                        progress: _StepProgress = None, confirm: bool = True, image: Optional[int] = None,
                        boot_timeout_ms: Optional[int] = None) -> None:
        """Updates the board and proves it: uploads, marks for test, resets, waits for the boot, verifies that the new image
        is the active one, confirms it.

        progress(text, None or (done, total)) is called as it goes; an exception in it cancels at the next safe step. An image
        that is active and confirmed already raises AlreadyInstalled; one that did not boot raises NotBooted."""
        if bootloader_type not in (None, "MCUboot"):
            raise ValueError(f"bootloader_type is {bootloader_type!r}: only 'MCUboot' is known")
        outcome: List[str] = []

        def take(reply: Dict[str, Any]) -> None:
            if reply.get("outcome"):
                outcome.append(reply["outcome"])
            if progress and reply["step"] != "done":
                text = str(reply.get("message") or _STEP_TEXT.get(reply["step"], reply["step"]))
                total = reply.get("totalBytes")
                progress(text, (reply.get("doneBytes") or 0, total) if total else None)

        wanted = _sha256(checksum)
        self._follow(take, "Update", file=self._put(firmware), checksum=wanted, skipReboot=skip_reboot,
                     forceConfirm=force_confirm, upgradeOnly=upgrade_only, confirm=confirm, imageNumber=image,
                     bootTimeoutMs=boot_timeout_ms)
        if outcome == ["unchanged"]:
            raise AlreadyInstalled("this image is active and confirmed already")

    # -- OS group -------------------------------------------------------------------------------------------------

    def os_echo(self, msg: str) -> str:
        """Sends a text and returns what the board makes of it: the same."""
        return str(self._call("Echo", text=msg)["text"])

    def os_task_statistics(self) -> Dict[str, TaskStatistics]:
        """Tasks by name; stack figures in bytes."""
        return {t["name"]: TaskStatistics(prio=t["priority"], tid=t["identifier"], state=t["state"], stkuse=t.get("stackUsed"),
                                          stksiz=t.get("stackSize"), cswcnt=t.get("contextSwitches"), runtime=t.get("runtime"))
                for t in self._call("Tasks")["tasks"]}

    def os_memory_pool_statistics(self) -> Dict[str, MemoryPoolStatistics]:
        """Memory pools by name."""
        return {p["name"]: MemoryPoolStatistics(blksiz=p.get("blockSize"), nblks=p["blocks"], nfree=p["free"],
                                                min=p.get("minimumFree")) for p in self._call("MemoryPools")["pools"]}

    def os_set_datetime(self, datetime: _datetime.datetime) -> None:
        """Sets the board's clock to the local time in datetime; its time zone is dropped."""
        if not isinstance(datetime, _datetime.datetime):
            raise TypeError(f"datetime must be a datetime.datetime, not {type(datetime).__name__}")
        text = datetime.replace(tzinfo=None, microsecond=0).isoformat(timespec="seconds")
        self._call("SetTime", time=text)

    def os_get_datetime(self) -> _datetime.datetime:
        """The board's clock, without a time zone."""
        match = re.match(r"(\d+)-(\d+)-(\d+)T(\d+):(\d+):(\d+)(?:\.(\d+))?", self._call("GetTime")["time"])
        if not match:
            raise MCUmgrError("the board's time is none", "io.mcumgr.ProtocolError")
        year, month, day, hour, minute, second = (int(g) for g in match.groups()[:6])
        fraction = match.group(7) or "0"
        micro = int(fraction) * 1000 if len(fraction) <= 3 else int(fraction[:6].ljust(6, "0"))  # up to 3 digits: milliseconds
        return _datetime.datetime(year, month, day, hour, minute, second, micro)

    def os_system_reset(self, force: bool = False, boot_mode: Optional[int] = None) -> None:
        """Resets the board, once. boot_mode 0 boots the application, 1 the bootloader's serial recovery."""
        self._call("Reset", force=force or None, bootMode=boot_mode)

    def os_mcumgr_parameters(self) -> MCUmgrParameters:
        """The board's SMP buffers."""
        reply = self._call("Parameters")
        return MCUmgrParameters(buf_size=reply["bufferSize"], buf_count=reply["bufferCount"])

    def os_application_info(self, format: Optional[str] = None) -> str:
        """Information on the running image, as a line; format: letters of snrvbmpioa, "s" if left out."""
        return str(self._call("OsInfo", format=format if format is not None else "s")["text"])

    def os_application_info_fields(self) -> ApplicationInfo:
        """Information on the running image, field by field."""
        reply = self._call("OsInfo")
        return ApplicationInfo(kernel_name=reply.get("kernelName"), node_name=reply.get("nodeName"),
                               kernel_release=reply.get("kernelRelease"), kernel_version=reply.get("kernelVersion"),
                               build_time=reply.get("buildTime"), machine=reply.get("machine"), processor=reply.get("processor"),
                               hardware_platform=reply.get("hardwarePlatform"), operating_system=reply.get("operatingSystem"))

    def os_bootloader_info(self) -> Any:
        """{'name': ..., 'mode': int, 'no_downgrade': bool} for MCUboot, {'name': ...} for others."""
        name = self._call("BootloaderInfo").get("name")
        if name != "MCUboot":
            return {"name": name}
        reply = self._call("BootloaderInfo", query="mode")
        return {"name": name, "mode": reply.get("mode"), "no_downgrade": bool(reply.get("noDowngrade", False))}

    # -- image group ----------------------------------------------------------------------------------------------

    @staticmethod
    def _states(reply: Dict[str, Any]) -> List[ImageState]:
        return [ImageState(image=s["image"], slot=s["slot"], version=s["version"],
                           hash=bytes.fromhex(s["hash"]) if s.get("hash") else None, bootable=s["bootable"],
                           pending=s["pending"], confirmed=s["confirmed"], active=s["active"], permanent=s["permanent"])
                for s in reply["slots"]]

    def image_get_state(self) -> List[ImageState]:
        """The slots that hold an image."""
        return self._states(self._call("ImageList"))

    def image_set_state(self, hash: _Checksum = None, confirm: bool = False) -> List[ImageState]:
        """Marks an image for a test boot, or confirms it (without a hash: the running one). Returns the new state."""
        if confirm:
            return self._states(self._call("ImageConfirm", hash=_hex(hash, "hash")))
        if hash is None:
            raise ValueError("a test boot needs the hash of the image")
        return self._states(self._call("ImageTest", hash=_hex(hash, "hash")))

    def image_upload(self, data: bytes, image: Optional[int] = None, checksum: _Checksum = None, upgrade_only: bool = False,
                     progress: _Progress = None) -> None:
        """Uploads an image file, without activating it. progress(done, total); an exception in it aborts."""
        tell = _news(progress)

        def take(reply: Dict[str, Any]) -> None:
            if reply.get("totalBytes"):
                tell(reply.get("doneBytes") or 0, reply["totalBytes"])

        wanted = _sha256(checksum)
        self._follow(take, "ImageUpload", file=self._put(data), imageNumber=image, checksum=wanted,
                     upgradeOnly=upgrade_only)

    def image_erase(self, slot: Optional[int] = None) -> None:
        """Erases a slot; slot 1 (the one that does not run) if omitted."""
        self._call("ImageErase", slot=slot)

    def image_slot_info(self) -> List[SlotInfoImage]:
        """The image slots of the board."""
        return [SlotInfoImage(image=i["image"], max_image_size=i.get("maxImageSize"),
                              slots=[SlotInfoImageSlot(slot=s["slot"], size=s.get("size", 0), upload_image_id=s.get("uploadImageId"))
                                     for s in i["slots"]]) for i in self._call("SlotInfo")["images"]]

    # -- statistics group -----------------------------------------------------------------------------------------

    def stats_list_groups(self) -> List[str]:
        """Names of the statistics groups."""
        return list(self._call("StatGroups")["groups"])

    def stats_get_group_data(self, name: str) -> Dict[str, int]:
        """The values of a statistics group."""
        return {v["name"]: int(v["value"]) for v in self._call("StatRead", group=name)["values"]}

    # -- settings group -------------------------------------------------------------------------------------------

    def settings_read(self, name: str) -> bytes:
        """The value of a setting."""
        return self.settings_read_ext(name).value

    def settings_read_ext(self, name: str, max_size: Optional[int] = None) -> SettingData:
        """The value of a setting, and the board's limit when it lowered max_size."""
        reply = self._call("SettingRead", name=name, maxSize=max_size)
        return SettingData(value=base64.b64decode(reply["value"]), max_size=reply.get("maxSize"))

    def settings_write(self, name: str, value: bytes) -> None:
        """Writes a setting (the running value; settings_save stores it)."""
        self._call("SettingWrite", name=name, value=base64.b64encode(as_bytes(value, "value")).decode("ascii"))

    def settings_delete(self, name: str) -> None:
        """Deletes a setting."""
        self._call("SettingDelete", name=name)

    def settings_commit(self) -> None:
        """Lets the board apply what was written."""
        self._call("SettingsCommit")

    def settings_load(self) -> None:
        """Loads the settings from the board's storage."""
        self._call("SettingsLoad")

    def settings_save(self, name: Optional[str] = None) -> None:
        """Stores the settings, or one subtree."""
        self._call("SettingsSave", name=name)

    # -- file system group ----------------------------------------------------------------------------------------

    def fs_file_download(self, name: str, progress: _Progress = None) -> bytes:
        """The content of a file. progress(done, total); an exception in it aborts."""
        data, tell = bytearray(), _news(progress)

        def take(reply: Dict[str, Any]) -> None:
            data.extend(base64.b64decode(reply["data"]))
            tell(len(data), reply["size"])

        self._follow(take, "FileRead", path=name)
        return bytes(data)

    def fs_file_upload(self, name: str, data: bytes, progress: _Progress = None) -> None:
        """Writes a file. progress(done, total); an exception in it aborts."""
        tell = _news(progress)

        def take(reply: Dict[str, Any]) -> None:
            tell(reply["doneBytes"], reply["totalBytes"])

        self._follow(take, "FileWrite", path=name, data=base64.b64encode(as_bytes(data, "data")).decode("ascii"))

    def fs_file_status(self, name: str) -> FileStatus:
        """The length of a file."""
        return FileStatus(length=self._call("FileStatus", path=name)["size"])

    def fs_file_checksum(self, name: str, algorithm: Optional[str] = None, offset: int = 0,
                         length: Optional[int] = None) -> FileChecksum:
        """The board's checksum of a file, or of length bytes from offset."""
        reply = self._call("FileHash", path=name, type=algorithm, offset=offset or None, length=length)
        number = reply.get("number")
        output = int(number).to_bytes(4 if int(number) < 1 << 32 else 8, "big") if number is not None else bytes.fromhex(reply["hash"])
        return FileChecksum(type=reply["type"], offset=reply.get("offset") or 0, length=reply["length"], output=output)

    def fs_supported_checksum_types(self) -> Dict[str, FileChecksumProperties]:
        """The checksum types of the board."""
        return {name: FileChecksumProperties(format=FileChecksumDataFormat(t["format"]), size=t["size"])
                for name, t in self._call("FileHashTypes")["types"].items()}

    def fs_file_close(self) -> None:
        """Closes the file that the board holds open."""
        self._call("FileClose")

    # -- shell, enumeration, zephyr groups ------------------------------------------------------------------------

    def shell_execute(self, argv: Sequence[str], use_retries: bool = True) -> str:
        """Runs a shell command and returns its output. A negative status of the command raises; with use_retries a lost
        answer repeats it, so that it may run twice."""
        if isinstance(argv, (str, bytes)):
            raise TypeError("argv is a sequence of words, not one string")
        reply = self._call("ShellExecute", arguments=list(argv), repeat=use_retries)
        status = int(reply["status"])
        if status < 0:
            raise MCUmgrError(f"the command returned {status} ({os.strerror(-status)}): {reply['output']}",
                              "io.mcumgr.ShellStatus", {"status": status, "output": reply["output"]})
        return str(reply["output"])

    def enum_get_group_count(self) -> int:
        """How many command groups the board has."""
        return int(self._call("GroupCount")["count"])

    def enum_get_group_ids(self) -> List[int]:
        """The ids of the board's command groups."""
        return list(self._call("GroupIds")["groups"])

    def enum_get_group_id(self, index: int) -> int:
        """The id of the group with this index."""
        return int(self._call("GroupAt", index=index)["group"])

    def enum_iter_group_ids(self) -> Iterator[int]:
        """The group ids one by one: slower, with small messages."""
        index = 0
        while index < 65536:
            reply = self._call("GroupAt", index=index)
            yield int(reply["group"])
            if reply.get("end"):
                return
            index += 1

    def enum_get_group_details(self, groups: Optional[Sequence[int]] = None) -> List[GroupDetails]:
        """Name and number of handlers of the groups."""
        return [GroupDetails(group=g["group"], name=g.get("name"), handlers=g.get("handlers"))
                for g in self._call("Groups", groups=list(groups) if groups is not None else None)["groups"]]

    def transport_list(self) -> List[Transport]:
        """The transports of the board that may be bridged (Zephyr 4.5)."""
        return [Transport(id=t["id"], name=t.get("name")) for t in self._call("TransportList")["transports"]]

    def transport_status(self) -> TransportStatus:
        """The bridges of the board."""
        reply = self._call("TransportStatus")
        return TransportStatus(supported=reply["supported"], active=reply["active"], bridged=reply["bridged"],
                               transport=reply.get("transport"))

    def transport_modes(self, transport: int) -> List[TransportMode]:
        """The modes of a transport."""
        return [TransportMode(id=m["id"], description=m.get("description"), incoming=m["incoming"], outgoing=m["outgoing"])
                for m in self._call("TransportModes", transport=transport)["modes"]]

    def transport_connect(self, transport: int, mode: Optional[int] = None) -> None:
        """Lets the board pass requests on to another transport. What that needs besides goes with raw_command(True, 11, 0)."""
        self._call("TransportConnect", transport=transport, mode=mode)

    def transport_disconnect(self, transport: Optional[int] = None, all: bool = False) -> None:
        """Ends the bridge to a transport, that of the one which is asked, or all of them."""
        self._call("TransportDisconnect", transport=transport, all=all or None)

    def zephyr_erase_storage(self) -> None:
        """Erases the board's storage_partition: settings, bonds."""
        self._call("StorageErase")

    # -- anything else --------------------------------------------------------------------------------------------

    def raw_command(self, write_operation: bool, group_id: int, command_id: int, data: Any) -> Any:
        """Any SMP command; data and the answer may hold bytes, None, floats and nested lists and dicts."""
        reply = self._call("Request", operation="write" if write_operation else "read", group=group_id, command=command_id,
                           payload=_to_api(data))
        return _from_api(reply["payload"])


def _to_api(value: Any) -> Any:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return {"$bytes": base64.b64encode(bytes(value)).decode("ascii")}
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if isinstance(value, int):
        return value if -(1 << 63) <= value < 1 << 63 else {"$integer": str(value)}
    if isinstance(value, float):
        if value != value or value in (float("inf"), float("-inf")):
            return {"$float": "nan" if value != value else "inf" if value > 0 else "-inf"}
        return value
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                raise TypeError(f"a key of the payload is {type(key).__name__}, not str")
        return {key: _to_api(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_to_api(item) for item in value]
    raise TypeError(f"the payload holds a {type(value).__name__}, which SMP has no form for")


def _from_api(value: Any) -> Any:
    if isinstance(value, dict):
        if len(value) == 1:
            (key, item), = value.items()
            if key == "$bytes":
                return base64.b64decode(item)
            if key == "$integer":
                return int(item)
            if key == "$float":
                return float(item)
        return {key: _from_api(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_from_api(item) for item in value]
    return value
