# SPDX-License-Identifier: MIT
"""What the firmware tests share: boards, the daemon, and when a test may be skipped.

A machine that cannot have the firmware skips with the reason; with
MCUMGRD_REQUIRE_FIRMWARE=1 the same reason is a failure.
"""

import contextlib
import os

import pytest

from . import boards, firmware


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: left out of the quick run (-m 'not slow')")


def give_up(reason):
    if os.environ.get("MCUMGRD_REQUIRE_FIRMWARE") == "1":
        pytest.fail(f"real firmware is required here: {reason}", pytrace=False)
    pytest.skip(str(reason))


@pytest.fixture(scope="session")
def firmware_folder():
    try:
        return firmware.folder()
    except firmware.Unavailable as reason:
        give_up(reason)


@pytest.fixture
def board(firmware_folder):
    """board("serial_bigrx"), board("cortex_m0"): a running board, gone after the test."""
    with contextlib.ExitStack() as stack:
        def start(name, **how):
            try:
                return stack.enter_context(boards.board(name, **how))
            except firmware.Unavailable as reason:
                give_up(reason)
        yield start
