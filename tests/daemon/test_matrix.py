# SPDX-License-Identifier: MIT
"""Every command of the API that asks a board is in the command line, in Python, and in the table of conformance: a method
that is added to one of them only is told here."""

import json
import os
import pathlib
import re
import subprocess
import sys

import conformance
import conformance_image
import pytest
import rack as racks

SOURCE = pathlib.Path(__file__).resolve().parents[2]
METHODS = racks.INTERFACE.methods
COMMANDS = [name for name in METHODS if {'device', 'timeoutMs'} <= set(METHODS[name][0][2])]


def table():
    """Names in the table of SMP commands."""
    text = (SOURCE / 'proto/commands-table.c').read_text()
    return set(re.findall(r'^\t\{ "(\w+)", +SMP_(?:READ|WRITE)', text, re.M))


def verbs():
    """Methods that the verbs of mcumgrctl call, by their rows."""
    text = ''.join(path.read_text() for path in (SOURCE / 'libclient/mcumgrctl').glob('*.c'))
    return set(re.findall(r'"([A-Z]\w+)"', text)) & set(METHODS)


def python_calls():
    text = (SOURCE / 'libclient/python/mcumgrd/client.py').read_text()
    return set(re.findall(r'"([A-Z]\w+)"', text)) & set(METHODS)


def test_the_table_is_read():
    assert table() <= set(COMMANDS) and len(table()) > 30
    assert set(COMMANDS) - table() == {'Update', 'ImageUpload', 'FileRead', 'FileWrite', 'Request'}


@pytest.mark.parametrize('method', COMMANDS)
def test_a_command_is_everywhere(method):
    assert method in verbs(), 'mcumgrctl has no verb for it'
    assert method in python_calls(), 'the Python client does not call it'
    assert method in {case.method for case in conformance.CASES + conformance_image.CASES}, 'no case of conformance'
    documented = (SOURCE / 'docs/api.md').read_text()
    assert re.search(rf'\b{method}\b', documented), 'docs/api.md does not name it'


# verb of mcumgrctl, method and parameters of the API, call of Python and what it makes of the reply
SAME = [
    (['os', 'echo', 'hi'], 'Echo', {'text': 'hi'}, lambda c: c.os_echo('hi'), lambda r: r['text']),
    (['os', 'mcumgr-parameters'], 'Parameters', {}, lambda c: c.os_mcumgr_parameters().buf_size, lambda r: r['bufferSize']),
    (['image', 'get-state'], 'ImageList', {}, lambda c: [(s.version, s.hash.hex()) for s in c.image_get_state()],
     lambda r: [(s['version'], s['hash']) for s in r['slots']]),
    (['image', 'slot-info'], 'SlotInfo', {}, lambda c: [i.max_image_size for i in c.image_slot_info()],
     lambda r: [i['maxImageSize'] for i in r['images']]),
    (['stats', 'list-groups'], 'StatGroups', {}, lambda c: c.stats_list_groups(), lambda r: r['groups']),
    (['fs', 'supported-checksums'], 'FileHashTypes', {}, lambda c: sorted(c.fs_supported_checksum_types()),
     lambda r: sorted(r['types'])),
    (['enum', 'list-groups'], 'GroupIds', {}, lambda c: c.enum_get_group_ids(), lambda r: r['groups']),
    (['shell', 'kernel', 'version'], 'ShellExecute', {'arguments': ['kernel', 'version']},
     lambda c: c.shell_execute(['kernel', 'version']), lambda r: r['output']),
    (['raw', 'read', '0', '6'], 'Request', {'operation': 'read', 'group': 0, 'command': 6},
     lambda c: c.raw_command(False, 0, 6, {}), lambda r: r['payload']),
]


@pytest.mark.parametrize('argv, method, parameters, call, of_reply', SAME, ids=lambda v: ' '.join(v) if isinstance(v, list) else '')
def test_all_say_the_same(shared, monkeypatch, argv, method, parameters, call, of_reply):
    monkeypatch.syspath_prepend(str(SOURCE / 'libclient/python'))
    import mcumgrd
    program = os.environ.get('MCUMGRCTL') or str(pathlib.Path(os.environ.get('MCUMGRD_BUILD', SOURCE / 'build')) /
                                                 'libclient/mcumgrctl/mcumgrctl')
    reply = shared.client().call(method, device='a', **parameters)
    done = subprocess.run([program, '--socket', shared.socket, '-d', 'a', '--json', *argv], capture_output=True, text=True,
                          timeout=racks.SECONDS, check=True)
    assert json.loads(done.stdout) == reply
    with mcumgrd.MCUmgrClient.device('a', shared.socket) as client:
        assert call(client) == of_reply(reply)
    assert 'mcumgrd' in sys.modules


def test_an_error_is_the_same_everywhere(shared, monkeypatch):
    monkeypatch.syspath_prepend(str(SOURCE / 'libclient/python'))
    import mcumgrd
    program = os.environ.get('MCUMGRCTL') or str(pathlib.Path(os.environ.get('MCUMGRD_BUILD', SOURCE / 'build')) /
                                                 'libclient/mcumgrctl/mcumgrctl')
    error = shared.client().fails('FileStatus', device='a', path='/lfs1/none')
    done = subprocess.run([program, '--socket', shared.socket, '-d', 'a', '--json', 'fs', 'status', '/lfs1/none'],
                          capture_output=True, text=True, timeout=racks.SECONDS)
    assert json.loads(done.stdout) == {'error': 'io.mcumgr.' + error.name, 'parameters': error.parameters}
    with mcumgrd.MCUmgrClient.device('a', shared.socket) as client, pytest.raises(mcumgrd.DeviceError) as caught:
        client.fs_file_status('/lfs1/none')
    assert (caught.value.code, caught.value.parameters) == ('io.mcumgr.' + error.name, error.parameters)
