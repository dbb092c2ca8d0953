# SPDX-License-Identifier: MIT
"""The simulated board against the real one: the same dialogue with both, the same answers.

Where they differ, the real one is right. A dialogue is a list of lines; each is a name and
what to do with a client. What comes back is reduced to a plain value: the reply, the error,
or silence.
"""

import contextlib
import hashlib
import os
import struct
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from . import harness, image, smp
from .boards import die_with_parent


def simulator_program():
    return harness.program("MCUMGR_SIM", "tests", "sim", "mcumgr-sim")


@contextlib.contextmanager
def simulated(**settings):
    """The path of a simulated board's tty."""
    with tempfile.TemporaryDirectory(prefix="mcumgr-sim-") as folder:
        keys = "".join(f",{key}={value}" for key, value in settings.items())
        process = subprocess.Popen(
            [str(simulator_program()), "--dir", folder, "--until-eof", "--board", "a" + keys],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, preexec_fn=die_with_parent)
        try:
            assert process.stdout.readline() == b"ready\n"
            yield str(Path(folder) / "a")
        finally:
            process.terminate()
            process.communicate()
    assert process.returncode == 0


def told(ask):
    """What came of it, as a value that can be compared."""
    try:
        answer = ask()
    except smp.Refused as refused:
        return {"group": refused.group, "rc": refused.rc}
    except smp.Timeout:
        return "silence"
    if isinstance(answer, smp.Message):
        return (answer.op, answer.version, answer.payload)
    return answer


def first_chunk(data, length=None, **more):
    return {"off": 0, "len": len(data) if length is None else length,
            "data": data[:64], **more}


def upload(data, **more):
    return lambda c: c.upload(data, **more)


def chunk(**payload):
    return lambda c: c.write_request(smp.IMAGE, smp.UPLOAD, payload)


def write(group, command, **payload):
    return lambda c: c.write_request(group, command, payload)


def read(group, command, **payload):
    return lambda c: c.read(group, command, payload)


def state(digest=None, confirm=False):
    return lambda c: c.set_state(digest, confirm)


def images(c):
    return c.images()


def erase(**payload):
    return write(smp.IMAGE, smp.ERASE, **payload)


def reset(**payload):
    """Resets, and asks for the images until the new boot answers (the old one may for
    another quarter of a second)."""
    def run(c):
        c.write_request(smp.OS, smp.RESET, payload)
        end = time.monotonic() + 0.4
        while time.monotonic() < end:
            list(c.received(end - time.monotonic()))
        return c.wait()
    return run


def with_field(data, offset, layout, value):
    data = bytearray(data)
    struct.pack_into(layout, data, offset, value)
    return image.rehashed(bytes(data))


