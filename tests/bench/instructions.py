# SPDX-License-Identifier: MIT
"""Instructions a message costs in proto/, counted by callgrind: a figure that no busy machine changes."""

import os
import re
import shutil
import subprocess

FEW, MANY = 100, 1100


def program():
    return os.environ['BENCH_CODEC']


def count(operation, times):
    out = subprocess.run(['valgrind', '--tool=callgrind', '--callgrind-out-file=/dev/null', program(), operation, str(times)],
                         capture_output=True, text=True, check=True)
    return int(re.search(r'Collected\s*:\s*(\d+)', out.stderr).group(1))


def cells():
    if not shutil.which('valgrind'):
        raise SystemExit('script/bench: valgrind is not installed, which counts the instructions')
    for operation in subprocess.run([program(), '--list'], capture_output=True, text=True, check=True).stdout.split():
        yield {'operation': operation, 'instructions': (count(operation, MANY) - count(operation, FEW)) / (MANY - FEW)}


HEAD = ['operation', 'instructions a message']


def row(r):
    return [r['operation'], f'{r["instructions"]:.0f}']
