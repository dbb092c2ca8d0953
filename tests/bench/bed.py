# SPDX-License-Identifier: MIT
"""A rack to measure: simulated boards with instant flash, cables that set the pace, and the daemon."""

import base64
import json
import os
import pathlib
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import tty

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(SOURCE / 'tests/daemon'), str(SOURCE / 'tests/sim')]

import rack  # noqa: E402
import simulator  # noqa: E402
import smp_wire  # noqa: E402

SECONDS = 600  # no cell takes longer
TICK = os.sysconf('SC_CLK_TCK')


class Client(rack.Client):
    def __init__(self, path):
        super().__init__(path)
        self.socket.settimeout(SECONDS)


class Links:
    """bench-link: a cable to each board, {name: tty}."""

    def __init__(self, ttys, **settings):
        self.dir = tempfile.mkdtemp(prefix='link')
        words = [os.environ['BENCH_LINK'], '--dir', self.dir]
        for key, value in settings.items():
            words += ['--' + key.replace('_', '-'), str(value)]
        for name, tty in ttys.items():
            words += ['--link', f'{name}={tty}']
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self.process.stdout.readline() != 'ready\n':
            raise RuntimeError('bench-link did not start')

    def path(self, name):
        return f'{self.dir}/{name}'

    def ask(self, line):
        self.process.stdin.write(line + '\n')
        self.process.stdin.flush()
        answer = self.process.stdout.readline().rstrip('\n')
        if not answer or answer == 'error':
            raise RuntimeError(f'bench-link: {line}: {answer}')
        return answer

    def set(self, **settings):
        for key, value in settings.items():
            self.ask(f'set {key.replace("_", "-")} {value}')

    def clear(self):
        self.ask('clear')

    def fair_latency_us(self, name, latency_ms):
        """What to set, so that a bare round trip takes twice the latency."""
        return max(0, 1000 * latency_ms - self.own_us(name, latency_ms) / 2) if latency_ms else 0

    def own_us(self, name, latency_ms, pings=30):
        """What the bed itself adds to a round trip of this latency: pseudo terminals, wake-ups, a board without delay. The
        least of some, so that it is never overrated. Before anybody else has the tty."""
        fd = os.open(self.path(name), os.O_RDWR | os.O_NOCTTY)
        tty.setraw(fd)
        self.set(baud=0, latency_us=latency_ms * 1000)
        took, tries = [], 0
        while len(took) < pings:
            frame = smp_wire.frame(smp_wire.message(0, 0, 0, {'d': ''}))
            began, answer = time.perf_counter(), b''
            os.write(fd, frame)
            while not answer.endswith(b'\n') and select.select([fd], [], [], 0.5)[0]:
                answer += os.read(fd, 4096)
            if answer.endswith(b'\n'):
                took.append(time.perf_counter() - began)
            tries += 1
            if tries > 100:
                raise RuntimeError('the board behind the cable does not answer')
        os.close(fd)
        self.set(latency_us=0)
        return max(0, 1e6 * min(took) - 2000 * latency_ms)

    def report(self):
        """What crossed, all cables together: {'to_board': {'wire': ...}, 'to_host': ..., 'cpu_s': ...}."""
        said = json.loads(self.ask('report'))
        total = {'cpu_s': said['cpu_s']}
        for way in ('to_board', 'to_host'):
            lanes = [link[way] for link in said['links'].values()]
            total[way] = {key: max(l[key] for l in lanes) if key == 'busy_s' else sum(l[key] for l in lanes)
                          for key in lanes[0]}
        return total

    def close(self):
        self.process.stdin.close()
        status = self.process.wait(20)
        self.process.stdout.close()
        shutil.rmtree(self.dir, ignore_errors=True)
        assert status == 0, f'bench-link ended with {status}'


