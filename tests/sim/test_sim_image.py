# SPDX-License-Identifier: MIT
"""Images in a running app: state, upload, erase (SMP 5.1, 6)."""

import hashlib

import pytest
from images import boot, chunk, err, flags, listed, upload
from smp_wire import READ, WRITE


# State ------------------------------------------------------------------------

def test_initial_state(start, image):
    _, port = start()
    _, digest = image('1.0.0')
    state = port.ask(READ, 1, 0).map
    assert state == {'images': [{'slot': 0, 'version': '1.0.0', 'hash': digest, 'bootable': True,
                                 'pending': False, 'confirmed': True, 'active': True,
                                 'permanent': False}], 'splitStatus': 0}


def test_frugal_list(start):
    _, port = start('frugal=on')
    state = port.ask(READ, 1, 0).map
    assert state.keys() == {'images'}
    assert state['images'][0].keys() == {'slot', 'version', 'hash', 'bootable', 'active',
                                         'confirmed'}


@pytest.mark.parametrize('version, shown', [('0.0.0', '0.0.0'), ('1.2.3.4', '1.2.3.4'),
                                            ('255.255.65535.4294967295',) * 2])
def test_version_text(start, image, tmp_path, version, shown):
    image(version)
    _, port = start(f'image={tmp_path}/image.bin')
    assert flags(port) == [(0, shown, 'confirmed active')]


@pytest.mark.parametrize('bits', [384, 512])
def test_longer_hashes(start, image, tmp_path, bits):
    _, digest = image(hash=f'sha{bits}')
    _, port = start(f'image1={tmp_path}/image.bin')
    assert len(digest) == bits // 8
    assert port.ask(READ, 1, 0)['images'][1]['hash'] == digest
    assert err(port.ask(WRITE, 1, 0, {'hash': digest[:32]})) == (1, 8)
    assert err(port.ask(WRITE, 1, 0, {'hash': digest[:31]})) == (1, 24)
    reply = port.ask(WRITE, 1, 0, {'hash': digest})
    assert listed(reply.map)[1] == (1, '2.0.0', 'pending')


# Every situation of SMP 5.1: how to get there, then what each of the requests answers.
# The requests are (slot of the hash, or None for no hash; confirm); 0 is success.
TEST_OTHER, KEEP_OTHER = (1, False), (1, True)
TEST_OWN, KEEP_OWN, NO_HASH, NO_HASH_TEST = (0, False), (0, True), (None, True), (None, False)
MATRIX = [
    ('nothing pending', [], False, {
        TEST_OTHER: 0, KEEP_OTHER: 0, TEST_OWN: 33, KEEP_OWN: 0, NO_HASH: 0, NO_HASH_TEST: 24}),
    ('test pending', [TEST_OTHER], False, {
        TEST_OTHER: 0, KEEP_OTHER: 28, TEST_OWN: 33, KEEP_OWN: 28, NO_HASH: 28}),
    ('permanent pending', [KEEP_OTHER], False, {
        TEST_OTHER: 28, KEEP_OTHER: 0, TEST_OWN: 33, KEEP_OWN: 28, NO_HASH: 28}),
    ('running on trial', [TEST_OTHER], True, {
        TEST_OTHER: 28, KEEP_OTHER: 0, TEST_OWN: 33, KEEP_OWN: 0, NO_HASH: 0}),
    ('running confirmed', [KEEP_OTHER], True, {
        TEST_OTHER: 0, KEEP_OTHER: 0, TEST_OWN: 33, KEEP_OWN: 0, NO_HASH: 0}),
]


@pytest.mark.parametrize('request_, expected, steps, reset', [
    pytest.param(request, expected, steps, reset, id=f'{name}-{request}')
    for name, steps, reset, answers in MATRIX for request, expected in answers.items()])
def test_state_matrix(start, image, tmp_path, request_, expected, steps, reset):
    image()
    sim, port = start(f'image1={tmp_path}/image.bin,reset_delay_ms=1,boot_ms=0')
    sim.running()

    def write(slot, confirm):
        body = {'confirm': confirm}
        if slot is not None:
            body['hash'] = port.ask(READ, 1, 0)['images'][slot]['hash']
        return port.ask(WRITE, 1, 0, body)

    for step in steps:
        assert 'images' in write(*step).map
    if reset:
        boot(sim, port, 2)
    before = port.ask(READ, 1, 0).map
    reply = write(*request_)
    if expected:
        assert err(reply) == (1, expected)
        assert port.ask(READ, 1, 0).map == before
    else:
        assert reply.map == port.ask(READ, 1, 0).map


