# SPDX-License-Identifier: MIT
"""Fixtures of the simulator's tests."""

import pytest
import simulator


@pytest.fixture
def start(request):
    """start('key=value,…') gives a simulator with board "a" and a port to it."""
    running = []

    def begin(keys='', **options):
        quick = '' if 'reset_delay_ms' in keys else ',reset_delay_ms=20'
        sim = simulator.Simulator('a' + quick + (',' + keys if keys else ''), **options)
        running.append(sim)
        if 'recovery=on' in keys:
            sim.wait('phase=recovery')
        elif 'boot_ms' not in keys:
            sim.running()
        return sim, sim.open()

    yield begin
    for sim in running:
        sim.close()


@pytest.fixture
def image(tmp_path):
    return lambda version='2.0.0', **kw: simulator.make_image(tmp_path / 'image.bin', version, **kw)
