# Written by generate_sync.py from aio/workspace.py: change that file, and run it again.
"""Workspaces of one sandbox."""

from __future__ import annotations

import hashlib
import json
import os
import posixpath
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Dict, Iterable, Iterator, List, Mapping, Optional, Sequence, Tuple, Union

from . import models
from ._api import vms
from ._transport import SyncTransport
from ._waiting import without_blocking
from ._workspace import applying, base, changes, entries, host_tree, pack, push_plan, walk
from ._workspace.text import max_text_bytes, text_of
from .errors import ConflictError, InvalidArgumentError, PathNotFoundError
from .files import Files
from .models import ApplyResult, LeftOut, ManifestEntry, PathReason, PushResult, WorkspaceDiff, WorkspaceInfo

LocalPath = Union[str, "os.PathLike[str]"]

default_guest_path = "/workspace"
#: So many files are looked at one by one after they were sent; of more, only the time of the last one is noted.
_most_looked_at = 1000
_most_entries = 1_000_000
_request_bytes = 256 * 1024
_most_hashed = 64 * 1024**3


class Workspace:
    """A folder of this machine, pushed into the sandbox, worked on there, and reviewed before anything comes back."""

    def __init__(self, transport: SyncTransport, sandbox_id: str, files: Files) -> None:
        self._transport = transport
        self._id = sandbox_id
        self._files = files

    def push(
        self,
        folder: LocalPath = ".",
        *,
        guest_path: Optional[str] = None,
        user: Optional[str] = None,
        include: Optional[Iterable[str]] = None,
        include_secrets: Optional[bool] = None,
        git: Optional[bool] = None,
        overwrite: bool = False,
        max_bytes: int = 8 * 1024**3,
        max_entries: int = 500_000,
    ) -> PushResult:
        """Copies a folder into the guest; later, only what has changed.

        Ignored files and files that hold secrets stay here unless `include` names them, and the result says so. What
        was changed in the guest meanwhile is not replaced, unless `overwrite` is set: it is a conflict.
        """
        top = without_blocking(_real_folder, folder)
        where = self._guest_path(top, guest_path)
        with self._base(where) as kept:
            settings = _Settings(kept, top, where, include, include_secrets, git, user)
            restored_at = self._restored_at()
            if kept.is_of_before(restored_at):
                kept.forget_entries()
            rows = without_blocking(kept.rows)
            options = walk.WalkOptions(
                include=settings.include,
                include_secrets=settings.include_secrets,
                git=settings.git,
                sent_git=frozenset(json.loads(kept.fact("git") or "[]")),
                max_entries=max_entries,
                max_bytes=max_bytes,
                is_unchanged=lambda entry: entry.path in rows and rows[entry.path].host_version == entry.version,
            )
            found = without_blocking(walk.walk, top, options)
            planning = without_blocking(push_plan.Planning, top, found, rows, overwrite)
            plan = self._decided(planning, found, where, settings.user)
            removed = self._remove(plan, where, settings.user, kept)
            files, size = self._send(kept, top, found, plan, where, settings)
            for row in plan.adopted:
                kept.put(row)
            for path in plan.forgotten:
                kept.remove(path)
            kept.set_fact("ignoredFolders", json.dumps(found.ignored_folders[: changes.most_remembered]))
            kept.set_fact("pushedAt", base.noted_time(datetime.now(timezone.utc)))
            kept.set_fact("restoredAt", restored_at)
            kept.set_fact("git", json.dumps(sorted({*options.sent_git, *planning.git_tops()})))
        return PushResult(
            folder=str(top),
            guest_path=where,
            sent_files=files,
            sent_bytes=size,
            removed=removed,
            unchanged=plan.unchanged,
            ignored=found.ignored,
            left_out=found.left_out,
            conflicts=plan.conflicts,
            notes=plan.notes,
        )

    def diff(self, *, guest_path: Optional[str] = None, paths: Optional[Iterable[str]] = None) -> WorkspaceDiff:
        """Compares the guest's folder with what was pushed, and both with the folder of this machine as it is now."""
        info = base.chosen_workspace(self._folder, self._id, guest_path)
        asked = None if paths is None else list(paths)
        with self._opened(info) as (kept, host):
            _, prepared = self._compared(kept, info, host, asked)
        found = [each.change for each in prepared]
        return WorkspaceDiff(folder=info.folder, guest_path=info.guest_path, changes=found)

    def apply(
        self,
        *,
        guest_path: Optional[str] = None,
        paths: Optional[Iterable[str]] = None,
        reviewed: Optional[WorkspaceDiff] = None,
        hunks: Optional[Mapping[str, Sequence[int]]] = None,
        allow_flagged: Union[bool, Sequence[str]] = False,
        resolve: Optional[Mapping[str, str]] = None,
        dry_run: bool = False,
        max_bytes: int = 4 * 1024**3,
    ) -> ApplyResult:
        """Brings the guest's changes into the folder of this machine: all, those of some paths, or some hunks.

        Conflicts are left alone unless `resolve` says "guest" or "host" for their path. What belongs to git or could
        leave the folder is refused, and what this machine may run by itself needs consent. With `reviewed`, only what
        that diff shows is applied, while it is still the same; `hunks` then are numbers of its hunks, by path.
        """
        if hunks is not None and reviewed is None:
            raise InvalidArgumentError(
                "hunks: their numbers are those of a diff, which goes into reviewed.", code="invalid_argument"
            )
        info = base.chosen_workspace(self._folder, self._id, guest_path)
        asked = None if paths is None else list(paths)
        options = applying.ApplyOptions(asked, reviewed, hunks or {}, allow_flagged, resolve or {}, max_bytes)
        applied: List[str] = []
        with self._opened(info) as (kept, host):
            comparison, prepared = self._compared(kept, info, host, asked)
            choice = applying.choose(prepared, options)
            writing = applying.Writing(kept, host, comparison, options)
            for each in choice.chosen:
                path = each.change.path
                try:
                    if not dry_run:
                        self._write(writing, each, host, info.guest_path)
                    applied.append(path)
                except ConflictError as error:
                    choice.conflicts.append(PathReason(path=path, reason=error.message))
            if not dry_run:
                without_blocking(writing.finish)
        return ApplyResult(
            folder=info.folder,
            guest_path=info.guest_path,
            applied=sorted(applied),
            conflicts=choice.conflicts,
            refused=choice.refused,
            flagged=choice.flagged,
            outdated=choice.outdated,
        )

    def list(self) -> List[WorkspaceInfo]:
        """The folders that were pushed into this sandbox from here."""
        return without_blocking(base.workspaces_in, self._folder)

    @property
    def _folder(self) -> Path:
        return base.base_folder(self._transport.connection, self._id)

    @contextmanager
    def _base(self, guest_path: str) -> Iterator[base.Base]:
        """The record of a folder of the guest. All changes of it are there at the end, or none."""
        lock = base.Lock(self._folder)
        try:
            without_blocking(lock.take)
            kept = base.Base(base.base_file(self._folder, guest_path))
            try:
                kept.begin()
                yield kept
                without_blocking(kept.commit)
            finally:
                kept.close()
        finally:
            lock.release()

    @contextmanager
    def _opened(self, info: WorkspaceInfo) -> Iterator[Tuple[base.Base, host_tree.HostTree]]:
        """The record of a folder of the guest, and the folder of this machine."""
        with self._base(info.guest_path) as kept:
            if kept.is_of_before(self._restored_at()):
                raise ConflictError(
                    "The sandbox was taken back to a snapshot after the folder was pushed.",
                    code="conflict",
                    hint="Push it again: what the sandbox has of it is compared anew.",
                )
            host = host_tree.HostTree(Path(info.folder))
            try:
                yield kept, host
            finally:
                host.close()

    def _restored_at(self) -> str:
        """When the sandbox was last taken back to a snapshot, as it is noted."""
        return base.noted_time((self._transport.send(vms.get(self._id))).restored_at)

    def _guest_path(self, top: Path, given: Optional[str]) -> str:
        if given is None:
            before = [info for info in base.workspaces_in(self._folder) if info.folder == str(top)]
            return before[0].guest_path if before else default_guest_path
        path = posixpath.normpath(given)
        if not path.startswith("/") or path == "/":
            raise InvalidArgumentError(
                f'guest_path: "{given}" is not an absolute path below the guest\'s root.', code="invalid_argument"
            )
        return path

    def _decided(
        self, planning: push_plan.Planning, found: walk.Walk, where: str, user: Optional[str]
    ) -> push_plan.PushPlan:
        there: Dict[str, ManifestEntry] = {}
        if planning.plan.is_first:
            there = self._all(where, found.ignored_folders, user) or {}
        elif planning.asked:
            there = self._some(where, planning.asked, user)
        unsure = planning.unsure(there)
        if unsure:
            there.update(self._some(where, unsure, user, hash_bytes=_most_hashed))
        git: Iterable[str] = ()
        if planning.git_tops() and (there or not planning.plan.is_first):
            git = self._some(where, planning.git_tops(), user)
        return without_blocking(planning.decide, there, git)

    def _remove(self, plan: push_plan.PushPlan, where: str, user: Optional[str], kept: base.Base) -> int:
        """Removes in the guest what is gone here. A folder in which the guest has something of its own stays."""
        removed = 0
        stays = set()
        directory = models.EntryType.DIRECTORY
        for row in sorted(plan.remove, key=lambda row: row.state.type is directory):
            path = f"{where}/{row.path}"
            if row.state.type is directory and self._files.list(path, user=user):
                stays.add(row.path)
            else:
                self._files.remove(path, user=user)
                removed += 1
            kept.remove(row.path)
        for entry in [each for each in plan.send if each.path in stays and each.type is not directory]:
            plan.send.remove(entry)
            plan.conflict(entry.path, "it is a folder in the sandbox, in which something was added")
        return removed

    def _send(
        self,
        kept: base.Base,
        top: Path,
        found: walk.Walk,
        plan: push_plan.PushPlan,
        where: str,
        settings: _Settings,
    ) -> Tuple[int, int]:
        git = {id(entry) for entry in plan.git}
        packed: List[pack.Packed] = []
        of_git: List[pack.Packed] = []

        def note(each: pack.Packed, content: Optional[bytes]) -> None:
            is_git = id(each.entry) in git
            (of_git if is_git else packed).append(each)
            if content is not None and each.sha256 is not None and not is_git:
                kept.keep(each.sha256, content)

        def leave_out(entry: entries.HostEntry, reason: str, kind: str) -> None:
            found.left_out.append(LeftOut(path=entry.path, kind=kind, reason=reason))

        sent = plan.git + plan.send
        if sent or plan.is_first:
            listener = pack.PackListener(not settings.include_secrets, note, leave_out)
            self._files.unpack(where, pack.pack_entries(top, sent, listener), user=settings.user)
        versions = self._versions(where, packed, settings.user)
        for each in packed:
            entry = each.entry
            state = entry.state(each.sha256)
            kept.put(entries.BaseRow(entry.path, state, entry.lasting, versions.get(entry.path), entry.mtime_seconds))
        all_sent = [each.entry for each in packed + of_git]
        files = sum(entry.type is models.EntryType.FILE for entry in all_sent)
        return files, sum(entry.size for entry in all_sent)

    def _versions(self, where: str, packed: List[pack.Packed], user: Optional[str]) -> Dict[str, str]:
        """How later looks at the guest tell that what was sent has not been changed there."""
        files = [each.entry for each in packed if each.entry.type is models.EntryType.FILE]
        if not files:
            return {}
        if len(files) > _most_looked_at:
            last = (self._some(where, [files[-1].path], user)).get(files[-1].path)
            return {} if last is None else {file.path: entries.unchanged_until(last) for file in files}
        now = self._some(where, [file.path for file in files], user)
        return {
            file.path: now[file.path].version
            for file in files
            if file.path in now
            and now[file.path].size == file.size
            and now[file.path].mtime.timestamp() == file.mtime_seconds
        }

    def _compared(
        self, kept: base.Base, info: WorkspaceInfo, host: host_tree.HostTree, paths: Optional[List[str]]
    ) -> Tuple[changes.Comparison, List[changes.Prepared]]:
        user = kept.fact("user")
        asked = entries.chooser(paths)
        comparison = without_blocking(changes.Comparison, kept, Path(info.folder), asked)
        listed = self._all(info.guest_path, comparison.skipped, user)
        if listed is None:
            # Without this, a folder that was moved away would look as if everything in it had been removed.
            raise PathNotFoundError(
                f"The sandbox has no folder {info.guest_path} any more.",
                code="file_not_found",
                hint="Push it again, or look where it went.",
            )
        unsure = without_blocking(comparison.take, listed)
        hashed = self._some(info.guest_path, unsure, user, hash_bytes=_most_hashed) if unsure else {}
        shown = changes.shown(without_blocking(comparison.differences, hashed, host))
        texts: Dict[str, Optional[str]] = {}
        for each in changes.readable(shown):
            content = self._files.read_bytes(f"{info.guest_path}/{each.path}", user=user, max_bytes=max_text_bytes)
            is_same = each.after is not None and hashlib.sha256(content).hexdigest() == each.after.sha256
            texts[each.path] = text_of(content) if is_same else None
        return comparison, [
            without_blocking(changes.prepare, each, texts.get(each.path), kept, host, comparison.has) for each in shown
        ]

    def _write(self, writing: applying.Writing, each: changes.Prepared, host: host_tree.HostTree, where: str) -> None:
        place = without_blocking(writing.place, each)
        if place is None:
            return
        if not writing.takes_guest(place):
            without_blocking(writing.write_texts, place)
            return
        path, after = each.change.path, place.after
        part = without_blocking(host.begin, path)
        try:
            content = bytearray()
            total, length = hashlib.sha256(), 0
            stream = self._files.read_stream(f"{where}/{path}")
            try:
                for piece in stream:
                    length += len(piece)
                    if length > after.size:
                        raise applying.changed_in_guest(path)
                    total.update(piece)
                    if after.size <= base.max_kept_bytes:
                        content += piece
                    without_blocking(part.write, piece)
            finally:
                stream.close()
            if length != after.size or total.hexdigest() != after.sha256:
                raise applying.changed_in_guest(path)
            found = without_blocking(part.finish, place.mode, place.expected)
        finally:
            part.give_up()
        writing.written(place, found, bytes(content) if after.size <= base.max_kept_bytes else None)

    def _all(self, where: str, skipped: List[str], user: Optional[str]) -> Optional[Dict[str, ManifestEntry]]:
        """Everything but `.git` and the given folders; None where there is no such folder."""
        skip = [".git", *(f"/{path}" for path in next(iter(_chunks(skipped)), []))]
        try:
            return self._files.manifest(where, skip=skip, limit=_most_entries, user=user)
        except PathNotFoundError:
            return None

    def _some(
        self, where: str, paths: List[str], user: Optional[str], *, hash_bytes: Optional[int] = None
    ) -> Dict[str, ManifestEntry]:
        """The given paths, as far as they exist."""
        found: Dict[str, ManifestEntry] = {}
        for only in _chunks(paths):
            found.update(self._files.manifest(where, only=only, hash_bytes=hash_bytes, user=user))
        return found


