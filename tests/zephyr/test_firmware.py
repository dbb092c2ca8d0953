# SPDX-License-Identifier: MIT
"""The cache of the firmware: what is damaged there, or fails once, is fetched again."""

import shutil

import pytest

from . import firmware


@pytest.fixture
def fetched(firmware_folder, tmp_path, monkeypatch):
    """A cache of its own; how often the source package was asked for. The first time there is no network."""
    good, asked = firmware.cache() / firmware.SDIST, []

    def download(base):
        asked.append(base)
        if len(asked) == 1:
            raise firmware.Unavailable("no network")
        shutil.copy(good, base / firmware.SDIST)

    monkeypatch.setenv("MCUMGRD_TEST_CACHE", str(tmp_path))
    monkeypatch.setattr(firmware, "_download", download)
    monkeypatch.setattr(firmware, "DOWNLOAD_PAUSES", (0, None))
    (tmp_path / firmware.SDIST).write_bytes(good.read_bytes()[:100000])
    return asked


def test_a_damaged_download_is_fetched_again(firmware_folder, fetched):
    unpacked = firmware.folder.__wrapped__()
    assert len(fetched) == 2
    names = {path.name: path.stat().st_size for path in firmware_folder.iterdir()}
    for damage in (lambda path: path.write_bytes(b""), lambda path: (unpacked / "SHA256SUMS").unlink()):
        damage(next(unpacked.glob("zephyr_*")))
        assert firmware.folder.__wrapped__() == unpacked
        assert {path.name: path.stat().st_size for path in unpacked.iterdir()} == names
    assert len(fetched) == 2, "the source package was whole"


def test_what_cannot_be_fetched_is_told_with_the_damage(fetched, monkeypatch):
    monkeypatch.setattr(firmware, "DOWNLOAD_PAUSES", (None,))
    with pytest.raises(firmware.Unavailable, match="has SHA-256 .*; no network"):
        firmware.folder.__wrapped__()
