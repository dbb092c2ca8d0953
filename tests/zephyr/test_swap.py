# SPDX-License-Identifier: MIT
"""mcumgrd updates a Cortex-M0 on which MCUboot swaps, tests, reverts and confirms."""

import collections
import hashlib
import signal
import struct
import threading

import pytest

from . import harness, image, smp
from .test_boards import flags, versions

STEPS = ["check", "inspect", "upload", "mark", "reset", "reattach", "verify", "confirm",
         "final", "done"]

Bench = collections.namedtuple("Bench", "daemon board new file")


# Times an image's size: sent once. On a busy machine the emulated UART, which holds six bytes, loses some lines;
# an upload that began anew half way would come to 1.5.
ONCE = 1.3


@pytest.fixture
def bench(board, daemon, tmp_path):
    """A board, a daemon that found it, and a newer image for it."""
    one = board("cortex_m0")
    server = daemon({"m0": one.tty})
    new = image.with_version(one.image, 1, 2, 3, 4)
    path = tmp_path / "new.bin"
    path.write_bytes(new)
    server.wait("m0")
    return Bench(server, one, new, path)


def update_until(bench, byte):
    """An update that has sent the board so many bytes and goes on."""
    event, lane = threading.Event(), bench.board.relay.to_board
    lane.trip(lane.offered + byte, event.set)
    client = bench.daemon.start_client("firmware", "update", bench.file, device="m0")
    while not event.wait(0.1):
        assert client.poll() is None, harness.finish(client)
    return client


def sent(one, since=0):
    """The requests that reached the board as (operation, group, command, payload)."""
    return [(got.op, got.group, got.command, got.payload)
            for got in one.relay.to_board.messages(since)]


def changing(one, since=0):
    """The requests that change the board, without upload chunks."""
    return [(group, command, payload) for op, group, command, payload in sent(one, since)
            if op == smp.WRITE and (group, command) not in ((smp.IMAGE, smp.UPLOAD),
                                                            (smp.OS, smp.ECHO))]


def uploaded(one, since=0):
    """How many bytes of an image were sent."""
    return sum(len(payload["data"]) for op, group, command, payload in sent(one, since)
               if (op, group, command) == (smp.WRITE, smp.IMAGE, smp.UPLOAD))


def steps(lines):
    found = []
    for line in lines:
        if "step" in line and line["step"] not in found:
            found.append(line["step"])
    return found


def board_images(bench):
    """The image list by an independent client, once the daemon has let the tty go."""
    bench.daemon.stop()
    with smp.Client(bench.board.tty) as client:
        return client.wait()


def update(bench, *options, **how):
    return bench.daemon.cli("firmware", "update", *options, bench.file, device="m0", **how)


def test_update_and_confirm(bench):
    assert bench.daemon.device("m0")["version"] == "0.0.0"
    result = update(bench)
    assert result.code == 0, result
    assert steps(result.lines) == STEPS
    last = result.lines[-1]
    assert (last["outcome"], last["version"]) == ("updated", "1.2.3.4")
    assert last["hash"] == image.image_hash(bench.new).hex()
    uploads = [line for line in result.lines if line.get("step") == "upload"]
    done = [line["doneBytes"] for line in uploads if line.get("doneBytes") is not None]
    assert done == sorted(done) and done[-1] > 0.9 * len(bench.new)
    percents = [line["percent"] for line in result.lines]
    assert percents == sorted(percents) and percents[-1] == 100

    test, reset, confirm = changing(bench.board)
    assert test == (smp.IMAGE, smp.STATE,
                    {"hash": image.image_hash(bench.new), "confirm": False})
    assert reset[:2] == (smp.OS, smp.RESET)
    assert confirm[:2] == (smp.IMAGE, smp.STATE) and confirm[2]["confirm"] is True
    assert bench.board.resets == 1

    device = bench.daemon.wait("m0", where=lambda device: device["version"] == "1.2.3.4")
    assert device["state"] == "ready" and device.get("job") is None
    before = bench.board.relay.to_board.count
    again = update(bench)
    assert (again.code, again.lines[-1]["outcome"]) == (0, "unchanged")
    assert uploaded(bench.board, before) == 0 and changing(bench.board, before) == []

    images = board_images(bench)
    assert versions(images)[0] == "1.2.3.4"
    assert flags(images)[0] == {"active", "confirmed"}


