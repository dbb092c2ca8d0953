# SPDX-License-Identifier: MIT
"""doctor: a row a situation, with what it finds there."""

import getpass
import json
import os
import pathlib
import shutil
import socket
import subprocess

import pytest

from conftest import DEADLINE, Result, build_dir, environment, program
from fake_daemon import Error
from machine import Machine
from test_all import device

SINCE = "2026-01-01T00:00:00.000Z"
TTY = "/dev/ttyACM0"
SECTION = {"name": "zephyr", "match": "2fe3:0100:0", "baud": 115200}


@pytest.fixture
def machine(short_dir):
    return Machine(short_dir / "root")


@pytest.fixture
def doctor(machine, short_dir):
    """Runs it on that machine; socket: None is one that is not there."""
    def run(*argv, socket=None, before=(), **env):
        done = subprocess.run([*before, program(), "--socket", str(socket or short_dir / "none"), *argv], capture_output=True,
                              timeout=DEADLINE, stdin=subprocess.DEVNULL,
                              env=environment(MCUMGRCTL_ROOT=str(machine.root), **env))
        return Result(done)
    return run


def findings(result):
    """check -> (result, subject, message, advice)"""
    return {f["check"]: (f["result"], f.get("subject"), f["message"], "\n".join(f.get("advice", [])))
            for f in json.loads(result.out)["findings"]}


# --- -s and -u without a value ---

@pytest.mark.parametrize("argv", [["-s"], ["-u"], ["--serial"], ["--usb-serial"], ["-s", "-q"]])
def test_ports_of_this_machine(machine, doctor, argv):
    machine.tty("ttyACM0", product="Board\x1b[31m", serial="77")
    machine.tty("ttyACM1", usb="1-2", number=2, ids="10c4:ea60")
    listed = doctor(*argv)
    assert (listed.code, listed.err) == (0, "")
    assert [line.split("  ") for line in listed.out.splitlines()] == [
        ["/dev/ttyACM0", "2fe3:0100:0", "Board\\x1b[31m"], ["/dev/ttyACM1", "10c4:ea60:2"]]
    ports = json.loads(doctor("--json", *argv).out)["ports"]
    assert ports[0] == {"tty": "/dev/ttyACM0", "vendorId": 0x2fe3, "productId": 0x100, "interface": 0, "serial": "77",
                        "product": "Board\x1b[31m", "driver": "cdc_acm"}


def test_no_port_on_this_machine(doctor):
    listed = doctor("-s")
    assert (listed.code, listed.out, listed.err) == (0, "", "No serial port on USB.\n")
    assert json.loads(doctor("--json", "-u").out) == {"ports": []}


# --- without a daemon ---------------------------------------------------------------------------------------------------

def installed(m):
    m.file("lib/systemd/system/mcumgrd.socket")


def running(m):
    m.process("mcumgrd")


@pytest.mark.parametrize("prepare, advice", [
    (lambda m: None, "No mcumgrd.socket is installed"),
    (installed, "sudo systemctl enable --now mcumgrd.socket mcumgrd.service"),
    (running, "mcumgrd runs (process 100), but listens elsewhere: --socket PATH"),
])
def test_there_is_no_socket(machine, doctor, short_dir, prepare, advice):
    prepare(machine)
    result = doctor("--json", "doctor")
    assert result.code == 1
    assert findings(result)["socket"][:3] == ("problem", None, f"there is no socket {short_dir}/none")
    assert advice in findings(result)["socket"][3]


def test_the_daemon_has_ended(doctor, short_dir):
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(short_dir / "left"))
    result = doctor("--json", "doctor", socket=short_dir / "left")
    assert result.code == 1
    found = findings(result)["service"]
    assert found[0] == "problem" and found[2].startswith("no daemon listens on") and "journalctl -u mcumgrd" in found[3]


@pytest.mark.parametrize("make, what", [(pathlib.Path.mkdir, "a directory"), (pathlib.Path.touch, "a file")])
def test_the_socket_is_none(doctor, short_dir, make, what):
    path = short_dir / "rack"
    make(path)
    found = findings(doctor("--json", "doctor", socket=path))["socket"]
    assert found == ("problem", None, f"{path} is {what}, not the socket of a daemon", "Name the daemon's: --socket PATH or MCUMGR_SOCKET.")


