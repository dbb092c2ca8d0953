# SPDX-License-Identifier: MIT
"""Boards on the guest's USB.

UsbBoard   a composite CDC ACM device with any ids, played by usbip_acm in the guest; what sits behind
           its functions is in the guest too.
UsbSerial  QEMU's FTDI adapter (0403:6001, ttyUSB); its far end is a Unix socket on the host.
UsbGadget  the kernel's own ACM gadget on a bus of its own (dummy_hcd); its far end is a tty of the guest,
           too (ttyGS0), which is no USB device.
"""

import itertools
import re
from urllib.parse import quote

from .guest import GuestError

PLUG_SECONDS = 120


class Tty:
    """What udev said of a tty when it appeared."""

    def __init__(self, line):
        head, *properties = line.split('\t')
        self.name = head.split()[-1]
        self.properties = dict(entry.split('=', 1) for entry in properties)

    @property
    def node(self):
        return self.properties['DEVNAME']

    @property
    def interface(self):
        return int(self.properties['ID_USB_INTERFACE_NUM'], 16)


def wait_ttys(guest, count, since, action='add', timeout=PLUG_SECONDS, **properties):
    """`count` ttys that udev has announced since the mark, in order of appearance."""
    found = []
    while len(found) < count:
        match = guest.wait_for('events', rf'udev {action} tty tty(?:ACM|USB)', timeout=timeout, since=since)
        tty = Tty(match.string)
        if all(tty.properties.get(key) == value for key, value in properties.items()):
            found.append(tty)
        since = guest.channels['events'].lines.index(match.string, since) + 1
    return found


def command(guest, text, timeout=PLUG_SECONDS):
    """A line to usbip_acm; its answer is told apart from the events between."""
    mark = guest.mark('usb')
    guest.channels['usb'].send(text)
    answer = guest.wait_for('usb', r'(ok|error: .*)$', timeout=timeout, since=mark)[1]
    if answer != 'ok':
        raise GuestError(f'usbip_acm: {text}: {answer}')


class UsbBoard:
    def __init__(self, guest, name, vid=0x2fe3, pid=0x0100, serial='', far=('loop',), port=None):
        self.guest, self.name, self.functions = guest, name, len(far)
        self.serial = serial
        words = [f'vid={vid:04x}', f'pid={pid:04x}', f'functions={len(far)}', f'far={",".join(far)}']
        if serial:
            words.append('serial=' + quote(serial, encoding='latin-1'))
        if port is not None:
            words.append(f'port={port}')
        command(guest, f'add {name} {" ".join(words)}')

    def mark(self):
        return self.guest.mark('usb')

    def set(self, **changes):
        """As what (vid, pid) it comes back at the next plug."""
        command(self.guest, f'set {self.name} ' + ' '.join(f'{key}={value:04x}' for key, value in changes.items()))

    def wait(self, pattern, timeout=PLUG_SECONDS, since=0):
        """An event of this board: "plugged", "lost", ...; or of a function: "0 dtr=..."."""
        return self.guest.wait_for('usb', rf'{re.escape(self.name)}[ .]{pattern}', timeout=timeout, since=since)

    def events(self, since=0):
        self.guest.pump(0)
        return [line[len(self.name) + 1:] for line in self.guest.channels['usb'].lines[since:]
                if line.startswith((f'{self.name} ', f'{self.name}.'))]

    def plug(self, **changes):
        """Returns its ttys, sorted by interface."""
        if changes:
            self.set(**changes)
        mark = self.guest.mark()
        command(self.guest, f'plug {self.name}')
        return self.wait_ttys(mark)

    def wait_ttys(self, since, action='add'):
        """With a serial number only its own ttys, else the next that appear."""
        own = {'ID_SERIAL_SHORT': self.serial} if self.serial.isascii() and self.serial.isalnum() else {}
        return sorted(wait_ttys(self.guest, self.functions, since, action, **own), key=lambda tty: tty.interface)

    def unplug(self):
        mark = self.guest.mark()
        command(self.guest, f'unplug {self.name}')
        self.wait_ttys(mark, 'remove')

    def hang(self):
        command(self.guest, f'hang {self.name}')

    def resume(self):
        command(self.guest, f'resume {self.name}')

    def remove(self):
        command(self.guest, f'remove {self.name}')


class UsbSerial:
    """`path` is a Unix socket on the host that somebody listens on already."""

    number = itertools.count()  # the guest keeps the far ends of devices that are gone

    def __init__(self, guest, name, path, serial):
        self.guest, self.name, self.serial, self.far_end = guest, name, serial, f'far{next(self.number)}'
        address = {'type': 'unix', 'data': {'path': str(path)}}
        guest.qmp('chardev-add', id=self.far_end, backend={'type': 'socket', 'data': {'addr': address, 'server': False}})

    def plug(self):
        mark = self.guest.mark()
        self.guest.qmp('device_add', driver='usb-serial', id=self.name, bus='usb.0', chardev=self.far_end, serial=self.serial)
        return wait_ttys(self.guest, 1, mark, ID_SERIAL_SHORT=self.serial)[0]

    def unplug(self):
        mark = self.guest.mark()
        self.guest.qmp('device_del', id=self.name)
        wait_ttys(self.guest, 1, mark, 'remove', ID_SERIAL_SHORT=self.serial)


class UsbGadget:
    FOLDER = '/sys/kernel/config/usb_gadget/board'
    DESCRIBE = f"""
        modprobe -a dummy_hcd libcomposite usb_f_acm && mkdir {FOLDER} && cd {FOLDER} || exit
        echo 0x1d50 >idVendor; echo 0x6018 >idProduct
        mkdir -p strings/0x409 configs/c.1 functions/acm.0
        echo {{serial}} >strings/0x409/serialnumber
        ln -s {FOLDER}/functions/acm.0 configs/c.1/"""

    def __init__(self, guest, serial):
        self.guest, self.serial = guest, serial
        guest.run(self.DESCRIBE.format(serial=serial))

    def plug(self):
        mark = self.guest.mark()
        self.guest.run(f'ls /sys/class/udc >{self.FOLDER}/UDC')
        return wait_ttys(self.guest, 1, mark, ID_SERIAL_SHORT=self.serial)[0]

    def unplug(self):
        mark = self.guest.mark()
        self.guest.run(f'echo "" >{self.FOLDER}/UDC')
        wait_ttys(self.guest, 1, mark, 'remove', ID_SERIAL_SHORT=self.serial)

    def remove(self):
        self.guest.run(f'cd {self.FOLDER} && rm configs/c.1/acm.0 && rmdir functions/acm.0 configs/c.1 strings/0x409 . ; '
                       f'rmdir {self.FOLDER}; rmmod dummy_hcd', check=False)
