# SPDX-License-Identifier: MIT
"""What an attacker, a bad disk or bad luck in the wrong moment could do to the daemon."""

import os
import random
import resource
import signal
import socket
import sys
import time

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


def test_a_job_that_outlasts_many(rack, image):
    """Of a large rack the board that was begun first is done last: how it ended can still be asked."""
    r = rack('a', 'b')
    c = r.ready()
    file = c.put(image.data)['hash']
    updates.begin(c, image, 'b', detached=True)
    job = updates.until(c, 'reattach')['job']
    r.sim.command('b unplug')
    c = r.client()
    for _ in range(101):
        last = c.fails('Update', device='a', file=file, checksum='0' * 64)
        assert last.name == 'BadImage'
    r.sim.command('b plug')
    c.wait_device('b', lambda d: 'job' not in d and d['state'] == 'ready')
    c = r.client()
    jobs = c.call('Jobs')['jobs']
    assert len(jobs) == 100 and [j['id'] for j in jobs if j['state'] == 'done'] == [job]
    assert updates.check(r, updates.watch(c, job), image, 'b') == 'new'


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


def test_file_that_claims_to_be_too_large(rack):
    """The error is one that the interface has."""
    import hostile_board
    board = hostile_board.Board({(0, 6): {'buf_size': 384, 'buf_count': 1}, (8, 0): {'off': 0, 'data': b'abc', 'len': 1 << 40}})
    r = rack('a', arguments=['--port', f'{board.path},name=hostile,quiet_ms=10'])
    c = r.ready('hostile')
    error = c.fails('FileRead', device='hostile', path='/a')
    assert error.name == 'LimitExceeded' and error.parameters['message'].startswith('/a: ')
    board.close()


@pytest.mark.parametrize('reply', [b'', b'\xbf', b'\xa1\x63off'])
def test_replies_that_are_broken_are_no_silence(rack, image, reply):
    """A transfer tries again, and then says what it was given, as a plain call does."""
    import hostile_board
    slots = [{'slot': 0, 'version': '1.0.0', 'hash': bytes(32), 'active': True, 'confirmed': True}]
    board = hostile_board.Board({(0, 6): {'buf_size': 2048, 'buf_count': 4}, (1, 0): {'images': slots}, (1, 1): reply, (8, 0): reply, (8, 4): {}})
    r = rack('a', arguments=['--port', f'{board.path},name=hostile,quiet_ms=10'])
    c = r.ready('hostile')
    file = c.put(image.data)['hash']
    for error in (c.fails('FileRead', device='hostile', path='/a'), c.fails('FileWrite', device='hostile', path='/a', data='AAAA'),
                  c.fails('ImageUpload', device='hostile', file=file), c.fails('Update', device='hostile', file=file)):
        assert error.name == 'ProtocolError' and "the board's reply is broken" in error.parameters['message'], error
    board.close()


@pytest.mark.parametrize('answer,expected', [
    ({'rc': 1, 'rsn': 'é' * 200}, {'rc': 1, 'reason': 'é' * 200}),
    ({'rc': 1, 'rsn': 'x' + 'é' * 200}, {'rc': 1, 'reason': 'x' + 'é' * 200}),
    ({'rc': 1, 'rsn': '"\\\x1b[31m\0\n'}, {'rc': 1, 'reason': '"\\\x1b[31m\ufffd\n'}),
    ({'rc': 2**63 - 1}, {'rc': 2**63 - 1}),
    ({'rc': 2**63}, {'rc': str(2**63)}),
    ({'rc': -1}, {'rc': 1}),
    ({'err': {'group': 40000, 'rc': 2**64 - 1}}, {'group': 40000, 'rc': str(2**64 - 1)}),
])
def test_errors_that_no_honest_board_has(rack, image, answer, expected):
    """A job's error says all of them, as that of a plain call does."""
    import hostile_board
    slots = [{'slot': 0, 'version': '1.0.0', 'hash': bytes(32), 'active': True, 'confirmed': True}]
    answers = {(0, 6): {'buf_size': 2048, 'buf_count': 1}, (1, 0): {'images': slots}, (1, 1): answer, (8, 0): answer}
    board = hostile_board.Board(answers)
    r = rack('a', arguments=['--port', f'{board.path},name=hostile,quiet_ms=10'])
    c = r.ready('hostile')
    file = c.put(image.data)['hash']
    for error in (c.fails('FileRead', device='hostile', path='/a'), c.fails('Update', device='hostile', file=file),
                  c.fails('Request', device='hostile', operation='write', group=1, command=1)):
        assert error.name == 'DeviceError'
        assert {key: error.parameters[key] for key in expected} == expected
        assert expected.get('reason', '') in error.parameters['message']
    board.close()


