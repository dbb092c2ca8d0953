# SPDX-License-Identifier: MIT
"""Leases: who alone may change a board, who waits for it, and how it ends."""

import json
import os
import pathlib
import pwd
import select
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest
import rack as racks
import simulator

LIMITS = (racks.SOURCE / 'daemon/limits.h').read_text()


def limit(name):
    return int(next(line.split()[2] for line in LIMITS.splitlines() if line.startswith(f'#define {name} ')))


def lock(client, *devices, **more):
    return client.call('Lock', **({'devices': list(devices)} if devices else {}), **more)


def wait_in_line(client, *devices, **more):
    """Asks for boards that are not free; returns what is said of the wait."""
    client.send('Lock', {'devices': list(devices), 'wait': True, **more}, more=True)
    return client.reply()


def granted(client):
    """The end of a wait."""
    while 'token' not in (reply := client.reply()):
        assert reply['message']
    return reply


HOLDER = '''
import json, socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.sendall(json.dumps({'method': 'io.mcumgr.Lock', 'parameters': {'devices': sys.argv[2:], 'reason': 'a test'}}).encode() + b'\\0')
sys.stdout.write(s.recv(65536).partition(b'\\0')[0].decode() + '\\n')
sys.stdout.flush()
sys.stdin.read()
'''


def hold(rack_, *devices):
    """Another process that holds a lease."""
    process = subprocess.Popen([sys.executable, '-c', HOLDER, rack_.socket, *devices], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True)
    assert 'token' in process.stdout.readline()
    return process


CHANGES = [
    ('Reset', {}), ('SettingWrite', {'name': 'x', 'value': ''}), ('ImageErase', {}), ('ConsoleWrite', {'data': 'eA=='}),
    ('Configure', {'retries': 1}), ('Request', {'operation': 'write', 'group': 0, 'command': 5}),
    ('ShellExecute', {'arguments': ['x']}), ('FileWrite', {'path': '/lfs1/a', 'data': 'eA=='}),
    ('Update', {'file': '00' * 32}), ('ImageUpload', {'file': '00' * 32}),
]
READS = [
    ('Echo', {'text': 'x'}), ('ImageList', {}), ('Get', {}), ('Console', {}), ('Parameters', {}),
    ('Request', {'operation': 'read', 'group': 1, 'command': 0}),
]


def test_others_may_read_and_not_change(rack):
    r = rack('a', 'b')
    c = r.ready()
    holder = hold(r, 'a')
    for method, more in CHANGES:
        e = c.fails(method, device='a', **more)
        assert e.name == 'DeviceBusy', method
    me = pwd.getpwuid(os.getuid()).pw_name
    lease = e.parameters['lease']
    assert (lease['user'], lease['uid'], lease['pid'], lease['reason']) == (me, os.getuid(), holder.pid, 'a test')
    assert sys.executable in lease['command'] and lease['devices'] == ['a'] and lease['waiting'] == 0
    for text in me, str(holder.pid), 'a test', lease['since']:
        assert text in e.parameters['message'], text
    assert e.parameters['holder'].startswith(me) and e.parameters['hint']
    for method, more in READS:
        c.call(method, device='a', **more)
    assert c.call('Get', device='a')['device']['lease'] == lease
    assert c.call('Leases') == {'leases': [lease]}
    assert 'lease' not in c.call('Get', device='b')['device']
    assert c.call('Configure', device='b', retries=1) == {}
    # The kernel tells when the holder dies.
    waiter = r.client()
    assert 'locked by' in wait_in_line(waiter, 'a')['message']
    assert c.call('Leases')['leases'][0]['waiting'] == 1
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert granted(waiter)['lease']['devices'] == ['a']
    assert c.fails('Reset', device='a').parameters['lease']['pid'] == os.getpid()
    waiter.close()
    r.client().wait_device('a', lambda d: 'lease' not in d)
    assert c.call('Reset', device='a') == {}


