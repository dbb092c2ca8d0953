# SPDX-License-Identifier: MIT
"""What an attacker, a bad disk or bad luck in the wrong moment could do to the daemon."""

import pytest
import rack as racks
import updates


@pytest.fixture(scope='module')
def image(tmp_path_factory):
    return updates.Image(tmp_path_factory.mktemp('image'))


def test_ends_with_jobs_that_wait_for_boards_and_a_full_list(rack, image):
    """Ended jobs leave the list while the running ones are given up: none of these may be skipped."""
    r = rack('a', 'b')
    c = r.ready()
    file = c.put(image.data)['hash']
    for _ in range(100):
        c.fails('Update', device='a', file=file, checksum='0' * 64)
    for board in 'ab':
        client = r.client()
        updates.begin(client, image, board, bootTimeoutMs=600000)
        assert updates.until(client, 'reattach')['step'] == 'reattach'
        r.sim.command(f'{board} unplug')
        r.client().wait_device(board, lambda d: d['state'] in ('absent', 'unavailable', 'busy'))
    assert r.stop() == 0, r.text()[-3000:]
    assert r.text().count('Stopping') == 2, r.text()[-3000:]


@pytest.mark.parametrize('lines', [
    'phase=reset\nupload_only=1\n',
    'phase=confirmed\nupload_only=1\ndetached=1\n',
    'phase=nonsense\n',
])
def test_record_that_makes_no_sense(rack, image, lines):
    r = rack()
    file = r.ready().put(image.data)['hash']
    assert r.stop() == 0
    (r.dir / 'state/jobs/update-00000001').write_text(f'device=a\nfile={file}\n{lines}')
    r.start()
    c = r.ready()
    assert c.call('Jobs')['jobs'] == []
    assert 'does not go on' in r.text()
    assert not (r.dir / 'state/jobs/update-00000001').exists()


def test_image_that_cannot_be_confirmed(rack, image):
    """The new image has no command for it: the next reset undoes it, and nobody may be told that it is updated."""
    r = rack()
    c = r.ready()
    updates.begin(c, image)
    updates.until(c, 'reset')
    r.sim.command('a fault error op=write group=1 id=0 rc=8')
    end = updates.follow(c)
    assert isinstance(end, racks.Error), end
    assert 'confirm' in end.parameters['message']
    assert not r.sim.state('a')['confirmed']
