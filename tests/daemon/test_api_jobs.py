# SPDX-License-Identifier: MIT
"""Jobs through the API: Update, ImageUpload, their progress, who may end them; and the streams that tell of it."""

import hashlib
import signal

import pytest
import rack as racks
import simulator

SLOW = 'baud=57600'  # an upload that a test can interrupt


def image(tmp_path, version='2.0.0', **options):
    return simulator.make_image(tmp_path / f'image-{version}', version, **options)


def test_update_streams_its_steps(rack, tmp_path):
    data, image_hash = image(tmp_path)
    r = rack()
    c = r.ready()
    file = c.put(data)['hash']
    replies = list(c.stream('Update', device='a', file=file))
    steps = [s for i, s in enumerate(x['step'] for x in replies) if i == 0 or replies[i - 1]['step'] != s]
    assert steps[0] == 'check' and steps[-1] == 'done'
    order = ['check', 'inspect', 'erase', 'upload', 'mark', 'reset', 'reattach', 'verify', 'confirm', 'final', 'done']
    assert [order.index(s) for s in steps] == sorted(order.index(s) for s in steps)
    assert {'upload', 'mark', 'reset', 'reattach', 'confirm'} <= set(steps)
    percents = [x['percent'] for x in replies]
    assert percents == sorted(percents) and percents[-1] == 100
    assert len({x['job'] for x in replies}) == 1
    assert replies[-1]['outcome'] == 'updated'
    assert (replies[-1]['hash'], replies[-1]['version']) == (image_hash.hex(), '2.0.0')
    slot = next(s for s in c.call('ImageList', device='a')['slots'] if s['active'])
    assert (slot['version'], slot['hash'], slot['confirmed']) == ('2.0.0', image_hash.hex(), True)
    # Once more: nothing to do, and said at once.
    assert c.call('Update', device='a', file=file)['outcome'] == 'unchanged'
    jobs = c.call('Jobs')['jobs']
    assert [(j['kind'], j['device'], j['state'], j['outcome']) for j in jobs] == [
        ('update', 'a', 'done', 'updated'), ('update', 'a', 'done', 'unchanged')]
    assert all(j['started'] <= j['finished'] for j in jobs)


def test_upload_alone(rack, tmp_path):
    data, image_hash = image(tmp_path)
    r = rack()
    c = r.ready()
    reply = c.call('ImageUpload', device='a', file=c.put(data)['hash'].upper())
    assert (reply['step'], reply['percent'], reply['hash']) == ('done', 100, image_hash.hex())
    slots = c.call('ImageList', device='a')['slots']
    assert [(s['slot'], s['pending']) for s in slots if s['hash'] == image_hash.hex()] == [(1, False)]


def test_no_such_file_or_job(shared):
    c = shared.client()
    e = c.fails('Update', device='a', file='00' * 32)
    assert (e.name, e.parameters['file']) == ('NoSuchImage', '00' * 32)
    for method in 'JobWatch', 'JobCancel':
        e = c.fails(method, job='update-0')
        assert (e.name, e.parameters['job']) == ('NoSuchJob', 'update-0')
        assert e.parameters['message'] and e.parameters['hint']


def test_wrong_checksum_and_wrong_file(rack, tmp_path):
    data, _ = image(tmp_path)
    r = rack()
    c = r.ready()
    e = c.fails('Update', device='a', file=c.put(data)['hash'], checksum='11' * 32)
    assert (e.name, e.parameters['reason']) == ('BadImage', 'checksum-mismatch')
    e = c.fails('Update', device='a', file=c.put(b'no image at all, but long enough for a header', any=True)['hash'])
    assert (e.name, e.parameters['reason']) == ('BadImage', 'not-an-image')
    e = c.fails('ImageUpload', device='a', file=c.put(b'', any=True)['hash'])
    assert (e.name, e.parameters['reason']) == ('BadImage', 'not-an-image') and 'empty' in e.parameters['message']
    assert r.sim.state()['requests'].get('1/1', 0) == 0


def begin(rack_, client, file, method='Update', **more):
    """Starts a job and returns its id once the upload has begun."""
    client.send(method, {'device': 'a', 'file': file, **more}, more=True)
    while True:
        reply = client.reply()
        if reply['step'] == 'upload' and reply.get('doneBytes', 0) > 0:
            return reply['job']


