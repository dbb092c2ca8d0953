# SPDX-License-Identifier: MIT
"""argv -> method and parameters; reply -> text, --json and exit code. One row a behaviour."""

import base64
import json
import re
import signal

import pytest

from fake_daemon import Error, Open

HASH = "ab" * 32
SHA = "0123456789abcdef" * 4
SLOTS = [
    {"image": 0, "slot": 0, "version": "1.0.0", "hash": HASH, "bootable": True, "pending": False, "confirmed": True,
     "active": True, "permanent": False},
    {"image": 0, "slot": 1, "version": "2.0.0", "bootable": False, "pending": False, "confirmed": False, "active": False,
     "permanent": False},
]
STATE = f"""\
Image 0, Slot 0:
  Version:  1.0.0
  Hash:     {HASH}
  Flags:    active, confirmed, bootable
Image 0, Slot 1:
  Version:  2.0.0
  Flags:    none
"""
DEVICES = [
    {"id": "rack-1", "name": "left", "state": "ready", "since": "2026-01-01T00:00:00.000Z", "tty": "/dev/ttyACM0",
     "vendorId": 0x2FE3, "productId": 0x100, "interface": 10, "version": "1.0.0"},
    {"id": "rack-2", "state": "busy", "since": "2026-01-01T00:00:00.000Z", "tty": "/dev/ttyACM1", "vendorId": 0x2FE3,
     "productId": 0xAB, "version": "1.0.0",
     "job": {"id": "7", "kind": "update", "device": "rack-2", "state": "running", "step": "upload", "percent": 42,
             "detached": False, "started": "2026-01-01T00:00:00.000Z"}},
]
LIST = """\
ID     ALIAS STATE              TTY          USB          VERSION
rack-1 left  ready              /dev/ttyACM0 2fe3:0100:10 1.0.0
rack-2 -     busy (update 42 %) /dev/ttyACM1 2fe3:00ab    1.0.0
"""
GONE = {"id": "rack-3", "state": "unavailable", "reason": "held by another program", "since": "2026-01-01T00:00:00.000Z"}
LIST_WITH_REASON = """\
ID     ALIAS STATE       TTY          USB          VERSION REASON
rack-1 left  ready       /dev/ttyACM0 2fe3:0100:10 1.0.0   -
rack-3 -     unavailable -            -            -       held by another program
"""
HUBS = [
    {"path": "1-1.4", "sections": ["shelf", "rest"], "state": "attached", "since": "2026-01-01T00:00:00.000Z",
     "devices": ["rack-1", "rack-2"]},
    {"path": "1-1.5", "sections": ["spare"], "state": "attached", "since": "2026-01-01T00:00:00.000Z", "devices": []},
    {"path": "pci-0000:00:14.0-usb-0:2", "sections": ["far"], "state": "absent", "since": "2026-01-02T03:04:05.678Z",
     "devices": []},
]
HUBS_TEXT = """\
HUB                      STATE                   SECTION    BOARDS
1-1.4                    attached                shelf,rest rack-1,rack-2
1-1.5                    attached                spare      none
pci-0000:00:14.0-usb-0:2 absent since 2026-01-02 far        -
"""
PORTS = [
    {"tty": "/dev/ttyACM2", "path": "pci-0000:00:14.0-usb-0:1:1.2", "vendorId": 0x2FE3, "productId": 0x100, "interface": 2,
     "serial": "A1", "product": "Zephyr board", "driver": "cdc_acm", "since": "2026-01-01T00:00:00.000Z", "section": "zephyr",
     "device": "a1"},
    {"tty": "/dev/ttyUSB0", "vendorId": 0x403, "productId": 0x6001, "driver": "ftdi_sio", "since": "2026-01-01T00:00:00.000Z"},
]
PORTS_TEXT = """\
TTY          USB         SERIAL PATH                         DRIVER   SECTION BOARD PRODUCT
/dev/ttyACM2 2fe3:0100:2 A1     pci-0000:00:14.0-usb-0:1:1.2 cdc_acm  zephyr  a1    Zephyr board
/dev/ttyUSB0 0403:6001   -      -                            ftdi_sio -       -     -
"""
INFO = {"text": "Zephyr zephyr v4.1 arm", "kernelName": "Zephyr", "nodeName": "zephyr", "kernelRelease": "v4.1", "kernelVersion": "4.1.0",
        "machine": "arm", "processor": "cortex-m4", "hardwarePlatform": "nrf52840dk", "operatingSystem": "Zephyr"}
