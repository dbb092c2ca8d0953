# SPDX-License-Identifier: MIT
"""The table of conformance.py on the simulated board, and what it has to cover."""

import conformance
import pytest
import rack as racks

def parameters_of(method):
    return set(racks.INTERFACE.methods[method][0][2])


COMMANDS = [name for name in racks.INTERFACE.methods if {'device', 'timeoutMs'} <= parameters_of(name)]


@pytest.fixture(scope='module')
def board():
    r = racks.Rack(('a',), 'burst=ok')
    r.ready()
    yield r
    r.close()


@pytest.fixture(scope='module')
def call(board):
    client = board.client()

    def call(method, parameters):
        try:
            return 'reply', client.call(method, device='a', **parameters)
        except racks.Error as error:
            return error.name, error.parameters

    call('FileWrite', {'path': conformance.PATH, 'data': conformance.b64(conformance.CONTENT)})
    return call


@pytest.mark.parametrize('case', conformance.CASES, ids=conformance.name_of)
def test_case(call, case):
    conformance.check(case, False, call)


@pytest.mark.parametrize('method', COMMANDS)
def test_every_command_has_a_case_that_succeeds(method):
    answers = [case[2] for case in conformance.CASES if case[0] == method]
    assert method in conformance.ELSEWHERE or any('refused' not in a for a in answers)


@pytest.mark.parametrize('method', COMMANDS)
@pytest.mark.parametrize('extra, says', [({'nonsense': 1}, 'nonsense'), ({'timeoutMs': 0}, 'timeoutMs')], ids=str)
def test_every_command_refuses_what_it_does_not_know(call, method, extra, says):
    parameters = next((case[1] for case in conformance.CASES if case[0] == method and 'refused' not in case[2]),
                      {'hash' if method == 'ImageTest' else 'file': 'ab' * 32})
    name, got = call(method, {**parameters, **extra})
    assert (name, got['parameter']) == ('InvalidParameter', says) and says in got['message']


@pytest.mark.parametrize('method', COMMANDS)
def test_every_command_with_parameters_has_wrong_ones(method):
    own = parameters_of(method) - {'device', 'timeoutMs', 'lease', 'repeat', 'force', 'detached'}
    answers = [case[2] for case in conformance.CASES if case[0] == method]
    if own and method not in conformance.ELSEWHERE | {'SettingsSave'}:
        assert any('refused' in a for a in answers), own
