# SPDX-License-Identifier: MIT
"""Every call, on a simulated board: what it returns, and which exception says what went wrong."""
import dataclasses
import datetime
import hashlib
import zlib

import pytest

import mcumgrd

HELLO = b"hello, board"


def test_os_group(client):
    assert client.os_echo("Hello world!") == "Hello world!"
    assert client.check_connection() is None
    tasks = client.os_task_statistics()
    assert tasks and all(t.stksiz % 4 == 0 and 0 <= t.stkuse <= t.stksiz for t in tasks.values())
    pools = client.os_memory_pool_statistics()
    assert pools and all(0 <= p.nfree <= p.nblks for p in pools.values())
    assert client.os_mcumgr_parameters() == mcumgrd.MCUmgrParameters(buf_size=384, buf_count=4)
    assert client.os_application_info() == "Zephyr"
    assert client.os_application_info("sv").startswith("Zephyr ")
    assert client.os_bootloader_info() == {"name": "MCUboot", "mode": 3, "no_downgrade": False}


def test_the_clock_has_no_time_zone(client):
    when = datetime.datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=datetime.timezone(datetime.timedelta(hours=5)))
    client.os_set_datetime(when)
    late = client.os_get_datetime() - datetime.datetime(2026, 1, 2, 3, 4, 5)
    assert datetime.timedelta(0) <= late < datetime.timedelta(seconds=30)
    assert client.os_get_datetime().tzinfo is None


def test_image_state_and_slots(client):
    (running,) = client.image_get_state()
    assert (running.image, running.slot, running.version) == (0, 0, "1.0.0")
    assert running.active and running.confirmed and not running.pending and len(running.hash) == 32
    (info,) = client.image_slot_info()
    assert [s.slot for s in info.slots] == [0, 1] and info.slots[0].size == 512 * 1024
    assert [s.upload_image_id for s in info.slots][1] == 0
    with pytest.raises(ValueError, match="needs the hash"):
        client.image_set_state()
    with pytest.raises(ValueError, match="no hex"):
        client.image_set_state("xyz")
    with pytest.raises(mcumgrd.DeviceError) as caught:
        client.image_set_state(bytes(32))
    assert caught.value.group == 1 and caught.value.rc > 0


def test_image_upload_test_confirm_erase(rack, image):
    rack("a")
    data, digest = image
    with mcumgrd.MCUmgrClient.device() as client:
        seen = []
        client.image_upload(data, checksum=hashlib.sha256(data).hexdigest(), progress=lambda *at: seen.append(at))
        assert seen[-1][0] <= seen[-1][1] == len(data)
        assert client.image_get_state()[1].hash == digest
        assert client.image_set_state(confirm=True)[0].confirmed
        state = client.image_set_state(digest)
        assert state[1].pending and not state[1].permanent
        with pytest.raises(mcumgrd.DeviceError, match="IMAGE_ALREADY_PENDING"):
            client.image_set_state(digest.hex(), confirm=True)
    with mcumgrd.MCUmgrClient.device() as client, pytest.raises(mcumgrd.BadImage):
        client.image_upload(data, checksum=bytes(32))


def test_image_erase(rack, image):
    rack("a")
    with mcumgrd.MCUmgrClient.device() as client:
        client.image_upload(image[0])
        client.image_erase()
        assert len(client.image_get_state()) == 1
        client.image_upload(image[0], image=0, upgrade_only=True)
        client.image_erase(1)
        assert len(client.image_get_state()) == 1


def test_statistics(client):
    assert client.stats_list_groups() == ["smp_svr_stats"]
    assert client.stats_get_group_data("smp_svr_stats")["ticks"] >= 0
    with pytest.raises(mcumgrd.DeviceError, match="INVALID_STAT_NAME") as caught:
        client.stats_get_group_data("none")
    assert (caught.value.group, caught.value.rc) == (2, 3)


def test_settings(client):
    client.settings_write("sim/x", b"\x00\x01\xff")
    assert client.settings_read("sim/x") == b"\x00\x01\xff"
    assert client.settings_read_ext("sim/x", 99) == mcumgrd.SettingData(b"\x00\x01\xff", 32)
    assert client.settings_read_ext("sim/x", 2) == mcumgrd.SettingData(b"\x00\x01", None)
    for call in (client.settings_commit, client.settings_save, client.settings_load):
        assert call() is None
    client.settings_save("sim")
    client.settings_delete("sim/x")
    with pytest.raises(mcumgrd.DeviceError) as caught:
        client.settings_read("sim/x")
    assert caught.value.group == 3


