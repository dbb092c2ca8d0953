# SPDX-License-Identifier: MIT
"""The groups of an app beside images (SMP 5.0, 5.2, 5.3, 5.8, 5.9, 5.10, 5.63)."""

import hashlib
import time
import zlib

import pytest
import smp_wire
from smp_wire import READ, WRITE

NAME = '/lfs1/file'


def err(reply):
    assert reply.map.keys() >= {'err'}, reply
    return reply['err']['group'], reply['err']['rc']


# OS -----------------------------------------------------------------------------

def test_echo(start):
    sim, port = start()
    assert port.ask(WRITE, 0, 0, {'d': 'a\x00ö\x1b'}).map == {'r': 'a\x00ö\x1b'}
    assert port.ask(READ, 0, 0, {'d': 'read too'}).map == {'r': 'read too'}
    assert port.ask(WRITE, 0, 0).map == {'r': ''}
    sim.command('a set echo=off')
    assert port.ask(WRITE, 0, 0, {'d': 'x'}).map == {'rc': 8}


def test_params(start):
    sim, port = start('buf_size=1024,buf_count=6')
    assert port.ask(READ, 0, 6).map == {'buf_size': 1024, 'buf_count': 6}
    sim.command('a set params=off')
    assert port.ask(READ, 0, 6).map == {'rc': 8}


def test_taskstat(start):
    _, port = start()
    tasks = port.ask(READ, 0, 2)['tasks']
    assert {'main', 'idle', 'sysworkq'} <= tasks.keys()
    for task in tasks.values():
        assert task['stkuse'] <= task['stksiz']
        assert {'prio', 'tid', 'state', 'runtime', 'cswcnt'} <= task.keys()
    assert tasks['sysworkq']['prio'] == -1


def test_mpstat(start):
    _, port = start()
    pool = port.ask(READ, 0, 3)['tasks']['0']
    assert pool['blksiz'] == 1 and pool['min'] <= pool['nfree'] <= pool['nblks']


def test_datetime(start):
    sim, port = start()
    assert err(port.ask(READ, 0, 4)) == (0, 4)
    assert port.ask(WRITE, 0, 4, {'datetime': '2026-02-03T04:05:06'}).map == {}
    assert port.ask(READ, 0, 4)['datetime'][:17] == '2026-02-03T04:05:'
    for bad in ('2026-02-03', '2026-13-03T04:05:06', '2026-02-03T04:05:06.123456+01:00',
                'x' * 19, '2026-02-03T04:60:06'):
        assert port.ask(WRITE, 0, 4, {'datetime': bad}).map == {'rc': 3}, bad
    sim.command('a reset')
    sim.wait('boots>=2')
    sim.running()
    assert err(port.ask(READ, 0, 4)) == (0, 4)


@pytest.mark.parametrize('letters, output', [
    (None, 'Zephyr'), ('', 'Zephyr'), ('s', 'Zephyr'), ('vs', 'Zephyr 4.4.0'), ('i', 'my_board'),
    ('n', 'unknown'), ('a', 'Zephyr unknown v4.4.0 4.4.0 Thu Jan  1 12:00:00 2026 arm cortex-m4 '
                            'my_board Zephyr')])
def test_info(start, letters, output):
    _, port = start('board_id=my_board')
    request = {} if letters is None else {'format': letters}
    assert port.ask(READ, 0, 7, request).map == {'output': output}


def test_info_with_unknown_letter(start):
    _, port = start()
    assert err(port.ask(READ, 0, 7, {'format': 'sz'})) == (0, 2)


@pytest.mark.parametrize('mode, number', [('single', 0), ('swap-scratch', 1), ('overwrite', 2),
                                          ('swap-move', 3), ('direct-xip', 4),
                                          ('direct-xip-revert', 5), ('ram-load', 6),
                                          ('swap-offset', 9)])
def test_bootloader(start, mode, number):
    sim, port = start(f'mode={mode}')
    assert port.ask(READ, 0, 8).map == {'bootloader': 'MCUboot'}
    assert port.ask(READ, 0, 8, {'query': 'mode'}).map == {'mode': number}
    assert err(port.ask(READ, 0, 8, {'query': 'what'})) == (0, 3)
    sim.command('a set bootloader_info=off')
    assert port.ask(READ, 0, 8).map == {'rc': 8}


