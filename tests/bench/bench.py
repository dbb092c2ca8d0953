# SPDX-License-Identifier: MIT
"""How fast mcumgrd moves data: script/bench runs this. See --help, and docs/performance.md."""

import argparse
import base64
import json
import os
import pathlib
import platform
import random
import sys
import threading
import time
import traceback

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE))

import bed as beds  # noqa: E402
import instructions  # noqa: E402
import limits  # noqa: E402
import peers  # noqa: E402
import picture  # noqa: E402
import rack_update  # noqa: E402

PATH = '/lfs1/data'  # a usual name on a board
DOWNLOAD_ROOM = 48  # what a simulated board keeps free in a reply


def size_for(speed, seconds):
    """Bytes that take so long, in whole KiB."""
    return max(16, int(speed * seconds) // 1024) * 1024


# --- one board --------------------------------------------------------------------------------------------------------------

def transfer(bed, kind, size, seed, board='b0', name=None):
    """Moves it and returns the seconds; it arrived whole, or this raises."""
    client = bed.client()
    began = time.monotonic()
    if kind == 'image':
        client.call('ImageUpload', device=board, file=name)
    elif kind == 'write':
        data = base64.b64encode(random.Random(seed).randbytes(size)).decode()
        began = time.monotonic()
        assert client.call('FileWrite', device=board, path=PATH, data=data)['verified']
    else:
        reply = client.call('FileRead', device=board, path=PATH)
        assert base64.b64decode(reply['data']) == random.Random(seed).randbytes(size), 'the file read is not the one written'
    seconds = time.monotonic() - began
    client.close()
    return seconds


def prepare(bed, kind, size, seed):
    """What has to be there before the clock runs; not measured."""
    if kind == 'image':
        return bed.put_image(size, seed)
    if kind == 'read':
        transfer(bed, 'write', size, seed)
    return None


def expected(kind, size, baud, buf_size, buf_count, latency_ms):
    return limits.limit(kind, size, baud, buf_size, buf_count, latency_ms / 1000, buf_size - DOWNLOAD_ROOM,
                        None if kind == 'image' else PATH)


def measure(cell, slot, seed, tty):
    """Fills in what was measured."""
    kind, size = cell['kind'], cell['size']
    with beds.Bed(keys=f'buf_size={cell["buf_size"]},buf_count={cell["buf_count"]}{slot}', baud=cell['baud'],
                  latency_ms=cell['latency_ms'], seed=seed, tty=tty) as bed:
        name = prepare(bed, kind, size, seed)
        bed.pace(**cell['bad'])
        cpu = bed.cpu()
        try:
            took = transfer(bed, kind, size, seed, name=name)
            cell |= {'seconds': took, 'rate': size / took}
        finally:
            cell |= {'cpu_s': bed.cpu() - cpu, 'crossed': bed.links.report()}
        if bed.dropped():
            cell['problem'] = f'{bed.dropped()} requests found no buffer on the board'


def one_cell(kind, baud, buf_size, latency_ms, buf_count=4, seconds=5.5, size=None, seed=1, tty=None, **bad):
    most = expected(kind, 100000, baud, buf_size, buf_count, latency_ms)
    size = size or size_for(min(most.least, 4 << 20), seconds)
    most = expected(kind, size, baud, buf_size, buf_count, latency_ms)
    cell = {'kind': kind, 'baud': baud, 'buf_size': buf_size, 'buf_count': buf_count, 'latency_ms': latency_ms, 'size': size,
            'seconds': None, 'problem': None, 'rate': 0, 'wire': most.wire, 'buffers': most.buffers, 'limit': most.least,
            'chunk': most.chunk, 'bad': bad}
    try:
        measure(cell, ',slot_size=8M' if size > 1 << 20 else '', seed, tty)
    except Exception as e:  # one cell of many: it is told, and the others go on
        cell['problem'] = str(e) or type(e).__name__
    return cell


def median_cell(runs, *cell, **options):
    """The same cell so many times; the middle one of them stands, and says how the others were."""
    results = sorted((one_cell(*cell, **options) for _ in range(runs)), key=lambda r: r['rate'])
    middle = results[len(results) // 2]
    problem = next((r['problem'] for r in results if r['problem']), None)
    return {**middle, 'problem': problem, 'rates': [r['rate'] for r in results]}


def speed(baud):
    return f'{baud / 1e6:g} M' if baud >= 1000000 else str(baud)


def percent(a, b):
    return f'{100 * a / b:.1f}' if b else '-'


ONE_HEAD = ['', 'baud', 'buffers', 'latency', 'KiB', 's', 'B/s', 'wire B/s', '% of wire', '% of limit']


def one_row(r):
    return [r['kind'], speed(r['baud']), f'{r["buf_count"]} x {r["buf_size"]}', f'{r["latency_ms"]:g} ms', r['size'] // 1024,
            f'{r["seconds"]:.2f}' if r['seconds'] else 'failed', f'{r["rate"]:.0f}',
            f'{r["wire"]:.0f}' if r['wire'] else '-', percent(r['rate'], r['wire']), percent(r['rate'], r['limit'])]


MATRIX_FROM = 24  # so many cells are easier to read as a matrix


CDC_RATES, CDC_MS = (65536, 1000000), 0.25
MATRIX_TITLE = 'One board, per cent of the limit'
CDC_TITLE = f'CDC ACM: no baud rate, the board takes so many bytes a second (10 bits a byte), {CDC_MS} ms'


def matrix_tables(results):
    cdc = [r for r in results if r['latency_ms'] == CDC_MS]
    rest = [r for r in results if r['latency_ms'] != CDC_MS]
    return [*(matrix_table(rest, MATRIX_TITLE) if rest else []), *(matrix_table(cdc, CDC_TITLE) if cdc else [])]


def matrix_table(results, title):
    """Per cent of the limit: a row a transfer, speed and buffer; a column a latency."""
    columns = sorted({r['latency_ms'] for r in results})
    rows = {}
    for r in results:
        key = (r['kind'], speed(r['baud']), f'{r["buf_count"]} x {r["buf_size"]}')
        rows.setdefault(key, {})[r['latency_ms']] = percent(r['rate'], r['limit']) if r['seconds'] else 'failed'
    return table(['', 'baud', 'buffers', *(f'{c:g} ms' for c in columns)],
                 [[*key, *(cells.get(c, '') for c in columns)] for key, cells in rows.items()], title)


# --- many boards ------------------------------------------------------------------------------------------------------------

def echo_until(bed, done, samples):
    client = bed.client()
    while not done.is_set():
        began = time.perf_counter()
        client.call('Echo', device='idle', text='x')
        samples.append(time.perf_counter() - began)
        done.wait(0.01)
    client.close()


def many_cell(boards, baud, size, store=1 << 20, buf_size=384, buf_count=4, latency_ms=4):
    """store: bytes of an image that lies in the daemon besides."""
    with beds.Bed(boards=boards, keys=f'buf_size={buf_size},buf_count={buf_count}', baud=baud, latency_ms=latency_ms,
                  idle=True) as bed:
        before = bed.memory()[0]
        bed.put_image(store, 77)
        name = bed.put_image(size, 1)
        bed.pace()
        took, echoes, memory, done = {}, [], [], threading.Event()
        quiet_echoes, quiet = [], threading.Event()
        threading.Timer(1, quiet.set).start()
        echo_until(bed, quiet, quiet_echoes)

        def upload(board):
            took[board] = transfer(bed, 'image', size, 1, board, name)

        threads = [threading.Thread(target=upload, args=(b,)) for b in bed.boards]
        echo = threading.Thread(target=echo_until, args=(bed, done, echoes))
        cpu, link_cpu, began = bed.cpu(), bed.links.report()['cpu_s'], time.monotonic()
        for thread in [echo, *threads]:
            thread.start()
        for thread in threads:
            memory.append(bed.memory()[0])
            thread.join()
        whole = time.monotonic() - began
        cpu, link_cpu = bed.cpu() - cpu, bed.links.report()['cpu_s'] - link_cpu
        done.set()
        echo.join()
        if len(took) < boards:
            raise RuntimeError(f'{boards - len(took)} of {boards} boards failed')
        most = expected('image', size, baud, buf_size, buf_count, latency_ms)
        rates = sorted(size / t for t in took.values())
        return {'boards': boards, 'baud': baud, 'buf_size': buf_size, 'buf_count': buf_count, 'latency_ms': latency_ms,
                'size': size, 'seconds': whole, 'rate': boards * size / whole, 'limit': most.least,
                'slowest': rates[0], 'median': rates[len(rates) // 2], 'cpu_s': cpu, 'cpu_per_mb': cpu / (boards * size / 1e6),
                'cpu_share': cpu / whole, 'link_cpu_share': link_cpu / whole, 'rss_start_kib': before, 'rss_kib': max(memory),
                'rss_most_kib': bed.memory()[1], 'echo_count': len(echoes), 'echo_p50_ms': quantile(echoes, 0.5),
                'echo_p99_ms': quantile(echoes, 0.99), 'echo_quiet_p99_ms': quantile(quiet_echoes, 0.99)}


def quantile(samples, q):
    ordered = sorted(samples)
    return 1000 * ordered[min(len(ordered) - 1, int(q * len(ordered)))] if ordered else None


MANY_HEAD = ['boards', 'baud', 'KiB each', 's', 'B/s in all', 'slowest %', 'median %', 'CPU s/MB', 'CPU %', 'RSS MB',
             'most MB', 'echo p50', 'p99 ms', '(p99 idle)']


def many_row(r):
    return [r['boards'], speed(r['baud']), r['size'] // 1024, f'{r["seconds"]:.1f}', f'{r["rate"]:.0f}',
            percent(r['slowest'], r['limit']), percent(r['median'], r['limit']), f'{r["cpu_per_mb"]:.2f}',
            f'{100 * r["cpu_share"]:.0f}', f'{r["rss_kib"] / 1024:.1f}', f'{r["rss_most_kib"] / 1024:.1f}',
            f'{r["echo_p50_ms"]:.1f}', f'{r["echo_p99_ms"]:.1f}', f'{r["echo_quiet_p99_ms"]:.1f}']


# --- bad cables -------------------------------------------------------------------------------------------------------------

BAD = [('1 % of lines lost', 'image', {'loss': 0.01}), ('5 % of lines lost', 'image', {'loss': 0.05}),
       ('1 % of lines with a wrong bit', 'image', {'flip': 0.01}),
       ('log text before 1 frame in 5', 'image', {'log_between': 0.2}),
       ('1 % of lines lost', 'read', {'loss': 0.01}), ('5 % of lines lost', 'read', {'loss': 0.05}),
       ('log text inside 1 frame in 20', 'read', {'log_inside': 0.017}),
       ('1 % of lines lost', 'write', {'loss': 0.01}), ('5 % of lines lost', 'write', {'loss': 0.05})]


def bad_cells(size, seeds, baud=1000000, latency_ms=1, buf_size=384):
    clean = {}
    for name, kind, bad in BAD:
        if kind not in clean:
            clean[kind] = one_cell(kind, baud, buf_size, latency_ms, size=size)
            yield {'name': 'clean', **clean[kind], 'times': [clean[kind]['seconds']], 'ratio': 1.0, 'finished': 1}
        runs = [one_cell(kind, baud, buf_size, latency_ms, size=size, seed=s, **bad) for s in seeds]
        times = sorted(r['seconds'] for r in runs if r['seconds'])
        middle = times[len(times) // 2] if times else None
        yield {'name': name, **runs[0], 'times': times, 'finished': len(times), 'runs': len(runs), 'seconds': middle,
               'problem': next((r['problem'] for r in runs if r['problem']), None),
               'ratio': middle / clean[kind]['seconds'] if middle else None}


BAD_HEAD = ['', 'cable', 'baud', 'KiB', 'finished', 'median s', 'slowest s', 'to clean']


def bad_row(r):
    return [r['kind'], r['name'], speed(r['baud']), r['size'] // 1024, f'{r["finished"]}/{r.get("runs", 1)}',
            f'{r["seconds"]:.2f}' if r['seconds'] else '-', f'{max(r["times"]):.2f}' if r['times'] else '-',
            f'{r["ratio"]:.2f}' if r['ratio'] else '-']


# --- what to run ------------------------------------------------------------------------------------------------------------

QUICK = [('image', 115200, 384, 4, 4), ('image', 1000000, 384, 4, 8), ('image', 1000000, 1024, 1, 4),
         ('image', 115200, 384, 0, 4), ('image', 1000000, 384, 0, 4), ('image', 1000000, 384, 1, 4),
         ('read', 115200, 384, 4, 4), ('read', 1000000, 384, 4, 8), ('read', 1000000, 1024, 1, 4),
         ('write', 115200, 384, 4, 4), ('write', 1000000, 384, 4, 8), ('write', 1000000, 1024, 1, 4)]


def matrix():
    for kind in ('image', 'write', 'read'):
        for baud in (115200, 921600, 1000000, 3000000):
            for buf_size in (384, 1024, 2048):
                for latency in (0, 1, 4, 16):
                    yield kind, baud, buf_size, latency, 8
        for rate in CDC_RATES:
            for buf_size in (384, 1024, 2048):
                yield kind, rate * 10, buf_size, CDC_MS, 8


def table(head, rows, title):
    """Rows as they come, in columns; returns the lines."""
    rows = [[str(c) for c in row] for row in rows]
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]

    def line(row):
        return '| ' + ' | '.join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths))) + ' |'

    return [f'### {title}', '', line(head), '|' + '|'.join('-' * (w + 2) for w in widths) + '|', *map(line, rows), '']


