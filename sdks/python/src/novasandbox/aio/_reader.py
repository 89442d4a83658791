"""Reads the output of a command in the background, for asyncio."""

from __future__ import annotations

import asyncio
from typing import Awaitable, Callable, Optional

import httpx


class AsyncReader:
    """A task that reads.

    `read` calls `hold` with each answer it begins to read, and `mark_started` when the command runs.
    """

    def __init__(self, read: Callable[[AsyncReader], Awaitable[None]]) -> None:
        self._started = asyncio.Event()
        self._task = asyncio.ensure_future(read(self))
        # Avoid a warning about a failure that nobody waits for.
        self._task.add_done_callback(lambda task: task.cancelled() or task.exception())

    @property
    def done(self) -> bool:
        return self._task.done()

    @property
    def released(self) -> bool:
        """Whether the reading should end. A task is cancelled where it waits, so it never has to ask."""
        return False

    def hold(self, _response: httpx.Response) -> None:
        """Cancelling the task ends the reading of an answer, so the answer is not needed."""

    def mark_started(self) -> None:
        self._started.set()

    async def until_started(self) -> None:
        """Waits until the command runs, or the reading has ended."""
        started = asyncio.create_task(self._started.wait())
        try:
            await asyncio.wait({started, self._task}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            self._task.cancel()
            raise
        finally:
            started.cancel()

    async def until_done(self, timeout: Optional[float] = None) -> bool:
        """Waits until the reading has ended, and raises what ended it. False when the time is up before."""
        await asyncio.wait({self._task}, timeout=timeout)
        if not self._task.done():
            return False
        if not self._task.cancelled():
            self._task.result()
        return True

    async def release(self) -> None:
        """Ends the reading."""
        self._task.cancel()
        await asyncio.wait({self._task})
