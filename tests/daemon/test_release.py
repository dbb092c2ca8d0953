# SPDX-License-Identifier: MIT
"""Release and Reclaim: a board's tty in the hands of another program, which really talks over it."""

import signal
import subprocess
import sys

import pytest
import rack as racks
import simulator

# A program that knows nothing of the daemon: opens the tty for itself alone, sends an SMP echo, and prints the answer.
FLASHER = '''
import fcntl, sys
sys.path.insert(0, sys.argv[2])
import smp_wire
port = smp_wire.Port(sys.argv[1])
fcntl.flock(port.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
print(port.ask(2, 0, 0, {"d": "from outside"}, timeout=30)["r"])
'''


def flash(sim, board):
    return subprocess.run([sys.executable, '-c', FLASHER, sim.path(board), str(racks.SOURCE / 'tests/sim')], capture_output=True,
                          text=True, timeout=racks.SECONDS)


def test_another_program_has_the_tty(rack):
    r = rack('a', 'b')
    c = r.ready()
    assert 'BlockingIOError' in flash(r.sim, 'a').stderr, 'the daemon holds it'
    holder = r.client()
    reply = holder.call('Release', devices=['a'], reason='a flasher')
    assert reply == {'ports': [{'device': 'a', 'tty': r.sim.path('a')}]}
    done = flash(r.sim, 'a')
    assert done.stdout == 'from outside\n', done.stderr
    device = c.call('Get', device='a')['device']
    assert device['state'] == 'released' and 'a flasher' in device['reason']
    for method, more in ('Echo', {'text': 'x'}), ('Reset', {}), ('FileRead', {'path': '/lfs1/a'}), ('ConsoleWrite', {'data': 'eA=='}):
        e = c.fails(method, device='a', **more)
        assert (e.name, e.parameters['state']) == ('DeviceUnavailable', 'released') and 'a flasher' in e.parameters['message']
    assert c.fails('Release', devices=['b', 'a']).name == 'DeviceUnavailable'
    assert c.call('Get', device='b')['device']['state'] == 'ready', 'all or none'
    assert c.call('Reclaim') == {'devices': []}
    assert holder.call('Reclaim') == {'devices': ['a']}
    r.client().wait_device('a', lambda d: d['state'] == 'ready')
    assert c.call('Echo', device='a', text='x') == {'text': 'x'}


def test_the_end_of_the_connection_takes_it_back(rack):
    r = rack()
    r.ready()
    process = subprocess.Popen([sys.executable, '-c', '''
import json, socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.sendall(json.dumps({'method': 'io.mcumgr.Release'}).encode() + b'\\0')
print(s.recv(65536))
sys.stdout.flush()
sys.stdin.read()
''', r.socket], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert 'ports' in process.stdout.readline()
    assert r.client().call('Get', device='a')['device']['state'] == 'released'
    process.send_signal(signal.SIGKILL)
    process.wait()
    r.client().wait_device('a', lambda d: d['state'] == 'ready')


def test_the_whole_rack(rack):
    boards = [f'b{i}' for i in range(16)]
    r = rack(*boards)
    r.ready()
    c = r.client()
    assert [p['device'] for p in c.call('Release', all=True)['ports']] == sorted(boards)
    assert {d['state'] for d in c.call('List')['devices']} == {'released'}
    for board in boards[:3]:
        assert flash(r.sim, board).stdout == 'from outside\n'
    c.close()
    r.ready()


def test_a_board_that_goes_and_comes_stays_released(rack):
    r = rack()
    r.ready()
    c, watcher = r.client(), r.client()
    c.call('Release', devices=['a'])
    watcher.send('Watch', more=True)
    for what in 'unplug', 'plug':
        r.sim.command(f'a {what}')
    assert flash(r.sim, 'a').stdout == 'from outside\n'
    c.call('Reclaim')
    r.client().wait_device('a', lambda d: d['state'] == 'ready')
    states = []
    while not states or states[-1] != 'ready':
        states += [x['device']['state'] for x in [watcher.reply()] if 'device' in x]
    assert states[0] == 'released' and 'absent' not in states and 'unavailable' not in states, states


def test_an_absent_board_is_released_and_not_opened(rack):
    r = rack()
    r.ready()
    r.sim.command('a unplug')
    r.client().wait_device('a', lambda d: d['state'] == 'absent')
    c = r.client()
    assert c.call('Release', devices=['a'])['ports'][0]['device'] == 'a'
    r.sim.command('a plug')
    assert flash(r.sim, 'a').stdout == 'from outside\n'
    assert c.call('Get', device='a')['device']['state'] == 'released'
    c.close()
    r.client().wait_device('a', lambda d: d['state'] == 'ready')


def test_who_may_release(rack, tmp_path):
    data, _ = simulator.make_image(tmp_path / 'image', '2.0.0', size=100000)
    r = rack('a', 'b', keys={'a': 'baud=57600', 'b': ''})
    c = r.ready()
    holder = r.client()
    token = holder.call('Lock', devices=['b'])['token']
    assert c.fails('Release', devices=['b']).name == 'DeviceBusy'
    assert c.fails('Release', all=True).name == 'DeviceBusy'
    assert c.call('Release', devices=['b'], lease=token)['ports']
    # The lease stays with its holder.
    assert holder.call('Unlock') == {'devices': ['b']}
    assert c.call('Reclaim') == {'devices': ['b']}
    r.client().wait_device('b', lambda d: d['state'] == 'ready')
    starter = r.client()
    starter.send('Update', {'device': 'a', 'file': c.put(data)['hash']}, more=True)
    job = starter.reply()['job']
    e = c.fails('Release', all=True)
    assert (e.name, e.parameters['reason']) == ('UpdateRefused', 'job') and job in e.parameters['message']
    assert c.call('Get', device='b')['device']['state'] == 'ready'
    assert c.fails('Release', devices=['a'], all=True).parameters['parameter'] == 'all'
    assert c.fails('Release', devices=['x']).name == 'NoSuchDevice'


def test_a_request_under_way_is_told(rack):
    r = rack()
    c = r.ready()
    r.sim.command('a fault lose-request count=0 group=0 id=0')
    before = r.sim.state()['requests'].get('0/0', 0)
    asker = r.client()
    asker.send('Echo', {'device': 'a', 'text': 'x', 'timeoutMs': 60000})
    r.sim.wait(f'requests.0/0>={before + 1}')
    c.call('Release', devices=['a'])
    message = asker.receive()
    assert message['error'] == 'io.mcumgr.DeviceGone' and 'handed over' in message['parameters']['message']


def test_the_daemon_ends_meanwhile(rack):
    r = rack('a', 'b')
    r.ready()
    c = r.client()
    c.call('Release', all=True)
    assert r.stop() == 0
    r.start()
    r.ready()
