# SPDX-License-Identifier: MIT
"""The benchmark works: its figures are there, its cables do what is asked of them. How fast it was is nobody's test."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
from xml.etree import ElementTree

import pytest

HERE = pathlib.Path(__file__).parent
BUILD = os.environ.get('MCUMGRD_BUILD')
if BUILD:
    os.environ.setdefault('MCUMGRD', f'{BUILD}/daemon/mcumgrd')
    os.environ.setdefault('MCUMGR_SIM', f'{BUILD}/tests/sim/mcumgr-sim')
    os.environ.setdefault('BENCH_LINK', f'{BUILD}/tests/bench/bench-link')
    os.environ.setdefault('BENCH_CODEC', f'{BUILD}/tests/bench/bench-codec')

sys.path.insert(0, str(HERE))
import bench  # noqa: E402
import instructions  # noqa: E402
import limits  # noqa: E402
import peers  # noqa: E402
import picture  # noqa: E402
import rack_update  # noqa: E402


def test_limit_of_the_wire():
    """By hand: a message of 380 bytes is a packet of 384, four lines of 93 and one of 12: 4 * 127 + 19 bytes."""
    assert limits.framed(380) == 527
    assert limits.framed(89) == 127
    most = limits.limit('image', 100000, 115200, 384, 4, 0.004)
    assert (most.chunk, most.request) == (354, 527)  # the table of chunk sizes for offsets beyond 65535
    assert most.wire == 11520 * 354 / 527
    round_trip = (527 + most.reply) * 10 / 115200 + 0.008
    assert most.buffers == pytest.approx(3 * 354 / round_trip)
    assert most.least == most.wire
    assert limits.limit('image', 100000, 0, 384, 4, 0.004).wire is None


@pytest.mark.parametrize('kind', ['image', 'write', 'read'])
def test_cell(kind):
    r = bench.one_cell(kind, 1000000, 384, 1, size=20480)
    assert r['problem'] is None and r['rate'] > 0 and r['cpu_s'] >= 0
    way = r['crossed']['to_host' if kind == 'read' else 'to_board']
    assert way['wire'] == way['offered'] == way['delivered'] > 20480 * 4 / 3
    assert way['wire'] * 10 / 1000000 <= r['seconds'], 'faster than the wire'


@pytest.mark.parametrize('bad, counter', [({'loss': 0.03}, 'lost_lines'), ({'flip': 0.03}, 'flipped_lines'),
                                          ({'log_between': 0.5}, 'log')])
def test_bad_cable(bad, counter):
    r = bench.one_cell('image', 3000000, 384, 0, size=20480, **bad)
    assert r['problem'] is None
    assert r['crossed']['to_board'][counter] + r['crossed']['to_host'][counter] > 0


def test_a_cell_that_fails_is_told_and_the_others_go_on(monkeypatch):
    monkeypatch.setattr(bench, 'PATH', '/' + 'x' * 5000)
    r = bench.one_cell('read', 1000000, 384, 0, size=1024)
    assert r['seconds'] is None and 'path' in r['problem'] and bench.one_row(r)[5] == 'failed'
    lines = bench.matrix_tables([r, {**r, 'kind': 'image', 'latency_ms': 4, 'seconds': 1, 'rate': 99, 'limit': 100}])
    assert [c.strip() for c in lines[4].split('|')[1:-1]] == ['read', '1 M', '4 x 384', 'failed', '']
    assert [c.strip() for c in lines[5].split('|')[1:-1]] == ['image', '1 M', '4 x 384', '', '99.0']


def test_the_median_of_some_runs_counts(monkeypatch):
    rates = iter([30, 10, 20, 40, 0])
    monkeypatch.setattr(bench, 'one_cell', lambda *cell, **_: {'cell': cell, 'rate': (n := next(rates)),
                                                                'problem': None if n else 'lost'})
    r = bench.median_cell(5, 'image', 115200)
    assert (r['rate'], r['rates'], r['problem'], r['cell']) == (20, [0, 10, 20, 30, 40], 'lost', ('image', 115200))


def test_a_part_that_fails_spoils_no_other(monkeypatch, tmp_path, capsys):
    def fails(*_):
        raise RuntimeError('no cable')
    monkeypatch.setattr(bench.rack_update, 'memory_cells', fails)
    monkeypatch.setattr(sys, 'argv', ['bench', '--only', 'memory', '--only', 'bad', '--json', str(tmp_path / 'j')])
    monkeypatch.setattr(bench, 'BAD', [])
    assert bench.main() is True
    assert json.loads((tmp_path / 'j').read_text())['bad'] == [] and 'no cable' in capsys.readouterr().err


def test_tables_of_a_page_are_replaced():
    page = '# P\ntext\n\n### A\n\n| old |\n|---|\n| 1 |\n\nwords\n\n### B\n\n| kept |\n\n## End\n'
    lines = [*bench.table(['x'], [['2'], ['3']], 'A'), *bench.table(['y'], [['4']], 'C')]
    assert bench.document(page, lines) == page.replace('| old |\n|---|\n| 1 |', '| x |\n|---|\n| 2 |\n| 3 |')
    titles = (bench.HERE.parents[1] / 'docs/performance.md').read_text().split('\n')
    for title in (bench.MATRIX_TITLE, bench.CDC_TITLE):
        assert f'### {title}' in titles


def test_the_matrix_is_whole():
    cells = list(bench.matrix())
    assert len(cells) == len(set(cells)) == 3 * (4 * 3 * 4 + 2 * 3)
    assert ('write', 921600, 384, 16, 8) in cells


def test_many_boards():
    r = bench.many_cell(3, 1000000, 16384, store=65536)
    assert r['rate'] > 0 and r['slowest'] > 0 and r['echo_count'] > 0 and r['rss_kib'] > 0


def test_program(tmp_path):
    out = subprocess.run([sys.executable, '-B', str(HERE / 'bench.py'), '--cell', 'image,3000000,384,0,4', '--seconds', '0.2',
                          '--json', str(tmp_path / 'j'), '--markdown', str(tmp_path / 'm')], capture_output=True, text=True)
    assert out.returncode == 0, out.stderr
    assert '% of wire' in out.stdout and 'round trip' in out.stderr
    assert (tmp_path / 'm').read_text().strip() == out.stdout.strip()
    said = json.loads((tmp_path / 'j').read_text())
    assert said['machine']['cores'] == os.cpu_count() and said['one'][0]['problem'] is None


@pytest.mark.parametrize('words, says', [
    (['--cell', 'foo'], '--cell: foo is not KIND,BAUD,BUF_SIZE,LATENCY_MS,BUF_COUNT'),
    (['--cell', 'image,115200,384,4'], 'is not KIND,BAUD'), (['--cell', 'image,fast,384,4,4'], 'is not KIND,BAUD'),
    (['--cell', 'erase,115200,384,4,4'], 'is not KIND,BAUD'), (['--cell', 'image,115200,384,-1,4'], 'is not KIND,BAUD'),
    (['--cell', 'image,115200,384,nan,4'], 'is not KIND,BAUD'), (['--cell', 'image,115200,63,4,4'], 'is not KIND,BAUD'),
    (['--cell', 'image,115200,384,4,0'], 'is not KIND,BAUD'),
    (['--runs', '0'], '--runs: 0 is not'), (['--boards', '0'], '--boards: 0 is not'), (['--boards', 'x'], '--boards: x is not'),
    (['--seconds', '0'], '--seconds: 0 is not'), (['--seconds', 'inf'], '--seconds: inf is not'),
    (['--tty', '/dev/ttyACM0'], '--tty needs --cell'),
    (['--tty', '/dev/none', '--cell', 'image,115200,384,4,4'], '/dev/none: No such file'),
    (['--json', '/none/file'], '--json: /none/file'), (['--markdown', '/'], '--markdown: /: '), (['--svg', '/none/f'], '--svg: /none/f'),
    (['--document', '/none'], '--document: /none')])
def test_wrong_words_are_told_before_anything_is_measured(monkeypatch, capsys, words, says):
    monkeypatch.setattr(sys, 'argv', ['bench', *words])
    with pytest.raises(SystemExit) as ends:
        bench.words()
    assert ends.value.code == 2 and says in capsys.readouterr().err


def test_a_file_that_is_there_is_no_wrong_word(monkeypatch, tmp_path):
    """It is looked at and not written to: a run that fails leaves the last one's figures."""
    (tmp_path / 'j').write_text('old')
    monkeypatch.setattr(sys, 'argv', ['bench', '--json', str(tmp_path / 'j'), '--svg', str(tmp_path / 'new'), '--cell', 'read,0,64,0.5,1'])
    assert bench.words().cell == [('read', 0, 64, 0.5, 1)]
    assert (tmp_path / 'j').read_text() == 'old' and not (tmp_path / 'new').exists()