def test_the_token_is_the_holder(rack):
    r = rack('a', 'b')
    c = r.ready()
    holder, other, third = r.client(), r.client(), r.client()
    token = lock(holder, 'a')['token']
    assert len(token) == 32
    assert holder.call('Configure', device='a', retries=1) == {}
    assert other.call('Configure', device='a', retries=1, lease=token) == {}
    assert other.fails('Configure', device='a', retries=1).name == 'DeviceBusy'
    assert third.call('LeaseUse', lease=token)['lease']['devices'] == ['a']
    assert third.call('Configure', device='a', retries=1) == {}
    # Free boards need none, and take one that is there.
    assert other.call('Configure', device='b', retries=1, lease=token) == {}
    b_token = lock(r.client(), 'b')['token']
    assert other.fails('Configure', device='b', retries=1, lease=token).name == 'DeviceBusy'
    assert other.call('Configure', device='b', retries=1, lease=b_token) == {}
    for wrong in '', 'x', '0' * 32, token[:-1], token + '0', token.upper() + ' ', 'ä' * 40, token * 1000:
        for method, more in ('Configure', {'device': 'a', 'retries': 1}), ('Configure', {'device': 'b', 'retries': 1}):
            assert other.fails(method, lease=wrong, **more).name == 'NoSuchLease', wrong
    assert other.fails('Unlock', lease='0' * 32).name == 'NoSuchLease'
    # A lost lease is told to whoever counts on it, also where the board is free again.
    holder.call('Unlock')
    for client, more in (other, {'lease': token}), (third, {}):
        e = client.fails('Configure', device='a', retries=1, **more)
        assert (e.name, 'given back' in e.parameters['message']) == ('NoSuchLease', True)
    assert third.call('Echo', device='a', text='x') == {'text': 'x'}
    assert holder.call('Configure', device='a', retries=1) == {}
    assert c.call('Configure', device='a', retries=1) == {}


def test_a_oneway_use_is_safe(rack):
    r = rack()
    r.ready()
    c = r.client()
    c.send('LeaseUse', {'lease': 'f' * 32}, oneway=True)
    assert c.fails('Configure', device='a', retries=1).name == 'NoSuchLease'
    assert c.call('Echo', device='a', text='x') == {'text': 'x'}
    assert lock(c, 'a')['token'] and c.call('Configure', device='a', retries=1) == {}


def test_turns_are_taken_in_order(rack):
    r = rack()
    r.ready()
    holder = r.client()
    lock(holder, 'a')
    line = [r.client() for _ in range(5)]
    for i, client in enumerate(line):
        assert wait_in_line(client, 'a')['ahead'] == i
    # Who does not wait does not overtake.
    assert r.client().fails('Lock', devices=['a']).name == 'DeviceBusy'
    line.pop(2).close()
    holder.close()
    for i, client in enumerate(line):
        assert granted(client)['token']
        assert r.client().call('Leases')['leases'][0]['waiting'] == len(line) - i - 1
        client.call('Unlock')
    assert r.client().call('Leases') == {'leases': []}


def test_all_or_none(rack):
    r = rack('a', 'b', 'c')
    c = r.ready()
    holder, both, single = r.client(), r.client(), r.client()
    lock(holder, 'b')
    assert c.fails('Lock', devices=['a', 'b']).parameters['device'] == 'b'
    assert len(c.call('Leases')['leases']) == 1
    assert 'b is locked' in wait_in_line(both, 'b', 'a', 'a')['message']
    # It holds nothing meanwhile, and is not overtaken.
    assert c.call('Configure', device='a', retries=1) == {}
    e = c.fails('Lock', devices=['a'])
    assert e.name == 'DeviceBusy' and '1 other waits for a already' in e.parameters['message']
    assert wait_in_line(single, 'a')['ahead'] == 1
    assert lock(c, 'c')['lease']['devices'] == ['c']
    holder.close()
    assert granted(both)['lease']['devices'] == ['b', 'a']
    assert both.call('Unlock', device='a')['devices'] == ['b', 'a']
    assert granted(single)['lease']['devices'] == ['a']


