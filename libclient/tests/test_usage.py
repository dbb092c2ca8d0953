# SPDX-License-Identifier: MIT
"""The command line itself: what it refuses, its help, its completion; nothing here needs a daemon."""

import json
import pathlib
import re
import shlex
import subprocess

import pytest

from conftest import TREE, environment, program

HELP = "mcumgrctl --help lists verbs and options, mcumgrctl VERB --help tells about one."

USAGE = [
    ("frobnicate", "there is no verb frobnicate", "Verbs start with: list, watch, reset-state, wait-for, lock, unlock, leases, keep, release, suggest, doctor, console, trace, firmware, jobs, job, image, os, stats, "
     "settings, fs, shell, enum, transport, zephyr, raw."),
    ("lsit", "there is no verb lsit", "Is it 'list' that you mean?"),
    ("imgae get-state", "there is no verb imgae", "Is it 'image' that you mean?"),
    ("os ehco x", "there is no verb os ehco", "Is it 'os echo' that you mean?"),
    ("job", "job needs a verb", "Its verbs are: watch, cancel."),
    ("os echo", "os echo needs TEXT: what to send", HELP),
    ("raw read 1", "raw read needs COMMAND: number of the command", HELP),
    ("shell", "shell needs COMMAND: a command of the board's shell, and its arguments", HELP),
    ("list x", "list has no use for the argument 'x'", HELP),
    ("os echo a b", "os echo has no use for the argument 'b'", HELP),
    ("--devise x list", "there is no option --devise", "Is it --device that you mean?"),
    ("image upload --upgrade f", "image upload has no option --upgrade", HELP),
    ("image upload --upgade-only f", "image upload has no option --upgade-only", "Is it --upgrade-only that you mean?"),
    ("-x list", "there is no option -x", HELP),
    ("os echo -d x y", "-d stands before the verb", "Write -d before the verb, or --device anywhere."),
    ("os -d x echo y", "-d stands before the verb", "Write -d before the verb, or --device anywhere."),
    ("os echo hi -t 5", "-t stands before the verb", "Write -t before the verb, or --timeout anywhere."),
    ("os echo hi --timeout", "--timeout needs a value: TIME", HELP),
    ("list --json=yes", "--json takes no value", HELP),
    ("-d a -d b os echo x", "-d is given twice", HELP),
    ("--all -s /dev/x os echo x", "--all and --serial exclude each other", HELP),
    ("-s /dev/x -u 2fe3 os echo x", "--device, --serial and --usb-serial exclude each other", HELP),
    ("-s /dev/x list", "list has no use for --serial", HELP),
    ("-b 9600 os echo x", "--baud goes with --serial and --usb-serial only", "The daemon's boards have theirs from mcumgrd.conf(5)."),
    ("-b 20000000 os echo x", "--baud goes with --serial and --usb-serial only", "The daemon's boards have theirs from mcumgrd.conf(5)."),
    ("-b 20000001 os echo x", "-b: '20000001' is no number from 50 to 20000000", HELP),
    ("firmware update --boot-timeout 500ms f", "--boot-timeout: '500ms' is not from 1000ms to 3600s", HELP),
    ("--raw os echo x", "--raw goes with --serial and --usb-serial only", "The daemon's boards have their framing from mcumgrd.conf(5)."),
    ("--udp 10.0.0.1 os echo x", "there is no option --udp", "Boards are reached by serial ports; UDP is not there yet."),
    ("os echo x --ble", "os echo has no option --ble", "Boards are reached by serial ports; Bluetooth is not there yet."),
    ("--retries 3 list", "list has no use for --smp-frame-size and --retries", HELP),
    ("--smp-frame-size 65544 os echo x", "--smp-frame-size: '65544' is no number from 0 to 65543", HELP),
    ("wait-for --state lost", "--state: 'lost' is none of: absent, opening, quiet, probing, ready, busy, recovery, unresponsive, "
     "unavailable, broken, released", HELP),
    ("--all list", "list has no use for --all", HELP),
    ("--all watch", "watch has no use for --all", HELP),
    ("-d x list", "list has no use for --device", HELP),
    ("-t 5 list", "list has no use for --timeout", HELP),
    ("os echo x --detach", "os echo has no use for --detach", "Jobs are started by firmware update and image upload."),
    ("-t 5x os echo x", "-t: '5x' is no time; write 500ms, 5s, 2min or 1h", "A bare number counts milliseconds."),
    ("-t inf os echo x", "-t: 'inf' is no time; write 500ms, 5s, 2min or 1h", "A bare number counts milliseconds."),
    ("-t 0 os echo x", "-t: '0' is not from 1ms to 600s", HELP),
    ("-t 11min os echo x", "-t: '11min' is not from 1ms to 600s", HELP),
    ("firmware update --boot-timeout x f", "--boot-timeout: 'x' is no time; write 500ms, 5s, 2min or 1h", "A bare number counts seconds."),
    ("firmware update --no-confirm --force-confirm f", "--no-confirm and --force-confirm exclude each other", HELP),
    ("firmware update --checksum abc f", "--checksum: 'abc' is not hex: pairs of the digits 0 to f", HELP),
    ("firmware update --checksum abcd f", "--checksum: 4 hex digits are not the 64 that belong there", HELP),
    ("firmware update -b grub f", "-b: 'grub' is none of: mcuboot", HELP),
    ("image set-state", "image set-state needs --hash, --confirm or both",
     "--hash HEX marks an image for one test boot, --confirm makes the running one permanent."),
    ("image erase one", "SLOT: 'one' is no number from 0 to 4294967295", HELP),
    ("os system-reset --bootmode 256", "--bootmode: '256' is no number from 0 to 255", HELP),
    ("os system-reset --bootmode 1 --boot-timeout 2d", "--boot-timeout: '2d' is no time; write 500ms, 5s, 2min or 1h",
     "A bare number counts seconds."),
    ("os system-reset --bootmode 1 --no-wait --boot-timeout 5s", "--boot-timeout and --no-wait exclude each other", HELP),
    ("os system-reset --bootmode 0 --boot-timeout 5s", "--boot-timeout needs --bootmode 1: nothing is waited for without it", HELP),
    ("os system-reset --boot-timeout 5s", "--boot-timeout needs --bootmode 1: nothing is waited for without it", HELP),
    ("settings write x 0", "HEX: '0' is not hex: pairs of the digits 0 to f", HELP),
    ("raw read 65536 0", "GROUP: '65536' is no number from 0 to 65535", HELP),
    ("raw read 1 1 []", "JSON: this is no JSON object", "SMP payloads are maps: '{\"key\": 1}'."),
    ("os set-datetime tomorrow", "'tomorrow' is no time such as 2026-01-02T03:04:05 or 2026-01-02T03:04:05+02:00",
     "Write it as in RFC 3339; without a zone it is sent as it is."),
    ("os set-datetime 2026-02-31T00:00:00", "'2026-02-31T00:00:00' is no time such as 2026-01-02T03:04:05 or "
     "2026-01-02T03:04:05+02:00", "Write it as in RFC 3339; without a zone it is sent as it is."),
    ("os set-datetime 2026-01-02T03:04:05+99:00", "'2026-01-02T03:04:05+99:00' is no time such as 2026-01-02T03:04:05 or "
     "2026-01-02T03:04:05+02:00", "Write it as in RFC 3339; without a zone it is sent as it is."),
]


