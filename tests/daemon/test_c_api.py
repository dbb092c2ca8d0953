# SPDX-License-Identifier: MIT
"""Every function of mcumgr-api.h against a simulated board: the table of conformance holds for C, and what its structs say is
what the JSON of the same call says."""

import subprocess

import c_driver
import conformance
import pytest
import rack as racks
import simulator

METHODS = racks.INTERFACE.methods
pytestmark = pytest.mark.xdist_group('c-api')  # the last test looks at what the others did


@pytest.fixture(scope='module')
def driver():
    r = racks.Rack(('a',), conformance.KEYS)
    r.ready()
    d = c_driver.Driver(r.socket)
    d.run('FileWrite', {'device': 'a', 'path': conformance.PATH, 'data': conformance.b64(conformance.CONTENT)})
    yield d
    d.close()
    r.close()


def sayable(method, parameters):
    """C has no values of another type than the API's, and sends nothing that lacks what is needed."""
    fields = METHODS[method][0][2]
    if any(type_[2] == 'string' and name in ('data', 'value') and len(parameters[name]) % 4 for name, type_ in fields.items()
           if name in parameters):
        return False
    try:
        racks.INTERFACE.check_fields(method, {**fields, 'device': ('?', '', 'string')}, parameters)
    except AssertionError:
        return False
    return True


def test_the_table_of_conformance(driver):
    cases = [case for case in conformance.CASES if sayable(case.method, case.parameters)]
    assert 8 >= len(conformance.CASES) - len(cases) > 0
    wrong = []
    for case in cases:
        try:
            conformance.check(case, 'simulator', lambda method, given: driver.call(method, {**given, 'device': 'a'}))
        except AssertionError as error:
            wrong.append(f'{case}: {error}')
    assert not wrong, '\n'.join(wrong)


@pytest.mark.parametrize('method, parameter', [
    ('Echo', 'text'), ('StatRead', 'group'), ('Request', 'operation'), ('FileWrite', 'path'), ('ShellExecute', 'arguments'),
    ('ImageTest', 'hash'), ('ConsoleWrite', 'data')])
def test_what_is_left_out_is_told_by_name(driver, method, parameter):
    assert driver.call(method, {}) == (c_driver.EINVAL, {'message': f"{method} needs '{parameter}'"})


def test_codes_of_errors(driver):
    names = list(racks.INTERFACE.errors)
    varlinks = driver.run('Echo', {'text': 'x', 'device': 'a', 'timeoutMs': 0})
    assert (varlinks['error'], varlinks['code']) == ('org.varlink.service.InvalidParameter', 1)
    first = driver.run('Get', {'device': 'nonesuch'})['code'] - names.index('NoSuchDevice')
    assert driver.run('Request', {'operation': 'read', 'group': 99, 'command': 3, 'device': 'a'})['code'] == \
        first + names.index('NotSupported')