def test_what_listens_is_no_daemon(doctor, short_dir, daemon):
    result = doctor("--json", "doctor", socket=daemon.on("Ports", Error("org.varlink.service.MethodNotFound",
                                                                        method="io.mcumgr.Ports")).path)
    assert result.code == 1 and findings(result)["service"][0] == "problem"


def test_whose_role_is_missing_hears_who_gives_it(doctor, daemon):
    daemon.on("Ports", Error("PermissionDenied", role="read", message="Ports needs the role 'read'", hint="ask an administrator"))
    found = findings(doctor("--json", "doctor", socket=daemon.path))["service"]
    assert "needs the role 'read'" in found[2] and found[3] == "ask an administrator", "no log says more"


def test_a_configuration_with_errors(machine, doctor):
    if not (build_dir() / "daemon/mcumgrd").exists():
        pytest.skip("no daemon is built")
    machine.file("etc/mcumgrd.conf", "[device x]\nbuad = 9600\n")
    result = doctor("--json", "doctor", MCUMGRD=str(build_dir() / "daemon/mcumgrd"))
    found = findings(result)["configuration"]
    assert found[0] == "problem" and "mcumgrd.conf:2: unknown key 'buad'" in found[3]
    machine.file("etc/mcumgrd.conf", "[device x]\nmatch = 2fe3\n")
    assert "configuration" not in findings(doctor("--json", "doctor", MCUMGRD=str(build_dir() / "daemon/mcumgrd")))


OTHER = 12345  # a user of no name, in no group but the one of the same number


def as_other(groups=()):
    if os.getuid() != 0 or not shutil.which("setpriv"):
        pytest.skip("only root can be somebody else")
    before = ["setpriv", f"--reuid={OTHER}", f"--regid={OTHER}",
              f"--groups={','.join(map(str, groups))}" if groups else "--clear-groups"]
    if subprocess.run([*before, program(), "--version"], stdout=subprocess.DEVNULL, check=False).returncode:
        pytest.skip("others may not run what was built here")
    return before


@pytest.fixture
def open_to_others(short_dir):
    os.chmod(short_dir, 0o755)


@pytest.mark.parametrize("gid, members, says", [
    (777, "", "Join its group rack and log in again: sudo usermod -aG rack"),
    (777, str(OTHER), "You are in its group rack from your next login on: log in again, or newgrp rack"),
    (0, "", "Its group is root, which nobody should join"),
])
def test_the_socket_may_not_be_used(machine, doctor, short_dir, open_to_others, gid, members, says):
    before = as_other()
    machine.file("etc/group", f"other:x:1:\nrack:x:777:root,{members}\n")
    path = short_dir / "s"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        os.chown(path, 0, gid)
        os.chmod(path, 0o660)
        result = doctor("--json", "doctor", socket=path, before=before)
    assert result.code == 1
    assert findings(result)["permission"][:3] == ("problem", None, f"you may not use {path}")
    assert says in findings(result)["permission"][3] and "usermod -aG root" not in findings(result)["permission"][3]


@pytest.mark.parametrize("mode, groups, members, says", [
    (0o660, (), "", "sudo usermod -aG dialout $USER, and log in again"),
    (0o660, (), str(OTHER), "You are in that group from your next login on"),
    (0o600, (), "", f"The group may not either: sudo chmod g+rw {TTY}"),
    (0o660, (20,), "", None),
])
def test_the_tty_may_not_be_opened(machine, doctor, open_to_others, mode, groups, members, says):
    before = as_other(groups)
    machine.file("etc/group", f"dialout:x:20:{members}\n")
    node = machine.tty("ttyACM0")
    os.chown(node, 0, 20)
    os.chmod(node, mode)
    found = findings(doctor("--json", "doctor", before=before))
    if says is None:
        assert "permission" not in found
        return
    assert found["permission"][:3] == ("problem", TTY, f"you may not open {TTY}, which belongs to the group dialout")
    assert says in found["permission"][3]


