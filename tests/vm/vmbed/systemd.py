# SPDX-License-Identifier: MIT
"""A guest that runs Debian's systemd from a disk, with mcumgrd installed as a user would.

The root file system is made by mmdebstrap from Debian packages of the host's release, once, and kept in the
cache; the daemon is built without sanitizers and put there by `meson install`.
"""

import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path

from . import image, packages
from .guest import Guest

ROOT_PACKAGES = ('systemd', 'systemd-sysv', 'udev', 'dbus', 'kmod', 'adduser', 'libjson-c5', 'libuv1', 'libudev1', 'libcbor0.8', 'libssl3',
                 'libpcre2-8-0', 'libsmartcols1')
SOURCE = Path(__file__).resolve().parents[3]
DISK_BYTES = 600 << 20
AGENT_UNIT = """
[Unit]
Description=Runs the jobs of the test
DefaultDependencies=no
After=systemd-udevd.service local-fs.target sysinit.target
[Service]
ExecStart=/bin/sh /agent.sh
StandardOutput=journal+console
TasksMax=infinity
[Install]
WantedBy=multi-user.target
"""
MASKED = ('serial-getty@ttyS0.service', 'getty@tty1.service', 'apt-daily.timer', 'apt-daily-upgrade.timer', 'fstrim.timer',
          'systemd-firstboot.service', 'e2scrub_all.timer', 'dpkg-db-backup.timer', 'systemd-timesyncd.service',
          'systemd-networkd.service', 'systemd-resolved.service', 'modprobe@drm.service')


def _release():
    text = Path('/etc/os-release').read_text(encoding='utf-8')
    found = re.search(r'^VERSION_CODENAME=(\w+)$', text, re.M)
    if not re.search(r'^ID=debian$', text, re.M) or not found:
        raise packages.Unavailable('the systemd guest is made of the packages of a Debian host')
    return found.group(1)


def _run(*words, **more):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False, **more)
    if done.returncode:
        raise packages.Unavailable(f'{words[0]}: {(done.stderr or done.stdout)[-2000:]}')
    return done.stdout


def _root_archive():
    """A tar of the root file system, from the cache or made now (a minute)."""
    for program in ('mmdebstrap', 'mke2fs'):
        if not shutil.which(program):
            raise packages.Unavailable(f'{program} is not here: install mmdebstrap and e2fsprogs')
    release = _release()
    key = hashlib.sha256(' '.join((release, *ROOT_PACKAGES)).encode()).hexdigest()[:12]
    path = packages.cache_folder() / f'systemd-root-{release}-{key}.tar'
    with packages.locked():
        if not path.exists():
            new = path.with_suffix('.new')
            _run('mmdebstrap', '--variant=apt', f'--include={",".join(ROOT_PACKAGES)}', '--format=tar', release, new)
            new.rename(path)
    return path


def _install(root, folder):
    """Build as a distribution would, and install."""
    build = folder / 'build'
    _run('meson', 'setup', build, SOURCE, '--prefix=/usr', '--buildtype=release', '-Dtests=disabled')
    _run('ninja', '-C', build)
    _run('meson', 'install', '-C', build, '--no-rebuild', '--destdir', root)


def _add_programs(root, programs):
    """The bed's own programs, with the sanitizers' libraries that they are linked with."""
    for name, source in programs.items():
        shutil.copy2(source, root / 'usr/local/bin' / name)
        for soname, path in image.libraries(source).items():
            target = root / image.LIBRARY_FOLDER / soname
            if not soname.startswith('/') and not target.exists() and not soname.startswith('libmcumgr'):
                shutil.copyfile(path, target)


def _settle(root):
    """As a machine that was set up, not as an image that asks for it."""
    (root / 'agent.sh').write_bytes(image.AGENT.read_bytes())
    (root / 'etc/systemd/system/agent.service').write_text(AGENT_UNIT)
    wants = root / 'etc/systemd/system/multi-user.target.wants'
    wants.mkdir(exist_ok=True)
    (wants / 'agent.service').symlink_to('/etc/systemd/system/agent.service')
    for unit in MASKED:
        (root / 'etc/systemd/system' / unit).symlink_to('/dev/null')
    (root / 'etc/hostname').write_text('guest\n')
    (root / 'etc/machine-id').write_text('0123456789abcdef0123456789abcdef\n')
    (root / 'etc/fstab').write_text('')
    for name in ('usr/share/doc', 'usr/share/locale', 'usr/share/man', 'var/cache/apt'):
        for path in (root / name).iterdir() if (root / name).is_dir() else ():
            if path.name != 'mcumgrd':
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


class SystemdGuest(Guest):
    def __init__(self, folder, programs, memory=1024):
        super().__init__(folder, programs, memory)

    def _build(self, programs):
        if os.geteuid() != 0:
            raise packages.Unavailable('a root file system can be unpacked by root only')
        root = self.folder / 'root'
        root.mkdir()
        _run('tar', '-xf', _root_archive(), '-C', root, '--numeric-owner')
        _install(root, self.folder)
        _add_programs(root, programs)
        image.copy_modules(root)
        _settle(root)
        _run('mke2fs', '-q', '-t', 'ext4', '-O', '^has_journal', '-d', root, self.folder / 'disk', f'{DISK_BYTES >> 10}k')
        shutil.rmtree(root)
        return image.build_starter(self.folder / 'initramfs')

    def _drives(self):
        return ['-drive', 'file=disk,if=virtio,format=raw,snapshot=on']
