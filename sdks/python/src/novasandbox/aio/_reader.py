"""Reads the output of a command in the background, for asyncio."""

from __future__ import annotations

import asyncio
from typing import Awaitable, Callable, Optional

import httpx


class AsyncReader:
    """A task that reads the output.

    `read` calls `hold` with each response that it begins to read, and `mark_started` when the command runs.
    """

    def __init__(self, read: Callable[[AsyncReader], Awaitable[None]]) -> None:
        self._started = asyncio.Event()
        self._task = asyncio.ensure_future(read(self))
        # Avoid a warning about a failure when nobody awaits the task.
        self._task.add_done_callback(lambda task: task.cancelled() or task.exception())

    @property
    def done(self) -> bool:
        return self._task.done()

    @property
    def released(self) -> bool:
        """Whether reading should end. A task is cancelled at the point where it waits, so it never needs to check."""
        return False

    def hold(self, _response: httpx.Response) -> None:
        """Does nothing: cancelling the task stops reading, so the response is not needed."""

    def mark_started(self) -> None:
        self._started.set()

    async def until_started(self) -> None:
        """Waits until the command runs or reading has ended."""
        started = asyncio.create_task(self._started.wait())
        try:
            await asyncio.wait({started, self._task}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            self._task.cancel()
            raise
        finally:
            started.cancel()

    async def until_done(self, timeout: Optional[float] = None) -> bool:
        """Waits until reading has ended and raises the error that ended it. False if the time limit passes first."""
        await asyncio.wait({self._task}, timeout=timeout)
        if not self._task.done():
            return False
        if not self._task.cancelled():
            self._task.result()
        return True

    async def release(self) -> None:
        """Stops reading."""
        self._task.cancel()
        await asyncio.wait({self._task})
