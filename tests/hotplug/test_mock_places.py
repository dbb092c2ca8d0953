# SPDX-License-Identifier: MIT
"""Boards that a section chooses by their hub port."""

import pytest

HUB = 'pci-0000:00:14.0-usb-0:'
PLACES = f'[device left]\npath = {HUB}1.2\nquiet_ms = 50\n[device right]\npath = {HUB}3\nquiet_ms = 50\n'


def managed(rack):
    return {device['section']: device for device in rack.devices() if 'section' in device}


@pytest.mark.parametrize('serial', [None, 'B0'])
def test_board_in_a_place_is_the_one_that_was_expected_there(rack, testbed, boards, silent_pty, serial):
    board = boards.add('b0')
    rack.start(PLACES)
    expected = managed(rack)['left']
    assert expected['state'] == 'absent' and len(rack.devices()) == 2
    testbed.add('ttyACM0', silent_pty(), path='1-1.2', serial=serial, iface=0)
    testbed.add('ttyACM1', board.tty, path='1-1.2', serial=serial, iface=2)
    ready = rack.wait(state='ready', timeout=40)
    assert (ready['id'], ready['section'], ready['tty']) == (expected['id'], 'left', '/dev/ttyACM1')
    assert len(rack.devices()) == 2
    rack.stop()
    rack.start(PLACES)
    assert rack.wait(state='ready', timeout=40)['id'] == expected['id']
    assert len(rack.devices()) == 2


def test_another_board_in_the_place_replaces_the_one_of_before(rack, testbed, boards):
    both = [boards.add('b0'), boards.add('b1')]
    rack.start(PLACES)
    testbed.add('ttyACM0', both[0].tty, path='1-1.2', serial='B0')
    before = rack.wait(state='ready', serial='B0')
    testbed.remove('ttyACM0')
    mark = rack.mark()
    testbed.add('ttyACM0', both[1].tty, path='1-1.2', serial='B1')
    after = rack.wait(mark, event='ready', serial='B1')
    assert after['id'] != before['id']
    rack.wait(mark, event='removed', id=before['id'], timeout=60)
    mark = rack.mark()
    testbed.remove('ttyACM0')
    rack.wait(mark, state='absent', id=after['id'])
    rack.stop()
    rack.start(PLACES)
    assert managed(rack)['left']['id'] == after['id'], 'the last that was there is expected'


def test_absent_since_it_was_last_seen_by_any_daemon(rack, testbed, boards):
    board = boards.add('b0')
    rack.start(PLACES)
    never = managed(rack)['right']['since']
    testbed.add('ttyACM0', board.tty, path='1-1.2', serial='B0')
    rack.wait(state='ready')
    mark = rack.mark()
    testbed.remove('ttyACM0')
    since = rack.wait(mark, state='absent')['since']
    for _ in range(2):
        rack.stop()
        rack.start(PLACES)
        now = managed(rack)
        assert now['left']['since'][:-4] == since[:-4] and now['right']['since'][:-4] == never[:-4]
        assert rack.absent_since(rack.run('list').stdout) in (now['left']['since'][:10], now['left']['since'][11:19] + 'Z')


@pytest.mark.parametrize('first', [0, 1])
def test_twins_go_by_their_places_whoever_comes_first(rack, testbed, boards, first):
    both = [boards.add('left'), boards.add('right')]
    rack.start(PLACES)
    expected = {section: device['id'] for section, device in managed(rack).items()}
    for run in range(2):
        for i in (first, 1 - first):
            mark = rack.mark()
            testbed.add(f'ttyACM{i}', both[i].tty, path=('1-1.2', '1-3')[i], serial='SAME')
            assert rack.wait(mark, state='ready')['id'] == expected[('left', 'right')[i]]
        assert len(rack.devices()) == 2
        first = 1 - first
        rack.stop()
        for i in range(2):
            testbed.remove(f'ttyACM{i}')
        rack.start(PLACES)
