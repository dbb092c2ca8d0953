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


def test_native_sim(board, daemon):
    running = daemon({"z": board("serial_bigrx").tty})
    running.wait("z")
    call = calling(running)
    call("FileWrite", {"path": conformance.PATH, "data": conformance.b64(conformance.CONTENT)})
    finish(conformance.run(conformance.CASES, "native_sim", call))


def finish(column):
    column.save()
    assert column.differs_from_page() == [], "run script/matrix"


@pytest.mark.parametrize("kind", ["cortex_m0", pytest.param("mps2", marks=pytest.mark.slow)])
def test_images(board, daemon, kind):
    one = board(kind)
    running = daemon({"z": one.tty})
    running.wait("z")
    facts = {"old.hash": image.image_hash(one.image).hex(), "old.version": "0.0.0"}
    for name, version in (("new", 2), ("newer", 3)):
        data = image.with_version(one.image, version)
        facts.update({name: running.put(data), f"{name}.hash": image.image_hash(data).hex(),
                      f"{name}.version": f"{version}.0.0"})
    finish(conformance.run(conformance_image.CASES, kind, calling(running, one), facts))