def test_reset_answers_until_it_happens(start):
    sim, port = start('reset_delay_ms=150')
    began = time.monotonic()
    assert port.ask(WRITE, 0, 5, {'force': True}).map == {}
    assert port.ask(WRITE, 0, 0, {'d': 'still here'})['r'] == 'still here'
    sim.wait('boots>=2')
    assert time.monotonic() - began >= 0.15
    assert sim.state()['resets_smp'] == 1


# Statistics, enumeration, storage ---------------------------------------------------

def test_stat(start):
    _, port = start()
    assert port.ask(READ, 2, 1).map == {'stat_list': ['smp_svr_stats']}
    reply = port.ask(READ, 2, 0, {'name': 'smp_svr_stats'}).map
    assert reply == {'name': 'smp_svr_stats', 'fields': {'ticks': 0}}
    assert err(port.ask(READ, 2, 0, {'name': 'other'})) == (2, 3)
    assert port.ask(READ, 2, 0).map == {'rc': 3}
    assert port.ask(READ, 2, 0, {'name': b'bytes'}).map == {'rc': 3}


def test_enum(start):
    sim, port = start()
    order = [10, 8, 1, 0, 3, 9, 2, 63]
    assert port.ask(READ, 10, 0).map == {'count': 8}
    assert port.ask(READ, 10, 1).map == {'groups': order}
    assert port.ask(READ, 10, 2).map == {'group': 10}
    assert [port.ask(READ, 10, 2, {'index': i})['group'] for i in range(8)] == order
    assert port.ask(READ, 10, 2, {'index': 7}).map == {'group': 63, 'end': True}
    assert err(port.ask(READ, 10, 2, {'index': 8})) == (10, 4)
    details = port.ask(READ, 10, 3).map['groups']
    assert [d['group'] for d in details] == order
    assert {d['group']: d['handlers'] for d in details}[0] == 9
    assert [d['group'] for d in port.ask(READ, 10, 3, {'groups': [1, 2, 99]})['groups']] == [1, 2]
    sim.command('a set enum=off')
    assert port.ask(READ, 10, 0).map == {'rc': 8}


def test_settings(start):
    sim, port = start()

    def value(name):
        return port.ask(READ, 3, 0, {'name': name})

    assert port.ask(WRITE, 3, 0, {'name': 'sim/a', 'val': b'\x01\x02'}).map == {}
    assert value('sim/a').map == {'val': b'\x01\x02'}
    assert port.ask(READ, 3, 0, {'name': 'sim/a', 'max_size': 1}).map == {'val': b'\x01'}
    assert port.ask(READ, 3, 0, {'name': 'sim/a', 'max_size': 99}).map == {
        'val': b'\x01\x02', 'max_size': 32}
    assert err(value('sim/b')) == (3, 3)
    assert err(value('other/b')) == (3, 5)
    assert err(value('sim/' + 'x' * 28)) == (3, 2)
    assert value('').map == {'rc': 3}
    assert value('ro/id').map == {'val': b'a'}
    assert err(port.ask(WRITE, 3, 0, {'name': 'ro/id', 'val': b'x'})) == (3, 6)
    assert err(port.ask(WRITE, 3, 1, {'name': 'ro/id'})) == (3, 7)
    assert port.ask(WRITE, 3, 0, {'name': 'sim/a', 'val': b'x' * 33}).map == {'rc': 3}
    assert err(port.ask(WRITE, 3, 1, {'name': 'sim/b'})) == (3, 3)
    assert err(port.ask(WRITE, 3, 1, {'name': 'other/b'})) == (3, 3)
    assert port.ask(WRITE, 3, 2).map == {}
    # save keeps it over a reset, load takes back what was not saved
    assert port.ask(WRITE, 3, 3).map == {}
    port.ask(WRITE, 3, 0, {'name': 'sim/a', 'val': b'new'})
    assert port.ask(READ, 3, 3).map == {}
    assert value('sim/a')['val'] == b'\x01\x02'
    port.ask(WRITE, 3, 1, {'name': 'sim/a'})
    sim.command('a reset')
    sim.wait('boots>=2')
    sim.running()
    assert value('sim/a')['val'] == b'\x01\x02'
    assert port.ask(WRITE, 63, 0).map == {}
    assert port.ask(READ, 3, 3).map == {}
    assert err(value('sim/a')) == (3, 3)


