# SPDX-License-Identifier: MIT
"""firmware_update, and what happens when its progress callback raises."""
import pytest

import mcumgrd
from mcumgrd import MCUmgrClient


class Enough(Exception):
    pass


def test_an_update_is_proved(rack, image):
    rack("a", keys="baud=460800")
    data, digest = image
    said = []
    with MCUmgrClient.device() as client:
        client.firmware_update(data, bootloader_type="MCUboot", progress=lambda *step: said.append(step))
        running = client.image_get_state()[0]
        assert (running.hash, running.active, running.confirmed) == (digest, True, True)
        with pytest.raises(mcumgrd.AlreadyInstalled):
            client.firmware_update(data)
    assert any(at for _, at in said if at and at[1] == len(data)) and len({text for text, _ in said}) >= 5


@pytest.mark.parametrize("options,flags", [
    ({"skip_reboot": True}, {"pending": True}), ({"confirm": False}, {"active": True, "confirmed": False}),
    ({"force_confirm": True}, {"active": True, "confirmed": True})])
def test_options(rack, image, options, flags):
    rack("a")
    with MCUmgrClient.device() as client:
        client.firmware_update(image[0], **options)
        (new,) = [s for s in client.image_get_state() if s.hash == image[1]]
        assert {name: getattr(new, name) for name in flags} == flags


def test_an_image_that_does_not_boot(rack, image):
    r = rack("a")
    r.sim.command("a fault revert-on-boot")
    with MCUmgrClient.device() as client, pytest.raises(mcumgrd.NotBooted) as caught:
        client.firmware_update(image[0])
    assert caught.value.parameters["reason"] == "reverted"


def test_unknown_bootloader(client):
    with pytest.raises(ValueError, match="only 'MCUboot'"):
        client.firmware_update(b"", bootloader_type="uboot")


@pytest.mark.parametrize("call", [
    lambda c, data, progress: c.firmware_update(data, progress=progress),
    lambda c, data, progress: c.image_upload(data, progress=progress),
    lambda c, data, progress: c.fs_file_upload("/lfs1/a", data, progress=progress)], ids=["update", "image", "file"])
def test_an_exception_in_progress_cancels(rack, image, call):
    """It comes out as it went in, the board is at rest then, and the client goes on."""
    rack("a", keys="baud=115200")

    def progress(*_):
        raise Enough("here")

    with MCUmgrClient.device() as client:
        with pytest.raises(Enough, match="here"):
            call(client, image[0], progress)
        (job,) = [j for j in client._connection.call("io.mcumgr.Jobs")["jobs"]]
        assert job["state"] == "cancelled"
        assert client.os_echo("on") == "on"
        assert len(client.image_get_state()) == 1


def test_leaving_by_ctrl_c_leaves_a_client_that_works(rack, image):
    rack("a", keys="baud=115200")

    def progress(*_):
        raise KeyboardInterrupt

    with MCUmgrClient.device() as client:
        with pytest.raises(KeyboardInterrupt):
            client.fs_file_upload("/lfs1/a", image[0], progress=progress)
        assert client.os_echo("on") == "on"
