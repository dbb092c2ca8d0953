# SPDX-License-Identifier: MIT
"""The program behind mockbed.namespace: run in a new network and mount namespace, it plays kernel and udevd there.

Over /sys, /run and /dev come file systems in memory. A plug writes what the kernel would show in sysfs and what udevd would
keep of it in /run/udev/data, then sends udevd's message to its multicast group, all with the layout that systemd's
sd-device reads. Takes the commands of mockbus.c, and `flood NODE count=N`.
"""

import ctypes
import os
import re
import shutil
import socket
import stat
import struct
import sys
import tempfile
import time
from urllib.parse import unquote

MS_BIND, MS_REC, MNT_DETACH = 4096, 16384, 2
NETLINK_KOBJECT_UEVENT, UDEV_GROUP = 15, 2
CONTROLLER = '/sys/devices/pci0000:00/0000:00:14.0/usb1'
KEPT_IN_DEV = ('null', 'zero', 'full', 'random', 'urandom', 'tty', 'ptmx', 'pts', 'shm', 'fd', 'stdin', 'stdout', 'stderr')
MAJORS = {'ttyACM': 166, 'ttyUSB': 188}


class Mistake(Exception):
    """What is wrong with a command."""


def mount(source, target, kind, flags):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(source.encode(), target.encode(), kind and kind.encode(), ctypes.c_ulong(flags), None):
        code = ctypes.get_errno()
        raise OSError(code, f'{os.strerror(code)}: {target}')


def unmount(target):
    ctypes.CDLL(None).umount2(target.encode(), MNT_DETACH)


def bind(source, target):
    """A file, folder or link of the machine, seen in the new /dev too."""
    if os.path.islink(source):
        os.symlink(os.readlink(source), target)
        return
    if os.path.isdir(source):
        os.mkdir(target)
    else:
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY))
    mount(source, target, None, MS_BIND | MS_REC)


def make_ptmx(aside):
    """The kernel looks for pts beside it, and finds none beside one that is bound. Who may make no nodes (an ordinary user) is
    led to that of the machine, beside which there is one."""
    if os.path.islink('/dev/ptmx'):
        return
    try:
        os.mknod('/dev/ptmx.new', 0o666 | stat.S_IFCHR, os.makedev(5, 2))
        os.chmod('/dev/ptmx.new', 0o666)
    except OSError:
        os.mkdir('/run/dev')
        mount(aside, '/run/dev', None, MS_BIND | MS_REC)
        os.symlink('/run/dev/ptmx', '/dev/ptmx.new')
    unmount('/dev/ptmx')
    os.rename('/dev/ptmx.new', '/dev/ptmx')


def mount_all():
    aside = tempfile.mkdtemp()
    mount('/dev', aside, None, MS_BIND | MS_REC)
    for place in ('/sys', '/run', '/dev'):
        mount('bus', place, 'tmpfs', 0)
    for name in KEPT_IN_DEV:
        if os.path.lexists(f'{aside}/{name}'):
            bind(f'{aside}/{name}', f'/dev/{name}')
    make_ptmx(aside)
    unmount(aside)
    os.rmdir(aside)
    for folder in ('/sys/class/tty', '/sys/bus/usb/devices', '/run/udev/data'):
        os.makedirs(folder)
    write('/run/udev/control', '')  # there is a udevd, says this file


def murmur2(text):
    """MurmurHash2 with seed 0: what udevd and the filters in the kernel know a subsystem by."""
    data, m, h = text.encode(), 0x5bd1e995, len(text.encode())
    for i in range(0, len(data) - 3, 4):
        k = int.from_bytes(data[i:i + 4], 'little') * m & 0xffffffff
        h = (h * m ^ (k ^ k >> 24) * m) & 0xffffffff
    rest = data[len(data) & ~3:]
    if rest:
        h = (h ^ int.from_bytes(rest, 'little')) * m & 0xffffffff
    h = (h ^ h >> 13) * m & 0xffffffff
    return h ^ h >> 15


def message(properties):
    """As in systemd's sd-device, monitor_netlink_header."""
    body = b''.join(f'{key}={value}\0'.encode() for key, value in properties.items())
    kind = properties.get('DEVTYPE')
    hashes = struct.pack('>IIII', murmur2(properties['SUBSYSTEM']), murmur2(kind) if kind else 0, 0, 0)
    return b'libudev\0' + struct.pack('>I', 0xfeedcafe) + struct.pack('=III', 40, 40, len(body)) + hashes + body


