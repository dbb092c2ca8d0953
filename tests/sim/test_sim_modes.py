# SPDX-License-Identifier: MIT
"""What the bootloader makes of images, mode by mode (SMP 7.4, 7.5)."""

import pytest
from images import boot, chunk, err, flags, listed, upload
from smp_wire import READ, WRITE

SWAPS = ['swap-move', 'swap-scratch', 'swap-offset']


@pytest.mark.parametrize('mode', SWAPS)
def test_test_then_revert(start, image, mode):
    sim, port = start(f'mode={mode}')
    data, digest = image()
    upload(port, data)
    assert flags(port) == [(0, '1.0.0', 'confirmed active'), (1, '2.0.0', '')]
    reply = port.ask(WRITE, 1, 0, {'hash': digest, 'confirm': False})
    assert listed(reply.map) == [(0, '1.0.0', 'confirmed active'), (1, '2.0.0', 'pending')]
    boot(sim, port, 2)
    assert flags(port) == [(0, '2.0.0', 'active'), (1, '1.0.0', 'confirmed')]
    boot(sim, port, 3)
    assert flags(port) == [(0, '1.0.0', 'confirmed active'), (1, '2.0.0', '')]
    boot(sim, port, 4)
    assert flags(port) == [(0, '1.0.0', 'confirmed active'), (1, '2.0.0', '')]


@pytest.mark.parametrize('mode', SWAPS)
def test_test_then_confirm(start, image, mode):
    sim, port = start(f'mode={mode}')
    data, digest = image()
    upload(port, data)
    port.ask(WRITE, 1, 0, {'hash': digest, 'confirm': False})
    boot(sim, port, 2)
    reply = port.ask(WRITE, 1, 0, {'confirm': True})
    # The old image stays, but with swap-offset nobody finds it any more.
    old = [] if mode == 'swap-offset' else [(1, '1.0.0', '')]
    assert listed(reply.map) == [(0, '2.0.0', 'confirmed active'), *old]
    boot(sim, port, 3)
    assert flags(port) == [(0, '2.0.0', 'confirmed active'), *old]
    assert sim.state()['hash'] == digest.hex()
    assert not sim.state()['slots'][1]['blank']
    # the next update goes there all the same
    data, digest = image('3.0.0')
    upload(port, data)
    port.ask(WRITE, 1, 0, {'hash': digest, 'confirm': True})
    boot(sim, port, 4)
    old = [] if mode == 'swap-offset' else [(1, '2.0.0', '')]
    assert flags(port) == [(0, '3.0.0', 'confirmed active'), *old]


def test_permanent(start, image):
    sim, port = start()
    data, digest = image()
    upload(port, data)
    reply = port.ask(WRITE, 1, 0, {'hash': digest, 'confirm': True})
    assert listed(reply.map)[1] == (1, '2.0.0', 'pending permanent')
    for n in (2, 3):
        boot(sim, port, n)
        assert flags(port) == [(0, '2.0.0', 'confirmed active'), (1, '1.0.0', '')]


@pytest.mark.parametrize('broken', ['hash', 'signature', 'encrypted'])
def test_refused_at_boot(start, image, broken):
    sim, port = start()
    data, digest = image(broken=broken)
    upload(port, data)
    listed_hash = port.ask(READ, 1, 0)['images'][1]['hash']
    assert (listed_hash == digest) == (broken != 'hash')
    port.ask(WRITE, 1, 0, {'hash': listed_hash})
    boot(sim, port, 2)
    assert flags(port) == [(0, '1.0.0', 'confirmed active')]
    assert sim.state()['slots'][1]['blank']


@pytest.mark.parametrize('broken', ['no-hash', 'two-hashes', 'tlv-length', 'truncated',
                                    'header-size'])
def test_images_that_are_not_listed(start, image, broken):
    _, port = start()
    data, _ = image(broken=broken)
    upload(port, data)
    assert flags(port) == [(0, '1.0.0', 'confirmed active')]


@pytest.mark.parametrize('broken', ['magic', 'not-an-image'])
def test_images_that_are_refused_at_once(start, image, broken):
    _, port = start()
    data, _ = image(broken=broken)
    assert err(port.ask(WRITE, 1, 1, chunk(data, 0))) == (1, 23)


def test_image_without_room_for_the_trailer(start, image):
    sim, port = start('slot_size=64K')
    data, digest = image(size=65536)
    upload(port, data)
    port.ask(WRITE, 1, 0, {'hash': digest})
    boot(sim, port, 2)
    assert flags(port)[0] == (0, '1.0.0', 'confirmed active')


@pytest.mark.parametrize('confirm', [False, True])
def test_overwrite(start, image, confirm):
    sim, port = start('mode=overwrite')
    assert port.ask(READ, 0, 8, {'query': 'mode'}).map == {'mode': 2}
    data, digest = image()
    upload(port, data)
    port.ask(WRITE, 1, 0, {'hash': digest, 'confirm': confirm})
    boot(sim, port, 2)
    assert flags(port) == [(0, '2.0.0', 'confirmed active')]
    boot(sim, port, 3)
    assert flags(port) == [(0, '2.0.0', 'confirmed active')]


