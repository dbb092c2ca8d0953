# SPDX-License-Identifier: MIT
"""The boards themselves, without the daemon: are they what the other tests think?"""

import hashlib
import os
import signal
import time

import pytest

from . import image, smp

BUFFERS = [("serial_buf96", 96), ("serial_buf256", 256), ("serial_bigrx", 384),
           ("serial_buf400", 400), ("serial_buf512", 512), ("serial_buf1024", 1024),
           ("serial_buf2048", 2048)]


def longest_echo(size):
    """Text of the longest echo that fits a message of `size` bytes."""
    text = "x" * size
    while len(smp.message(smp.WRITE, smp.OS, smp.ECHO, 0, {"d": text})) > size:
        text = text[:-1]
    return text


def flags(images):
    """{slot: set of the flags that are true}, without `bootable`."""
    names = ("active", "confirmed", "pending", "permanent")
    return {item["slot"]: {name for name in names if item.get(name)} for item in images}


def versions(images):
    return {item["slot"]: item["version"] for item in images}


@pytest.mark.parametrize("build, size", BUFFERS)
def test_echo_fills_the_buffer(board, build, size):
    with smp.Client(board(build).tty) as client:
        assert client.read(smp.OS, smp.PARAMETERS) == {"buf_size": size, "buf_count": 4}
        text = longest_echo(size - 4)
        assert client.echo(text) == text
        with pytest.raises(smp.Timeout):
            client.echo(text + "x", timeout=0.3)
        assert client.echo("still there") == "still there"


def test_two_line_buffers(board):
    with smp.Client(board("serial").tty) as client:
        with pytest.raises(smp.Timeout):
            client.echo("x" * 300, timeout=0.3)
        client.gap = 0.011
        assert client.echo("x" * 300) == "x" * 300


def test_raw_framing(board):
    """The reply is one byte longer than the request (a map of indefinite length)."""
    with smp.Client(board("serial_raw").tty, raw=True) as client:
        text = longest_echo(383)
        assert client.echo(text) == text
        with pytest.raises(smp.Refused) as refused:
            client.echo(text + "x")
        assert refused.value.rc == 7


def test_no_parameters(board):
    with smp.Client(board("serial_noparams").tty) as client:
        with pytest.raises(smp.Refused) as refused:
            client.read(smp.OS, smp.PARAMETERS)
        assert (refused.value.group, refused.value.rc) == (None, 8)


def test_shell_on_the_same_port(board):
    """The shell takes a frame that follows a half-typed line for a command line."""
    with smp.Client(board("shell").tty) as client:
        assert client.echo("a") == "a"
        client.write(b"hel")
        with pytest.raises(smp.Timeout):
            client.echo("b", timeout=0.5)
        assert client.echo("c") == "c"
        assert b"wrong parameter count" in client.deframer.text
        assert b"uart:~$" in client.deframer.text


def burst(client, count):
    """Sends `count` echoes at once; the payloads that came back, by number."""
    for number in range(count):
        client.send(smp.message(smp.WRITE, smp.OS, smp.ECHO, number, {"d": "x"}))
    got = map(smp.parse, client.received(0.5))
    return {reply.sequence: reply.payload for reply in got}


def test_outstanding_requests(board):
    """A request and its answer take a buffer each, of four. The request that finds none
    kills Zephyr 4.4 (a null pointer in its serial transport), so nobody may have as many
    unanswered as there are buffers, late ones included."""
    one = board("serial_bigrx")
    with smp.Client(one.tty) as client:
        assert burst(client, 3) == {0: {"r": "x"}, 1: {"r": "x"}, 2: {"r": "x"}}
        assert burst(client, 4)[0] == {"rc": 2}
        assert client.echo("alive") == "alive"
        assert burst(client, 5) == {}
    assert one.process.wait(5) == -signal.SIGSEGV


def test_power_cycle_keeps_the_tty(board):
    one = board("serial_bigrx")
    with smp.Client(one.tty) as client:
        assert client.echo("a") == "a"
        one.kill()
        with pytest.raises(smp.Timeout):
            client.echo("b", timeout=0.2)
        one.power_cycle()
        assert client.echo("c") == "c"


def test_unplug_hangs_up(board):
    one = board("serial_bigrx")
    with smp.Client(one.tty) as client:
        one.unplug()
        assert not os.path.lexists(one.tty)
        with pytest.raises(OSError):
            client.echo("a")
    one.plug()
    with smp.Client(one.tty) as client:
        assert client.echo("b") == "b"


def test_the_cable_loses_and_corrupts_what_it_is_told(board):
    one = board("serial_bigrx")
    with smp.Client(one.tty) as client:
        assert client.echo("a") == "a"
        for spoil in (one.relay.to_board.lose, one.relay.to_board.corrupt):
            spoil(one.relay.to_board.offered + 10)
            with pytest.raises(smp.Timeout):
                client.echo("b", timeout=0.2)
            assert client.echo("c") == "c"
        one.relay.to_host.corrupt(one.relay.to_host.offered + 10)
        with pytest.raises(smp.Timeout):
            client.echo("d", timeout=3)
        assert client.deframer.broken == 1
        texts = [got.payload["d"] for got in one.relay.to_board.messages()]
        assert texts == ["a", "c", "c", "d"]


def test_the_cable_breaks_at_a_byte(board):
    one = board("serial_bigrx")
    with smp.Client(one.tty) as client:
        before = one.relay.to_board.offered
        one.relay.to_board.trip(before + 9, one.relay.silence)
        with pytest.raises(smp.Timeout):
            client.echo("a", timeout=2)
        assert one.relay.to_board.count == before + 10
        one.relay.restore()
        client.write(b"\n")
        assert client.echo("b") == "b"


