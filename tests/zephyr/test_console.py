# SPDX-License-Identifier: MIT
"""The console of real firmware, and typing to its shell while SMP goes on over the same port."""

import base64
import contextlib
import os
import select
import signal
import subprocess
import threading
import time

import pytest

from . import harness
from .boards import die_with_parent

DEADLINE = 60


def encode(data):
    return base64.b64encode(data).decode()


class Console:
    """What a board prints from now on, put together from the pieces of the stream."""

    def __init__(self, daemon, name):
        self.api = daemon.api()
        self.text = ""
        self.replies = self.api.stream("Console", device=name, follow=True, backlog=0)
        next(self.replies)

    def expect(self, text, times=1):
        while self.text.count(text) < times:
            for line in next(self.replies)["lines"]:
                self.text += line["text"] + ("" if line.get("partial") else "\n")
        return self.text


@contextlib.contextmanager
def echo_loop(daemon, name):
    """Echoes without a pause; yields the list of what came back."""
    stop, seen = threading.Event(), []

    def run():
        with daemon.api() as api:
            while not stop.is_set():
                api.send("Echo", device=name, text="x" * 100)
                seen.append(api.receive())

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield seen
    finally:
        stop.set()
        thread.join()
    assert all(reply == {"parameters": {"text": "x" * 100}} for reply in seen), \
        [reply for reply in seen if "error" in reply]


@pytest.fixture
def shell(board, daemon):
    running = daemon({"b": board("shell").tty})
    running.wait("b")
    return running


def test_a_command_is_typed_while_echoes_run(shell):
    console = Console(shell, "b")
    with echo_loop(shell, "b") as seen, shell.api() as api:
        for turn in range(10):
            console.text = ""
            for _ in range(turn % 3):  # typed at another moment of the loop
                api.call("Echo", device="b", text="y")
            api.call("ConsoleWrite", device="b", data=encode(b"kernel version\r\n"))
            console.expect("Zephyr version 4")
            console.expect("uart:~$")
            assert "not found" not in console.text and "wrong parameter" not in console.text
    assert len(seen) > 3


def test_the_first_key_may_be_enter(shell):
    """The daemon's own newline, which ends a half line before its first request, makes Zephyr's shell take a CR for the second
    half of a line's end. Each Enter gives a prompt, and one."""
    console = Console(shell, "b")
    with shell.api() as api:
        for turn in range(1, 4):
            api.call("ConsoleWrite", device="b", data=encode(b"\r"))
            console.expect("uart:~$", turn)
            api.call("Echo", device="b", text="between")
        api.call("ConsoleWrite", device="b", data=encode(b"\r\nkernel uptime\r\n"))
        console.expect("Uptime: ")
    assert console.text.count("uart:~$") <= 7, console.text


def test_keys_come_one_by_one_between_echoes(shell):
    """Each key has a request behind it: a shell keeps its half line, and hears the frame."""
    console = Console(shell, "b")
    with shell.api() as api:
        for key in "kernel version\r":
            api.call("ConsoleWrite", device="b", data=encode(key.encode()))
            assert api.call("Echo", device="b", text=key * 50) == {"text": key * 50}
        console.expect("Zephyr version 4")
    assert "not found" not in console.text


def test_a_board_without_a_shell_has_its_line_ended(board, daemon):
    """Its SMP takes lines: text in front of a frame costs the frame, once."""
    running = daemon({"b": board("serial_bigrx").tty + ",timeout_ms=3000"})
    running.wait("b")
    with running.api() as api:
        for turn in range(5):
            api.call("ConsoleWrite", device="b", data=encode(b"half a line"))
            begin = time.monotonic()
            assert api.call("Echo", device="b", text="x") == {"text": "x"}
            if turn:
                assert time.monotonic() - begin < 3, "the request was lost again"
            api.call("ConsoleWrite", device="b", data=encode(b"another"))
            reply = api.call("ShellExecute", device="b", arguments=["kernel", "version"])
            assert reply["status"] == 0


def test_the_command_line_is_a_terminal_on_the_board(shell):
    """Through a pipe, with the bytes as the shell printed them."""
    process = subprocess.Popen(
        [str(harness.client_program()), "--socket", str(shell.socket), "console", "-i", "b"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        preexec_fn=die_with_parent)
    shown, end = b"", time.monotonic() + DEADLINE
    with echo_loop(shell, "b"):
        process.stdin.write(b"kernel version\r")
        process.stdin.flush()
        while b"Zephyr version 4" not in shown or not shown.endswith(b"uart:~$ \x1b[m"):
            assert select.select([process.stdout], [], [], max(0, end - time.monotonic()))[0], shown
            shown += os.read(process.stdout.fileno(), 4096)
    process.send_signal(signal.SIGINT)
    assert process.wait(DEADLINE) == 130
    assert process.stderr.read() == b""
    for pipe in (process.stdin, process.stdout, process.stderr):
        pipe.close()


def test_the_command_line_shows_it_without_control_sequences(shell):
    console = Console(shell, "b")
    with shell.api() as api:
        api.call("ConsoleWrite", device="b", data=encode(b"kernel uptime\r"))
    console.expect("Uptime: ")
    result = shell.cli("console", "b", as_json=False)
    assert result.code == 0 and "\nUptime: " in result.out and "\x1b" not in result.out