def last_of(client, job):
    return list(client.stream('JobWatch', job=job))[-1]['job']


@pytest.mark.parametrize('method, size', [('Update', 5000), ('Update', 40000), ('ImageUpload', 40000)])
def test_the_last_progress_of_an_upload_is_all_of_it(rack, tmp_path, method, size):
    """Progress is told now and then; that all is there, always."""
    data, _ = image(tmp_path, size=size)
    c = rack().ready()
    told = [x for x in c.stream(method, device='a', file=c.put(data)['hash']) if x['step'] == 'upload' and 'doneBytes' in x]
    assert (told[-1]['doneBytes'], told[-1]['totalBytes']) == (len(data), len(data))
    assert len([x for x in told if x['doneBytes'] == len(data)]) == 1


def test_a_job_ends_with_its_client(rack, tmp_path):
    data, _ = image(tmp_path, size=100000)
    r = rack(keys=SLOW)
    c = r.ready()
    file = c.put(data)['hash']
    starter = r.client()
    job = begin(r, starter, file)
    starter.close()
    ended = last_of(c, job)
    assert (ended['state'], ended['error']['error']) == ('cancelled', 'io.mcumgr.Cancelled')
    assert ended['error']['parameters']['message']
    assert c.call('Echo', device='a', text='x') == {'text': 'x'}


def test_a_detached_job_goes_on(rack, tmp_path):
    data, image_hash = image(tmp_path, size=60000)
    r = rack(keys='baud=230400')
    c = r.ready()
    file = c.put(data)['hash']
    starter = r.client()
    job = begin(r, starter, file, detached=True)
    starter.close()
    ended = last_of(c, job)
    assert (ended['state'], ended['outcome'], ended['detached']) == ('done', 'updated', True)
    # An ended job is answered once.
    assert [x['job']['state'] for x in c.stream('JobWatch', job=job)] == ['done']
    assert c.call('JobWatch', job=job)['job']['hash'] == image_hash.hex()


def test_cancel_and_one_job_a_board(rack, tmp_path):
    data, _ = image(tmp_path, size=100000)
    r = rack(keys=SLOW)
    c = r.ready()
    file = c.put(data)['hash']
    starter = r.client()
    job = begin(r, starter, file)
    e = c.fails('Update', device='a', file=file)
    assert (e.name, e.parameters['reason']) == ('UpdateRefused', 'job')
    assert job in e.parameters['message'] and e.parameters['hint']
    # Reads slot in between the chunks; the board is busy.
    assert c.call('Echo', device='a', text='x', timeoutMs=20000) == {'text': 'x'}
    device = c.call('List')['devices'][0]
    assert (device['state'], device['job']['id'], device['job']['state']) == ('busy', job, 'running')
    # Writes wait behind it, within their deadline.
    e = c.fails('SettingWrite', device='a', name='x', value='', timeoutMs=100)
    assert e.name in ('TimedOut',)
    assert c.call('JobCancel', job=job) == {}
    with pytest.raises(racks.Error) as raised:
        while True:
            starter.reply()
    assert raised.value.name == 'Cancelled'
    assert (raised.value.parameters['device'], raised.value.parameters['step']) == ('a', 'upload')
    assert c.call('JobCancel', job=job) == {}
    assert c.call('JobWatch', job=job)['job']['state'] == 'cancelled'


def test_files_outlive_the_daemon(rack, tmp_path):
    data, _ = image(tmp_path)
    r = rack()
    file = r.ready().put(data)['hash']
    assert r.stop() == 0
    r.start()
    assert r.ready().call('Update', device='a', file=file)['outcome'] == 'updated'


def test_a_damaged_file_is_none(rack, tmp_path):
    data, _ = image(tmp_path)
    r = rack()
    file = r.ready().put(data)['hash']
    assert r.stop() == 0
    kept = r.dir / 'state/images' / file
    kept.write_bytes(data[:-1] + b'?')
    r.start()
    c = r.ready()
    assert c.fails('Update', device='a', file=file).name == 'NoSuchImage'
    assert c.put(data)['hash'] == hashlib.sha256(data).hexdigest() == file
    assert kept.read_bytes() == data, 'what was damaged was removed before'
    assert c.call('Update', device='a', file=file)['outcome'] == 'updated'


