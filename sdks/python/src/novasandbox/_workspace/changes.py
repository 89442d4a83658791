"""What the guest changed: the differences of three sides, and how they are shown."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Dict, FrozenSet, List, Mapping, Optional, Set, Tuple

from ..models import EntryType, ManifestEntry, WorkspaceChange, WorkspaceHunk, WorkspaceState
from . import text
from .base import Base
from .entries import (
    BaseRow,
    HostEntry,
    is_as_pushed,
    is_chosen,
    parent_of,
    parents_of,
    same_content,
    same_state,
    state_of_guest,
)
from .host_tree import HostTree
from .ignore import IgnoreRules
from .names import flags_of, refused_path, refused_repository, refused_state

most_remembered = 2000
_max_all_text_bytes = 128 * 1024 * 1024


@dataclass(frozen=True)
class Difference:
    """A path at which the guest has something else than what was pushed, with all three sides."""

    path: str
    row: Optional[BaseRow]
    guest: Optional[ManifestEntry]
    host_entry: Optional[HostEntry]
    host: Optional[WorkspaceState]

    @property
    def before(self) -> Optional[WorkspaceState]:
        return None if self.row is None else self.row.state

    @property
    def after(self) -> Optional[WorkspaceState]:
        return None if self.guest is None else state_of_guest(self.guest)


@dataclass(frozen=True)
class Prepared:
    """A change with what applying it needs."""

    change: WorkspaceChange
    difference: Difference
    guest_text: Optional[str]
    base_text: Optional[str]
    host_text: Optional[str]


class Comparison:
    """Compares the guest's folder with what was pushed. The ignore files of the host count, not those of the guest."""

    def __init__(self, base: Base, folder: Path, asked: Optional[FrozenSet[str]]) -> None:
        self._base, self._folder, self._asked = base, folder, asked
        self.rows = base.rows()
        self.guest_entries: Dict[str, ManifestEntry] = {}
        settings = json.loads(base.fact("settings") or "{}")
        self._include: List[str] = settings.get("include", [])
        self._rules: Dict[str, IgnoreRules] = {}
        self._ignored: Set[str] = set()
        pushed = {path for row in self.rows for path in (row, *parents_of(row))}
        known: List[str] = json.loads(base.fact("ignoredFolders") or "[]")
        #: Folders that need not be listed.
        self.skipped = [path for path in known if path not in pushed and self._is_ignored(path, True)]

    def take(self, listed: Mapping[str, ManifestEntry]) -> List[str]:
        """Takes what the guest lists; returns the files whose content is needed."""
        for path, entry in listed.items():
            is_folder = entry.type is EntryType.DIRECTORY
            left_out = path not in self.rows and (parent_of(path) in self._ignored or self._is_ignored(path, is_folder))
            if not left_out:
                self.guest_entries[path] = entry
            elif is_folder:
                self._ignored.add(path)
        outermost = [path for path in self._ignored if parent_of(path) not in self._ignored]
        kept = list(dict.fromkeys(self.skipped + sorted(outermost)))[:most_remembered]
        self._base.set_fact("ignoredFolders", json.dumps(kept))
        self._candidates = [path for path in self.guest_entries if self._may_differ(path)]
        return [path for path in self._candidates if self.guest_entries[path].type is EntryType.FILE]

    def differences(self, hashed: Mapping[str, ManifestEntry], host: HostTree) -> List[Difference]:
        """What differs. What both sides changed in the same way counts as pushed from then on."""
        gone = [path for path in self.rows if is_chosen(path, self._asked) and path not in self.guest_entries]
        found = []
        for path in sorted([*self._candidates, *gone]):
            entry = hashed.get(path) or self.guest_entries.get(path)
            difference = self._difference(path, self.rows.get(path), entry, host)
            if difference is not None:
                found.append(difference)
        return found

    def has(self, path: str) -> bool:
        return path in self.rows or path in self.guest_entries

    def _may_differ(self, path: str) -> bool:
        row = self.rows.get(path)
        if not is_chosen(path, self._asked):
            return False
        return row is None or is_as_pushed(row, self.guest_entries[path]) is not True

    def _difference(
        self, path: str, row: Optional[BaseRow], entry: Optional[ManifestEntry], host: HostTree
    ) -> Optional[Difference]:
        after = None if entry is None else state_of_guest(entry)
        if row is not None and entry is not None and same_state(row.state, after):
            self._base.put(BaseRow(path, row.state, row.host_version, entry.version, row.mtime_seconds))
            return None
        host_entry = host.look(path)
        state = None
        if host_entry is not None:
            known = row is not None and row.host_version == host_entry.version
            digest = None
            if host_entry.type is EntryType.FILE:
                digest = row.state.sha256 if row is not None and known else host.digest(path)
            state = host_entry.state(digest)
        if same_state(state, after):
            if after is None or entry is None:
                self._base.remove(path)
            else:
                lasting = None if host_entry is None else host_entry.lasting
                self._base.put(BaseRow(path, after, lasting, entry.version, 0))
            return None
        return Difference(path, row, entry, host_entry, state)

    def _is_ignored(self, path: str, is_folder: bool) -> bool:
        for asked in self._include:
            if asked == path or path.startswith(f"{asked}/") or asked.startswith(f"{path}/"):
                return False
        return self._rules_of(parent_of(path)).ignores(path, is_folder)

    def _rules_of(self, folder: str) -> IgnoreRules:
        if folder not in self._rules:
            self._rules[folder] = (
                self._rules_of(parent_of(folder)).below(self._folder, folder)
                if folder
                else IgnoreRules.of_top(self._folder)
            )
        return self._rules[folder]


