# SPDX-License-Identifier: MIT
"""The recipes of docs/ci.md, run as they stand there."""

import os
import pathlib
import re
import subprocess
import sys

import pytest

import rack as racks

PAGE = (racks.SOURCE / 'docs/ci.md').read_text()
RECIPES = re.findall(r'^```(sh|python)\n(.*?)^```$', PAGE, re.M | re.S)
CLIENT = os.environ.get('MCUMGRCTL')


@pytest.fixture(scope='module')
def rack():
    r = racks.Rack(('rack-1', 'rack-2'), 'shell=on,banner=on', tags='nightly', tty='yes')
    r.ready()
    yield r
    r.close()


@pytest.fixture
def folder(tmp_path):
    """What a project has that uses them: an image, a test, a flasher."""
    (tmp_path / 'build/zephyr').mkdir(parents=True)
    for path in ('zephyr.signed.bin', 'build/zephyr/zephyr.signed.bin'):
        subprocess.run([os.environ['MCUMGR_SIM'], 'image', '--version', '1.1.0', '--size', '20000', '-o', tmp_path / path],
                       check=True, stdout=subprocess.DEVNULL)
    for name, text in (('test.sh', 'test -n "$MCUMGR_LEASE" && mcumgrctl -d rack-1 os system-reset && mcumgrctl wait-for rack-1'),
                       ('flasher', 'test "$1" = --port -a -c "$2" -a "$3" = app.bin')):
        (tmp_path / name).write_text(f'#!/bin/sh -e\n{text}\n')
        (tmp_path / name).chmod(0o755)
    return tmp_path


def test_there_are_recipes():
    assert len(RECIPES) >= 10


@pytest.mark.skipif(not CLIENT, reason='MCUMGRCTL is not set')
@pytest.mark.parametrize('kind, text', RECIPES, ids=[text.strip().splitlines()[0][:40] for _, text in RECIPES])
def test_recipe(rack, folder, kind, text):
    path = f'{pathlib.Path(CLIENT).resolve().parent}:{os.environ["PATH"]}'
    words = ['bash', '-euo', 'pipefail', '-c', text] if kind == 'sh' else [sys.executable, '-c', text]
    environment = {key: value for key, value in os.environ.items() if key != 'MCUMGR_LEASE'}
    environment.update(PATH=path, MCUMGR_SOCKET=rack.socket, PYTHONPATH=str(racks.SOURCE / 'libclient/python'))
    done = subprocess.run(words, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
                          check=False)
    if done.returncode:
        for lease in rack.client().call('Leases')['leases']:
            rack.client().call('Unlock', device=lease['devices'][0], force=True)
    assert done.returncode == 0, (done.stdout, done.stderr)
    # Nothing is held afterwards, and the rack is as ready as it was.
    for reply in rack.client().stream('Watch'):
        if reply['event'] in ('current', 'unlocked') and not rack.client().call('Leases')['leases']:
            break
    rack.ready()