def test_the_cable_has_a_baud_rate(board):
    one = board("serial_bigrx")
    one.relay.pace(baud=9600, latency=0.02)
    with smp.Client(one.tty) as client:
        start = time.monotonic()
        assert client.echo("x" * 40) == "x" * 40
        bits = 10 * (one.relay.to_board.count + one.relay.to_host.count)
        assert bits / 9600 + 0.04 <= time.monotonic() - start < bits / 9600 + 5


def test_native_sim_answers_at_once(board):
    """The fixture may cost less than a timer tick of the firmware, or it measures itself."""
    with smp.Client(board("serial_bigrx").tty) as client:
        times = []
        for _ in range(50):
            start = time.monotonic()
            client.echo("x")
            times.append(time.monotonic() - start)
        assert min(times) < 0.03  # what it costs, it costs each time; a busy machine does not


def reset(client, one):
    resets = one.resets
    client.write_request(smp.OS, smp.RESET)
    deadline = time.monotonic() + 60
    while one.resets == resets:
        assert time.monotonic() < deadline, "the board did not reset"
        time.sleep(0.01)
    return client.wait()


@pytest.fixture
def swap(board):
    one = board("cortex_m0")
    with smp.Client(one.tty) as client:
        assert versions(client.wait()) == {0: "0.0.0"}
        yield one, client


def test_swap_test_and_confirm(swap):
    one, client = swap
    new = image.with_version(one.image, 1, 2, 3, 4)
    assert client.upload(new, sha=hashlib.sha256(new).digest()) == len(new)
    images = client.set_state(image.image_hash(new))
    assert flags(images) == {0: {"active", "confirmed"}, 1: {"pending"}}
    images = reset(client, one)
    assert versions(images) == {0: "1.2.3.4", 1: "0.0.0"}
    assert flags(images) == {0: {"active"}, 1: {"confirmed"}}
    client.set_state(confirm=True)
    images = reset(client, one)
    assert versions(images)[0] == "1.2.3.4"
    assert flags(images)[0] == {"active", "confirmed"}


def test_swap_reverts_unconfirmed(swap):
    one, client = swap
    new = image.with_version(one.image, 1, 2, 3)
    client.upload(new)
    client.set_state(image.image_hash(new))
    assert versions(reset(client, one))[0] == "1.2.3"
    images = reset(client, one)
    assert versions(images)[0] == "0.0.0"
    assert flags(images)[0] == {"active", "confirmed"}


def test_swap_image_that_hangs_is_undone_by_power(swap):
    one, client = swap
    new = image.hanging(image.with_version(one.image, 6, 6, 6))
    client.upload(new)
    client.set_state(image.image_hash(new))
    client.write_request(smp.OS, smp.RESET)
    with pytest.raises(smp.Timeout):
        time.sleep(0.5)
        client.wait(timeout=1)
    one.power_cycle()
    assert versions(client.wait())[0] == "0.0.0"


def test_swap_refuses_an_image_with_a_wrong_hash(swap):
    one, client = swap
    new = image.DAMAGES["body"](image.with_version(one.image, 1, 2, 3))
    client.upload(new)
    client.set_state(image.image_hash(new))
    images = reset(client, one)
    assert versions(images) == {0: "0.0.0"}


def test_swap_resumes_an_upload(swap):
    one, client = swap
    new = image.with_version(one.image, 1, 2, 3)
    sha = hashlib.sha256(new).digest()
    reached = client.upload(new, sha=sha, stop_at=20000)
    reply = client.write_request(smp.IMAGE, smp.UPLOAD, {
        "off": 0, "len": len(new), "sha": sha, "data": new[:256]})
    assert reply["off"] == reached


def test_swap_interrupted_by_power_goes_on(swap):
    one, client = swap
    new = image.with_version(one.image, 1, 2, 3)
    client.upload(new)
    client.set_state(image.image_hash(new))
    client.write_request(smp.OS, smp.RESET)
    begun = one.relay.to_host
    deadline = time.monotonic() + 60
    while b"Starting swap" not in begun.record:
        assert time.monotonic() < deadline, "the swap did not begin"
        time.sleep(0.0005)
    one.power_cycle()
    assert versions(client.wait())[0] == "1.2.3"


@pytest.mark.slow
def test_ram_load_takes_the_higher_version(board):
    one = board("mps2")
    with smp.Client(one.tty) as client:
        client.wait()
        with pytest.raises(smp.Refused) as refused:
            client.set_state(confirm=True)
        assert refused.value.rc == 8
        new = image.with_version(one.image, 1, 2, 3)
        client.upload(new)
        images = reset(client, one)
        assert versions(images) == {0: "0.0.0", 1: "1.2.3"}
        assert flags(images) == {0: set(), 1: {"active", "confirmed"}}


@pytest.mark.slow
@pytest.mark.parametrize("kind, raw", [("mps2", False), ("mps2_raw", True)])
def test_serial_recovery(board, kind, raw):
    one = board(kind)
    with smp.Client(one.tty, raw=raw) as client:
        client.wait()
        resets = one.resets
        client.write_request(smp.OS, smp.RESET, {"boot_mode": 1})
        while one.resets == resets:
            time.sleep(0.01)
        client.wait()
        assert client.read(smp.OS, smp.PARAMETERS) == {"buf_size": 1024, "buf_count": 1}
        new = image.with_version(one.image, 2)
        assert client.upload(new, chunk=896) == len(new)
        assert versions(client.images()) == {0: "2.0.0"}
        assert versions(reset(client, one)) == {0: "2.0.0"}