def swap_dialogue(a):
    b, c = image.with_version(a, 1, 0, 0, 7), image.with_version(a, 2)
    broken = image.DAMAGES["body"](image.with_version(a, 3))
    hash_a, hash_b, hash_c = map(image.image_hash, (a, b, c))
    sha_b = hashlib.sha256(b).digest()
    return [
        ("state", images),
        ("state, v1", lambda x: x.exchange(smp.READ, 1, 0, {}, version=0)),
        ("state, version 2", lambda x: x.exchange(smp.READ, 1, 0, {}, version=2)),
        ("slots", lambda x: x.read(1, 6)["images"][0]["slots"]),
        ("parameters", read(0, 6)),
        ("bootloader", read(0, 8)),
        ("group 64", read(64, 0)),
        ("echo without text", write(0, 0)),
        ("echo of a number", write(0, 0, d=5)),
        ("echo with a stranger", write(0, 0, d="x", z=1)),
        ("echo by read", read(0, 0, d="x")),
        ("info letter", read(0, 7, format="Z")),
        ("statistic", read(2, 0, name="nonesuch")),
        ("test nothing", state()),
        ("confirm nothing", state(confirm=True)),
        ("test unknown", state(b"\1" * 32)),
        ("test short", state(b"\1" * 16)),
        ("test the running one", state(hash_a)),
        ("confirm the running one", state(hash_a, True)),
        ("upload B", upload(b, sha=sha_b)),
        ("last chunk again", chunk(off=len(b) - 28, data=b[-28:])),
        ("state", images),
        ("first chunk again", chunk(**first_chunk(b, sha=sha_b))),
        ("and again, resumes", chunk(**first_chunk(b, sha=sha_b))),
        ("state", images),
        ("upload B", upload(b, sha=sha_b)),
        ("test B", state(hash_b)),
        ("test B again", state(hash_b)),
        ("confirm B, under test", state(hash_b, True)),
        ("confirm A, B under test", state(hash_a, True)),
        ("confirm, B under test", state(confirm=True)),
        ("upload C, B under test", upload(c)),
        ("state", images),
        ("erase", erase()),
        ("state", images),
        ("upload B", upload(b, sha=sha_b)),
        ("make B permanent", state(hash_b, True)),
        ("again", state(hash_b, True)),
        ("test B", state(hash_b)),
        ("confirm A", state(hash_a, True)),
        ("erase", erase()),
        ("reset", reset()),
        ("erase slot 0", erase(slot=0)),
        ("erase slot 9", erase(slot=9)),
        ("erase slot 1", erase(slot=1)),
        ("upload A, upgrade only", upload(a, first={"upgrade": True})),
        ("upload C, upgrade only", upload(c, first={"upgrade": True})),
        ("test C", state(hash_c)),
        ("reset", reset()),
        ("test C, running", state(hash_c)),
        ("test B, unknown", state(hash_b)),
        ("test A, confirmed", state(hash_a)),
        ("confirm A, confirmed", state(hash_a, True)),
        ("upload B while testing", upload(b)),
        ("erase while testing", erase()),
        ("reset: reverted", reset()),
        ("test C", state(hash_c)),
        ("reset", reset()),
        ("confirm C", state(hash_c, True)),
        ("confirm C again", state(confirm=True)),
        ("reset after the confirm", reset()),
        ("upload C, running", upload(c)),
        ("state", images),
        ("test C, in both slots", state(hash_c)),
        ("confirm C, in both slots", state(hash_c, True)),
        ("upload broken", upload(broken)),
        ("test broken", state(image.image_hash(broken))),
        ("reset: refused", reset()),
        ("too large", chunk(**first_chunk(a, 200000))),
        ("no image", chunk(off=0, len=1000, data=b"x" * 64)),
        ("short first chunk", chunk(off=0, len=1000, data=a[:31])),
        ("no length", chunk(off=0, data=a[:64])),
        ("no offset", chunk(data=a[:64])),
        ("long sha", chunk(**first_chunk(a, sha=b"s" * 33))),
        ("no session", chunk(off=64, data=a[:64])),
        ("first", chunk(**first_chunk(a, 500))),
        ("gap", chunk(off=128, data=a[128:192])),
        ("nothing", chunk(off=64, data=b"")),
        ("overrun", chunk(off=64, data=a[:300])),
        ("overrun", chunk(off=364, data=a[:300])),
        ("after the overrun", chunk(off=364, data=a[:64])),
    ]


def ram_load_dialogue(a):
    high, low = image.with_version(a, 3), image.with_version(a, 2)
    return [
        ("state", images),
        ("confirm", state(confirm=True)),
        ("test", state(image.image_hash(a))),
        ("upload", upload(high)),
        ("state after the upload", images),
        ("reset", reset()),
        ("upload lower", upload(low)),
        ("reset", reset()),
        ("erase running", erase(slot=1)),
        ("erase", erase()),
        ("state", images),
    ]


def recovery_dialogue(a):
    new = image.with_version(a, 2)
    return [
        ("into recovery", reset(boot_mode=1)),
        ("parameters", read(0, 6)),
        ("echo", write(0, 0, d="x")),
        ("console echo", write(0, 1, echo=0)),
        ("information", read(0, 7)),
        ("bootloader", read(0, 8)),
        ("groups", read(10, 1)),
        ("state write", state(confirm=True)),
        ("erase", erase()),
        ("slots", read(1, 6)),
        ("state, v1", lambda x: x.exchange(smp.READ, 1, 0, {}, version=0)),
        ("state, version 2", lambda x: x.exchange(smp.READ, 1, 0, {}, version=2)),
        ("first", chunk(off=0, len=len(a), data=a[:512])),
        ("not aligned", chunk(off=512, data=a[512:767])),
        ("wrong offset", chunk(off=5000, data=a[:100])),
        ("image 1", chunk(off=0, len=len(a), image=1, data=a[:512])),
        ("too large", chunk(off=0, len=1000000, data=a[:512])),
        ("upload", upload(new, chunk=512)),
        ("last chunk again", chunk(off=len(new) - 28, data=new[-28:])),
        ("state", images),
        ("reset", reset()),
        ("parameters", read(0, 6)),
    ]


def raw_bytes(data):
    """Sends bytes as they are, then an echo on a line of its own; both answers."""
    def run(c):
        c.write(data)
        answers = []
        for got in map(smp.parse, c.received(0.25)):
            answers.append((got.op, got.version, got.group, got.command, got.payload))
        c.write(b"\n")
        list(c.received(0.05))
        return answers, c.echo("after")
    return run


def framed(op=2, group=0, command=0, payload=None, version=1, length=None, flags=0, sequence=9):
    raw = bytearray(smp.message(op, group, command, sequence,
                                {"d": "x"} if payload is None else payload, version))
    raw[1] = flags
    if length is not None:
        struct.pack_into(">H", raw, 2, length)
    return b"".join(smp.frame(bytes(raw)))