def test_rack_is_updated():
    one, many = rack_update.cells(boards=3, baud=1000000, size=16384, boot_ms=50)
    assert one['ratio'] == 1 and many['boards'] == 3 and many['makespan'] > 0 and many['slowest'] <= many['makespan']


def test_memory():
    cell, = rack_update.memory_cells(mib=1)
    assert cell['most_kib'] >= cell['after_kib'] > 0


@pytest.mark.skipif(not shutil.which('valgrind'), reason='valgrind is not installed')
def test_instructions(monkeypatch):
    if b'__asan_init' in pathlib.Path(instructions.program()).read_bytes():
        pytest.skip('valgrind does not run what is built with AddressSanitizer')
    monkeypatch.setattr(instructions, 'FEW', 10)
    monkeypatch.setattr(instructions, 'MANY', 20)
    cells = list(instructions.cells())
    assert len(cells) >= 6 and all(c['instructions'] > 100 for c in cells)


# A client that says it is done and uploaded nothing, and ours: judged by what the board holds.
@pytest.mark.parametrize('client, good', [('nothing', False), ('mcumgrd', True)])
def test_peers(client, good, tmp_path, monkeypatch):
    monkeypatch.setattr(peers, 'install', lambda: ({'nothing': ['true']}, {}))
    monkeypatch.setattr(peers, 'CELLS', [(1000000, 384, 0, {})])
    r = next(c for c in peers.cells(seconds=0.3) if c['client'] == client)
    assert (r['problem'] is None) == good, r
    assert (r['rate'] > 0) == good
    assert peers.row(r)[0] == client


def test_picture():
    cell = {'kind': 'image', 'baud': 115200, 'buf_size': 384, 'buf_count': 4, 'latency_ms': 4, 'rate': 7600, 'limit': 7782,
            'wire': 7782}
    peer = {'client': 'x <y>', 'baud': 115200, 'buf_size': 384, 'latency_ms': 4, 'bad': {'loss': 0.01}, 'rate': 5000, 'wire': 7782}
    drawn = picture.draw({'one': [cell, {**cell, 'rate': 0, 'latency_ms': 16}], 'peers': [peer]})
    root = ElementTree.fromstring(drawn)
    words = [t.text for t in root.iter('{http://www.w3.org/2000/svg}text')]
    assert '97.7' in words and 'failed' in words and 'x <y> 64.3' in words and 'Image upload, per cent of the limit' in words