def test_update_in_words(bench):
    result = update(bench, as_json=False)
    assert result.code == 0, result
    assert "1.2.3.4" in result.out + result.err
    for word in ("upload", "reset"):
        assert word in (result.out + result.err).lower()


@pytest.mark.slow
def test_unconfirmed_is_reverted_by_the_next_reset(bench):
    result = update(bench, "--no-confirm")
    assert (result.code, result.lines[-1]["outcome"]) == (0, "testing"), result
    assert steps(result.lines)[-1] == "done" and "confirm" not in steps(result.lines)
    state = bench.daemon.cli("image", "get-state", device="m0").value["slots"]
    assert versions(state) == {0: "1.2.3.4", 1: "0.0.0"}
    assert flags(state) == {0: {"active"}, 1: {"confirmed"}}
    assert bench.daemon.cli("os", "system-reset", device="m0").code == 0
    device = bench.daemon.wait("m0", where=lambda device: device["version"] == "0.0.0")
    assert flags(device["images"])[0] == {"active", "confirmed"}


@pytest.mark.slow
def test_unconfirmed_is_confirmed_by_the_next_update(bench):
    assert update(bench, "--no-confirm").code == 0
    before = bench.board.relay.to_board.count
    result = update(bench)
    assert (result.code, result.lines[-1]["outcome"]) == (0, "confirmed"), result
    assert uploaded(bench.board, before) == 0
    assert bench.board.resets == 1
    assert flags(board_images(bench))[0] == {"active", "confirmed"}


@pytest.mark.slow
def test_force_confirm_marks_permanent(bench):
    result = update(bench, "--force-confirm")
    assert (result.code, result.lines[-1]["outcome"]) == (0, "updated"), result
    mark = changing(bench.board)[0]
    assert mark[2] == {"hash": image.image_hash(bench.new), "confirm": True}
    bench.board.power_cycle()
    images = board_images(bench)
    assert versions(images)[0] == "1.2.3.4" and "confirmed" in flags(images)[0]


@pytest.mark.slow
def test_skip_reboot_then_update_goes_on(bench):
    result = update(bench, "--skip-reboot")
    assert (result.code, result.lines[-1]["outcome"]) == (0, "marked"), result
    assert bench.board.resets == 0
    state = bench.daemon.cli("image", "get-state", device="m0").value["slots"]
    assert flags(state)[1] == {"pending"}
    before = bench.board.relay.to_board.count
    result = update(bench)
    assert (result.code, result.lines[-1]["outcome"]) == (0, "updated"), result
    assert uploaded(bench.board, before) == 0


@pytest.mark.slow
def test_an_uploaded_image_is_not_sent_again(bench):
    result = bench.daemon.cli("image", "upload", bench.file, device="m0")
    assert result.code == 0, result
    assert uploaded(bench.board) < ONCE * len(bench.new)
    before = bench.board.relay.to_board.count
    assert update(bench).code == 0
    assert uploaded(bench.board, before) == 0


@pytest.mark.slow
def test_upgrade_only_leaves_a_newer_image_alone(bench):
    assert update(bench).code == 0
    bench.file.write_bytes(image.with_version(bench.new, 1, 0))
    result = update(bench, "--upgrade-only")
    assert result.code in (6, 7), result
    assert bench.daemon.device("m0")["version"] == "1.2.3.4"
    result = update(bench)
    assert result.code == 0, result
    assert bench.daemon.device("m0")["version"] == "1.0.0"