@pytest.mark.parametrize("line,problem,hint", USAGE, ids=[row[0] for row in USAGE])
def test_usage(daemon, ctl, line, problem, hint):
    result = ctl(*line.split())
    assert (result.code, result.out, result.err) == (2, "", f"mcumgrctl: {problem}\n  {hint}\n")
    assert daemon.calls == []
    as_json = ctl("--json", *line.split())
    if "--json=" not in line:
        assert json.loads(as_json.out) == {"error": "mcumgrctl.Usage", "parameters": {
            "message": problem, **({"hint": hint})}} and as_json.code == 2


def test_control_bytes_of_the_command_line(ctl):
    assert ctl("\x1b[2J").err.startswith("mcumgrctl: there is no verb \\x1b[2J\n")


def lines_of(option):
    return subprocess.run([program(), option], capture_output=True, text=True, check=True, env=environment()).stdout.splitlines()


def verbs():
    """[(title, [options], [words])]; the program's own are under '*'."""
    return [(title, options.split(), words.split()) for title, options, words in (v.split("\t") for v in lines_of("--verbs"))]


def test_help_fits_and_names_everything():
    page = lines_of("--help")
    assert all(len(line) <= 96 and line.isascii() and line == line.rstrip() for line in page)
    for title, options, _ in verbs():
        if title == "*":
            assert all(any(re.search(rf"(^|\s){option.rstrip('=')}(\s|$)", line) for line in page) for option in options)
        else:
            assert any(line.startswith(f"  {title} ") or line == f"  {title}" for line in page), title