def test_two_that_want_each_others_boards(rack):
    r = rack('a', 'b')
    r.ready()
    x, y = r.client(), r.client()
    lock(x, 'a')
    lock(y, 'b')
    for client, other in (x, 'b'), (y, 'a'):
        e = client.fails('Lock', devices=[other], wait=True)
        assert (e.name, e.parameters['parameter']) == ('InvalidParameter', 'wait')
        assert client.fails('Lock', devices=[other]).name == 'DeviceBusy'
    e = x.fails('Lock', devices=['a'])
    assert e.name == 'DeviceBusy' and 'you have locked a already' in e.parameters['message']
    # Opposite orders, again and again.
    x.call('Unlock')
    y.call('Unlock')
    for _ in range(20):
        x.send('Lock', {'devices': ['a', 'b'], 'wait': True})
        y.send('Lock', {'devices': ['b', 'a'], 'wait': True})
        first = x if select.select([x.socket, y.socket], [], [], racks.SECONDS)[0][0] is x.socket else y
        for client in first, y if first is x else x:
            client.reply()
            client.call('Unlock')


def test_who_is_ahead(rack):
    """Those who wait for the board that is named, not for any that is asked for."""
    r = rack('a', 'b', 'c')
    c = r.ready()
    lock(r.client(), 'a')
    for other in 'b', 'c', 'c':
        wait_in_line(r.client(), 'a', other)
    for devices, message in ((['b', 'c'], '1 other waits for b already'), (['c', 'b'], '2 others wait for c already')):
        e = c.fails('Lock', devices=devices)
        assert (e.name, e.parameters['message']) == ('DeviceBusy', message)
        assert e.parameters['hint'] == 'mcumgrctl lock --wait waits in line for it', 'there is nobody to take it away from'
    assert 'unlock --force' in c.fails('Lock', devices=['a']).parameters['hint']
    assert 'free, 1 is asked for; a is locked by' in c.fails('Lock', any='*').parameters['message']


def test_a_pool(rack):
    r = rack('a', 'b', 'c')
    c = r.ready()
    holders = [r.client() for _ in range(3)]
    first = holders[0].call('Lock', any='*')['lease']['devices']
    second = holders[1].call('Lock', any='*', count=1)['lease']['devices']
    assert len(first) == len(second) == 1 and first != second
    e = c.fails('Lock', any='*', count=2)
    assert e.name == 'DeviceBusy' and '1 of 3 boards are free, 2 are asked for' in e.parameters['message']
    e = c.fails('Lock', any='*', count=4)
    assert e.name == 'NoSuchDevice' and e.parameters['available'] == ['a', 'b', 'c']
    assert c.fails('Lock', any='nothing').name == 'NoSuchDevice'
    assert c.fails('Lock', any='(').parameters['parameter'] == 'any'
    # A board that is not ready is not given out of a pool.
    last = ({'a', 'b', 'c'} - set(first) - set(second)).pop()
    r.sim.command(f'{last} unplug')
    r.client().wait_device(last, lambda d: d['state'] == 'absent')
    e = c.fails('Lock', any='*')
    assert e.name == 'DeviceBusy' and '0 of 3' in e.parameters['message']
    waiter = r.client()
    waiter.send('Lock', {'any': '*', 'count': 2, 'wait': True}, more=True)
    waiter.reply()
    holders[1].call('Unlock')
    # The one that came free is set aside for who came first.
    assert c.fails('Lock', any='*').name == 'DeviceBusy'
    r.sim.command(f'{last} plug')
    assert sorted(granted(waiter)['lease']['devices']) == sorted([*second, last])


def test_a_wait_has_an_end(rack):
    r = rack()
    c = r.ready()
    lock(r.client(), 'a')
    e = c.fails('Lock', devices=['a'], waitMs=1)
    assert e.name == 'DeviceBusy' and e.parameters['message'].startswith('it waited in vain: a is locked by')
    assert c.call('Leases')['leases'][0]['waiting'] == 0


def test_a_board_that_comes_back_keeps_its_lease(rack):
    r = rack()
    c = r.ready()
    holder = r.client()
    lock(holder, 'a')
    r.sim.command('a unplug')
    assert r.client().wait_device('a', lambda d: d['state'] == 'absent')['lease']
    r.sim.command('a plug')
    assert r.client().wait_device('a', lambda d: d['state'] == 'ready')['lease']
    assert c.fails('Reset', device='a').name == 'DeviceBusy'
    assert holder.call('Reset', device='a') == {}


