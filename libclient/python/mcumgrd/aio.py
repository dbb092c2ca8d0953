# SPDX-License-Identifier: MIT
"""AsyncMCUmgrClient: every call of MCUmgrClient as a coroutine. Made from that class; its types are in aio.pyi, which
libclient/python/make-stub.py writes."""
from __future__ import annotations

import asyncio
import functools
import inspect

from .client import MCUmgrClient

__all__ = ["AsyncMCUmgrClient"]


class AsyncMCUmgrClient:
    """One board, with the calls of MCUmgrClient to await. Each runs in a thread; those of one client run one after the other,
    in the order in which they were made, those of several clients side by side.

    Cancelling an await of firmware_update, image_upload or a file's transfer cancels the job, and ends when the board is at rest;
    lock() leaves the line; any other call is waited for. Callbacks of progress are called in the thread."""

    def __init__(self, client):
        self._client = client
        self._turn = asyncio.Lock()

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        await self.close()

    async def close(self):
        """Closes the client; a call that runs ends."""
        await asyncio.to_thread(self._client.close)

    async def _run(self, function, *arguments, **named):
        async with self._turn:
            self._client._stop = False
            work = asyncio.ensure_future(asyncio.to_thread(function, *arguments, **named))
            try:
                return await asyncio.shield(work)
            except asyncio.CancelledError:
                await asyncio.to_thread(
                    self._client._connection.interrupt if function is MCUmgrClient.lock else self._client._stop_job)
                await asyncio.wait([work])
                work.exception()  # is known: it was cancelled
                raise


def _maker(make):
    @functools.wraps(make)
    async def wrapper(*arguments, **named):
        return AsyncMCUmgrClient(await asyncio.to_thread(make, *arguments, **named))

    return staticmethod(wrapper)


def _method(function):
    @functools.wraps(function)
    async def wrapper(self, *arguments, **named):
        return await self._run(function, self._client, *arguments, **named)

    return wrapper


def _generator(function):
    @functools.wraps(function)
    async def wrapper(self, *arguments, **named):
        items, end = function(self._client, *arguments, **named), object()
        while (item := await self._run(next, items, end)) is not end:
            yield item

    return wrapper


for _name, _value in vars(MCUmgrClient).items():
    if _name.startswith("_") or _name in vars(AsyncMCUmgrClient):
        continue
    if isinstance(_value, staticmethod):
        setattr(AsyncMCUmgrClient, _name, _maker(_value.__func__))
    elif inspect.isgeneratorfunction(_value):
        setattr(AsyncMCUmgrClient, _name, _generator(_value))
    else:
        setattr(AsyncMCUmgrClient, _name, _method(_value))
