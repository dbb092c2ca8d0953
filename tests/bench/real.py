# SPDX-License-Identifier: MIT
"""Image uploads to real Zephyr behind the same cable: with a window of one, with the window found, and by other clients. The
boards are emulated, a new one for each client."""

import contextlib
import pathlib
import sys
import tempfile

import bed as beds
import limits
import peers

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from zephyr import boards, firmware  # noqa: E402

BOARDS = {'cortex_m0': 'Cortex-M0, swap', 'mps2': 'MPS2, RAM load'}
BUF_SIZE, BUF_COUNT = 384, 4  # as these builds tell of themselves


def upload(kind, port, words, file, baud, latency_ms, seconds):
    """One upload to a board that has just started. words: of another client; None: through the daemon."""
    with contextlib.ExitStack() as stack:
        board = stack.enter_context(boards.board(kind))
        if words:
            links = beds.Links({'b0': board.tty})
            stack.callback(links.close)
            with beds.Bed(tty=links.path('b0')):
                pass  # the daemon has waited for the board to boot, and left
            links.set(baud=baud, latency_us=latency_ms * 1000)
            links.clear()
            status = peers.run(peers.fill(words, links.path('b0'), baud, file), seconds)
        else:
            bed = stack.enter_context(beds.Bed(tty=board.tty, baud=baud, latency_ms=latency_ms, port=port))
            bed.pace()
            links = bed.links
            status = peers.run([peers.mcumgrctl(), '--socket', bed.socket, 'image', 'upload', file], seconds)
        size = pathlib.Path(file).stat().st_size
        crossed = links.report()
        whole = status == 0 and crossed['to_board']['delivered'] >= size * 4 / 3
        return peers.outcome(links, status, whole, size)


def cells(baud=115200, latency_ms=4):
    clients, lacking = peers.install()
    for name, why in lacking.items():
        print(f'  {name}: left out: {why}', file=sys.stderr)
    ways = [('mcumgrd, window 1', ',window=1', None), ('mcumgrd', '', None), *((n, '', w) for n, w in clients.items())]
    with tempfile.TemporaryDirectory() as there:
        for kind, title in BOARDS.items():
            data = firmware.artifact(boards.KINDS[kind]['running']).read_bytes()
            file = f'{there}/{kind}'
            pathlib.Path(file).write_bytes(data)
            most = limits.limit('image', len(data), baud, BUF_SIZE, BUF_COUNT, latency_ms / 1000)
            for name, port, words in ways:
                result = upload(kind, port, words, file, baud, latency_ms, 20 + 10 * len(data) / most.wire)
                yield {'board': title, 'client': name, 'baud': baud, 'buf_size': BUF_SIZE, 'buf_count': BUF_COUNT,
                       'latency_ms': latency_ms, 'size': len(data), 'wire': most.wire, 'bad': {}, **result}


HEAD = ['board', *peers.HEAD]


def row(r):
    return [r['board'], *peers.row(r)]
