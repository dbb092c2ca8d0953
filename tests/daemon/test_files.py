# SPDX-License-Identifier: MIT
"""Files of a board: every size, every lost or strange answer, and what is left open afterwards."""

import base64
import random
import time
import zlib

import hostile_board
import pytest
import rack as racks
import simulator


def content(size):
    return random.Random(size).randbytes(size)


def write(client, path, data, **more):
    return list(client.stream('FileWrite', device='a', path=path, data=base64.b64encode(data).decode(), **more))


def read(client, path, **more):
    data = b''
    for reply in client.stream('FileRead', device='a', path=path, **more):
        assert reply['offset'] == len(data)
        data += base64.b64decode(reply['data'])
        size = reply['size']
    assert len(data) == size
    return data


@pytest.fixture(scope='module')
def board():
    import rack
    r = rack.Rack(('a',), 'burst=ok')
    r.ready()
    yield r
    r.close()


@pytest.mark.parametrize('size', [0, 1, 23, 24, 255, 256, 319, 320, 321, 1000, 5000, 65535, 65536])
def test_a_file_comes_back_as_it_was_sent(board, size):
    client = board.client()
    replies = write(client, f'/lfs1/f{size}', content(size))
    assert replies[-1]['doneBytes'] == replies[-1]['totalBytes'] == size
    assert replies[-1].get('verified') == ('sha256' if size else None)
    told = [reply['doneBytes'] for reply in replies]
    assert told == sorted(told), 'from 0 only when the upload begins once more'
    assert read(client, f'/lfs1/f{size}') == content(size)
    assert client.call('FileStatus', device='a', path=f'/lfs1/f{size}') == {'size': size}


@pytest.mark.parametrize('frame_size, ends', [(128, None), (32, 'holds no chunk'), (0, None)])
@pytest.mark.parametrize('kind', ['image', 'file'])
def test_another_client_asks_for_shorter_messages(rack, tmp_path, kind, frame_size, ends):
    """In the middle of a transfer, which goes on with such messages and does not end with those that it had planned."""
    r = rack('a', keys='baud=921600')
    client, other, data = r.client(), r.client(), content(100000)
    call = ('FileWrite', {'path': '/lfs1/f', 'data': base64.b64encode(data).decode()})
    if kind == 'image':
        data, image_hash = simulator.make_image(tmp_path / 'image', '2.0.0', size='100K')
        call = ('ImageUpload', {'file': client.put(data)['hash']})
    replies = client.stream(call[0], {'device': 'a', **call[1]})
    assert any(reply.get('doneBytes', 0) > 0 for reply in replies)
    other.call('Configure', device='a', frameSize=frame_size)
    if ends:
        with pytest.raises(racks.Error) as error:
            list(replies)
        assert error.value.name == 'ProtocolError' and ends in error.value.parameters['message']
        return
    list(replies)
    if kind == 'image':
        assert {s['slot']: s['hash'] for s in other.call('ImageList', device='a')['slots']}[1] == image_hash.hex()
    else:
        other.call('Configure', device='a', frameSize=0)
        assert read(other, '/lfs1/f') == data


@pytest.mark.parametrize('tells', ['the transfer', 'Parameters'])
def test_a_board_with_less_room_than_before(rack, tells):
    """It was reset and told nobody. What it answers in the middle of a transfer, or to a client, is learnt for the next one."""
    r = rack('a', keys='buf_size=1024')
    client, data = r.client(), content(5000)
    write(client, '/lfs1/f', data)
    r.sim.command('a set buf_size=128')
    r.sim.command('a power-cut ms=1')
    r.sim.running('a')
    if tells == 'Parameters':
        assert client.call('Parameters', device='a')['bufferSize'] == 128
    else:
        write(client, '/lfs1/f', data)
    before = r.sim.state('a')['requests']['8/4']
    write(client, '/lfs1/g', data)
    assert r.sim.state('a')['requests']['8/4'] == before + 2, 'a first chunk that gets lost is sent behind another close'
    assert read(client, '/lfs1/g') == data


