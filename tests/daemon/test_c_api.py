# SPDX-License-Identifier: MIT
"""Every function of mcumgr-api.h against a simulated board: what its structs say is what the JSON of the same call says, and
the table of conformance holds for C too. The program that calls them, libclient/tests/api_driver.c, names every member."""

import json
import os
import pathlib
import subprocess

import conformance
import images
import pytest
import rack as racks

BUILD = pathlib.Path(os.environ.get('MCUMGRD_BUILD', racks.SOURCE / 'build'))
METHODS = racks.INTERFACE.methods
called = set()


def stripped(value):
    """Without what is null, with decimal strings as the numbers of 64 bits that C has."""
    if isinstance(value, dict):
        return {k: stripped(v) for k, v in value.items() if v is not None}
    if isinstance(value, list):
        return [stripped(v) for v in value]
    return value


class Driver:
    def __init__(self, socket):
        self.process = subprocess.Popen([BUILD / 'libclient/api-driver', socket], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)

    def run(self, method, parameters, **more):
        """The replies, and what it says besides."""
        self.process.stdin.write(json.dumps({'method': method, 'parameters': parameters, **more}) + '\n')
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, f'the driver ended at {method}'
        out = json.loads(line)
        called.add((method, bool(more.get('more'))))
        for reply in out['replies']:
            assert stripped(reply['shown']) == stripped(reply['object']), method
        if 'error' in out:
            assert stripped(out['shown']) == stripped(out['parameters']), method
        return out

    def call(self, method, parameters):
        """As conformance.check() wants it."""
        out = self.run(method, parameters)
        if out['result'] == 0:
            return 'reply', out['replies'][0]['object']
        if 'error' in out:
            return out['error'].rpartition('.')[2], out['parameters']
        return errno_name(out['result']), {'message': out['message']}

    def close(self):
        self.process.stdin.close()
        assert self.process.wait(racks.SECONDS) == 0


def errno_name(result):
    return {-22: 'EINVAL', -71: 'EPROTO'}.get(result, str(result))


@pytest.fixture(scope='module')
def board():
    r = racks.Rack(('a',), 'burst=ok')
    r.ready()
    yield r
    r.close()


@pytest.fixture(scope='module')
def driver(board):
    d = Driver(board.socket)
    yield d
    d.close()


# What C cannot say: a value of another type, and what is no base64; and what it says itself, before the daemon does.
UNSAYABLE = [('Echo', {'text': 5}), ('Groups', {'groups': ['os']}), ('SettingWrite', {'name': 'nonesuch/x', 'value': 'no'}),
             ('FileWrite', {'path': conformance.PATH, 'data': 'A'}), ('Request', {'operation': 'up', 'group': 0, 'command': 0}),
             ('StatRead', {})]
SAYABLE = [case for case in conformance.CASES if (case[0], case[1]) not in UNSAYABLE]


@pytest.fixture(scope='module')
def prepared(driver):
    driver.run('FileWrite', {'path': conformance.PATH, 'data': conformance.b64(conformance.CONTENT)})
    return driver


@pytest.mark.parametrize('case', SAYABLE, ids=conformance.name_of)
def test_case(prepared, case):
    conformance.check(case, False, lambda method, parameters: prepared.call(method, {**parameters, 'device': 'a'}))


def test_what_is_left_out_is_told_by_name(driver):
    for method, parameter in [('Echo', 'text'), ('StatRead', 'group'), ('Request', 'operation'), ('FileWrite', 'path'),
                              ('ShellExecute', 'arguments'), ('ImageTest', 'hash')]:
        assert driver.call(method, {}) == ('EINVAL', {'message': f"{method} needs '{parameter}'"})
    assert set(m for m, _ in UNSAYABLE) <= set(METHODS)


@pytest.fixture
def update(rack):
    r = rack('a')
    r.ready()
    d = Driver(r.socket)
    yield d
    d.close()