def document(text, lines):
    """The text with each of its tables that was measured anew, by title; the others stay."""
    fresh, title = {}, None
    for line in lines:
        if line.startswith('### '):
            title = line
        elif line.startswith('|'):
            fresh.setdefault(title, []).append(line)
    out, title = [], None
    for line in text.split('\n'):
        if line.startswith('#'):
            title = line
        if line.startswith('|') and title in fresh:
            out += fresh[title] if out[-1] == '' else []
            continue
        out.append(line)
    return '\n'.join(out)


def machine():
    memory = next(int(l.split()[1]) for l in open('/proc/meminfo') if l.startswith('MemTotal'))
    emulated = 'hypervisor' in pathlib.Path('/proc/cpuinfo').read_text()
    return {'cores': os.cpu_count(), 'architecture': platform.machine(), 'virtual': emulated,
            'memory_mib': memory // 1024, 'linux': '.'.join(platform.release().split('.')[:2])}


def say(row):
    print('  ' + '  '.join(str(c) for c in row), file=sys.stderr, flush=True)


def collect(title, cells, row):
    print(f'== {title}', file=sys.stderr)
    results = []
    for cell in cells:
        say(row(cell))
        if cell.get('problem'):
            say(['    ', cell['problem']])
        results.append(cell)
    return results


def cell(text):
    """The value of --cell; what is wrong with it is argparse's to say."""
    try:
        kind, baud, buf_size, latency, count = text.split(',')
        found = kind, int(baud), int(buf_size), float(latency), int(count)
    except ValueError:
        found = None
    if not found or kind not in ('image', 'write', 'read') or found[1] < 0 or found[2] < 64 or not 0 <= found[3] < 10000 or found[4] < 1:
        raise argparse.ArgumentTypeError(f'{text} is not KIND,BAUD,BUF_SIZE,LATENCY_MS,BUF_COUNT such as image,115200,384,4,4 '
                                         '(buffers of 64 bytes or more)')
    return found


def some(kind):
    """A type for argparse: a number of this kind above zero."""
    def take(text):
        try:
            number = kind(text)
        except ValueError:
            number = 0
        if not 0 < number < 1e6:
            raise argparse.ArgumentTypeError(f'{text} is not a number above 0')
        return number
    return take


def check(p, options):
    """What would be told after the measurement otherwise, or not at all."""
    if options.tty and not options.cell:
        p.error('--tty needs --cell: other parts simulate their boards')
    if options.tty and not os.path.exists(options.tty):
        p.error(f'--tty: {options.tty}: No such file or directory')
    for name in ('json', 'markdown', 'document', 'svg'):
        path = getattr(options, name)
        try:
            if path and (name == 'document' or os.path.exists(path)):
                open(path, 'r+').close()
            elif path:
                os.stat(os.path.dirname(path) or '.')
        except OSError as error:
            p.error(f'--{name}: {path}: {error.strerror}')


def words():
    p = argparse.ArgumentParser(prog='script/bench', description='How fast mcumgrd moves data over cables of any speed.')
    p.add_argument('--all', action='store_true', help='the whole matrix, which takes twenty minutes')
    p.add_argument('--only', choices=[*PARTS, 'peers', 'real'], action='append',
                   help='this part: one board, many boards, bad cables, an update of 100 boards, memory after a large message, '
                        'instructions a message; with other clients: the same cables, real firmware')
    p.add_argument('--peers', action='store_true',
                   help='other clients on the same cables, and real firmware; installs them by package name. With --all: after '
                        'all the rest')
    p.add_argument('--cell', action='append', type=cell, metavar='KIND,BAUD,BUF_SIZE,LATENCY_MS,BUF_COUNT',
                   help='this cell; KIND is image, write or read')
    p.add_argument('--boards', type=some(int), action='append', metavar='N', help='so many boards at once')
    p.add_argument('--seconds', type=some(float), default=5.5, help='wire time of a transfer (%(default)s)')
    p.add_argument('--runs', type=some(int), default=1, metavar='N', help='measure each cell of one board so often; the median counts')
    p.add_argument('--tty', help='measure the board at this tty instead of simulated ones; only with --cell')
    p.add_argument('--json', metavar='FILE', help='all figures')
    p.add_argument('--markdown', metavar='FILE', help='the tables, as printed')
    p.add_argument('--document', metavar='FILE', help='puts the tables into FILE, in place of those of the same titles')
    p.add_argument('--svg', metavar='FILE', help='a picture of the cells of one board')
    options = p.parse_args()
    check(p, options)
    return options


def chosen_cells(options):
    return options.cell or (matrix() if options.all else QUICK)


# What runs without --only, in this order.
PARTS = ['one', 'many', 'bad', 'rack', 'memory', 'instructions']


def part(name, options):
    """The cells of a part, its head, its row and its title."""
    if name == 'one':
        cells = (median_cell(options.runs, *cell, options.seconds, tty=options.tty) for cell in chosen_cells(options))
        return cells, ONE_HEAD, one_row, 'One board'
    if name == 'many':
        return (many_cell(n, 115200, 64 << 10) for n in options.boards or [1, 8, 32, 100]), MANY_HEAD, many_row, \
            'Many boards at once'
    if name == 'bad':
        return bad_cells(64 << 10, range(1, 6 if options.all else 4)), BAD_HEAD, bad_row, 'Bad cables'
    if name == 'rack':
        return rack_update.cells(), rack_update.HEAD, rack_update.row, 'A rack is updated: upload, reset, verify, confirm'
    if name == 'memory':
        return rack_update.memory_cells(), rack_update.MEMORY_HEAD, rack_update.memory_row, 'Memory after a large message'
    if name == 'instructions':
        return instructions.cells(), instructions.HEAD, instructions.row, 'Instructions a message (callgrind)'
    if name == 'real':
        import real  # needs the emulator and the firmware
        return real.cells(), real.HEAD, real.row, 'Real Zephyr on emulated boards'
    return peers.cells(options.seconds), peers.HEAD, peers.row, 'Other clients on the same cables'


def chosen_parts(options):
    others = ['peers', 'real'] if options.peers else []
    if options.only or (others and not options.all):
        return [*(options.only or []), *others]
    return ['one'] if options.cell else ['many'] if options.boards else [*PARTS, *others]


def write_all(options, results, lines):
    """After each part, so that a later one can spoil nothing."""
    if options.markdown:
        pathlib.Path(options.markdown).write_text('\n'.join(lines))
    if options.document:
        page = pathlib.Path(options.document)
        page.write_text(document(page.read_text(), lines))
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(results, indent=1) + '\n')
    if options.svg:
        pathlib.Path(options.svg).write_text(picture.draw(results))


def main():
    options = words()
    results, lines, failed = {'machine': machine()}, [], False
    print(limits.FORMULAS + '\n', file=sys.stderr)
    for name in chosen_parts(options):
        try:
            cells, head, row, title = part(name, options)
            results[name] = collect(title, cells, row)
        except Exception:
            traceback.print_exc()
            print(f'== {name}: failed', file=sys.stderr)
            failed = True
            continue
        lines += table(head, map(row, results[name]), title)
        if name == 'one' and len(results[name]) >= MATRIX_FROM:
            lines += matrix_tables(results[name])
        write_all(options, results, lines)
    print('\n'.join(lines))
    return failed


if __name__ == '__main__':
    sys.exit(main())