def write(path, text):
    with open(path, 'w', encoding='utf-8') as file:
        file.write(text)


def place(path):
    """Hub port 1-2.4 in sysfs: a folder for each hub."""
    bus, ports = path.split('-', 1)
    ports = ports.split('.')
    names = [f'{bus}-{".".join(ports[:i + 1])}' for i in range(len(ports))]
    return '/'.join([CONTROLLER, *names])


class Device:
    """One of them, in sysfs, in udevd's memory and in messages."""

    def __init__(self, subsystem, syspath, attributes, properties, link):
        self.syspath, self.properties = syspath, {'DEVPATH': syspath[4:], 'SUBSYSTEM': subsystem, **properties}
        number = f'{properties["MAJOR"]}:{properties["MINOR"]}' if 'MAJOR' in properties else None
        self._data = f'/run/udev/data/{"c" + number if number else f"+{subsystem}:{os.path.basename(syspath)}"}'
        self._link = f'{link}/{os.path.basename(syspath)}'
        os.makedirs(syspath, exist_ok=True)
        kernel = {key: properties[key] for key in ('MAJOR', 'MINOR', 'DEVTYPE', 'TYPE') if key in properties}
        if 'DEVNAME' in properties:
            kernel['DEVNAME'] = properties['DEVNAME'][5:]
        attributes = {**attributes, 'uevent': ''.join(f'{key}={value}\n' for key, value in kernel.items())}
        if number:
            attributes['dev'] = number + '\n'
        for name, value in attributes.items():
            write(f'{syspath}/{name}', value)
        os.symlink(os.path.relpath(os.path.dirname(link) if subsystem == 'usb' else link, syspath), f'{syspath}/subsystem')
        os.symlink(os.path.relpath(syspath, link), self._link)
        self._remember()

    def _remember(self):
        self.initialized = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        kept = {key: value for key, value in self.properties.items()
                if key not in ('DEVPATH', 'SUBSYSTEM', 'DEVNAME', 'MAJOR', 'MINOR', 'DEVTYPE', 'TYPE', 'DEVLINKS')}
        links = [f'S:{link[5:]}\n' for link in self.properties.get('DEVLINKS', '').split()]
        write(self._data, ''.join([*links, f'I:{self.initialized}\n', *(f'E:{k}={v}\n' for k, v in kept.items()), 'V:1\n']))

    def forget(self):
        for file in (self._data, self._link):
            os.unlink(file)
        shutil.rmtree(self.syspath)