def test_methods_of_the_daemon(update, tmp_path):
    """Those that are no SMP command, and those that stream, one after the other."""
    data = images.image(tmp_path, '2.0.0', 9)
    run = update.run
    assert run('List', {})['replies'][0]['shown']['devices'][0]['id'] == 'a'
    assert run('Get', {'device': 'a'})['replies'][0]['shown']['device']['state'] == 'ready'
    assert run('Configure', {'device': 'a', 'retries': 3})['result'] == 0
    seen = run('Watch', {'device': 'a'}, more=True, stopAfter=2)
    assert [r['shown']['event'] for r in seen['replies']] == ['present', 'current'] and seen['result'] == 1
    put = run('ImagePut', {'data': conformance.b64(data)})['replies'][0]['shown']
    assert put['info'] == run('ImageInspect', {'data': conformance.b64(data)})['replies'][0]['shown']['info']
    assert run('ImageUpload', {'device': 'a', 'file': put['hash']}, more=True)['replies'][-1]['shown']['step'] == 'done'
    assert run('ImageUpload', {'device': 'a', 'file': put['hash']})['replies'][0]['shown']['step'] == 'done'
    assert run('ImageTest', {'device': 'a', 'hash': put['info']['hash']})['replies'][0]['shown']['slots'][1]['pending']
    done = run('Update', {'device': 'a', 'file': put['hash'], 'skipReboot': True})
    assert done['result'] == 0 and done['replies'][0]['shown']['outcome'] in ('marked', 'testing')
    shown = run('Update', {'device': 'a', 'file': put['hash']}, more=True)['replies']
    assert shown[-1]['shown']['outcome'] == 'updated', shown[-1]
    jobs = run('Jobs', {})['replies'][0]['shown']['jobs']
    assert [j['state'] for j in jobs] == ['done'] * 4
    for more in (False, True):
        assert run('JobWatch', {'job': jobs[0]['id']}, more=more)['replies'][-1]['shown']['job'] == jobs[0]
    out = run('JobCancel', {'job': 'nonesuch'})
    assert (out['result'], out['error'], out['shown']['job']) == (-121, 'io.mcumgr.NoSuchJob', 'nonesuch')
    assert run('ConsoleWrite', {'device': 'a', 'data': 'Cg=='})['result'] == 0
    assert run('Console', {'device': 'a'})['replies'][0]['shown']['lines']
    assert run('Console', {'device': 'a'}, more=True)['result'] == 0
    file = {'device': 'a', 'path': '/lfs1/x'}
    assert run('FileWrite', {**file, 'data': 'AAEC' * 2000}, more=True)['replies'][-1]['shown']['doneBytes'] == 6000
    assert ''.join(r['shown']['data'] for r in run('FileRead', file, more=True)['replies']).count('AAEC') > 100


def test_codes_of_errors_are_their_places_in_the_interface(driver):
    names = list(racks.INTERFACE.errors)
    out = driver.run('Get', {'device': 'nonesuch'})
    assert out['code'] == names.index('NoSuchDevice') + 1
    out = driver.run('Request', {'operation': 'read', 'group': 99, 'command': 3, 'device': 'a'})
    assert out['code'] == names.index('NotSupported') + 1
    out = driver.run('Echo', {'text': 'x', 'device': 'a', 'timeoutMs': 0})
    assert (out['code'], out['error']) == (0, 'org.varlink.service.InvalidParameter')


def test_every_function_was_called():
    lines = subprocess.run(['nm', '-D', '--defined-only', BUILD / 'libclient/libmcumgr.so'], check=True, capture_output=True,
                           text=True).stdout
    functions = {line.split()[-1].split('@')[0] for line in lines.splitlines()}
    callers = {name.removesuffix('_reply_free') for name in functions if name.endswith('_reply_free')}
    streams = {name for name in functions if name.endswith('_stream') and name != 'mcumgr_call_stream'}
    words = {''.join('_' + c.lower() if c.isupper() else c for c in method): method for method in METHODS}
    of = {f'mcumgr{word}': (method, False) for word, method in words.items()}
    of.update({f'mcumgr{word}_stream': (method, True) for word, method in words.items()})
    assert {of[name] for name in callers | streams} - called == set()
    assert len(callers) >= len(METHODS) - 1 and len(streams) > 5
