# SPDX-License-Identifier: MIT
"""The Python package on real Zephyr, through a daemon of its own: no service, just the tty."""

import hashlib
import sys
import zlib
from pathlib import Path

import pytest

from . import harness

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "libclient/python"))
import mcumgrd  # noqa: E402


@pytest.fixture(scope="module")
def client(programs, lasting_board):
    patch = pytest.MonkeyPatch()
    patch.setenv("MCUMGRD", str(harness.daemon_program()))
    patch.setenv("MCUMGR_SOCKET", "/nonexistent/io.mcumgr")
    with mcumgrd.MCUmgrClient.serial(lasting_board("serial_bigrx").tty) as client:
        client.use_auto_frame_size()
        yield client
    patch.undo()


def test_os(client):
    client.check_connection()
    assert client.os_echo("Hello world!") == "Hello world!"
    assert client.os_mcumgr_parameters() == mcumgrd.MCUmgrParameters(384, 4)
    assert client.os_task_statistics()["mcumgr smp"].stksiz == 2048
    assert "native_sim" in client.os_application_info("a")
    for call in (client.os_get_datetime, client.os_bootloader_info, client.os_memory_pool_statistics,
                 client.image_get_state, client.image_slot_info, client.image_erase):
        with pytest.raises(mcumgrd.NotSupported) as caught:
            call()
        assert caught.value.rc == 8


def test_groups(client):
    ids = client.enum_get_group_ids()
    assert list(client.enum_iter_group_ids()) == ids == [10, 8, 0, 3, 9, 2, 63]
    assert client.enum_get_group_count() == len(ids)
    assert [d.name for d in client.enum_get_group_details([9])] == ["shell mgmt"]


def test_statistics_and_settings(client):
    assert "smp_svr_stats" in client.stats_list_groups()
    assert client.stats_get_group_data("smp_svr_stats")["ticks"] >= 0
    client.settings_commit()
    client.settings_load()
    with pytest.raises(mcumgrd.DeviceError, match="ROOT_KEY_NOT_FOUND"):
        client.settings_read("none/x")
    with pytest.raises(mcumgrd.DeviceError, match="SAVE_NOT_SUPPORTED"):
        client.settings_save()


@pytest.mark.parametrize("size", [1, 319, 320, 3000])
def test_files(client, size):
    data = bytes(i * 7 & 255 for i in range(size))
    client.fs_file_upload("/lfs1/p", data)
    assert client.fs_file_download("/lfs1/p") == data
    assert client.fs_file_status("/lfs1/p").length == size
    assert client.fs_file_checksum("/lfs1/p").output == zlib.crc32(data).to_bytes(4, "big")
    assert client.fs_file_checksum("/lfs1/p", "sha256").output == hashlib.sha256(data).digest()
    assert client.fs_file_close() is None


def test_an_exception_cancels_a_download(client):
    class Enough(Exception):
        pass

    def progress(*_):
        raise Enough

    with pytest.raises(Enough):
        client.fs_file_download("/lfs1/p", progress)
    assert client.os_echo("on") == "on"


def test_shell_and_raw(client):
    assert "Zephyr version" in client.shell_execute(["kernel", "version"])
    with pytest.raises(mcumgrd.MCUmgrError, match="-8"):
        client.shell_execute(["nonesuch"])
    assert client.raw_command(True, 0, 0, {"d": "Hello!"}) == {"r": "Hello!"}


def test_the_storage_is_erased_last(client):
    assert client.zephyr_erase_storage() is None
