# SPDX-License-Identifier: MIT
"""The tables of tests/daemon/conformance.py and conformance_image.py on real Zephyr: the native build that has every group it
can have, and emulated boards for images. The last test holds docs/commands.md against what was seen."""

import sys
from pathlib import Path

import pytest

from . import harness, image

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "daemon"))
import conformance  # noqa: E402
import conformance_image  # noqa: E402
import evidence  # noqa: E402


@pytest.fixture(scope="module")
def columns():
    """{board: what it made of each command}"""
    seen = {}
    yield seen
    for column in seen.values():
        column.save()


def calling(daemon, board=None):
    """call(method, parameters) on the board; after a reset it is waited for."""
    def call(method, parameters):
        boots = board.resets if board else 0
        try:
            reply = "reply", daemon.call(method, device="z", **parameters)
        except harness.ApiError as error:
            return error.name, error.parameters
        if method == "Reset" and board:
            daemon.wait("z", where=lambda device: board.resets > boots)
        return reply
    return call


@pytest.fixture(scope="module")
def native(programs, lasting_board, tmp_path_factory, columns):
    board = lasting_board("serial_bigrx")
    columns["native_sim"] = evidence.Column("native_sim")
    with harness.Daemon(tmp_path_factory.mktemp("conformance"), {"z": board.tty}) as daemon:
        daemon.wait("z")
        call = calling(daemon)
        call("FileWrite", {"path": conformance.PATH, "data": conformance.b64(conformance.CONTENT)})
        yield call


@pytest.mark.parametrize("case", conformance.CASES, ids=str)
def test_case(native, columns, case):
    conformance.check(case, "native_sim", native, record=columns["native_sim"].record)


@pytest.fixture(scope="module", params=["cortex_m0", pytest.param("mps2", marks=pytest.mark.slow)])
def story(request, programs, lasting_board, tmp_path_factory, columns):
    """The board's name, call, and the facts of its images."""
    board = lasting_board(request.param)
    columns[request.param] = evidence.Column(request.param)
    facts = {"old.hash": image.image_hash(board.image).hex(), "old.version": "0.0.0"}
    with harness.Daemon(tmp_path_factory.mktemp(request.param), {"z": board.tty}) as daemon:
        daemon.wait("z")
        for name, version in (("new", 2), ("newer", 3)):
            data = image.with_version(board.image, version)
            facts.update({name: daemon.put(data), f"{name}.hash": image.image_hash(data).hex(),
                          f"{name}.version": f"{version}.0.0"})
        yield request.param, calling(daemon, board), facts


@pytest.mark.parametrize("case", conformance_image.CASES, ids=str)
def test_image_case(story, columns, case):
    board, call, facts = story
    conformance.check(case, board, call, facts, columns[board].record)