def test_a_lease_waits_for_a_job(rack, tmp_path):
    data, _ = simulator.make_image(tmp_path / 'image', '2.0.0', size=100000)
    r = rack(keys='baud=57600')
    c = r.ready()
    file = c.put(data)['hash']
    starter, waiter, canceller = r.client(), r.client(), r.client()
    starter.send('Update', {'device': 'a', 'file': file, 'detached': True}, more=True)
    job = starter.reply()['job']
    e = c.fails('Lock', devices=['a'])
    assert (e.name, e.parameters['job']) == ('DeviceBusy', job) and job in e.parameters['message']
    assert job in wait_in_line(waiter, 'a')['message']
    canceller.call('JobCancel', job=job)
    assert granted(waiter)['token']
    # Its own job, which others cannot cancel, and which it outlives.
    waiter.send('Update', {'device': 'a', 'file': file, 'detached': True}, more=True)
    job = waiter.reply()['job']
    for client, method, more in (canceller, 'JobCancel', {'job': job}), (c, 'Update', {'device': 'a', 'file': file}):
        assert client.fails(method, **more).name == 'DeviceBusy'
    watcher = r.client()
    waiter.close()
    r.client().wait_device('a', lambda d: 'lease' not in d)
    assert job in wait_in_line(watcher, 'a')['message']
    c.call('JobCancel', job=job)
    assert granted(watcher)['token']


def test_force(rack):
    r = rack('a', 'b')
    c = r.ready()
    holder = r.client()
    lock(holder, 'a', 'b', reason='forgotten')
    assert c.fails('Unlock', device='a').name == 'DeviceBusy'
    assert c.call('Unlock', device='a', force=True) == {'devices': ['a', 'b']}
    assert f'user {os.getuid()} (process {os.getpid()}) takes it away from' in r.text() and 'forgotten' in r.text()
    e = holder.fails('Reset', device='a')
    assert e.name == 'NoSuchLease' and 'by force' in e.parameters['message']
    for more in {'device': 'a'}, {'device': 'a', 'force': True}:
        assert c.fails('Unlock', **more).name == 'NoSuchLease'
    assert c.fails('Unlock').name == 'NoSuchLease'
    assert c.fails('Unlock', device='nothing', force=True).name == 'NoSuchDevice'


def test_bound_to_a_process(rack):
    r = rack()
    c = r.ready()
    process = subprocess.Popen(['sleep', '1000'])
    holder = r.client()
    lease = lock(holder, 'a', pid=process.pid)
    assert lease['lease']['boundTo'] == process.pid
    holder.close()
    assert c.fails('Reset', device='a').parameters['lease']['boundTo'] == process.pid
    assert c.call('Configure', device='a', retries=1, lease=lease['token']) == {}
    waiter = r.client()
    wait_in_line(waiter, 'a')
    process.kill()
    assert granted(waiter)['token']
    e = c.fails('Reset', device='a', lease=lease['token'])
    assert e.name == 'NoSuchLease' and 'process' in e.parameters['message']
    process.wait()
    e = c.fails('Lock', devices=['a'], pid=process.pid)
    assert (e.parameters['parameter'], e.parameters['message']) == ('pid', f'there is no process {process.pid}')


def test_a_thread_is_no_process(rack):
    r = rack()
    c = r.ready()
    end = threading.Event()
    thread = threading.Thread(target=end.wait)
    thread.start()
    e = c.fails('Lock', devices=['a'], pid=thread.native_id)
    end.set()
    assert (e.parameters['parameter'], e.parameters['message']) == ('pid', f'{thread.native_id} is a thread, no process')


