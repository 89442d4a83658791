"""What is at a path of the host's folder, of the guest's, or was when it was pushed."""

from __future__ import annotations

import hashlib
import os
import stat
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Iterator, List, Optional

from ..models import EntryType, ManifestEntry, WorkspaceState

_settled_ns = 50_000_000
_until = "until:"
#: If a link or a pipe has taken the place of a file, a link is not followed and a pipe does not block.
as_it_was_seen = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | getattr(os, "O_CLOEXEC", 0)


@dataclass(frozen=True)
class HostEntry:
    """An entry of the host's folder, without the content of a file."""

    path: str
    type: EntryType
    mode: int
    size: int
    mtime_seconds: int
    #: Changes whenever the file does.
    version: str
    #: The version, if it tells later whether the file has changed; None where it has only just changed.
    lasting: Optional[str]
    link: Optional[str]

    def state(self, sha256: Optional[str]) -> WorkspaceState:
        mode = 0o777 if self.type is EntryType.SYMLINK else self.mode
        return WorkspaceState(type=self.type, mode=mode, size=self.size, sha256=sha256, link=self.link)


@dataclass(frozen=True)
class BaseRow:
    """An entry as both sides had it when they were last known to be the same."""

    path: str
    state: WorkspaceState
    host_version: Optional[str]
    guest_version: Optional[str]
    mtime_seconds: int


def entry_of(path: str, found: os.stat_result, link: Optional[str]) -> HostEntry:
    kind = type_of(found)
    version = f"{found.st_ino}-{found.st_size}-{found.st_mtime_ns}-{found.st_ctime_ns}"
    return HostEntry(
        path=path,
        type=kind,
        mode=found.st_mode & 0o777,
        size=found.st_size if kind is EntryType.FILE else 0,
        mtime_seconds=max(0, found.st_mtime_ns // 1_000_000_000),
        version=version,
        lasting=version if time.time_ns() - found.st_ctime_ns > _settled_ns else None,
        link=link,
    )


def type_of(found: os.stat_result) -> EntryType:
    if stat.S_ISREG(found.st_mode):
        return EntryType.FILE
    if stat.S_ISDIR(found.st_mode):
        return EntryType.DIRECTORY
    return EntryType.SYMLINK if stat.S_ISLNK(found.st_mode) else EntryType.OTHER


def look_at(top: Path, path: str) -> Optional[HostEntry]:
    """Describes what is at a path; None where there is nothing."""
    try:
        found = os.lstat(top / path)
        link = os.readlink(top / path) if stat.S_ISLNK(found.st_mode) else None
    except (FileNotFoundError, NotADirectoryError):
        return None
    return entry_of(path, found, link)


def read_file(path: Path, max_bytes: Optional[int] = None) -> Optional[bytes]:
    """The content of a file; None where it cannot be read, is no file, or has more bytes."""
    try:
        number = os.open(path, as_it_was_seen)
    except OSError:
        return None
    with os.fdopen(number, "rb") as file:
        found = os.fstat(number)
        if not stat.S_ISREG(found.st_mode) or (max_bytes is not None and found.st_size > max_bytes):
            return None
        return file.read(found.st_size)


def digest_of_file(path: Path) -> Optional[str]:
    """The digest of a file of any size; None where it cannot be read, or is no file."""
    try:
        number = os.open(path, as_it_was_seen)
    except OSError:
        return None
    with os.fdopen(number, "rb") as file:
        return digest_of_open(file.fileno())


def digest_of_open(number: int) -> Optional[str]:
    if not stat.S_ISREG(os.fstat(number).st_mode):
        return None
    total = hashlib.sha256()
    while part := os.read(number, 1024 * 1024):
        total.update(part)
    return total.hexdigest()


def state_of_guest(entry: ManifestEntry) -> WorkspaceState:
    """The state that the guest tells of. Set-user-id and the like are dropped."""
    mode = 0o777 if entry.type is EntryType.SYMLINK else entry.mode & 0o777
    size = entry.size if entry.type is EntryType.FILE else 0
    return WorkspaceState(type=entry.type, mode=mode, size=size, sha256=entry.sha256, link=entry.link)


def same_content(one: WorkspaceState, other: WorkspaceState) -> bool:
    """Whether two entries hold the same. A content that is not known is never the same."""
    if one.type is not other.type:
        return False
    if one.type is EntryType.FILE:
        return one.sha256 is not None and one.sha256 == other.sha256
    return one.type is EntryType.DIRECTORY or (one.type is EntryType.SYMLINK and one.link == other.link)


def same_state(one: Optional[WorkspaceState], other: Optional[WorkspaceState]) -> bool:
    if one is None or other is None:
        return one is other
    return same_content(one, other) and same_mode(one, other)


def same_mode(one: WorkspaceState, other: WorkspaceState) -> bool:
    return one.type is EntryType.SYMLINK or one.mode == other.mode


def unchanged_until(entry: ManifestEntry) -> str:
    """The version of guest files that were pushed and have not been looked at since."""
    return f"{_until}{_ms(entry.ctime)}"


def is_as_pushed(row: BaseRow, entry: ManifestEntry) -> Optional[bool]:
    """Whether the guest's entry is as it was pushed; None where that takes its content."""
    now = state_of_guest(entry)
    if now.type is not EntryType.FILE or row.state.type is not EntryType.FILE:
        return same_state(row.state, now)
    if now.size != row.state.size:
        return False
    if row.guest_version == entry.version:
        return same_mode(row.state, now)
    if row.guest_version is None or not row.guest_version.startswith(_until):
        return None
    untouched = (
        _ms(entry.ctime) <= int(row.guest_version[len(_until) :]) and _ms(entry.mtime) == row.mtime_seconds * 1000
    )
    return same_mode(row.state, now) if untouched else None


def parents_of(path: str) -> Iterator[str]:
    """The folders that a path lies in, the outermost first."""
    parts = path.split("/")
    for count in range(1, len(parts)):
        yield "/".join(parts[:count])


def parent_of(path: str) -> str:
    return path.rpartition("/")[0]


def chooser(paths: Optional[List[str]]) -> Optional[frozenset[str]]:
    """The paths that are asked for; None for all."""
    if paths is None:
        return None
    asked = frozenset(os.path.normpath(path) for path in paths)
    return None if "." in asked else asked


def is_chosen(path: str, asked: Optional[frozenset[str]]) -> bool:
    return asked is None or path in asked or any(parent in asked for parent in parents_of(path))


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