def test_nobody_is_told_to_join_root(machine, doctor, open_to_others):
    before = as_other()
    os.chmod(machine.tty("ttyACM0"), 0o660)
    advice = findings(doctor("--json", "doctor", before=before))["permission"][3]
    assert "suggest --udev" in advice and "usermod" not in advice


@pytest.mark.parametrize("name, advice", [
    ("ModemManager", "mcumgrctl suggest --udev"), ("brltty", "sudo apt-get remove brltty"),
    ("agetty", "serial-getty@"), ("picocom", "mcumgrctl console -i"), ("pyserial-miniterm", "mcumgrctl console -i"),
    ("mcumgrd", "Another mcumgrd"), ("flashtool", "mcumgrctl release DEV -- COMMAND"),
])
def test_somebody_has_the_tty_open(machine, doctor, name, advice):
    machine.tty("ttyACM0")
    machine.tty("ttyACM1", "1-2")
    machine.process("init")
    pid = machine.process(name, "/dev/ttyACM0")
    result = doctor("--json", "doctor", TTY)
    assert result.code == 1
    shown = name[:15]
    assert findings(result)["holder"][:3] == ("problem", TTY, f"{shown} (process {pid}, user {getpass.getuser()}) has {TTY} open")
    assert advice in findings(result)["holder"][3]
    assert findings(doctor("--json", "doctor", "/dev/ttyACM1"))["holder"][0] == "ok"


def test_processes_that_may_not_be_looked_into(machine, doctor, open_to_others):
    before = as_other()
    os.chmod(machine.tty("ttyACM0"), 0o666)
    pid = machine.process("secret", TTY)
    os.chmod(machine.root / f"proc/{pid}/fd", 0o700)
    result = doctor("--json", "doctor", before=before)
    assert findings(result)["holder"] == (
        "unknown", TTY, f"who has {TTY} open: 1 process of others may not be looked into", "sudo mcumgrctl doctor sees them all.")


def test_root_is_told_which_daemon_it_is(machine, doctor, daemon, open_to_others):
    before = as_other()
    machine.tty("ttyACM0")
    machine.process("mcumgrd", TTY)
    hidden = machine.process("secret", TTY)
    os.chmod(machine.root / f"proc/{hidden}/fd", 0o700)
    rack(daemon, GOOD)
    os.chmod(daemon.path, 0o666)
    found = findings(doctor("--json", "doctor", "a1", socket=daemon.path, before=before))["holder"]
    assert found[0] == "unknown" and found[3] == f"sudo mcumgrctl --socket {daemon.path} doctor sees them all."


@pytest.mark.parametrize("ids, kind, module, option", [
    ("2fe3:0100", ("02", "02"), "cdc_acm", "CONFIG_USB_ACM"),
    ("0403:6001", ("ff", "ff"), "ftdi_sio", "CONFIG_USB_SERIAL_FTDI_SIO"),
    ("10c4:ea60", ("ff", "00"), "cp210x", "CONFIG_USB_SERIAL_CP210X"),
    ("1a86:7523", ("ff", "01"), "ch341", "CONFIG_USB_SERIAL_CH341"),
    ("067b:2303", ("ff", "00"), "pl2303", "CONFIG_USB_SERIAL_PL2303"),
    ("046d:c31c", ("03", "01"), None, None),  # a keyboard
    ("1234:5678", ("ff", "00"), None, None),
    ("0bda:8153", ("02", "06"), None, None),  # a network adapter
])
def test_a_driver_is_missing(machine, doctor, ids, kind, module, option):
    machine.interface("1-2.3", 0, ids, None, kind, product="Thing")
    machine.interface("1-2.3", 2, ids, None, kind)
    result = doctor("--json", "doctor")
    told = [f for f in json.loads(result.out)["findings"] if f["check"] == "driver"]
    if module is None:
        assert told == []
        return
    assert [(f["result"], f["message"]) for f in told] == [
        ("problem", f"Thing ({ids}) in hub port 1-2.3 has no driver: it gets no tty")]
    assert f"sudo modprobe {module}" in told[0]["advice"][0] and option in told[0]["advice"][0]