def test_bound_to_a_time(rack):
    r = rack()
    c = r.ready()
    step = r.client()
    taken = lock(step, 'a', keepMs=60000)
    token, until = taken['token'], [taken['lease']['until']]
    step.close()
    # Each call with the token is a sign of life.
    step = r.client()
    for method, more in ('LeaseUse', {'lease': token}), ('Configure', {'device': 'a', 'retries': 1}), ('LeaseKeep', {'lease': token}):
        time.sleep(0.002)  # times are told in milliseconds
        step.call(method, **more)
        until.append(c.call('Leases')['leases'][0]['until'])
    assert until == sorted(set(until))
    assert c.call('LeaseKeep', lease=token, keepMs=100)['lease']['until'] < until[0]
    r.client().wait_device('a', lambda d: 'lease' not in d)
    e = c.fails('LeaseKeep', lease=token)
    assert e.name == 'NoSuchLease' and 'its time passed' in e.parameters['message']
    token = lock(c, 'a', keepMs=86400000)['token']
    assert c.call('LeaseKeep', lease=token, keepMs=100)['lease']['until']
    r.client().wait_device('a', lambda d: 'lease' not in d)
    token = lock(r.client(), 'a')['token']
    assert c.fails('LeaseKeep', lease=token, keepMs=1000).parameters['parameter'] == 'keepMs'


def test_a_job_is_a_sign_of_life(rack, tmp_path):
    data, _ = simulator.make_image(tmp_path / 'image', '2.0.0', size=100000)
    r = rack(keys='baud=57600')
    c = r.ready()
    file = c.put(data)['hash']
    step = r.client()
    token = lock(step, 'a', keepMs=60000)['token']
    step.send('Update', {'device': 'a', 'file': file, 'lease': token}, more=True)
    job = step.reply()['job']
    c.call('LeaseKeep', lease=token, keepMs=100)
    began = time.monotonic()
    while time.monotonic() - began < 0.5:
        assert step.reply()['job'] == job
    assert c.call('Leases')['leases'][0]['devices'] == ['a']
    assert c.call('JobCancel', job=job, lease=token) == {}
    r.client().wait_device('a', lambda d: 'lease' not in d)


def until(client):
    return client.call('Leases')['leases'][0]['until']


def test_the_time_begins_when_the_job_has_ended(rack, tmp_path):
    """And not at the last of the looks at it."""
    data, _ = simulator.make_image(tmp_path / 'image', '2.0.0')
    r = rack()
    c = r.ready()
    file = c.put(data)['hash']
    token = lock(r.client(), 'a', keepMs=3600000)['token']
    step = r.client()
    step.send('Update', {'device': 'a', 'file': file, 'lease': token}, more=True)
    step.reply()
    before = until(c)
    while step.receive().get('continues'):
        pass
    r.ready('a')
    assert until(c) > before


def test_a_tty_in_other_hands_is_a_sign_of_life(rack):
    """A flasher takes its time."""
    r = rack()
    c = r.ready()
    token = lock(c, 'a', keepMs=60000)['token']
    flasher = r.client()
    flasher.call('Release', devices=['a'], lease=token)
    told = c.call('LeaseKeep', lease=token, keepMs=100)['lease']['until']
    for _ in range(3):  # its time has passed, and it has another
        deadline = time.monotonic() + racks.SECONDS
        while (now := until(c)) == told:
            assert time.monotonic() < deadline
        told = now
    c.call('LeaseKeep', lease=token, keepMs=3600000)
    told = until(c)
    time.sleep(0.002)  # times are told in milliseconds
    flasher.call('Reclaim')
    assert until(c) > told


def test_events(rack):
    r = rack('a', 'b')
    r.ready()
    watcher, holder = r.client(), r.client()
    watcher.send('Watch', more=True)
    while watcher.reply()['event'] != 'current':
        pass
    lock(holder, 'a', 'b', reason='events')
    seen = [watcher.reply() for _ in range(2)]
    assert [(x['event'], x['device']['id'], x['device']['lease']['reason']) for x in seen] == [
        ('locked', 'a', 'events'), ('locked', 'b', 'events')]
    holder.call('Unlock')
    seen = [watcher.reply() for _ in range(2)]
    assert [(x['event'], x['device']['id'], x['device'].get('lease')) for x in seen] == [
        ('unlocked', 'a', None), ('unlocked', 'b', None)]