def test_files(client):
    seen = []
    client.fs_file_upload("/lfs1/a", HELLO, progress=lambda *at: seen.append(at))
    assert seen[-1] == (len(HELLO), len(HELLO))
    assert client.fs_file_download("/lfs1/a", progress=lambda *at: seen.append(at)) == HELLO
    assert client.fs_file_status("/lfs1/a") == mcumgrd.FileStatus(length=len(HELLO))
    crc = zlib.crc32(HELLO).to_bytes(4, "big")
    assert client.fs_file_checksum("/lfs1/a") == mcumgrd.FileChecksum("crc32", 0, len(HELLO), crc)
    part = client.fs_file_checksum("/lfs1/a", "sha256", 1, 3)
    assert part == mcumgrd.FileChecksum("sha256", 1, 3, hashlib.sha256(HELLO[1:4]).digest())
    Format = mcumgrd.FileChecksumDataFormat
    assert client.fs_supported_checksum_types() == {"crc32": mcumgrd.FileChecksumProperties(Format.Numerical, 4),
                                                    "sha256": mcumgrd.FileChecksumProperties(Format.ByteArray, 32)}
    assert client.fs_file_close() is None
    with pytest.raises(mcumgrd.DeviceError, match="FILE_NOT_FOUND") as caught:
        client.fs_file_download("/lfs1/none")
    assert (caught.value.group, caught.value.rc) == (8, 3)


def test_shell(client):
    assert client.shell_execute(["echo", "a b"]).strip() == "a b"
    assert client.shell_execute(["fail", "3"], use_retries=False).strip() == "failed", "as the seed: positive is no error"
    with pytest.raises(mcumgrd.MCUmgrError, match=r"-22 \(Invalid argument\):\s+failed") as caught:
        client.shell_execute(["fail", "-22"])
    assert caught.value.parameters["status"] == -22


def test_enumeration(client):
    ids = client.enum_get_group_ids()
    assert client.enum_get_group_count() == len(ids) and {0, 1, 2, 3, 8, 9, 10, 63} <= set(ids)
    assert list(client.enum_iter_group_ids()) == ids and client.enum_get_group_id(0) == ids[0]
    details = client.enum_get_group_details()
    assert [d.group for d in details] == ids and all(d.name and d.handlers for d in details)
    assert sorted(d.group for d in client.enum_get_group_details([0, 8])) == [0, 8]
    with pytest.raises(mcumgrd.DeviceError) as caught:
        client.enum_get_group_id(200)
    assert caught.value.group == 10


def test_zephyr_erase_storage(client):
    assert client.zephyr_erase_storage() is None


@pytest.mark.parametrize("payload,reply", [
    ({"d": "Hello!"}, {"r": "Hello!"}),
    ({"d": "x", "more": [b"\x00\xff", None, 1.5, 2**64 - 1, -2**63, {"deep": [True, b""]}]}, {"r": "x"})])
def test_raw_command(client, payload, reply):
    assert client.raw_command(True, 0, 0, payload) == reply


def test_raw_command_returns_bytes(client):
    client.settings_write("sim/r", b"\x01\x02")
    assert client.raw_command(False, 3, 0, {"name": "sim/r"}) == {"val": b"\x01\x02"}
    with pytest.raises(TypeError, match="datetime"):
        client.raw_command(True, 0, 0, {"d": datetime.datetime(2026, 1, 1)})
    with pytest.raises(mcumgrd.MCUmgrError) as caught:
        client.raw_command(False, 64, 200, {})
    assert caught.value.rc == 8


def test_reset(rack):
    r = rack("a")
    with mcumgrd.MCUmgrClient.device() as client:
        client.os_system_reset()
        r.sim.command("a wait boots>=1 timeout=20000")
        r.ready()
        assert client.os_echo("back") == "back"
        client.os_system_reset(force=True, boot_mode=0)


def test_settings_of_the_client(rack):
    r = rack("a", keys="buf_size=1024")
    with mcumgrd.MCUmgrClient.device("a") as client:
        client.set_timeout_ms(2000)
        client.set_retries(2)
        client.set_frame_size(128)
        with pytest.raises(mcumgrd.MCUmgrError) as caught:
            client.os_echo("x" * 200)
        assert "128" in str(caught.value) or "124" in str(caught.value)
        client.use_auto_frame_size()
        assert client.os_echo("x" * 200) == "x" * 200
    del r


@pytest.mark.parametrize("wrong", [0, -1, 600001, 1.5, "500", True])
def test_a_wrong_timeout_is_told_where_it_is_set(client, wrong):
    """And not by every call after it."""
    with pytest.raises(mcumgrd.InvalidParameter, match="timeout_ms"):
        client.set_timeout_ms(wrong)
    assert client.os_echo("still there") == "still there"
    with pytest.raises(mcumgrd.InvalidParameter, match="timeout_ms"):
        mcumgrd.MCUmgrClient.device("a", client._connection.path, wrong)


@pytest.mark.parametrize("wrong", ["00", b"", bytes(31), "00" * 33, "0x" + "00" * 32, "zz"])
@pytest.mark.parametrize("call", [lambda c, s: c.image_upload(b"x", checksum=s), lambda c, s: c.firmware_update(b"x", s)])
def test_what_is_no_sha256_is_a_wrong_value(client, call, wrong):
    with pytest.raises(ValueError, match="checksum"):
        call(client, wrong)


@pytest.mark.parametrize("call, name", [
    (lambda c, n: c.set_retries(n), "retries"), (lambda c, n: c.image_erase(n), "slot"),
    (lambda c, n: c.fs_file_checksum("/lfs1/a", offset=n), "offset"), (lambda c, n: c.enum_get_group_details([1, n]), "groups")])