def test_an_endless_reason_does_not_cost_the_error_its_parameters(rack, image):
    """Neither in the answer nor in what the next daemon knows of the job."""
    import hostile_board
    slots = [{'slot': 0, 'version': '1.0.0', 'hash': bytes(32), 'active': True, 'confirmed': True}]
    reason = '\x01' * 511 + 'é' * 20000
    board = hostile_board.Board({(0, 6): {'buf_size': 2048, 'buf_count': 1}, (1, 0): {'images': slots}, (1, 1): {'rc': 1, 'rsn': reason}})
    r = rack('a', arguments=['--port', f'{board.path},name=hostile,quiet_ms=10'])
    c = r.ready('hostile')
    before = c.fails('Update', device='hostile', file=c.put(image.data)['hash'])
    assert before.name == 'DeviceError' and before.parameters['reason'] == '\x01' * 511 + '\ufffd'
    assert r.stop() == 0
    r.start()
    job, = r.ready('hostile').call('Jobs')['jobs']
    assert job['error'] == {'error': 'io.mcumgr.DeviceError', 'parameters': before.parameters}
    board.close()


def test_a_board_without_files(rack):
    """The error is one that the interface has, of jobs too."""
    import hostile_board
    board = hostile_board.Board({(0, 6): {'buf_size': 2048, 'buf_count': 1}})
    r = rack('a', arguments=['--port', f'{board.path},name=hostile,quiet_ms=10'])
    c = r.ready('hostile')
    for method, more in ('FileRead', {}), ('FileWrite', {'data': 'YQ=='}), ('FileStatus', {}):
        error = c.fails(method, device='hostile', path='/a', **more)
        assert error.name == 'NotSupported' and error.parameters['group'] == 8
    board.close()


def test_bootloader_with_an_odd_name(rack, image):
    """Whoever asks for it: a probe, or an update of a board that did not answer the probe."""
    import hostile_board
    slots = [{'slot': 0, 'version': '1.0.0', 'hash': bytes(32), 'active': True, 'confirmed': True}]
    odd = {'bootloader': 'é\x1b[2J\0 2.1' + 'x' * 50}
    answers = {(0, 6): {'buf_size': 2048, 'buf_count': 1}, (1, 0): {'images': slots}}
    board = hostile_board.Board(answers)
    r = rack('a', arguments=['--port', f'{board.path},name=hostile,quiet_ms=10'])
    c = r.ready('hostile')
    assert 'bootloader' not in c.call('Get', device='hostile')['device']
    answers[0, 8] = odd
    assert c.fails('Update', device='hostile', file=c.put(image.data)['hash']).name == 'DeviceError'
    assert c.call('Get', device='hostile')['device']['bootloader'] == {'name': '???[2J? 2.1' + 'x' * 20}
    board.close()