class _Settings:
    """The settings of a push; those that a call leaves out are those of the last one."""

    def __init__(
        self,
        kept: base.Base,
        top: Path,
        where: str,
        include: Optional[Iterable[str]],
        include_secrets: Optional[bool],
        git: Optional[bool],
        user: Optional[str],
    ) -> None:
        other = kept.fact("folder")
        if other is not None and other != str(top):
            raise InvalidArgumentError(
                f"guest_path: {other} was pushed there.",
                code="invalid_argument",
                hint="Push this folder to another path of the guest.",
            )
        before = json.loads(kept.fact("settings") or "{}")
        given = before.get("include", []) if include is None else include
        self.include = tuple(_relative(path) for path in given)
        self.include_secrets: bool = before.get("includeSecrets", False) if include_secrets is None else include_secrets
        self.git: bool = before.get("git", True) if git is None else git
        self.user = user if user is not None else kept.fact("user")
        facts = {"include": list(self.include), "includeSecrets": self.include_secrets, "git": self.git}
        kept.set_fact("folder", str(top))
        kept.set_fact("guestPath", where)
        kept.set_fact("settings", json.dumps(facts, separators=(",", ":"), ensure_ascii=False))
        if self.user is not None:
            kept.set_fact("user", self.user)


def _real_folder(folder: LocalPath) -> Path:
    top = Path(os.path.realpath(folder))
    if not top.is_dir():
        raise PathNotFoundError(f"There is no folder {folder}.", code="file_not_found")
    return top


def _relative(path: str) -> str:
    plain = posixpath.normpath(path)
    if plain.startswith(("/", "../")) or plain == "..":
        raise InvalidArgumentError(f'include: "{path}" is not in the folder.', code="invalid_argument")
    return plain


def _chunks(paths: List[str]) -> Iterable[List[str]]:
    """The paths in portions that one request takes."""
    chunk: List[str] = []
    size = 0
    for path in paths:
        size += len(path.encode()) + 8
        if size > _request_bytes and chunk:
            yield chunk
            chunk, size = [], len(path.encode()) + 8
        chunk.append(path)
    if chunk:
        yield chunk