INFO_TEXT = """\
Kernel name:        Zephyr
Node name:          zephyr
Kernel release:     v4.1
Kernel version:     4.1.0
Machine:            arm
Processor:          cortex-m4
Hardware platform:  nrf52840dk
Operating system:   Zephyr
"""
JOB = {"id": "7", "kind": "update", "device": "rack-2", "state": "done", "step": "done", "percent": 100, "detached": True,
       "outcome": "updated", "started": "2026-01-01T00:00:00.000Z", "version": "2.0.0", "hash": HASH}
FAILED = {**JOB, "id": "8", "state": "failed", "outcome": None, "step": "upload", "percent": 9,
          "error": {"error": "io.mcumgr.TimedOut", "parameters": {"device": "rack-2", "message": "no answer for 5 s"}}}
JOBS = """\
ID KIND   DEVICE STATE  STEP     % STARTED                  RESULT
7  update rack-2 done   done   100 2026-01-01T00:00:00.000Z updated
8  update rack-2 failed upload   9 2026-01-01T00:00:00.000Z no answer for 5 s
"""
TASKS = [
    {"name": "main", "priority": 0, "identifier": 1, "state": 4, "stackUsed": 160, "stackSize": 320},
    {"name": "idle", "priority": 15, "identifier": 0, "state": 128},
    {"name": "irq", "priority": -16, "identifier": 2, "state": 6, "contextSwitches": 9, "runtime": 12345},
]
TASKS_TEXT = """\
irq
  Priority:          -16
  Task ID:           2
  State:             6 (pending, sleeping)
  Context switches:  9
  Runtime:           12345 ticks
main
  Priority:          0
  Task ID:           1
  State:             4 (sleeping)
  Stack usage:       160 / 320 bytes (50 %)
idle
  Priority:          15
  Task ID:           0
  State:             128 (queued)
"""
POOLS = [{"name": "heap", "blockSize": 8, "blocks": 10, "free": 4, "minimumFree": 1}, {"name": "odd", "blocks": 3, "free": 3}]


def b64(data):
    return base64.b64encode(data).decode()


def one(argv, method, parameters, reply, text=""):
    return pytest.param(argv, [(method, parameters, reply)], text, id=" ".join(argv))


def several(argv, calls, text, json=None):
    """A verb of several calls. json: what it makes of all replies; left out: the last one."""
    return pytest.param(argv, [*calls[:-1], (*calls[-1], json)], text, id=" ".join(argv))


