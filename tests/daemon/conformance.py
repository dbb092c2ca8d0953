# SPDX-License-Identifier: MIT
"""What a board's commands answer through the daemon: one table, run on the simulated board (test_conformance.py here) and
on real Zephyr (tests/zephyr/test_conformance.py).

A row is a call and its answer: a reply (values may be predicates), or refused(name, what the message says, fields). Where
real firmware cannot answer as the simulator does, `real` is its own answer and `why` says why."""

import base64
import hashlib
import zlib

import evidence

PATH, CONTENT = '/lfs1/conformance', b'hello'


def refused(error, says, **fields):
    return {'refused': error, 'says': says, 'fields': fields}


def smp(rc, name, group=None):
    return refused('DeviceError', f'error {rc} {name}: ', group=group, rc=rc, name=name)


def lacks(group, command):
    return refused('NotSupported', f'does not have command {command} of group {group}', group=group, command=command)


def invalid(parameter, says):
    return refused('InvalidParameter', says, parameter=parameter)


def number(value):
    return type(value) is int and value >= 0


def each(**fields):
    """A list, not empty, whose members have these."""
    return lambda value: isinstance(value, list) and value and all(differs(fields, {k: v.get(k) for k in fields}) is None
                                                                   for v in value)


def has(*wanted):
    return lambda value: set(wanted) <= set(value)



def text(start):
    return lambda value: isinstance(value, str) and value.startswith(start)


def differs(wanted, got, where='reply'):
    """Why an answer is not as wanted; None when it is."""
    if callable(wanted):
        return None if wanted(got) else f'{where} is {got!r}'
    if isinstance(wanted, dict) and isinstance(got, dict):
        optional = wanted.get('?', {})  # members that may be there
        wanted = {**{k: v for k, v in wanted.items() if k != '?'}, **{k: v for k, v in optional.items() if k in got}}
        if set(wanted) != set(got):
            return f'{where} has {sorted(got)}, not {sorted(wanted)}'
        return next(filter(None, (differs(wanted[k], got[k], f'{where}.{k}') for k in wanted)), None)
    if isinstance(wanted, list) and isinstance(got, list) and len(wanted) == len(got):
        return next(filter(None, (differs(w, g, f'{where}[{i}]') for i, (w, g) in enumerate(zip(wanted, got)))), None)
    return None if type(wanted) is type(got) and wanted == got else f'{where} is {got!r}, not {wanted!r}'


def b64(data):
    return base64.b64encode(data).decode()


SAVE = dict(real=smp(8, 'SAVE_NOT_SUPPORTED', 3), why='the firmware has no storage for settings')
NO_ROOT = dict(real=smp(5, 'ROOT_KEY_NOT_FOUND', 3), why='the firmware has no settings of its own')
NO_IMAGE = 'no native_sim build has the image group'
NO_CLOCK = dict(real=lacks(0, 4), why='no build has a clock')
NO_BOOTLOADER = dict(real=lacks(0, 8), why='no build tells of its bootloader')


def NO_BRIDGE(command):
    return dict(real=lacks(11, command), why='Zephyr 4.4 does not have the group')


# Of the simulated board.
KEYS = 'burst=ok,transport=on'


class Row:
    """A call, its answer on the simulated board, and what another board answers instead: board=(answer, why); an answer of
    None: that board is not asked."""

    def __init__(self, method, parameters, answer, others):
        assert all(why for _, why in others.values()), method
        self.method, self.parameters, self.answer, self.others = method, parameters, answer, others

    def wanted(self, board):
        return self.others.get(board, (self.answer, None))

    def __str__(self):
        shown = ','.join(f'{k}={str(v)[:24]}' for k, v in self.parameters.items())
        return f'{self.method}({shown})'


def row(method, parameters, answer, real=None, why=None, **others):
    """real, why: of native_sim."""
    return Row(method, parameters, answer, {**others, **({'native_sim': (real, why)} if real else {})})