def test_help_of_each_verb(ctl):
    for title, options, words in verbs():
        if title == "*":
            continue
        page = ctl(*title.split(), "--help")
        assert (page.code, page.err) == (0, "")
        assert page.out.startswith(f"Usage: mcumgrctl [OPTIONS] {title}")
        assert all(option.rstrip("=") in page.out for option in options)
        assert all(f"\n  {word}" in page.out for word in words)
        assert ctl(*title.split(), "-h").out == page.out


def test_help_of_a_group(ctl):
    page = ctl("image", "--help").out
    assert "image get-state" in page and "os echo" not in page


def test_version(ctl):
    assert re.fullmatch(r"mcumgrctl \d+\.\d+\.\d+\n", ctl("-V").out)


def manual():
    text = (TREE / "docs/mcumgrctl.1.scd").read_text()
    return text.replace("\\", "")


def test_manual_has_every_verb_and_option():
    text = manual()
    for title, options, _ in verbs():
        if title != "*":
            assert re.search(rf"\*{re.escape(title)}\*", text), title
        for option in options:
            assert f"*{option.rstrip('=')}*" in text, f"{title} {option}"


def test_manual_has_every_exit_code():
    codes = dict(re.findall(r"^ +(\d+)  (.*)$", "\n".join(lines_of("--help")), flags=re.M))
    assert len(codes) >= 12
    for code, text in codes.items():
        assert re.search(rf"^\*{code}\*\n\t{re.escape(text[0].upper() + text[1:])}\.", manual(), flags=re.M), code


