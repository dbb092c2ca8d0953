# SPDX-License-Identifier: MIT
"""What the calls return. Names and fields are those of mcumgr_toolkit."""
from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import List, Optional

__all__ = [
    "ApplicationInfo", "FileChecksum", "FileChecksumDataFormat", "FileChecksumProperties", "FileStatus", "GroupDetails", "ImageState",
    "MCUmgrParameters", "McubootImageInfo", "MemoryPoolStatistics", "SettingData", "SettingValue", "SlotInfoImage", "SlotInfoImageSlot",
    "TaskStatistics", "Transport", "TransportMode", "TransportStatus",
]


@dataclass(frozen=True)
class TaskStatistics:
    """Statistics of a task. stkuse and stksiz are in bytes."""
    prio: int
    tid: int
    state: int
    stkuse: Optional[int] = None
    stksiz: Optional[int] = None
    cswcnt: Optional[int] = None
    runtime: Optional[int] = None


@dataclass(frozen=True)
class ApplicationInfo:
    """What runs on the board. None: the firmware does not have it."""
    kernel_name: Optional[str] = None
    node_name: Optional[str] = None
    kernel_release: Optional[str] = None
    kernel_version: Optional[str] = None
    build_time: Optional[str] = None
    machine: Optional[str] = None
    processor: Optional[str] = None
    hardware_platform: Optional[str] = None
    operating_system: Optional[str] = None


@dataclass(frozen=True)
class MemoryPoolStatistics:
    """Statistics of a memory pool."""
    blksiz: Optional[int]
    nblks: int
    nfree: int
    min: Optional[int]


@dataclass(frozen=True)
class MCUmgrParameters:
    """The board's SMP buffers: size of one, header and payload included, and how many."""
    buf_size: int
    buf_count: int


@dataclass(frozen=True)
class ImageState:
    """An image slot. hash is the image hash of the TLV area, not a digest of the file."""
    image: int
    slot: int
    version: str
    hash: Optional[bytes]
    bootable: bool
    pending: bool
    confirmed: bool
    active: bool
    permanent: bool


@dataclass(frozen=True)
class SlotInfoImageSlot:
    """A slot that can hold an image: its size in bytes (0: the board told an error instead) and the image id to upload to it."""
    slot: int
    size: int
    upload_image_id: Optional[int] = None


@dataclass(frozen=True)
class SlotInfoImage:
    """The slots of one image number."""
    image: int
    slots: List[SlotInfoImageSlot]
    max_image_size: Optional[int] = None


@dataclass(frozen=True)
class FileStatus:
    """length of a file in bytes."""
    length: int


@dataclass(frozen=True)
class FileChecksum:
    """A checksum that the board computed; a number comes as its big-endian bytes."""
    type: str
    offset: int
    length: int
    output: bytes


class FileChecksumDataFormat(enum.Enum):
    """How a checksum is told."""
    Numerical = 0
    ByteArray = 1


@dataclass(frozen=True)
class FileChecksumProperties:
    """A checksum type: its format and the size of its result in bytes."""
    format: FileChecksumDataFormat
    size: int


@dataclass(frozen=True)
class GroupDetails:
    """A command group of the board."""
    group: int
    name: Optional[str] = None
    handlers: Optional[int] = None


@dataclass(frozen=True)
class SettingData:
    """A setting, and the limit when the board lowered the one asked for."""
    value: bytes
    max_size: Optional[int] = None


SettingValue = SettingData  # its name here before


@dataclass(frozen=True)
class Transport:
    """A way to a board."""
    id: int
    name: Optional[str] = None


@dataclass(frozen=True)
class TransportStatus:
    """The bridges of a board: how many there may be, how many there are, and the other end of the one that is asked."""
    supported: int
    active: int
    bridged: bool
    transport: Optional[int] = None


@dataclass(frozen=True)
class TransportMode:
    """A mode of a transport, and which end of a bridge it may be in it."""
    id: int
    description: Optional[str]
    incoming: bool
    outgoing: bool


@dataclass(frozen=True)
class McubootImageInfo:
    """version and image hash of an MCUboot image file."""
    version: str
    hash: bytes