CASES = [
    row('Echo', {'text': 'Hello, wörld!'}, {'text': 'Hello, wörld!'}),
    row('Echo', {'text': ''}, {'text': ''}),
    row('Echo', {'text': 'x' * 5000}, refused('LimitExceeded', 'larger than the 380 bytes', limit='request', maximum=380)),
    row('Echo', {'text': 5}, invalid('text', "'text'")),
    row('Tasks', {}, {'tasks': each(priority=lambda v: type(v) is int, identifier=number, state=number, stackUsed=number,
                                    stackSize=lambda v: number(v) and v % 4 == 0)}),
    row('MemoryPools', {}, {'pools': each(blocks=number, free=number)}, real=lacks(0, 3), why='no build has the command'),
    row('SetTime', {'time': '2026-01-02T03:04:05'}, {}, **NO_CLOCK),
    row('GetTime', {}, {'time': text('2026-01-02T03:04:')}, **NO_CLOCK),
    row('SetTime', {'time': 'noon'}, invalid('time', "'time' must be a time as 2026-01-31T23:59:59")),
    row('Parameters', {}, {'bufferSize': 384, 'bufferCount': 4}),
    row('OsInfo', {}, {'text': text('Zephyr '), 'kernelName': 'Zephyr', 'nodeName': text(''), 'kernelRelease': text(''),
                       'kernelVersion': text('4.'), 'machine': text(''), 'processor': text(''), 'hardwarePlatform': text(''),
                       'operatingSystem': 'Zephyr', 'buildTime': text('')}),
    *(row('OsInfo', {'format': letter}, {'text': text('')}) for letter in 'nrvbmpioa'),
    row('OsInfo', {'format': 's'}, {'text': 'Zephyr'}),
    row('OsInfo', {'format': '?'}, smp(2, 'INVALID_FORMAT', 0)),
    row('OsInfo', {'format': 'nope'}, smp(2, 'INVALID_FORMAT', 0)),
    row('BootloaderInfo', {}, {'name': 'MCUboot'}, **NO_BOOTLOADER),
    row('BootloaderInfo', {'query': 'mode'}, {'mode': 3, 'modeName': 'swap using move'}, **NO_BOOTLOADER),
    row('BootloaderInfo', {'query': 'nonesuch'}, smp(3, 'QUERY_YIELDS_NO_ANSWER', 0), **NO_BOOTLOADER),
    row('Reset', {'bootMode': 999}, invalid('bootMode', "'bootMode' must be a whole number from 0 to 255")),

    row('ImageList', {}, {'slots': each(image=0, slot=0, version='1.0.0', active=True, confirmed=True), 'splitStatus': 0},
        real=lacks(1, 0), why=NO_IMAGE),
    row('ImageTest', {'hash': 'ab' * 32}, smp(8, 'HASH_NOT_FOUND', 1), real=lacks(1, 0), why=NO_IMAGE),
    row('ImageTest', {'hash': 'ab' * 65}, invalid('hash', "'hash' must be 1 to 64 bytes as hex digits")),
    row('ImageTest', {'hash': 'abc'}, invalid('hash', "'hash' must be 1 to 64 bytes as hex digits")),
    row('ImageConfirm', {}, {'slots': each(slot=0, confirmed=True), 'splitStatus': 0}, real=lacks(1, 0), why=NO_IMAGE),
    row('ImageConfirm', {'hash': 'cd' * 32}, smp(8, 'HASH_NOT_FOUND', 1), real=lacks(1, 0), why=NO_IMAGE),
    row('ImageConfirm', {'hash': 'xy'}, invalid('hash', "'hash' must be 1 to 64 bytes as hex digits")),
    row('ImageErase', {}, {}, real=lacks(1, 5), why=NO_IMAGE),
    row('ImageErase', {'slot': 77}, smp(10, 'FLASH_OPEN_FAILED', 1), real=lacks(1, 5), why=NO_IMAGE),
    row('ImageErase', {'slot': -1}, invalid('slot', "'slot' must be a whole number")),
    row('SlotInfo', {}, {'images': each(image=0, maxImageSize=520192, slots=each(slot=number, size=524288))},
        real=lacks(1, 6), why=NO_IMAGE),

    row('StatGroups', {}, {'groups': has('smp_svr_stats')}),
    row('StatRead', {'group': 'smp_svr_stats'}, {'group': 'smp_svr_stats', 'values': each(name='ticks', value=number)}),
    row('StatRead', {'group': 'nonesuch'}, smp(3, 'INVALID_STAT_NAME', 2)),
    row('StatRead', {'group': 'x' * 31}, smp(3, 'INVALID_STAT_NAME', 2)),
    row('StatRead', {'group': 'x' * 32}, smp(3, 'EINVAL')),
    row('StatRead', {'group': ''}, smp(3, 'EINVAL')),
    row('StatRead', {}, invalid('group', "'group'")),

    row('SettingWrite', {'name': 'sim/c', 'value': 'AAE='}, {}, **NO_ROOT),
    row('SettingRead', {'name': 'sim/c'}, {'value': 'AAE='}, **NO_ROOT),
    row('SettingRead', {'name': 'sim/c', 'maxSize': 1}, {'value': 'AA=='}, **NO_ROOT),
    row('SettingDelete', {'name': 'sim/c'}, {}, real=smp(3, 'KEY_NOT_FOUND', 3), why=NO_ROOT['why']),
    row('SettingRead', {'name': 'nonesuch/x'}, smp(5, 'ROOT_KEY_NOT_FOUND', 3)),
    row('SettingRead', {'name': 'x' * 200}, smp(2, 'KEY_TOO_LONG', 3)),
    row('SettingRead', {'name': ''}, smp(3, 'EINVAL')),
    row('SettingWrite', {'name': 'nonesuch/x', 'value': 'AAE='}, smp(5, 'ROOT_KEY_NOT_FOUND', 3)),
    row('SettingWrite', {'name': 'nonesuch/x', 'value': 'no'}, invalid('value', "'value' is no padded base64")),
    row('SettingDelete', {'name': 'nonesuch/x'}, smp(3, 'KEY_NOT_FOUND', 3)),
    row('SettingsCommit', {}, {}),
    row('SettingsLoad', {}, {}),
    row('SettingsSave', {}, {}, **SAVE),
    row('SettingsSave', {'name': 'sim'}, {}, **SAVE),
    row('SettingsSave', {'name': 5}, invalid('name', "'name'")),

    row('FileWrite', {'path': PATH, 'data': b64(CONTENT)},
        {'job': text('file-'), 'doneBytes': 5, 'totalBytes': 5, 'verified': 'sha256'}),
    row('FileRead', {'path': PATH}, {'job': text('download-'), 'offset': 0, 'size': 5, 'data': b64(CONTENT)}),
    row('FileStatus', {'path': PATH}, {'size': 5}),
    row('FileHash', {'path': PATH}, {'type': 'crc32', 'length': 5, 'number': zlib.crc32(CONTENT)}),
    row('FileHash', {'path': PATH, 'type': 'sha256', 'offset': 1, 'length': 3},
        {'type': 'sha256', 'offset': 1, 'length': 3, 'hash': hashlib.sha256(CONTENT[1:4]).hexdigest()}),
    row('FileHash', {'path': PATH, 'type': 'md5'}, smp(13, 'CHECKSUM_HASH_NOT_FOUND', 8)),
    row('FileHash', {'path': PATH, 'type': 'much too long'}, smp(3, 'EINVAL')),
    row('FileHash', {'path': PATH, 'offset': 5}, smp(12, 'FILE_OFFSET_LARGER_THAN_FILE', 8)),
    row('FileHash', {'path': PATH, 'length': 0}, smp(3, 'EINVAL')),
    row('FileHash', {'path': '/lfs1/none'}, smp(3, 'FILE_NOT_FOUND', 8)),
    row('FileHashTypes', {}, {'types': {'crc32': {'format': 0, 'size': 4}, 'sha256': {'format': 1, 'size': 32}}}),
    row('FileClose', {}, {}),
    row('FileStatus', {'path': '/lfs1/none'}, smp(3, 'FILE_NOT_FOUND', 8)),
    row('FileStatus', {'path': '/lfs1'}, smp(4, 'FILE_IS_DIRECTORY', 8)),
    row('FileStatus', {'path': '/nowhere/x'}, smp(3, 'FILE_NOT_FOUND', 8)),
    row('FileStatus', {'path': 'relative'}, smp(2, 'FILE_INVALID_NAME', 8)),
    row('FileStatus', {'path': '/lfs1/' + 'x' * 100}, smp(3, 'EINVAL')),
    row('FileStatus', {'path': ''}, smp(3, 'EINVAL')),
    row('FileRead', {'path': '/lfs1/none'}, smp(3, 'FILE_NOT_FOUND', 8)),
    row('FileRead', {'path': '/lfs1'}, smp(4, 'FILE_IS_DIRECTORY', 8)),
    row('FileRead', {'path': ''}, invalid('path', '/lfs1/a.txt')),
    row('FileWrite', {'path': '/nowhere/x', 'data': 'AA=='}, smp(14, 'MOUNT_POINT_NOT_FOUND', 8)),
    row('FileWrite', {'path': '/lfs1/' + 'x' * 100, 'data': 'AA=='}, smp(3, 'EINVAL')),
    row('FileWrite', {'path': PATH, 'data': 'A'}, invalid('data', 'padded base64')),
    row('FileWrite', {'path': PATH, 'data': ''}, refused('ProtocolError', 'left the file as it was, with 5 bytes')),

    row('ShellExecute', {'arguments': ['kernel', 'version']},
        {'output': lambda t: t.strip().startswith('Zephyr version 4.'), 'status': 0}),
    row('ShellExecute', {'arguments': ['nonesuch']}, {'output': lambda t: 'nonesuch: command not found' in t, 'status': -8}),
    row('ShellExecute', {'arguments': ['']}, {'output': '\r\n', 'status': -8}),
    row('ShellExecute', {'arguments': []}, invalid('arguments', "'arguments' must not be empty")),
    row('ShellExecute', {'arguments': ['x' * 300]}, smp(2, 'COMMAND_TOO_LONG', 9)),

    row('GroupCount', {}, {'count': 9}, real={'count': 7}, why=NO_IMAGE),
    row('GroupIds', {}, {'groups': has(0, 2, 3, 8, 9, 10, 63)}),
    row('GroupAt', {}, {'group': 10}),
    row('GroupAt', {'index': 1}, {'group': 8}),
    row('GroupAt', {'index': 500}, smp(4, 'INDEX_TOO_LARGE', 10)),
    row('GroupAt', {'index': 70000}, invalid('index', "'index' must be a whole number from 0 to 65535")),
    row('Groups', {}, {'groups': each(group=number, name=text(''), handlers=number)}),
    row('Groups', {'groups': [2]}, {'groups': [{'group': 2, 'name': 'stat mgmt', 'handlers': 2}]}),
    row('Groups', {'groups': [777]}, {'groups': []}),
    row('Groups', {'groups': ['os']}, invalid('groups', "'groups")),

    row('TransportList', {}, {'transports': [{'id': 0, 'name': 'Serial'}, {'id': 1, 'name': 'Bluetooth'}]}, **NO_BRIDGE(6)),
    row('TransportStatus', {}, {'supported': 1, 'active': 0, 'bridged': False}, **NO_BRIDGE(2)),
    row('TransportModes', {'transport': 1},
        {'modes': [{'id': 0, 'description': 'Bluetooth Low Energy', 'incoming': True, 'outgoing': True}]}, **NO_BRIDGE(7)),
    row('TransportModes', {'transport': 9}, smp(4, 'INVALID_TRANSPORT', 11), **NO_BRIDGE(7)),
    row('TransportModes', {'transport': -1}, invalid('transport', "'transport' must be a whole number")),
    row('TransportDisconnect', {}, smp(8, 'NOT_BRIDGED', 11), **NO_BRIDGE(1)),
    row('TransportConnect', {'transport': 0}, smp(9, 'SAME_DEVICE_DISALLOWED', 11), **NO_BRIDGE(0)),
    row('TransportConnect', {'transport': 1, 'mode': 3}, smp(5, 'INVALID_MODE', 11), **NO_BRIDGE(0)),
    row('TransportConnect', {'transport': 1, 'mode': 0}, {}, **NO_BRIDGE(0)),
    row('TransportConnect', {'transport': 1}, smp(12, 'INCOMING_ALREADY_BRIDGED', 11), **NO_BRIDGE(0)),
    row('TransportStatus', {}, {'supported': 1, 'active': 1, 'bridged': True, 'transport': 1}, **NO_BRIDGE(2)),
    row('TransportDisconnect', {'transport': 1, 'all': True}, smp(7, 'BOTH_TRANSPORT_AND_ALL', 11), **NO_BRIDGE(1)),
    row('TransportDisconnect', {'all': True}, {}, **NO_BRIDGE(1)),

    row('Request', {'operation': 'write', 'group': 0, 'command': 0, 'payload': {'d': 'x'}}, {'payload': {'r': 'x'}}),
    row('Request', {'operation': 'write', 'group': 0, 'command': 0}, {'payload': {'r': ''}}),
    row('Request', {'operation': 'read', 'group': 8, 'command': 0, 'payload': {'off': 0, 'name': PATH}},
        {'payload': {'off': 0, 'len': 5, 'data': {'$bytes': b64(CONTENT)}}}),
    row('Request', {'operation': 'read', 'group': 99, 'command': 3}, lacks(99, 3)),
    row('Request', {'operation': 'read', 'group': 0, 'command': 200}, lacks(0, 200)),
    row('Request', {'operation': 'write', 'group': 0, 'command': 0, 'payload': {'d': 5}}, smp(3, 'EINVAL')),
    row('Request', {'operation': 'write', 'group': 0, 'command': 0, 'payload': {'d': {'$bytes': '!'}}},
        invalid('payload', "'payload.d.$bytes' is no padded base64")),
    row('Request', {'operation': 'read', 'group': 70000, 'command': 0}, invalid('group', 'from 0 to 65535')),
    row('Request', {'operation': 'up', 'group': 0, 'command': 0}, invalid('operation', '"read" or "write"')),
    # On native_sim the file system goes with the storage.
    row('StorageErase', {}, {}),
    # The last one: the board is away afterwards.
    row('Reset', {}, {}),
]