ROWS = [
    one(["shell", "--repeat", "kernel", "--repeat"], "ShellExecute", {"arguments": ["kernel", "--repeat"], "repeat": True},
        {"output": "up", "status": 0}, "up\n"),
    one(["transport", "list"], "TransportList", {}, {"transports": [{"id": 0, "name": "Ser\x1bial"}, {"id": 11}]},
        "    0  Ser\\x1bial\n   11  -\n"),
    one(["transport", "status"], "TransportStatus", {}, {"supported": 2, "active": 1, "bridged": True, "transport": 4},
        "Bridges:  1 of 2\nBridged:  to transport 4\n"),
    one(["transport", "status"], "TransportStatus", {}, {"supported": 1, "active": 0, "bridged": False},
        "Bridges:  0 of 1\nBridged:  no\n"),
    one(["transport", "modes", "1"], "TransportModes", {"transport": 1},
        {"modes": [{"id": 0, "description": "Low Energy", "incoming": True, "outgoing": True},
                   {"id": 10, "incoming": False, "outgoing": True}]},
        "MODE ENDS     DESCRIPTION\n   0 both     Low Energy\n  10 outgoing -\n"),
    one(["transport", "connect", "1"], "TransportConnect", {"transport": 1}, {}),
    one(["transport", "connect", "1", "--mode", "2"], "TransportConnect", {"transport": 1, "mode": 2}, {}),
    one(["transport", "disconnect"], "TransportDisconnect", {}, {}),
    one(["transport", "disconnect", "3"], "TransportDisconnect", {"transport": 3}, {}),
    one(["transport", "disconnect", "--every"], "TransportDisconnect", {"all": True}, {}),
    one(["list"], "List", {}, {"devices": DEVICES}, LIST),
    one(["list"], "List", {}, {"devices": []},
        "No boards: nothing is plugged in that a section of mcumgrd.conf(5) manages. See mcumgrctl list --all-ports, and mcumgrctl suggest.\n"),
    one(["list"], "List", {}, {"devices": [DEVICES[0], GONE]}, LIST_WITH_REASON),
    one(["list"], "List", {}, {"devices": [], "hubs": HUBS}, HUBS_TEXT),
    one(["list"], "List", {}, {"devices": [DEVICES[0], GONE], "hubs": HUBS}, LIST_WITH_REASON + "\n" + HUBS_TEXT),
    one(["list", "--all-ports"], "Ports", {}, {"ports": PORTS, "sections": []}, PORTS_TEXT),
    one(["list", "--all-ports"], "Ports", {}, {"ports": [], "sections": []}, "No serial port on USB.\n"),
    one(["jobs"], "Jobs", {}, {"jobs": [JOB, FAILED]}, JOBS),
    one(["jobs"], "Jobs", {}, {"jobs": []}, "No jobs.\n"),
    one(["job", "cancel", "7"], "JobCancel", {"job": "7"}, {},
        "Job 7 is asked to stop. How it ends: mcumgrctl job watch 7\n"),

    one(["os", "echo", "hello"], "Echo", {"text": "hello"}, {"text": "hello"}, "hello\n"),
    one(["-d", "rack-1", "os", "echo", "hi"], "Echo", {"device": "rack-1", "text": "hi"}, {"text": "hi"}, "hi\n"),
    one(["os", "--device=2fe3:.*:0", "echo", "hi", "--timeout", "5s"], "Echo",
        {"device": "2fe3:.*:0", "text": "hi", "timeoutMs": 5000}, {"text": "hi"}, "hi\n"),
    one(["-t250", "os", "echo", "--", "--json"], "Echo", {"text": "--json", "timeoutMs": 250}, {"text": "--json"}, "--json\n"),
    one(["-t", "1.5s", "os", "echo", "-"], "Echo", {"text": "-", "timeoutMs": 1500}, {"text": "-"}, "-\n"),
    one(["os", "mcumgr-parameters"], "Parameters", {}, {"bufferSize": 384, "bufferCount": 4},
        "Buffer size:   384\nBuffer count:  4\n"),
    one(["os", "system-reset"], "Reset", {}, {}),
    one(["os", "system-reset", "-f", "--bootmode", "1", "--no-wait"], "Reset", {"force": True, "bootMode": 1}, {}),
    one(["os", "task-statistics"], "Tasks", {}, {"tasks": TASKS}, TASKS_TEXT),
    one(["os", "memory-pool-statistics"], "MemoryPools", {}, {"pools": POOLS},
        "heap: 48 / 80 (60.00 %) (highest: 72)\nodd: 0 / 3 (0.00 %)\n"),
    one(["os", "get-datetime"], "GetTime", {}, {"time": "2026-01-02T03:04:05"}, "2026-01-02T03:04:05\n"),
    one(["os", "set-datetime", "2026-01-02T03:04:05"], "SetTime", {"time": "2026-01-02T03:04:05"}, {}),
    one(["--verbose", "os", "get-datetime"], "GetTime", {}, {"time": "2026-01-02T03:04:05"}, "Device time: 2026-01-02T03:04:05\n"),
    one(["--verbose", "os", "set-datetime", "2026-01-02T03:04:05"], "SetTime", {"time": "2026-01-02T03:04:05"}, {},
        "Device time set: 2026-01-02T03:04:05\n"),
    one(["os", "set-datetime", "2026-01-02 03:04:05.6789"], "SetTime", {"time": "2026-01-02T03:04:05.678"}, {}),
    one(["os", "set-datetime", "2026-01-02T03:04:05+02:00"], "SetTime", {"time": "2026-01-02T01:04:05"}, {}),
    one(["os", "set-datetime", "--utc", "2026-12-31T23:30:00-01:00"], "SetTime", {"time": "2027-01-01T00:30:00"}, {}),
    one(["os", "application-info"], "OsInfo", {}, INFO, INFO_TEXT),
    one(["os", "application-info"], "OsInfo", {}, {**INFO, "buildTime": "Thu Jan  1"},
        INFO_TEXT.replace("Machine", "Build time:         Thu Jan  1\nMachine")),
    one(["os", "application-info", "-s", "-v"], "OsInfo", {"format": "sv"}, {"text": "Zephyr 4.1.0"}, "Zephyr 4.1.0\n"),
    one(["os", "application-info", "--hardware-platform"], "OsInfo", {"format": "i"}, {"text": "nrf52840dk"}, "nrf52840dk\n"),
    several(["os", "bootloader-info"],
            [("BootloaderInfo", {}, {"name": "MCUboot"}),
             ("BootloaderInfo", {"query": "mode"}, {"mode": 3, "noDowngrade": True})],
            "Name:                  MCUboot\nMode:                  3 (swap using move)\nDowngrade prevention:  yes\n",
            {"name": "MCUboot", "mode": 3, "noDowngrade": True}),
    several(["os", "bootloader-info"], [("BootloaderInfo", {}, {"name": "Other"})], "Name:                  Other\n"),

    one(["image", "get-state"], "ImageList", {}, {"slots": SLOTS}, STATE),
    one(["image", "get-state"], "ImageList", {}, {"slots": []}, "No slot holds an image.\n"),
    one(["image", "set-state", "--hash", HASH.upper()], "ImageTest", {"hash": HASH}, {"slots": SLOTS},
        "Success. New state:\n" + STATE),
    one(["image", "set-state", "--confirm"], "ImageConfirm", {}, {"slots": SLOTS}, "Success. New state:\n" + STATE),
    one(["image", "set-state", "--confirm", "--hash", HASH], "ImageConfirm", {"hash": HASH}, {"slots": SLOTS},
        "Success. New state:\n" + STATE),
    one(["image", "erase"], "ImageErase", {}, {}),
    one(["image", "erase", "1"], "ImageErase", {"slot": 1}, {}),
    one(["image", "slot-info"], "SlotInfo", {},
        {"images": [{"image": 0, "maxImageSize": 1000, "slots": [{"slot": 0, "size": 1024}, {"slot": 1, "uploadImageId": 2}]}]},
        "Image 0:\n  Largest image: 1000 bytes\n  Slot 0:\n    Size:            1024 bytes\n"
        "  Slot 1:\n    Upload image ID: 2\n"),

    one(["stats", "list-groups"], "StatGroups", {}, {"groups": ["smp", "ipv6"]}, "ipv6\nsmp\n"),
    one(["stats", "get", "smp"], "StatRead", {"group": "smp"},
        {"group": "smp", "values": [{"name": "tx", "value": 7}, {"name": "rx", "value": str(2**64 - 1)}]},
        "smp:\n  rx: 18446744073709551615\n  tx: 7\n"),

    one(["settings", "read", "app/x"], "SettingRead", {"name": "app/x"}, {"value": b64(b"hello\0\x1b[2J")},
        "00000000  68 65 6c 6c 6f 00 1b 5b  |hello..[|\n00000008  32 4a                    |2J|\n"),
    one(["-q", "settings", "read", "app/x", "--max-size", "16"], "SettingRead", {"name": "app/x", "maxSize": 16},
        {"value": b64(b"\x01\xff")}, "01ff\n"),
    one(["settings", "read", "x"], "SettingRead", {"name": "x"}, {"value": ""}, "(empty)\n"),
    one(["settings", "write", "app/x", "01FF"], "SettingWrite", {"name": "app/x", "value": b64(b"\x01\xff")}, {}),
    one(["settings", "write", "app/x", ""], "SettingWrite", {"name": "app/x", "value": ""}, {}),
    one(["settings", "delete", "app/x"], "SettingDelete", {"name": "app/x"}, {}),
    one(["settings", "commit"], "SettingsCommit", {}, {}),
    one(["settings", "load"], "SettingsLoad", {}, {}),
    one(["settings", "save"], "SettingsSave", {}, {}),
    one(["settings", "save", "--name", "app"], "SettingsSave", {"name": "app"}, {}),

    one(["fs", "status", "/lfs/a"], "FileStatus", {"path": "/lfs/a"}, {"size": 12}, "length: 12\n"),
    one(["fs", "checksum", "/lfs/a"], "FileHash", {"path": "/lfs/a"}, {"type": "crc32", "length": 3, "number": 0xABCDEF},
        "00abcdef  /lfs/a\n"),
    one(["fs", "checksum", "/lfs/a", "sha256", "--offset", "4", "--length", "0x10"], "FileHash",
        {"path": "/lfs/a", "type": "sha256", "offset": 4, "length": 16}, {"type": "sha256", "length": 16, "hash": SHA},
        f"{SHA}  /lfs/a\n"),
    one(["fs", "supported-checksums"], "FileHashTypes", {},
        {"types": {"crc32": {"format": 0, "size": 4}, "sha256": {"format": 1, "size": 32}}}, "crc32, sha256\n"),
    one(["fs", "close"], "FileClose", {}, {}),

    one(["shell", "kernel", "uptime", "--json", "-d", "--"], "ShellExecute",
        {"arguments": ["kernel", "uptime", "--json", "-d", "--"]}, {"output": "Uptime: 1 ms\r\n", "status": 0}, "Uptime: 1 ms\n"),
    one(["shell", "--device", "rack-1", "--", "-x"], "ShellExecute", {"device": "rack-1", "arguments": ["-x"]},
        {"output": "\x1b[1;32muart:~$\x1b[m \x1b[8D", "status": 0}, "uart:~$ \\x1b[8D\n"),

    one(["enum", "list-groups"], "GroupIds", {}, {"groups": [0, 1, 64]}, "    0  OS\n    1  image\n   64  -\n"),
    several(["enum", "list-groups", "--iter"],
            [("GroupAt", {"index": 0}, {"group": 0}), ("GroupAt", {"index": 1}, {"group": 9, "end": True})],
            "    0  OS\n    9  shell\n", {"groups": [0, 9]}),
    one(["enum", "show-group-details", "0", "9"], "Groups", {"groups": [0, 9]},
        {"groups": [{"group": 0, "name": "os mgmt", "handlers": 8}, {"group": 9}]},
        "ID NAME    COMMANDS\n 0 os mgmt        8\n 9 -              -\n"),
    one(["enum", "count-groups"], "GroupCount", {}, {"count": 8}, "8\n"),
    one(["zephyr", "erase-storage"], "StorageErase", {}, {}),

    one(["raw", "read", "64", "1"], "Request", {"operation": "read", "group": 64, "command": 1},
        {"payload": {"a": 1, "b": {"c": [True, None], "d": []}, "e": {"$bytes": "AQI="}}},
        '{\n  "a": 1,\n  "b": {\n    "c": [\n      true,\n      null\n    ],\n    "d": []\n  },\n'
        '  "e": {\n    "$bytes": "AQI="\n  }\n}\n'),
    one(["raw", "write", "0x40", "1", '{"x": {"$bytes": "AQI="}}'], "Request",
        {"operation": "write", "group": 64, "command": 1, "payload": {"x": {"$bytes": "AQI="}}}, {"payload": {}}, "{}\n"),
]


