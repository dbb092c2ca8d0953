# SPDX-License-Identifier: MIT
"""What the firmware tests share: boards, the daemon, and when a test may be skipped.

A machine that cannot have the firmware skips with the reason; with
MCUMGRD_REQUIRE_FIRMWARE=1 the same reason is a failure. Missing programs of the project
are a failure always.
"""

import contextlib
import os

import pytest

from . import boards, firmware, harness

LOG_TAIL = 12000


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: left out of the quick run (-m 'not slow')")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """The daemon's log stands under every failure."""
    report = (yield).get_result()
    if not report.failed:
        return
    for value in getattr(item, "funcargs", {}).values():
        daemon = getattr(value, "daemon", value)
        if isinstance(daemon, harness.Daemon):
            report.sections.append((f"mcumgrd log ({call.when})", daemon.log[-LOG_TAIL:]))
            break


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


@contextlib.contextmanager
def _starter():
    with contextlib.ExitStack() as stack:
        def start(name, **how):
            try:
                return stack.enter_context(boards.board(name, **how))
            except firmware.Unavailable as reason:
                give_up(reason)
        yield start


@pytest.fixture
def board(firmware_folder):
    """board("serial_bigrx"), board("cortex_m0"): a running board, gone after the test."""
    with _starter() as start:
        yield start


@pytest.fixture(scope="module")
def lasting_board(firmware_folder):
    """The same for all tests of a file."""
    with _starter() as start:
        yield start


@pytest.fixture(scope="session")
def programs():
    for path in (harness.daemon_program(), harness.client_program()):
        if not os.access(path, os.X_OK):
            pytest.fail(f"no {path}: build first, or set MCUMGRD_BUILD", pytrace=False)


@pytest.fixture
def daemon(programs, tmp_path):
    """daemon({"m0": tty}): a running daemon, ended (and looked over) after the test."""
    with contextlib.ExitStack() as stack:
        def start(ports, config=None):
            return stack.enter_context(harness.Daemon(tmp_path / "d", ports, config))
        yield start
