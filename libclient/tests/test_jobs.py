# SPDX-License-Identifier: MIT
"""Updates and uploads: what is sent, progress as lines and as JSON, outcomes, Ctrl-C, --detach, and following jobs."""

import base64
import json
import signal

import pytest

from fake_daemon import Close, Error, Later, Open

IMAGE = bytes(range(256)) * 4
FILE = "f1" * 32
HASH = "ab12cd34" + "00" * 28
SHA = "0123456789abcdef" * 4
PUT = ("ImagePut", {"data": base64.b64encode(IMAGE).decode()}, False)


def step(name, percent, done=None, total=None, **more):
    bytes_ = {} if done is None else {"doneBytes": done, "totalBytes": total}
    return {"job": "7", "step": name, "percent": percent, **bytes_, **more}


def done(outcome="updated", **more):
    return step("done", 100, outcome=outcome, hash=HASH, version="2.0.0", **more)


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "zephyr.bin"
    path.write_bytes(IMAGE)
    return str(path)


@pytest.fixture
def put(daemon):
    daemon.on("ImagePut", {"hash": FILE})
    daemon.on("JobWatch", Error("NoSuchJob", job="7", message="there is no job '7'"))  # what it left behind, asked for after a failure
    return daemon


OPTIONS = [
    ([], {}),
    (["--no-confirm"], {"confirm": False}),
    (["--force-confirm"], {"forceConfirm": True}),
    (["--skip-reboot", "--upgrade-only", "--erase-first"], {"skipReboot": True, "upgradeOnly": True, "eraseFirst": True}),
    (["--checksum", SHA.upper()], {"checksum": SHA}),
    (["--image-id", "1", "--bootloader", "mcuboot"], {"imageNumber": 1}),
    (["--boot-timeout", "5min"], {"bootTimeoutMs": 300000}),
    (["--boot-timeout=90"], {"bootTimeoutMs": 90000}),
    (["--timeout", "750", "--device", "rack-1"], {"timeoutMs": 750, "device": "rack-1"}),
]


@pytest.mark.parametrize("options,parameters", OPTIONS, ids=[" ".join(row[0]) or "plain" for row in OPTIONS])
def test_update_parameters(put, ctl, image, options, parameters):
    put.on("Update", done())
    result = ctl("firmware", "update", *options, image)
    assert (result.code, result.out, result.err) == (0, "Updated: 2.0.0 (ab12cd34) is active and confirmed.\n", "")
    assert put.calls == [PUT, ("Update", {"file": FILE, **parameters}, True)]


@pytest.mark.parametrize("options,put_more,parameters", [
    ([], {}, {}), (["--any"], {"any": True}, {}),
    (["--image-id", "2", "--upgrade-only", "--checksum", SHA], {}, {"imageNumber": 2, "upgradeOnly": True, "checksum": SHA})])
def test_upload_parameters(put, ctl, image, options, put_more, parameters):
    put.on("ImageUpload", step("done", 100, outcome="uploaded", hash=HASH))
    result = ctl("image", "upload", image, *options)
    assert (result.code, result.out, result.err) == (0, "Uploaded: ab12cd34.\n", "")
    assert put.calls == [("ImagePut", {**PUT[1], **put_more}, False), ("ImageUpload", {"file": FILE, **parameters}, True)]


def test_image_from_stdin(put, ctl):
    put.on("Update", done())
    assert ctl("firmware", "update", "-", input=IMAGE).code == 0
    assert put.calls[0] == PUT


def test_files_that_cannot_be_read(daemon, ctl, tmp_path):
    missing = ctl("firmware", "update", str(tmp_path / "none"))
    assert missing.code == 1 and missing.err.endswith("none: No such file or directory\n")
    assert "Is a directory" in ctl("image", "upload", str(tmp_path)).err
    assert daemon.calls == []