def answers(calls):
    """Replies by the order in which a method is called."""
    left = list(calls)

    def answer(parameters):
        return [left.pop(0)[2]]
    return answer


@pytest.mark.parametrize("argv,calls,text", ROWS)
def test_text(daemon, ctl, argv, calls, text):
    answer = answers(calls)
    for method, *_ in calls:
        daemon.on(method, answer)
    result = ctl(*argv)
    assert (result.code, result.err) == (0, ""), result
    assert result.out == text
    assert daemon.calls == [(method, parameters, False) for method, parameters, *_ in calls]


@pytest.mark.parametrize("argv,calls,text", ROWS)
def test_json_is_the_reply(daemon, ctl, argv, calls, text):
    answer = answers(calls)
    for method, *_ in calls:
        daemon.on(method, answer)
    result = ctl("--json", *argv)
    assert (result.code, result.err) == (0, ""), result
    assert result.out.count("\n") == 1 and result.out[-1] == "\n"
    _, _, reply, *several_replies = calls[-1]
    assert json.loads(result.out) == (several_replies and several_replies[0] or reply)


WAITS = [
    ([], [("present", "a", "probing"), ("current",), ("changed", "a", "ready")], 0, "a ready\n", ""),
    (["-d", "a"], [("present", "a", "ready"), ("current",)], 0, "a ready\n", ""),
    (["--state", "absent"], [("present", "a", "ready"), ("present", "b", "absent"), ("current",)], 0, "b absent\n", ""),
    (["--all"], [("present", "a", "ready"), ("present", "b", "probing"), ("current",), ("changed", "b", "ready")], 0,
     "a ready\nb ready\n", ""),
    (["--all"], [("present", "a", "ready"), ("present", "b", "probing"), ("current",), ("removed", "b", "probing")], 0,
     "a ready\n", ""),
    (["--all"], [("current",), ("added", "a", "ready")], 0, "a ready\n", ""),
    (["--all"], [("present", "a", "quiet"), ("current",), ("present", "b", "ready", 7), ("current",)], 0, "b ready\n", ""),
    (["--all", "--timeout", "700ms"], [("present", "a", "ready"), ("present", "b", "quiet"), ("current",)], 5, "",
     "mcumgrctl: not ready within 700 ms\n  b is quiet\n"),
    (["--timeout", "700ms"], [("current",)], 5, "", "mcumgrctl: not ready within 700 ms\n  there is no board\n"),
]


