# SPDX-License-Identifier: MIT
"""The same images over the same cables by other people's clients, one after another in one run.

All are measured on the wire, from the first byte to the board to the last, so that the time a program takes to start does not
count, for nobody. A client has uploaded the image when the board holds it with its hash, whatever the client says."""

import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import bed as beds  # noqa: E402
import limits  # noqa: E402
import simulator  # noqa: E402

BOARD = 'boot_ms=0,slot_size=2M,image_check=on'

# smpclient is a library: the upload as its documentation shows it.
SMPCLIENT = '''
import asyncio, sys
from smpclient import SMPClient
from smpclient.transport.serial import SMPSerialTransport
async def main(tty, baud, file):
    async with SMPClient(SMPSerialTransport(baudrate=int(baud)), tty) as client:
        async for _ in client.upload(open(file, 'rb').read()):
            pass
asyncio.run(main(*sys.argv[1:]))
'''


def folder():
    """Where the clients are installed: outside the tree."""
    cache = os.environ.get('MCUMGRD_TEST_CACHE') or pathlib.Path(
        os.environ.get('XDG_CACHE_HOME') or pathlib.Path.home() / '.cache') / 'mcumgrd-tests'
    return pathlib.Path(cache) / 'peers'


def commands():
    """{name: words before the tty, baud and file are filled in}"""
    python = folder() / 'venv/bin/python'
    return {'mcumgrctl (Rust)': [folder() / 'bin/mcumgrctl', '-s', '{tty}', '-b', '{baud}', 'image', 'upload', '{file}'],
            'smpclient': [python, '-c', SMPCLIENT, '{tty}', '{baud}', '{file}'],
            'smpmgr': [folder() / 'venv/bin/smpmgr', '--port', '{tty}', '--baudrate', '{baud}', 'image', 'upload', '{file}']}


def install():
    """By package name. Returns {name: words} of those that could be had, and {name: why} of the others."""
    lacking = {}
    folder().mkdir(parents=True, exist_ok=True)
    if not (folder() / 'venv/bin/smpmgr').exists():
        run = [[sys.executable, '-m', 'venv', folder() / 'venv'], [folder() / 'venv/bin/pip', 'install', '-q', 'smpmgr']]
        for words in run:
            if subprocess.run(words, stderr=subprocess.PIPE, text=True).returncode:
                lacking['smpclient'] = lacking['smpmgr'] = 'pip install smpmgr failed'
                break
    if not (folder() / 'bin/mcumgrctl').exists():
        why = install_rust()
        if why:
            lacking['mcumgrctl (Rust)'] = why
    return {name: words for name, words in commands().items() if name not in lacking}, lacking


def install_rust():
    if not shutil.which('cargo'):
        return 'no cargo here'
    out = subprocess.run(['cargo', 'install', '--quiet', '--root', folder(), 'mcumgrctl'], stderr=subprocess.PIPE, text=True)
    if out.returncode:
        return 'cargo install mcumgrctl failed: ' + (out.stderr.strip().splitlines() or ['no reason given'])[-1]
    return None


@contextlib.contextmanager
def cable(buf_size, buf_count, seed):
    """A simulated board behind a cable that is not paced yet."""
    there = tempfile.mkdtemp(prefix='board')
    sim = simulator.Simulator(f'b0,{BOARD},buf_size={buf_size},buf_count={buf_count},unix={there}/b0')
    try:
        links = beds.Links({'b0': f'{there}/b0'}, seed=seed)
        try:
            yield sim, links
        finally:
            links.close()
    finally:
        sim.close()
        shutil.rmtree(there, ignore_errors=True)


def fill(words, tty, baud, file):
    """A client's words with the places filled in; a program text has braces of its own."""
    return [w if '\n' in str(w) else str(w).format(tty=tty, baud=baud, file=file) for w in words]


def mcumgrctl():
    """Ours: $MCUMGRCTL, or the one built beside the daemon."""
    return os.environ.get('MCUMGRCTL') or str(pathlib.Path(os.environ['MCUMGRD']).parents[1] / 'libclient/mcumgrctl/mcumgrctl')


