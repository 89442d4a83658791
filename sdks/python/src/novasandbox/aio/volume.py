"""Volumes, for asyncio."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import AsyncIterator, List, Optional

from typing_extensions import Unpack

from .._api import volumes as api
from .._connection import ConnectionOptions
from ..models import SandboxState, VolumeInfo
from ._transport import AsyncTransport
from .sandbox import AsyncSandbox

#: Where a sandbox that was made to open a volume has it.
_opened_at = "/volume"


@dataclass(frozen=True)
class AsyncOpenVolume:
    """A volume, and a sandbox to read and write its files with."""

    sandbox: AsyncSandbox
    #: The folder of the sandbox in which the volume is.
    path: str
    #: Whether the sandbox can only read it.
    read_only: bool


class AsyncVolume:
    """A disk with a name, which outlives the sandboxes that are created with it.

    It holds no connection and needs not be closed.
    """

    def __init__(self, info: VolumeInfo, options: ConnectionOptions) -> None:
        self._options = options
        #: All about the volume, as of this object's last call.
        self.info = info

    @classmethod
    async def create(
        cls, name: str, *, size_mb: Optional[int] = None, **options: Unpack[ConnectionOptions]
    ) -> AsyncVolume:
        """Creates an empty volume; raises ConflictError when its owner has another of that name.

        It takes space on the host only as it is written to.
        """
        async with AsyncTransport(options) as transport:
            return cls(await transport.send(api.create(name, size_mb)), options)

    @classmethod
    async def get(cls, ref: str, **options: Unpack[ConnectionOptions]) -> AsyncVolume:
        """Finds a volume by its id, a unique beginning of it, or its name."""
        async with AsyncTransport(options) as transport:
            return cls(await transport.send(api.get(ref)), options)

    @classmethod
    async def list(cls, **options: Unpack[ConnectionOptions]) -> List[AsyncVolume]:
        """Lists the volumes that the key may see."""
        async with AsyncTransport(options) as transport:
            listing = await transport.send(api.listing())
            return [cls(info, options) for info in listing.volumes]

    @property
    def id(self) -> str:
        return self.info.id

    @property
    def name(self) -> str:
        return self.info.name

    async def get_info(self) -> VolumeInfo:
        """Asks the daemon for current information, such as who has the volume."""
        async with AsyncTransport(self._options) as transport:
            self.info = await transport.send(api.get(self.id))
            return self.info

    async def resize(self, size_mb: int) -> VolumeInfo:
        """Makes the volume larger; its file system grows at once, or when it is next mounted to write."""
        async with AsyncTransport(self._options) as transport:
            self.info = await transport.send(api.resize(self.id, size_mb))
            return self.info

    async def remove(self, *, force: bool = False) -> None:
        """Removes the volume with its contents; raises ConflictError while a sandbox has it.

        With `force` it is removed even if a stopped sandbox needs it to start again.
        """
        async with AsyncTransport(self._options) as transport:
            await transport.send(api.delete(self.id, force))

    @asynccontextmanager
    async def open(self, *, timeout: float = 600) -> AsyncIterator[AsyncOpenVolume]:
        """Gives a sandbox to read and write the volume's files with, until the block ends.

        It is the one that has the volume; where none has, one is made without network, which lives for `timeout`
        seconds at most.
        """
        info = await self.get_info()
        holder = next((use for use in info.used_by if use.attached and use.status == SandboxState.RUNNING), None)
        if holder is not None:
            sandbox = await AsyncSandbox.connect(holder.vm_id, **self._options)
            try:
                yield AsyncOpenVolume(sandbox, holder.path, holder.read_only)
            finally:
                await sandbox.close()
        else:
            async with await AsyncSandbox.create(
                volumes=[{"name": self.id, "path": _opened_at}],
                network=False,
                ephemeral=True,
                timeout=timeout,
                **self._options,
            ) as sandbox:
                yield AsyncOpenVolume(sandbox, _opened_at, False)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(id={self.id!r}, name={self.name!r})"