def test_a_wrong_file_is_refused_before_a_byte_is_sent(bench):
    bench.daemon.call("Echo", device="m0", text="settled")
    before = bench.board.relay.to_board.offered
    for name, damage in image.DAMAGES.items():
        bench.file.write_bytes(damage(bench.new))
        result = update(bench)
        assert result.code == 8, (name, result)
        assert result.error["error"] == "io.mcumgr.BadImage", name
        assert result.error["parameters"]["reason"] and result.error["parameters"]["message"]
    bench.file.write_bytes(bench.new)
    result = update(bench, "--checksum", "00" * 32)
    assert (result.code, result.error["parameters"]["reason"]) == (8, "checksum-mismatch")
    assert bench.board.relay.to_board.offered == before


@pytest.mark.slow
def test_right_checksum(bench):
    assert update(bench, "--checksum", hashlib.sha256(bench.new).hexdigest()).code == 0


@pytest.mark.slow
def test_slots_erase_and_states_by_hand(bench):
    slots = bench.daemon.cli("image", "slot-info", device="m0").value["images"]
    assert [slot["size"] for slot in slots[0]["slots"]] == [106496, 106496]
    wanted = image.image_hash(bench.new).hex()
    assert bench.daemon.cli("image", "upload", bench.file, device="m0").code == 0
    state = bench.daemon.cli("image", "set-state", "--hash", wanted, device="m0")
    assert flags(state.value["slots"])[1] == {"pending"}
    assert bench.daemon.cli("image", "erase", device="m0").code == 0
    state = bench.daemon.cli("image", "get-state", device="m0").value["slots"]
    assert versions(state) == {0: "0.0.0"}
    refused = bench.daemon.cli("image", "erase", "0", device="m0")
    assert refused.code == 6
    assert (refused.error["parameters"]["group"], refused.error["parameters"]["rc"]) == (1, 9)
    unknown = bench.daemon.cli("image", "set-state", "--hash", "00" * 32, device="m0")
    assert unknown.error["parameters"]["rc"] == 8


@pytest.mark.slow
def test_another_pending_image(bench):
    """Zephyr 4.4 lets an upload replace an image that waits for its test. Whatever the
    daemon makes of it, it may not end in between."""
    assert update(bench, "--skip-reboot").code == 0
    other = image.with_version(bench.new, 5)
    bench.file.write_bytes(other)
    result = update(bench)
    if result.code == 0:
        assert bench.daemon.device("m0")["version"] == "5.0.0"
    else:
        assert result.code == 7
        assert result.error["parameters"]["reason"] == "pending"
        state = bench.daemon.cli("image", "get-state", device="m0").value["slots"]
        assert versions(state) == {0: "0.0.0", 1: "1.2.3.4"}


# The new image does not run

@pytest.mark.slow
def test_refused_by_the_bootloader(bench):
    """A compressed image, which this MCUboot cannot boot: erased at the reset."""
    bad = bytearray(bench.new)
    struct.pack_into("<I", bad, 16, 0x200)
    bench.file.write_bytes(image.rehashed(bytes(bad)))
    result = update(bench)
    assert result.code == 7, result
    assert result.error["error"] == "io.mcumgr.NotBooted"
    parameters = result.error["parameters"]
    assert parameters["reason"] == "refused"
    assert parameters["running"] == image.image_hash(bench.board.image).hex()
    assert bench.board.resets == 1


@pytest.mark.slow
def test_reverted_before_it_was_confirmed(bench):
    """The new image boots, and the power fails before anybody confirmed it."""
    once = iter([True])

    def cut():
        if next(once, False):
            threading.Thread(target=bench.board.power_cycle).start()

    bench.board.relay.to_host.watch(b"Image version: v1.2.3", cut)
    result = update(bench)
    assert result.code == 7, result
    assert result.error["error"] == "io.mcumgr.NotBooted"
    assert result.error["parameters"]["reason"] == "reverted"
    assert bench.daemon.wait("m0")["version"] == "0.0.0"


