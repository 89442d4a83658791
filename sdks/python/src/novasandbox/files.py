"""Files of one sandbox."""

from __future__ import annotations

import os
from typing import Iterator, List, Optional, Union

from . import _contents
from ._api import files as api
from ._local import replacing
from ._contents import Content
from ._transport import SyncTransport
from .errors import PathNotFoundError
from .models import Entry

LocalPath = Union[str, "os.PathLike[str]"]


class Files:
    """Files in a sandbox. Relative paths start at the home of the user; what is created belongs to the user."""

    def __init__(self, transport: SyncTransport, sandbox_id: str) -> None:
        self._transport = transport
        self._id = sandbox_id

    def read(self, path: str, *, user: Optional[str] = None, max_bytes: int = _contents.max_read_bytes) -> str:
        """A file as text: UTF-8, with U+FFFD for what is not."""
        return self.read_bytes(path, user=user, max_bytes=max_bytes).decode(errors="replace")

    def read_bytes(
        self,
        path: str,
        *,
        user: Optional[str] = None,
        offset: int = 0,
        length: Optional[int] = None,
        max_bytes: int = _contents.max_read_bytes,
    ) -> bytes:
        """A file, or `length` bytes of it from `offset` on."""
        content = bytearray()
        for chunk in self.read_stream(path, user=user, offset=offset, length=length):
            content += chunk
            if len(content) > max_bytes:
                raise _contents.too_large(path, max_bytes)
        return bytes(content)

    def read_stream(
        self, path: str, *, user: Optional[str] = None, offset: int = 0, length: Optional[int] = None
    ) -> Iterator[bytes]:
        """A file of any size, at the pace it is read."""
        request = api.read(self._id, path, user=user, offset=offset, length=length)
        with self._transport.stream(request) as response:
            yield from self._transport.chunks(response)

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
        """Writes text, bytes, an open file, or an iterable of bytes; directories on the way are made."""
        memory = _contents.whole(content)
        body = _contents.pieces(content) if memory is None else memory
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
            for chunk in self.read_stream(path, user=user):
                size += file.write(chunk)
        return size

    def list(self, path: str = "~", *, depth: int = 1, user: Optional[str] = None) -> List[Entry]:
        """What a directory holds, `depth` levels deep."""
        return self._transport.send(api.listing(self._id, path, user=user, depth=depth)).entries

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
        return self._transport.send(
            api.rename(self._id, source, destination, user=user)
        )

    def remove(self, path: str, *, user: Optional[str] = None) -> bool:
        """Removes a file or directory with all in it. False when there was none."""
        return self._transport.send(api.remove(self._id, path, user=user))

    def set_attributes(
        self, path: str, *, mode: Optional[int] = None, owner: Optional[str] = None, user: Optional[str] = None
    ) -> Entry:
        """Changes permission bits or owner."""
        return self._transport.send(api.set_attributes(self._id, path, mode=mode, owner=owner, user=user))