def test_wait_for_is_interrupted(daemon, ctl):
    daemon.on("Watch", {"event": "current", "number": 1, "time": "2026-01-02T03:04:05.678Z"}, Open())
    process = ctl.start("wait-for", "a")
    daemon.wait_call("Watch")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (130, b"", b"mcumgrctl: a: interrupted while waiting\n")


def test_watch_hubs(daemon, ctl):
    time = {"time": "2026-01-02T03:04:05.678Z"}
    events = [("hubPresent", 2), ("hubAttached", 0), ("hubDetached", 2), ("hubRemoved", 2)]
    daemon.on("Watch", *({"event": event, "number": i, **time, "hub": HUBS[hub]} for i, (event, hub) in enumerate(events)),
              Error("Stopping", message="the daemon is ending"))
    assert ctl("watch").out.splitlines() == [
        "03:04:05.678Z hub pci-0000:00:14.0-usb-0:2 present absent since 2026-01-02",
        "03:04:05.678Z hub 1-1.4 attached", "03:04:05.678Z hub pci-0000:00:14.0-usb-0:2 detached",
        "03:04:05.678Z hub pci-0000:00:14.0-usb-0:2 removed"]


@pytest.mark.parametrize("argv,events,code,out,err", WAITS)
def test_wait_for(daemon, ctl, argv, events, code, out, err):
    def reply(event, id_=None, state=None, missed=None):
        device = {"device": {"id": id_, "state": state, "since": "2026-01-01T00:00:00.000Z"}} if id_ else {}
        return {"event": event, "number": 1, "time": "2026-01-02T03:04:05.678Z", **device, **({"missed": missed} if missed else {})}
    replies = [reply(*event) for event in events]
    daemon.on("Watch", *replies, Open())
    split = 2 if "-d" in argv else 0
    result = ctl(*argv[:split], "wait-for", *argv[split:])
    assert (result.code, result.out, result.err) == (code, out, err)
    assert daemon.calls == [("Watch", {"device": "a", "expect": True} if split else {}, True)]
    as_json = ctl("--json", *argv[:split], "wait-for", *argv[split:])
    lines = [json.loads(line) for line in as_json.out.splitlines()]
    assert as_json.code == code and lines[:len(replies)] == replies
    assert [line["error"] for line in lines[len(replies):]] == (["mcumgrctl.TimedOut"] if code else [])


