# SPDX-License-Identifier: MIT
"""mcumgrd on a rack of native Zephyr processes: every build of the set on a tty, one
daemon. What a board answers is compared with what an independent client was told."""

import collections
import itertools
import threading
import time

import pytest

from . import harness, smp

BUILDS = {
    "serial": 384, "serial_bigrx": 384, "serial_buf96": 96, "serial_buf256": 256,
    "serial_buf400": 400, "serial_buf512": 512, "serial_buf1024": 1024,
    "serial_buf2048": 2048, "serial_line512": 2048, "serial_noparams": 384,
    "serial_raw": 384, "serial_fs": 1024, "shell": 384,
}
RAW = {"serial_raw"}
PARAMETERLESS = {"serial_noparams"}

Rack = collections.namedtuple("Rack", "daemon boards facts")


def facts(one, raw):
    """What an independent client is told before the daemon starts."""
    with smp.Client(one.tty, raw=raw) as client:
        return {"groups": client.read(smp.ENUM, 1)["groups"],
                "info": client.exchange(smp.READ, smp.OS, smp.INFO,
                                        {"format": "a"}).payload.get("output"),
                "statistics": client.read(smp.STAT, 1)["stat_list"]}


@pytest.fixture(scope="module")
def rack(programs, lasting_board, tmp_path_factory):
    boards = {name: lasting_board(name) for name in BUILDS}
    known = {name: facts(one, name in RAW) for name, one in boards.items()}
    ports = {name: one.tty + (",framing=raw" if name in RAW else "")
             for name, one in boards.items()}
    with harness.Daemon(tmp_path_factory.mktemp("rack"), ports) as daemon:
        daemon.wait(BUILDS, timeout=30)
        yield Rack(daemon, boards, known)


@pytest.fixture(autouse=True)
def cables(request):
    """Whatever a test did to a cable is undone."""
    yield
    if "rack" in request.fixturenames:
        boards = request.getfixturevalue("rack").boards
        dead = [name for name, one in boards.items() if one.process.poll() is not None]
        for name, one in boards.items():
            if name in dead:
                one.power_cycle()
            one.relay.restore()
            one.relay.pace()
        assert not dead, f"the firmware crashed: {dead}"


def limit(name):
    """The longest echo request: a reply in raw framing is a byte longer than its request
    and fills the buffer; on the console length and CRC take four bytes of it."""
    return BUILDS[name] - (1 if name in RAW else 4)


def text_of(message_size):
    size = message_size
    while len(smp.message(smp.WRITE, smp.OS, smp.ECHO, 0, {"d": "x" * size})) > message_size:
        size -= 1
    letters = itertools.cycle("abcdefghijklmnopqrstuvwxyz0123456789")
    return "".join(itertools.islice(letters, size))


def requests(one, since):
    return one.relay.to_board.messages(since)


# What probing finds

@pytest.mark.parametrize("name", BUILDS)
def test_probing_finds_what_the_board_has(rack, name):
    device = rack.daemon.device(name)
    expected = (None, None) if name in PARAMETERLESS else (BUILDS[name], 4)
    assert (device.get("bufferSize"), device.get("bufferCount")) == expected
    assert device["groups"] == rack.facts[name]["groups"]
    assert device["state"] == "ready"
    assert device["tty"] == rack.boards[name].tty
    assert device.get("bootloader") is None
    assert not device.get("images")


def test_list_shows_every_board(rack):
    result = rack.daemon.cli("list")
    assert result.code == 0
    devices = {device["id"]: device for device in result.value["devices"]}
    assert sorted(devices) == sorted(BUILDS)
    text = rack.daemon.cli("list", as_json=False)
    for name, one in rack.boards.items():
        line = next(line for line in text.out.splitlines() if line.startswith(name + " "))
        assert "ready" in line and one.tty in line


# Echo

@pytest.mark.parametrize("name", BUILDS)
def test_echo_fills_the_buffer(rack, name):
    for text in ("", "hi", text_of(limit(name) - 1), text_of(limit(name))):
        assert rack.daemon.call("Echo", device=name, text=text) == {"text": text}


