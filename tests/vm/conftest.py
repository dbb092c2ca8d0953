# SPDX-License-Identifier: MIT
"""Tests in a virtual machine with real USB hotplug.

    /usr/bin/python3 -m pytest tests/vm              all
    /usr/bin/python3 -m pytest tests/vm -m "not slow"
    /usr/bin/python3 -m pytest tests/vm/test_vm_systemd.py      the service under systemd; some minutes

Environment: MCUMGRD_BUILD (the build folder, default `build`), or MCUMGRD, MCUMGRCTL, MCUMGR_SIM,
USBIP_ACM, UDEVTAIL, ASK and FLOOD for single programs; MCUMGRD_TEST_CACHE (where Debian packages are kept);
MCUMGRD_REQUIRE_VM=1 (a machine that cannot run this is an error, not a reason to skip).
"""

import os
import subprocess
from pathlib import Path

import pytest

from vmbed.guest import Guest, GuestError
from vmbed.packages import Unavailable
from vmbed.rack import Rack
from vmbed.sim import Boards
from vmbed.usb import UsbBoard, UsbSerial, command

ROOT = Path(__file__).resolve().parents[2]
BED = {'usbip_acm': ('USBIP_ACM', 'tests/vm/usbip_acm'), 'udevtail': ('UDEVTAIL', 'tests/hotplug/udevtail'),
       'ask': ('ASK', 'tests/vm/ask'), 'flood': ('FLOOD', 'tests/vm/flood')}
UNDER_TEST = {'mcumgrd': ('MCUMGRD', 'daemon/mcumgrd'), 'mcumgrctl': ('MCUMGRCTL', 'libclient/mcumgrctl/mcumgrctl'),
              'mcumgr-sim': ('MCUMGR_SIM', 'tests/sim/mcumgr-sim')}


def pytest_configure(config):
    config.addinivalue_line('markers', 'slow: takes more than ten seconds')


def _missing(reason):
    if os.environ.get('MCUMGRD_REQUIRE_VM') == '1':
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def _programs(wanted):
    build = ROOT / os.environ.get('MCUMGRD_BUILD', 'build')
    paths = {name: Path(os.environ.get(variable) or build / path) for name, (variable, path) in wanted.items()}
    return {name: path for name, path in paths.items() if path.is_file()}


def _need(wanted):
    absent = [name for name in wanted if name not in _programs({**BED, **UNDER_TEST})]
    if absent:
        _missing(f'{" and ".join(absent)} not built: give the build folder in MCUMGRD_BUILD')


@pytest.fixture(scope='session')
def guest(tmp_path_factory):
    _need(BED)
    try:
        machine = Guest(tmp_path_factory.mktemp('vm'), _programs({**BED, **UNDER_TEST}))
    except Unavailable as error:
        _missing(str(error))
    yield machine
    machine.stop()


@pytest.fixture
def bus(guest):
    """Makes boards; after the test they are gone from the bus."""
    made = []

    class Bus:
        @staticmethod
        def board(name, **properties):
            return UsbBoard(guest, name, **properties)

        @staticmethod
        def serial(name, path, serial):
            made.append(name)
            return UsbSerial(guest, name, path, serial)

        @staticmethod
        def all(verb):
            command(guest, f'{verb} *')

    yield Bus
    command(guest, 'remove *')
    for name in made:
        try:
            guest.qmp('device_del', id=name)
        except GuestError:
            pass  # unplugged by the test
    guest.run('udevadm settle')


@pytest.fixture
def boards(guest, bus, request):
    """boards.add(NAME..., KEY=VALUE...): simulated boards."""
    _need(['mcumgr-sim'])
    made = Boards(guest, f'/run/{request.node.name[:40]}.boards')
    yield made
    made.end()


@pytest.fixture
def rack(guest, boards, request):
    _need(UNDER_TEST)
    made = Rack(guest, request.node.name)
    yield made
    made.stop()


@pytest.fixture
def image(guest):
    """image(VERSION, size=N): the guest's name of a firmware file."""
    _need(['mcumgr-sim'])

    def make(version, size=20000):
        path = guest.share / f'{version}-{size}.bin'
        subprocess.run([_programs(UNDER_TEST)['mcumgr-sim'], 'image', '--version', version, '--size', str(size), '-o', path],
                       check=True, stdout=subprocess.DEVNULL)
        return guest.inside(path)

    return make


@pytest.fixture(autouse=True)
def kernel_stays_sane(request):
    """No test may leave a complaint of the kernel behind: it would be the bed's own fault."""
    yield
    if 'guest' in request.fixturenames:
        done = request.getfixturevalue('guest').run(r"dmesg -c | grep -E 'WARNING:|BUG:|Oops|Out of memory|hung task'", check=False)
        assert done.out == ''
