# SPDX-License-Identifier: MIT
"""Boards with several ports: what was learnt about which of them answers SMP outlives the daemon."""

import fcntl
import os
import pty
import select
import time
import tty

import pytest

RACK = '[device rack]\nmatch = 2fe3:.*\nquiet_ms = 0\nbroken_count = 0\n'


class Printing:
    """The board's end of a port on which it only prints."""

    def __init__(self):
        self.fd, other = pty.openpty()
        tty.setraw(other)
        self.path, self._other = os.ttyname(other), other

    def read(self, seconds=0):
        got = b''
        while select.select([self.fd], [], [], seconds)[0]:
            got += os.read(self.fd, 4096)
        return got

    def expect(self, text):
        got, end = b'', time.monotonic() + 60
        while text not in got:
            assert select.select([self.fd], [], [], max(0, end - time.monotonic()))[0], got
            got += os.read(self.fd, 4096)

    def close(self):
        os.close(self.fd)
        os.close(self._other)


@pytest.fixture
def printing():
    made = Printing()
    yield made
    made.close()


@pytest.fixture
def composite(rack, testbed, boards, printing):
    """plug(): interface 0 prints, interface 2 answers SMP."""
    board = boards.add('b0')

    class Composite:
        sim = board

        @staticmethod
        def plug(order=(0, 2)):
            for iface in order:
                testbed.add(f'ttyACM{iface}', board.tty if iface == 2 else printing.path, serial='B0', iface=iface)

        @staticmethod
        def unplug():
            for iface in 0, 2:
                testbed.remove(f'ttyACM{iface}')

        @staticmethod
        def ready(since=0):
            return rack.wait(since, serial='B0', state='ready', interface=2, timeout=60)

    return Composite


def shown(rack, text, *words):
    end = time.monotonic() + 60
    while text not in (got := rack.run('console', *words).stdout):
        assert time.monotonic() < end, got
        time.sleep(0.05)
    return got


@pytest.mark.parametrize('order', [(0, 2), (2, 0)])
def test_nothing_is_sent_to_the_printing_port_once_it_is_known(rack, composite, printing, order):
    """Not after a re-plug, not by the daemon after; although nothing is waited for (quiet_ms = 0)."""
    rack.start(RACK)
    composite.plug()
    composite.ready()
    printing.read()
    for restart in False, True, True:
        composite.unplug()
        if restart:
            rack.stop()
            rack.start(RACK)
        mark = rack.mark()
        composite.plug(order)
        composite.ready(mark)
    for _ in range(2):  # plugged meanwhile
        rack.stop()
        rack.start(RACK)
        composite.ready()
    os.write(printing.fd, b'printed\r\n')
    shown(rack, 'printed\n', '--port', '0')
    assert printing.read() == b''


def test_another_baud_rate_is_no_reason_to_ask_again(rack, composite, printing):
    rack.start(RACK)
    composite.plug()
    composite.ready()
    rack.ready(RACK)
    for _ in range(3):
        printing.read()
        mark = rack.mark()
        rack.reload(RACK + 'baud = 230400\n')
        composite.ready(mark)
        mark = rack.mark()
        rack.reload(RACK)
        composite.ready(mark)
        os.write(printing.fd, b'printed\r\n')
        shown(rack, 'printed\n', '--port', '0')
        assert printing.read() == b''


def test_a_port_that_somebody_holds_is_awaited(rack, composite, printing):
    """The other one is not asked meanwhile: it has no answer."""
    rack.start(RACK)
    composite.plug()
    composite.ready()
    composite.unplug()
    rack.stop()
    printing.read()
    holder = os.open(composite.sim.tty, os.O_RDWR | os.O_NOCTTY)
    fcntl.flock(holder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    rack.start(RACK)
    composite.plug()
    end = time.monotonic() + 60
    while rack.daemon.errors().count('/dev/ttyACM2 is in use by') < 3:
        assert time.monotonic() < end, rack.daemon.errors()[-2000:]
        time.sleep(0.05)
    mark = rack.mark()
    os.close(holder)
    composite.ready(mark)
    os.write(printing.fd, b'printed\r\n')
    shown(rack, 'printed\n', '--port', '0')
    assert printing.read() == b''


@pytest.mark.parametrize('testbed', ['namespace'], indirect=True)  # umockdev tells other numbers of ttys than they have
def test_ports_that_were_kept_open_go_on(rack, manager, testbed, composite, printing):
    """A restart under a service manager that keeps them: neither port is closed, and nothing is sent to either."""
    rack.start(RACK)
    composite.plug()
    composite.ready()
    shown(rack, '', '--port', '0')
    manager.wait(lambda m: len(m.stored) == 2)
    printing.read()
    for turn in range(3):
        composite.sim.command('wait-idle')
        before, stored = (composite.sim.state()[key] for key in ('opens', 'rx_bytes')), sorted(manager.stored)
        before = tuple(before)
        rack.stop()
        os.write(printing.fd, b'while nobody looks %d\r\n' % turn)
        rack.start(RACK)
        composite.ready()
        shown(rack, f'while nobody looks {turn}\n', '--port', '0')
        assert tuple(composite.sim.state()[key] for key in ('opens', 'rx_bytes')) == before
        assert sorted(manager.stored) == stored and printing.read() == b''
        assert rack.ctl('os', 'echo', 'x', device='b0').code == 0
    assert 'goes on as before' in rack.daemon.errors()
