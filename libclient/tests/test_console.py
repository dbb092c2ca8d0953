# SPDX-License-Identifier: MIT
"""console: lines as they are safe to show, raw where asked for, and the keyboard of a board."""

import base64
import fcntl
import os
import pty
import select
import signal
import subprocess
import termios
import time

import pytest

from conftest import environment, program
from fake_daemon import Close, Error, Later, Open

DEADLINE = 60
TIME = "2026-01-02T03:04:05.678Z"


def b64(data):
    return base64.b64encode(data).decode()


def line(number, text, raw=None, partial=False):
    return {"number": number, "time": TIME, "text": text, **({"bytes": b64(raw)} if raw is not None else {}),
            **({"partial": True} if partial else {})}


COLOURED = line(2, "uart:~$ ", b"\x1b[1;32muart:~$ \x1b[m")
NOISE = line(3, "a\ufffd\ufffdb", b"a\xff\x07b")


@pytest.mark.parametrize("words, replies, shown", [
    ([], [{"lines": []}], ""),
    ([], [{"lines": [line(1, "one"), COLOURED, NOISE]}], "one\nuart:~$ \na\ufffd\ufffdb\n"),
    (["--raw"], [{"lines": [line(1, "one"), COLOURED, NOISE]}], b"one\n\x1b[1;32muart:~$ \x1b[m\na\xff\x07b\n"),
    # Pieces are put together again, over replies and over the numbers of a line that was cut.
    ([], [{"lines": [line(1, "ab", partial=True)]}, {"lines": [line(1, "cd"), line(2, "e", partial=True), line(3, "f")]}],
     "abcd\nef\n"),
    ([], [{"lines": [line(1, "uart:~$ ", partial=True)]}], "uart:~$ \n"),
    (["--raw"], [{"lines": [line(1, "uart:~$ ", partial=True)]}], b"uart:~$ "),
    # What the ring has lost.
    ([], [{"lines": [line(8, "x")], "dropped": 7}], "(7 lines are lost)\nx\n"),
    ([], [{"lines": [line(1, "x", partial=True)]}, {"lines": [line(2, "y")], "dropped": 1}], "x\n(1 line is lost)\ny\n"),
    (["--raw"], [{"lines": [line(8, "x")], "dropped": 7}], b"x\n"),
    # With times, once a line, and what a line tells of.
    (["--time"], [{"lines": [line(1, "a", partial=True), line(1, "b"), {**line(2, "*** Booting"), "mark": "boot"}]}],
     "03:04:05.678 ab\n03:04:05.678 [boot] *** Booting\n"),
    # A daemon that talks nonsense cannot harm the terminal either.
    ([], [{"lines": [line(1, "\x1b]0;title\x07\u202etxt", b"?")]}], "\\x1b]0;title\\x07\\u202etxt\n"),
    (["--raw"], [{"lines": [{**line(1, "text"), "bytes": "not base64"}]}], b"text\n"),
])
def test_lines(daemon, words, replies, shown):
    daemon.on("Console", *replies)
    done = subprocess.run([program(), "console", *words], capture_output=True, timeout=DEADLINE, env=environment(daemon.path))
    nothing = b"mcumgrctl: the board has printed nothing that is kept\n" if replies == [{"lines": []}] and not words else b""
    assert (done.returncode, done.stderr) == (0, nothing)
    assert done.stdout == (shown if isinstance(shown, bytes) else shown.encode())


@pytest.mark.parametrize("words, parameters", [
    (["console"], {}),
    (["console", "a"], {"device": "a"}),
    (["-d", "a", "console"], {"device": "a"}),
    (["console", "--device", "a"], {"device": "a"}),
    (["console", "-f", "-n", "5", "a"], {"device": "a", "follow": True, "backlog": 5}),
    (["console", "--follow", "--lines=0"], {"follow": True, "backlog": 0}),
    (["console", "-i"], {"follow": True, "backlog": 0}),
    (["console", "--port", "2", "a"], {"device": "a", "port": 2}),
    (["console", "-i", "-n", "20", "a"], {"device": "a", "follow": True, "backlog": 20}),
])
def test_what_is_asked_for(daemon, ctl, words, parameters):
    daemon.on("Console", {"lines": []})
    assert ctl(*words).code == 0
    assert daemon.calls == [("Console", parameters, True)]


@pytest.mark.parametrize("words, problem", [
    (["-d", "a", "console", "b"], "named twice"),
    (["console", "--json", "-i"], "--json and --interactive exclude each other"),
    (["console", "--json", "--raw"], "--json and --raw exclude each other"),
    (["console", "--time", "--raw"], "--time excludes"),
    (["--json", "console", "--time"], "--time excludes"),
    (["--all", "console"], "no use for --all"),
    (["console", "-n", "-1"], "-n"),
    (["console", "a", "b"], "no use for the argument 'b'"),
])
def test_misuse(daemon, ctl, words, problem):
    result = ctl(*words)
    assert result.code == 2 and problem in result.err + result.out and not daemon.calls


