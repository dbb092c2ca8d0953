# SPDX-License-Identifier: MIT
"""The methods of the API: what they answer, and how they refuse."""

import base64
import hashlib
import re

import pytest
import rack as racks
import simulator

IDL = (racks.SOURCE / 'proto/io.mcumgr.varlink').read_text()
METHODS = re.findall(r'^method (\w+)\(', IDL, re.M)


def test_service(shared):
    c = shared.client()
    info = c.call('org.varlink.service.GetInfo')
    assert info['product'] == 'mcumgrd' and info['interfaces'] == ['org.varlink.service', 'io.mcumgr']
    assert c.call('org.varlink.service.GetInterfaceDescription', interface='io.mcumgr')['description'] == IDL
    service = c.call('org.varlink.service.GetInterfaceDescription', interface='org.varlink.service')['description']
    assert 'error ExpectedMore ()' in service


@pytest.mark.parametrize('method, error, parameters', [
    ('io.mcumgr.Nope', 'MethodNotFound', {'method': 'io.mcumgr.Nope'}),
    ('org.varlink.service.Nope', 'MethodNotFound', {'method': 'org.varlink.service.Nope'}),
    ('org.example.List', 'InterfaceNotFound', {'interface': 'org.example'}),
    ('nonsense', 'InterfaceNotFound', {'interface': 'io.mcumgr.nonsense'}),
    ('io.mcumgr.Watch', 'ExpectedMore', {}),
])
def test_names(shared, method, error, parameters):
    e = shared.client().fails(method)
    assert (e.name, e.parameters) == (error, parameters)


def test_unknown_interface_description(shared):
    e = shared.client().fails('org.varlink.service.GetInterfaceDescription', interface='org.example')
    assert (e.name, e.parameters) == ('InterfaceNotFound', {'interface': 'org.example'})


@pytest.mark.parametrize('method', METHODS)
def test_every_method_refuses_an_unknown_parameter(shared, method):
    c = shared.client()
    c.send(method, {'nonsense': 1}, more=True)
    message = c.receive()
    assert message['error'] == 'org.varlink.service.InvalidParameter'
    assert message['parameters']['parameter'] == 'nonsense'
    assert f"{method} has no parameter 'nonsense'; it takes " in message['parameters']['message']


HASH = '00' * 32


@pytest.mark.parametrize('method, parameters, name, sentence', [
    ('Echo', {'device': 'a'}, 'text', "Echo needs the parameter 'text'"),
    ('Echo', {'device': 'a', 'text': 5}, 'text', "'text' must be a string"),
    ('Echo', {'device': 5, 'text': 'x'}, 'device', "'device' must be a string without NUL"),
    ('Echo', {'device': 'a\0b', 'text': 'x'}, 'device', "'device' must be a string without NUL"),
    ('Echo', {'device': '(', 'text': 'x'}, 'device', 'no name of a board and no regular expression'),
    ('Echo', {'device': 'a', 'text': 'x', 'timeoutMs': 0}, 'timeoutMs', 'a whole number from 1 to 600000'),
    ('Echo', {'device': 'a', 'text': 'x', 'timeoutMs': 600001}, 'timeoutMs', 'a whole number from 1 to 600000'),
    ('Echo', {'device': 'a', 'text': 'x', 'timeoutMs': 1.5}, 'timeoutMs', 'a whole number'),
    ('Echo', {'device': 'a', 'text': 'x', 'lease': 'l'}, 'lease', 'Echo has no parameter'),
    ('Reset', {'device': 'a', 'bootMode': 256}, 'bootMode', 'from 0 to 255'),
    ('Request', {'device': 'a', 'operation': 'delete', 'group': 0, 'command': 0}, 'operation', '"read" or "write"'),
    ('Request', {'device': 'a', 'operation': 'read', 'group': 65536, 'command': 0}, 'group', 'from 0 to 65535'),
    ('Request', {'device': 'a', 'operation': 'read', 'group': 0, 'command': 256}, 'command', 'from 0 to 255'),
    ('Request', {'device': 'a', 'operation': 'read', 'group': 0, 'command': 0, 'payload': []}, 'payload', 'an object'),
    ('Request', {'device': 'a', 'operation': 'read', 'group': 0, 'command': 0, 'payload': {'x': [{'$bytes': '?'}]}},
     'payload', "'payload.x[0].$bytes' is no padded base64"),
    ('ImagePut', {}, 'data', "ImagePut needs the parameter 'data'"),
    ('ImagePut', {'data': 'AAA'}, 'data', "'data' is no padded base64"),
    ('ImagePut', {'data': '', 'any': 'yes'}, 'any', "'any' must be true or false"),
    ('ImageInspect', {'data': '*'}, 'data', "'data' is no padded base64"),
    ('Update', {'device': 'a'}, 'file', "Update needs the parameter 'file'"),
    ('Update', {'device': 'a', 'file': 'abc'}, 'file', 'a SHA-256 as 64 hex digits'),
    ('Update', {'device': 'a', 'file': HASH, 'checksum': 'x'}, 'checksum', 'a SHA-256 as 64 hex digits'),
    ('Update', {'device': 'a', 'file': HASH, 'imageNumber': -1}, 'imageNumber', 'a whole number from 0'),
    ('Update', {'device': 'a', 'file': HASH, 'bootTimeoutMs': 999}, 'bootTimeoutMs', 'from 1000 to 3600000'),
    ('Update', {'device': 'a', 'file': HASH, 'confirm': False, 'forceConfirm': True}, 'forceConfirm', 'cannot be true'),
    ('ImageUpload', {'device': 'a', 'file': HASH, 'confirm': True}, 'confirm', 'ImageUpload has no parameter'),
    ('JobWatch', {}, 'job', "JobWatch needs the parameter 'job'"),
    ('Watch', {'device': '['}, 'device', 'no regular expression'),
    ('Watch', {'device': '[', 'expect': True}, 'device', 'character 2'),
    ('Watch', {'device': '', 'expect': True}, 'device', 'is empty'),
])
def test_parameters(shared, method, parameters, name, sentence):
    c = shared.client()
    c.send(method, parameters, more=True)
    message = c.receive()
    assert message['error'] == 'org.varlink.service.InvalidParameter', message
    assert message['parameters']['parameter'] == name
    assert sentence in message['parameters']['message']