def test_bad_image(daemon, ctl, image):
    daemon.on("ImagePut", Error("BadImage", reason="not-an-image", message="it is an ELF file", hint="Send zephyr.signed.bin."))
    update, upload = ctl("firmware", "update", image), ctl("image", "upload", image)
    assert (update.code, update.err) == (8, f"mcumgrctl: {image}: it is an ELF file\n  Send zephyr.signed.bin.\n")
    assert upload.err == update.err + "  With --any it is uploaded all the same.\n"
    open(image, "wb").close()
    assert ctl("image", "upload", image).err == update.err
    assert daemon.methods() == ["ImagePut"] * 3


def test_file_too_large_for_a_message(daemon, ctl, tmp_path):
    (tmp_path / "large").write_bytes(bytes(13 << 20))
    daemon.on("ImagePut", Close())
    result = ctl("firmware", "update", str(tmp_path / "large"))
    assert result.code == 9 and result.err.endswith("hold a file of 12 MiB.\n")


OUTCOMES = {
    "updated": "Updated: 2.0.0 (ab12cd34) is active and confirmed.",
    "testing": "2.0.0 (ab12cd34) is active, but not confirmed: the next reset brings the old image back, unless you confirm it.",
    "unchanged": "Nothing to do: 2.0.0 (ab12cd34) is active and confirmed already.",
    "confirmed": "2.0.0 (ab12cd34) was active already and is confirmed now.",
    "marked": "2.0.0 (ab12cd34) is marked and boots at the next reset.",
    "uploaded": "Uploaded: 2.0.0 (ab12cd34).",
    "new\x1bthing": "Done: new\\x1bthing (2.0.0 (ab12cd34)).",
}


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_outcomes(put, ctl, image, outcome):
    put.on("Update", done(outcome))
    result = ctl("firmware", "update", image)
    assert (result.code, result.out) == (0, OUTCOMES[outcome] + "\n")
    assert ctl("-q", "firmware", "update", image).out == ""


