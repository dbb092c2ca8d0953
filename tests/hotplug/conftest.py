# SPDX-License-Identifier: MIT
"""Tests of hotplug on a mocked USB bus: no USB, no udevd. Of two kinds: umockdev's, which needs no rights, and for tests that
plug more than that can hold one in namespaces, which needs root or a kernel that lets users make some.

    /usr/bin/python3 -m pytest tests/hotplug
    /usr/bin/python3 -m pytest tests/hotplug --bed namespace    all of them there

Environment: MCUMGRD_BUILD (the build folder, default `build`), or MCUMGRD, MCUMGRCTL, MCUMGR_SIM for
single programs. MCUMGRD_REQUIRE_HOTPLUG=1: a missing one is a failure, and not a reason to skip.
"""

import os
import pty
import sys
import tty
from pathlib import Path

import pytest

from mockbed.namespace import NamespaceBed, Unavailable
from mockbed.process import LineProcess
from mockbed.rack import Rack
from mockbed.sim import Board, Images
from mockbed.testbed import Testbed

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = {'mockbus': 'tests/hotplug/mockbus', 'udevtail': 'tests/hotplug/udevtail', 'mcumgrd': 'daemon/mcumgrd',
            'mcumgrctl': 'libclient/mcumgrctl/mcumgrctl', 'mcumgr-sim': 'tests/sim/mcumgr-sim'}


def pytest_configure(config):
    config.addinivalue_line('markers', 'slow: takes more than ten seconds')


def pytest_addoption(parser):
    parser.addoption('--bed', choices=['umockdev', 'namespace'], default='umockdev', help='the mocked bus of tests that work on both')


def give_up(reason):
    if os.environ.get('MCUMGRD_REQUIRE_HOTPLUG') == '1':
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope='session')
def program():
    """Where a program is; a test that needs one that is not built is skipped."""
    build = ROOT / os.environ.get('MCUMGRD_BUILD', 'build')

    def find(name):
        path = Path(os.environ.get(name.upper().replace('-', '_')) or build / PROGRAMS[name])
        if not path.is_file():
            give_up(f'{name} is not built: give the build folder in MCUMGRD_BUILD (mockbus needs libumockdev-dev)')
        return path

    return find


@pytest.fixture
def testbed(request, program, tmp_path):
    """A test that needs the one or the other says so: parametrize(..., indirect=True)."""
    if getattr(request, 'param', request.config.getoption('--bed')) == 'umockdev':
        bed = Testbed(program('mockbus'), tmp_path)
    else:
        try:
            bed = NamespaceBed(tmp_path)
        except Unavailable as error:
            pytest.skip(str(error))
    yield bed
    bed.close()


@pytest.fixture
def udevtail(program, testbed, tmp_path):
    """Starts a program that prints what it sees through libudev."""
    started = []

    def start():
        path = program('udevtail')
        tail = LineProcess([*testbed.prefix, path], tmp_path / 'udevtail.log', env=testbed.environment(path))
        started.append(tail)
        tail.wait_line('^listening$')
        return tail

    yield start
    for tail in started:
        tail.end()


@pytest.fixture
def silent_pty():
    """Makes ttys behind which nothing answers."""
    ends = []

    class Make:
        paths = []

        def __call__(self):
            controller, terminal = pty.openpty()
            tty.setraw(terminal)
            self.paths.append(os.ttyname(terminal))
            os.close(terminal)
            ends.append(controller)
            return self.paths[-1]

    yield Make()
    for controller in ends:
        os.close(controller)


@pytest.fixture
def rack(testbed, program, tmp_path):
    made = Rack(testbed, program, tmp_path)
    yield made
    made.stop()


@pytest.fixture
def manager(rack, tmp_path):
    """A service manager that runs the rack's daemon, and keeps its ttys open over restarts."""
    sys.path.append(str(ROOT / 'tests/daemon'))
    try:
        from manager import Manager
    finally:
        sys.path.pop()
    made = rack.manager = Manager(str(tmp_path / 'manager'))
    yield made
    rack.stop()
    made.close()


@pytest.fixture
def boards(program, tmp_path):
    """boards.add(NAME, KEY=VALUE...): a simulated board."""
    made = []

    class Boards:
        @staticmethod
        def add(name, **settings):
            made.append(Board(program('mcumgr-sim'), tmp_path, name, settings))
            return made[-1]

    yield Boards
    for board in made:
        board.end()


@pytest.fixture
def image(program, tmp_path):
    return Images(program('mcumgr-sim'), tmp_path)