@pytest.mark.parametrize("runs, properties, expected", [
    (None, (), None),
    ("ModemManager", (), "warning"),
    ("ModemManager", ("ID_MM_DEVICE_IGNORE=1",), "ok"),
    ("ModemManager", ("ID_MM_PORT_IGNORE=1",), "ok"),
    ("ModemManager", ("ID_MM_PORT_IGNORE=0",), "warning"),
])
def test_rules_against_modem_manager(machine, doctor, runs, properties, expected):
    machine.tty("ttyACM0", properties=properties)
    if runs:
        machine.process(runs)
    found = findings(doctor("--json", "doctor")).get("modem-manager")
    assert (found and found[0]) == expected
    if expected == "warning":
        assert "mcumgrctl suggest --udev | sudo tee" in found[3]


@pytest.mark.parametrize("ids, expected", [("1a86:7523", "warning"), ("2fe3:0100", None)])
def test_brltty(machine, doctor, ids, expected):
    machine.tty("ttyUSB0", ids=ids)
    machine.process("brltty")
    found = findings(doctor("--json", "doctor")).get("brltty")
    assert (found and found[0]) == expected


def test_boards_named_without_a_daemon(machine, doctor):
    machine.tty("ttyACM0", serial="A1")
    machine.tty("ttyACM1", "1-2", serial="B2")
    assert findings(doctor("--json", "doctor", "B2"))["holder"][1] == "/dev/ttyACM1"
    assert findings(doctor("--json", "-d", "/dev/ttyACM0", "doctor"))["holder"][1] == "/dev/ttyACM0"
    assert findings(doctor("--json", "-s", "/dev/ttyACM9", "doctor"))["port"][:3] == (
        "problem", "/dev/ttyACM9", "there is no /dev/ttyACM9")
    (machine.root / "dev/serial").mkdir()
    assert findings(doctor("--json", "doctor", "/dev/serial"))["port"][:3] == (
        "problem", "/dev/serial", "/dev/serial is no serial port")
    assert findings(doctor("--json", "doctor", "left"))["board"][0] == "unknown"
    twice = doctor("-d", "a", "doctor", "b")
    assert twice.code == 2 and "named twice" in twice.err


# --- with a daemon ------------------------------------------------------------------------------------------------------

def rack(daemon, *devices, ports=(), sections=(SECTION,)):
    daemon.on("Ports", {"ports": list(ports), "sections": list(sections), "configuration": "/etc/mcumgrd.conf"})
    daemon.on("List", {"devices": list(devices)})
    daemon.on("Get", lambda p: [{"device": d} for d in devices if d["id"] == p["device"]] or [
        Error("NoSuchDevice", device=p["device"], available=[], message=f"there is no {p['device']}")])
    daemon.on("Echo", lambda p: [{"text": p["text"]}])
    daemon.on("Console", {"lines": []})
    return daemon


def managed(state, **more):
    return device("a1", state=state, tty=TTY, section="zephyr", since=SINCE, **more)


def lines(*texts):
    return {"lines": [{"number": i, "time": SINCE, **(t if isinstance(t, dict) else {"text": t})} for i, t in enumerate(texts)]}


