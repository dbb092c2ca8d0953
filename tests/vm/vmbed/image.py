# SPDX-License-Identifier: MIT
"""The guest's root file system: an initramfs of busybox, udev, kernel modules and the programs under test.

It is written anew for every run, which takes about a second; only the packages are cached.
"""

import os
import re
import shutil
import stat
import subprocess
from pathlib import Path

from . import packages

INIT, AGENT = (Path(__file__).with_name(name) for name in ('init.sh', 'agent.sh'))
MODULES = ('virtio_pci', 'virtio_console', 'virtio_rng', '9p', '9pnet_virtio', 'xhci_pci', 'cdc_acm', 'usbserial',
           'ftdi_sio', 'vhci_hcd', 'usbip_core', 'configfs', 'dummy_hcd', 'libcomposite', 'usb_f_acm')
LIBRARY_FOLDER = 'lib/x86_64-linux-gnu'
USERS = 'root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n'
GROUPS = ('root:x:0:', 'tty:x:5:', 'disk:x:6:', 'lp:x:7:', 'kmem:x:15:', 'dialout:x:20:', 'cdrom:x:24:', 'floppy:x:25:',
          'tape:x:26:', 'audio:x:29:', 'video:x:44:', 'sgx:x:101:', 'input:x:102:', 'kvm:x:103:', 'render:x:104:',
          'nogroup:x:65534:')


class Archive:
    """A cpio archive in the "newc" format, the one the kernel unpacks (Documentation/driver-api/early-userspace)."""

    def __init__(self, path):
        self._file = open(path, 'wb')
        self._names = set()

    def _entry(self, name, mode, data=b''):
        if name in self._names:
            return
        self._names.add(name)
        encoded = name.encode() + b'\0'
        fields = (len(self._names), mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(encoded), 0)
        self._padded(b'070701' + b''.join(b'%08x' % field for field in fields) + encoded)
        self._padded(data)

    def _padded(self, data):
        self._file.write(data + bytes(-len(data) % 4))

    def folder(self, name):
        parent = os.path.dirname(name)
        if parent:
            self.folder(parent)
        self._entry(name, stat.S_IFDIR | 0o755)

    def data(self, name, data, mode=0o644):
        self.folder(os.path.dirname(name) or '.')
        self._entry(name, stat.S_IFREG | mode, data)

    def copy(self, name, source):
        self.data(name, source.read_bytes(), source.stat().st_mode & 0o777)

    def link(self, name, target):
        self.folder(os.path.dirname(name) or '.')
        self._entry(name, stat.S_IFLNK | 0o777, target.encode())

    def close(self):
        self._entry('TRAILER!!!', 0)
        self._file.close()


def _library_path(roots):
    folders = [root / part for root in roots for part in (LIBRARY_FOLDER, f'usr/{LIBRARY_FOLDER}')]
    return ':'.join(str(folder) for folder in folders)


def libraries(program, roots=()):
    """What a program is linked with: soname -> file, the loader included."""
    environment = dict(os.environ, LD_LIBRARY_PATH=_library_path(roots))
    done = subprocess.run(['ldd', program], capture_output=True, text=True, env=environment, check=False)
    if 'not a dynamic executable' in done.stdout + done.stderr:
        return {}
    missing = re.findall(r'(\S+) => not found', done.stdout)
    if missing or done.returncode:
        raise packages.Unavailable(f'{program}: missing libraries: {" ".join(missing) or done.stderr.strip()}')
    found = dict(re.findall(r'^\s+(\S+) => (/.+) \(0x', done.stdout, re.M))
    found.update((path, path) for path in re.findall(r'^\s+(/\S*/ld-linux\S*) \(', done.stdout, re.M))
    return {name: Path(path) for name, path in found.items()}


def _add_program(archive, name, source, roots=()):
    archive.copy(name, source)
    for soname, path in libraries(source, roots).items():
        archive.copy(soname.lstrip('/') if soname.startswith('/') else f'{LIBRARY_FOLDER}/{soname}', path)


def _add_busybox(archive, root):
    busybox = root / 'bin/busybox'
    archive.copy('bin/busybox', busybox)
    for applet in subprocess.run([busybox, '--list'], capture_output=True, text=True, check=True).stdout.split():
        if applet not in ('busybox', 'modprobe'):
            archive.link(f'bin/{applet}', 'busybox')