def test_no_downgrade(start, image):
    sim, port = start('mode=overwrite,downgrade=off')
    assert port.ask(READ, 0, 8, {'query': 'mode'}).map == {'mode': 2, 'no-downgrade': True}
    data, digest = image('0.9.0')
    upload(port, data)
    port.ask(WRITE, 1, 0, {'hash': digest})
    boot(sim, port, 2)
    assert flags(port) == [(0, '1.0.0', 'confirmed active')]


@pytest.mark.parametrize('mode', ['direct-xip', 'ram-load'])
def test_highest_version_runs(start, image, mode):
    sim, port = start(f'mode={mode}')
    data, digest = image()
    assert port.ask(WRITE, 1, 0, {'confirm': True}).map == {'rc': 8}
    upload(port, data)
    assert flags(port) == [(0, '1.0.0', 'confirmed active'), (1, '2.0.0', 'pending permanent')]
    boot(sim, port, 2)
    assert flags(port) == [(0, '1.0.0', ''), (1, '2.0.0', 'confirmed active')]
    assert sim.state()['hash'] == digest.hex()
    # the next one goes to the slot that does not run; a lower version never starts
    data, _ = image('1.5.0')
    upload(port, data)
    boot(sim, port, 3)
    assert flags(port) == [(0, '1.5.0', ''), (1, '2.0.0', 'confirmed active')]


def test_direct_xip_wants_an_image_for_the_slot(start, image):
    _, port = start('mode=direct-xip')
    data, _ = image(rom_address=0x10000)
    assert err(port.ask(WRITE, 1, 1, chunk(data, 0))) == (1, 25)
    data, _ = image(rom_address=0x10000 + 524288)
    assert port.ask(WRITE, 1, 1, chunk(data, 0))['off'] == 256


def test_direct_xip_with_revert(start, image):
    sim, port = start('mode=direct-xip-revert')
    assert flags(port) == [(0, '1.0.0', 'confirmed active')]
    data, digest = image()
    upload(port, data)
    boot(sim, port, 2)                  # never marked: erased
    assert flags(port) == [(0, '1.0.0', 'confirmed active')]
    upload(port, data)
    reply = port.ask(WRITE, 1, 0, {'hash': digest})
    assert listed(reply.map)[1] == (1, '2.0.0', 'pending')
    boot(sim, port, 3)
    assert flags(port) == [(0, '1.0.0', 'confirmed'), (1, '2.0.0', 'active')]
    boot(sim, port, 4)                  # not confirmed: erased
    assert flags(port) == [(0, '1.0.0', 'confirmed active')]
    upload(port, data)
    port.ask(WRITE, 1, 0, {'hash': digest})
    boot(sim, port, 5)
    port.ask(WRITE, 1, 0, {'confirm': True})
    boot(sim, port, 6)
    assert flags(port) == [(0, '1.0.0', ''), (1, '2.0.0', 'confirmed active')]


def test_single_slot(start):
    _, port = start('mode=single')
    assert port.ask(READ, 1, 0).map == {'rc': 8}
    assert port.ask(READ, 0, 8, {'query': 'mode'}).map == {'mode': 0}
    assert 1 not in port.ask(READ, 10, 1)['groups']


def test_padded_image_brings_its_trailer(start, image):
    sim, port = start('slot_size=64K')
    data, _ = image(pad=65536)
    upload(port, data)
    assert flags(port)[1] == (1, '2.0.0', 'pending')
    data, _ = image('3.0.0', pad=65536, confirm=True)
    upload(port, data)
    assert flags(port)[1] == (1, '3.0.0', 'pending permanent')
    boot(sim, port, 2)
    assert flags(port)[0] == (0, '3.0.0', 'confirmed active')


def test_protected_tlvs(start, image):
    sim, port = start()
    data, digest = image(protected=True)
    upload(port, data)
    port.ask(WRITE, 1, 0, {'hash': digest, 'confirm': True})
    boot(sim, port, 2)
    assert sim.state()['hash'] == digest.hex()


def test_second_image(start, image):
    sim, port = start('images=2')
    data, digest = image()
    upload(port, data, image=1)
    other = port.ask(READ, 1, 0)['images'][1]['hash']
    assert err(port.ask(WRITE, 1, 0, {'hash': other, 'confirm': True})) == (1, 32)
    port.ask(WRITE, 1, 0, {'hash': digest, 'confirm': True})
    boot(sim, port, 2)
    assert listed({'images': port.ask(READ, 1, 0)['images'][1:]}) == [
        (0, '2.0.0', 'confirmed active'), (1, '1.0.0', '')]