# Files (SMP 5.8) --------------------------------------------------------------------

def put(port, off, data, **more):
    return port.ask(WRITE, 8, 0, {'off': off, 'data': data, 'name': NAME, **more})


def get(port, name=NAME):
    out = b''
    while True:
        reply = port.ask(READ, 8, 0, {'off': len(out), 'name': name})
        assert reply['off'] == len(out) and ('len' in reply.map) == (not out)
        if not reply['data']:
            return out
        out += reply['data']


def store(port, data, size=200):
    for off in range(0, len(data), size):
        more = {} if off else {'len': len(data)}
        assert put(port, off, data[off:off + size], **more)['off'] == min(off + size, len(data))


def test_file_there_and_back(start):
    _, port = start()
    data = bytes(range(256)) * 5
    store(port, data)
    assert port.ask(READ, 8, 1, {'name': NAME}).map == {'len': len(data)}
    assert get(port) == data
    store(port, b'shorter')
    assert get(port) == b'shorter'


def test_checksums(start):
    _, port = start()
    data = b'checksum me' * 30
    store(port, data)

    def check(**more):
        return port.ask(READ, 8, 2, {'name': NAME, **more})

    assert check().map == {'type': 'crc32', 'len': 330, 'output': zlib.crc32(data)}
    assert check(off=3, len=5).map == {'type': 'crc32', 'off': 3, 'len': 5,
                                       'output': zlib.crc32(data[3:8])}
    assert check(type='sha256', len=9999).map == {'type': 'sha256', 'len': 330,
                                                  'output': hashlib.sha256(data).digest()}
    assert check(len=0).map == {'rc': 3}
    assert err(check(off=330)) == (8, 12)
    assert err(check(type='md5')) == (8, 13)
    assert err(port.ask(READ, 8, 2, {'name': '/lfs1/none'})) == (8, 3)
    assert port.ask(READ, 8, 3).map == {'types': {'crc32': {'format': 0, 'size': 4},
                                                  'sha256': {'format': 1, 'size': 32}}}


def test_file_errors(start):
    _, port = start()
    assert err(port.ask(READ, 8, 0, {'off': 0, 'name': NAME})) == (8, 3)
    assert err(port.ask(READ, 8, 1, {'name': '/lfs1'})) == (8, 4)
    assert err(port.ask(READ, 8, 1, {'name': 'relative'})) == (8, 2)
    assert err(port.ask(WRITE, 8, 0, {'off': 0, 'len': 1, 'data': b'x', 'name': '/sd/x'})) == (
        8, 14)
    for bad in ({'off': 0, 'name': ''}, {'off': 0, 'name': '/lfs1/' + 'x' * 60}, {'off': 0},
                {'name': NAME}):
        assert port.ask(READ, 8, 0, bad).map == {'rc': 3}
    assert port.ask(WRITE, 8, 0, {'off': 0, 'data': b'x', 'name': NAME}).map == {'rc': 3}


def test_wrong_offset_says_the_right_one(start):
    _, port = start()
    put(port, 0, b'x' * 100, len=300)
    assert put(port, 200, b'x').map == {'err': {'group': 8, 'rc': 11}, 'len': 100}
    # that closed the file; going on from there works
    assert put(port, 100, b'y' * 200)['off'] == 300
    port.ask(WRITE, 8, 4)
    assert get(port) == b'x' * 100 + b'y' * 200


def test_first_chunk_is_not_idempotent(start):
    _, port = start()
    assert put(port, 0, b'1' * 100, len=300)['off'] == 100
    assert put(port, 0, b'2' * 100, len=300)['off'] == 200
    assert put(port, 200, b'3' * 100)['off'] == 300
    assert get(port) == b'1' * 100 + b'2' * 100 + b'3' * 100
    # once it is closed, offset 0 truncates
    assert put(port, 0, b'4' * 100, len=100)['off'] == 100
    assert get(port) == b'4' * 100