def test_without_more_all_comes_in_one_reply(board):
    client = board.client()
    client.call('FileWrite', device='a', path='/lfs1/one', data=base64.b64encode(content(3000)).decode())
    reply = client.call('FileRead', device='a', path='/lfs1/one')
    assert base64.b64decode(reply['data']) == content(3000) and reply['size'] == 3000


def test_a_shorter_file_replaces_a_longer_one(board):
    client = board.client()
    write(client, '/lfs1/r', content(4000))
    write(client, '/lfs1/r', b'short')
    assert read(client, '/lfs1/r') == b'short'


@pytest.mark.parametrize('method, parameters, error, says', [
    ('FileRead', {'path': '/lfs1/none'}, 'DeviceError', 'FILE_NOT_FOUND'),
    ('FileRead', {'path': '/nowhere/x'}, 'DeviceError', 'FILE_NOT_FOUND'),
    ('FileWrite', {'path': '/nowhere/x', 'data': 'YQ=='}, 'DeviceError', 'MOUNT_POINT_NOT_FOUND'),
    ('FileRead', {'path': ''}, 'InvalidParameter', '/lfs1/a.txt'),
    ('FileRead', {'path': 'x' * 256}, 'InvalidParameter', '1 to 255'),
    ('FileWrite', {'path': '/lfs1/x', 'data': 'a'}, 'InvalidParameter', 'base64'),
])
def test_what_cannot_be_is_said(board, method, parameters, error, says):
    failed = board.client().fails(method, device='a', **parameters)
    assert failed.name == error
    assert says in failed.parameters['message'] + str(failed.parameters.get('name'))


@pytest.mark.parametrize('beyond', [1, 2, 3, 1000])
def test_a_file_over_the_limit_is_refused_before_a_byte_is_sent(board, beyond):
    failed = board.client().fails('FileWrite', device='a', path='/lfs1/x',
                                  data=base64.b64encode(bytes((4 << 20) + beyond)).decode())
    assert (failed.name, failed.parameters['limit'], failed.parameters['maximum']) == ('LimitExceeded', 'fileBytes', 4 << 20)


# Every kind of loss at several places of the transfer: the file arrives, or comes, intact.
# A chunk that is lost in the middle leaves a board that refuses the next, closes the file and forgets where its end is.
LOSSES = [f'{kind} count=1 group=8 id=0' for kind in ('lose-request', 'lose-reply', 'duplicate-reply', 'corrupt-crc')] + [
    'lose-request count=1 group=8 id=0 at=300', 'lose-reply p=0.1 group=8', 'lose-request p=0.1 group=8', 'log-in-packet p=0.2 group=8']


@pytest.mark.parametrize('fault', LOSSES)
def test_a_bad_cable_costs_time_not_bytes(rack, fault):
    r = rack('a', keys='burst=ok', timeout_ms=100)
    client = r.ready()
    r.sim.command(f'a fault {fault}')
    data = content(6000)
    write(client, '/lfs1/f', data, timeoutMs=100)
    assert read(client, '/lfs1/f', timeoutMs=100) == data


@pytest.mark.parametrize('fault', ['lose-request', 'lose-reply', 'corrupt-crc'])
def test_a_lost_first_chunk_costs_seconds(rack, fault):
    """Also when the question after it is lost, with the deadlines that nobody changed."""
    r = rack('a', keys='burst=ok')
    client = r.ready()
    r.sim.command(f'a fault {fault} count=1 group=8 id=0')
    r.sim.command(f'a fault {fault} count=1 group=0 id=6')
    began = time.monotonic()
    write(client, '/lfs1/f', content(500))
    assert time.monotonic() - began < 12


def test_a_damaged_file_is_sent_once_more(rack):
    r = rack('a', keys='burst=ok,baud=115200')
    client = r.ready()
    r.sim.command('a fault wrong-byte count=1')
    replies = write(client, '/lfs1/f', content(8000))
    done = [reply['doneBytes'] for reply in replies]
    assert done[-1] == 8000 and done != sorted(done), 'it began again'
    assert replies[-1]['verified'] == 'sha256'
    assert read(client, '/lfs1/f') == content(8000)


