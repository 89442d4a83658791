"""What a push does, once both sides have been looked at."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Dict, Iterable, List, Mapping, Optional, Set

from ..models import EntryType, ManifestEntry, PathReason
from .entries import (
    BaseRow,
    HostEntry,
    digest_of_file,
    is_as_pushed,
    look_at,
    parents_of,
    same_content,
    same_state,
    state_of_guest,
)
from .walk import Walk

GuestEntries = Dict[str, ManifestEntry]


@dataclass
class PushPlan:
    """The entries to send and to remove, and what is left alone."""

    is_first: bool
    send: List[HostEntry] = field(default_factory=list)
    git: List[HostEntry] = field(default_factory=list)
    adopted: List[BaseRow] = field(default_factory=list)
    remove: List[BaseRow] = field(default_factory=list)
    forgotten: List[str] = field(default_factory=list)
    conflicts: List[PathReason] = field(default_factory=list)
    notes: List[str] = field(default_factory=list)
    unchanged: int = 0

    def conflict(self, path: str, reason: str) -> None:
        self.conflicts.append(PathReason(path=path, reason=reason))


class Planning:
    """Compares three sides: the folder as it is, as it was pushed, and the guest's."""

    def __init__(self, top: Path, found: Walk, rows: Mapping[str, BaseRow], overwrite: bool) -> None:
        self._top, self._found, self._rows, self._overwrite = top, found, rows, overwrite
        self.plan = PushPlan(is_first=not rows)
        self._here = {entry.path for entry in found.entries}
        self._blocked: Set[str] = set()
        self._changed = [entry for entry in found.entries if self._has_changed(entry)]
        self._gone = [row for path, row in rows.items() if path not in self._here]

    @property
    def asked(self) -> List[str]:
        """The paths that the guest has to tell of, if it does not list everything."""
        paths: Dict[str, None] = {}
        for path in [entry.path for entry in self._changed] + [row.path for row in self._gone]:
            paths.update(dict.fromkeys([*parents_of(path), path]))
        return list(paths)

    def unsure(self, there: GuestEntries) -> List[str]:
        """The guest's files whose content decides."""
        concerned = [entry.path for entry in self._changed] + [row.path for row in self._gone]
        return [path for path in concerned if path in there and self._needs_digest(path, there[path])]

    def git_tops(self) -> List[str]:
        paths = (entry.path for entry in self._found.git_entries)
        return [path for path in paths if path == ".git" or path.endswith("/.git")]

    def decide(self, there: GuestEntries, git_there: Iterable[str]) -> PushPlan:
        """Decides about every entry. Files that `unsure` named come with their digests."""
        plan, found = self.plan, self._found
        for row in sorted(self._gone, key=lambda row: row.path, reverse=True):
            self._decide_gone(row, there.get(row.path))
        for entry in self._changed:
            self._decide(entry, there)
        held = set(git_there)
        plan.notes += [f"{top} is in the sandbox already, and was left as it is." for top in sorted(held)]
        plan.git = [entry for entry in found.git_entries if not held & {*parents_of(entry.path), entry.path}]
        conflicts = sum(each.path in self._here for each in plan.conflicts)
        plan.unchanged = len(found.entries) - len(plan.send) - conflicts
        if ".gitmodules" in self._here:
            plan.notes.append("Submodules are sent as they are checked out here.")
        return plan

    def _has_changed(self, entry: HostEntry) -> bool:
        row = self._rows.get(entry.path)
        if row is None:
            return True
        if entry.type is EntryType.FILE and row.state.type is EntryType.FILE:
            if entry.version == row.host_version:
                return False
            digest = digest_of_file(self._top / entry.path) if entry.size == row.state.size else None
            if not same_state(row.state, entry.state(digest)):
                return True
            self.plan.adopted.append(replace(row, host_version=entry.lasting))
            return False
        return not same_state(row.state, entry.state(None))

    def _needs_digest(self, path: str, there: ManifestEntry) -> bool:
        if there.type is not EntryType.FILE:
            return False
        row = self._rows.get(path)
        return row is None or is_as_pushed(row, there) is not True

    def _as_pushed(self, row: BaseRow, there: ManifestEntry) -> bool:
        known = is_as_pushed(row, there)
        return same_state(row.state, state_of_guest(there)) if known is None else known

    def _decide_gone(self, row: BaseRow, there: Optional[ManifestEntry]) -> None:
        if there is None or look_at(self._top, row.path) is not None:
            # If it is here, it is left out from now on, and the guest keeps it.
            self.plan.forgotten.append(row.path)
        elif row.state.type is EntryType.DIRECTORY or self._overwrite or self._as_pushed(row, there):
            self.plan.remove.append(row)
        else:
            self.plan.conflict(row.path, "it was removed here and changed in the sandbox")

    def _decide(self, entry: HostEntry, all_there: GuestEntries) -> None:
        plan, row, there = self.plan, self._rows.get(entry.path), all_there.get(entry.path)
        if self._is_blocked(entry.path, all_there):
            return self._conflict(entry, "its folder is something else in the sandbox")
        if there is None:
            if row is None or self._overwrite or entry.type is EntryType.DIRECTORY:
                return plan.send.append(entry)
            return self._conflict(entry, "it was changed here and removed in the sandbox")
        if entry.type is EntryType.DIRECTORY and there.type is EntryType.DIRECTORY:
            return plan.send.append(entry) if row is not None else self._adopt(entry, there, None)
        if row is not None and self._as_pushed(row, there):
            if row.state.type is not entry.type:
                plan.remove.append(row)
            return plan.send.append(entry)
        digest = digest_of_file(self._top / entry.path) if entry.type is EntryType.FILE else None
        if same_content(entry.state(digest), state_of_guest(there)):
            return self._adopt(entry, there, digest)
        if self._overwrite and there.type is entry.type:
            return plan.send.append(entry)
        self._conflict(entry, "it is there already" if row is None else "it was changed here and in the sandbox")

    def _adopt(self, entry: HostEntry, there: ManifestEntry, digest: Optional[str]) -> None:
        """The guest has the same: nothing is sent. Of the permissions, the guest's count as pushed."""
        state = entry.state(digest).model_copy(update={"mode": state_of_guest(there).mode})
        self.plan.adopted.append(BaseRow(entry.path, state, entry.lasting, there.version, entry.mtime_seconds))

    def _conflict(self, entry: HostEntry, reason: str) -> None:
        if entry.type is EntryType.DIRECTORY:
            self._blocked.add(entry.path)
        self.plan.conflict(entry.path, reason)

    def _is_blocked(self, path: str, there: GuestEntries) -> bool:
        replaced = {row.path for row in self.plan.remove}
        return any(
            parent in self._blocked
            or (parent in there and there[parent].type is not EntryType.DIRECTORY and parent not in replaced)
            for parent in parents_of(path)
        )