def test_upgrade_is_refused(shared):
    c = shared.client()
    c.send('List', upgrade=True)
    assert c.receive()['parameters']['parameter'] == 'upgrade'


def test_null_is_absent(shared):
    assert shared.client().call('Echo', device='a', text='x', timeoutMs=None) == {'text': 'x'}


def test_list(shared):
    a, b = shared.client().call('List')['devices']
    assert (a['id'], b['id'], a['state'], b['state']) == ('a', 'b', 'ready', 'ready')
    assert a['tty'] == shared.sim.path('a') and a['section'] == 'a' and a['smpVersion'] == 2
    assert (a['bufferSize'], a['bufferCount'], a['frameSize']) == (384, 4, 380)
    assert a['bootloader'] == {'name': 'MCUboot', 'mode': 3, 'modeName': 'swap using move', 'noDowngrade': False}
    assert a['version'] == '1.0.0' and [s['active'] for s in a['images']] == [True]
    assert sorted(a['groups']) == [0, 1, 2, 3, 8, 9, 10, 63]
    assert re.fullmatch(r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z', a['since'])
    assert 'vendorId' not in a and 'job' not in a


INFO = dict(zip('snrvbmpio', ('kernelName', 'nodeName', 'kernelRelease', 'kernelVersion', 'buildTime', 'machine', 'processor',
                              'hardwarePlatform', 'operatingSystem')))


@pytest.mark.parametrize('keys, missing', [('', ''), ('build_time=off', 'b')])
def test_application_info_field_by_field(rack, keys, missing):
    """Every letter is a field; the line is what the board makes of 'a'; what the firmware does not have is absent."""
    c = rack('a', keys=keys).ready()
    info = c.call('OsInfo', device='a')
    assert list(info) == [name for letter, name in INFO.items() if letter != missing] + ['text']
    for letter, name in INFO.items():
        if letter == missing:
            assert c.fails('OsInfo', device='a', format=letter).parameters['name'] == 'INVALID_FORMAT'
        else:
            assert c.call('OsInfo', device='a', format=letter) == {'text': info[name]}
    assert c.call('OsInfo', device='a', format='a') == {'text': info['text']}


def test_application_info_fails_as_a_whole(rack):
    r = rack('a', retries=0)
    c = r.ready()
    r.sim.command('a fault error rc=2 group=0 id=7')
    assert c.fails('OsInfo', device='a').parameters['name'] == 'ENOMEM'
    r.sim.command('a fault lose-request group=0 id=7')
    assert c.fails('OsInfo', device='a', timeoutMs=300).name == 'TimedOut'
    # A client that goes away meanwhile.
    r.sim.command('a fault lose-request group=0 id=7')
    c.send('OsInfo', {'device': 'a'})
    c.close()
    r.sim.command('a clear-faults')
    assert 'kernelName' in r.client().call('OsInfo', device='a')


COMMANDS = [
    ('Echo', {'text': 'h\u00e9\u2028"\\'}, {'text': 'h\u00e9\u2028"\\'}),
    ('Parameters', {}, {'bufferSize': 384, 'bufferCount': 4}),
    ('BootloaderInfo', {}, {'name': 'MCUboot'}),
    ('BootloaderInfo', {'query': 'mode'}, {'mode': 3, 'modeName': 'swap using move'}),
    ('OsInfo', {'format': 's'}, {'text': 'Zephyr'}),
    ('GroupCount', {}, {'count': 8}),
    ('GroupAt', {'index': 0}, {'group': 10}),
    ('GroupAt', {'index': 7}, {'group': 63, 'end': True}),
    ('GroupIds', {}, {'groups': [10, 8, 1, 0, 3, 9, 2, 63]}),
]


@pytest.mark.parametrize('method, parameters, wanted', COMMANDS)
def test_commands(shared, method, parameters, wanted):
    assert shared.client().call(method, device='a', **parameters) == wanted


def test_lists_of_a_board(shared):
    c = shared.client()
    shell = c.call('ShellExecute', device='a', arguments=['no-such-command'])
    assert shell['status'] == -8 and 'no-such-command: command not found' in shell['output']
    tasks = c.call('Tasks', device='a')['tasks']
    assert any(t['name'] == 'idle' and t['stackSize'] % 4 == 0 for t in tasks)
    assert all(p['blocks'] >= p['free'] for p in c.call('MemoryPools', device='a')['pools'])
    assert {g['group'] for g in c.call('Groups', device='a', groups=[0, 1])['groups']} == {0, 1}
    slots = c.call('ImageList', device='a')['slots']
    assert [(s['image'], s['slot'], s['version'], s['active']) for s in slots] == [(0, 0, '1.0.0', True)]
    assert c.call('SlotInfo', device='a')['images'][0]['slots'][0]['size'] == 524288
    group = c.call('StatGroups', device='a')['groups'][0]
    assert c.call('StatRead', device='a', group=group)['group'] == group


def test_clock_settings_files(rack):
    r = rack()
    c = r.ready()
    c.call('SetTime', device='a', time='2026-01-31T23:59:58')
    assert c.call('GetTime', device='a')['time'].startswith('2026-01-31T23:59:5')
    types = c.call('FileHashTypes', device='a')['types']
    assert types['crc32'] == {'format': 0, 'size': 4}
    e = c.fails('FileStatus', device='a', path='/no/such')
    assert (e.name, e.parameters['group'], e.parameters['name']) == ('DeviceError', 8, 'FILE_NOT_FOUND')
    c.call('FileClose', device='a')
    e = c.fails('SettingRead', device='a', name='no/such')
    assert (e.name, e.parameters['group']) == ('DeviceError', 3)
    assert 'SetTime by user' in r.text()


def test_boards_are_named(shared):
    c = shared.client()
    e = c.fails('Echo', text='x')
    assert (e.name, e.parameters['matches']) == ('AmbiguousDevice', ['a', 'b'])
    e = c.fails('Echo', device='zz', text='x')
    assert (e.name, e.parameters['device'], e.parameters['available']) == ('NoSuchDevice', 'zz', ['a', 'b'])
    assert e.parameters['message'] and e.parameters['hint']
    assert c.call('Echo', device=shared.sim.path('b'), text='x') == {'text': 'x'}


def test_one_board_needs_no_name(rack):
    r = rack()
    assert r.ready().call('Echo', text='x') == {'text': 'x'}


@pytest.mark.parametrize('fault, error, wanted', [
    ('error rc=5 group=0 id=0', 'DeviceError', {'group': None, 'rc': 5, 'name': 'ENOENT'}),
    ('error rc=2 errgroup=0 group=0 id=0', 'DeviceError', {'group': 0, 'groupName': 'OS', 'rc': 2}),
    ('error rc=8 group=0 id=0', 'NotSupported', {'group': 0, 'command': 0}),
    ('lose-request count=0 group=0 id=0', 'TimedOut', {}),
    ('cbor-bomb count=0 group=0 id=0', 'ProtocolError', {}),
])
def test_errors_of_a_board(rack, fault, error, wanted):
    r = rack()
    c = r.ready()
    r.sim.command(f'a fault {fault}')
    e = c.fails('Echo', device='a', text='x', timeoutMs=100)
    assert e.name == error, e
    assert e.parameters['device'] == 'a' and e.parameters['message'] and e.parameters['hint']
    assert {k: e.parameters[k] for k in wanted} == wanted
    r.sim.command('a clear-faults')
    assert c.call('Echo', device='a', text='still') == {'text': 'still'}


def test_lost_replies_are_asked_for_again_if_that_is_harmless(rack):
    r = rack()
    c = r.ready()
    r.sim.command('a fault lose-reply group=0 id=0')
    assert c.call('Echo', device='a', text='x', timeoutMs=100) == {'text': 'x'}
    before = r.sim.state()['requests'].get('9/0', 0)
    r.sim.command('a fault lose-reply group=9 id=0')
    assert c.fails('ShellExecute', device='a', arguments=['x'], timeoutMs=100).name == 'TimedOut'
    assert r.sim.state()['requests']['9/0'] == before + 1


def test_a_request_that_is_too_large(shared):
    e = shared.client().fails('Echo', device='a', text='x' * 400)
    assert (e.name, e.parameters['limit'], e.parameters['maximum']) == ('LimitExceeded', 'request', 380)


def test_a_board_that_is_not_there(rack):
    r = rack('a', 'b')
    c = r.ready()
    r.sim.command('a fault lose-request count=0 group=0 id=0')
    before = r.sim.state()['requests'].get('0/0', 0)
    c.send('Echo', {'device': 'a', 'text': 'x', 'timeoutMs': 60000})
    r.sim.wait(f'requests.0/0>={before + 1}', 'a')
    r.sim.command('a unplug')
    assert c.receive()['error'] == 'io.mcumgr.DeviceGone'
    r.client().wait_device('a', lambda d: d['state'] == 'absent')
    e = c.fails('Echo', device='a', text='x')
    assert (e.name, e.parameters['state']) == ('DeviceUnavailable', 'absent')
    assert c.call('Echo', device='b', text='x') == {'text': 'x'}
    r.sim.command('a clear-faults')
    r.sim.command('a plug')
    r.client().wait_device('a', lambda d: d['state'] == 'ready')
    assert c.call('Echo', device='a', text='x') == {'text': 'x'}


def test_request(shared):
    c = shared.client()

    def request(operation, group, command, payload=None):
        return c.call('Request', device='a', operation=operation, group=group, command=command, payload=payload)['payload']

    assert request('write', 0, 0, {'d': 'raw'}) == {'r': 'raw'}
    image = request('read', 1, 0)['images'][0]
    assert len(base64.b64decode(image['hash']['$bytes'])) == 32
    e = c.fails('Request', device='a', operation='read', group=77, command=1)
    assert (e.name, e.parameters['group'], e.parameters['command']) == ('NotSupported', 77, 1)
    e = c.fails('Request', device='a', operation='write', group=1, command=0,
                payload={'hash': {'$bytes': base64.b64encode(b'x' * 32).decode()}, 'confirm': False})
    assert (e.name, e.parameters['name']) == ('DeviceError', 'HASH_NOT_FOUND')


def test_images(shared, tmp_path):
    data, image_hash = simulator.make_image(tmp_path / 'image', '2.3.4.5')
    c = shared.client()
    put = c.put(data)
    assert put['hash'] == hashlib.sha256(data).hexdigest()
    assert put['info'] == c.call('ImageInspect', data=base64.b64encode(data).decode())['info']
    info = put['info']
    assert (info['version'], info['hash'], info['hashType']) == ('2.3.4.5', image_hash.hex(), 'sha256')
    assert (info['fileHash'], info['fileSize'], info['padded']) == (put['hash'], len(data), False)
    tlv = next(t for t in info['tlvs'] if t['type'] == 0x10)
    assert (tlv['size'], tlv['value'], tlv['protected']) == (32, image_hash.hex(), False)
    assert c.put(data) == put


@pytest.mark.parametrize('change, reason', [
    (lambda d: b'', 'not-an-image'),
    (lambda d: b'\x7fELF' + d, 'not-an-image'),
    (lambda d: d[:1000], 'truncated'),
    (lambda d: d[:600] + bytes([d[600] ^ 1]) + d[601:], 'hash-mismatch'),
])
def test_bad_images(shared, tmp_path, change, reason):
    data, _ = simulator.make_image(tmp_path / 'image')
    c = shared.client()
    for method in 'ImagePut', 'ImageInspect':
        e = c.fails(method, data=base64.b64encode(change(data)).decode())
        assert (e.name, e.parameters['reason']) == ('BadImage', reason)
        assert 'signed.bin' in e.parameters['message'] + e.parameters.get('hint', '')
    assert 'info' not in c.put(change(data), any=True)


def test_a_large_message_holds_nobody_up(shared):
    a, b = shared.client(), shared.client()
    data = bytes(12 * 1024 * 1024 - 1024)
    a.send('ImagePut', {'data': base64.b64encode(data).decode(), 'any': True})
    assert b.call('Echo', device='a', text='x') == {'text': 'x'}
    assert a.reply() == {'hash': hashlib.sha256(data).hexdigest()}


def test_calls_are_answered_in_order(shared):
    c = shared.client()
    for i in range(50):
        c.send('Echo', {'device': 'ab'[i % 2], 'text': str(i)})
    assert [c.reply()['text'] for _ in range(50)] == [str(i) for i in range(50)]