def test_limits(rack):
    r = rack(*(f'b{i}' for i in range(limit('LIMIT_LEASES_CONNECTION') + 1)))
    c = r.client()
    most = limit('LIMIT_LEASES_CONNECTION')
    for i in range(most):
        lock(c, f'b{i}')
    e = c.fails('Lock', devices=[f'b{most}'])
    assert (e.name, e.parameters['limit'], e.parameters['maximum']) == ('LimitExceeded', 'leases', most)
    e = c.fails('LeaseUse', lease='0' * 32)
    assert (e.name, e.parameters['limit']) == ('LimitExceeded', 'leases')
    c.call('Unlock', device='b3')
    lock(c, f'b{most}')
    most = limit('LIMIT_LEASE_WAITERS')
    line = [r.client() for _ in range(most)]
    for i, client in enumerate(line):
        assert wait_in_line(client, 'b0')['ahead'] == i
    for more in {'devices': ['b3', 'b0'], 'wait': True}, {'devices': ['b0']}:
        e = r.client().fails('Lock', **more)
        assert (e.name, e.parameters['limit'], e.parameters['maximum']) == ('LimitExceeded', 'waiters', most)
    line.pop().close()
    last = r.client()
    assert wait_in_line(last, 'b0')['ahead'] == most - 1
    text = 'x' * limit('LIMIT_LEASE_TEXT_BYTES')
    for name in 'reason', 'command':
        assert r.client().call('Lock', devices=['b3'], **{name: text})['lease']
        r.client().call('Unlock', device='b3', force=True)
        assert r.client().fails('Lock', devices=['b3'], **{name: text + 'x'}).parameters['parameter'] == name
    for name, value in (('keepMs', limit('LIMIT_LEASE_KEEP_MIN_MS') - 1), ('keepMs', limit('LIMIT_LEASE_KEEP_MS') + 1),
                        ('waitMs', 0), ('count', 0), ('pid', 0), ('pid', 2 ** 31), ('devices', []), ('devices', 'a'),
                        ('devices', [1]), ('devices', ['a'] * 1025)):
        assert r.client().fails('Lock', **{name: value}).parameters['parameter'] == name


def test_words_of_a_holder_are_clean(rack):
    r = rack()
    c = r.ready()
    lock(r.client(), 'a', reason='\x1b[31mred\n\x07')
    lease = c.call('Get', device='a')['device']['lease']
    assert lease['reason'] == ' [31mred  '


def test_the_daemon_ends_under_leases(rack):
    r = rack('a', 'b')
    r.ready()
    holder, waiter, timed = r.client(), r.client(), r.client()
    lock(holder, 'a')
    wait_in_line(waiter, 'a')
    lock(timed, 'b', keepMs=50000, pid=os.getpid())
    assert r.stop() == 0
    while 'error' not in (message := waiter.receive()):
        pass
    assert message['error'] == 'io.mcumgr.Stopping'
    assert holder.receive() is None
    r.start()
    assert r.ready().call('Leases') == {'leases': []}


@pytest.mark.parametrize('flags', [['--pid', '--fork'], ['--user'], ['--user', '--map-root-user', '--pid', '--fork']],
                         ids=['pid', 'user', 'both'])
def test_clients_of_other_namespaces(rack, flags):
    if subprocess.run(['unshare', *flags, 'true'], check=False).returncode:
        pytest.skip('no namespaces to be had here')
    r = rack()
    c = r.ready()
    os.chmod(r.dir, 0o755)
    os.chmod(r.socket, 0o666)
    process = subprocess.Popen(['unshare', *flags, sys.executable, '-c', HOLDER, r.socket, 'a'], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True)
    assert 'token' in process.stdout.readline()
    lease = c.call('Get', device='a')['device']['lease']
    # Seen from outside both are known; the numbers are ours, not theirs.
    assert lease['uid'] == os.getuid() and lease['pid'] > 1
    process.stdin.close()
    process.wait()


BOUND = '''
import json, socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.sendall(json.dumps({'method': 'io.mcumgr.Lock', 'parameters': {'devices': ['a'], 'pid': 1}}).encode() + b'\\0')
print(s.recv(65536).partition(b'\\0')[0].decode())
'''
# As in the unit: a user of its own, who does not see the processes of others.
HIDDEN = ['unshare', '--mount', 'sh', '-c', 'mount -t proc -o hidepid=invisible proc /proc && '
          'exec setpriv --reuid 4711 --regid 4711 --clear-groups "$@"', 'sh']


