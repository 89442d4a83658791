"""Packs entries of a folder as a tar archive, in pieces of about equal size."""

from __future__ import annotations

import hashlib
import os
import stat
import tarfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Callable, Iterator, List, Optional

from ..models import EntryType
from .entries import HostEntry, as_it_was_seen, read_file
from .walk import secret_content

_at_once_bytes = 256 * 1024
_piece_bytes = 256 * 1024
_types = {EntryType.FILE: tarfile.REGTYPE, EntryType.DIRECTORY: tarfile.DIRTYPE, EntryType.SYMLINK: tarfile.SYMTYPE}


@dataclass(frozen=True)
class Packed:
    """An entry that was packed, with its digest."""

    entry: HostEntry
    sha256: Optional[str]


@dataclass
class PackListener:
    """Is told what became of each entry."""

    search_keys: bool
    #: The content is that of a small file.
    packed: Callable[[Packed, Optional[bytes]], None]
    left_out: Callable[[HostEntry, str, str], None]


def pack_entries(top: Path, entries: List[HostEntry], listener: PackListener) -> Iterator[bytes]:
    """Yields the archive. A file that has gone, or that cannot be read, is left out."""
    pieces = bytearray()
    for entry in entries:
        if entry.type is not EntryType.FILE:
            pieces += _header(entry, 0)
            listener.packed(Packed(entry, None), None)
        elif entry.size <= _at_once_bytes:
            content = read_file(top / entry.path)
            if content is None:
                listener.left_out(entry, "it cannot be read", "unreadable")
                continue
            if listener.search_keys:
                secret = secret_content(entry.path, content[:4096].decode("latin-1"))
                if secret is not None:
                    listener.left_out(entry, secret, "secret")
                    continue
            pieces += _header(entry, len(content)) + content + bytes(-len(content) % 512)
            listener.packed(Packed(entry, hashlib.sha256(content).hexdigest()), content)
        else:
            for part in _large(top, entry, listener):
                pieces += part
                if len(pieces) >= _piece_bytes:
                    yield bytes(pieces)
                    pieces.clear()
        if len(pieces) >= _piece_bytes:
            yield bytes(pieces)
            pieces.clear()
    yield bytes(pieces) + bytes(1024)


def _large(top: Path, entry: HostEntry, listener: PackListener) -> Iterator[bytes]:
    try:
        number = os.open(top / entry.path, as_it_was_seen)
    except OSError:
        return listener.left_out(entry, "it cannot be read", "unreadable")
    with os.fdopen(number, "rb") as file:
        found = os.fstat(number)
        if not stat.S_ISREG(found.st_mode):
            return listener.left_out(entry, "it is not a file any more", "unreadable")
        total, left = hashlib.sha256(), found.st_size
        yield _header(entry, found.st_size)
        while left > 0:
            # A file that has shrunk is filled up with zeros, because its size was sent already.
            part = file.read(min(left, _piece_bytes)) or bytes(min(left, _piece_bytes))
            left -= len(part)
            total.update(part)
            yield part
        yield bytes(-found.st_size % 512)
        listener.packed(Packed(replace(entry, size=found.st_size), total.hexdigest()), None)
    return None


def _header(entry: HostEntry, size: int) -> bytes:
    info = tarfile.TarInfo(entry.path)
    info.type = _types[entry.type]
    info.mode, info.size, info.mtime, info.linkname = entry.mode, size, entry.mtime_seconds, entry.link or ""
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")
