# SPDX-License-Identifier: MIT
"""tty = yes and the trace with real firmware: its shell in a terminal program while SMP goes on over the same port."""

import os
import select
import time
import tty

import pytest

from .test_console import echo_loop

DEADLINE = 60


@pytest.fixture
def shell(board, daemon):
    running = daemon({"b": board("shell").tty + ",tty=yes"})
    running.wait("b")
    return running


class Terminal:
    def __init__(self, daemon):
        self.fd = os.open(daemon.socket.parent / "dev" / "b", os.O_RDWR | os.O_NOCTTY)
        tty.setraw(self.fd)
        self.text = b""

    def expect(self, text):
        end = time.monotonic() + DEADLINE
        while text not in self.text:
            assert select.select([self.fd], [], [], max(0, end - time.monotonic()))[0], self.text
            self.text += os.read(self.fd, 4096)

    def type_until(self, keys, text):
        """What is printed reaches who has it open, once the daemon has seen that somebody has."""
        end = time.monotonic() + DEADLINE
        while text not in self.text and time.monotonic() < end:
            os.write(self.fd, keys)
            until = time.monotonic() + 1
            while text not in self.text and time.monotonic() < until:
                if select.select([self.fd], [], [], 0.1)[0]:
                    self.text += os.read(self.fd, 4096)
        assert text in self.text, self.text


def test_the_shell_in_a_terminal_while_echoes_run(shell):
    terminal = Terminal(shell)
    try:
        terminal.type_until(b"\r", b"uart:~$ ")
        with echo_loop(shell, "b") as seen:
            turns = 0
            while turns < 5 or len(seen) <= 3:
                turns += 1
                terminal.text = b""
                os.write(terminal.fd, b"kernel version\r")
                terminal.expect(b"Zephyr version 4")
                terminal.expect(b"uart:~$ ")
                assert b"not found" not in terminal.text and b"\x06\x09" not in terminal.text
    finally:
        os.close(terminal.fd)


def test_the_trace_of_a_real_board(shell):
    with shell.api() as api:
        api.call("Echo", device="b", text="hello")
        entries = api.call("Trace", device="b")["entries"]
    sent, received = [e for e in entries if e.get("commandName") == "Echo"][-2:]
    assert (sent["kind"], received["kind"], received["rc"]) == ("sent", "received", 0)
    assert received["sequence"] == sent["sequence"] and received["roundTripUs"] > 0
    result = shell.cli("trace", "-n", "2", "b", as_json=False)
    assert result.code == 0 and "> write OS Echo" in result.out and "< write OS Echo" in result.out
