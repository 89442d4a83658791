"""Files of one sandbox, for asyncio."""

from __future__ import annotations

import os
from typing import List, Optional, Union

from .._api import files as api
from .._contents import max_read_bytes, too_large
from .._local import replacing
from ..errors import PathNotFoundError
from ..models import Entry
from ._contents import Chunks, Content, pieces, whole
from ._transport import AsyncTransport
from ._waiting import without_blocking

LocalPath = Union[str, "os.PathLike[str]"]


class AsyncFiles:
    """Files in a sandbox. Relative paths start at the home of the user; what is created belongs to the user."""

    def __init__(self, transport: AsyncTransport, sandbox_id: str) -> None:
        self._transport = transport
        self._id = sandbox_id

    async def read(self, path: str, *, user: Optional[str] = None, max_bytes: int = max_read_bytes) -> str:
        """A file as text: UTF-8, with U+FFFD for what is not."""
        content = await self.read_bytes(path, user=user, max_bytes=max_bytes)
        return content.decode(errors="replace")

    async def read_bytes(
        self,
        path: str,
        *,
        user: Optional[str] = None,
        offset: int = 0,
        length: Optional[int] = None,
        max_bytes: int = max_read_bytes,
    ) -> bytes:
        """A file, or `length` bytes of it from `offset` on."""
        content = bytearray()
        stream = self.read_stream(path, user=user, offset=offset, length=length)
        try:
            async for chunk in stream:
                content += chunk
                if len(content) > max_bytes:
                    raise too_large(path, max_bytes)
        finally:
            await stream.aclose()
        return bytes(content)

    async def read_stream(
        self, path: str, *, user: Optional[str] = None, offset: int = 0, length: Optional[int] = None
    ) -> Chunks:
        """A file of any size, at the pace it is read."""
        request = api.read(self._id, path, user=user, offset=offset, length=length)
        async with self._transport.stream(request) as response:
            async for chunk in self._transport.chunks(response):
                yield chunk

    async def write(
        self,
        path: str,
        content: Content,
        *,
        user: Optional[str] = None,
        mode: Optional[int] = None,
        append: bool = False,
        exclusive: bool = False,
    ) -> Entry:
        """Writes text, bytes, an open file, or an iterable of bytes (async ones too). Makes directories on the way."""
        memory = whole(content)
        body = pieces(content) if memory is None else memory
        return await self._transport.send(
            api.write(self._id, path, body, user=user, mode=mode, append=append, exclusive=exclusive)
        )

    async def upload(
        self, local_path: LocalPath, path: str, *, user: Optional[str] = None, mode: Optional[int] = None
    ) -> Entry:
        """Copies a file of this machine into the sandbox, with its mode. Any size."""
        with open(local_path, "rb") as file:
            bits = os.fstat(file.fileno()).st_mode & 0o777 if mode is None else mode
            return await self.write(path, file, user=user, mode=bits)

    async def download(self, path: str, local_path: LocalPath, *, user: Optional[str] = None) -> int:
        """Copies a file of the sandbox to this machine; the number of bytes. The file appears when it is whole."""
        size = 0
        with replacing(local_path) as file:
            stream = self.read_stream(path, user=user)
            try:
                async for chunk in stream:
                    size += await without_blocking(file.write, chunk)
            finally:
                await stream.aclose()
        return size

    async def list(self, path: str = "~", *, depth: int = 1, user: Optional[str] = None) -> List[Entry]:
        """What a directory holds, `depth` levels deep."""
        listing = await self._transport.send(api.listing(self._id, path, user=user, depth=depth))
        return listing.entries

    async def stat(self, path: str, *, user: Optional[str] = None) -> Entry:
        """One file or directory."""
        return await self._transport.send(api.stat(self._id, path, user=user))

    async def exists(self, path: str, *, user: Optional[str] = None) -> bool:
        """Whether there is anything at a path."""
        try:
            await self.stat(path, user=user)
        except PathNotFoundError:
            return False
        return True

    async def make_dir(self, path: str, *, user: Optional[str] = None, mode: Optional[int] = None) -> bool:
        """Makes a directory and its parents. False when it was there."""
        return await self._transport.send(api.make_dir(self._id, path, user=user, mode=mode))

    async def rename(self, source: str, destination: str, *, user: Optional[str] = None) -> Entry:
        """Moves a file or directory."""
        return await self._transport.send(api.rename(self._id, source, destination, user=user))

    async def remove(self, path: str, *, user: Optional[str] = None) -> bool:
        """Removes a file or directory with all in it. False when there was none."""
        return await self._transport.send(api.remove(self._id, path, user=user))

    async def set_attributes(
        self, path: str, *, mode: Optional[int] = None, owner: Optional[str] = None, user: Optional[str] = None
    ) -> Entry:
        """Changes permission bits or owner."""
        return await self._transport.send(api.set_attributes(self._id, path, mode=mode, owner=owner, user=user))
