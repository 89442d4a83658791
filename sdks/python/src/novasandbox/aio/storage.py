"""The space that the daemon takes on its host's disk, for asyncio."""

from __future__ import annotations

from typing_extensions import Unpack

from .._api import storage
from .._connection import ConnectionOptions
from ..models import Collected, StorageUsage
from ._transport import AsyncTransport


class AsyncStorage:
    """Housekeeping of the daemon, for its admin."""

    def __init__(self, **options: Unpack[ConnectionOptions]) -> None:
        self._transport = AsyncTransport(options)

    async def usage(self) -> StorageUsage:
        """Tells what takes how much, in bytes on the disk, and what of it nobody needs."""
        return await self._transport.send(storage.usage())

    async def collect(self, *, dry_run: bool = False, everything: bool = False) -> Collected:
        """Removes what no template, sandbox or snapshot needs.

        `dry_run` only reports it; `everything` also removes what somebody might still want, such as files of sandboxes
        whose records were lost.
        """
        return await self._transport.send(storage.collect(dry_run, everything))

    async def close(self) -> None:
        """Closes the connections."""
        await self._transport.close()

    async def __aenter__(self) -> AsyncStorage:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.close()