def filled(value, facts):
    """With '$name' replaced by what it stands for on this board."""
    if isinstance(value, str) and value.startswith('$'):
        return facts[value[1:]]
    if isinstance(value, dict):
        return {key: filled(item, facts) for key, item in value.items()}
    return [filled(item, facts) for item in value] if isinstance(value, list) else value


def check(case, board, call, facts=None, record=None):
    """call(method, parameters) returns ('reply', JSON) or (the error's name, its parameters). record(method, cell) is told
    what happened, in the words of the matrix."""
    wanted, why = case.wanted(board)
    if wanted is None:
        return
    wanted = filled(wanted, facts)
    name, got = call(case.method, filled(case.parameters, facts))
    if record:
        record(case.method, 'served' if name == 'reply' else cell(name, got, why))
    if 'refused' not in wanted:
        assert name == 'reply', (name, got)
        assert differs(wanted, got) is None, differs(wanted, got)
        return
    assert name == wanted['refused'], (name, got)
    assert wanted['says'] in got['message'], got['message']
    assert {k: got.get(k) for k in wanted['fields']} == wanted['fields']


def run(cases, board, call, facts=None):
    """All of a table, in order, in one process: later rows live on what earlier ones did. What was seen goes into the
    board's column of evidence; returns it. Fails with every row that differs."""
    column = evidence.Column(board)
    wrong = []
    for case in cases:
        try:
            check(case, board, call, facts, column.record)
        except AssertionError as error:
            wrong.append(f'{case}: {error}')
    assert not wrong, '\n'.join(wrong)
    return column


def cell(error, parameters, why):
    """An error in the words of the matrix."""
    if error == 'NotSupported':
        return f'rc 8: {why}' if why else 'rc 8'
    if error == 'DeviceError':
        return f'rc {parameters["rc"]} {parameters["name"]}' + (f': {why}' if why else '')
    return error