@pytest.mark.parametrize("argv,calls,text", [row for row in ROWS if row.values[1][0][0] not in ("List", "Ports", "Jobs", "JobCancel")])
def test_every_board_verb_tells_a_missing_board(daemon, ctl, argv, calls, text):
    error = Error("NoSuchDevice", device="x", available=["rack-1"], message="no board goes by x")
    daemon.on(calls[0][0], error)
    result = ctl(*argv)
    assert (result.code, result.out) == (3, "")
    assert result.err == "mcumgrctl: x: no board goes by x\n  There is:\n   - rack-1\n"


def test_application_info_has_every_letter(daemon, ctl, interface):
    """An option a letter, in the order of the fields of the interface, which is that of the board's line."""
    daemon.on("OsInfo", lambda p: [{"text": p["format"]}])
    page = ctl("os", "application-info", "--help").out
    names = [name for name in interface.methods["OsInfo"][1][1] if name != "text"]
    letters = re.findall(r"-(\w), --([\w-]+)", page)
    assert [long for _, long in letters[:9]] == ["".join("-" + c.lower() if c.isupper() else c for c in name) for name in names]
    for letter, long in letters[:10]:
        assert ctl("os", "application-info", f"-{letter}").out == ctl("os", "application-info", f"--{long}").out == f"{letter}\n"
    assert "".join(letter for letter, _ in letters[:10]) == "snrvbmpioa"


