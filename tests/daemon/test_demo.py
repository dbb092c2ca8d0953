# SPDX-License-Identifier: MIT
"""script/demo as a newcomer types it: on a tree that was never built, without a terminal, and twice at once."""

import os
import re
import shutil
import subprocess

import pytest
import rack as racks


@pytest.mark.slow
def test_the_demo_on_a_fresh_tree_twice_at_once(tmp_path):
    tree, temporary = tmp_path / 'tree', tmp_path / 't'
    temporary.mkdir()
    shutil.copytree(racks.SOURCE, tree, ignore=shutil.ignore_patterns('build*', '.git', '__pycache__'))
    environment = {**os.environ, 'TMPDIR': str(temporary), 'MCUMGR_LEASE': 'of-another-daemon', 'MCUMGR_SOCKET': '/none'}
    demos = [subprocess.Popen([tree / 'script/demo'], cwd='/', env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True) for _ in range(2)]
    for demo in demos:
        said, _ = demo.communicate(timeout=900)
        assert demo.returncode == 0, said
        assert len(re.findall(r'^(?:blue|coral|dune) +updated ', said, re.M)) == 3 and 'amber  unchanged' in said, said
    assert not list(temporary.iterdir())