@pytest.mark.parametrize("name", [name for name in BUILDS if name not in PARAMETERLESS])
def test_a_message_too_large_for_the_board_is_said_not_sent(rack, name):
    lane = rack.boards[name].relay.to_board
    rack.daemon.call("Echo", device=name, text="before")
    before = lane.offered
    with pytest.raises(harness.ApiError) as caught:
        rack.daemon.call("Echo", device=name, text=text_of(BUILDS[name] + 8))
    assert lane.offered == before
    assert caught.value.name not in ("TimedOut", "DeviceGone")
    assert caught.value.parameters.get("message")
    assert rack.daemon.call("Echo", device=name, text="after") == {"text": "after"}


@pytest.mark.parametrize("text", [
    "hi", "two words", "tab\tand\nnewline", "häß ✓ 漢字 🙂", "\x06\x09", "--help"])
def test_echo_by_the_command_line(rack, text):
    result = rack.daemon.cli("os", "echo", "--", text, device="serial_bigrx")
    assert (result.code, result.value) == (0, {"text": text})
    plain = rack.daemon.cli("os", "echo", "--", text, device="serial_bigrx", as_json=False)
    assert plain.code == 0
    if text.isprintable():
        assert plain.out == text + "\n"


def test_all_boards_at_once(rack):
    result = rack.daemon.cli("--all", "os", "echo", "hi")
    assert result.code == 0, result
    answered = [line for line in result.lines if "hi" in str(line)]
    assert len(answered) >= len(BUILDS), result


def test_many_clients_of_one_board(rack):
    """Requests of 8 connections queue; each gets its own answer."""
    wrong = []

    def ask(number):
        with rack.daemon.api() as api:
            for turn in range(10):
                text = f"{number}-{turn}-" + "y" * (number * 20)
                if api.call("Echo", device="serial_bigrx", text=text) != {"text": text}:
                    wrong.append(text)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not wrong and not any(thread.is_alive() for thread in threads)


# Two line buffers of 128 bytes, and nothing that paces

def test_the_pace_is_found_kept_and_remembered(programs, board, tmp_path):
    """A busy machine may stop the board for longer than the pace, now and then: once is enough for each."""
    one = board("serial")
    text = text_of(380)

    def requests_of(count):
        before = one.relay.to_board.count
        for _ in range(count):
            assert daemon.call("Echo", device="b", text=text) == {"text": text}
        return len(requests(one, before))

    def requests_of_the_next_daemon():
        daemon.stop()
        daemon.start()
        daemon.wait("b")
        return requests_of(1)

    with harness.Daemon(tmp_path, {"b": one.tty}) as daemon:
        daemon.wait("b")
        assert daemon.call("Echo", device="b", text=text) == {"text": text}
        assert daemon.device("b")["lineDelayMs"] > 0
        assert any(requests_of(5) == 5 for _ in range(5)), "paced messages are not lost"
        assert any(requests_of_the_next_daemon() == 1 for _ in range(3)), "the pace is remembered"


def test_a_board_that_keeps_up_is_not_slowed(rack):
    for name in ("serial_bigrx", "serial_buf2048"):
        rack.daemon.call("Echo", device=name, text=text_of(limit(name)))
        assert not rack.daemon.device(name).get("lineDelayMs")


def test_a_pace_can_be_configured(programs, board, tmp_path):
    one = board("serial")
    with harness.Daemon(tmp_path, {"b": one.tty + ",line_delay_ms=20"}) as daemon:
        daemon.wait("b")
        before = one.relay.to_board.count
        text = text_of(380)
        assert daemon.call("Echo", device="b", text=text) == {"text": text}
        assert len(requests(one, before)) == 1


# The other OS commands

def test_parameters(rack):
    result = rack.daemon.cli("os", "mcumgr-parameters", device="serial_buf1024")
    assert (result.code, result.value) == (0, {"bufferSize": 1024, "bufferCount": 4})


def test_no_parameters(rack):
    result = rack.daemon.cli("os", "mcumgr-parameters", device="serial_noparams")
    assert result.code == 6
    assert result.error["error"] == "io.mcumgr.NotSupported"
    parameters = result.error["parameters"]
    assert (parameters["group"], parameters["command"]) == (0, 6)