@pytest.mark.parametrize("number", [2 ** 64, -2 ** 63 - 1])
def test_numbers_beyond_64_bits(client, call, name, number):
    with pytest.raises(mcumgrd.InvalidParameter) as raised:
        call(client, number)
    assert raised.value.message == f"'{name}' is beyond 64 bits" and client.os_echo("on") == "on"


@pytest.mark.parametrize("call", [lambda c, image, told: c.image_upload(image[0], progress=told),
                                  lambda c, image, told: c.fs_file_upload("/lfs1/p", image[0], told),
                                  lambda c, image, told: c.fs_file_download("/lfs1/p", told)], ids=["image", "up", "down"])
def test_progress_only_goes_forward(rack, image, call):
    """And tells the end once."""
    r = rack("a")
    with mcumgrd.MCUmgrClient.device("a", r.socket) as client:
        client.fs_file_upload("/lfs1/p", image[0])
        told = []
        call(client, image, lambda *at: told.append(at))
        assert told == sorted(set(told)) and told[-1] == (len(image[0]), len(image[0]))


def test_devices_and_watch(shared):
    (device,) = mcumgrd.devices(shared.socket)
    assert device["id"] == "a" and device["state"] == "ready"
    events = mcumgrd.watch("a", shared.socket)
    assert [next(events)["event"], next(events)["event"]] == ["present", "current"]
    events.close()


def test_what_is_returned_compares_and_shows(client):
    (state,) = client.image_get_state()
    assert dataclasses.replace(state) == state and "version='1.0.0'" in repr(state)


@pytest.mark.parametrize("call,error,code", [
    (lambda c: c._connection.call("io.mcumgr.Get", device="none"), mcumgrd.NoSuchDevice, "io.mcumgr.NoSuchDevice"),
    (lambda c: c._connection.call("io.mcumgr.JobCancel", job="none"), mcumgrd.NoSuchJob, "io.mcumgr.NoSuchJob"),
    (lambda c: c._connection.call("io.mcumgr.Echo", text=5), mcumgrd.InvalidParameter, "org.varlink.service.InvalidParameter"),
    (lambda c: c.firmware_update(b"no image"), mcumgrd.BadImage, "io.mcumgr.BadImage"),
    (lambda c: c.image_erase(77), mcumgrd.DeviceError, "io.mcumgr.DeviceError"),
    (lambda c: c.os_application_info("?"), mcumgrd.DeviceError, "io.mcumgr.DeviceError"),
    (lambda c: c.fs_file_upload("/lfs1/big", bytes((4 << 20) + 1)), mcumgrd.LimitExceeded, "io.mcumgr.LimitExceeded"),
    (lambda c: c.shell_execute([]), mcumgrd.MCUmgrError, None),
])
def test_exceptions_have_types(client, call, error, code):
    with pytest.raises(error) as caught:
        call(client)
    assert isinstance(caught.value, RuntimeError) and caught.value.code == (code or caught.value.code)
    assert caught.value.message and client.os_echo("still there") == "still there"


@pytest.mark.parametrize("call", [
    lambda c, wrong: c.fs_file_upload("/lfs1/x", wrong), lambda c, wrong: c.settings_write("x", wrong),
    lambda c, wrong: c.image_upload(wrong), lambda c, wrong: c.firmware_update(wrong), lambda c, wrong: c.image_upload(b"x", checksum=wrong),
    lambda c, wrong: c.image_set_state(wrong), lambda c, wrong: mcumgrd.mcuboot_get_image_info(wrong),
    lambda c, wrong: c.os_set_datetime(wrong)])
@pytest.mark.parametrize("wrong", [5, [1, 2], 1.5, {}])
def test_what_is_no_bytes_is_refused(client, call, wrong):
    """bytes(5) would be five zeros, which no one means to write to a board."""
    with pytest.raises(TypeError, match=f"not {type(wrong).__name__}"):
        call(client, wrong)


def test_other_wrong_types(client):
    with pytest.raises(TypeError, match="argv"):
        client.shell_execute("echo x")  # a sequence of strings, too: letters
    with pytest.raises(ValueError):
        client._connection.call("io.mcumgr.Echo", text="x", timeoutMs=float("nan"))  # is no JSON
    assert client.os_echo("still there") == "still there"


def test_classes_know_their_codes():
    for name, cls in mcumgrd.errors._BY_NAME.items():
        assert cls("x").code == name or cls is mcumgrd.PermissionDenied
    with pytest.raises(mcumgrd.NoSuchDevice) as caught:
        mcumgrd.MCUmgrClient.usb_serial("")
    assert caught.value.code == "io.mcumgr.NoSuchDevice"


def test_image_info(image, tmp_path):
    info = mcumgrd.mcuboot_get_image_info(image[0])
    assert (info.version, info.hash) == ("2.0.0", image[1])
    with pytest.raises(mcumgrd.BadImage) as caught:
        mcumgrd.mcuboot_get_image_info(b"\x7fELF" + bytes(100))
    assert caught.value.parameters["reason"] == "not-an-image"
