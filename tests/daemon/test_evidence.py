# SPDX-License-Identifier: MIT
"""script/matrix and the page it writes: no cell is lost to old evidence, and no command is missing."""

import json
import os
import re
import subprocess

import evidence
from test_matrix import COMMANDS

CLIENTS = ['API', 'C', 'mcumgrctl', '--json', 'Python', 'simulator']
BOARDS = ['native_sim', 'cortex_m0', 'mps2']


def page(build):
    env = {**os.environ, 'MCUMGRD_BUILD': str(build)}
    return subprocess.run([evidence.SOURCE / 'script/matrix', '--print'], env=env, check=True, text=True,
                          stdout=subprocess.PIPE, timeout=60).stdout


def rows(text):
    """{method: line} with the footnotes' text in the place of their marks, which may be numbered anew."""
    notes = dict(re.findall(r'^(\[\^\d+\]): (.*)$', text, re.M))
    for mark, note in notes.items():
        text = text.replace(f' {mark} ', f' {note} ')
    return {line.split('|')[1].strip(): line for line in text.splitlines() if line.startswith('| ')}


def test_old_evidence_blanks_nothing(tmp_path):
    (tmp_path / 'evidence').mkdir()
    seen = {'Echo': 'rc 8: this board is mute', 'NoSuchMethod': 'served'}
    (tmp_path / 'evidence/native_sim.json').write_text(json.dumps(seen))
    before, after = rows(evidence.PAGE.read_text()), rows(page(tmp_path))
    assert 'rc 8: this board is mute' in after.pop('Echo')
    del before['Echo']
    assert after == before


def test_without_evidence_the_page_stays(tmp_path):
    assert page(tmp_path) == evidence.PAGE.read_text()


def test_every_command_was_seen_everywhere():
    clients = {name: evidence.of_page(name) for name in CLIENTS}
    boards = {name: evidence.of_page(name) for name in BOARDS}
    for method in COMMANDS:
        assert {name: column.get(method) for name, column in clients.items()} == dict.fromkeys(CLIENTS, 'served'), method
        assert any(column.get(method, '-') != '-' for column in boards.values()), f'{method} was put to no real firmware'
