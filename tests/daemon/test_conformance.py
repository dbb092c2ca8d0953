# SPDX-License-Identifier: MIT
"""The tables of conformance.py and conformance_image.py on the simulated board, and what they have to cover."""

import conformance
import conformance_image
import pytest
import rack as racks
import simulator


def parameters_of(method):
    return set(racks.INTERFACE.methods[method][0][2])


COMMANDS = [name for name in racks.INTERFACE.methods if {'device', 'timeoutMs'} <= parameters_of(name)]
EVERYTHING = conformance.CASES + conformance_image.CASES


def calling(rack):
    """call(method, parameters) on its board; after a reset the board is waited for."""
    client = rack.client()

    def call(method, parameters):
        boots = rack.sim.state()['boots']
        try:
            reply = 'reply', client.call(method, device='a', **parameters)
        except racks.Error as error:
            return error.name, error.parameters
        if method == 'Reset':
            rack.sim.wait(f'boots>={boots + 1}')
            rack.ready()
        return reply

    return call


@pytest.fixture(scope='module')
def call():
    r = racks.Rack(('a',), conformance.KEYS)
    r.ready()
    call = calling(r)
    call('FileWrite', {'path': conformance.PATH, 'data': conformance.b64(conformance.CONTENT)})
    yield call
    r.close()


@pytest.fixture
def facts(rack, tmp_path):
    """call, and what the table of images calls its files."""
    folder, r = tmp_path, rack('a', keys=conformance.KEYS)
    client = r.ready()
    (old,) = client.call('ImageList', device='a')['slots']
    facts = {'old.hash': old['hash'], 'old.version': old['version']}
    for name, version in (('new', '2.0.0'), ('newer', '3.0.0')):
        data, digest = simulator.make_image(folder / name, version)
        facts.update({name: client.put(data)['hash'], f'{name}.hash': digest.hex(), f'{name}.version': version})
    return calling(r), facts


def test_the_simulator_answers_as_the_tables_say(call, facts):
    seen = conformance.run(conformance.CASES, 'simulator', call)
    seen.merge(conformance.run(conformance_image.CASES, 'simulator', *facts))
    seen.save()
    assert set(COMMANDS) == set(seen.cells)
    assert seen.differs_from_page() == [], 'run script/matrix'


@pytest.mark.parametrize('method', COMMANDS)
def test_every_command_has_a_case_that_succeeds(method):
    assert any('refused' not in case.answer for case in EVERYTHING if case.method == method)


def usual(method):
    """Parameters that the method takes."""
    return next(case.parameters for case in EVERYTHING if case.method == method and 'refused' not in case.answer)


@pytest.mark.parametrize('method', COMMANDS)
@pytest.mark.parametrize('extra, says', [({'nonsense': 1}, 'nonsense'), ({'timeoutMs': 0}, 'timeoutMs')], ids=str)
def test_every_command_refuses_what_it_does_not_know(call, method, extra, says):
    parameters = {k: 'ab' * 32 if str(v).startswith('$') else v for k, v in usual(method).items()}
    name, got = call(method, {**parameters, **extra})
    assert (name, got['parameter']) == ('InvalidParameter', says) and says in got['message']


@pytest.mark.parametrize('method', COMMANDS)
def test_every_command_with_parameters_has_wrong_ones(method):
    own = parameters_of(method) - {'device', 'timeoutMs', 'lease', 'repeat', 'force', 'detached'}
    answers = [case.answer for case in EVERYTHING if case.method == method]
    assert not own or any('refused' in a for a in answers), own