def test_length_is_not_checked(start):
    _, port = start()
    put(port, 0, b'x' * 200, len=300)
    assert put(port, 200, b'x' * 110)['off'] == 310
    assert port.ask(READ, 8, 1, {'name': NAME})['len'] == 310


def test_open_file_is_seen_when_it_is_closed(start):
    _, port = start()
    put(port, 0, b'x' * 100, len=300)
    assert port.ask(READ, 8, 1, {'name': NAME})['len'] == 0
    assert err(port.ask(READ, 8, 2, {'name': NAME})) == (8, 16)
    assert port.ask(WRITE, 8, 4).map == {}
    assert port.ask(READ, 8, 1, {'name': NAME})['len'] == 100


def test_empty_upload(start):
    _, port = start()
    assert put(port, 0, b'', len=0)['off'] == 0
    port.ask(WRITE, 8, 4)
    assert port.ask(READ, 8, 1, {'name': NAME})['len'] == 0


def test_length_of_a_download_is_that_of_the_opening(start):
    _, port = start()
    store(port, b'x' * 1000)
    first = port.ask(READ, 8, 0, {'off': 0, 'name': NAME})
    assert first['len'] == 1000 and len(first['data']) < 1000
    assert port.ask(READ, 8, 0, {'off': 2000, 'name': NAME}).map == {'off': 2000, 'data': b''}


# Shell (SMP 5.9) --------------------------------------------------------------------

def test_shell(start):
    sim, port = start()

    def run(*argv):
        return port.ask(WRITE, 9, 0, {'argv': list(argv)}).map

    assert run('kernel', 'version') == {'o': '\r\nZephyr version 4.4.0\r\n', 'ret': 0}
    assert run('echo one  two') == {'o': '\r\none  two\r\n', 'ret': 0}
    assert run('nonsense') == {
        'o': '\r\n\x1b[1;31mnonsense: command not found\r\n\x1b[m', 'ret': -8}
    assert run('fail', '-5') == {'o': '\r\nfailed\r\n', 'ret': -5}
    assert run('') == {'o': '\r\n', 'ret': -8}
    assert 'Uptime' in run('kernel uptime')['o']
    assert port.ask(WRITE, 9, 0, {'argv': 'text'}).map == {'rc': 3}
    assert err(port.ask(WRITE, 9, 0, {'argv': [1]})) == (9, 3)
    assert err(port.ask(WRITE, 9, 0, {'argv': []})) == (9, 3)
    assert err(port.ask(WRITE, 9, 0, {'argv': ['x' * 100] * 3})) == (9, 2)
    sim.command('a set legacy_rc=on')
    assert run('fail', '-5') == {'o': '\r\nfailed\r\n', 'rc': -5}


def test_shell_reboots(start):
    sim, port = start()
    assert port.ask(WRITE, 9, 0, {'argv': ['kernel', 'reboot']})['ret'] == 0
    sim.wait('boots>=2')


def test_console_shell(start):
    sim, port = start()
    prompt = b'\x1b[1;32muart:~$ \x1b[m'
    sim.command('a set shell=on')
    port.send(b'\n')
    port.text(prompt)
    port.send(b'kernel version\r\n')
    assert b'kernel version\r\nZephyr version 4.4.0\r\n' + prompt in port.text(b'4.4.0\r\n' + prompt)
    # a frame behind half a line, and its reply on the same line
    port.console = b''
    port.send(b'ker')
    port.text(b'ker')
    assert port.ask(WRITE, 0, 0, {'d': 'x'})['r'] == 'x'
    port.send(b'\n')
    port.text(b'ker: command not found\r\n')
    # but what comes at once is text as a whole when it starts as text
    port.send(b'x' + smp_wire.frame(smp_wire.message(WRITE, 0, 0, {'d': 'lost'})))
    port.text(b'=: command not found\r\n')
    port.send(b'kernel upx\x08time\r')
    port.text(b'Uptime')
    assert port.ask(WRITE, 0, 0, {'d': 'x'})['r'] == 'x'
    port.console = b''
    port.send(b'\t')
    port.text(b'kernel\x1b[m\r\n' + prompt)
    port.console = b''
    port.send(b'fail\x03')
    assert port.text(prompt) == b'fail\r\n' + prompt
