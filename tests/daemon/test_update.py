# SPDX-License-Identifier: MIT
"""Updates of simulated boards: every mode of the bootloader, every way to fail, links that lose and garble."""

import concurrent.futures

import pytest
import rack as racks
import updates


@pytest.fixture(scope='module')
def image(tmp_path_factory):
    return updates.Image(tmp_path_factory.mktemp('image'))


# Keys of the simulated board.
KINDS = [
    'mode=swap-move', 'mode=swap-scratch', 'mode=swap-offset', 'mode=overwrite', 'mode=direct-xip', 'mode=ram-load',
    'hang_up=on', 'banner=on', 'burst=lose', 'baud=921600', 'v1=on', 'v1=refuse', 'v1=silent', 'v1=none', 'frugal=on',
    'canonical=on', 'legacy_rc=on', 'image_check=on', 'params=off', 'bootloader_info=off', 'enum=off', 'echo=off',
    'buf_size=256', 'buf_size=1024,line_bufs=16', 'buf_size=2048,line_bufs=32,buf_count=8', 'shell=on',
    'erase_ms=4000', 'write_us=2000', 'swap_ms_per_kb=20', 'swap_ms_per_kb=20,banner=on', 'wait_dfu_ms=80',
    'hang_up=on,wait_dfu_ms=80', 'mode=overwrite,downgrade=off',
]


@pytest.fixture(scope='module')
def kinds(image):
    p = updates.Parallel(KINDS, image, keys=lambda keys: keys)
    yield p
    p.rack.close()


@pytest.mark.parametrize('keys', KINDS)
def test_update(kinds, image, keys):
    end, state = kinds[keys]
    assert kinds.check(keys, image) == 'new'
    assert end['outcome'] == 'updated'
    # One reset, one boot: the board was not sent through its bootloader more often than needed.
    assert state['resets_smp'] == 1


def test_a_list_that_does_not_fit(rack, image):
    """Without the list of images nothing can be proved; so nothing is begun."""
    r = rack(keys='buf_size=96')
    end = updates.run(r.ready(), image)
    assert (end.name, end.parameters['name']) == ('DeviceError', 'EMSGSIZE') and end.parameters['hint']
    assert r.sim.state()['requests'].get('1/1', 0) == 0


def test_direct_xip_with_revert(rack, tmp_path):
    image = updates.Image(tmp_path, pad='64K')
    r = rack(keys='mode=direct-xip-revert,slot_size=64K')
    end = updates.run(r.ready(), image)
    assert updates.check(r, end, image) == 'new', end


@pytest.mark.parametrize('hash', ['sha384', 'sha512'])
def test_longer_hashes(rack, tmp_path, hash):
    image = updates.Image(tmp_path, hash=hash)
    r = rack()
    assert updates.check(r, updates.run(r.ready(), image), image) == 'new'


def test_second_image(rack, image):
    r = rack(keys='images=2')
    end = updates.run(r.ready(), image, imageNumber=1)
    state = r.sim.state()
    slots = {(s['image'], s['slot']): s for s in state['slots']}
    if not isinstance(end, racks.Error):
        assert end['outcome'] == 'updated' and slots[1, 0]['hash'] == image.hash, (end, state)
    else:
        # Its confirmation is the application's business (err 32): said as such, and what runs is said.
        assert (end.name, end.parameters['rc']) == ('DeviceError', 32) and slots[1, 0]['hash'] == image.hash, end
    assert slots[0, 0]['version'] == updates.OLD


# keys, number asked for, (image, slot) that runs the new one then: numbers of slots where the build has direct upload, also
# where its application does not tell so; and a build with one image, which takes any number.
@pytest.mark.parametrize('keys, number, runs', [
    ('direct_upload=on', 2, (0, 0)), ('direct_upload=on,slot_info=off', 2, (0, 0)), ('images=2,direct_upload=on', 2, (0, 0)),
    ('', 1, (0, 0)), ('', 3, None)], ids=str)
def test_the_number_of_a_slot(rack, image, keys, number, runs):
    r = rack(keys=keys)
    client = r.ready()
    end = updates.run(client, image, imageNumber=number)
    if runs is None:
        assert (end.name, end.parameters['step']) == ('ProtocolError', 'upload') and 'does not list' in end.parameters['message']
        return
    assert not isinstance(end, racks.Error) and end['outcome'] == 'updated', end
    slots = {(s['image'], s['slot']): s for s in r.sim.state()['slots']}
    assert slots[runs]['hash'] == image.hash


