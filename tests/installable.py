#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""script/packages brings a Debian that has nothing to where an installation works: meson finds Debian's folder of libraries only
with dpkg-dev, and its own guess, lib64, is one that neither the dynamic linker nor pkg-config looks in."""
import os
import pathlib
import subprocess
import sys
import tempfile

TOP = pathlib.Path(sys.argv[1]).resolve()
FAKES = {"dpkg-query": "exit 1", "id": "echo 0", "apt-get": 'echo "$@" >>"$LOG"'}


def installed_on_a_bare_debian(folder):
    log = folder / "log"
    for name, body in FAKES.items():
        (folder / name).write_text(f"#!/bin/sh\n{body}\n")
        (folder / name).chmod(0o755)
    subprocess.run(["bash", TOP / "script/packages", "build"], check=True, capture_output=True,
                   env={**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "LOG": str(log)})
    return log.read_text().split()


def warnings_of_setup(folder, libdir):
    done = subprocess.run(["meson", "setup", folder / libdir, TOP, "-Dtests=disabled", f"-Dlibdir={libdir}"],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return [line for line in done.stdout.splitlines() if "WARNING" in line]


with tempfile.TemporaryDirectory() as name:
    base = pathlib.Path(name)
    packages = installed_on_a_bare_debian(base)
    assert "dpkg-dev" in packages, packages
    if pathlib.Path("/etc/debian_version").exists():
        said = warnings_of_setup(base, "lib64")
        assert len(said) == 1 and "lib64" in said[0] and "dpkg-dev" in said[0] and "-Dlibdir=" in said[0], said
    assert warnings_of_setup(base, "lib") == []
