# Written by generate_sync.py from aio/files.py: change that file, and run it again.
"""Files of one sandbox."""

from __future__ import annotations

import os
from typing import List, Optional, Union

from ._api import files as api
from ._contents import Chunks, Content, max_read_bytes, pieces, too_large, whole
from ._local import replacing
from ._transport import SyncTransport
from ._waiting import without_blocking
from .errors import PathNotFoundError
from .models import Entry

LocalPath = Union[str, "os.PathLike[str]"]


class Files:
    """Files in a sandbox. Relative paths start at the home of the user; what is created belongs to the user."""

    def __init__(self, transport: SyncTransport, sandbox_id: str) -> None:
        self._transport = transport
        self._id = sandbox_id

    def read(self, path: str, *, user: Optional[str] = None, max_bytes: int = max_read_bytes) -> str:
        """A file as text: UTF-8, with U+FFFD for what is not."""
        content = self.read_bytes(path, user=user, max_bytes=max_bytes)
        return content.decode(errors="replace")

    def read_bytes(
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
            for chunk in stream:
                content += chunk
                if len(content) > max_bytes:
                    raise too_large(path, max_bytes)
        finally:
            stream.close()
        return bytes(content)

    def read_stream(
        self, path: str, *, user: Optional[str] = None, offset: int = 0, length: Optional[int] = None
    ) -> Chunks:
        """A file of any size, at the pace it is read."""
        request = api.read(self._id, path, user=user, offset=offset, length=length)
        with self._transport.stream(request) as response:
            for chunk in self._transport.chunks(response):
                yield chunk

    def write(
        self,
        path: str,
        content: Content,
        *,
        user: Optional[str] = None,
        mode: Optional[int] = None,
        append: bool = False,
        exclusive: bool = False,
    ) -> Entry:
        """Writes text, bytes, an open file, or an iterable of bytes. Makes directories on the way."""
        memory = whole(content)
        body = pieces(content) if memory is None else memory
        return self._transport.send(
            api.write(self._id, path, body, user=user, mode=mode, append=append, exclusive=exclusive)
        )

    def upload(
        self, local_path: LocalPath, path: str, *, user: Optional[str] = None, mode: Optional[int] = None
    ) -> Entry:
        """Copies a file of this machine into the sandbox, with its mode. Any size."""
        with open(local_path, "rb") as file:
            bits = os.fstat(file.fileno()).st_mode & 0o777 if mode is None else mode
            return self.write(path, file, user=user, mode=bits)

    def download(self, path: str, local_path: LocalPath, *, user: Optional[str] = None) -> int:
        """Copies a file of the sandbox to this machine; the number of bytes. The file appears when it is whole."""
        size = 0
        with replacing(local_path) as file:
            stream = self.read_stream(path, user=user)
            try:
                for chunk in stream:
                    size += without_blocking(file.write, chunk)
            finally:
                stream.close()
        return size

    def list(self, path: str = "~", *, depth: int = 1, user: Optional[str] = None) -> List[Entry]:
        """What a directory holds, `depth` levels deep."""
        listing = self._transport.send(api.listing(self._id, path, user=user, depth=depth))
        return listing.entries

    def stat(self, path: str, *, user: Optional[str] = None) -> Entry:
        """One file or directory."""
        return self._transport.send(api.stat(self._id, path, user=user))

    def exists(self, path: str, *, user: Optional[str] = None) -> bool:
        """Whether there is anything at a path."""
        try:
            self.stat(path, user=user)
        except PathNotFoundError:
            return False
        return True

    def make_dir(self, path: str, *, user: Optional[str] = None, mode: Optional[int] = None) -> bool:
        """Makes a directory and its parents. False when it was there."""
        return self._transport.send(api.make_dir(self._id, path, user=user, mode=mode))

    def rename(self, source: str, destination: str, *, user: Optional[str] = None) -> Entry:
        """Moves a file or directory."""
        return self._transport.send(api.rename(self._id, source, destination, user=user))

    def remove(self, path: str, *, user: Optional[str] = None) -> bool:
        """Removes a file or directory with all in it. False when there was none."""
        return self._transport.send(api.remove(self._id, path, user=user))

    def set_attributes(
        self, path: str, *, mode: Optional[int] = None, owner: Optional[str] = None, user: Optional[str] = None
    ) -> Entry:
        """Changes permission bits or owner."""
        return self._transport.send(api.set_attributes(self._id, path, mode=mode, owner=owner, user=user))
