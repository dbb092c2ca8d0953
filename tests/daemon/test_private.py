# SPDX-License-Identifier: MIT
"""--private: a daemon for one client leaves nothing behind, and touches nothing that is not its own."""

import os
import signal
import socket
import subprocess

import pytest

import rack as racks


def start(folder, *more):
    return subprocess.Popen([racks.program(), '-c', '/dev/null', '--private', str(folder), '--log-level', 'info', *more],
                            stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def run(folder):
    """Until it listens."""
    process = start(folder)
    for line in process.stderr:
        if 'listens on' in line:
            assert f'{folder}/socket' in line
            return process
    raise AssertionError(process.wait(racks.SECONDS))


@pytest.mark.parametrize('how', ['the client ends', 'SIGTERM'])
@pytest.mark.parametrize('others', [[], ['letter']])
def test_nothing_is_left_but_what_others_put_there(tmp_path, how, others):
    folder = tmp_path / 'home'
    folder.mkdir(mode=0o700)
    process = run(folder)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(folder / 'socket'))
    assert sorted(os.listdir(folder)) == ['socket', 'socket.lock', 'state']
    for name in others:
        (folder / name).write_text(name)
    if how == 'SIGTERM':
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=racks.SECONDS)[1]
    else:
        process.stdin.close()
        said = process.stderr.read()
    assert process.wait(racks.SECONDS) == 0, said
    assert os.listdir(folder) == others if others else not folder.exists()
    process.stderr.close()


def test_one_that_cannot_start_leaves_nothing_either(tmp_path):
    folder = tmp_path / 'home'
    folder.mkdir()
    process = subprocess.run([racks.program(), '-c', '/dev/null', '--private', str(folder)], stdin=subprocess.DEVNULL,
                             stderr=subprocess.PIPE, text=True, timeout=racks.SECONDS)
    assert process.returncode == 1 and 'needs a pipe' in process.stderr
    assert not folder.exists()


def test_one_that_cannot_start_leaves_what_is_anothers(tmp_path):
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(tmp_path / 'socket'))
        other.listen()
        process = start(tmp_path)
        said = process.communicate(timeout=racks.SECONDS)[1]
        assert process.returncode == 1 and 'socket' in said
        assert 'socket' in os.listdir(tmp_path) and 'state' not in os.listdir(tmp_path)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(tmp_path / 'socket'))


def test_a_state_directory_that_is_there_is_not_taken(tmp_path):
    (tmp_path / 'state').mkdir()
    (tmp_path / 'state/mine').write_text('kept')
    process = start(tmp_path)
    said = process.communicate(timeout=racks.SECONDS)[1]
    assert process.returncode == 1 and f'{tmp_path}/state: File exists' in said
    assert (tmp_path / 'state/mine').read_text() == 'kept'


@pytest.mark.parametrize('option', ['--socket', '--state-dir'])
def test_it_says_where_all_is(tmp_path, option):
    process = start(tmp_path, option, '/elsewhere')
    said = process.communicate(timeout=racks.SECONDS)[1]
    assert process.returncode == 2 and option in said