@pytest.mark.slow
def test_an_image_that_hangs_is_said_to_be_silent(bench):
    file = bench.daemon.put(image.hanging(bench.new))
    with bench.daemon.api() as api, pytest.raises(harness.ApiError) as caught:
        list(api.stream("Update", device="m0", file=file, bootTimeoutMs=6000))
    assert caught.value.name == "NotBooted"
    assert caught.value.parameters["reason"] == "silent"
    bench.board.power_cycle()
    device = bench.daemon.wait("m0", timeout=90, where=lambda device: device.get("version"))
    assert device["version"] == "0.0.0"
    assert update(bench).code == 0


@pytest.mark.slow
def test_too_large_for_the_slot(bench):
    where = image.layout(bench.new)
    more = 120000 - where.body_size
    large = bytearray(bench.new[:where.hashed_size] + bytes(more) +
                      bench.new[where.hashed_size:])
    struct.pack_into("<I", large, 12, where.body_size + more)
    bench.file.write_bytes(image.rehashed(bytes(large)))
    result = update(bench)
    assert result.code in (6, 7, 8), result
    assert flags(board_images(bench)) == {0: {"active", "confirmed"}}


# Interrupted

@pytest.mark.slow
def test_resumes_after_the_daemon_was_killed(bench):
    """The board keeps the upload's session: what it has is not sent twice."""
    client = update_until(bench, 25000)
    bench.daemon.kill()
    ended = harness.finish(client, 20)
    assert ended.code == 9, ended
    bench.daemon.start()
    bench.daemon.wait("m0")
    result = update(bench)
    assert (result.code, result.lines[-1]["outcome"]) == (0, "updated"), result
    assert uploaded(bench.board) < ONCE * len(bench.new)
    assert bench.board.resets == 1


@pytest.mark.slow
@pytest.mark.parametrize("how", ["silence", "unplug"])
def test_the_line_is_cut_and_the_update_repeated(bench, how):
    lane = bench.board.relay.to_board
    lane.trip(lane.offered + 25000, getattr(bench.board.relay, how))
    result = update(bench)
    assert result.code == 5, result
    parameters = result.error["parameters"]
    assert result.error["error"] in ("io.mcumgr.TimedOut", "io.mcumgr.DeviceGone")
    assert parameters["step"] == "upload"
    bench.board.relay.restore()
    bench.daemon.wait("m0", timeout=70)
    result = update(bench)
    assert (result.code, result.lines[-1]["outcome"]) == (0, "updated"), result
    assert uploaded(bench.board) < ONCE * len(bench.new)
    assert bench.board.resets == 1


@pytest.mark.slow
def test_cancelled_by_the_user(bench):
    client = update_until(bench, 25000)
    client.send_signal(signal.SIGINT)
    result = harness.finish(client, 20)
    assert result.code == 130, result
    assert bench.daemon.wait("m0", where=lambda device: not device.get("job"))
    assert bench.board.resets == 0 and changing(bench.board) == []
    assert update(bench).code == 0
    assert uploaded(bench.board) < ONCE * len(bench.new)


@pytest.mark.slow
def test_the_client_dies(bench):
    """Its connection closes: the update stops at the next safe point, the board is free."""
    client = update_until(bench, 25000)
    client.kill()
    client.communicate()
    bench.daemon.wait("m0", where=lambda device: not device.get("job"))
    assert update(bench).code == 0


@pytest.mark.slow
def test_a_detached_update_outlives_its_client(bench):
    file = bench.daemon.put(bench.new)
    with bench.daemon.api() as api:
        next(api.stream("Update", device="m0", file=file, detached=True))
    device = bench.daemon.wait("m0", timeout=60, where=lambda device:
                               device.get("version") == "1.2.3.4" and not device.get("job"))
    assert flags(device["images"])[0] == {"active", "confirmed"}
    assert [job["outcome"] for job in bench.daemon.call("Jobs")["jobs"]] == ["updated"]


