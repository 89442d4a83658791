"""What was pushed, in the file that the other library uses too: the common ancestor of both sides."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import sqlite3
import time
from datetime import datetime
from pathlib import Path
from typing import Dict, Iterator, List, Optional

from .._connection import Connection
from ..errors import InvalidArgumentError
from ..models import EntryType, WorkspaceInfo, WorkspaceState
from .entries import BaseRow

#: Contents of a file of more bytes are not kept: such a file is compared by its digest alone.
max_kept_bytes = 8 * 1024 * 1024
_max_all_kept_bytes = 1024**3
_poll_seconds = 0.15

_tables = """
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE entries (
  path TEXT PRIMARY KEY, type TEXT NOT NULL, mode INTEGER NOT NULL, size INTEGER NOT NULL, sha256 TEXT, link TEXT,
  host_version TEXT, guest_version TEXT, mtime INTEGER NOT NULL, rules TEXT
) WITHOUT ROWID;
CREATE TABLE contents (sha256 TEXT PRIMARY KEY, bytes BLOB NOT NULL);
PRAGMA user_version = 1;
"""


class Base:
    """One SQLite file for each folder of a guest; all that a call changes is there at once, or not at all."""

    def __init__(self, file: Path) -> None:
        if not file.exists():
            os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))
        # The work of one call may be done in several threads, one after the other.
        self._db = sqlite3.connect(file, timeout=10, isolation_level=None, check_same_thread=False)
        if self._db.execute("PRAGMA user_version").fetchone()[0] == 0:
            self._db.executescript(_tables)
        self._kept = int(self._db.execute("SELECT total(length(bytes)) FROM contents").fetchone()[0])

    def fact(self, name: str) -> Optional[str]:
        found = self._db.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return None if found is None else str(found[0])

    def set_fact(self, name: str, value: str) -> None:
        self._db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))

    def is_of_before(self, restored_at: str) -> bool:
        """Whether the sandbox was taken back to a snapshot since the last push.

        What was pushed may be gone from it then, which would look as if the guest had removed it.
        """
        return self.fact("pushedAt") is not None and (self.fact("restoredAt") or "") != restored_at

    def forget_entries(self) -> None:
        """Forgets what was pushed, but not from where and how."""
        self._db.execute("DELETE FROM entries")
        self._db.execute("DELETE FROM facts WHERE name IN ('git', 'rules', 'ignoredFolders')")

    def rows(self) -> Dict[str, BaseRow]:
        """All entries by path."""
        found = self._db.execute(
            "SELECT path, type, mode, size, sha256, link, host_version, guest_version, mtime FROM entries"
        )
        return {
            path: BaseRow(
                path,
                WorkspaceState(type=EntryType(kind), mode=mode, size=size, sha256=sha256, link=link),
                host_version,
                guest_version,
                mtime,
            )
            for path, kind, mode, size, sha256, link, host_version, guest_version, mtime in found
        }

    def put(self, row: BaseRow) -> None:
        state = row.state
        values = (state.type.value, state.mode, state.size, state.sha256, state.link)
        self._db.execute(
            "INSERT OR REPLACE INTO entries VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)",
            (row.path, *values, row.host_version, row.guest_version, row.mtime_seconds),
        )

    def remove(self, path: str) -> None:
        self._db.execute("DELETE FROM entries WHERE path = ?", (path,))

    def keep(self, sha256: str, content: bytes) -> None:
        """Keeps a content, while there is room."""
        if len(content) <= max_kept_bytes and self._kept + len(content) <= _max_all_kept_bytes:
            done = self._db.execute("INSERT OR IGNORE INTO contents VALUES (?, ?)", (sha256, content))
            self._kept += len(content) if done.rowcount > 0 else 0

    def content(self, sha256: str) -> Optional[bytes]:
        """A content that was kept; None where it was not."""
        found = self._db.execute("SELECT bytes FROM contents WHERE sha256 = ?", (sha256,)).fetchone()
        return None if found is None else bytes(found[0])

    def begin(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        used = "SELECT sha256 FROM entries WHERE sha256 IS NOT NULL"
        self._db.execute(f"DELETE FROM contents WHERE sha256 NOT IN ({used})")
        self._db.execute("COMMIT")

    def close(self) -> None:
        """Undoes what was not committed."""
        self._db.close()


class Lock:
    """Keeps all other calls on the workspaces of a sandbox waiting, in this process and others."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.chmod(folder, 0o700)
        self._db = sqlite3.connect(folder / "lock", timeout=0, isolation_level=None, check_same_thread=False)
        os.chmod(folder / "lock", 0o600)

    def taken(self) -> bool:
        """Tries to take the lock."""
        try:
            self._db.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                return False
            raise
        return True

    def take(self) -> None:
        while not self.taken():
            time.sleep(_poll_seconds)

    def release(self) -> None:
        self._db.close()


def base_folder(connection: Connection, sandbox_id: str) -> Path:
    """Where this host keeps what was pushed: beside a sandbox of this host, otherwise by the daemon's address."""
    if not re.fullmatch(r"[a-z0-9]{1,64}", sandbox_id):
        raise InvalidArgumentError(f'"{sandbox_id}" is not the id of a sandbox.', code="internal")
    if connection.socket is not None:
        return Path(connection.socket).parent / "sandboxes" / sandbox_id / "workspaces"
    state = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local/state")
    place = hashlib.sha256(connection.base_url.encode()).hexdigest()[:16]
    return Path(state) / "novasandbox/workspaces" / place / sandbox_id


def base_file(folder: Path, guest_path: str) -> Path:
    return folder / f"{hashlib.sha256(guest_path.encode()).hexdigest()[:16]}.sqlite"


def noted_time(time: Optional[datetime]) -> str:
    """A time as it is noted; empty for none."""
    return "" if time is None else time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def workspaces_in(folder: Path) -> List[WorkspaceInfo]:
    """The folders that were pushed into a sandbox, the newest first."""
    return sorted(_infos(folder), key=lambda info: info.pushed_at, reverse=True)


def _infos(folder: Path) -> Iterator[WorkspaceInfo]:
    for file in folder.glob("*.sqlite") if folder.is_dir() else ():
        with contextlib.suppress(sqlite3.Error, ValueError):
            base = Base(file)
            try:
                facts = [base.fact(name) for name in ("folder", "guestPath", "pushedAt")]
            finally:
                base.close()
            if None not in facts:
                yield WorkspaceInfo.model_validate(dict(zip(("folder", "guest_path", "pushed_at"), facts)))


def chosen_workspace(folder: Path, sandbox_id: str, guest_path: Optional[str]) -> WorkspaceInfo:
    """The folder of the guest that a call means."""
    found = [info for info in workspaces_in(folder) if guest_path is None or info.guest_path == guest_path]
    if len(found) == 1:
        return found[0]
    if not found:
        where = "" if guest_path is None else f" at {guest_path}"
        raise InvalidArgumentError(
            f"No folder was pushed into sandbox {sandbox_id}{where} from here.",
            code="invalid_argument",
            hint="Push a folder first: sandbox.workspace.push().",
        )
    choices = ", ".join(info.guest_path for info in found)
    raise InvalidArgumentError(f"guest_path: say which: {choices}.", code="invalid_argument")