@pytest.mark.parametrize('keys', ['', 'rec_params=off', 'rec_state=on', 'rec_slots=on', 'rec_buf=512', 'rec_align=32', 'erase_ms=4000'])
def test_recovery(rack, image, keys):
    r = rack(keys=keys)
    c = r.ready()
    r.sim.command('a set recovery=on')
    c.call('Reset', device='a', bootMode=1)
    r.client().wait_device('a', lambda d: d['state'] == 'recovery')
    r.sim.command('a set recovery=off')
    end = updates.run(r.client(), image)
    assert updates.check(r, end, image) == 'new', end


# fault or keys; then the error and its reason
FAILURES = [
    ('fault revert-on-boot', 'NotBooted', 'reverted'),
    ('fault hang-at-boot', 'NotBooted', 'silent'),
    ('fault reset-ignored count=0', 'NotBooted', 'unchanged'),
    ('fault stuck-offset count=0', 'ProtocolError', None),
    ('fault session-loss count=0 p=0.5', 'ProtocolError', None),
    ('fault error rc=12 errgroup=1 group=1 id=1 at=4000', 'DeviceError', 'FLASH_WRITE_FAILED'),
    ('fault error rc=9 errgroup=1 group=1 id=1 count=0', 'DeviceError', 'NO_FREE_SLOT'),
    ('fault error rc=1 group=1 id=0 op=write count=0', 'DeviceError', 'EUNKNOWN'),
    ('fault busy group=0 id=5 count=0', 'DeviceError', 'EBUSY'),
    ('fault cbor-bomb group=1 id=0 count=0', 'ProtocolError', None),
]


@pytest.mark.parametrize('fault, error, reason', FAILURES, ids=[f[0].replace('fault ', '') for f in FAILURES])
def test_failure(rack, image, fault, error, reason):
    r = rack()
    c = r.ready()
    r.sim.command('a ' + fault)
    end = updates.run(c, image, bootTimeoutMs=3000)
    assert isinstance(end, racks.Error), end
    assert end.name == error, end
    if error == 'NotBooted':
        assert end.parameters['reason'] == reason
        assert end.parameters['expected'] == image.hash
    elif reason:
        assert end.parameters['name'] == reason
    if 'hang' not in fault:
        updates.check(r, end, image)
        r.sim.command('a clear-faults')
        if 'ignored' in fault or 'busy' in fault:
            assert 'marked' in end.parameters['message']
        updates.settle(r, image)


def test_refused_signature(rack, tmp_path):
    image = updates.Image(tmp_path, broken='signature')
    r = rack()
    end = updates.run(r.ready(), image)
    assert (end.name, end.parameters['reason']) == ('NotBooted', 'refused')
    assert updates.check(r, end, image) == 'old'
    assert end.parameters['running'] == r.sim.state()['hash']


@pytest.mark.parametrize('mode', ['direct-xip', 'ram-load'])
def test_lower_version_without_marks(rack, tmp_path, mode):
    image = updates.Image(tmp_path, version='0.9.0')
    r = rack(keys='mode=' + mode)
    end = updates.run(r.ready(), image)
    assert (end.name, end.parameters['reason']) == ('UpdateRefused', 'downgrade')
    assert r.sim.state()['requests'].get('1/1', 0) == 0


def test_too_large(rack, tmp_path):
    image = updates.Image(tmp_path, size='70000')
    r = rack(keys='slot_size=64K')
    end = updates.run(r.ready(), image)
    assert (end.name, end.parameters['reason']) == ('BadImage', 'too-large')
    assert r.sim.state()['requests'].get('1/1', 0) == 0


def test_match_false_is_erased(rack, image):
    r = rack(keys='image_check=on')
    c = r.ready()
    r.sim.command('a fault match-false')
    end = updates.run(c, image)
    assert end.name == 'ProtocolError'
    assert updates.other(r.sim.state())['blank']
    updates.settle(r, image)


