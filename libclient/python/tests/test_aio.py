# SPDX-License-Identifier: MIT
"""AsyncMCUmgrClient: what MCUmgrClient does, awaited."""
import asyncio
import inspect

import pytest

import mcumgrd
from mcumgrd import AsyncMCUmgrClient, MCUmgrClient


def test_every_call_is_there():
    names = {name for name in vars(MCUmgrClient) if not name.startswith("_")}
    assert names == {name for name in vars(AsyncMCUmgrClient) if not name.startswith("_")} and len(names) > 45
    for name in names - {"close"}:
        assert inspect.signature(getattr(AsyncMCUmgrClient, name)) == inspect.signature(getattr(MCUmgrClient, name)), name
        assert inspect.getdoc(getattr(AsyncMCUmgrClient, name)), name


def test_boards_side_by_side_and_calls_in_order(rack):
    r = rack("a", "b")

    async def board(name):
        async with await AsyncMCUmgrClient.device(name, r.socket) as client:
            said = []

            async def echo(text):
                said.append(await client.os_echo(text))

            await asyncio.gather(*(echo(f"{name}{i}") for i in range(10)))
            groups = [group async for group in client.enum_iter_group_ids()]
            assert groups == await client.enum_get_group_ids()
            with pytest.raises(mcumgrd.MCUmgrError):
                await client.fs_file_status("/lfs1/none")
            return said

    async def both():
        return await asyncio.gather(board("a"), board("b"))

    assert asyncio.run(both()) == [[f"{name}{i}" for i in range(10)] for name in "ab"]


@pytest.mark.parametrize("early", [True, False])
def test_cancelling_an_update_cancels_the_job(rack, image, early):
    r = rack("a", keys="baud=115200")

    async def main():
        loop, uploading = asyncio.get_running_loop(), asyncio.Event()

        def progress(text, at):
            if at:
                loop.call_soon_threadsafe(uploading.set)

        async with await AsyncMCUmgrClient.device("a", r.socket) as client:
            update = asyncio.ensure_future(client.firmware_update(image[0], progress=progress))
            if early:
                await asyncio.sleep(0)  # it has begun, and no job has a name yet
            else:
                await asyncio.wait_for(uploading.wait(), 60)
            update.cancel()
            with pytest.raises(asyncio.CancelledError):
                await update
            jobs = client._client._connection.call("io.mcumgr.Jobs")["jobs"]
            assert {job["state"] for job in jobs} <= {"cancelled"} and (jobs or early)
            assert await client.os_echo("on") == "on"
            assert len(await client.image_get_state()) == 1
            await client.fs_file_upload("/lfs1/a", b"data")
            assert await client.fs_file_download("/lfs1/a") == b"data"

    asyncio.run(main())


def test_cancelling_lock_leaves_the_line(rack):
    r = rack("a")

    async def main():
        async with await AsyncMCUmgrClient.device("a", r.socket) as holder, await AsyncMCUmgrClient.device("a", r.socket) as other:
            lease = await holder.lock()
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(other.lock(wait=True), 1)
            lease.unlock()
            assert await other.os_echo("on") == "on"
            (await holder.lock()).unlock()  # nobody came before

    asyncio.run(main())