def test_the_end_of_the_daemon_is_told(rack, tmp_path):
    data, _ = image(tmp_path, size=100000)
    r = rack(keys=SLOW)
    c = r.ready()
    watcher, starter, asker = r.client(), r.client(), r.client()
    watcher.send('Watch', more=True)
    while watcher.reply()['event'] != 'current':
        pass
    begin(r, starter, c.put(data)['hash'])
    r.sim.command('a fault lose-request count=0 group=0 id=0')
    before = r.sim.state()['requests'].get('0/0', 0)
    asker.send('Echo', {'device': 'a', 'text': 'x', 'timeoutMs': 60000})
    r.sim.wait(f'requests.0/0>={before + 1}')
    assert r.stop(signal.SIGTERM) == 0
    with pytest.raises(racks.Error) as job:
        while True:
            starter.reply()
    with pytest.raises(racks.Error) as watch:
        while True:
            assert watcher.reply()['event'] in ('changed', 'job', 'detached', 'removed')
    assert asker.receive()['error'] == 'io.mcumgr.Stopping'
    assert (job.value.name, watch.value.name) == ('Stopping', 'Stopping')
    assert 'daemon ends' in job.value.parameters['message']
    assert starter.receive() is None
    r.start()


def test_watch(rack, tmp_path):
    data, _ = image(tmp_path)
    r = rack('a', 'b')
    c = r.ready()
    watcher = r.client()
    watcher.send('Watch', more=True)
    picture = [watcher.reply() for _ in range(3)]
    assert [x['event'] for x in picture] == ['present', 'present', 'current']
    assert [x['device']['id'] for x in picture[:2]] == ['a', 'b'] and 'device' not in picture[2]
    only_b = r.client()
    only_b.send('Watch', {'device': 'b'}, more=True)
    assert [only_b.reply()['event'] for _ in range(2)] == ['present', 'current']
    assert c.call('Update', device='a', file=c.put(data)['hash'])['outcome'] == 'updated'
    r.sim.command('b unplug')
    numbers, states, steps, events = [picture[2]['number']], [], [], []
    while True:
        x = watcher.reply()
        numbers.append(x['number'])
        if x['event'] == 'job':
            steps.append(x['job']['step'])
        if x['device']['id'] == 'a':
            states.append(x['device']['state'])
            events.append(x['event'])
        if x['event'] == 'firmware':
            firmware = x['before'], x['after']
        if x['event'] == 'detached':
            break
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers))), 'a gap'
    assert 'busy' in states and steps[-1] == 'done' and 'upload' in steps
    assert [name for name in events if name not in ('changed', 'job')] == ['rebooted', 'firmware', 'ready']
    old, new = firmware
    assert (old['version'], new['version']) == ('1.0.0', '2.0.0') and old['hash'] != new['hash']
    x = only_b.reply()
    assert (x['device']['id'], x['device']['state'], x['event']) == ('b', 'absent', 'detached')


@pytest.mark.parametrize('change', ['request', 'method'])
def test_a_reset_is_noticed_whoever_sends_it(rack, change):
    r = rack()
    c = r.ready()
    boots = r.sim.state()['boots']
    watcher = r.client()
    watcher.send('Watch', {'device': 'a'}, more=True)
    while watcher.reply()['event'] != 'current':
        pass
    if change == 'request':
        c.call('Request', device='a', operation='write', group=0, command=5)
    else:
        assert c.call('Reset', device='a') == {}
    states, events = [], []
    while not states or states[-1] != 'ready':
        x = watcher.reply()
        states.append(x['device']['state'])
        events.append(x['event'])
    assert events.count('rebooted') == 1 and events[-1] == 'ready'
    assert states[0] == 'quiet'
    assert r.sim.state()['boots'] == boots + 1


def test_a_reset_whose_answer_is_lost(rack):
    r = rack()
    c = r.ready()
    r.sim.command('a fault no-reset-reply')
    assert c.fails('Reset', device='a', timeoutMs=100).name == 'TimedOut'
    assert r.sim.state()['resets_smp'] == 1
    r.client().wait_device('a', lambda d: d['state'] == 'ready')
    assert c.call('Echo', device='a', text='x') == {'text': 'x'}
    assert r.sim.state()['resets_smp'] == 1