@pytest.mark.parametrize("name", BUILDS)
def test_application_info(rack, name):
    """All fields do not fit the answer of the smallest board: it says so."""
    if rack.facts[name]["info"] is None:
        assert name == "serial_buf96"
        with pytest.raises(harness.ApiError) as caught:
            rack.daemon.call("OsInfo", device=name, format="a")
        assert caught.value.name == "DeviceError" and caught.value.parameters["rc"] == 7
        assert rack.daemon.call("OsInfo", device=name)["kernelName"] == "Zephyr"
    else:
        assert rack.daemon.call("OsInfo", device=name, format="a") == \
            {"text": rack.facts[name]["info"]}


def test_application_info_by_the_command_line(rack):
    result = rack.daemon.cli("os", "application-info", device="serial_bigrx", as_json=False)
    assert result.code == 0
    assert "native_sim" in result.out and "Zephyr" in result.out


# Any request

def test_groups_by_raw_request(rack):
    for name in ("serial_bigrx", "serial_raw", "shell"):
        reply = rack.daemon.call("Request", device=name, operation="read", group=10, command=1)
        assert reply == {"payload": {"groups": rack.facts[name]["groups"]}}


def test_raw_request_by_the_command_line(rack):
    result = rack.daemon.cli("raw", "read", "10", "1", device="serial_bigrx")
    assert (result.code, result.value) == \
        (0, {"payload": {"groups": rack.facts["serial_bigrx"]["groups"]}})
    result = rack.daemon.cli("raw", "write", "0", "0", '{"d": "hi"}', device="serial_bigrx")
    assert (result.code, result.value) == (0, {"payload": {"r": "hi"}})
    result = rack.daemon.cli("raw", "read", "99", "3", device="serial_bigrx")
    assert (result.code, result.error["error"]) == (6, "io.mcumgr.NotSupported")


def test_raw_request_carries_bytes(rack):
    """A file written and read back with the group's own commands: byte strings both ways."""
    path, data = "/lfs1/x", "AAEC/w=="
    call = dict(device="serial_fs", group=8, command=0)
    rack.daemon.call("Request", operation="write", **call, payload={
        "name": path, "off": 0, "len": 4, "data": {"$bytes": data}})
    reply = rack.daemon.call("Request", operation="read", **call,
                             payload={"name": path, "off": 0})["payload"]
    assert reply == {"off": 0, "len": 4, "data": {"$bytes": data}}


# method, parameters, board -> error, fields of it
REFUSALS = [
    ("Request", dict(operation="read", group=99, command=3), "serial",
     "NotSupported", dict(group=99, command=3)),
    ("Request", dict(operation="read", group=0, command=7, payload={"format": "Z"}), "serial",
     "DeviceError", dict(group=0, rc=2)),
    ("Request", dict(operation="write", group=0, command=0, payload={"d": 5}), "serial",
     "DeviceError", dict(group=None, rc=3)),
    ("Request", dict(operation="write", group=8, command=0,
                     payload={"name": "/lfs1/x", "off": 7, "data": {"$bytes": "AA=="}}),
     "serial_fs", "DeviceError", dict(group=8)),
    ("StatRead", dict(group="nonesuch"), "serial_buf256", "DeviceError", dict(group=2, rc=3)),
    ("SettingRead", dict(name="nonesuch/x"), "serial", "DeviceError", dict(group=3, rc=5)),
    ("FileStatus", dict(path="/lfs1/nonesuch"), "serial_fs", "DeviceError",
     dict(group=8, rc=3)),
    ("Tasks", {}, "serial_buf96", "DeviceError", dict(group=None, rc=7)),
    ("MemoryPools", {}, "serial", "NotSupported", dict(group=0, command=3)),
    ("GetTime", {}, "serial", "NotSupported", dict(group=0, command=4)),
    ("BootloaderInfo", {}, "serial", "NotSupported", dict(group=0, command=8)),
    ("ImageList", {}, "serial", "NotSupported", dict(group=1, command=0)),
    ("SlotInfo", {}, "serial_raw", "NotSupported", dict(group=1, command=6)),
    ("ImageErase", {}, "serial", "NotSupported", dict(group=1, command=5)),
    ("SettingRead", dict(name="x"), "serial_buf256", "NotSupported", dict(group=3, command=0)),
]