GOOD = managed("ready", version="1.0.0", smpVersion=2, bufferSize=384, bufferCount=4, lineDelayMs=0)
TIMED_OUT = Error("TimedOut", device="a1", message="no answer for 500 ms")
BOARDS = [
    # device, method -> reply, exit code, check, result, part of the message, part of the advice
    (GOOD, {}, 0, "answer", "ok", "it answers, and runs 1.0.0", ""),
    ({**GOOD, "bufferSize": 96}, {}, 0, "buffer", "warning", "has 96 bytes", "NETBUF_SIZE"),
    ({**GOOD, "lineDelayMs": 11}, {}, 0, "pacing", "warning", "11 ms", "RX_BUF_COUNT"),
    (GOOD, {"Echo": TIMED_OUT}, 1, "answer", "problem", "does not now: no answer for 500 ms", ""),
    (managed("ready", reason="nothing is sent to this port"), {}, 0, "answer", "unknown", "nothing is sent to this port", ""),
    (managed("busy", job={"id": "7", "kind": "update", "device": "a1", "state": "running", "step": "upload", "percent": 1,
                          "detached": False, "started": SINCE}), {}, 0, "answer", "ok", "busy with job 7 (update)", ""),
    ({**GOOD, "lease": {"devices": ["a1"], "user": "ada", "command": "ci-job", "since": SINCE, "waiting": 0}}, {}, 0, "lease",
     "warning", f"ada (ci-job) has it alone since {SINCE}", "change nothing"),
    (managed("probing"), {}, 0, "answer", "unknown", "it is being looked at (probing)", "wait-for"),
    (managed("absent", reason="unplugged", serial="A1", path="pci-usb-0:1:1.0"), {}, 1, "plugged", "problem",
     f"not plugged in since {SINCE}: unplugged", "It is the board with serial number A1 in pci-usb-0:1:1.0. Is the cable"),
    (managed("unavailable", reason=f"{TTY}: permission denied; its user must be in group dialout"), {}, 1, "port", "problem",
     "must be in group dialout", "tries again"),
    (managed("recovery", bootloader={"name": "MCUboot"}), {}, 1, "bootloader", "problem", "its bootloader answers",
     "firmware update FILE works there"),
    (managed("broken", reason="5 times unplugged within 60 s"), {}, 1, "flapping", "problem", "5 times unplugged within 60 s",
     "reset-state"),
    (managed("unresponsive"), {}, 1, "console", "problem", "it neither answers nor prints", "framing = raw"),
    (managed("unresponsive"), {"Console": lines("*** Booting Zephyr OS", "uart:~$ ", "")}, 1, "console", "problem",
     'it prints, and does not answer SMP: the last line is "uart:~$ "', "CONFIG_MCUMGR_TRANSPORT_UART"),
    (managed("unresponsive"), {"Console": lines("\ufffd\ufffdx\ufffd\ufffd", "\ufffd\ufffd\ufffd\ufffdab")}, 1, "baud", "problem",
     "noise: 115200 baud", "Give [device zephyr] baud"),
    (managed("unresponsive"), {"Console": lines("Grüße\ufffd from the board, which is well")}, 1, "console", "problem",
     "it prints", "CONFIG_MCUMGR"),
    (managed("unresponsive"), {"Console": lines({"text": "E: >>> ZEPHYR FATAL ERROR 4: Kernel panic", "mark": "fatal"}, "halted")},
     1, "crash", "problem", 'its firmware has crashed: "E: >>> ZEPHYR FATAL ERROR 4', "console -n 50"),
]


@pytest.mark.parametrize("board, answers, code, check, result, message, advice", BOARDS)
def test_a_board(machine, doctor, daemon, board, answers, code, check, result, message, advice):
    machine.tty("ttyACM0")
    machine.process("mcumgrd", TTY)
    rack(daemon, board)
    for method, reply in answers.items():
        daemon.on(method, reply)
    done = doctor("--json", "doctor", socket=daemon.path)
    assert done.code == code, done
    found = findings(done)
    assert found["service"][0] == "ok"
    assert found[check][:2] == (result, "a1") and message in found[check][2] and advice in found[check][3]
    assert bool([f for f in found.values() if f[0] == "problem"]) == (code == 1)


def test_only_ask_what_harms_nobody(machine, doctor, daemon):
    machine.tty("ttyACM0")
    rack(daemon, GOOD, managed("unresponsive"))
    doctor("doctor", socket=daemon.path)
    assert {method for method, _, _ in daemon.calls} == {"Ports", "List", "Echo", "Console"}
    assert [p for method, p, _ in daemon.calls if method == "Echo"] == [{"device": "a1", "text": "mcumgrctl doctor"}]


def test_a_hub_that_is_gone(machine, doctor, daemon):
    hubs = [{"path": path, "sections": ["shelf"], "state": state, "since": SINCE, "devices": []}
            for path, state in (("1-1.4", "absent"), ("1-1.5", "attached"))]
    rack(daemon).on("List", {"devices": [], "hubs": hubs})
    done = doctor("--json", "doctor", socket=daemon.path)
    found = findings(done)
    assert done.code == 1 and found["hub"][:3] == ("problem", "1-1.4", f"no hub there since {SINCE}, nor any board below it")
    assert "plugged" not in found


