# SPDX-License-Identifier: MIT
"""mcumgrctl doctor against the daemon and boards that do not do what they should."""

import json
import os
import pathlib
import subprocess

import pytest
from rack import SOURCE

PROGRAM = os.environ.get('MCUMGRCTL') or str(pathlib.Path(os.environ.get('MCUMGRD_BUILD', SOURCE / 'build')) /
                                             'libclient/mcumgrctl/mcumgrctl')


def doctor(rack, board='a'):
    """Exit code, and check -> (result, message)."""
    done = subprocess.run([PROGRAM, '--socket', rack.socket, '--json', 'doctor', board], capture_output=True, text=True,
                          timeout=120, check=False)
    assert not done.stderr, done.stderr
    return done.returncode, {f['check']: (f['result'], f['message']) for f in json.loads(done.stdout)['findings']
                             if f.get('subject') == board}


def deaf(rack):
    """It hears nothing from now on."""
    rack.sim.command('a fault lose-request count=0')


def printed(rack, text, times=1):
    """What the board has printed is in the daemon's ring."""
    reader = rack.client()
    lines = reader.stream('Console', device='a', follow=True, backlog=0)
    next(lines)
    for _ in range(times):
        rack.sim.command(f'a console {text}')
    rack.sim.command(r'a console \nend of it\n')
    while not any('end of it' in line['text'] for line in next(lines)['lines']):
        pass


def console(rack):
    deaf(rack)
    printed(rack, r'uart:~$ \n')


def noise(rack):
    deaf(rack)
    printed(rack, r'\x81\xfe\x90\xc3' * 50 + r'\n', 40)


def crashed(rack):
    deaf(rack)
    printed(rack, r'[00:00:01.000,000] <err> os: >>> ZEPHYR FATAL ERROR 4: Kernel panic on CPU 0\n')


@pytest.mark.parametrize('keys, make, code, check, result, message', [
    ('', lambda r: None, 0, 'answer', 'ok', 'it answers, and runs 1.0.0'),
    ('buf_size=96', lambda r: None, 0, 'buffer', 'warning', 'has 96 bytes'),
    ('', console, 1, 'console', 'problem', 'it prints, and does not answer SMP'),
    ('', noise, 1, 'baud', 'problem', 'what it prints is noise: 115200 baud'),
    ('', crashed, 1, 'crash', 'problem', 'ZEPHYR FATAL ERROR 4'),
    ('', deaf, 1, 'answer', 'problem', 'it answered a while ago, and does not now'),
])
def test_says_what_is_wrong(rack, keys, make, code, check, result, message):
    r = rack(keys=keys)
    r.ready()
    make(r)
    got, found = doctor(r)
    assert got == code, found
    assert found[check][0] == result and message in found[check][1]
    assert found['holder'][0] in ('ok', 'unknown')


def test_bootloader(rack):
    r = rack(keys='recovery=on')
    client = r.ready()
    client.call('Reset', device='a', bootMode=1)
    r.client().wait_device('a', lambda d: d['state'] == 'recovery')
    got, found = doctor(r)
    assert got == 1 and found['bootloader'][0] == 'problem'


def test_who_else_has_the_port_open(rack):
    r = rack()
    r.ready()
    with open(r.sim.path('a'), 'rb', buffering=0, opener=lambda path, flags: os.open(path, flags | os.O_NOCTTY | os.O_NONBLOCK)):
        got, found = doctor(r)
        assert got == 1 and found['answer'][0] == 'ok'
        assert found['holder'][0] == 'problem' and f'(process {os.getpid()}, user ' in found['holder'][1]
    assert doctor(r)[0] == 0
