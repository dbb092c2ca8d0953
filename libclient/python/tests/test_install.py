# SPDX-License-Identifier: MIT
"""The package goes where Debian's python3 finds it, and finds its daemon from there."""
import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

from conftest import BUILD, TREE

PYTHON = "/usr/bin/python3"
SITE = TREE / "libclient/python/site-dir.py"
CLEAN = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "MCUMGR"))}


def path_of_python():
    out = subprocess.run([PYTHON, "-c", "import sys; print(*sys.path, sep=chr(10))"], env=CLEAN, capture_output=True, text=True, check=True)
    return out.stdout.split("\n")


def site_dir(prefix):
    return subprocess.run([PYTHON, SITE, prefix], env=CLEAN, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize("prefix", ["/usr", "/usr/local"])
def test_the_folder_is_on_the_path(prefix):
    assert site_dir(prefix) in path_of_python() and site_dir(prefix).startswith(prefix + "/lib")
    assert ("/usr/local" in site_dir(prefix)) == (prefix == "/usr/local")


def test_another_prefix_has_the_folder_below_it():
    assert site_dir("/opt/boards") == f"/opt/boards/lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"


def installed():
    out = subprocess.run(["meson", "introspect", BUILD, "--installed"], capture_output=True, text=True, check=True).stdout
    return {pathlib.Path(source): pathlib.Path(target) for source, target in json.loads(out).items()}


def test_every_file_of_the_package_is_installed_there():
    files = installed()
    package = TREE / "libclient/python/mcumgrd"
    prefix = next(o["value"] for o in json.loads(subprocess.run(
        ["meson", "introspect", BUILD, "--buildoptions"], capture_output=True, text=True, check=True).stdout) if o["name"] == "prefix")
    for path in [*package.glob("*.py*")]:
        assert files[path] == pathlib.Path(site_dir(prefix)) / "mcumgrd" / path.name


def test_an_installed_package_finds_the_daemon_beside_it(tmp_path, sim):
    """A tree as DESTDIR leaves it; no variable tells where anything is."""
    for source, target in installed().items():
        if "mcumgrd" not in target.parts and target.name != "mcumgrd":
            continue
        copy = tmp_path / target.relative_to("/")
        copy.parent.mkdir(parents=True, exist_ok=True)
        if source.is_file():
            shutil.copy(source, copy)
    (package,) = {path.parent.parent for path in tmp_path.rglob("mcumgrd/client.py")}
    script = (f"import site; site.addsitedir({str(package)!r})\nimport mcumgrd\nprint(mcumgrd.private.find_daemon())\n"
              f"with mcumgrd.MCUmgrClient.serial({sim('a').path('a')!r}) as c: print(c.os_echo('installed'))")
    done = subprocess.run([PYTHON, "-S", "-c", script], env={**CLEAN, "PATH": "/nonexistent", "MCUMGR_SOCKET": "/nonexistent"},
                          capture_output=True, text=True, timeout=60)
    found, answer = done.stdout.split() or ("", done.stderr)
    assert found.startswith(str(tmp_path)) and answer == "installed", done.stderr