def test_state_write_refuses_nonsense(start):
    _, port = start()
    assert err(port.ask(WRITE, 1, 0, {'hash': b'x' * 32})) == (1, 8)
    assert err(port.ask(WRITE, 1, 0, {'hash': b'x' * 31})) == (1, 24)
    assert port.ask(WRITE, 1, 0, {'hash': 'text'}).map == {'rc': 3}
    assert port.ask(WRITE, 1, 0, {'confirm': 1}).map == {'rc': 3}


def test_confirm_of_the_slot_to_revert_to_does_nothing(start, image, tmp_path):
    image()
    sim, port = start(f'image1={tmp_path}/image.bin')
    digest = port.ask(READ, 1, 0)['images'][1]['hash']
    port.ask(WRITE, 1, 0, {'hash': digest})
    boot(sim, port, 2)
    old = port.ask(READ, 1, 0)['images'][1]['hash']
    reply = port.ask(WRITE, 1, 0, {'hash': old, 'confirm': True})
    assert listed(reply.map) == [(0, '2.0.0', 'active'), (1, '1.0.0', 'confirmed')]


def test_same_image_in_both_slots(start, image, tmp_path):
    _, digest = image('1.0.0')
    _, port = start(f'image1={tmp_path}/image.bin')
    assert len(flags(port)) == 2
    assert err(port.ask(WRITE, 1, 0, {'hash': digest})) == (1, 33)


# Upload (SMP 6.2) -------------------------------------------------------------

def test_upload_row_by_row(start, image):
    _, port = start()
    data, _ = image(size=4000)
    sha = hashlib.sha256(data).digest()

    def put(off, **more):
        return port.ask(WRITE, 1, 1, chunk(data, off, **more))['off']

    assert put(256) == 0                                # no session
    assert put(0, sha=sha) == 256                       # new session
    assert put(0, sha=sha) == 256                       # resume
    assert put(256) == 512
    assert put(0, sha=sha) == 512                       # resume further on
    assert put(256) == 512                              # duplicate
    assert put(1024) == 512                             # gap
    assert port.ask(WRITE, 1, 1, {'off': 512}).map == {'off': 512}
    assert port.ask(WRITE, 1, 1, {'off': 512, 'data': b''}).map == {'off': 512}
    assert put(0, sha=sha[:8]) == 256                   # other sha: from scratch
    assert put(0, sha=sha[:8]) == 256                   # a shortened one resumes too
    assert put(0) == 256                                # without sha: from scratch
    for off in range(256, 3840, 256):
        assert put(off) == off + 256
    assert put(3840) == 4000                            # the last one
    assert put(3840) == 0                               # its duplicate looks like a restart
    assert put(0, sha=sha) == 256                       # and the same sha is a new session


def test_partial_upload_is_not_listed(start, image):
    _, port = start()
    data, _ = image()
    port.ask(WRITE, 1, 1, chunk(data, 0))
    assert [slot for slot, *_ in flags(port)] == [0]
    upload(port, data)
    assert flags(port)[1] == (1, '2.0.0', '')


@pytest.mark.parametrize('body, error', [
    ({'data': b'x' * 32, 'len': 100}, 20),
    ({'off': 0, 'data': b'x' * 31, 'len': 100}, 22),
    ({'off': 0, 'len': 100}, 22),
    ({'off': 0, 'data': b'x' * 32}, 21),
    ({'off': 0, 'data': b'x' * 32, 'len': 100}, 23),
])
def test_first_chunk_checks(start, body, error):
    _, port = start()
    assert err(port.ask(WRITE, 1, 1, body)) == (1, error)


def test_first_chunk_checks_of_an_image(start, image):
    _, port = start('slot_size=64K')
    data, _ = image('1.0.0')
    assert err(port.ask(WRITE, 1, 1, chunk(data, 0, sha=b'x' * 33))) == (1, 24)
    assert err(port.ask(WRITE, 1, 1, chunk(data, 0, len=65537))) == (1, 30)
    assert port.ask(WRITE, 1, 1, chunk(data, 0, len=65536))['off'] == 256
    assert err(port.ask(WRITE, 1, 1, chunk(data, 0, upgrade=True))) == (1, 27)
    data, _ = image('0.9.9')
    assert err(port.ask(WRITE, 1, 1, chunk(data, 0, upgrade=True))) == (1, 27)
    data, _ = image('1.0.0.7')      # the build number does not count
    assert err(port.ask(WRITE, 1, 1, chunk(data, 0, upgrade=True))) == (1, 27)
    data, _ = image('1.0.1')
    assert port.ask(WRITE, 1, 1, chunk(data, 0, upgrade=True))['off'] == 256


