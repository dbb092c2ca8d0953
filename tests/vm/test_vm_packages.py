# SPDX-License-Identifier: MIT
"""Where the guest's packages come from when the machine's lists of packages are of no use, or nobody can be asked."""

import os
import subprocess

import pytest

from vmbed import packages

# Knows the package by lists of the caller's own, once they were fetched; does as little with the machine's as $MACHINE says.
APT = '''#!/bin/sh
echo "$*" >>{folder}/calls
case "$*" in
*Dir::State::Lists=*update) test -n "$NETWORK" ;;
*Dir::State::Lists=*--print-uris*) echo "'http://mirror/tool_2_all.deb' tool_2_all.deb 700 SHA256:0" ;;
*Dir::State::Lists=*download*) cp {folder}/tool_2_all.deb . ;;
*--print-uris*) test -n "$MACHINE" && echo "'http://mirror/tool_1_all.deb' tool_1_all.deb 700 SHA256:0" ;;
*) echo 'E: Failed to fetch http://mirror/tool_1_all.deb  404  Not Found' >&2; false ;;
esac || exit 100
'''


@pytest.fixture
def apt(tmp_path, monkeypatch):
    (tmp_path / 'bin').mkdir()
    program = tmp_path / 'bin/apt-get'
    program.write_text(APT.format(folder=tmp_path))
    program.chmod(0o755)
    control = tmp_path / 'tree/DEBIAN/control'
    control.parent.mkdir(parents=True)
    control.write_text('Package: tool\nVersion: 2\nArchitecture: all\nMaintainer: nobody <nobody@localhost>\nDescription: a tool\n')
    subprocess.run(['dpkg-deb', '--root-owner-group', '--build', control.parents[1], tmp_path / 'tool_2_all.deb'], check=True,
                   stdout=subprocess.DEVNULL)
    monkeypatch.setenv('PATH', f'{tmp_path}/bin:{os.environ["PATH"]}')
    monkeypatch.setenv('MCUMGRD_TEST_CACHE', str(tmp_path / 'cache'))
    monkeypatch.setenv('NETWORK', 'yes')
    packages._own_lists.cache_clear()
    yield tmp_path
    packages._own_lists.cache_clear()


@pytest.mark.parametrize('machine', ['', 'too old'])
def test_lists_of_ones_own(apt, monkeypatch, machine):
    monkeypatch.setenv('MACHINE', machine)
    assert packages.unpacked('tool').name == 'tool_2_all'
    assert (apt / 'calls').read_text().count(' update') == 1


@pytest.mark.parametrize('machine', ['', 'too old'])
def test_what_is_there_will_do(apt, monkeypatch, machine):
    monkeypatch.setenv('MACHINE', machine)
    monkeypatch.setenv('NETWORK', '')
    with pytest.raises(packages.Unavailable):
        packages.unpacked('tool')
    kept = packages.cache_folder() / 'tool_0_all'
    kept.mkdir()
    assert packages.unpacked('tool') == kept