@pytest.mark.parametrize('inside', [[], HIDDEN], ids=['plain', 'hidden'])
def test_process_numbers_of_another_namespace_mean_nothing(rack, inside):
    words = ['unshare', '--pid', '--fork']
    for trial in [*words, 'true'], [*inside, 'true']:
        if trial[:-1] and subprocess.run(trial, check=False, capture_output=True).returncode:
            pytest.skip('no namespaces to be had here')
    r = rack()
    c = r.ready()
    if inside:
        assert r.stop() == 0
        for path in r.dir, *r.dir.rglob('*'):
            os.chown(path, 4711, 4711)
        tty = pathlib.Path(r.sim.path('a'))
        os.chmod(tty.parent, 0o755)
        os.chmod(tty, 0o666)
        plain = r.words
        r.words = [*inside, *plain]
        before = os.umask(0)  # the daemon says to a socket of ours that it is ready
        r.start()
        os.umask(before)
        r.words = plain
        c = r.ready()
    done = subprocess.run([*words, sys.executable, '-c', BOUND, r.socket], capture_output=True, text=True, check=True)
    reply = json.loads(done.stdout)
    assert reply.get('error') == 'org.varlink.service.InvalidParameter' and reply['parameters']['parameter'] == 'pid', reply
    assert 'another pid namespace' in reply['parameters']['message']
    assert c.call('Lock', devices=['a'], pid=os.getpid())['lease']['boundTo'] == os.getpid()


AS_SOMEBODY = '''
import json, os, socket, sys
os.setgroups([]); os.setgid(4711); os.setuid(4711)
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
for call in sys.argv[2:]:
    s.sendall(call.encode() + b'\\0')
    data = b''
    while not data.endswith(b'\\0'):
        data += s.recv(65536)
    print(data[:-1].decode())
'''


@pytest.mark.skipif(os.getuid() != 0, reason='only root can become somebody else')
def test_force_is_for_administrators(rack, tmp_path):
    config = tmp_path / 'conf'
    config.write_text('[daemon]\nchange = user:4711\n')
    r = rack('a', arguments=('-c', str(config)))
    r.ready()
    os.chmod(r.dir, 0o755)
    os.chmod(r.socket, 0o666)
    holder = r.client()
    lock(holder, 'a')
    calls = [('Unlock', {'device': 'a', 'force': True}), ('Unlock', {'device': 'a'}), ('Reset', {'device': 'a'}), ('Leases', {})]
    done = subprocess.run([sys.executable, '-c', AS_SOMEBODY, r.socket, *(
        json.dumps({'method': f'io.mcumgr.{m}', 'parameters': p}) for m, p in calls)], capture_output=True, text=True, check=True)
    force, plain, reset, listed = map(json.loads, done.stdout.splitlines())
    assert (force['error'], force['parameters']['role']) == ('io.mcumgr.PermissionDenied', 'administer')
    assert plain['error'] == reset['error'] == 'io.mcumgr.DeviceBusy'
    assert len(listed['parameters']['leases']) == 1
    assert holder.call('Unlock') == {'devices': ['a']}


@pytest.mark.skipif(os.getuid() != 0, reason='only root can become somebody else')
@pytest.mark.parametrize('count', [0, 255, 256, 300, 2000])
def test_all_groups_of_a_user_count(rack, tmp_path, count):
    """Directory services give people hundreds."""
    config = tmp_path / 'conf'
    config.write_text('[daemon]\nread = everybody\nchange = 4712\n')
    r = rack('a', arguments=('-c', str(config)))
    r.ready()
    os.chmod(r.dir, 0o755)
    os.chmod(r.socket, 0o666)
    somebody = AS_SOMEBODY.replace('setgroups([])', f'setgroups([*range(100000, {100000 + count}), 4712])')
    done = subprocess.run([sys.executable, '-c', somebody, r.socket, json.dumps({'method': 'io.mcumgr.Lock'})],
                          capture_output=True, text=True, check=True)
    assert 'token' in json.loads(done.stdout)['parameters'], done.stdout