# Single faults, anywhere: the update still ends with the new image.
LOSSES = [
    'lose-request group=1 id=0', 'lose-reply group=1 id=0', 'lose-reply group=1 id=1 at=1', 'lose-request group=1 id=1 at=9000',
    'lose-reply group=1 id=1 at=32400', 'lose-request group=1 id=0 op=write', 'lose-reply group=1 id=0 op=write count=2',
    'no-reset-reply', 'lose-request group=0 id=5', 'duplicate-reply count=0', 'late-reply ms=700 count=3 at=100',
    'wrong-seq count=2', 'corrupt-crc count=3 at=500', 'corrupt-base64 count=3 at=500', 'truncated-reply at=500',
    'oversize-length at=500', 'garbage-line count=0', 'log-in-packet count=0', 'log-before-frame count=0',
    'log-between count=0', 'crlf count=0', 'long-line count=0', 'session-loss at=9000', 'session-loss count=2',
    'busy group=1 id=1 count=3', 'stuck-offset count=4', 'slow-boot ms=1500', 'error rc=2 group=1 id=1 at=100 count=3',
    'lose-reply p=0.03 at=1 count=0', 'lose-request p=0.03 at=1 count=0', 'corrupt-crc p=0.05 at=1 count=0',
]


@pytest.fixture(scope='module')
def losses(image):
    p = updates.Parallel(LOSSES, image, keys=lambda fault: '', faults=lambda fault: fault, retries=4, timeout_ms=300)
    yield p
    p.rack.close()


@pytest.mark.parametrize('fault', LOSSES)
def test_fault_that_is_overcome(losses, image, fault):
    end, state = losses[fault]
    assert not isinstance(end, racks.Error), end
    assert losses.check(fault, image) == 'new'
    # Asked for once and done once; or lost, seen not to have happened, and asked for again.
    assert state['resets_smp'] == 1


def test_states_that_forbid_it(rack, image, tmp_path):
    third = updates.Image(tmp_path, version='3.0.0')
    r = rack()
    c = r.ready()
    assert updates.run(c, third, skipReboot=True)['outcome'] == 'marked'
    end = updates.run(c, image)
    assert (end.name, end.parameters['reason']) == ('UpdateRefused', 'pending') and end.parameters['hint']
    assert updates.run(c, third, confirm=False)['outcome'] == 'testing'
    end = updates.run(c, image)
    assert (end.name, end.parameters['reason']) == ('UpdateRefused', 'testing') and end.parameters['hint']
    assert updates.run(c, third)['outcome'] == 'confirmed'
    assert updates.run(c, image)['outcome'] == 'updated'
    assert updates.run(c, image)['outcome'] == 'unchanged'
    assert r.sim.state()['resets_smp'] == 2


def test_options(rack, image):
    r = rack()
    c = r.ready()
    assert updates.run(c, image, forceConfirm=True, eraseFirst=True, upgradeOnly=True)['outcome'] == 'updated'
    assert r.sim.state()['requests']['1/5'] == 1
    end = updates.run(c, updates.Image(r.dir, version='1.9.0'), upgradeOnly=True)
    assert (end.name, end.parameters['reason']) == ('UpdateRefused', 'downgrade')


def test_eight_boards_at_once(rack, image):
    boards = [f'b{i}' for i in range(8)]
    r = rack(*boards, keys='baud=230400')
    r.ready()

    def one(board):
        client = r.client()
        return updates.run(client, image, board)

    with concurrent.futures.ThreadPoolExecutor(len(boards)) as pool:
        ends = list(pool.map(one, boards))
    for board, end in zip(boards, ends):
        assert updates.check(r, end, image, board) == 'new'
    c = r.client()
    assert all(d['version'] == image.version for d in c.call('List')['devices'])


def test_reads_slot_in_between(rack, image):
    """Another client's echo is answered while the upload goes on, within its own time."""
    r = rack(keys='baud=115200')
    c = r.ready()
    updates.begin(c, image)
    reply = updates.until(c, 'upload')
    assert reply['step'] == 'upload'
    second = r.client()
    for i in range(20):
        assert second.call('Echo', device='a', text=str(i), timeoutMs=1000)['text'] == str(i)
    busy = second.fails('Update', device='a', file=second.put(image.data)['hash'])
    assert busy.name in ('DeviceBusy', 'LimitExceeded', 'UpdateRefused', 'DeviceUnavailable'), busy
    end = updates.follow(c)
    assert updates.check(r, end, image) == 'new'
