"""Snapshots of sandboxes, for asyncio."""

from __future__ import annotations

from typing import List, Mapping, Optional

from typing_extensions import Unpack

from .._api import snapshots as api
from .._connection import ConnectionOptions
from .._local import replacing
from .._options import ContinueOptions
from ..errors import SnapshotNotFoundError
from ..snapshot_models import SnapshotCheck, SnapshotInfo, SnapshotStatistics
from ._contents import pieces
from ._transport import AsyncTransport
from ._waiting import without_blocking
from .files import LocalPath
from .sandbox import AsyncSandbox


class AsyncSnapshot:
    """A snapshot of a sandbox, from which any number of sandboxes can go on.

    It holds no connection, needs not be closed, and stays when its sandbox is gone.
    """

    def __init__(self, info: SnapshotInfo, options: ConnectionOptions) -> None:
        self._options = options
        #: All about the snapshot, as of when this object was made.
        self.info = info

    @classmethod
    async def get(
        cls, ref: str, *, sandbox: Optional[str] = None, **options: Unpack[ConnectionOptions]
    ) -> AsyncSnapshot:
        """Finds a snapshot by its id, a unique beginning of it, or its name.

        A name that snapshots of several sandboxes have raises ConflictError, unless `sandbox` names the one.
        """
        async with AsyncTransport(options) as transport:
            return cls(await transport.send(api.get(ref, sandbox)), options)

    @classmethod
    async def list(
        cls,
        *,
        sandbox: Optional[str] = None,
        name: Optional[str] = None,
        metadata: Optional[Mapping[str, str]] = None,
        **options: Unpack[ConnectionOptions],
    ) -> List[AsyncSnapshot]:
        """Lists snapshots, oldest first. `sandbox` is an id or name, or the id of a sandbox that is gone."""
        found: List[SnapshotInfo] = []
        cursor: Optional[str] = None
        async with AsyncTransport(options) as transport:
            while True:
                which = api.page(sandbox=sandbox, name=name, metadata=metadata, cursor=cursor)
                page = await transport.send(which)
                found += page.snapshots
                cursor = page.next_cursor
                if cursor is None:
                    return [cls(info, options) for info in found]

    @classmethod
    async def load(
        cls, local_path: LocalPath, *, name: Optional[str] = None, **options: Unpack[ConnectionOptions]
    ) -> AsyncSnapshot:
        """Reads a file that `save` has written. The daemon checks all of it before it keeps any.

        The snapshot gets an id of its own; `name` replaces its name.
        """
        with open(local_path, "rb") as file:
            content = api.load(pieces(file), name)
            async with AsyncTransport(options) as transport:
                return cls(await transport.send(content), options)

    @staticmethod
    async def statistics(**options: Unpack[ConnectionOptions]) -> SnapshotStatistics:
        """Adds up all snapshots that the key may see."""
        async with AsyncTransport(options) as transport:
            return await transport.send(api.statistics())

    @staticmethod
    async def delete_older(age: float, **options: Unpack[ConnectionOptions]) -> List[SnapshotInfo]:
        """Deletes the snapshots that are older than `age` seconds, and returns those that it has deleted."""
        async with AsyncTransport(options) as transport:
            answer = await transport.send(api.clean_up(age))
            return answer.removed

    @property
    def id(self) -> str:
        return self.info.id

    @property
    def name(self) -> Optional[str]:
        return self.info.name

    async def create_sandbox(self, **options: Unpack[ContinueOptions]) -> AsyncSandbox:
        """Makes a sandbox that goes on from the snapshot. It is removed when its `async with` block ends."""
        return await AsyncSandbox.from_snapshot(self.id, **options, **self._options)

    async def verify(self) -> SnapshotCheck:
        """Reads all files of the snapshot and compares them with the checksums of when it was taken."""
        async with AsyncTransport(self._options) as transport:
            return await transport.send(api.verify(self.id))

    async def delete(self) -> bool:
        """Deletes the snapshot; sandboxes that were made from it stay. False when it does not exist."""
        async with AsyncTransport(self._options) as transport:
            try:
                await transport.send(api.delete(self.id))
            except SnapshotNotFoundError:
                return False
        return True

    async def save(self, local_path: LocalPath) -> int:
        """Writes the snapshot as one file, for `load` here or on another host, and returns its number of bytes.

        It holds the guest's memory with all secrets in it, so only the file's owner may read it. It appears when it is
        complete.
        """
        async with AsyncTransport(self._options) as transport, transport.stream(api.export(self.id)) as response:
            size = 0
            with replacing(local_path, private=True) as file:
                async for chunk in transport.chunks(response):
                    size += await without_blocking(file.write, chunk)
            return size

    def __repr__(self) -> str:
        return f"{type(self).__name__}(id={self.id!r}, name={self.name!r}, kind={self.info.kind.value!r})"
