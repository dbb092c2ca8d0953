# SPDX-License-Identifier: MIT
"""Fixtures of the daemon's tests."""

import pytest
import rack as racks


def pytest_configure(config):
    config.addinivalue_line('markers', "slow: left out of the quick run (-m 'not slow')")
    config.addinivalue_line('markers', 'xdist_group: tests of one process, in their order')


@pytest.fixture
def rack():
    """rack('a', 'b', keys='erase_ms=100', retries=0) gives boards that answer, and a daemon."""
    running = []

    def begin(*boards, **more):
        r = racks.Rack(boards or ('a',), **more)
        running.append(r)
        return r

    yield begin
    for r in running:
        r.close()


@pytest.fixture(scope='module')
def shared():
    """Two boards that no test changes."""
    r = racks.Rack(('a', 'b'))
    r.ready()
    yield r
    r.close()
