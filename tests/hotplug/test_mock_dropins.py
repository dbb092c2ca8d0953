# SPDX-License-Identifier: MIT
"""mcumgrd.conf.d/*.conf beside the configuration."""

import pytest


@pytest.fixture
def drop(rack):
    folder = rack.folder / 'mcumgrd.conf.d'
    folder.mkdir()

    def write(name, text):
        (folder / name).write_text(text)

    return write


def test_sections_of_all_files_hold(rack, testbed, boards, drop):
    drop('10-right.conf', '[device right]\nmatch = 2fe3:0200\nquiet_ms = 50\n')
    drop('20-last.conf', '[device last]\nmatch = 2fe3\nquiet_ms = 50\n')
    drop('.hidden.conf', 'rubbish')
    drop('notes.txt', 'rubbish')
    rack.start('[device left]\nmatch = 2fe3:0100\nquiet_ms = 50\n')
    for i, pid in enumerate(('0100', '0200', '0300')):
        testbed.add(f'ttyACM{i}', boards.add(f'b{i}').tty, path=f'1-{i + 1}', serial=f'b{i}', pid=pid)
        rack.wait(serial=f'b{i}', event='ready')
    assert [device['section'] for device in rack.devices()] == ['left', 'right', 'last']


@pytest.mark.parametrize('main, name, text, complaint', [
    ('', 'a.conf', '[device x]\nmatch = (\n', 'a.conf:2: bad value'),
    ('[device x]\nmatch = 2fe3\n', 'a.conf', '\n[device x]\nmatch = 1\n', 'a.conf:2: [device x] is there already, in '),
    ('[device x]\nmatch = 2fe3\nalias = a\n', 'a.conf', '[device y]\nmatch = 1\nalias = a\n', 'a.conf:1: [device y] and [device x]'),
    ('rubbish\n', 'a.conf', 'also rubbish\n', 'a.conf:1:')])
def test_errors_name_the_file(rack, drop, main, name, text, complaint):
    drop(name, text)
    done = rack.check(main)
    assert done.returncode != 0 and complaint in done.stderr
    assert 'rubbish' not in main or 'mcumgrd.conf:1:' in done.stderr, 'all problems at once'


def test_daemon_keys_of_later_files_replace(rack, drop):
    drop('a.conf', '[daemon]\nlog_level = error\n')
    done = rack.check('[daemon]\nlog_level = debug\n')
    assert done.returncode == 0, done.stderr
