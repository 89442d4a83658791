"""Files of one sandbox, for asyncio."""

from __future__ import annotations

import os
from typing import Dict, List, Optional, Union

from .._api import files as api
from .._contents import max_read_bytes, too_large
from .._local import replacing
from .._manifest_lines import ManifestLines
from ..errors import PathNotFoundError
from ..models import Entry, ManifestEntry, Unpacked
from ._contents import Chunks, Content, pieces, whole
from ._transport import AsyncTransport
from ._waiting import without_blocking

LocalPath = Union[str, "os.PathLike[str]"]


class AsyncFiles:
    """Files in a sandbox. Relative paths start at the user's home; new files belong to the user."""

    def __init__(self, transport: AsyncTransport, sandbox_id: str) -> None:
        self._transport = transport
        self._id = sandbox_id

    async def read(self, path: str, *, user: Optional[str] = None, max_bytes: int = max_read_bytes) -> str:
        """Reads a file as text: UTF-8, with U+FFFD for invalid bytes."""
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
        """Reads a file, or `length` bytes of it from `offset` on."""
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
        """Reads a file of any size at the caller's pace."""
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
        """Writes text, bytes, an open file, or an iterable of bytes (async ones too). Creates missing directories."""
        memory = whole(content)
        body = pieces(content) if memory is None else memory
        return await self._transport.send(
            api.write(self._id, path, body, user=user, mode=mode, append=append, exclusive=exclusive)
        )

    async def upload(
        self, local_path: LocalPath, path: str, *, user: Optional[str] = None, mode: Optional[int] = None
    ) -> Entry:
        """Copies a file of any size, with its mode, from this machine into the sandbox."""
        with open(local_path, "rb") as file:
            bits = os.fstat(file.fileno()).st_mode & 0o777 if mode is None else mode
            return await self.write(path, file, user=user, mode=bits)

    async def download(self, path: str, local_path: LocalPath, *, user: Optional[str] = None) -> int:
        """Copies a file to this machine and returns its number of bytes. The file appears when it is complete."""
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
        """Lists a directory, `depth` levels deep."""
        listing = await self._transport.send(api.listing(self._id, path, user=user, depth=depth))
        return listing.entries

    async def stat(self, path: str, *, user: Optional[str] = None) -> Entry:
        """Describes a file or directory."""
        return await self._transport.send(api.stat(self._id, path, user=user))

    async def exists(self, path: str, *, user: Optional[str] = None) -> bool:
        """Whether a path exists."""
        try:
            await self.stat(path, user=user)
        except PathNotFoundError:
            return False
        return True

    async def manifest(
        self,
        path: str,
        *,
        skip: Optional[List[str]] = None,
        only: Optional[List[str]] = None,
        hash_bytes: Optional[int] = None,
        limit: Optional[int] = None,
        user: Optional[str] = None,
    ) -> Dict[str, ManifestEntry]:
        """Lists the whole tree below a directory, for a comparison: the entries by their paths, relative to it.

        `skip` leaves out names at every level or, with a slash in them, paths. `only` lists these paths alone. Files of
        at most `hash_bytes` bytes come with their digest. What the guest says must not be trusted.
        """
        request = api.manifest(self._id, path, user=user, skip=skip, only=only, hash_bytes=hash_bytes, limit=limit)
        lines = ManifestLines()
        async with self._transport.stream(request) as response:
            async for data in self._transport.chunks(response):
                lines.feed(data)
        return lines.finish()

    async def unpack(self, path: str, archive: Content, *, user: Optional[str] = None) -> Unpacked:
        """Unpacks a tar archive into a directory, which is made if it is missing. All files belong to the user."""
        memory = whole(archive)
        body = pieces(archive) if memory is None else memory
        return await self._transport.send(api.unpack(self._id, path, body, user=user))

    async def make_dir(self, path: str, *, user: Optional[str] = None, mode: Optional[int] = None) -> bool:
        """Creates a directory and its missing parents. False when it already existed."""
        return await self._transport.send(api.make_dir(self._id, path, user=user, mode=mode))

    async def rename(self, source: str, destination: str, *, user: Optional[str] = None) -> Entry:
        """Moves a file or directory."""
        return await self._transport.send(api.rename(self._id, source, destination, user=user))

    async def remove(self, path: str, *, user: Optional[str] = None) -> bool:
        """Removes a file, or a directory with everything in it. False when it did not exist."""
        return await self._transport.send(api.remove(self._id, path, user=user))

    async def set_attributes(
        self, path: str, *, mode: Optional[int] = None, owner: Optional[str] = None, user: Optional[str] = None
    ) -> Entry:
        """Changes permission bits or owner."""
        return await self._transport.send(api.set_attributes(self._id, path, mode=mode, owner=owner, user=user))