def test_a_crowd(rack):
    """Hundreds of clients that want everything at once, and leave in every state."""
    r = rack('a', 'b')
    c = r.ready()
    holder = r.client()
    lock(holder, 'a', 'b')
    files = len(os.listdir(f'/proc/{r.process.pid}/fd'))
    most = limit('LIMIT_LEASE_WAITERS')
    crowd = []
    for _ in range(400):
        crowd.append(racks.Client(r.socket))
        if len(crowd) % 50 == 0:
            crowd[-1].call('Leases')  # the daemon has taken them all
    for i, client in enumerate(crowd):
        client.send('Lock', {'any': '*', 'count': 2, 'wait': True} if i % 2 else {'devices': ['b', 'a'], 'wait': True}, more=True)
    said = [client.receive() for client in crowd]
    assert sum('error' not in m for m in said) == most
    assert {m['error'] for m in said if 'error' in m} == {'io.mcumgr.LimitExceeded'}
    assert c.call('Echo', device='a', text='x') == {'text': 'x'}
    assert c.call('Leases')['leases'][0]['waiting'] == most
    waiting = [client for client, m in zip(crowd, said) if 'error' not in m]
    for client in waiting[1::2]:
        client.close()
    holder.close()
    # Each that is left has its turn, and passes it on by leaving.
    left = waiting[::2]
    while left:
        first = select.select([client.socket for client in left], [], [], racks.SECONDS)[0]
        for client in [x for x in left if x.socket in first]:
            said = client.reply()
            while 'token' not in said and b'\0' in client.buffer:
                said = client.reply()  # it came along with the one before
            if 'token' in said:
                client.close()
                left.remove(client)
    for client in crowd:
        client.close()
    # Gone before it was even known who they are.
    racks.come_and_go(r, c)
    c.send('Lock', {'devices': ['a', 'b'], 'wait': True})
    assert c.reply()['token'] and c.call('Unlock')
    for _ in range(300):
        assert c.fails('LeaseKeep', lease=os.urandom(16).hex()).name == 'NoSuchLease'
    deadline = time.monotonic() + racks.SECONDS
    while len(os.listdir(f'/proc/{r.process.pid}/fd')) > files:
        assert time.monotonic() < deadline, 'descriptors are left open'
        assert c.call('Leases') == {'leases': []}


def test_a_holder_who_only_stops_sending_is_gone(rack):
    r = rack()
    r.ready()
    holder = r.client()
    lock(holder, 'a')
    holder.socket.shutdown(socket.SHUT_WR)
    r.client().wait_device('a', lambda d: 'lease' not in d)


def test_a_daemon_in_a_container(rack, tmp_path):
    """The other way round: the daemon cannot see its clients, and says so instead of making somebody up."""
    words = ['unshare', '--user', '--map-root-user', '--pid', '--fork']
    if subprocess.run([*words, 'true'], check=False).returncode:
        pytest.skip('no namespaces to be had here')
    config = tmp_path / 'conf'
    config.write_text('[daemon]\nchange = everybody\n')
    r = rack('a', arguments=('-c', str(config)))
    assert r.stop() == 0
    r.words = [*words, *r.words, '--until-eof']
    r.start(stdin=subprocess.PIPE)
    c = r.ready()
    e = c.fails('Lock', devices=['a'], pid=os.getpid())
    assert e.parameters['parameter'] == 'pid' and 'another pid namespace' in e.parameters['message']
    lease = lock(c, 'a', command='as it says')['lease']
    assert (lease['uid'], lease.get('pid'), lease['command']) == (0, None, 'as it says')
    e = r.client().fails('Reset', device='a')
    assert 'a process of another pid namespace (as it says)' in e.parameters['message']
    c.call('Unlock')
    if os.getuid() == 0:
        os.chmod(r.dir, 0o755)
        os.chmod(r.socket, 0o666)
        done = subprocess.run([sys.executable, '-c', AS_SOMEBODY, r.socket, json.dumps({'method': 'io.mcumgr.Lock'})],
                              capture_output=True, text=True, check=True)
        lease = json.loads(done.stdout)['parameters'].get('lease')
        assert lease, done.stdout
        assert not {'uid', 'user', 'pid'} & lease.keys()
    r.process.stdin.close()
    assert r.process.wait(racks.SECONDS) == 0, r.text()[-2000:]
