# SPDX-License-Identifier: MIT
"""Debian packages by name, unpacked into a cache folder; nothing is installed.

apt checks what it downloads against its signed lists: the machine's, or where these lack a package or are too
old for the mirror, new ones in the cache, for which no rights are needed. A package that is in the cache
already is used when apt has no newer one to offer, or cannot be asked.
"""

import fcntl
import functools
import os
import re
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path


TRIES = ('-o', 'Acquire::Retries=5')  # with longer and longer pauses


class Unavailable(Exception):
    """Something the test bed is made of cannot be had here; says what, and what would help."""


def cache_folder():
    base = os.environ.get('MCUMGRD_TEST_CACHE')
    if base is None:
        base = Path(os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache') / 'mcumgrd-tests'
    folder = Path(base) / 'vm'
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def locked():
    """One test run at a time changes the cache."""
    with open(cache_folder() / 'lock', 'w', encoding='ascii') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _apt(*command, cwd=None):
    try:
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise Unavailable(f'{command[0]} is not here: the guest is made of Debian packages') from error
    if done.returncode:
        raise Unavailable(f'{" ".join(command)}: {done.stderr.strip()} (does "apt-get update" help?)')
    return done.stdout


@functools.cache
def _own_lists():
    """Options that make apt use lists of ours, new ones."""
    lists = cache_folder() / 'lists'
    (lists / 'partial').mkdir(parents=True, exist_ok=True)
    options = ('-o', f'Dir::State::Lists={lists}', '-o', 'Dir::Cache::pkgcache=', '-o', 'Dir::Cache::srcpkgcache=')
    _apt('apt-get', *options, *TRIES, '-q', '-o', 'APT::Sandbox::User=root', 'update')
    return options


def _ask(program, *words, cwd=None):
    """By the machine's lists or, where these are of no use, by our own."""
    try:
        return _apt(program, *words, cwd=cwd)
    except Unavailable as error:
        try:
            return _apt(program, *_own_lists(), *words, cwd=cwd)
        except Unavailable:
            raise error from None


def kernel_package():
    """The package that linux-image-amd64 stands for today."""
    with locked():
        found = re.search(r'Depends: (linux-image-\S+)', _ask('apt-cache', 'depends', 'linux-image-amd64'))
    if not found:
        raise Unavailable('apt-cache knows no linux-image-amd64 (does "apt-get update" help?)')
    return found.group(1)


def _download(name, cache):
    with tempfile.TemporaryDirectory(dir=cache, prefix='.new-') as new:
        folder = Path(new)
        _ask('apt-get', *TRIES, '-q', '-o', 'APT::Sandbox::User=root', 'download', name, cwd=folder)
        deb, = folder.glob('*.deb')
        tree = folder / 'tree'
        tree.mkdir()
        subprocess.run(['dpkg', '-x', deb, tree], check=True)
        target = cache / deb.stem
        shutil.rmtree(target, ignore_errors=True)
        tree.rename(target)
        return target


def unpacked(name):
    """The folder with the files of package `name`."""
    cache = cache_folder()
    with locked():
        cached = sorted(cache.glob(f'{name}_*'), key=lambda path: path.stat().st_mtime)
        try:
            wanted = re.search(r"^'\S+' (\S+)\.deb ", _ask('apt-get', '--print-uris', 'download', name), re.M)
            if wanted and (cache / wanted.group(1)).is_dir():
                return cache / wanted.group(1)
            return _download(name, cache)
        except Unavailable:
            if cached:
                return cached[-1]
            raise


def kernel():
    """The folder of the kernel package, the newest in the cache where apt cannot be asked."""
    try:
        return unpacked(kernel_package())
    except Unavailable:
        cached = sorted(cache_folder().glob('linux-image-*_*'), key=lambda path: path.stat().st_mtime)
        if not cached:
            raise
        return cached[-1]