def _add_udev(archive, udev, kmod, libkmod):
    _add_program(archive, 'bin/udevadm', udev / 'bin/udevadm', [libkmod])
    _add_program(archive, 'bin/kmod', kmod / 'bin/kmod', [libkmod])
    archive.link('sbin/modprobe', '/bin/kmod')
    archive.link('lib/systemd/systemd-udevd', '/bin/udevadm')
    for part in ('lib/udev', 'lib/modprobe.d', 'etc/udev'):
        for path in sorted((udev / part).rglob('*')):
            if path.is_file() and not path.is_symlink() and path.suffix != '.hwdb':
                archive.copy(str(path.relative_to(udev)), path)


def _module_list(tree, kmod, libkmod, wanted=MODULES):
    """Files of MODULES and of all they need, as depmod finds out."""
    version = next((tree / 'lib/modules').iterdir())
    with packages.locked():
        if not (version / 'modules.dep').exists():
            environment = dict(os.environ, LD_LIBRARY_PATH=_library_path([libkmod]))
            subprocess.run(['depmod', '-b', tree, version.name], executable=kmod / 'bin/kmod', env=environment,
                           check=True, stderr=subprocess.DEVNULL)
    needs = {}
    for line in (version / 'modules.dep').read_text().splitlines():
        path, _, needed = line.partition(':')
        needs[Path(path).stem.replace('-', '_')] = [path, *needed.split()]
    unknown = [name for name in wanted if name not in needs]
    if unknown:
        raise packages.Unavailable(f'{tree.name} has no module {" ".join(unknown)}')
    return version, sorted({path for name in wanted for path in needs[name]})


def _add_modules(archive, tree, kmod, libkmod, wanted=MODULES):
    version, modules = _module_list(tree, kmod, libkmod, wanted)
    for name in [*modules, *(path.name for path in version.glob('modules.*'))]:
        archive.copy(f'lib/modules/{version.name}/{name}', version / name)


def build(path, programs):
    """Write an initramfs with `programs` (name -> file) in /usr/bin to `path`; returns the kernel's file."""
    kmod, libkmod, kernel = packages.unpacked('kmod'), packages.unpacked('libkmod2'), packages.kernel()
    archive = Archive(path)
    for folder in ('dev', 'proc', 'sys', 'run', 'tmp', 'root', 'mnt', 'var', 'usr/sbin'):
        archive.folder(folder)
    archive.data('etc/passwd', USERS.encode())
    archive.data('etc/group', ('\n'.join(GROUPS) + '\n').encode())
    archive.data('init', INIT.read_bytes(), 0o755)
    archive.data('agent.sh', AGENT.read_bytes(), 0o755)
    _add_busybox(archive, packages.unpacked('busybox-static'))
    _add_udev(archive, packages.unpacked('udev'), kmod, libkmod)
    _add_modules(archive, kernel, kmod, libkmod)
    for name, source in programs.items():
        _add_program(archive, f'usr/bin/{name}', Path(source))
    archive.close()
    return next((kernel / 'boot').glob('vmlinuz-*'))


STARTER = b"""#!/bin/sh
# SPDX-License-Identifier: MIT
export PATH=/bin:/sbin
mkdir -p /dev /root
mount -t devtmpfs dev /dev
modprobe -a virtio_pci virtio_blk ext4
until [ -b /dev/vda ]; do sleep 0.05; done
mount -t ext4 /dev/vda /root
exec switch_root /root /sbin/init
"""


def build_starter(path):
    """Write an initramfs that goes on from the disk; returns the kernel's file."""
    kmod, libkmod, kernel = packages.unpacked('kmod'), packages.unpacked('libkmod2'), packages.kernel()
    archive = Archive(path)
    for folder in ('dev', 'proc', 'sys', 'run', 'root'):
        archive.folder(folder)
    archive.data('init', STARTER, 0o755)
    _add_busybox(archive, packages.unpacked('busybox-static'))
    _add_program(archive, 'bin/kmod', kmod / 'bin/kmod', [libkmod])
    archive.link('sbin/modprobe', '/bin/kmod')
    _add_modules(archive, kernel, kmod, libkmod, ('virtio_pci', 'virtio_blk', 'ext4', 'crc32c_generic'))
    archive.close()
    return next((kernel / 'boot').glob('vmlinuz-*'))


def copy_modules(root):
    """The kernel modules that tests need, into a root folder; none of them is loaded by that."""
    kmod, libkmod, kernel = packages.unpacked('kmod'), packages.unpacked('libkmod2'), packages.kernel()
    version, modules = _module_list(kernel, kmod, libkmod)
    target = root / 'usr/lib/modules' / version.name
    for name in [*modules, *(path.name for path in version.glob('modules.*'))]:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(version / name, target / name)