def test_methods_of_the_daemon(rack, tmp_path):
    """Those that are no SMP command, and those that stream, one after the other."""
    r = rack('a')
    r.ready()
    driver = c_driver.Driver(r.socket)

    def run(method, parameters, **flags):
        out = driver.run(method, parameters, **flags)
        assert out['result'] >= 0, out
        return [reply['shown'] for reply in out['replies']]

    data = simulator.make_image(tmp_path / 'new', '2.0.0')[0]
    assert run('List', {})[0]['devices'][0]['id'] == 'a'
    assert run('Ports', {})[0]['sections'] == run('Ports', {}, more=True, stopAfter=1)[0]['sections']
    assert run('Get', {'device': 'a'})[0]['device']['state'] == 'ready'
    assert run('Configure', {'device': 'a', 'retries': 3})
    assert [e['event'] for e in run('Watch', {'device': 'a'}, more=True, stopAfter=2)] == ['present', 'current']
    (put,) = run('ImagePut', {'data': conformance.b64(data)})
    assert run('ImageInspect', {'data': conformance.b64(data)}) == [{'info': put['info']}]
    file = {'device': 'a', 'file': put['hash']}
    assert run('ImageUpload', file, more=True)[-1]['step'] == 'done'
    assert run('ImageUpload', file)[0]['step'] == 'done'
    assert run('ImageTest', {'device': 'a', 'hash': put['info']['hash']})[0]['slots'][1]['pending']
    assert run('Update', {**file, 'skipReboot': True})[0]['outcome'] == 'marked'
    assert run('Update', file, more=True)[-1]['outcome'] == 'updated'
    jobs = run('Jobs', {})[0]['jobs']
    assert [j['state'] for j in jobs] == ['done'] * 4
    for more in (False, True):
        assert run('JobWatch', {'job': jobs[0]['id']}, more=more)[-1]['job'] == jobs[0]
    assert driver.call('JobCancel', {'job': 'nonesuch'})[0] == 'NoSuchJob'
    assert run('ConsoleWrite', {'device': 'a', 'data': 'Cg=='}) == [{}]
    r.sim.command(r'a console hello \xff\n')
    hello = conformance.b64(b'hello \xff')
    next(reply for reply in r.client().stream('Console', device='a', follow=True)
         if hello in [line.get('bytes') for line in reply['lines']])
    assert hello in [line.get('bytes') for line in run('Console', {'device': 'a', 'backlog': 9})[0]['lines']]
    assert run('Console', {'device': 'a', 'follow': True}, more=True, stopAfter=1)[0]['lines']
    assert run('Console', {'device': 'a'}, more=True)
    path = {'device': 'a', 'path': '/lfs1/x'}
    assert run('FileWrite', {**path, 'data': 'AAEC' * 2000}, more=True)[-1]['doneBytes'] == 6000
    assert ''.join(piece['data'] for piece in run('FileRead', path, more=True)).count('AAEC') > 100
    token = run('Lock', {'devices': ['a'], 'keepMs': 600000})[0]['token']
    assert run('Leases', {})[0]['leases'][0]['devices'] == ['a']
    for method in ('LeaseUse', 'LeaseKeep'):
        assert run(method, {'lease': token})[0]['lease']['devices'] == ['a']
    assert run('Unlock', {'lease': token}) == [{'devices': ['a']}]
    assert run('Lock', {'any': '*'}, more=True)[-1]['token'] != token and run('Unlock', {}) == [{'devices': ['a']}]
    assert run('ResetState', {'device': 'a'}) == [{}]
    assert run('Trace', {'device': 'a', 'backlog': 3})[0]['entries'][-1]['size'] > 0
    assert len(run('Trace', {'device': 'a', 'backlog': 3}, more=True)[0]['entries']) == 3
    # What has no place above yet: some call, whatever becomes of it.
    samples = {'string': 'x', 'int': 1, 'bool': True, 'object': {}}
    for method, (parameters, _) in METHODS.items():
        given = {name: ['x'] if t[1] else t[2][0] if isinstance(t[2], list) else samples[t[2]]
                 for name, t in parameters[2].items() if not t[0]} if parameters[2] else {}
        if 'mcumgr' + word_of(method) in functions() and (method, False) not in c_driver.called:
            driver.run(method, given)
    driver.close()


def word_of(method):
    return ''.join('_' + c.lower() if c.isupper() else c for c in method)


def functions():
    lines = subprocess.run(['nm', '-D', '--defined-only', c_driver.BUILD / 'libclient/libmcumgr.so'], check=True,
                           capture_output=True, text=True).stdout
    return {line.split()[-1].split('@')[0] for line in lines.splitlines()}


# The last one: it looks at what the ones before did.
def test_every_function_was_called(request):
    if request.config.getoption('lf', False):
        pytest.skip('not all of them ran')
    there = functions()
    for method in METHODS:
        word = 'mcumgr' + word_of(method)
        assert word in there or f'{word}_stream' in there, method
        assert word not in there or (method, False) in c_driver.called, word
        assert f'{word}_stream' not in there or (method, True) in c_driver.called, f'{word}_stream'