def test_bootloader_without_a_mode(daemon, ctl):
    refused = Error("DeviceError", device="rack-1", group=0, rc=3, message="the board does not know the query")
    daemon.on("BootloaderInfo", lambda p: [refused if p else {"name": "MCUboot"}])
    result = ctl("os", "bootloader-info")
    assert (result.code, result.out, result.err) == (0, "Name:                  MCUboot\n", "")
    assert json.loads(ctl("--json", "os", "bootloader-info").out) == {"name": "MCUboot"}


@pytest.mark.parametrize("json_option", [(), ("--json",)])
def test_statistics_of_all_groups(daemon, ctl, json_option):
    replies = {g: {"group": g, "values": [{"name": "n", "value": i}]} for i, g in enumerate(["a", "b"])}
    daemon.on("StatGroups", {"groups": ["b", "a"]}).on("StatRead", lambda p: [replies[p["group"]]])
    result = ctl(*json_option, "stats", "get")
    assert daemon.calls == [("StatGroups", {}, False), ("StatRead", {"group": "a"}, False), ("StatRead", {"group": "b"}, False)]
    if json_option:
        assert json.loads(result.out) == {"groups": [replies["a"], replies["b"]]}
    else:
        assert result.out == "a:\n  n: 0\nb:\n  n: 1\n"


def test_set_datetime_of_this_computer(daemon, ctl):
    daemon.on("SetTime", {})
    assert ctl("os", "set-datetime", env={"TZ": "XXX-14"}).code == 0
    assert ctl("os", "set-datetime", "--utc", env={"TZ": "XXX-14"}).code == 0
    local, utc = (parameters["time"] for _, parameters, _ in daemon.calls)
    assert local > utc and len(local) == len(utc) == 19


@pytest.mark.parametrize("status,shown", [(-22, "-22 (EINVAL)"), (1, "1"), (-9999, "-9999")])
def test_shell_status(daemon, ctl, status, shown):
    daemon.on("ShellExecute", {"output": "out\n", "status": status})
    result = ctl("shell", "x")
    assert (result.code, result.out, result.err) == (6, "out\n", f"mcumgrctl: the command returned {shown}\n")


