"""The host's folder, as a place to write to.

A path is walked folder by folder, each opened in the one before without following a link, so that nothing is read or
written elsewhere, whatever happens meanwhile.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from pathlib import Path
from typing import Callable, Iterator, Optional, Tuple

from ..errors import ConflictError
from ..models import EntryType
from .entries import HostEntry, as_it_was_seen, digest_of_open, entry_of

_as_folder = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | getattr(os, "O_CLOEXEC", 0)
_as_new_file = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | getattr(os, "O_CLOEXEC", 0)
_not_there = (FileNotFoundError, NotADirectoryError)


class HostTree:
    """An open folder of the host."""

    def __init__(self, folder: Path) -> None:
        self._top = os.open(os.path.realpath(folder), _as_folder)

    def close(self) -> None:
        os.close(self._top)

    def look(self, path: str) -> Optional[HostEntry]:
        """What is at a path; None where there is nothing, or where a parent is not a folder."""
        with self._parent(path) as (parent, name):
            return None if parent is None else _look(parent, name, path)

    def read(self, path: str, max_bytes: int) -> Optional[bytes]:
        """The content of a file; None where there is none that can be read, or it has more bytes."""
        with self._opened(path) as number:
            if number is None or os.fstat(number).st_size > max_bytes:
                return None
            return os.read(number, max_bytes)

    def digest(self, path: str) -> Optional[str]:
        """The digest of a file of any size; None where there is none that can be read."""
        with self._opened(path) as number:
            return None if number is None else digest_of_open(number)

    def begin(self, path: str) -> Part:
        """Begins a file, which is put in its place as a whole when it is complete. The parents are made."""
        return Part(self._make_parent(path), path)

    def link(self, path: str, target: str, expected: Optional[str]) -> HostEntry:
        """Puts a link in its place."""
        parent = self._make_parent(path)
        name, part = path.rpartition("/")[2], _part_name()
        try:
            os.symlink(target, part, dir_fd=parent)
            try:
                _give_to_owner(part, name, parent)
                _require(parent, name, path, expected)
                os.rename(part, name, src_dir_fd=parent, dst_dir_fd=parent)
            except BaseException:
                os.unlink(part, dir_fd=parent)
                raise
            found = _look(parent, name, path)
        finally:
            os.close(parent)
        if found is None:
            raise changed(path)
        return found

    def folder(self, path: str, mode: int) -> HostEntry:
        """Makes a folder with its parents, or sets the permissions of one."""
        parent = self._make_parent(path)
        try:
            _make_folder(parent, path.rpartition("/")[2], 0o700)
        finally:
            os.close(parent)
        found = self.look(path)
        if found is None or found.type is not EntryType.DIRECTORY:
            raise changed(path)
        # Its owner keeps the way into it.
        return self.chmod(path, (mode & 0o777) | 0o700)

    def chmod(self, path: str, mode: int) -> HostEntry:
        """Sets the permissions of a file or folder, through no link."""
        with self._parent(path) as (parent, name):
            if parent is None:
                raise changed(path)
            number = os.open(name, as_it_was_seen, dir_fd=parent)
            try:
                os.fchmod(number, mode & 0o777)
                return entry_of(path, os.fstat(number), None)
            finally:
                os.close(number)

    def remove(self, path: str, expected: str) -> None:
        """Removes a file or link of a version."""
        with self._parent(path) as (parent, name):
            if parent is not None:
                _require(parent, name, path, expected)
                os.unlink(name, dir_fd=parent)

    def remove_folder(self, path: str) -> bool:
        """Removes an empty folder; False where it is not empty."""
        with self._parent(path) as (parent, name):
            try:
                if parent is not None:
                    os.rmdir(name, dir_fd=parent)
            except FileNotFoundError:
                return True
            except OSError as error:
                if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
                    return False
                raise
        return True

    @contextlib.contextmanager
    def _opened(self, path: str) -> Iterator[Optional[int]]:
        with self._parent(path) as (parent, name):
            number = None
            if parent is not None:
                with contextlib.suppress(OSError):
                    number = os.open(name, as_it_was_seen, dir_fd=parent)
            try:
                yield number if number is not None and stat.S_ISREG(os.fstat(number).st_mode) else None
            finally:
                if number is not None:
                    os.close(number)

    @contextlib.contextmanager
    def _parent(self, path: str) -> Iterator[Tuple[Optional[int], str]]:
        parts = _parts(path)
        try:
            parent: Optional[int] = self._walk(parts[:-1], lambda _parent, _name: None)
        except _not_there:
            parent = None
        except OSError as error:
            if error.errno != errno.ELOOP:
                raise
            parent = None
        try:
            yield parent, parts[-1]
        finally:
            if parent is not None:
                os.close(parent)

    def _make_parent(self, path: str) -> int:
        try:
            return self._walk(_parts(path)[:-1], lambda parent, name: _make_folder(parent, name, 0o755))
        except OSError as error:
            if isinstance(error, _not_there) or error.errno == errno.ELOOP:
                raise changed(path) from error
            raise

    def _walk(self, parts: Tuple[str, ...], arrive: Callable[[int, str], None]) -> int:
        at = os.dup(self._top)
        for part in parts:
            try:
                arrive(at, part)
                below = os.open(part, _as_folder, dir_fd=at)
            finally:
                os.close(at)
            at = below
        return at


class Part:
    """A file that is being written beside its place."""

    def __init__(self, parent: int, path: str) -> None:
        self._parent, self._path, self._name = parent, path, _part_name()
        self._place = path.rpartition("/")[2]
        try:
            self._number = os.open(self._name, _as_new_file, 0o600, dir_fd=parent)
        except BaseException:
            os.close(parent)
            raise

    def write(self, content: bytes) -> None:
        view = memoryview(content)
        while view:
            view = view[os.write(self._number, view) :]

    def finish(self, mode: int, expected: Optional[str]) -> HostEntry:
        """Puts the file in its place, where what is expected must be, and closes it."""
        _give_to_owner(self._name, self._place, self._parent)
        # The file is the caller's, so nothing but plain permissions is set.
        os.fchmod(self._number, mode & 0o777)
        os.fdatasync(self._number) if hasattr(os, "fdatasync") else os.fsync(self._number)
        _require(self._parent, self._place, self._path, expected)
        os.rename(self._name, self._place, src_dir_fd=self._parent, dst_dir_fd=self._parent)
        found = entry_of(self._path, os.fstat(self._number), None)
        self._close()
        return found

    def give_up(self) -> None:
        """Removes what was written."""
        if self._number >= 0:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._name, dir_fd=self._parent)
            self._close()

    def _close(self) -> None:
        os.close(self._number)
        os.close(self._parent)
        self._number = -1


def changed(path: str) -> ConflictError:
    return ConflictError(
        f"{path} was changed on this host meanwhile.", code="conflict", hint="Look at the changes again."
    )


def _parts(path: str) -> Tuple[str, ...]:
    parts = tuple(path.split("/"))
    if any(part in ("", ".", "..") for part in parts):
        raise ValueError(f"{path!r} is no path in a workspace")
    return parts


def _part_name() -> str:
    return f".nova-{secrets.token_hex(8)}.part"


def _look(parent: int, name: str, path: str) -> Optional[HostEntry]:
    try:
        found = os.stat(name, dir_fd=parent, follow_symlinks=False)
        link = os.readlink(name, dir_fd=parent) if stat.S_ISLNK(found.st_mode) else None
    except FileNotFoundError:
        return None
    return entry_of(path, found, link)


def _require(parent: int, name: str, path: str, expected: Optional[str]) -> None:
    found = _look(parent, name, path)
    if (None if found is None else found.version) != expected:
        raise changed(path)


def _make_folder(parent: int, name: str, mode: int) -> None:
    with contextlib.suppress(FileExistsError):
        os.mkdir(name, mode, dir_fd=parent)
        _give_to_owner(name, "", parent)


def _give_to_owner(made: str, replaced: str, parent: int) -> None:
    """Where root works in a folder of somebody else, what it makes belongs to them."""
    if os.geteuid() != 0:
        return
    try:
        owner = os.stat(replaced, dir_fd=parent, follow_symlinks=False) if replaced else os.fstat(parent)
    except FileNotFoundError:
        owner = os.fstat(parent)
    if owner.st_uid or owner.st_gid:
        os.chown(made, owner.st_uid, owner.st_gid, dir_fd=parent, follow_symlinks=False)
