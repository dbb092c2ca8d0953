# SPDX-License-Identifier: MIT
"""Real Zephyr firmware for the tests: fetched by package name, never committed.

The source package of `smpclient` carries prebuilt Zephyr SMP servers (Apache-2.0).
`pip` downloads it into a cache folder outside the tree, once; its SHA-256 must be the
one below, and every file in it must have the sum that its own SHA256SUMS says.

The cache is $MCUMGRD_TEST_CACHE, or mcumgrd-tests in the user's cache folder. What is
damaged there is fetched again. A machine without a network can be served by hand: put the
source package there under its own name.

As a program it prints the folder of the unpacked files.
"""

import contextlib
import fcntl
import functools
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

PACKAGE = "smpclient"
VERSION = "7.3.0"
SDIST = f"{PACKAGE}-{VERSION}.tar.gz"
SDIST_SHA256 = "86aa4bc1c621805d97f449793a4077f049aa88a98a1e916bf59423d072bd2a3b"
FOLDER = f"{PACKAGE}-{VERSION}/tests/fixtures/smp-server/"

ZEPHYR = "zephyr_4.4.0_smp_server_0eae053d"
ZEPHYR_MAIN = "zephyr_f33aa2bc4a43_smp_server_27c54835"

DOWNLOAD_TIMEOUT = 300
DOWNLOAD_PAUSES = (5, 20, None)  # seconds after a try that failed; None: it was the last


class Unavailable(Exception):
    """The firmware, or what is needed to run it, is not to be had here; says why."""


def cache():
    chosen = os.environ.get("MCUMGRD_TEST_CACHE")
    if chosen:
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "mcumgrd-tests"


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


@functools.cache
def folder():
    """Path of the unpacked firmware files; raises Unavailable with the reason."""
    base = cache()
    unpacked = base / f"smp-server-{VERSION}-{SDIST_SHA256[:12]}"
    try:
        base.mkdir(parents=True, exist_ok=True)
        with _locked(base / "lock"):
            if not _whole(unpacked):
                shutil.rmtree(unpacked, ignore_errors=True)
                _unpack(_sdist(base), unpacked)
    except OSError as error:
        raise Unavailable(f"the cache folder {base} cannot be used: {error}") from error
    return unpacked


def _whole(unpacked):
    try:
        _verify(unpacked)
    except (OSError, ValueError, Unavailable):
        return False
    return True


def artifact(name):
    """Path of one file of the set; Unavailable names it when the set lacks it."""
    path = folder() / name
    if not path.is_file():
        raise Unavailable(f"{PACKAGE} {VERSION} has no {name}")
    return path


@contextlib.contextmanager
def _locked(path):
    with open(path, "w", encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _sdist(base):
    kept, damage = base / SDIST, ""
    if kept.is_file():
        found = sha256(kept)
        if found == SDIST_SHA256:
            return kept
        damage = f"{kept} has SHA-256 {found}, not {SDIST_SHA256}; "
    for pause in DOWNLOAD_PAUSES:
        try:
            _download(base)
            return kept
        except Unavailable as error:
            if pause is None:
                raise Unavailable(f"{damage}{error}") from error
            time.sleep(pause)  # networks and their servers have moments
    return kept


def _download(base):
    """pip asks the package for its metadata even when only downloading, and builds it with
    the package's build backend; --no-binary for this one package alone lets the backend
    itself come as a wheel (seconds instead of minutes)."""
    with tempfile.TemporaryDirectory(dir=base, prefix="download-") as work:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input",
                   "--disable-pip-version-check", "--no-deps", "--no-binary", PACKAGE,
                   "--dest", work, f"{PACKAGE}=={VERSION}"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False,
                                  stdin=subprocess.DEVNULL, timeout=DOWNLOAD_TIMEOUT)
        except subprocess.TimeoutExpired as error:
            raise Unavailable(f"pip download took over {DOWNLOAD_TIMEOUT} s") from error
        if done.returncode != 0:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise Unavailable(f"pip download {PACKAGE}=={VERSION} failed: {last}")
        found = sha256(Path(work) / SDIST)
        if found != SDIST_SHA256:
            raise Unavailable(f"the {SDIST} that pip downloaded has SHA-256 {found}, not {SDIST_SHA256}")
        os.replace(Path(work) / SDIST, base / SDIST)


def _unpack(sdist, target):
    work = Path(tempfile.mkdtemp(dir=target.parent, prefix="unpack-"))
    try:
        with tarfile.open(sdist) as archive:
            for member in archive:
                name = member.name[len(FOLDER):]
                if not member.isfile() or not member.name.startswith(FOLDER) or "/" in name:
                    continue
                with open(work / name, "wb") as file:
                    shutil.copyfileobj(archive.extractfile(member), file)
        _verify(work)
        os.rename(work, target)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _verify(work):
    """Every firmware file must be listed with its sum. The list names more files than the
    source package carries (whoever asks for a missing one is told), and its sum of the
    manifest is that of an older manifest."""
    sums = {}
    for line in (work / "SHA256SUMS").read_text(encoding="ascii").splitlines():
        digest, name = line.split()
        sums[name] = digest
    for path in work.iterdir():
        if not path.name.startswith("zephyr_"):
            continue
        if sha256(path) != sums.get(path.name):
            raise Unavailable(f"{path.name} does not have the SHA-256 its SHA256SUMS says")


if __name__ == "__main__":
    try:
        print(folder())
    except Unavailable as reason:
        sys.exit(f"no firmware: {reason}")
