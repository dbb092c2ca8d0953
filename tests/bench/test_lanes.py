# SPDX-License-Identifier: MIT
"""script/test in a tree of its own whose suites are a few lines each: what it says of them, and with which exit status."""
import pathlib
import shutil
import signal
import subprocess
import textwrap

import pytest

ROOT = pathlib.Path(__file__).parents[2]
PASSES = "def test_it():\n    pass\n"
FAILS = "def test_it():\n    assert False\n"
# Ends the lane that it runs in: the child of script/test, which is process 1 there.
DIES = """
    import os, pathlib, signal
    def test_it():
        lane = os.getpid()
        while (parent := int(pathlib.Path(f"/proc/{lane}/stat").read_text().rpartition(")")[2].split()[1])) != 1:
            lane = parent
        os.kill(lane, signal.SIGKILL)
"""
# Says which process its lane is.
TELLS = DIES.replace("os.kill(lane, signal.SIGKILL)", "pathlib.Path('../../lane').write_text(str(lane))")
# Once that lane has ended, the next process that script/test starts has its number: numbers come round on a busy machine.
COMES_ROUND = """
    import pathlib, time
    def test_it():
        deadline = time.monotonic() + 60
        while not pathlib.Path("../../build/results/zephyr.json").exists() or pathlib.Path(f"/proc/{lane()}").exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
    def lane():
        return int(pathlib.Path("../../lane").read_text())
    def teardown_module():
        pathlib.Path("/proc/sys/kernel/ns_last_pid").write_text(str(lane() - 1))
"""
CASES = [
    ("passes", PASSES, PASSES, 0, "2 passed, 0 failed, 0 skipped"),
    ("fails", PASSES, FAILS, 1, "1 passed, 1 failed, 0 skipped"),
    ("in the other lane", FAILS, PASSES, 1, "1 passed, 1 failed, 0 skipped"),
    ("lane dies", DIES, PASSES, 1, "1 passed, 1 failed, 0 skipped"),
    ("number comes round", TELLS, COMES_ROUND, 0, "2 passed, 0 failed, 0 skipped"),
]


@pytest.fixture
def tree(tmp_path):
    (tmp_path / "script").mkdir()
    for name in ("test", "test-summary"):
        shutil.copy(ROOT / "script" / name, tmp_path / "script" / name)
    (tmp_path / "build" / "test").mkdir(parents=True)
    (tmp_path / "build" / "test" / "build.ninja").touch()
    for name in ("script/packages", "bin/ninja"):  # nothing to install, nothing to build
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    return tmp_path


def need_namespaces(*command):
    if subprocess.run([*command, "true"], check=False, capture_output=True).returncode:
        pytest.skip("no namespaces to be had here")


@pytest.mark.parametrize("heavy, light, status, end", [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_every_suite_is_in_the_total(tree, heavy, light, status, end):
    for suite, text in (("zephyr", heavy), ("sim", light)):
        (tree / "tests" / suite).mkdir(parents=True)
        (tree / "tests" / suite / "test_it.py").write_text(textwrap.dedent(text))
    command = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc", "--kill-child"]
    need_namespaces(*command)
    result = subprocess.run([*command, "bash", "script/test", "zephyr", "sim"], cwd=tree, capture_output=True, text=True,
                            timeout=120, check=False, env={"PATH": f"{tree}/bin:/usr/bin:/bin", "HOME": str(tree)})
    assert (result.stdout.splitlines()[-1:], result.returncode) == ([end], status), result


# What programs inherit: nothing that whoever started script/test had ignored, closed or set.
PLAIN = """
    import os, pathlib, signal, subprocess
    def test_it():
        ignored = int(pathlib.Path("/proc/self/status").read_text().partition("SigIgn:")[2].split()[0], 16)
        asked = {signal.SIGPIPE, signal.SIGHUP, signal.SIGINT, signal.SIGCHLD}
        assert {s for s in asked if ignored >> s - 1 & 1} <= {signal.SIGPIPE}, "Python itself ignores that one"
        assert subprocess.run(["sh", "-c", "kill -PIPE $$"]).returncode == -signal.SIGPIPE
        assert os.read(0, 1) == b"" and os.umask(0o22) == 0o22
        program = pathlib.Path(os.environ["TMPDIR"], f"of-script-test-{os.getpid()}")
        program.write_text("#!/bin/sh\\n")
        program.chmod(0o755)
        subprocess.run([program], check=True)
        program.unlink()
        assert len(os.environ["TMPDIR"]) < 60 and os.path.isdir(os.environ["TMPDIR"]) and os.access(os.environ["HOME"], os.W_OK)
        assert not {"MCUMGR_LEASE", "NOTIFY_SOCKET", "PYTHONOPTIMIZE", "CDPATH"} & set(os.environ)
        assert os.access(os.environ["MCUMGRD_TEST_CACHE"], os.W_OK)
"""
START = "exec script/test sim"
SURROUNDINGS = [
    ("signals", {}, (signal.SIGPIPE, signal.SIGHUP, signal.SIGINT, signal.SIGCHLD), START),
    ("no input", {}, (), f"exec <&-; umask 077; {START}"),
    ("no programs", {"TMPDIR": "/var/tmp"}, (), "exec unshare --user --map-root-user --mount bash -c "
     f"'mount -t tmpfs -o noexec none /var/tmp && {START}'"),
    ("variables", {"PYTEST_ADDOPTS": "--collect-only", "PYTHONOPTIMIZE": "1", "MCUMGR_LEASE": "x", "NOTIFY_SOCKET": "/none",
                   "CDPATH": "/", "LC_ALL": "tr_TR.UTF-8", "POSIXLY_CORRECT": "1"}, (), START),
    ("long folder", {"TMPDIR": "/tmp/" + "long/" * 30}, (), START),
    ("no home", {"HOME": None}, (), START),
    ("a home that is none", {"HOME": "/proc/nowhere"}, (), START),
    ("a home of others", {"HOME": "/proc", "MCUMGRD_TEST_CACHE": "/proc/nowhere"}, (), START),
]


@pytest.mark.parametrize("variables, ignored, start", [s[1:] for s in SURROUNDINGS], ids=[s[0] for s in SURROUNDINGS])
def test_surroundings_do_not_matter(tree, variables, ignored, start):
    if "unshare" in start:
        need_namespaces("unshare", "--user", "--map-root-user", "--mount")
    (tree / "tests/sim").mkdir(parents=True)
    (tree / "tests/sim/test_it.py").write_text(textwrap.dedent(PLAIN))
    environment = {"PATH": f"{tree}/bin:/usr/bin:/bin", "HOME": str(tree), "MCUMGRD_TEST_CACHE": "", **variables}

    def ignore():
        for number in ignored:
            signal.signal(number, signal.SIG_IGN)

    result = subprocess.run(["bash", "-c", start], cwd=tree, capture_output=True, text=True, timeout=120,
                            check=False, preexec_fn=ignore, env={k: v for k, v in environment.items() if v is not None})
    assert (result.stdout.splitlines()[-1:], result.returncode) == (["1 passed, 0 failed, 0 skipped"], 0), result