STEPS = [
    step("check", 0), step("inspect", 1, message="1.0.0 is active"), step("inspect", 1, message="1.0.0 is active"),
    step("upload", 5, 0, 1000), *[step("upload", 5 + n // 2, n * 10, 1000) for n in range(1, 101)],
    step("mark", 60), step("reset", 65), step("reattach", 70, message="waiting for\x1b[2J it"), step("verify", 80),
    step("confirm", 90), step("final", 95),
]
LINES = """\
check
inspect: 1.0.0 is active
upload 0 % (0 B of 1000 B)
upload 10 % (100 B of 1000 B)
upload 20 % (200 B of 1000 B)
upload 30 % (300 B of 1000 B)
upload 40 % (400 B of 1000 B)
upload 50 % (500 B of 1000 B)
upload 60 % (600 B of 1000 B)
upload 70 % (700 B of 1000 B)
upload 80 % (800 B of 1000 B)
upload 90 % (900 B of 1000 B)
upload 100 % (1000 B of 1000 B)
mark
reset
reattach: waiting for\\x1b[2J it
verify
confirm
final
Updated: 2.0.0 (ab12cd34) is active and confirmed.
"""


def test_progress_lines(put, ctl, image):
    put.on("Update", *STEPS, done())
    result = ctl("firmware", "update", image)
    assert (result.code, result.err, result.out) == (0, "", LINES)


def test_progress_json(put, ctl, image):
    put.on("Update", *STEPS, done())
    result = ctl("--json", "firmware", "update", image)
    assert [json.loads(line) for line in result.out.splitlines()] == [*STEPS, done()]


def test_progress_quiet(put, ctl, image):
    put.on("Update", *STEPS, done())
    assert ctl("--quiet", "firmware", "update", image).out == ""


def test_lines_are_not_held_back(put, ctl, image):
    put.on("Update", step("check", 0), Later("List"), done())
    process = ctl.start("firmware", "update", image)
    assert process.stdout.readline() == b"check\n"
    put.on("List", {"devices": []})
    assert ctl("list").code == 0
    assert process.communicate(timeout=60)[0].startswith(b"Updated")


FAILURES = [
    ("NotBooted", {"device": "rack-1", "reason": "reverted", "expected": "2.0.0", "running": "1.0.0", "message": "it went back"}, 7),
    ("DeviceGone", {"device": "rack-1", "step": "upload", "message": "unplugged"}, 5),
    ("DeviceError", {"device": "rack-1", "group": 1, "rc": 28, "step": "mark", "message": "the board refuses"}, 6),
]


@pytest.mark.parametrize("name,parameters,code", FAILURES)
def test_update_that_fails(put, ctl, image, name, parameters, code):
    put.on("Update", step("upload", 5, 0, 1000), Error(name, **parameters))
    result = ctl("firmware", "update", image)
    assert (result.code, result.err) == (code, f"mcumgrctl: rack-1: {parameters['message']}\n")
    as_json = ctl("--json", "firmware", "update", image)
    assert as_json.code == code and as_json.err == ""
    assert [json.loads(line) for line in as_json.out.splitlines()] == [
        step("upload", 5, 0, 1000), {"error": f"io.mcumgr.{name}", "parameters": parameters}]


def test_daemon_dies_while_updating(put, ctl, image):
    put.on("Update", step("upload", 5, 0, 1000), Close())
    result = ctl("-d", "rack-1", "firmware", "update", image)
    assert result.code == 9 and "rack-1: the daemon on" in result.err and "closed the connection" in result.err
    assert result.err.endswith("\n  Once it runs again, mcumgrctl job watch 7 tells what became of the board.\n")


# ---- Ctrl-C ----

CANCELLED = Error("Cancelled", device="rack-1", step="upload", message="cancelled while uploading; 1.0.0 still runs")


@pytest.fixture
def updating(put, ctl, image):
    """An update that stands still in its upload until something else is called."""
    def start(*replies, argv=()):
        put.on("JobCancel", {}).on("Update", step("check", 0), *replies)
        process = ctl.start(*argv, "firmware", "update", image)
        assert process.stdout.readline()
        return process
    return start


def test_interrupt_cancels_and_tells(put, updating):
    process = updating(Later("JobCancel"), step("upload", 9, 10, 1000), CANCELLED)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == b"upload 1 % (10 B of 1000 B)\n"
    assert err == (b"mcumgrctl: cancelling at the next safe step; Ctrl-C again leaves at once\n"
                   b"mcumgrctl: rack-1: cancelled while uploading; 1.0.0 still runs\n")
    assert put.calls[2:] == [("JobCancel", {"job": "7"}, False)]


def test_interrupt_as_json(put, updating):
    process = updating(Later("JobCancel"), CANCELLED, argv=["--json"])
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert json.loads(out) == {"error": "io.mcumgr.Cancelled", "parameters": CANCELLED.parameters}


def test_interrupt_that_is_too_late(put, updating):
    process = updating(Later("JobCancel"), done())
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, OUTCOMES["updated"].encode() + b"\n")


def test_interrupt_of_a_job_that_just_ended(put, updating):
    process = updating(Later("JobCancel"), Later("List"), done())
    put.on("JobCancel", Error("NoSuchJob", job="7", message="there is no job 7"))
    process.send_signal(signal.SIGINT)
    put.wait_call("JobCancel")
    put.calls.append(("List", {}, False))
    with put.changed:
        put.changed.notify_all()
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0 and b"there is no job" not in err


def test_second_interrupt_leaves(put, updating):
    process = updating(Open())
    process.send_signal(signal.SIGINT)
    put.wait_call("JobCancel")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    put.wait(lambda: put.connections == 0, "the connections to close")


def test_interrupt_before_the_job_has_a_name(put, ctl, image):
    put.on("JobCancel", {}).on("Update", Later("List"), step("check", 0), Later("JobCancel"), CANCELLED).on("List", {"devices": []})
    process = ctl.start("firmware", "update", image)
    put.wait_call("Update")
    process.send_signal(signal.SIGINT)
    assert process.stderr.readline().startswith(b"mcumgrctl: cancelling")
    ctl("list")
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert put.calls[-1] == ("JobCancel", {"job": "7"}, False)


def test_interrupt_of_a_plain_call(daemon, ctl):
    process = ctl.start("-d", "rack-1", "image", "erase")
    daemon.wait_call("ImageErase")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, b"", b"mcumgrctl: rack-1: interrupted before the board's answer\n")


