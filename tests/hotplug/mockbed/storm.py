# SPDX-License-Identifier: MIT
"""Many boards at once: where each is plugged in, and whether each is who the daemon says it is."""

from .stream import Stream, call

RACK = '[device rack]\nmatch = 2fe3:.*\nquiet_ms = 50\nbroken_count = 0\n'


def named_rack(names):
    """A section and an alias for each board."""
    common = 'quiet_ms = 50\nbroken_count = 0\n'
    return ''.join(f'[device {name}]\nserial = {name}\nalias = {name}-alias\ntags = all\n{common}' for name in names)


class States:
    """The boards as Watch tells of them."""

    def __init__(self, path):
        self._stream, self.boards = Stream(path, 'Watch'), {}

    def until(self, condition):
        while not condition(self.boards):
            told = self._stream.next()
            device = told.get('device')
            if device and told['event'] == 'removed':
                self.boards.pop(device['id'], None)
            elif device:
                self.boards[device['id']] = device

    def close(self):
        self._stream.close()


def all_in(state, serials):
    def condition(boards):
        return {b['serial'] for b in boards.values() if b['state'] == state} >= set(serials)
    return condition


class Places:
    """Which tty and hub port each board has: {name: (number of the tty, number of the hub port)}."""

    def __init__(self, testbed, ttys):
        self._testbed, self._ttys, self.now = testbed, ttys, {}

    def plug(self, places):
        for name, (number, port) in places.items():
            self._testbed.add(f'ttyACM{number}', self._ttys[name], serial=name, path=f'1-{port + 1}')
            self.now[name] = (number, port)

    def unplug(self, names=None):
        for name in list(self.now) if names is None else names:
            self._testbed.remove(f'ttyACM{self.now.pop(name)[0]}')


def check_identities(rack, places, ids=None, others=(), interface=0):
    """Each but the others is listed once, at its place, and what answers there is that board; returns {serial number: id}."""
    devices = [device for device in call(rack.socket, 'List')['devices'] if device['serial'] not in others]
    assert sorted(device['serial'] for device in devices) == sorted(places)
    for device in devices:
        serial, (number, port) = device['serial'], places[device['serial']]
        assert device['state'] == 'ready' and not device.get('sameSerial'), device
        assert device['tty'] == f'/dev/ttyACM{number}', device
        assert device['path'] == f'pci-0000:00:14.0-usb-0:{port + 1}:1.{interface}', device
        assert ids is None or device['id'] == ids[serial]
        assert call(rack.socket, 'OsInfo', device=device['id'])['hardwarePlatform'] == serial
        text = f'this is {serial}'
        assert call(rack.socket, 'Echo', device=device['id'], text=text) == {'text': text}
    return {device['serial']: device['id'] for device in devices}
