# SPDX-License-Identifier: MIT
"""Boards that run real Zephyr: native processes and emulated Cortex-M machines.

All are context managers with the same face: `.tty` is the path to give to a client (a
symlink to a pty; it stays the same), `.relay` the cable to it (see relay.py), `.kill()`
ends the board for good (the tty stays: a dead board behind a USB-UART bridge),
`.power_cycle()` switches it off and on (flash survives), and `.unplug()`, `.plug()` pull
and push the cable.

As a program it runs one board until it is interrupted and prints the tty:

    PYTHONPATH=tests python3 -m zephyr.boards serial_bigrx | cortex_m0 | mps2
"""

import json
import os
import queue
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import tty as terminal
from pathlib import Path

from . import firmware
from .relay import Relay

START_TIMEOUT = 60


class Board:
    def __init__(self, name):
        self.name = name
        self.folder = None
        self.relay = None
        self.process = None

    def __enter__(self):
        self.folder = Path(tempfile.mkdtemp(prefix=f"mcumgrd-{self.name}-"))
        try:
            self.relay = Relay(self.folder / "tty")
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error):
        self.kill()
        if self.relay:
            self.relay.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def tty(self):
        return self.relay.tty

    def unplug(self):
        self.relay.unplug()

    def plug(self):
        self.relay.plug()

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def _start(self):
        raise NotImplementedError

    def _log(self):
        path = self.folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def _failed(self, what):
        self.kill()
        return firmware.Unavailable(f"{self.name}: {what}: {self._log().strip()[-400:]}")


def die_with_parent():
    """In the child: no board outlives a test run that was killed (PR_SET_PDEATHSIG)."""
    import ctypes
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


