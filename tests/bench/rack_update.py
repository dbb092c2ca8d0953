# SPDX-License-Identifier: MIT
"""How long a whole rack takes: upload, reset, swap, verify and confirm of every board at once, against one board alone; and
what a large message leaves behind in the daemon."""

import base64
import os
import threading
import time

import bed as beds

KEYS = 'buf_size=384,buf_count=4,slot_size=2M,reset_delay_ms=250,image_check=on'


def update(bed, board, name):
    """Seconds until the update of a board is proved; raises when it is not."""
    client = bed.client()
    began = time.monotonic()
    for reply in client.stream('Update', device=board, file=name):
        last = reply
    client.close()
    assert last['outcome'] == 'updated', last
    return time.monotonic() - began


def once(boards, baud, size, boot_ms, latency_ms=4):
    with beds.Bed(boards=boards, keys=f'{KEYS},boot_ms={boot_ms}', baud=baud, latency_ms=latency_ms) as bed:
        name = bed.put_image(size, 3)
        bed.pace()
        took, cpu = {}, bed.cpu()
        began = time.monotonic()
        threads = [threading.Thread(target=lambda b=b: took.update({b: update(bed, b, name)})) for b in bed.boards]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        whole = time.monotonic() - began
        if len(took) < boards:
            raise RuntimeError(f'{boards - len(took)} of {boards} boards were not updated')
        return {'boards': boards, 'baud': baud, 'size': size, 'boot_ms': boot_ms, 'makespan': whole,
                'slowest': max(took.values()), 'cpu_s': bed.cpu() - cpu}


def cells(boards=100, baud=115200, size=64 << 10, boot_ms=2000):
    alone = once(1, baud, size, boot_ms)
    yield {**alone, 'ratio': 1.0}
    many = once(boards, baud, size, boot_ms)
    yield {**many, 'ratio': many['makespan'] / alone['makespan']}


HEAD = ['boards', 'baud', 'KiB each', 'boot', 'all done s', 'to one alone', 'CPU s']


def row(r):
    return [r['boards'], r['baud'], r['size'] >> 10, f'{r["boot_ms"] / 1000:g} s', f'{r["makespan"]:.1f}', f'{r["ratio"]:.3f}',
            f'{r["cpu_s"]:.1f}']


def memory_cells(mib=11.9):
    """A message that nearly fills the largest allowed (16 MiB): an image, in base64."""
    with beds.Bed() as bed:
        before = bed.memory()[0]
        data = os.urandom(int(mib * (1 << 20)))
        client = bed.client()
        client.fails('ImagePut', data=base64.b64encode(data).decode())  # no image: refused, nothing of it is kept
        client.close()
        client = bed.client()
        client.call('List')
        client.close()
        now, most = bed.memory()
        yield {'message_mib': mib * 4 / 3, 'before_kib': before, 'most_kib': most, 'after_kib': now}


MEMORY_HEAD = ['message MiB', 'RSS before MB', 'most MB', 'after MB']


def memory_row(r):
    return [f'{r["message_mib"]:.1f}', *(f'{r[k] / 1024:.1f}' for k in ('before_kib', 'most_kib', 'after_kib'))]