PORT = {"tty": TTY, "vendorId": 0x2FE3, "productId": 0x100, "interface": 2, "serial": "A1", "since": SINCE,
        "path": "pci-0000:00:14.0-usb-0:1:1.2"}


@pytest.mark.parametrize("word", [(), (TTY,), ("A1",)])
def test_no_section_manages_it(machine, doctor, daemon, word):
    machine.tty("ttyACM0", number=2)
    rack(daemon, ports=[PORT, {**PORT, "tty": "/dev/ttyACM7", "path": "pci-0000:00:14.0-usb-0:7:1.0", "section": "zephyr"}])
    done = doctor("--json", "doctor", *word, socket=daemon.path)
    assert done.code == 1
    found = findings(done)
    assert found["configured"][:3] == ("problem", TTY, f"no section of /etc/mcumgrd.conf manages {TTY} (2fe3:0100:2)")
    assert "[device zephyr] has match = 2fe3:0100:0, which does not fit 2fe3:0100:2." in found["configured"][3]
    assert "One with match = 2fe3:0100:2 would" in found["configured"][3]
    assert found["holder"][:2] == ("ok", TTY)


def test_the_caller_needs_no_right_to_what_the_daemon_would_open(machine, doctor, daemon, open_to_others):
    before = as_other()
    os.chmod(machine.tty("ttyACM0"), 0o600)
    rack(daemon, ports=[PORT])
    os.chmod(daemon.path, 0o666)
    found = findings(doctor("--json", "doctor", socket=daemon.path, before=before))
    assert found["configured"][0] == "problem" and "permission" not in found


def test_a_console_beside_is_no_trouble(machine, doctor, daemon):
    machine.tty("ttyACM0")
    rack(daemon, GOOD, ports=[PORT, {**PORT, "path": "pci-0000:00:14.0-usb-0:1:1.0", "tty": "/dev/ttyACM1", "section": "zephyr"}])
    assert doctor("doctor", socket=daemon.path).code == 0


def test_another_program_reads_along(machine, doctor, daemon):
    machine.tty("ttyACM0")
    machine.process("mcumgrd", TTY)
    pid = machine.process("screen", TTY)
    rack(daemon, GOOD)
    done = doctor("--json", "doctor", "a1", socket=daemon.path)
    assert done.code == 1
    assert findings(done)["holder"][2] == f"screen (process {pid}, user {getpass.getuser()}) has {TTY} open"


def test_the_service_manager_keeps_ttys_open(machine, doctor, daemon):
    machine.tty("ttyACM0")
    machine.process("mcumgrd", TTY)
    machine.process("systemd", TTY)
    rack(daemon, GOOD)
    assert doctor("doctor", "a1", socket=daemon.path).code == 0


def test_no_such_board(machine, doctor, daemon):
    rack(daemon, GOOD)
    done = doctor("doctor", "b2", socket=daemon.path)
    assert (done.code, done.out) == (3, "") and "there is no b2" in done.err


def test_nothing_is_plugged_in(machine, doctor, daemon):
    done = doctor("doctor", socket=rack(daemon).path)
    assert done.code == 0 and "no board is plugged in, and none is expected" in done.out


def test_text(machine, doctor, daemon):
    machine.tty("ttyACM0")
    machine.process("mcumgrd", TTY)
    rack(daemon, managed("unresponsive"))
    done = doctor("doctor", socket=daemon.path)
    assert done.out == f"""\
ok       the daemon answers on {daemon.path}
ok       every serial port on USB has a driver
a1:
  problem  it does not answer since {SINCE}
  problem  it neither answers nor prints
           Does firmware with SMP run on it? Are RX and TX crossed, and is it powered?
           Firmware with CONFIG_MCUMGR_TRANSPORT_RAW_UART needs framing = raw in its section.
  ok       nobody else has {TTY} open
2 problems, 0 warnings.
"""
    quiet = doctor("-q", "doctor", socket=daemon.path)
    assert "ok " not in quiet.out and "2 problems" not in quiet.out and quiet.out.startswith("a1:\n  problem")


def test_what_boards_say_cannot_move_the_cursor(machine, doctor, daemon):
    rack(daemon, managed("unresponsive", reason="bad \x1b[2J"))
    assert "\x1b" not in doctor("doctor", socket=daemon.path).out