def complete(*words):
    """What bash would offer for the last word."""
    script = pathlib.Path(TREE / "libclient/mcumgrctl/mcumgrctl.bash")
    quoted = " ".join(f"'{w}'" for w in words)
    code = f"""
source {shlex.quote(str(script))}
mcumgrctl() {{ {shlex.quote(program())} "$@"; }}
COMP_WORDS=(mcumgrctl {quoted}); COMP_CWORD={len(words)}; COMP_LINE="mcumgrctl {' '.join(words)}"; COMP_POINT=${{#COMP_LINE}}
_mcumgrctl; printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    done = subprocess.run(["bash", "--norc", "-c", code], capture_output=True, text=True, check=True, env=environment("/none"))
    assert done.stderr == ""
    return set(done.stdout.split())


@pytest.mark.parametrize("words,offered", [
    (["f"], {"firmware", "fs"}),
    (["im"], {"image"}),
    (["--js"], {"--json"}),
    (["-d", "rack-1", "job"], {"job", "jobs"}),
    (["job", ""], {"watch", "cancel"}),
    (["--all", "image", "s"], {"set-state", "slot-info"}),
    (["image", "set-state", "--"], {"--hash", "--confirm", "--device", "--all", "--json", "--quiet", "--timeout", "--detach",
                                    "--socket", "--help", "--version", "--serial", "--baud", "--usb-serial",
                                    "--smp-frame-size", "--retries", "--raw", "--verbose", "--parallel", "--stop-after"}),
    (["firmware", "update", "--fo"], {"--force-confirm"}),
    (["--timeout", "5s", "os", "get"], {"get-datetime"}),
    (["--all", "--parallel", "1", "firm"], {"firmware"}),
    (["--all", "--parallel", "=", "1", "firm"], {"firmware"}),
    (["lock", "--reason", "x", "--co"], {"--count"}),
    (["he"], {"help"}),
    (["help", "im"], {"image"}),
    (["help", "job", "w"], {"watch"}),
    (["nonsense", ""], set()),
    (["wait-for", "--state", ""], set()),
    (["--device", "=", "r"], set()),
    (["--device", "="], set()),
])
def test_completion(words, offered):
    assert complete(*words) == offered


def test_completion_of_files(tmp_path, monkeypatch):
    (tmp_path / "zephyr.bin").touch()
    monkeypatch.chdir(tmp_path)
    assert complete("firmware", "update", "ze") == {"zephyr.bin"}


def test_what_is_not_known_is_completed_as_files():
    """A local file of fs, the words of a command: of bash's own completions only this option has files."""
    script = TREE / "libclient/mcumgrctl/mcumgrctl.bash"
    done = subprocess.run(["bash", "--norc", "-c", f"source {shlex.quote(str(script))}; complete -p mcumgrctl"], capture_output=True,
                          text=True, check=True)
    assert "-o default " in done.stdout
    assert complete("fs", "upload", "x") == complete("lock", "a", "--", "ls", "x") == set()


def test_completion_of_devices(daemon, monkeypatch):
    device = {"id": "rack-1", "name": "left", "state": "ready", "since": "2026-01-01T00:00:00.000Z"}
    daemon.on("List", {"devices": [device, {**device, "id": "rack-2", "name": None}]})
    assert complete("--socket", daemon.path, "-d", "r") == {"rack-1", "rack-2"}
    assert complete("--socket", "=", daemon.path, "--device", "=", "r") == {"rack-1", "rack-2"}
    assert complete("--socket", daemon.path, "--device", "=") == {"rack-1", "rack-2", "left"}
    for verb in "console", "lock", "wait-for", "release", "doctor", "trace", "watch", "unlock", "reset-state":
        assert complete("--socket", daemon.path, verb, "") == {"rack-1", "rack-2", "left"}
    assert complete("--socket", daemon.path, "lock", "rack-1", "l") == {"left"}
    hub = {"path": "1-2", "sections": ["upper"], "state": "attached", "since": "2026-01-01T00:00:00.000Z", "devices": ["rack-1"]}
    daemon.on("List", {"devices": [device], "hubs": [hub]})
    assert complete("--socket", daemon.path, "-d", "") == {"rack-1", "left"}
    daemon.on("List", {"devices": []})
    assert complete("--socket", daemon.path, "-d", "") == set()


@pytest.mark.parametrize("words", [["lock"], ["os"], ["os", "echo"], []])
def test_help_is_a_word_too(ctl, words):
    asked = ctl("help", *words)
    assert (asked.code, asked.err) == (0, "") and asked.out == ctl(*words, "--help").out


def test_manual_of_the_library_has_every_function():
    header = re.sub(r"/\*.*?\*/", "", (TREE / "libclient/mcumgr.h").read_text(), flags=re.S)
    functions = set(re.findall(r"\b(mcumgr_\w+)\([^*]", header))
    text = (TREE / "docs/libmcumgr.3.scd").read_text()
    assert len(functions) > 15 and {name for name in functions if f"*{name}*()" not in text} == set()
