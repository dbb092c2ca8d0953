# SPDX-License-Identifier: MIT
"""What a person sees: bars that redraw in place, blocks for --all, nothing that a board could do to the terminal."""

import pytest

from fake_daemon import Error, Later, Open
from test_all import device
from test_jobs import CANCELLED, FILE, IMAGE, done, step


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "zephyr.bin"
    path.write_bytes(IMAGE)
    return str(path)


@pytest.fixture
def go(daemon):
    """Lets the replies behind the n-th Later("FileClose") come."""
    def one():
        daemon.calls.append(("FileClose", {}, False))
        with daemon.changed:
            daemon.changed.notify_all()
    return one


def pauses(*replies):
    n = 0
    for reply in replies:
        if reply is None:
            n += 1
            yield Later("FileClose", n)
        else:
            yield reply


def bar(share, width=40):
    return "[" + "#" * (width * share // 100) + "." * (width - width * share // 100) + f"] {share:3} %"


def test_bar(daemon, terminal, image, go):
    daemon.on("ImagePut", {"hash": FILE})
    daemon.on("Update", *pauses(step("check", 0), None, step("upload", 25, 5000, 20000), None, step("reset", 80, message="now"),
                                None, done()))
    t = terminal("firmware", "update", image)
    t.expect(f"check       {bar(0)}")
    go()
    t.expect(f"upload      {bar(25)}  4.9 KiB of 19.5 KiB")
    go()
    assert t.expect(f"reset       {bar(80)}").rstrip().endswith("  now")
    go()
    assert t.finish() == 0
    assert t.shown.text() == "Updated: 2.0.0 (ab12cd34) is active and confirmed.\n"
    # One line in place: never more than it and the line of the cursor.
    assert all(text.count("\n") <= 1 for text in t.history)


@pytest.mark.parametrize("columns", [10, 20, 30, 40, 60, 80, 200])
def test_width(daemon, terminal, image, columns, go):
    daemon.on("ImagePut", {"hash": FILE}).on("Update", *pauses(step("upload", 50, 5000, 10000), None, done()))
    t = terminal("firmware", "update", image, columns=columns)
    t.expect("50 %")
    line = t.shown.text().strip()
    assert len(line) < columns and ("[#" in line) == (columns >= 40)
    go()
    assert t.finish() == 0


def test_waiting_is_shown(daemon, terminal, go):
    daemon.on("ImageErase", *pauses(None, {}))
    t = terminal("image", "erase")
    t.expect("image erase: waiting for the board  0:01")
    go()
    assert t.finish() == 0
    assert t.shown.text() == ""


def test_block(daemon, terminal, image, go):
    daemon.on("ImagePut", {"hash": FILE}).on("List", {"devices": [device("left"), device("right-most")]})
    error = Error("TimedOut", device="left", message="no answer")
    daemon.on("Update", lambda p: list(pauses(step("upload", 20, 1, 5), None, error if p["device"] == "left" else None, done())))
    t = terminal("--all", "firmware", "update", image, columns=110)
    t.expect(f"left        upload      {bar(20)}  1 B of 5 B\nright-most  upload      {bar(20)}  1 B of 5 B\n")
    go()
    t.expect("mcumgrctl: left: no answer\nleft        TimedOut: no answer\nright-most  upload")
    go()
    assert t.finish() == 5
    assert t.shown.text() == """\
mcumgrctl: left: no answer
DEVICE     RESULT   DETAIL
left       TimedOut no answer
right-most updated  Updated: 2.0.0 (ab12cd34) is active and confirmed.
"""


def test_block_fits_the_screen(daemon, terminal, image, go):
    daemon.on("ImagePut", {"hash": FILE}).on("List", {"devices": [device(f"b{n}") for n in range(30)]})
    daemon.on("Update", lambda p: list(pauses(step("check", 0), None, done())))
    t = terminal("--all", "firmware", "update", image, lines=10)
    t.expect("... and 22 more; 0 of 30 have ended")
    assert t.shown.text().count("\n") == 9
    go()
    assert t.finish() == 0
    assert t.shown.text().count("updated") == 30


def test_interrupt_by_key(daemon, terminal, image):
    daemon.on("ImagePut", {"hash": FILE}).on("JobCancel", {})
    daemon.on("Update", step("upload", 20, 1, 5), Later("JobCancel"), CANCELLED)
    t = terminal("firmware", "update", image)
    t.expect("upload")
    t.interrupt()
    assert t.finish() == 130
    assert t.shown.text().replace("^C", "") == (
        "mcumgrctl: cancelling at the next safe step; Ctrl-C again leaves at once\n"
        "mcumgrctl: rack-1: cancelled while uploading; 1.0.0 still runs\n")


EVIL = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202e\x7f\r"


def test_evil_board(daemon, terminal, image):
    """The screen of these tests fails on any control that is not the program's own."""
    daemon.on("List", {"devices": [device("rack-1", reason=EVIL, version=EVIL, tty=EVIL, name=EVIL)]})
    daemon.on("ShellExecute", {"output": EVIL, "status": 0}).on("Echo", Error("DeviceError", device=EVIL, rc=1, message=EVIL, hint=EVIL))
    daemon.on("ImagePut", {"hash": FILE}).on("Update", step("check", 0, message=EVIL), done(EVIL))
    for argv in (["list"], ["shell", "x"], ["os", "echo", "x"], ["firmware", "update", image], ["--json", "list"],
                 ["--all", "os", "echo", "x"], ["--all", "firmware", "update", image], ["-d", EVIL, "os", "echo", "x"]):
        t = terminal(*argv)
        t.finish()
        assert "owned" in t.shown.text()


def test_ascii_terminal(daemon, terminal):
    daemon.on("Echo", {"text": "gr\u00fcn \U0001f600"})
    t = terminal("os", "echo", "x", LC_ALL="C")
    assert t.finish() == 0 and t.shown.text() == "gr\\u00fcn \\U0001f600\n"
    t = terminal("--json", "os", "echo", "x", LC_ALL="C")
    assert t.finish() == 0 and t.shown.text() == '{"text":"gr\\u00fcn \\ud83d\\ude00"}\n'


@pytest.mark.parametrize("name", ["gr\u00fcn", "Pr\u00fcfling \u21167", "\u6f22\u5b57", "a\u0378\ue000b", "\U0001f600"])
def test_tables_in_files_are_the_same_in_any_locale(daemon, ctl, name):
    """As in cron's, which knows of no characters but ASCII."""
    daemon.on("List", {"devices": [device("rack-1", name=name, state="broken", reason=f"{name} is worn out")]})
    written = ctl("list")
    assert written.code == 0 and f"{name} is worn out" in written.out
    assert ctl("list", env={"LC_ALL": "C"}).out == written.out


def test_dumb_terminal_gets_lines(daemon, terminal, image):
    daemon.on("ImagePut", {"hash": FILE}).on("Update", step("check", 0), step("reset", 50), done())
    t = terminal("firmware", "update", image, TERM="dumb")
    assert t.finish() == 0
    assert t.shown.text() == "check\nreset\nUpdated: 2.0.0 (ab12cd34) is active and confirmed.\n" and b"\x1b" not in t.raw


def test_table_fits_the_width(daemon, terminal):
    reason = "held by another program " * 4
    daemon.on("List", {"devices": [device("rack-1", reason=reason.strip())]})
    t = terminal("list", columns=60)
    assert t.finish() == 0
    header, *rows = t.shown.text().rstrip("\n").split("\n")
    at = header.index("REASON")
    assert all(len(row) <= 60 for row in rows)
    assert "".join(row[at:].rstrip() + " " for row in rows).strip() == reason.strip()
