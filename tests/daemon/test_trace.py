# SPDX-License-Identifier: MIT
"""What went over a board's line, as Trace tells it, and what a failed update leaves behind."""

import base64

import updates


def entries(client, kind=None, **more):
    found = client.call('Trace', device='a', **more)['entries']
    return [e for e in found if kind in (None, e['kind'])]


def test_an_exchange(rack):
    r = rack()
    client = r.ready()
    before = entries(client)[-1]['number']
    client.call('Echo', device='a', text='hello')
    sent, received = [e for e in entries(client) if e['number'] > before]
    names = {'group': 0, 'groupName': 'OS', 'command': 0, 'commandName': 'Echo', 'operation': 'write'}
    assert sent.items() >= {'kind': 'sent', 'attempt': 1, 'size': 8 + 9, **names}.items()
    assert received.items() >= {'kind': 'received', 'rc': 0, 'sequence': sent['sequence'], **names}.items()
    assert received['roundTripUs'] > 0 and received['time'] >= sent['time']
    assert 'rc' not in sent and 'rcName' not in received


def test_a_refusal_has_its_code(rack):
    client = rack().ready()
    assert client.fails('SettingRead', device='a', name='no/such').name == 'DeviceError'
    last = entries(client, 'received')[-1]
    assert last['groupName'] == 'settings' and last['rc'] > 0 and last['rcName'] and last['rcGroup'] == 3
    assert client.fails('Request', device='a', operation='read', group=77, command=3).name == 'NotSupported'
    last = entries(client, 'received')[-1]
    assert (last['group'], last['command'], last['rc'], last['rcName']) == (77, 3, 8, 'ENOTSUP')
    assert 'groupName' not in last and 'commandName' not in last and 'rcGroup' not in last


def test_losses_and_repeats(rack):
    r = rack(timeout_ms=200)
    client = r.ready()
    r.sim.command('a fault lose-request group=0 id=0 count=1')
    client.call('Echo', device='a', text='x')
    lost, repeated = [e for e in entries(client) if e.get('commandName') == 'Echo' and e['kind'] in ('timeout', 'sent')][-2:]
    assert (lost['kind'], lost['attempt'], repeated['kind'], repeated['attempt']) == ('timeout', 1, 'sent', 2)
    r.sim.command('a fault corrupt-crc group=0 id=0 count=1')
    client.call('Echo', device='a', text='x')
    damaged, repeated = entries(client)[-3:-1]
    assert damaged['kind'] == 'damaged' and 'CRC' in damaged['text']
    assert (repeated['kind'], repeated['attempt']) == ('sent', 2)
    r.sim.command('a fault duplicate-reply group=0 id=0 count=1')
    client.call('Echo', device='a', text='x')
    while not entries(client, 'stale'):
        client.call('Echo', device='a', text='y')


def test_what_happens_to_the_line(rack):
    r = rack()
    client = r.ready()
    assert entries(client, 'open')[0]['text'] == r.sim.path('a')
    client.call('ConsoleWrite', device='a', data=base64.b64encode(b'abc').decode())
    assert entries(client, 'typed')[-1]['size'] == 3
    r.sim.command('a unplug')
    client.wait_device('a', lambda d: d['state'] == 'absent')
    client = r.client()
    gone = f"{r.sim.path('a')} hung up: the board or its USB port has gone"
    assert [entries(client, kind)[-1]['text'] for kind in ('hang-up', 'close')] == [gone, gone]
    r.sim.command('a plug')
    r.ready()
    assert len(entries(client, 'open')) == 2


def test_a_stream_goes_on_and_the_ring_is_bounded(rack):
    r = rack()
    client, stream = r.ready(), r.client()
    stream.send('Trace', {'device': 'a', 'follow': True, 'backlog': 2}, more=True)
    first = stream.reply()['entries']
    assert len(first) == 2
    last = first[-1]['number']
    for i in range(260):  # two entries each: more than are kept
        client.call('Echo', device='a', text=str(i))
    while last < first[-1]['number'] + 520:
        reply = stream.reply()
        assert 'dropped' not in reply
        assert [e['number'] for e in reply['entries']] == list(range(last + 1, last + 1 + len(reply['entries'])))
        last = reply['entries'][-1]['number']
    told = client.call('Trace', device='a')
    assert len(told['entries']) == 500 and told['dropped'] == told['entries'][0]['number'] - 1 > 0
    assert client.call('Trace', device='a', backlog=0) == {'entries': []}
    assert client.fails('Trace', device='a', follow=True).name == 'ExpectedMore'
    assert client.fails('Trace', device='b').name == 'NoSuchDevice'


def test_a_failed_update_carries_the_ends_of_both_rings(rack, tmp_path):
    image = updates.Image(tmp_path)
    r = rack(keys='banner=on')
    client = r.ready()
    r.sim.command(r'a console \e[31mbefore it\e[0m\n')
    r.sim.command('a fault revert-on-boot')
    failed = updates.run(client, image)
    assert failed.name == 'NotBooted'
    job = client.call('Jobs')['jobs'][-1]
    assert job['error'].keys() == {'error', 'parameters'}  # a list of a hundred jobs stays small
    error = client.call('JobWatch', job=job['id'])['job']['error']
    texts = [line['text'] for line in error['console']]
    assert 'before it' in texts and any(line.get('mark') == 'bootloader' for line in error['console'])
    assert any(e.get('commandName') == 'Reset' for e in error['trace'])
    assert any(e['kind'] == 'mark' for e in error['trace'])
    # It stays, whatever the board does afterwards.
    for i in range(300):
        client.call('Echo', device='a', text=str(i))
    assert client.call('JobWatch', job=job['id'])['job']['error'] == error