@pytest.mark.parametrize("method, parameters, name, error, fields", REFUSALS)
def test_what_a_board_refuses_is_said_as_it_is(rack, method, parameters, name, error, fields):
    with pytest.raises(harness.ApiError) as caught:
        rack.daemon.call(method, device=name, **parameters)
    assert caught.value.name == error
    found = caught.value.parameters
    assert {key: found.get(key) for key in fields} == fields
    assert found["device"] == name and found["message"]


def test_shell_command(rack):
    good = rack.daemon.call("ShellExecute", device="serial", arguments=["kernel", "version"])
    assert good["status"] == 0
    bad = rack.daemon.call("ShellExecute", device="serial", arguments=["nonesuch"])
    assert bad["status"] == -8 and "not found" in bad["output"]


def test_shell_command_by_the_command_line(rack):
    result = rack.daemon.cli("shell", "kernel", "version", device="serial", as_json=False)
    assert result.code == 0 and "Zephyr version" in result.out
    result = rack.daemon.cli("shell", "nonesuch", "--option", device="serial", as_json=False)
    assert result.code == 6 and "not found" in result.out + result.err


def test_tasks_are_in_bytes(rack):
    """Four bytes for each word that the board reports."""
    with rack.daemon.api() as api:
        payload = api.call("Request", device="serial", operation="read", group=0,
                           command=2)["payload"]
        tasks = api.call("Tasks", device="serial")["tasks"]
    assert {task["name"] for task in tasks} == set(payload["tasks"])
    for task in tasks:
        told = payload["tasks"][task["name"]]
        assert task["priority"] == told["prio"]
        if "stksiz" in told:
            assert task["stackSize"] == 4 * told["stksiz"]


def test_statistics(rack):
    for name in ("serial", "serial_buf256"):
        groups = rack.daemon.call("StatGroups", device=name)["groups"]
        assert groups == rack.facts[name]["statistics"]
        reply = rack.daemon.call("StatRead", device=name, group="smp_svr_stats")
        assert reply["group"] == "smp_svr_stats"
        assert [item["name"] for item in reply["values"]] == ["ticks"]


# Bad input

@pytest.mark.parametrize("method, parameters, named", [
    ("Echo", dict(device="serial"), "text"),
    ("Echo", dict(device="serial", text=5), "text"),
    ("Echo", dict(device="serial", text="x", colour="red"), "colour"),
    ("Echo", dict(device="serial", text="x", timeoutMs=-1), "timeoutMs"),
    ("Request", dict(device="serial", operation="erase", group=0, command=0), "operation"),
    ("Request", dict(device="serial", operation="read", group=70000, command=0), "group"),
    ("Request", dict(device="serial", operation="read", group=0, command=256), "command"),
    ("Request", dict(device="serial", operation="read", group=0, command=0,
                     payload={"d": {"$bytes": "?"}}), "payload"),
    ("ImageTest", dict(device="serial", hash="xyz"), "hash"),
])
def test_a_bad_parameter_is_named_and_nothing_is_sent(rack, method, parameters, named):
    before = rack.boards["serial"].relay.to_board.offered
    with pytest.raises(harness.ApiError) as caught:
        rack.daemon.call(method, **parameters)
    assert caught.value.full_name == "org.varlink.service.InvalidParameter"
    assert caught.value.parameters["parameter"].startswith(named)
    assert rack.boards["serial"].relay.to_board.offered == before


@pytest.mark.parametrize("device, code, error", [
    ("nonesuch", 3, "NoSuchDevice"), (None, 3, "AmbiguousDevice")])
def test_which_board(rack, device, code, error):
    result = rack.daemon.cli("os", "echo", "hi", device=device)
    assert result.code == code
    assert result.error["error"] == f"io.mcumgr.{error}"
    named = result.error["parameters"]["matches" if device is None else "available"]
    assert "serial_bigrx" in named