def test_a_file_that_stays_damaged_is_told(rack):
    r = rack('a', keys='burst=ok')
    client = r.ready()
    r.sim.command('a fault wrong-byte count=1000')
    failed = client.fails('FileWrite', device='a', path='/lfs1/f', data=base64.b64encode(content(3000)).decode())
    assert failed.name == 'ProtocolError' and failed.parameters['step'] == 'verify'
    assert 'twice: the file is damaged' in failed.parameters['message']


class SummingBoard:
    """A board with files whose only checksum is CRC-32; `change` is made to each number that it tells."""

    def __init__(self, change=0):
        self.data, self.change, self.sums = b'', change, 0
        self.board = hostile_board.Board({
            (0, 6): {'buf_size': 2048, 'buf_count': 4}, (8, 0): self.take, (8, 2): self.sum, (8, 4): {},
            (8, 3): {'types': {'crc32': {'format': 0, 'size': 4}}}})

    def take(self, request):
        self.data = self.data[:request['off']] + request['data']
        return {'off': len(self.data)}

    def sum(self, _):
        self.sums += 1
        return {'type': 'crc32', 'len': len(self.data), 'output': zlib.crc32(self.data) ^ self.change}


@pytest.mark.parametrize('change', [0, 1, 1 << 31])
def test_a_board_that_has_another_checksum(rack, change):
    sums = SummingBoard(change)
    r = rack('a', arguments=['--port', f'{sums.board.path},name=sums,quiet_ms=10'])
    c = r.ready('sums')
    for size in (*range(1, 18), 4095, 70001):
        data = base64.b64encode(content(size)).decode()
        if change:
            error = c.fails('FileWrite', device='sums', path='/a', data=data)
            assert error.name == 'ProtocolError' and 'checksum' in error.parameters['message']
        else:
            assert c.call('FileWrite', device='sums', path='/a', data=data)['verified'] == 'crc32'
        assert sums.data == content(size)
    assert sums.sums
    sums.board.close()


def test_nothing_written_over_a_file_leaves_it_and_is_told(board):
    client = board.client()
    write(client, '/lfs1/full', b'something')
    failed = client.fails('FileWrite', device='a', path='/lfs1/full', data='')
    assert failed.name == 'ProtocolError'
    assert failed.parameters['message'].startswith('/lfs1/full: the board left the file as it was, with 9 bytes')
    assert read(client, '/lfs1/full') == b'something'


def test_a_client_that_leaves_closes_the_file(rack):
    r = rack('a', keys='burst=ok,baud=115200')
    client = r.ready()
    leaver = r.client()
    leaver.send('FileWrite', {'device': 'a', 'path': '/lfs1/half', 'data': base64.b64encode(content(50000)).decode()}, more=True)
    leaver.receive()
    leaver.close()
    write(client, '/lfs1/other', content(2000))
    assert read(client, '/lfs1/other') == content(2000)
    jobs = client.call('Jobs')['jobs']
    assert [j['state'] for j in jobs if j['kind'] == 'file'] == ['cancelled', 'done']


def test_a_second_transfer_is_refused_while_one_runs(rack):
    r = rack('a', keys='burst=ok,baud=115200')
    client = r.ready()
    first = r.client()
    first.send('FileWrite', {'device': 'a', 'path': '/lfs1/long', 'data': base64.b64encode(content(20000)).decode()}, more=True)
    first.receive()
    failed = client.fails('FileRead', device='a', path='/lfs1/x')
    assert failed.name == 'UpdateRefused' and failed.parameters['reason'] == 'job'
    assert client.call('Echo', device='a', text='between') == {'text': 'between'}


def crossings(client):
    """The file commands of the trace: 'sent FileClose', 'received FileWrite' ..."""
    return [f'{e["kind"]} {e["commandName"]}' for e in client.call('Trace', device='a')['entries']
            if e.get('commandName', '').startswith('File')]