def test_interrupt_of_watch(daemon, ctl):
    daemon.on("Watch", {"event": "current", "number": 1, "time": "2026-01-02T03:04:05.678Z"}, Open())
    process = ctl.start("watch")
    daemon.wait_call("Watch")
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=60) == (b"", b"") and process.returncode == 130


# ---- jobs without their caller ----

def test_detach(put, ctl, image):
    put.on("Update", step("check", 0), Open())
    result = ctl("--detach", "firmware", "update", image)
    assert (result.code, result.err) == (0, "")
    assert result.out == "Job 7 runs in the daemon. Follow it with: mcumgrctl job watch 7\n"
    assert put.calls[1] == ("Update", {"file": FILE, "detached": True}, True)


def test_detach_json(put, ctl, image):
    put.on("ImageUpload", step("upload", 0, 0, 5), Open())
    result = ctl("--json", "image", "upload", image, "--detach")
    assert (result.code, json.loads(result.out)) == (0, step("upload", 0, 0, 5))


def job(state, step_, percent, **more):
    return {"job": {"id": "7", "kind": "update", "device": "rack-1", "state": state, "step": step_, "percent": percent,
                    "detached": True, "started": "2026-01-01T00:00:00.000Z", **more}}


def test_job_watch(daemon, ctl):
    replies = [job("running", "upload", 5, doneBytes=0, totalBytes=10), job("running", "reset", 50),
               job("done", "done", 100, outcome="updated", hash=HASH, version="2.0.0")]
    daemon.on("JobWatch", *replies)
    result = ctl("job", "watch", "7")
    assert (result.code, result.err) == (0, "")
    assert result.out == "upload 0 % (0 B of 10 B)\nreset\nUpdated: 2.0.0 (ab12cd34) is active and confirmed.\n"
    assert daemon.calls == [("JobWatch", {"job": "7"}, True)]
    assert [json.loads(line) for line in ctl("--json", "job", "watch", "7").out.splitlines()] == replies


def test_job_watch_of_a_failure(daemon, ctl):
    parameters = {"device": "rack-1", "reason": "reverted", "expected": "2.0.0", "message": "it went back", "hint": "look"}
    replies = [job("failed", "verify", 80, error={"error": "io.mcumgr.NotBooted", "parameters": parameters})]
    daemon.on("JobWatch", *replies)
    result = ctl("job", "watch", "7")
    assert (result.code, result.out, result.err) == (7, "", "mcumgrctl: rack-1: it went back\n  look\n")
    as_json = ctl("--json", "job", "watch", "7")
    assert as_json.code == 7 and [json.loads(line) for line in as_json.out.splitlines()] == replies


def test_job_watch_of_no_job(daemon, ctl):
    daemon.on("JobWatch", Error("NoSuchJob", job="7", message="there is no job 7"))
    assert ctl("job", "watch", "7").err == "mcumgrctl: there is no job 7\n"


def test_interrupt_of_job_watch_leaves_the_job(daemon, ctl):
    daemon.on("JobWatch", job("running", "upload", 5), Open())
    process = ctl.start("job", "watch", "7")
    assert process.stdout.readline() == b"upload\n"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, b"The job goes on.\n", b"")
    assert daemon.methods() == ["JobWatch"]