# Bad lines

def test_a_request_with_a_lost_byte_is_repeated(rack):
    for spoil in ("lose", "corrupt"):
        lane = rack.boards["serial_bigrx"].relay.to_board
        getattr(lane, spoil)(lane.offered + 12)
        text = f"{spoil} a byte on the way there"
        assert rack.daemon.call("Echo", device="serial_bigrx", text=text) == {"text": text}


def test_a_broken_reply_is_asked_for_again(rack):
    for spoil in ("lose", "corrupt"):
        lane = rack.boards["serial_bigrx"].relay.to_host
        getattr(lane, spoil)(lane.offered + 12)
        text = f"{spoil} a byte on the way back"
        assert rack.daemon.call("Echo", device="serial_bigrx", text=text) == {"text": text}


def test_a_shell_command_is_not_repeated(rack):
    """Its reply is lost: the command may have run, so it is an error."""
    one = rack.boards["serial"]
    before, back = one.relay.to_board.count, one.relay.to_host
    back.lose(back.offered, 4)
    with pytest.raises(harness.ApiError) as caught:
        rack.daemon.call("ShellExecute", device="serial", arguments=["kernel", "version"])
    assert caught.value.name == "TimedOut"
    sent = [got for got in requests(one, before) if got.group == smp.SHELL]
    assert len(sent) == 1


def test_late_answers_are_not_taken_for_others(rack):
    one = rack.boards["serial_bigrx"]
    one.relay.pace(latency=0.45)
    with pytest.raises(harness.ApiError) as caught:
        rack.daemon.call("Echo", device="serial_bigrx", text="late", timeoutMs=100)
    assert caught.value.name == "TimedOut"
    one.relay.pace()
    for turn in range(5):
        text = f"in time {turn}"
        assert rack.daemon.call("Echo", device="serial_bigrx", text=text) == {"text": text}


def test_a_slow_line_is_no_silence(board, daemon):
    """At 9600 baud the longest echo takes a second on the wire, there and back."""
    one = board("serial_bigrx")
    one.relay.pace(baud=9600)
    server = daemon({"b": one.tty + ",baud=9600"})
    server.wait("b")
    text = text_of(380)
    before = one.relay.to_board.count
    assert server.call("Echo", device="b", text=text) == {"text": text}
    assert len(requests(one, before)) == 1


def test_one_silent_board_holds_up_nobody(rack):
    silent = rack.boards["serial_buf400"]
    silent.relay.silence()
    answers = []

    def ask():
        with rack.daemon.api() as api:
            try:
                answers.append(api.call("Echo", device="serial_buf400", text="?"))
            except harness.ApiError as error:
                answers.append(error.name)

    thread = threading.Thread(target=ask)
    thread.start()
    with rack.daemon.api() as api:
        first = [api.call("Echo", device="serial_bigrx", text=str(turn)) and not answers for turn in range(20)]
    assert all(first[:3]), "the other board was waited for"
    thread.join(60)
    assert answers == ["TimedOut"]
    silent.relay.restore()
    rack.daemon.wait("serial_buf400", timeout=70)
    assert rack.daemon.call("Echo", device="serial_buf400", text="!") == {"text": "!"}


def test_a_silent_board_by_the_command_line(rack):
    rack.boards["serial_buf512"].relay.silence()
    result = rack.daemon.cli("os", "echo", "hi", device="serial_buf512")
    assert result.code == 5
    assert result.error["error"] == "io.mcumgr.TimedOut"
    rack.boards["serial_buf512"].relay.restore()
    rack.daemon.wait("serial_buf512", timeout=70)