def test_connection_test(daemon, ctl):
    daemon.on("Echo", lambda p: [{"text": p["text"]}])
    assert ctl().out == ctl("-d", "rack-1").out == "Device alive and responsive.\n"
    first, second = (parameters for _, parameters, _ in daemon.calls)
    assert len(first["text"]) == 16 and first["text"] != second["text"] and second["device"] == "rack-1"


@pytest.mark.parametrize("argv,tuning", [
    (["--smp-frame-size", "256"], {"frameSize": 256}), (["--smp-frame-size=0", "--retries", "2"], {"frameSize": 0, "retries": 2})])
def test_settings_go_first(daemon, ctl, argv, tuning):
    daemon.on("Configure", {}).on("Echo", {"text": "x"})
    assert ctl(*argv, "-d", "rack-1", "os", "echo", "x").code == 0
    assert daemon.calls == [("Configure", {"device": "rack-1", **tuning}, False), ("Echo", {"device": "rack-1", "text": "x"}, False)]


def test_settings_that_are_refused_end_the_run(daemon, ctl):
    daemon.on("Configure", Error("NoSuchDevice", device="x", available=[], message="no board goes by x"))
    assert ctl("--smp-frame-size", "256", "os", "echo", "x").code == 3 and daemon.methods() == ["Configure"]


def test_connection_test_wrong_echo(daemon, ctl):
    daemon.on("Echo", {"text": "nonsense"})
    result = ctl()
    assert (result.code, result.out, result.err) == (1, "", "mcumgrctl: the board's echo is not what was sent\n")


def test_board_list_without_an_end(daemon, ctl):
    daemon.on("GroupAt", {"group": 1})
    result = ctl("enum", "list-groups", "--iter")
    assert result.code == 1 and "has no end" in result.err and len(daemon.calls) == 256


def test_watch(daemon, ctl):
    time = {"time": "2026-01-02T03:04:05.678Z"}
    daemon.on("Watch",
              {"event": "present", "number": 1, **time, "device": DEVICES[0]}, {"event": "current", "number": 1, **time},
              {"event": "changed", "number": 2, **time, "device": GONE},
              {"event": "attached", "number": 2, **time, "device": DEVICES[0]},
              {"event": "rebooted", "number": 2, **time, "device": DEVICES[0], "reason": "its console shows a boot"},
              {"event": "firmware", "number": 2, **time, "device": DEVICES[0], "before": {"version": "0.9.0"},
               "after": {"version": "1.0.0", "hash": "0123456789abcdef"}},
              {"event": "unavailable", "number": 2, **time, "device": GONE},
              {"event": "unlocked", "number": 2, **time, "device": GONE},
              {"event": "job", "number": 3, **time, "job": FAILED}, {"event": "removed", "number": 4, **time, "device": GONE},
              {"event": "current", "number": 9, **time, "missed": 5}, Error("Stopping", message="the daemon is ending"))
    result = ctl("watch", "--device", "rack")
    assert daemon.calls == [("Watch", {"device": "rack"}, True)]
    assert (result.code, result.err) == (9, "mcumgrctl: rack: the daemon is ending\n")
    assert result.out == """\
03:04:05.678Z rack-1 present ready /dev/ttyACM0 version 1.0.0
03:04:05.678Z rack-3 changed unavailable (held by another program)
03:04:05.678Z rack-1 attached /dev/ttyACM0 version 1.0.0
03:04:05.678Z rack-1 rebooted (its console shows a boot)
03:04:05.678Z rack-1 firmware 1.0.0 (0123456789ab), before 0.9.0
03:04:05.678Z rack-3 unavailable (held by another program)
03:04:05.678Z rack-3 unlocked
03:04:05.678Z rack-2 job 8: update failed, upload 9 %
03:04:05.678Z rack-3 removed
03:04:05.678Z (5 events were missed; what is there now follows)
"""