class Bus:
    """Boards by hub port, ttys by name; and who listens."""

    def __init__(self):
        self._boards, self._ports, self._hubs, self._number = {}, {}, {}, 0
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_KOBJECT_UEVENT)

    def _send(self, device, action):
        self._number += 1
        told = {'ACTION': action, **device.properties, 'SEQNUM': self._number, 'USEC_INITIALIZED': device.initialized}
        try:
            self._socket.sendto(message(told), (0, UDEV_GROUP))
        except ConnectionRefusedError:
            pass  # nobody listens

    def _board(self, path, vid, pid, serial):
        if path in self._boards:
            return self._boards[path]
        attributes = {'idVendor': vid + '\n', 'idProduct': pid + '\n', **({'serial': serial + '\n'} if serial else {})}
        properties = {'DEVTYPE': 'usb_device', 'ID_BUS': 'usb', 'ID_VENDOR_ID': vid, 'ID_MODEL_ID': pid,
                      'ID_PATH': f'pci-0000:00:14.0-usb-0:{path.split("-", 1)[1]}',
                      **({'ID_SERIAL_SHORT': serial} if serial else {})}
        syspath = place(path)
        board = Device('usb', syspath, attributes, properties, '/sys/bus/usb/devices')
        self._send(board, 'add')
        self._boards[path] = (board, set())
        return self._boards[path]

    @staticmethod
    def _tty_properties(node, path, iface, vid, pid, serial, driver):
        place_id = f'pci-0000:00:14.0-usb-0:{path.split("-", 1)[1]}:1.{iface}'
        name = f'mcumgrd_Mock_board{"_" + serial if serial else ""}'
        stem, minor = re.fullmatch(r'(\D+)(\d+)', node).groups()
        return {'DEVNAME': f'/dev/{node}', 'MAJOR': MAJORS.get(stem, 4), 'MINOR': int(minor) % (1 << 20),
                'DEVLINKS': f'/dev/serial/by-id/usb-{name}-if{iface:02x} /dev/serial/by-path/{place_id}',
                'ID_BUS': 'usb', 'ID_VENDOR': 'mcumgrd', 'ID_VENDOR_ID': vid, 'ID_MODEL': 'Mock_board', 'ID_MODEL_ID': pid,
                'ID_SERIAL': name, 'ID_SERIAL_SHORT': serial, 'ID_USB_INTERFACE_NUM': f'{iface:02x}',
                'ID_USB_DRIVER': driver, 'ID_PATH': place_id}

    def add(self, node, tty=None, path='', vid='', pid='', serial=None, iface='0', driver='cdc_acm', **given):
        if node in self._ports:
            raise Mistake('there is one of that name')
        if '-' not in path:
            raise Mistake('path=BUS-PORT is needed')
        board, ports = self._board(path, vid, pid, serial)
        iface = int(iface)
        properties = {**self._tty_properties(node, path, iface, vid, pid, serial, driver), **given}
        properties = {key: value for key, value in properties.items() if value not in (None, '')}
        interface = Device('usb', f'{board.syspath}/{path}:1.{iface}', {'bInterfaceNumber': f'{iface:02x}\n'},
                           {'DEVTYPE': 'usb_interface', 'DRIVER': driver}, '/sys/bus/usb/devices')
        self.node(node, tty)
        port = Device('tty', f'{interface.syspath}/tty/{node}', {}, properties, '/sys/class/tty')
        self._ports[node] = (port, interface, path)
        ports.add(node)
        self._send(port, 'add')

    @staticmethod
    def node(node, tty=None):
        if os.path.lexists(f'/dev/{node}'):
            os.unlink(f'/dev/{node}')
        if tty:
            os.symlink(tty, f'/dev/{node}')

    def _port(self, node):
        if node not in self._ports:
            raise Mistake('no such port')
        return self._ports[node]

    def event(self, node, action='change'):
        self._send(self._port(node)[0], action)

    def flood(self, node, count):
        for _ in range(int(count)):
            self.event(node)

    def remove(self, node):
        port, interface, path = self._port(node)
        board, ports = self._boards[path]
        self.node(node)
        del self._ports[node]
        ports.remove(node)
        port.forget()
        interface.forget()
        self._send(port, 'remove')
        if not ports:
            board.forget()
            del self._boards[path]
            self._send(board, 'remove')

    def hub(self, path, type='9/0/1', **given):  # as mockbus.c calls it
        if '-' not in path or path in self._hubs:
            raise Mistake('a hub port without a hub is needed')
        properties = {'DEVTYPE': 'usb_device', 'TYPE': type, 'ID_PATH': f'pci-0000:00:14.0-usb-0:{path.split("-", 1)[1]}', **given}
        properties = {key: value for key, value in properties.items() if value}
        self._hubs[path] = Device('usb', place(path), {'bDeviceClass': '09\n'}, properties, '/sys/bus/usb/devices')
        self._send(self._hubs[path], 'add')

    def unhub(self, path):
        if path not in self._hubs:
            raise Mistake('no such hub')
        hub = self._hubs.pop(path)
        hub.forget()
        self._send(hub, 'remove')


VERBS = {'add': Bus.add, 'node': lambda bus, node, **words: bus._port(node) and bus.node(node, **words),
         'event': Bus.event, 'flood': Bus.flood, 'remove': Bus.remove, 'hub': Bus.hub, 'unhub': Bus.unhub}


def run(bus, line):
    verb, node, *words = line.split(' ') if ' ' in line else (line, '')
    try:
        words = {key: unquote(value) for key, value in (word.split('=', 1) for word in words)}
    except ValueError:
        node = ''
    if not node:
        raise Mistake('VERB NODE KEY=VALUE...')
    if verb not in VERBS:
        raise Mistake('add, node, event, remove, hub or unhub')
    VERBS[verb](bus, node, **words)


def main():
    try:
        mount_all()
        bus = Bus()
    except PermissionError as error:
        print(f'unavailable: {error}')
        return
    print('ready', flush=True)
    for line in sys.stdin:
        try:
            run(bus, line.rstrip('\n'))
            print('ok', flush=True)
        except Mistake as error:
            print(f'error: {error}', flush=True)


main()