@pytest.mark.slow
def test_power_fails_during_the_upload(bench):
    """The board forgets the upload; the daemon finds that out and does not give up, or says
    what happened: then the next update succeeds."""
    client = update_until(bench, 25000)
    bench.board.power_cycle()
    result = harness.finish(client, 90)
    if result.code:
        assert result.error["parameters"]["message"], result
        bench.daemon.wait("m0", timeout=70)
        result = update(bench)
    assert (result.code, result.lines[-1]["outcome"]) == (0, "updated"), result


@pytest.mark.slow
def test_power_fails_during_the_swap(bench):
    """The bootloader goes on with it. On a busy machine the cut may come after the new image's first start: then it is
    reverted, said to be, and the next update succeeds."""
    once = iter([True])

    def cut():
        if next(once, False):
            threading.Thread(target=bench.board.power_cycle).start()

    bench.board.relay.to_host.watch(b"Starting swap", cut)
    result = update(bench)
    assert bench.board.resets >= 2
    if result.code:
        assert result.error["parameters"]["reason"] == "reverted", result
        assert versions(board_images(bench))[0] == "0.0.0"
        result = update(bench)
    assert (result.code, result.lines[-1]["outcome"]) == (0, "updated"), result


@pytest.mark.slow
def test_the_answer_to_the_reset_is_lost(bench):
    """The board is reset once, and nobody takes the silence for a failure."""
    lost = bench.board.relay.to_host
    bench.board.relay.to_board.hear(smp.OS, smp.RESET, lambda: lost.lose(lost.offered, 60))
    result = update(bench)
    assert (result.code, result.lines[-1]["outcome"]) == (0, "updated"), result
    assert bench.board.resets == 1
    assert [call[:2] for call in changing(bench.board)].count((smp.OS, smp.RESET)) == 1


@pytest.mark.slow
def test_a_bad_line(bench):
    """Every few kilobytes a byte is lost or corrupted, both ways."""
    for lane in (bench.board.relay.to_board, bench.board.relay.to_host):
        for number in range(3000, 200000, 7001):
            lane.lose(lane.offered + number)
        for number in range(5000, 200000, 9001):
            lane.corrupt(lane.offered + number)
    result = update(bench)
    assert (result.code, result.lines[-1]["outcome"]) == (0, "updated"), result


@pytest.mark.slow
def test_at_the_speed_of_a_real_line(bench):
    bench.board.relay.pace(baud=115200, latency=0.001)
    result = update(bench)
    assert (result.code, result.lines[-1]["outcome"]) == (0, "updated"), result
    assert uploaded(bench.board) < ONCE * len(bench.new)


@pytest.mark.slow
def test_nothing_is_said_to_a_board_that_boots(board, daemon, tmp_path):
    """This board's receiver stops for good when it gets six bytes before it is ready."""
    one = board("cortex_m0", wedges=True)
    server = daemon({"m0": one.tty})
    server.wait("m0")
    path = tmp_path / "new.bin"
    for version in (1, 2):
        path.write_bytes(image.with_version(one.image, version))
        result = server.cli("firmware", "update", path, device="m0")
        assert (result.code, result.lines[-1]["outcome"]) == (0, "updated"), result
    for _ in range(3):
        assert server.cli("os", "system-reset", device="m0").code == 0
        assert server.cli("os", "echo", "hi", device="m0").code == 0


@pytest.mark.slow
def test_log_lines_of_the_board_are_console_text(bench):
    """The board logs on the port that carries SMP, during the upload and the boot."""
    assert update(bench).code == 0
    assert b"mcumgr_img_grp" in bench.board.relay.to_host.record
    assert bench.daemon.device("m0")["version"] == "1.2.3.4"
