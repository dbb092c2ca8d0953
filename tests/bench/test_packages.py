# SPDX-License-Identifier: MIT
"""script/packages on a machine whose apt is not always to be had."""
import pathlib
import subprocess

import pytest

SCRIPT = pathlib.Path(__file__).parents[2] / "script/packages"
# $UPDATE, $INSTALL: how often each verb fails before it does what it should.
PROGRAMS = {
    "dpkg-query": 'grep -qx scdoc installed && echo installed || { for w; do :; done; test "$w" = scdoc || echo installed; }',
    "apt-get": """echo "$*" >>calls
        case "$*" in *update*) fails=$UPDATE verb=update ;; *) fails=$INSTALL verb=install ;; esac
        echo "$verb" >>done; [ "$(grep -c "$verb" done)" -gt "$fails" ] || { echo "E: Could not get lock" >&2; exit 100; }
        [ "$verb" = update ] || echo scdoc >>installed""",
    "sudo": 'exec "$@"',
    "sleep": 'echo "$1" >>slept',
}


@pytest.mark.parametrize("update, install, status, slept", [
    (0, 0, 0, []), (99, 0, 0, []), (0, 1, 0, ["5"]), (2, 2, 0, ["5", "15"]), (0, 99, 1, ["5", "15", "30", "60"])])
def test_packages_are_installed_once_apt_can(tmp_path, update, install, status, slept):
    for name, text in PROGRAMS.items():
        (tmp_path / "bin" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    for name in ("installed", "slept"):
        (tmp_path / name).touch()
    done = subprocess.run([SCRIPT, "build"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
                          env={"PATH": f"{tmp_path}/bin:/usr/bin:/bin", "UPDATE": str(update), "INSTALL": str(install)})
    assert (done.returncode, (tmp_path / "slept").read_text().split()) == (status, slept), done
    calls = (tmp_path / "calls").read_text().splitlines()
    assert all("-o DPkg::Lock::Timeout=300" in call for call in calls) and calls[1].endswith(" scdoc")
    assert status or subprocess.run([SCRIPT, "build"], cwd=tmp_path, check=True, capture_output=True,
                                    env={"PATH": f"{tmp_path}/bin:/usr/bin:/bin"}).stdout == b""
