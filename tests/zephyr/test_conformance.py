# SPDX-License-Identifier: MIT
"""The table of tests/daemon/conformance.py on real Zephyr: the build that has every group that native_sim can have."""

import sys
from pathlib import Path

import pytest

from . import harness

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "daemon"))
import conformance  # noqa: E402


@pytest.fixture(scope="module")
def call(programs, lasting_board, tmp_path_factory):
    board = lasting_board("serial_bigrx")
    with harness.Daemon(tmp_path_factory.mktemp("conformance"), {"z": board.tty}) as daemon:
        daemon.wait("z")

        def call(method, parameters):
            try:
                return "reply", daemon.call(method, device="z", **parameters)
            except harness.ApiError as error:
                return error.name, error.parameters

        call("FileWrite", {"path": conformance.PATH,
                           "data": conformance.b64(conformance.CONTENT)})
        yield call


@pytest.mark.parametrize("case", conformance.CASES, ids=conformance.name_of)
def test_case(call, case):
    conformance.check(case, True, call)
