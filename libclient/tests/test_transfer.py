# SPDX-License-Identifier: MIT
"""fs upload and fs download: names, pieces, progress, and what is left behind when they fail."""

import base64
import json
import os
import signal

import pytest

from fake_daemon import Error, Open

DATA = bytes(range(256)) * 5


def b64(data):
    return base64.b64encode(data).decode()


def piece(offset, data, size=len(DATA)):
    return {"job": "7", "offset": offset, "size": size, "data": b64(data)}


def written(done, **more):
    return {"job": "7", "doneBytes": done, "totalBytes": len(DATA), **more}


GONE = Error("DeviceGone", device="rack-1", step="download", message="/lfs1/a: the board went away")


@pytest.fixture
def local(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(DATA)
    return path


@pytest.mark.parametrize("remote,path", [("/lfs1/x", "/lfs1/x"), ("/lfs1/", "/lfs1/a.bin"), ("/", "/a.bin")])
def test_upload(daemon, ctl, local, remote, path):
    daemon.on("FileWrite", written(500), written(len(DATA), verified="sha256"))
    result = ctl("-d", "rack-1", "-t", "2s", "fs", "upload", str(local), remote)
    assert (result.code, result.err) == (0, "")
    assert result.out.splitlines() == ["upload 39 % (500 B of 1.2 KiB)", f"1280 bytes written to {path}, sha256 compared"]
    assert daemon.calls == [("FileWrite", {"device": "rack-1", "path": path, "data": b64(DATA), "timeoutMs": 2000}, True)]


def test_upload_of_standard_input_as_json(daemon, ctl):
    daemon.on("FileWrite", written(500), written(len(DATA)))
    result = ctl("--json", "fs", "upload", "-", "/lfs1/x", input=DATA)
    assert [json.loads(line) for line in result.out.splitlines()] == [written(500), written(len(DATA))]
    assert daemon.calls[0][1]["data"] == b64(DATA)


def test_upload_without_a_checksum_says_so(daemon, ctl, local):
    daemon.on("FileWrite", written(len(DATA)))
    assert ctl("fs", "upload", str(local), "/x").out == "1280 bytes written to /x; not compared, for the board has no checksums\n"
    assert ctl("-q", "fs", "upload", str(local), "/x").out == ""


@pytest.mark.parametrize("argv,code,says", [
    (["upload", "-", "/lfs1/"], 2, "/lfs1/ is a directory, and the standard input has no name to add"),
    (["upload", "none", "/x"], 1, "cannot read none: No such file or directory"),
    (["upload", "/dev/null"], 2, "REMOTE"),
    (["download", "/lfs1/", "x"], 2, "/lfs1/ names no file"),
    (["download", "/lfs1/a", "none/x"], 1, "cannot write none/x: No such file or directory"),
    (["--all", "download", "/lfs1/a", "x"], 2, "with --all the files of all boards would be written to x"),
    (["--detach", "upload", "/dev/null", "/x"], 2, "fs upload has no use for --detach"),
])
def test_what_cannot_be_is_told_before_the_board_is_asked(daemon, ctl, tmp_path, monkeypatch, argv, code, says):
    monkeypatch.chdir(tmp_path)
    words = argv[1:] if argv[0].startswith("--") else argv
    result = ctl(*argv[:len(argv) - len(words)], "fs", *words)
    assert result.code == code and says in result.err, result
    assert daemon.calls == [] and os.listdir(tmp_path) == []


def test_a_file_too_large_is_not_sent(daemon, ctl, tmp_path):
    with open(tmp_path / "big", "wb") as file:
        file.truncate((4 << 20) + 1)
    result = ctl("fs", "upload", str(tmp_path / "big"), "/x")
    assert result.code == 1 and "has 4194305 bytes: mcumgrd writes files up to 4 MiB" in result.err and daemon.calls == []


@pytest.mark.parametrize("target,path", [("b.bin", "b.bin"), ("dir", "dir/a"), ("dir/", "dir/a"), ("link", "linked")])
def test_download(daemon, ctl, tmp_path, monkeypatch, target, path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dir").mkdir()
    (tmp_path / "link").symlink_to("linked")
    (tmp_path / "linked").write_bytes(b"old")
    daemon.on("FileRead", piece(0, DATA[:1000]), piece(1000, DATA[1000:]))
    result = ctl("fs", "download", "/lfs1/a", target)
    assert (result.code, result.err) == (0, "")
    first, last = result.out.splitlines()
    assert first == "download 78 % (1000 B of 1.2 KiB)"
    assert last.startswith("1280 bytes written to ") and last.endswith(path)
    assert (tmp_path / path).read_bytes() == DATA and (tmp_path / path).stat().st_mode & 0o777 == 0o666 & ~umask()
    assert (tmp_path / "link").is_symlink()
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".")]
    assert daemon.calls == [("FileRead", {"path": "/lfs1/a"}, True)]


def umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_download_to_standard_output_is_the_file_and_nothing_else(daemon, ctl):
    daemon.on("FileRead", piece(0, b"text\n", 9), piece(5, b"more", 9))
    assert ctl("fs", "download", "/lfs1/a", "-").out == "text\nmore"


def test_download_as_json(daemon, ctl, tmp_path):
    daemon.on("FileRead", piece(0, DATA[:1000]), piece(1000, DATA[1000:]))
    result = ctl("--json", "fs", "download", "/lfs1/a", str(tmp_path / "x"))
    assert [json.loads(line) for line in result.out.splitlines()] == [written(1000), written(len(DATA))]
    assert (tmp_path / "x").read_bytes() == DATA
    result = ctl("--json", "fs", "download", "/lfs1/a", "-")
    assert [json.loads(line) for line in result.out.splitlines()] == [piece(0, DATA[:1000]), piece(1000, DATA[1000:])]


def test_an_empty_file(daemon, ctl, tmp_path):
    daemon.on("FileRead", piece(0, b"", 0))
    assert ctl("fs", "download", "/lfs1/a", str(tmp_path / "x")).code == 0
    assert (tmp_path / "x").read_bytes() == b""


@pytest.mark.parametrize("replies,code,says", [
    ((piece(0, DATA[:1000]), GONE), 5, "the board went away"),
    ((piece(0, DATA[:1000]), piece(900, DATA[900:])), 9, "do not fit together"),
    (({**piece(0, b""), "data": "A"},), 9, "do not fit together")])
def test_a_download_that_fails_leaves_what_was_there(daemon, ctl, tmp_path, replies, code, says):
    (tmp_path / "x").write_bytes(b"old")
    daemon.on("FileRead", *replies)
    result = ctl("-d", "rack-1", "fs", "download", "/lfs1/a", str(tmp_path / "x"))
    assert result.code == code and says in result.err, result
    assert os.listdir(tmp_path) == ["x"] and (tmp_path / "x").read_bytes() == b"old"


def test_what_is_no_file_is_written_at_once(daemon, ctl):
    daemon.on("FileRead", piece(0, DATA))
    assert ctl("fs", "download", "/lfs1/a", "/dev/null").code == 0
    full = ctl("fs", "download", "/lfs1/a", "/dev/full")
    assert full.code == 1 and full.err == "mcumgrctl: cannot write /dev/full: No space left on device\n"
    assert os.path.exists("/dev/null") and not os.path.isfile("/dev/null")


def test_interrupt_cancels_by_closing(daemon, ctl, tmp_path):
    daemon.on("FileRead", piece(0, DATA[:1000]), Open())
    process = ctl.start("fs", "download", "/lfs1/a", str(tmp_path / "x"))
    assert process.stdout.readline().startswith(b"download")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130 and b"interrupted" in err
    assert os.listdir(tmp_path) == []
    daemon.wait(lambda: daemon.connections == 0, "the connection to close")
