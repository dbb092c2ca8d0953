# SPDX-License-Identifier: MIT
"""Transfers at the boundaries of buffers: CBOR lengths take another byte from 24, 256 and 65536 on (SMP §6.1), messages on a
console line lose four to length and CRC. A board drops what is too long without a word, so what arrives whole was not."""

import base64
import concurrent.futures
import random

import pytest
import rack as racks
import updates

# The buffer; what is around 24, 256 and 65536 bytes of data in a chunk is around these.
BUFFERS = [96, 97, 104, 128, 255, 256, 257, 280, 281, 282, 283, 284, 300, 335, 336, 337, 338, 339, 340, 384, 1024, 2048, 4096, 65535]
SIZES = [1, 23, 24, 255, 256, 700]


@pytest.fixture(scope='module')
def boards():
    keys = {f'b{size}': f'burst=ok,buf_size={size}' for size in BUFFERS}
    r = racks.Rack(tuple(keys), keys)
    r.ready()
    yield r
    r.close()


def file_goes_and_comes(r, buffer):
    client, dice = r.client(), random.Random(buffer)
    device = client.call('Get', device=f'b{buffer}')['device']
    assert (device['bufferSize'], device['frameSize']) == (buffer, buffer - 4)
    for size in SIZES if buffer < 60000 else [*SIZES, 65535, 65536, 140000]:
        data = dice.randbytes(size)
        done = client.call('FileWrite', device=f'b{buffer}', path='/lfs1/s', data=base64.b64encode(data).decode(), timeoutMs=2000)
        assert done['verified'] == 'sha256'
        got = client.call('FileRead', device=f'b{buffer}', path='/lfs1/s', timeoutMs=2000)
        assert base64.b64decode(got['data']) == data, (buffer, size)


def test_files_at_every_boundary(boards):
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda buffer: file_goes_and_comes(boards, buffer), BUFFERS))
    # Nothing was sent that a board had to drop.
    for board in boards.boards:
        state = boards.sim.state(board)
        assert (state['dropped_packets'], state['dropped_lines']) == (0, 0), board


def test_images_at_every_boundary(boards, tmp_path):
    image = updates.Image(tmp_path)

    def upload(buffer):
        client = boards.client()
        end = client.call('ImageUpload', device=f'b{buffer}', file=client.put(image.data)['hash'])
        assert end['outcome'] == 'uploaded'

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        list(pool.map(upload, BUFFERS))
    for board in boards.boards:  # the smallest cannot say it: its list of two does not fit its buffer
        state = boards.sim.state(board)
        assert updates.other(state)['hash'] == image.hash and state['dropped_packets'] == 0, board


@pytest.mark.parametrize('buffers', [3, 8])
@pytest.mark.parametrize('line', ['baud=460800,latency_ms=4', 'baud=1000000,latency_ms=16', 'baud=3000000,latency_ms=2'])
def test_never_more_requests_than_the_board_has_buffers(rack, tmp_path, buffers, line):
    """A real board may end with a request that finds no buffer: a packet has one from its first line on, a reply until its
    last byte has left. Pages of flash that take longer to erase than the cable holds fill them all."""
    r = rack('a', keys=f'burst=ok,buf_count={buffers},page_us=40000,{line}')
    client, image = r.ready(), updates.Image(tmp_path)
    data = base64.b64encode(random.Random(1).randbytes(12000)).decode()
    assert client.call('ImageUpload', device='a', file=client.put(image.data)['hash'])['outcome'] == 'uploaded'
    assert client.call('FileWrite', device='a', path='/lfs1/s', data=data)['verified']
    assert client.call('FileRead', device='a', path='/lfs1/s')['data'] == data
    assert r.sim.state('a')['dropped_packets'] == 0


def test_a_reply_too_large_is_explained(boards):
    error = boards.client().fails('Tasks', device='b96').parameters
    assert (error['rc'], error['name']) == (7, 'EMSGSIZE') and "does not fit the board's buffer" in error['message']
    assert 'CONFIG_MCUMGR_TRANSPORT_NETBUF_SIZE' in error['hint']


def test_without_parameters_the_defaults_hold(rack):
    """384 bytes, of which the console's length and CRC take four; overridden by Configure, and back."""
    r = rack('a', keys='params=off,burst=ok')
    client = r.ready()
    device = client.call('Get', device='a')['device']
    assert 'bufferSize' not in device and device['frameSize'] == 380
    longest = 'x' * (380 - 8 - 6)
    assert client.call('Echo', device='a', text=longest) == {'text': longest}
    for size, limit in ((200, 196), (0, 380)):
        client.call('Configure', device='a', frameSize=size)
        assert client.call('Get', device='a')['device']['frameSize'] == limit
        error = client.fails('Echo', device='a', text='x' * limit).parameters
        assert (error['limit'], error['maximum']) == ('request', limit)
    client.call('Configure', device='a', frameSize=128)
    client.call('FileWrite', device='a', path='/lfs1/s', data=base64.b64encode(bytes(1000)).decode())
    assert client.call('FileStatus', device='a', path='/lfs1/s') == {'size': 1000}