class NativeSim(Board):
    """Zephyr as a Linux process; `build` as in …native_sim_BUILD.exe."""

    PTY = re.compile(r"connected to pseudotty: (\S+)\n")

    def __init__(self, build):
        super().__init__(f"native_sim-{build}")
        self.build = build

    def _start(self):
        program = self.folder / "zephyr.exe"
        if not program.exists():
            shutil.copy(firmware.artifact(f"{firmware.ZEPHYR}_native_sim_{self.build}.exe"),
                        program)
            program.chmod(0o755)
        try:
            self._run(program)
        except FileNotFoundError as error:
            raise firmware.Unavailable(
                "native_sim is a 32-bit program: apt-get install libc6-i386") from error
        self._connect()

    def _run(self, program):
        with open(self.folder / "log", "wb") as log:
            self.process = subprocess.Popen(
                [str(program)], cwd=self.folder, stdin=subprocess.DEVNULL,
                stdout=log, stderr=subprocess.STDOUT, preexec_fn=die_with_parent)

    def _connect(self):
        deadline = time.monotonic() + START_TIMEOUT
        while not (found := self.PTY.search(self._log())):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise self._failed("the process did not name its pty")
            time.sleep(0.005)
        board = os.open(found[1], os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
        terminal.setraw(board)
        self.relay.connect(board)

    def power_cycle(self):
        self.kill()
        self._start()


class Monitor:
    """QEMU's machine protocol (QMP) over a socket; `on_reset` is called for every reset
    of the guest, on a thread of the monitor's own."""

    def __init__(self, sock, on_reset):
        self._sock = sock
        self._file = sock.makefile("rb")
        self._answers = queue.Queue()
        self._on_reset = on_reset
        threading.Thread(target=self._read, daemon=True).start()
        self._answer("greeting")
        self("qmp_capabilities")

    def _read(self):
        try:
            for line in self._file:
                said = json.loads(line)
                if said.get("event") == "RESET":
                    self._on_reset()
                elif "event" not in said:
                    self._answers.put(said)
        except (OSError, ValueError):
            pass
        self._answers.put({"error": {"desc": "the emulator closed its monitor"}})

    def _answer(self, what):
        try:
            answer = self._answers.get(timeout=START_TIMEOUT)
        except queue.Empty:
            answer = {"error": {"desc": "no answer"}}
        if "error" in answer:
            raise ConnectionError(f"{what}: {answer['error']['desc']}")
        return answer

    def __call__(self, command, **arguments):
        request = {"execute": command, "arguments": arguments}
        self._sock.sendall(json.dumps(request).encode() + b"\n")
        return self._answer(command)["return"]

    def close(self):
        self._sock.shutdown(socket.SHUT_RDWR)
        self._sock.close()


KINDS = {
    "cortex_m0": dict(
        machine=["-machine", "microbit", "-cpu", "cortex-m0"], serials=1,
        listens=b"smp_sample: build time", baud=1000000,
        files=[(f"{firmware.ZEPHYR}_qemu_cortex_m0_serial.merged.hex", None)],
        running=f"{firmware.ZEPHYR}_qemu_cortex_m0_serial.signed.bin"),
    "mps2": dict(
        machine=["-machine", "mps2-an385", "-cpu", "cortex-m3"], serials=2,
        files=[(f"{firmware.ZEPHYR_MAIN}_mps2_an385_serial_recovery.hex", None),
               (f"{firmware.ZEPHYR_MAIN}_mps2_an385_serial_recovery.signed.bin", 0x20050000)],
        running=f"{firmware.ZEPHYR_MAIN}_mps2_an385_serial_recovery.signed.bin"),
    "mps2_raw": dict(
        machine=["-machine", "mps2-an385", "-cpu", "cortex-m3"], serials=2,
        files=[(f"{firmware.ZEPHYR_MAIN}_mps2_an385_serial_recovery_raw.hex", None),
               (f"{firmware.ZEPHYR_MAIN}_mps2_an385_serial_recovery_raw.signed.bin",
                0x20050000)],
        running=f"{firmware.ZEPHYR_MAIN}_mps2_an385_serial_recovery_raw.signed.bin"),
}


class QemuBoard(Board):
    """An emulated board with MCUboot.

    `-device loader` writes its files again at every guest reset, which undoes a swap. So
    a first emulator loads them and saves the machine as it stands at reset, and the one
    that the test uses starts from that state, without a loader: its flash then keeps what
    the guest writes, over resets and power cycles.

    The UART of the emulated Cortex-M0 stops for good when its FIFO of six bytes fills while
    the bootloader does not read it; a real one loses the bytes and goes on. So the cable
    loses what is sent between a reset and the application's first log line. `wedges=True`
    leaves the emulator as it is: then nobody may talk to a board that boots. The firmware
    has two line buffers and relies on a line that takes its time, which the emulated UART
    does not: the cable has a baud rate.
    """

    EMULATOR = "qemu-system-arm"

    def __init__(self, kind, wedges=False):
        super().__init__(f"qemu-{kind}")
        self.kind = KINDS[kind]
        self.deaf_boot = "listens" in self.kind and not wedges
        self.monitor = None
        self.resets = self.boots = 0

    @property
    def image(self):
        """The image file that runs on the board from the start."""
        return firmware.artifact(self.kind["running"]).read_bytes()

    def reset(self):
        self.monitor("system_reset")

    def power_off(self):
        """The board is dead from this instant on, in whatever it was doing. What it had not
        yet read is lost: the emulator drops it with the connection."""
        self.monitor("stop")
        self.relay.silence()
        self.relay.disconnect()
        self._await_disconnected()

    def power_on(self):
        self.relay.to_board.deaf = self.deaf_boot   # the word of the reset may come late
        self.monitor("system_reset")
        self._connect()
        self.relay.restore()
        self.monitor("cont")

    def power_cycle(self):
        self.power_off()
        self.power_on()

    def _on_reset(self):
        """Told by the emulator, maybe later than the new boot speaks."""
        self.resets += 1
        if self.deaf_boot and self.boots <= self.resets:
            self.relay.to_board.deaf = True

    def _on_boot(self):
        self.boots += 1
        self.relay.to_board.deaf = True

    def _on_listening(self):
        self.relay.to_board.deaf = False

    def kill(self):
        super().kill()
        if self.monitor:
            self.monitor.close()
            self.monitor = None

    def _start(self):
        state = self.folder / "state"
        self._save_state(state)
        self._emulate(["-chardev", "socket,id=uart,path=uart,server=on,wait=off",
                       "-serial", "chardev:uart", "-incoming", f"exec:cat {state}"])
        self.relay.pace(baud=self.kind.get("baud"))
        if self.deaf_boot:
            self.relay.to_board.deaf = True
            self.relay.to_host.watch(b"*** Booting MCUboot", self._on_boot)
            self.relay.to_host.watch(self.kind["listens"], self._on_listening)
        self._connect()
        self._await_status({"inmigrate"}, {"paused", "prelaunch", "postmigrate"})
        self.resets = 0
        self.monitor("cont")

    def _connect(self):
        uart = socket.socket(socket.AF_UNIX)
        uart.connect(str(self.folder / "uart"))
        self.relay.connect(uart.detach())

    def _save_state(self, state):
        loaders = []
        for name, address in self.kind["files"]:
            where = f",addr={address:#x}" if address is not None else ""
            loaders += ["-device", f"loader,file={firmware.artifact(name)}{where}"]
        self._emulate(["-serial", "null"] + loaders)
        self.monitor("migrate", uri=f"exec:cat > {state}")
        deadline = time.monotonic() + START_TIMEOUT
        while (status := self.monitor("query-migrate").get("status")) != "completed":
            if status == "failed" or time.monotonic() > deadline:
                raise self._failed("the machine's state cannot be saved")
            time.sleep(0.005)
        self.kill()

    def _emulate(self, arguments):
        theirs, ours = socket.socketpair()
        command = [self.EMULATOR, *self.kind["machine"], "-S", "-display", "none",
                   "-nodefaults", "-chardev", f"socket,id=monitor,fd={theirs.fileno()}",
                   "-mon", "chardev=monitor,mode=control", *arguments,
                   *["-serial", "null"] * (self.kind["serials"] - 1)]
        try:
            with open(self.folder / "log", "wb") as log:
                self.process = subprocess.Popen(
                    command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log,
                    stderr=subprocess.STDOUT, pass_fds=[theirs.fileno()],
                    preexec_fn=die_with_parent)
        except FileNotFoundError as error:
            raise firmware.Unavailable(
                f"no {self.EMULATOR}: apt-get install qemu-system-arm") from error
        theirs.close()
        try:
            self.monitor = Monitor(ours, self._on_reset)
        except OSError as error:
            raise self._failed("the emulator did not start") from error

    def _await_disconnected(self):
        """Until then the emulator may read on, and fill the UART that the next boot finds."""
        deadline = time.monotonic() + START_TIMEOUT
        while not any(one["label"] == "uart" and one["filename"].startswith("disconnected")
                      for one in self.monitor("query-chardev")):
            if time.monotonic() > deadline:
                raise self._failed("the emulator keeps the cable")
            time.sleep(0.005)

    def _await_status(self, passing, wanted):
        deadline = time.monotonic() + START_TIMEOUT
        while (status := self.monitor("query-status")["status"]) not in wanted:
            if status not in passing or time.monotonic() > deadline:
                raise self._failed(f"the emulator is {status}")
            time.sleep(0.005)


def board(name, **how):
    return QemuBoard(name, **how) if name in KINDS else NativeSim(name, **how)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    try:
        with board(sys.argv[1]) as one:
            print(one.tty, flush=True)
            signal.pause()
    except firmware.Unavailable as reason:
        sys.exit(f"no board: {reason}")
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