def test_a_busy_board_is_not_overrun(board, daemon):
    """While a shell command runs, the board answers nothing. Its buffers hold three more
    requests; one beyond them kills it (see test_boards), retries of late ones included."""
    one = board("serial_bigrx")
    server = daemon({"b": one.tty})
    server.wait("b")
    outcomes = []

    def ask(method, **parameters):
        with server.api() as api:
            try:
                outcomes.append(api.call(method, device="b", **parameters))
            except harness.ApiError as error:
                outcomes.append(error.name)

    busy = threading.Thread(target=ask, args=("ShellExecute",), kwargs={
        "arguments": ["kernel", "sleep", "4000"], "timeoutMs": 300})
    echoes = [threading.Thread(target=ask, args=("Echo",), kwargs={"text": str(turn)})
              for turn in range(8)]
    busy.start()
    busy.join(1)
    for thread in echoes:
        thread.start()
    for thread in [busy, *echoes]:
        thread.join(60)
    assert len(outcomes) == 9
    assert one.process.poll() is None, "the firmware crashed"
    server.wait("b", timeout=70)
    assert server.call("Echo", device="b", text="alive") == {"text": "alive"}


@pytest.mark.slow
def test_a_board_that_is_busy_for_long_is_not_overrun(board, daemon):
    """The same when the command takes longer than anybody waits: what is asked meanwhile,
    and asked again, and the looks at a board that seems dead, add up."""
    one = board("serial_bigrx")
    server = daemon({"b": one.tty})
    server.wait("b")
    with pytest.raises(harness.ApiError) as caught:
        server.call("ShellExecute", device="b", arguments=["kernel", "sleep", "25000"])
    assert caught.value.name == "TimedOut"
    deadline = time.monotonic() + 25
    while time.monotonic() < deadline:
        try:
            server.call("Echo", device="b", text="?")
            break
        except harness.ApiError as error:
            assert error.name in ("TimedOut", "DeviceUnavailable")
    assert one.process.poll() is None, "the firmware crashed"
    server.wait("b", timeout=70)
    assert server.call("Echo", device="b", text="alive") == {"text": "alive"}


def test_power_cycle(rack):
    one = rack.boards["serial_fs"]
    one.power_cycle()
    rack.daemon.wait("serial_fs", timeout=70)
    assert rack.daemon.call("Echo", device="serial_fs", text="back") == {"text": "back"}


def test_unplugged_and_plugged(rack):
    one = rack.boards["serial_buf1024"]
    one.unplug()
    gone = rack.daemon.wait("serial_buf1024", states=("absent", "unavailable"))
    assert gone.get("reason") or gone["state"] == "absent"
    result = rack.daemon.cli("os", "echo", "hi", device="serial_buf1024")
    assert result.code == 5
    one.plug()
    rack.daemon.wait("serial_buf1024")
    assert rack.daemon.call("Echo", device="serial_buf1024", text="x") == {"text": "x"}


# A shell prompt on the same port

def console(one, since=0):
    deframer = smp.Deframer()
    list(deframer.feed(bytes(one.relay.to_host.record[since:])))
    return bytes(deframer.text)


def test_the_half_line_in_the_shell_is_ended_first(programs, board, tmp_path):
    """A frame behind a half-typed line would be run as the rest of a command."""
    one = board("shell")
    with smp.Client(one.tty) as client:
        client.wait(probe=lambda **how: client.echo("awake", **how))
        client.write(b"hel")
        deadline = time.monotonic() + 60
        while not one.relay.to_host.record.endswith(b"hel"):
            assert time.monotonic() < deadline, "the shell does not echo"
            list(client.received(0.02))
    before = one.relay.to_board.count
    assert one.relay.to_board.record.endswith(b"hel")
    with harness.Daemon(tmp_path, {"b": one.tty}) as daemon:
        daemon.wait("b")
        assert daemon.call("Echo", device="b", text="hi") == {"text": "hi"}
    assert one.relay.to_board.record[before:before + 1] == b"\n"
    assert b"hel: command not found" in console(one)
    assert b"wrong parameter" not in console(one)


def test_the_shell_talks_in_between(rack):
    """Each echo goes together with a shell command whose output surrounds the reply."""
    for turn in range(10):
        text = f"turn {turn}"
        rack.daemon.call("Echo", device="shell", text=text)
    before = rack.boards["shell"].relay.to_host.count
    reply = rack.daemon.call("Echo", device="shell", text="z" * 200)
    assert reply == {"text": "z" * 200}
    assert b"command not found" not in console(rack.boards["shell"], before)