def test_overrun_destroys_the_session(start, image):
    _, port = start()
    data, _ = image(size=4000)
    assert port.ask(WRITE, 1, 1, chunk(data, 0))['off'] == 256
    assert port.ask(WRITE, 1, 1, chunk(data, 0, len=300))['off'] == 256
    assert err(port.ask(WRITE, 1, 1, {'off': 256, 'data': b'x' * 45})) == (1, 31)
    assert port.ask(WRITE, 1, 1, chunk(data, 256))['off'] == 0


def test_image_number(start, image):
    _, port = start()
    data, _ = image()
    assert port.ask(WRITE, 1, 1, chunk(data, 0, image=7))['off'] == 256   # one image: ignored
    _, two = start('images=2')
    assert [(i['image'], i['slot']) for i in two.ask(READ, 1, 0)['images']] == [(0, 0), (1, 0)]
    upload(two, data, image=1)
    assert [(i['image'], i['slot']) for i in two.ask(READ, 1, 0)['images']] == [
        (0, 0), (1, 0), (1, 1)]
    assert err(two.ask(WRITE, 1, 1, chunk(data, 0, image=2))) == (1, 9)
    _, direct = start('images=2,direct_upload=on')
    ids = [[s['upload_image_id'] for s in i['slots']] for i in direct.ask(READ, 1, 6)['images']]
    assert ids == [[1, 2], [3, 4]]
    assert err(direct.ask(WRITE, 1, 1, chunk(data, 0, image=1))) == (1, 9)   # it runs
    upload(direct, data, image=4)
    assert [(i['image'], i['slot']) for i in direct.ask(READ, 1, 0)['images']][-1] == (1, 1)


def test_image_check(start, image):
    sim, port = start('image_check=on')
    data, _ = image()
    assert upload(port, data).map == {'off': len(data), 'match': True}
    # the slot holds exactly these bytes: done with the first chunk
    sha = hashlib.sha256(data).digest()
    assert port.ask(WRITE, 1, 1, chunk(data, 0, sha=sha)).map == {'off': len(data), 'match': True}
    port.ask(WRITE, 1, 5, {})
    for off in range(0, len(data), 256):
        more = {'sha': b'0' * 32} if not off else {}
        reply = port.ask(WRITE, 1, 1, chunk(data, off, **more))
    assert reply.map == {'off': len(data), 'match': False}


def test_erase(start, image, tmp_path):
    image()
    sim, port = start(f'image1={tmp_path}/image.bin')
    assert err(port.ask(WRITE, 1, 5, {'slot': 0})) == (1, 9)
    assert err(port.ask(WRITE, 1, 5, {'slot': 9})) == (1, 10)
    assert port.ask(WRITE, 1, 5, {'slot': 1}).map == {}
    assert sim.state()['slots'][1]['blank']
    assert port.ask(WRITE, 1, 5, {}).map == {}                  # blank already
    data, digest = image()
    port.ask(WRITE, 1, 1, chunk(data, 0))
    port.ask(WRITE, 1, 5, {})
    assert port.ask(WRITE, 1, 1, chunk(data, 256))['off'] == 0   # that ended the session
    upload(port, data)
    port.ask(WRITE, 1, 0, {'hash': digest})
    assert port.ask(WRITE, 1, 5, {}).map == {}                  # pending, but allowed
    upload(port, data)
    port.ask(WRITE, 1, 0, {'hash': digest})
    sim.command('a set erase_pending=off')
    assert err(port.ask(WRITE, 1, 5, {})) == (1, 9)
    boot(sim, port, 2)
    sim.command('a set erase_pending=on')
    assert err(port.ask(WRITE, 1, 5, {})) == (1, 9)             # what a revert needs
    assert err(port.ask(WRITE, 1, 1, chunk(data, 0))) == (1, 9)


def test_slot_info(start):
    _, port = start('slot_size=256K')
    assert port.ask(READ, 1, 6).map == {'images': [
        {'image': 0, 'slots': [{'slot': 0, 'size': 262144},
                               {'slot': 1, 'size': 262144, 'upload_image_id': 0}],
         'max_image_size': 258048}]}