def shown(differences: List[Difference]) -> List[Difference]:
    """Folders that come or go with what is in them need no mention of their own."""
    parents = {parent for difference in differences for parent in parents_of(difference.path)}

    def needs_mention(each: Difference) -> bool:
        sides = [side for side in (each.before, each.after) if side is not None]
        is_folder = all(side.type is EntryType.DIRECTORY for side in sides)
        return not is_folder or len(sides) == 2 or each.path not in parents

    return [each for each in differences if needs_mention(each)]


def readable(differences: List[Difference]) -> List[Difference]:
    """Those whose text is read in the guest, as far as all of it has room."""
    chosen, total = [], 0
    for each in differences:
        after = each.after
        if after is None or after.type is not EntryType.FILE or after.size > text.max_text_bytes:
            continue
        total += after.size
        if refused_path(each.path) is None and total <= _max_all_text_bytes:
            chosen.append(each)
    return chosen


def prepare(
    difference: Difference, guest_text: Optional[str], base: Base, host: HostTree, has: Callable[[str], bool]
) -> Prepared:
    """Describes a difference, and judges what may become of it."""
    path, before, after, mine = difference.path, difference.before, difference.after, difference.host
    kept = None
    if before is not None and before.type is EntryType.FILE and before.sha256 is not None:
        kept = base.content(before.sha256)
    base_text = "" if before is None else text.text_of(kept)
    changed = before is None or after is None or not same_content(before, after)
    host_changed = before is not None if mine is None else before is None or not same_content(before, mine)
    host_text = None
    if host_changed and mine is not None and mine.type is EntryType.FILE:
        host_text = text.text_of(host.read(path, text.max_text_bytes))
    conflict, merges, marked = _judge(difference, changed, host_changed, (base_text, guest_text, host_text))
    after_text = "" if after is None else guest_text if after.type is EntryType.FILE else None
    hunks: Optional[List[WorkspaceHunk]] = []
    if changed and _are_files(before, after) and base_text is not None and after_text is not None:
        hunks = text.hunks_of(base_text, after_text)
    patch = None
    if marked is not None and host_text is not None:
        marks = text.hunks_of(host_text, marked)
        patch = None if marks is None else text.format_hunks(path, 0o644, 0o644, marks)
    change = WorkspaceChange(
        path=path,
        kind=_kind(before, after),
        before=before,
        after=after,
        conflict=conflict,
        merges=merges,
        refused=refused_path(path)
        or refused_repository(path, has)
        or (None if after is None else refused_state(path, after) or _unreadable(after)),
        flags=flags_of(path, before, after, None if before is None else base_text, after_text),
        hunks=hunks or [],
        patch=patch or _patch(path, before, after, hunks),
    )
    return Prepared(change, difference, guest_text, base_text, host_text)


def _judge(
    difference: Difference,
    changed: bool,
    host_changed: bool,
    texts: Tuple[Optional[str], Optional[str], Optional[str]],
) -> Tuple[Optional[str], bool, Optional[str]]:
    """Whether the guest's change goes together with what became of the host's file."""
    before, after, mine = difference.before, difference.after, difference.host
    base_text, guest_text, host_text = texts
    if not host_changed:
        modes = {side.mode for side in (before, after, mine) if side is not None}
        # Three different permissions: both sides have set them.
        return ("its permissions were changed here too" if not changed and len(modes) == 3 else None), False, None
    if before is None:
        return "something else is there on the host", False, None
    if mine is None:
        return (None if after is None else "it was removed on the host"), False, None
    if not changed:
        return None, False, None
    if after is None:
        return "it was changed on the host", False, None
    are_files = _are_files(before, after) and mine.type is EntryType.FILE
    if not are_files or base_text is None or guest_text is None or host_text is None:
        return "it was changed on the host too", False, None
    merged, marked = text.merge(host_text, base_text, guest_text)
    if merged is not None:
        return None, True, None
    return "the same lines were changed on the host", False, marked


def _kind(before: Optional[WorkspaceState], after: Optional[WorkspaceState]) -> str:
    if before is None:
        return "added"
    if after is None:
        return "deleted"
    if before.type is not after.type:
        return "type"
    return "mode" if same_content(before, after) else "modified"


def _are_files(*sides: Optional[WorkspaceState]) -> bool:
    return all(side is None or side.type is EntryType.FILE for side in sides)


def _unreadable(after: WorkspaceState) -> Optional[str]:
    missing = after.type is EntryType.FILE and after.sha256 is None
    return "it cannot be read in the sandbox" if missing else None


def _patch(
    path: str,
    before: Optional[WorkspaceState],
    after: Optional[WorkspaceState],
    hunks: Optional[List[WorkspaceHunk]],
) -> str:
    one = after if after is not None else before
    plain = same_content(before, after) if before and after else one is not None and one.size == 0
    if _are_files(before, after) and hunks is not None and (hunks or plain):
        return text.format_hunks(path, _mode(before), _mode(after), hunks)
    if before is None:
        return f"New {_described(after)}: {path}\n"
    if after is None:
        return f"Removed {_described(before)}: {path}\n"
    if same_content(before, after):
        return f"Permissions of {path}: {before.mode:04o} -> {after.mode:04o}\n"
    return f"Changed from {_described(before)} to {_described(after)}: {path}\n"


def _described(state: Optional[WorkspaceState]) -> str:
    if state is None:
        return "nothing"
    if state.type is EntryType.FILE:
        return f"file of {state.size} bytes"
    if state.type is EntryType.SYMLINK:
        return f"link to {state.link or ''}"
    return "folder" if state.type is EntryType.DIRECTORY else "device, pipe or socket"


def _mode(state: Optional[WorkspaceState]) -> Optional[int]:
    return None if state is None else state.mode