class Bed:
    """Boards 0 ... n-1 behind cables, and a board "idle" of a simulator of its own, which nothing slows down. tty: one
    board that is there already instead."""

    def __init__(self, boards=1, keys='', baud=0, latency_ms=0.0, tty=None, idle=False, seed=1, port='', **link):
        self.baud, self.latency = baud, latency_ms / 1000
        self.boards = [f'b{i}' for i in range(boards)]
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix='bench'))
        self.process, self.sims, self.links = None, [], None
        try:
            ttys = {'b0': tty} if tty else self.simulate(self.boards, keys)
            self.links = Links(ttys, seed=seed, **link)
            self.paced = {'baud': baud,
                          'latency_us': 1000 * latency_ms if tty else self.links.fair_latency_us('b0', latency_ms)}
            ports = {b: self.links.path(b) for b in self.boards}
            if idle:
                ports |= self.simulate(['idle'], '', sockets=False)
            self.start(ports, f',quiet_ms=100,baud={baud or 1000000}{port}')
        except BaseException:
            self.close()
            raise

    def simulate(self, boards, keys, sockets=True):
        """sockets: the other end is a cable, which needs no tty there."""
        keys = f'boot_ms=0,image_check=on,slot_size=2M' + (',' + keys if keys else '')
        path = {b: f'{self.dir}/{b}' for b in boards}
        sim = simulator.Simulator(*(f'{b},{keys}' + (f',unix={path[b]}' if sockets else '') for b in boards))
        self.sims.append(sim)
        return path if sockets else {b: sim.path(b) for b in boards}

    def start(self, ports, options):
        self.socket = str(self.dir / 'io.mcumgr')
        words = [rack.program(), '--socket', self.socket, '--state-dir', str(self.dir / 'state'), '--until-eof']
        for name, path in ports.items():
            words += ['--port', f'{path},name={name}{options}']
        words += os.environ.get('BENCH_DAEMON_ARGUMENTS', '').split()
        wrapper = os.environ.get('BENCH_DAEMON_WRAPPER', '').split()
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        notify.settimeout(60)
        notify.bind(str(self.dir / 'notify'))
        self.log = open(self.dir / 'log', 'wb')
        self.process = subprocess.Popen(wrapper + words, stdin=subprocess.PIPE, stderr=self.log,
                                        env={**os.environ, 'NOTIFY_SOCKET': str(self.dir / 'notify')})
        while b'READY=1' not in notify.recv(4096):
            pass
        notify.close()
        for board in ports:
            self.client().wait_device(board, lambda d: d['state'] == 'ready')

    def pace(self, **more):
        """From here on the cables are as slow and as bad as asked for."""
        self.links.set(**{**self.paced, **more})
        self.hold(self.baud)
        self.links.clear()

    def hold(self, baud):
        """The boards hold their buffers until a reply would have left at this rate."""
        for board in self.boards if self.sims else []:
            self.sims[0].command(f'{board} set uart={baud}')

    def dropped(self):
        """Requests that found no buffer: on a real board each may have been its end."""
        return sum(self.sims[0].state(board)['dropped_packets'] for board in self.boards) if self.sims else 0

    def unpace(self):
        self.hold(0)
        self.links.set(baud=0, latency_us=0, loss=0, flip=0, log_between=0, log_inside=0)

    def client(self):
        return Client(self.socket)

    def cpu(self):
        """Seconds that the daemon has used."""
        fields = pathlib.Path(f'/proc/{self.process.pid}/stat').read_text().rsplit(')', 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def memory(self):
        """KiB: now, and the most there was."""
        lines = dict(line.split(':', 1) for line in pathlib.Path(f'/proc/{self.process.pid}/status').read_text().splitlines())
        return tuple(int(lines[key].split()[0]) for key in ('VmRSS', 'VmHWM'))

    def text(self):
        return (self.dir / 'log').read_text(errors='replace')

    def put_image(self, size, seed):
        """An image file of this size; its name in the daemon."""
        data, _ = simulator.make_image(self.dir / 'image', size=size, seed=seed)
        client = self.client()
        reply = client.call('ImagePut', data=base64.b64encode(data).decode())
        client.close()
        return reply['hash']

    def close(self):
        if self.process:
            self.process.stdin.close()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.log.close()
        if self.links:
            self.links.close()
        for sim in self.sims:
            sim.close()
        shutil.rmtree(self.dir, ignore_errors=True)
        if self.process and self.process.returncode != 0:
            raise RuntimeError(f'mcumgrd ended with {self.process.returncode}')

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
