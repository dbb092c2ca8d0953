# SPDX-License-Identifier: MIT
"""MCUboot image files: read, give another version, damage.

The images of the firmware set carry a SHA-256 TLV and no signature, so a changed image is
made valid again by recomputing that hash (header + body + protected TLVs).
"""

import dataclasses
import hashlib
import struct

MAGIC = 0x96F3B83D
TLV_MAGIC = 0x6907
TLV_PROTECTED_MAGIC = 0x6908
TLV_SHA256 = 0x10
HEADER = struct.Struct("<IIHHIIBBHI")
VERSION_OFFSET = 20
BRANCH_TO_SELF = b"\xfe\xe7"
SLOT0 = 0x8000  # where the image of the Cortex-M0 board runs


@dataclasses.dataclass(frozen=True)
class Layout:
    load_address: int
    header_size: int
    body_size: int
    protected_size: int
    version: tuple
    hash_offset: int
    size: int

    @property
    def hashed_size(self):
        return self.header_size + self.body_size + self.protected_size

    @property
    def version_text(self):
        major, minor, revision, build = self.version
        text = f"{major}.{minor}.{revision}"
        return f"{text}.{build}" if build else text


def layout(data):
    magic, load, header, protected, body, _, major, minor, revision, build = \
        HEADER.unpack_from(data)
    if magic != MAGIC:
        raise ValueError(f"magic {magic:#x}")
    at = header + body + protected
    magic, total = struct.unpack_from("<HH", data, at)
    if magic != TLV_MAGIC:
        raise ValueError(f"TLV magic {magic:#x}")
    end, at, found = at + total, at + 4, None
    while at < end:
        kind, length = struct.unpack_from("<HH", data, at)
        if kind == TLV_SHA256 and length == 32:
            found = at + 4
        at += 4 + length
    if found is None:
        raise ValueError("no SHA-256 TLV")
    return Layout(load, header, body, protected, (major, minor, revision, build), found, end)


def image_hash(data):
    """The hash as the board will say it: what stands in the TLV."""
    at = layout(data).hash_offset
    return bytes(data[at:at + 32])


def rehashed(data):
    data, where = bytearray(data), layout(data)
    digest = hashlib.sha256(data[:where.hashed_size]).digest()
    data[where.hash_offset:where.hash_offset + 32] = digest
    return bytes(data)


def with_version(data, major, minor=0, revision=0, build=0):
    data = bytearray(data)
    struct.pack_into("<BBHI", data, VERSION_OFFSET, major, minor, revision, build)
    return rehashed(data)


def hanging(data):
    """A valid image whose reset handler is an endless loop: it boots and is never heard."""
    data, where = bytearray(data), layout(data)
    entry, = struct.unpack_from("<I", data, where.header_size + 4)
    at = (entry & ~1) - (where.load_address or SLOT0)
    if not where.header_size <= at < where.header_size + where.body_size:
        raise ValueError(f"the reset vector {entry:#x} is not within the image")
    data[at:at + 2] = BRANCH_TO_SELF
    return rehashed(data)


def _flipped(data, at):
    data = bytearray(data)
    data[at] ^= 0x40
    return bytes(data)


def _protected_size(data, value):
    data = bytearray(data)
    struct.pack_into("<H", data, 10, value)
    return bytes(data)


def _huge_body(data):
    data = bytearray(data)
    struct.pack_into("<I", data, 12, 0xFFFFFFF0)
    return bytes(data)


def _second_hash(data):
    where = layout(data)
    data = bytearray(data[:where.size])
    tlvs = where.hashed_size
    extra = struct.pack("<HH", TLV_SHA256, 32) + bytes(32)
    total, = struct.unpack_from("<H", data, tlvs + 2)
    struct.pack_into("<H", data, tlvs + 2, total + len(extra))
    return bytes(data) + extra


def _without_hash(data):
    data = bytearray(data)
    struct.pack_into("<H", data, layout(data).hash_offset - 4, 0x11)
    return bytes(data)


# What a wrong file can be: name -> function of a good one. None of them may be sent.
DAMAGES = {
    "empty": lambda data: b"",
    "text": lambda data: b"This is not firmware.\n" * 40,
    "elf": lambda data: b"\x7fELF\x01\x01\x01" + bytes(1000),
    "intel-hex": lambda data: b":020000040000FA\r\n:00000001FF\r\n",
    "header-only": lambda data: data[:32],
    "magic": lambda data: _flipped(data, 0),
    "body": lambda data: _flipped(data, layout(data).header_size + 1000),
    "hash": lambda data: _flipped(data, layout(data).hash_offset),
    "version-without-hash": lambda data: _flipped(data, VERSION_OFFSET),
    "truncated-body": lambda data: data[:layout(data).hashed_size // 2],
    "truncated-tlv": lambda data: data[:layout(data).size - 8],
    "no-tlv": lambda data: data[:layout(data).hashed_size],
    "two-hashes": _second_hash,
    "no-hash": _without_hash,
    "body-size": _huge_body,
    "protected-size": lambda data: _protected_size(data, 0xFFF0),
}