def test_answers_that_nobody_reads(rack):
    """They are bounded in all, not only for each client; who reads is served."""
    r = rack()
    c = r.ready()
    idle = []
    for _ in range(90):
        s = socket.socket(socket.AF_UNIX)
        s.connect(r.socket)
        s.setblocking(False)
        idle.append(s)
    call = b'{"method":"org.varlink.service.GetInterfaceDescription","parameters":{"interface":"io.mcumgr"}}\0' * 200
    deadline = time.monotonic() + 30
    while 'leave too much unread' not in r.text():
        assert time.monotonic() < deadline
        for s in idle:
            try:
                s.send(call)
            except OSError:  # full, or cut off
                pass
        assert c.call('Echo', text='x') == {'text': 'x'}
    for s in idle:
        s.close()
    assert c.call('Echo', text='y') == {'text': 'y'}


def test_state_directory_full_of_rubbish(rack, image):
    """Nothing there may hold the daemon up, or keep it from its boards."""
    r = rack()
    r.ready()
    assert r.stop() == 0
    state = r.dir / 'state'
    for folder in 'boards', 'jobs', 'images':
        names = (c * 64 for c in 'abcd') if folder == 'images' else ('fifo', 'folder', 'link', 'bytes')
        fifo, directory, link, data = (state / folder / n for n in names)
        os.mkfifo(fifo)
        directory.mkdir()
        link.symlink_to('/dev/zero')
        data.write_bytes(random.Random(1).randbytes(5000))
    r.start()
    c = r.ready()
    for letter in 'abcd':
        assert c.fails('Update', device='a', file=letter * 64).name == 'NoSuchImage'
    assert updates.run(c, image)['outcome'] == 'updated'


def test_no_room_for_files(rack, image):
    """A limit or a full disk: the update goes on in memory, and the log says so."""
    r = rack()
    r.ready()
    assert r.stop() == 0
    limit = len((r.dir / 'log').read_bytes()) + 8000
    assert limit < len(image.data)
    r.start(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
    assert updates.run(r.ready(), image)['outcome'] == 'updated'
    assert 'kept in memory only: File too large' in r.text()


def test_file_that_was_cut_short_on_the_disk(rack, image):
    """Put again, it is whole again, also for the next daemon: a job of this one may need it there."""
    r = rack()
    hash = r.ready().put(image.data)['hash']
    assert r.stop(signal.SIGKILL) == -signal.SIGKILL
    file = r.dir / 'state/images' / hash
    file.write_bytes(image.data[:1000])
    r.start()
    assert r.ready().put(image.data)['hash'] == hash
    assert r.stop(signal.SIGKILL) == -signal.SIGKILL
    assert file.read_bytes() == image.data
    r.start()
    c = r.ready()
    c.send('Update', {'device': 'a', 'file': hash}, more=True)
    assert updates.follow(c)['outcome'] == 'updated'


def test_a_log_that_nobody_reads(rack):
    """Standard error is a pipe, and who has its other end sleeps: lines are lost, and nobody waits."""
    r = rack()
    r.ready()
    assert r.stop() == 0
    reading, writing = os.pipe()
    redirect = 'import os, sys; os.dup2(int(sys.argv[1]), 2); os.execvp(sys.argv[2], sys.argv[2:])'
    r.words = [sys.executable, '-c', redirect, str(writing), *r.words, '--log-level', 'debug']
    r.start(pass_fds=(writing,))
    os.close(writing)
    c = r.ready()
    for number in range(700):
        assert c.call('Echo', device='a', text=str(number)) == {'text': str(number)}
    assert len(os.read(reading, 1 << 20)) >= 60000, 'it was not full'
    os.close(reading)
    assert c.call('Echo', device='a', text='no reader') == {'text': 'no reader'}


def test_a_board_that_reports_faults_without_end(rack):
    """The log says so, and does not grow with each."""
    r = rack()
    c = r.ready()
    for _ in range(50):
        r.sim.command('a console ' + r'>>> ZEPHYR FATAL ERROR 4\n' * 40)
    while not (lines := c.call('Console', device='a', backlog=1)['lines']) or lines[-1]['number'] < 2000:
        pass
    assert 1 <= r.text().count('reports a fatal error') < 50