def transport_dialogue():
    good = framed()
    long = b"".join(smp.frame(smp.message(2, 0, 0, 9, {"d": "y" * 200})))
    first, second, third = smp.frame(smp.message(2, 0, 0, 9, {"d": "y" * 200}))
    return [
        ("plain", raw_bytes(good)),
        ("three lines", raw_bytes(long)),
        ("CR LF", raw_bytes(good.replace(b"\n", b"\r\n"))),
        ("text before the marker", raw_bytes(b"abc" + good)),
        ("a line before", raw_bytes(b"abc\n" + good)),
        ("empty lines before", raw_bytes(b"\n" + good)),
        ("bad base64", raw_bytes(good[:8] + b"!" + good[9:])),
        ("bad CRC", raw_bytes(good[:8] + (b"A" if good[8:9] != b"A" else b"B") + good[9:])),
        ("continuation without a start", raw_bytes(second)),
        ("start again in the middle", raw_bytes(first + good)),
        ("one line missing", raw_bytes(first + third)),
        ("flags", raw_bytes(framed(flags=255))),
        ("version 2", raw_bytes(framed(version=2))),
        ("version 3", raw_bytes(framed(version=3))),
        ("version 0", raw_bytes(framed(version=0))),
        ("op 1", raw_bytes(framed(op=1))),
        ("op 5", raw_bytes(framed(op=5))),
        ("length too large", raw_bytes(framed(length=100))),
        ("length too small", raw_bytes(framed(length=2))),
        ("length 0", raw_bytes(framed(length=0))),
        ("no payload", raw_bytes(framed(payload=b""))),
        ("not a map", raw_bytes(framed(payload=b"\x83\x01\x02\x03"))),
        ("cut CBOR", raw_bytes(framed(payload=b"\xa1\x61d\x65ab"))),
        ("key twice", raw_bytes(framed(payload=b"\xa2\x61d\x61x\x61d\x61y"))),
        ("indefinite map", raw_bytes(framed(payload=b"\xbf\x61d\x61x\xff"))),
        ("two messages in one packet", raw_bytes(b"".join(smp.frame(
            smp.message(2, 0, 0, 1, {"d": "1"}) + smp.message(2, 0, 0, 2, {"d": "2"}))))),
        ("seven bytes", raw_bytes(b"".join(smp.frame(b"\x0a\0\0\0\0\0\1")))),
        ("largest", lambda c: len(c.echo("z" * 366))),
        ("one too large", lambda c: c.echo("z" * 367)),
        ("and on", lambda c: c.echo("on")),
    ]


def hold(dialogue, tty):
    with smp.Client(tty, timeout=0.7) as c:
        c.wait(probe=lambda **how: c.read(smp.OS, smp.PARAMETERS, **how))
        return [(name, told(lambda: ask(c))) for name, ask in dialogue]


def compare(dialogue, real, simulated_tty, known=()):
    """`known` differences are named, so that none is added and a mended one is noticed."""
    different = {}
    for (name, right), (_, found) in zip(hold(dialogue, real), hold(dialogue, simulated_tty)):
        if right != found:
            different[name] = f"{name}:\n    real      {right}\n    simulated {found}"
    wrong = [text for name, text in different.items() if name not in known]
    wrong += [f"{name}: no difference any more" for name in known if name not in different]
    assert not wrong, "\n".join([""] + wrong)


@pytest.fixture
def program():
    if not os.access(simulator_program(), os.X_OK):
        pytest.fail(f"no {simulator_program()}: build first, or set MCUMGRD_BUILD",
                    pytrace=False)


def first_image(one, tmp_path):
    path = tmp_path / "first.bin"
    path.write_bytes(one.image)
    return path


@pytest.mark.slow
def test_swap(program, board, tmp_path):
    one = board("cortex_m0")
    with simulated(mode="swap-offset", slot_size=106496, bootloader_info="off",
                   image=first_image(one, tmp_path)) as tty:
        compare(swap_dialogue(one.image), one.tty, tty)


@pytest.mark.slow
def test_ram_load(program, board, tmp_path):
    one = board("mps2")
    with simulated(mode="ram-load", slot_size=524288, bootloader_info="off",
                   image=first_image(one, tmp_path)) as tty:
        compare(ram_load_dialogue(one.image), one.tty, tty, {"state after the upload"})


@pytest.mark.slow
def test_recovery(program, board, tmp_path):
    one = board("mps2")
    with simulated(mode="ram-load", slot_size=524288, recovery="off", bootloader_info="off",
                   image=first_image(one, tmp_path)) as tty:
        compare(recovery_dialogue(one.image), one.tty, tty)


def test_transport(program, board):
    with simulated(line_bufs=16) as tty:
        # Zephyr reads the payload to the end of the packet when `length` says less.
        compare(transport_dialogue(), board("serial_bigrx").tty, tty,
                {"length too small", "length 0"})
