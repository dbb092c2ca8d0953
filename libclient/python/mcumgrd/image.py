# SPDX-License-Identifier: MIT
"""MCUboot image files, without a board or a daemon (SMP reference, MCUboot image layout)."""
from __future__ import annotations

import hashlib
import struct
from typing import Optional, Tuple

from .errors import BadImage
from .types import McubootImageInfo

_MAGIC = 0x96F3B83D
_INFO, _PROTECTED_INFO = 0x6907, 0x6908
_HASHES = {0x10: "sha256", 0x11: "sha384", 0x12: "sha512"}
_ENCRYPTED = 0x04 | 0x08


def _bad(reason: str, message: str) -> BadImage:
    return BadImage(message, "io.mcumgr.BadImage", {"reason": reason, "message": message})


def as_bytes(data: object, what: str) -> bytes:
    """What is bytes in some form. Not bytes(data), which makes zeros of a number."""
    try:
        return bytes(memoryview(data))  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(f"{what} must be bytes, not {type(data).__name__}") from None


def mcuboot_get_image_info(image_data: bytes) -> McubootImageInfo:
    """Version and hash of an MCUboot image. Raises BadImage, with the reason, for anything else."""
    data = as_bytes(image_data, "image_data")
    if len(data) < 32 or struct.unpack_from("<I", data)[0] != _MAGIC:
        raise _bad("not-an-image", "the data does not start with the MCUboot image magic 3d b8 f3 96")
    _, _, header, protected, size, flags, major, minor, revision, build, _ = struct.unpack_from("<IIHHIIBBHII", data)
    end = header + size
    if header < 32 or end + protected + 4 > len(data):
        raise _bad("truncated", f"the header announces {end + protected + 4} bytes or more, there are {len(data)}")
    if protected:
        magic, total = struct.unpack_from("<HH", data, end)
        if magic != _PROTECTED_INFO or total != protected:
            raise _bad("bad-tlv", f"no protected TLV area of {protected} bytes at offset {end}")
    found = _find_hash(data, end + protected)
    if not flags & _ENCRYPTED and hashlib.new(found[0], data[:end + protected]).digest() != found[1]:
        raise _bad("hash-mismatch", f"the {found[0]} TLV does not match the content: the file is damaged")
    version = f"{major}.{minor}.{revision}" + (f".{build}" if build else "")
    return McubootImageInfo(version=version, hash=found[1])


def _find_hash(data: bytes, at: int) -> Tuple[str, bytes]:
    magic, total = struct.unpack_from("<HH", data, at)
    if magic != _INFO:
        raise _bad("bad-tlv", f"no TLV area at offset {at}: magic 0x{magic:04x} instead of 0x{_INFO:04x}")
    end = at + total
    if end > len(data):
        raise _bad("truncated", f"the TLV area ends at {end}, the file at {len(data)}")
    found: Optional[Tuple[str, bytes]] = None
    at += 4
    while at < end:
        if at + 4 > end:
            raise _bad("bad-tlv", f"half a TLV at offset {at}")
        kind, size = struct.unpack_from("<HH", data, at)
        if at + 4 + size > end:
            raise _bad("bad-tlv", f"TLV 0x{kind:02x} at offset {at} is longer than its area")
        if kind in _HASHES:
            name = _HASHES[kind]
            if size != hashlib.new(name).digest_size:
                raise _bad("bad-tlv", f"the {name} TLV at offset {at} has {size} bytes")
            if found:
                raise _bad("many-hashes", "more than one hash TLV")
            found = (name, data[at + 4:at + 4 + size])
        at += 4 + size
    if not found:
        raise _bad("no-hash", "no hash TLV: boards could not list this image")
    return found