def test_single_requests_do_not_wait_for_each_other(rack):
    """A close and the first chunk go together, a close and the checksum too; what checksums there are is asked meanwhile."""
    r = rack('a', keys='burst=ok,buf_count=8,latency_ms=50')
    client = r.ready()
    assert write(client, '/lfs1/x', content(3000))[-1]['verified'] == 'sha256'
    assert read(client, '/lfs1/x') == content(3000)
    said = crossings(client)
    up, down = said[:said.index('sent FileRead') - 1], said[said.index('sent FileRead') - 1:]
    assert up[:2] == ['sent FileClose', 'sent FileWrite'] and down[:2] == ['sent FileClose', 'sent FileRead']
    assert up[-4:] == ['sent FileClose', 'sent FileHash', 'received FileClose', 'received FileHash']
    assert up.index('sent FileHashTypes') < len(up) - 1 - up[::-1].index('sent FileWrite')


@pytest.mark.parametrize('fault', ['lose-request count=1 group=8 id=4', 'lose-reply count=1 group=8 id=4',
                                   'lose-request count=1 group=8 id=2', 'error count=1 group=8 id=2 errgroup=8 rc=1',
                                   'error count=1 group=8 id=3 rc=1', 'lose-request count=1 group=8 id=3'])
def test_an_upload_is_verified_whatever_becomes_of_the_early_question(rack, fault):
    r = rack('a', keys='burst=ok,buf_count=8,latency_ms=20')
    client = r.ready()
    if 'id=3' in fault:  # asked when the file is opened, the others at its end
        r.sim.command(f'a fault {fault}')
    replies = client.stream('FileWrite', device='a', path='/lfs1/x', data=base64.b64encode(content(9000)).decode())
    reply = next(replies)
    if 'id=3' not in fault:
        r.sim.command(f'a fault {fault}')
    for reply in replies:
        pass
    assert reply['verified'] == 'sha256'


def window(rack):
    return rack.client().call('Get', device='a')['device']['window']


def begins_with(client):
    """Requests that the newest upload had in flight when the answer to its first chunk had come."""
    entries = client.call('Trace', device='a')['entries']
    kinds = [e['kind'] for e in entries if e.get('commandName') == 'FileWrite' and e['kind'] in ('sent', 'received')]
    flight = 0
    for kind in kinds[kinds.index('received') + 1:]:
        if kind == 'received':
            return flight
        flight += 1
    return flight


def restart(rack):
    assert rack.stop() == 0
    rack.start()
    return rack.ready()


def test_the_window_is_remembered(rack):
    r = rack(keys='burst=ok,buf_count=8,latency_ms=4')
    c = r.ready()
    assert window(r) == 1
    write(c, '/lfs1/w', content(10000))
    # one of the first two places may be that of the question for checksums
    assert (begins_with(c), window(r)) in ((1, 7), (2, 7))
    c = restart(r)
    assert window(r) == 7
    write(c, '/lfs1/w', content(10000))
    assert (begins_with(c), window(r)) == (7, 7)
    # Three in a row, near the end: more than bad luck.
    r.sim.command('a fault lose-request count=3 group=8 id=0 op=write at=7500')
    write(c, '/lfs1/w', content(10000))
    smaller = window(r)
    assert 1 < smaller < 7
    c = restart(r)
    assert window(r) == smaller
    write(c, '/lfs1/w', content(4000))
    assert begins_with(c) == smaller
    assert read(c, '/lfs1/w') == content(4000)
    # Firmware with fewer buffers: never more than those.
    r.stop()
    state, = (r.dir / 'state/boards').iterdir()
    state.write_text(state.read_text().replace(f'window {smaller}', 'window 16').replace(f'window={smaller}', 'window=16'))
    r.start()
    r.ready()
    assert window(r) == 7


def test_a_configured_window_is_not_learnt(rack):
    r = rack(keys='burst=ok,buf_count=8', window=2)
    c = r.ready()
    write(c, '/lfs1/w', content(10000))
    assert window(r) == 1
    assert not [f for f in (r.dir / 'state/boards').iterdir() if 'window' in f.read_text()]
