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


@pytest.mark.parametrize('testbed', ['namespace'], indirect=True)  # no other library is preloaded there
def test_both_ports_are_handed_over(rack, testbed, composite, tmp_path, monkeypatch):
    """A flasher may use either, as soon as it runs: also the one whose close takes longer."""
    gate, library = tmp_path / 'gate', tmp_path / 'libhang.so'
    os.mkfifo(gate)
    library.symlink_to(os.environ['HANG_LIBRARY'])  # whose own name may have a space, where a name in LD_PRELOAD ends
    monkeypatch.setattr(testbed, 'prefix', [*testbed.prefix, 'env', f'LD_PRELOAD={library}',
                        'ASAN_OPTIONS=verify_asan_link_order=0', 'HANG_TTY=/dev/ttyACM0', f'HANG_CLOSE={gate}'])
    rack.start(RACK)
    composite.plug()
    composite.ready()
    release = rack.popen('release', 'b0', '--', 'echo', 'handed over')
    with open(gate, 'wb'):  # once the daemon hangs there
        with open(composite.sim.tty, 'rb', buffering=0) as other:
            fcntl.flock(other, fcntl.LOCK_EX)
        for _ in range(3):
            assert [d['state'] for d in rack.devices()] == ['released']
        assert not select.select([release.stdout], [], [], 0.2)[0]
        gate.unlink()
        gate.write_bytes(b'')  # nobody hangs there any more
    out, _ = release.communicate(timeout=60)
    assert out.splitlines()[-1] == 'handed over'


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


class Terminal:
    """A program that has one of the board's pseudo-terminals open."""

    def __init__(self, rack, path):
        self.rack, self.path = rack, path
        end = time.monotonic() + 60
        while not os.path.islink(path):
            assert time.monotonic() < end, f'no {path}\n{rack.daemon.errors()[-2000:]}'
            time.sleep(0.02)
        used = rack.daemon.errors().count('is in use\n')
        self.fd = os.open(path, os.O_RDWR | os.O_NOCTTY)
        tty.setraw(self.fd)
        while rack.daemon.errors().count('is in use\n') == used:  # what is printed from now on is read
            assert time.monotonic() < end, rack.daemon.errors()[-2000:]
            time.sleep(0.02)
        self.text = b''

    def expect(self, text):
        end = time.monotonic() + 60
        while text not in self.text:
            assert select.select([self.fd], [], [], max(0, end - time.monotonic()))[0], self.text
            self.text += os.read(self.fd, 4096)

    def read(self):
        while select.select([self.fd], [], [], 0)[0]:
            self.text += os.read(self.fd, 4096)
        return self.text


@pytest.fixture
def terminal(rack):
    made = []

    def opened(path):
        made.append(Terminal(rack, path))
        return made[-1]

    yield opened
    for one in made:
        os.close(one.fd)


@pytest.mark.parametrize('testbed', ['namespace'], indirect=True)  # umockdev answers the ioctls of pseudo-terminals
@pytest.mark.parametrize('order', [(0, 2), (2, 0)])
def test_each_port_is_a_terminal(rack, tmp_path, composite, printing, terminal, order):
    """The first interface by the board's name, the other one with its number: text of each, keystrokes to each, and SMP goes on;
    programs that have them open keep them over a re-plug in another order."""
    rack.start(f'[daemon]\ntty_dir = {tmp_path}/dev\n{RACK}tty = yes\n')
    composite.plug(order)
    composite.ready()
    smp = terminal(tmp_path / 'dev/b0.if2')
    prints = terminal(tmp_path / 'dev/b0')
    assert sorted(path.name for path in (tmp_path / 'dev').iterdir()) == ['b0', 'b0.if2']
    links = os.readlink(prints.path), os.readlink(smp.path)
    for turn in range(2):
        printing.read()
        prints.text = smp.text = b''
        os.write(printing.fd, b'\x1b[32mfrom the shell %d\r\n\xff$ ' % turn)
        prints.expect(b'\x1b[32mfrom the shell %d\r\n\xff$ ' % turn)
        composite.sim.command(rf'console from the other {turn}\r\n')
        smp.expect(b'from the other %d\r\n' % turn)
        os.write(prints.fd, b'kernel version\r')
        assert rack.ctl('os', 'echo', 'x' * 300, device='b0').value == {'text': 'x' * 300}
        printing.expect(b'kernel version\r')
        before = composite.sim.state()['rx_bytes']
        os.write(smp.fd, b'to the other\r')
        composite.sim.wait(f'rx_bytes>={before + 13}')
        assert rack.ctl('os', 'echo', 'y', device='b0').value == {'text': 'y'}
        assert printing.read() == b'' and b'other' not in prints.read() and b'shell' not in smp.read()
        if turn == 0:
            mark = rack.mark()
            composite.unplug()
            rack.wait(mark, event='detached', serial='B0')
            composite.plug(order[::-1])
            composite.ready(mark)
    assert (os.readlink(prints.path), os.readlink(smp.path)) == links