def arrived(sim, digest):
    return any(slot['slot'] == 1 and slot.get('hash') == digest.hex() for slot in sim.state('b0')['slots'])


def run(words, seconds):
    """Returns the exit status; None when it took longer. What a client says is not asked for."""
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen([str(w) for w in words], stdin=subprocess.DEVNULL, stdout=said, stderr=said,
                                   start_new_session=True)
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return None


def theirs(words, cell, data, digest, file, most_seconds):
    with cable(cell['buf_size'], cell['buf_count'], cell['seed']) as (sim, links):
        latency = links.fair_latency_us('b0', cell['latency_ms'])
        links.set(baud=cell['baud'], latency_us=latency, **cell['bad'])
        links.clear()
        status = run(fill(words, links.path('b0'), cell['baud'], file), most_seconds)
        return outcome(links, status, arrived(sim, digest), len(data))


def ours(cell, data, digest, file, most_seconds):
    with beds.Bed(keys=f'{BOARD},buf_size={cell["buf_size"]},buf_count={cell["buf_count"]}', baud=cell['baud'],
                  latency_ms=cell['latency_ms'], seed=cell['seed']) as bed:
        bed.pace(**cell['bad'])
        status = run([mcumgrctl(), '--socket', bed.socket, 'image', 'upload', file], most_seconds)
        return outcome(bed.links, status, arrived(bed.sims[0], digest), len(data))


def outcome(links, status, there, size):
    crossed = links.report()
    seconds = crossed['to_board']['busy_s']
    problem = None if there else 'the time was up' if status is None else f'exit code {status}, and the image is not there'
    return {'seconds': None if problem else seconds, 'rate': 0 if problem else size / seconds, 'problem': problem,
            'status': status, 'crossed': crossed}


# 115200 and 1 M with usual buffers, and 64 KiB over a bad cable.
CELLS = [(115200, 384, latency, {}) for latency in (0, 1, 4)] + [(1000000, 384, latency, {}) for latency in (0, 1, 4)] + \
    [(1000000, 1024, latency, {}) for latency in (0, 1, 4)] + \
    [(1000000, 384, 1, {'loss': loss}) for loss in (0, 0.01, 0.05)]


def cells(seconds=5.5, patience=120):
    """Every client in each cell. patience: seconds, on a bad cable."""
    clients, lacking = install()
    for name, why in lacking.items():
        print(f'  {name}: left out: {why}', file=sys.stderr)
    with tempfile.TemporaryDirectory() as there:
        for baud, buf_size, latency, bad in CELLS:
            roughly = limits.limit('image', 100000, baud, buf_size, 8, latency / 1000).wire
            size = 64 << 10 if 'loss' in bad else max(16, int(roughly * seconds) >> 10) << 10
            most = limits.limit('image', size, baud, buf_size, 8, latency / 1000)
            data, digest = simulator.make_image(f'{there}/image', size=size, seed=5)
            cell = {'baud': baud, 'buf_size': buf_size, 'buf_count': 8, 'latency_ms': latency, 'bad': bad, 'seed': 1}
            most_seconds = patience if bad.get('loss') else 20 + 10 * size / most.wire
            for name, words in {'mcumgrd': None, **clients}.items():
                began = time.monotonic()
                result = theirs(words, cell, data, digest, f'{there}/image', most_seconds) if words else \
                    ours(cell, data, digest, f'{there}/image', most_seconds)
                yield {'client': name, **cell, 'size': size, 'wire': most.wire, **result, 'whole_s': time.monotonic() - began}


HEAD = ['client', 'baud', 'buffers', 'latency', 'cable', 'KiB', 's', 'B/s', '% of wire']


def row(r):
    from bench import percent, speed
    lost = r['bad'].get('loss')
    return [r['client'], speed(r['baud']), f'{r["buf_count"]} x {r["buf_size"]}', f'{r["latency_ms"]:g} ms',
            f'{100 * lost:g} % of lines lost' if lost else 'whole', r['size'] >> 10,
            f'{r["seconds"]:.2f}' if r['seconds'] else 'failed', f'{r["rate"]:.0f}', percent(r['rate'], r['wire'])]