def test_json_is_what_the_daemon_said(daemon, ctl):
    daemon.on("Console", {"lines": [COLOURED], "dropped": 3})
    assert ctl("--json", "console").out.count("\n") == 1


def test_who_asks_for_no_line_is_not_told_that_there_is_none(daemon, ctl):
    daemon.on("Console", {"lines": []})
    assert (ctl("console", "-n", "0").err, ctl("console", "-n0").err) == ("", "")


def test_follow_ends_by_interrupt(daemon, ctl):
    daemon.on("Console", {"lines": [line(1, "one")]}, Open())
    process = ctl.start("console", "-f")
    assert process.stdout.readline() == b"one\n"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=DEADLINE)
    assert (process.returncode, out, err) == (130, b"", b"")


# ---- the keyboard ----


SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGABRT]


def as_a_shell_starts_it():
    """The terminal is its own, and no signal is ignored because the tests run under nohup."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)


class Keyboard:
    """mcumgrctl console -i on a terminal, and what a fake board is typed."""

    def __init__(self, daemon, *words, start=True):
        self.daemon = daemon
        self.master, self.slave = pty.openpty()
        self.before = termios.tcgetattr(self.slave)
        self.shown = b""
        self.process = subprocess.Popen([program(), "console", "-i", *words], stdin=self.slave, stdout=self.slave,
                                        stderr=self.slave, env=environment(daemon.path), start_new_session=True,
                                        preexec_fn=as_a_shell_starts_it)
        if start:
            self.expect(b"Keys go to the board")

    def expect(self, text):
        end = time.monotonic() + DEADLINE
        while text not in self.shown:
            assert select.select([self.master], [], [], max(0, end - time.monotonic()))[0], self.shown
            self.shown += os.read(self.master, 4096)

    def press(self, keys):
        os.write(self.master, keys)

    def typed(self, size):
        """What the board got, once it is so many bytes."""
        end = time.monotonic() + DEADLINE
        with self.daemon.changed:
            while len(self.keys()) < size:
                assert self.daemon.changed.wait(max(0, end - time.monotonic())), self.keys()
        return self.keys()

    def keys(self):
        return b"".join(base64.b64decode(p["data"]) for m, p, _ in self.daemon.calls if m == "ConsoleWrite")

    def is_raw(self):
        return not termios.tcgetattr(self.slave)[3] & (termios.ECHO | termios.ICANON | termios.ISIG)

    def end(self):
        """The exit code; the terminal is as it was."""
        code = self.process.wait(DEADLINE)
        assert termios.tcgetattr(self.slave) == self.before
        return code


@pytest.fixture
def keyboard(daemon):
    started = []

    def start(*words, ends=(Open(),), **more):
        daemon.on("Console", {"lines": [line(1, "uart:~$ ", b"\x1b[1;32muart:~$ \x1b[m", True)]}, *ends)
        if "ConsoleWrite" not in daemon.script:
            daemon.on("ConsoleWrite", {})
        started.append(Keyboard(daemon, *words, **more))
        return started[-1]

    yield start
    for k in started:
        if k.process.poll() is None:
            k.process.kill()
            k.process.wait()
        os.close(k.master)
        os.close(k.slave)


@pytest.mark.parametrize("keys, typed", [
    (b"\x1d", b""),
    (b"~.", b""),
    (b"kernel version\r~.", b"kernel version\r"),
    (b"a~.b\x1d", b"a~.b"),              # not at the beginning of a line
    (b"~~.\r~x\r\x1d", b"~.\r~x\r"),      # ~~ is one, and ~ before any other key is itself
    (b"\x03\x04\x1a\x11\x13\x00\xff\t\x1d", b"\x03\x04\x1a\x11\x13\x00\xff\t"),  # keys that a terminal keeps for itself
    (b"x" * 900 + b"\x1d", b"x" * 900),
])
def test_keys(keyboard, keys, typed):
    k = keyboard()
    assert k.is_raw()
    k.expect(b"\x1b[1;32muart:~$ \x1b[m")  # raw, in this mode
    k.press(keys[:-1])
    assert k.typed(len(typed)) == typed
    k.press(keys[-1:])
    assert k.end() == 0
    assert k.keys() == typed


def test_raw_over_a_pipe_both_ways(daemon):
    """Bytes and nothing else, on standard output; standard error stays empty, whatever the daemon says."""
    daemon.on("Console", {"lines": [line(5, "uart:~$ ", b"\x1b[1;32muart:~$ \x1b[m", True)], "dropped": 4}, Later("ConsoleWrite"),
              {"lines": [line(5, "x", b"x\xff")], "dropped": 1}, Open())
    daemon.on("ConsoleWrite", Error("DeviceUnavailable", device="a", state="absent", message="a is absent"))
    process = subprocess.Popen([program(), "console", "--raw", "-i", "--port", "3"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, env=environment(daemon.path))
    process.stdin.write(b"\x00\xff\r")
    process.stdin.flush()
    shown, expected, end = b"", b"\x1b[1;32muart:~$ \x1b[mx\xff\n", time.monotonic() + DEADLINE
    while len(shown) < len(expected):
        assert select.select([process.stdout], [], [], max(0, end - time.monotonic()))[0], shown
        shown += os.read(process.stdout.fileno(), 4096)
    assert shown == expected
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=DEADLINE)
    assert (process.returncode, out, err) == (130, b"", b"")
    typed = [p for method, p, _ in daemon.calls if method == "ConsoleWrite"]
    assert b"".join(base64.b64decode(p["data"]) for p in typed) == b"\x00\xff\r"
    assert all(p["port"] == 3 for p in typed)


def test_keys_go_to_the_board_that_is_named(keyboard, daemon):
    k = keyboard("rack-3")
    k.press(b"x")
    k.typed(1)
    assert [p["device"] for _, p, _ in daemon.calls] == ["rack-3", "rack-3"]


@pytest.mark.parametrize("number", SIGNALS)
def test_signals_set_the_terminal_back(keyboard, number):
    k = keyboard()
    assert k.is_raw()
    k.process.send_signal(number)
    assert k.end() == (130 if number == signal.SIGINT else -number)


def test_the_end_of_the_daemon_sets_the_terminal_back(keyboard):
    k = keyboard(ends=[Later("ConsoleWrite"), Close()])
    assert k.is_raw()
    k.press(b"x")
    assert k.end() == 9
    k.expect(b"mcumgrctl: ")


def test_an_error_of_the_board_is_told_once_and_ends_nothing(keyboard, daemon):
    daemon.on("ConsoleWrite", Error("DeviceUnavailable", device="a", state="absent", message="a is absent"))
    k = keyboard()
    k.press(b"x")
    k.expect(b"mcumgrctl: not typed: a is absent\r\n")
    k.press(b"y")
    k.typed(2)
    daemon.on("ConsoleWrite", {})
    k.press(b"z\r~.")
    assert k.end() == 0
    assert k.shown.count(b"not typed") == 1


def test_keys_that_find_no_room_are_sent_again(keyboard, daemon):
    answers = [[Error("LimitExceeded", limit="typed", maximum=1, message="full")]] * 2 + [[{}]] * 9
    daemon.on("ConsoleWrite", lambda parameters: answers.pop(0))
    k = keyboard()
    k.press(b"abc")
    assert k.typed(9) == b"abcabcabc"
    k.press(b"\x1d")
    assert k.end() == 0
    assert b"not typed" not in k.shown


def test_a_refused_call_takes_no_terminal(daemon):
    daemon.on("Console", Error("NoSuchDevice", device="q", available=[], message="no board goes by 'q'"))
    k = Keyboard(daemon, "q", start=False)
    k.expect(b"no board goes by 'q'")
    assert k.end() == 3


def test_a_pipe_is_typed_byte_by_byte_and_its_end_ends_nothing(daemon):
    daemon.on("Console", {"lines": []}, Open()).on("ConsoleWrite", {})
    data = b"~.\x1d\x03\x00" + b"0123456789" * 3000
    process = subprocess.Popen([program(), "console", "-i"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               env=environment(daemon.path))
    process.stdin.write(data)
    process.stdin.close()
    end = time.monotonic() + DEADLINE
    with daemon.changed:
        while (typed := b"".join(base64.b64decode(p["data"]) for m, p, _ in daemon.calls if m == "ConsoleWrite")) != data:
            assert daemon.changed.wait(max(0, end - time.monotonic())), len(typed)
    assert max(len(base64.b64decode(p["data"])) for m, p, _ in daemon.calls if m == "ConsoleWrite") <= 4096
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert process.wait(DEADLINE) == -signal.SIGTERM
    assert process.stderr.read() == b""
    process.stdout.close()
    process.stderr.close()


@pytest.mark.parametrize("json_option", [(), ("--json",)])
@pytest.mark.parametrize("more", [True, False])
def test_it_ends_when_nobody_reads_any_more(daemon, json_option, more):
    """As in `console -f | grep -m1 boot`: at once, also when the board prints nothing else, and it is no failure."""
    line = {"number": 1, "time": "2026-01-02T03:04:05.678Z", "text": "boot"}
    daemon.on("Console", {"lines": [line]}, *[{"lines": [line]}] * (50 if more else 0), Open())
    process = subprocess.Popen([program(), *json_option, "console", "-f"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, env=environment(daemon.path))
    assert b"boot" in process.stdout.readline()
    process.stdout.close()
    assert process.wait(DEADLINE) == 0 and process.stderr.read() == b""
    process.stderr.close()
