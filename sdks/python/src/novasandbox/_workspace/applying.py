"""Chooses the changes that are applied, and notes what both sides have in common afterwards."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Dict, List, Mapping, Optional, Sequence, Union

from ..errors import ConflictError, InvalidArgumentError
from ..models import EntryType, ManifestEntry, PathReason, WorkspaceChange, WorkspaceDiff, WorkspaceState
from . import text
from .base import Base
from .changes import Comparison, Difference, Prepared
from .entries import BaseRow, HostEntry, chooser, is_chosen, parents_of, same_state
from .host_tree import HostTree

Hunks = Mapping[str, Sequence[int]]


@dataclass
class Choice:
    """What is applied, and what is left alone and why."""

    chosen: List[Prepared] = field(default_factory=list)
    conflicts: List[PathReason] = field(default_factory=list)
    refused: List[PathReason] = field(default_factory=list)
    flagged: List[PathReason] = field(default_factory=list)
    outdated: List[PathReason] = field(default_factory=list)


@dataclass(frozen=True)
class ApplyOptions:
    """What a caller wants."""

    paths: Optional[List[str]]
    reviewed: Optional[WorkspaceDiff]
    hunks: Hunks
    allow_flagged: Union[bool, Sequence[str]]
    resolve: Mapping[str, str]
    max_bytes: int


def choose(prepared: List[Prepared], options: ApplyOptions) -> Choice:
    """Sorts out what is not applied."""
    result = Choice()
    seen: Optional[Dict[str, WorkspaceChange]] = None
    if options.reviewed is not None:
        seen = {change.path: change for change in options.reviewed.changes}
    for each in prepared:
        change = each.change
        if seen is not None:
            if change.path not in seen:
                continue
            if not _is_same(seen[change.path], change):
                result.outdated.append(_reason(change.path, "it has changed since it was looked at"))
                continue
        if change.path in options.hunks and not options.hunks[change.path]:
            continue
        if change.refused is not None:
            result.refused.append(_reason(change.path, change.refused))
        elif change.conflict is not None and change.path not in options.resolve:
            result.conflicts.append(_reason(change.path, change.conflict))
        elif change.flags and not _is_allowed(change.path, options):
            result.flagged.append(_reason(change.path, f"it {', and '.join(change.flags)}"))
        else:
            result.chosen.append(each)
    now = {each.change.path for each in prepared}
    for path in seen or ():
        if path not in now and is_chosen(path, chooser(options.paths)):
            result.outdated.append(_reason(path, "it is no change any more"))
    total = sum(each.change.after.size for each in result.chosen if each.change.after is not None)
    if total > options.max_bytes:
        raise InvalidArgumentError(
            f"The changes hold {total} bytes, more than {options.max_bytes}.",
            code="host_resource_exhausted",
            hint="Apply fewer paths at once, or raise the limit.",
        )
    removals = sorted((each for each in result.chosen if each.change.after is None), key=_path, reverse=True)
    others = sorted((each for each in result.chosen if each.change.after is not None), key=_path)
    result.chosen = removals + others
    return result


class Writing:
    """Writes chosen changes to the host. Contents of files come from the caller, who reads them in the guest."""

    def __init__(self, base: Base, host: HostTree, comparison: Comparison, options: ApplyOptions) -> None:
        self._base, self._host, self._comparison, self._options = base, host, comparison, options
        self._written: List[str] = []
        self._removed: List[str] = []

    def place(self, each: Prepared) -> Optional[Place]:
        """Does what needs no content of the guest; returns where a content goes, or None."""
        difference = each.difference
        path, before, after, mine = difference.path, difference.before, difference.after, difference.host
        entry = difference.host_entry
        if self._options.resolve.get(path) == "host":
            self._keep_host(difference)
            return None
        if after is None:
            if before is not None and before.type is EntryType.DIRECTORY:
                if not self._host.remove_folder(path):
                    raise _conflict(f"{path} is not empty on this host.")
            elif entry is not None:
                self._host.remove(path, entry.version)
            self._base.remove(path)
            self._removed.append(path)
            return None
        expected = None if entry is None else entry.version
        if mine is not None and entry is not None and mine.type is not after.type:
            if mine.type is EntryType.DIRECTORY and not self._host.remove_folder(path):
                raise _conflict(f"{path} is not empty on this host.")
            if mine.type is not EntryType.DIRECTORY and after.type is EntryType.DIRECTORY:
                self._host.remove(path, entry.version)
            if EntryType.DIRECTORY in (mine.type, after.type):
                expected = None
        keeps_mode = before is not None and mine is not None and after.mode == before.mode
        mode = mine.mode if keeps_mode and mine is not None else after.mode
        self._written.append(path)
        if after.type is EntryType.DIRECTORY:
            self._note(difference, after, self._host.folder(path, mode), True)
        elif after.type is EntryType.SYMLINK:
            self._note(difference, after, self._host.link(path, after.link or "", expected), True)
        elif each.change.kind == "mode":
            self._note(difference, after, self._host.chmod(path, mode), True)
        else:
            return Place(each, after, mode, expected)
        return None

    def takes_guest(self, place: Place) -> bool:
        """Whether the whole content of the guest is written as it is."""
        change = place.prepared.change
        resolved = self._options.resolve.get(change.path) == "guest"
        return resolved or (self._is_whole(change) and not change.merges)

    def write_texts(self, place: Place) -> None:
        """Writes some hunks, or a merged text."""
        each = place.prepared
        change, whole = each.change, self._is_whole(each.change)
        numbers = self._options.hunks.get(change.path)
        chosen = [hunk for at, hunk in enumerate(change.hunks) if numbers is None or at in numbers]
        common = each.guest_text if numbers is None else text.with_hunks(each.base_text or "", chosen)
        if common is None or each.base_text is None:
            raise _conflict(f"The chosen changes of {change.path} do not fit.")
        result: Optional[str] = common
        if change.merges and each.host_text is not None:
            result = text.merge(each.host_text, each.base_text, common)[0]
        if result is None:
            raise _conflict(f"The chosen changes of {change.path} do not go with those of the host.")
        part = self._host.begin(change.path)
        try:
            part.write(result.encode())
            found = part.finish(place.mode, place.expected)
        finally:
            part.give_up()
        content = common.encode()
        digest = hashlib.sha256(content).hexdigest()
        self._base.keep(digest, content)
        state = place.after.model_copy(update={"size": len(content), "sha256": digest})
        self._note(each.difference, state, found, whole)

    def written(self, place: Place, found: HostEntry, content: Optional[bytes]) -> None:
        """Notes that the guest's content is in its place."""
        if content is not None and place.after.sha256 is not None:
            self._base.keep(place.after.sha256, content)
        self._note(place.prepared.difference, place.after, found, True)

    def finish(self) -> None:
        """Notes the folders that came or went with what was in them."""
        rows, guest = self._comparison.rows, self._comparison.guest_entries
        made = {parent for path in self._written for parent in parents_of(path) if parent not in rows}
        for path in sorted(made):
            entry = guest.get(path)
            if entry is not None and entry.type is EntryType.DIRECTORY:
                mode = entry.mode & 0o777
                state = WorkspaceState(type=EntryType.DIRECTORY, mode=mode, size=0, sha256=None, link=None)
                found = self._host.folder(path, mode)
                self._base.put(BaseRow(path, state, found.lasting, entry.version, 0))
        left = {parent for path in self._removed for parent in parents_of(path) if parent not in guest}
        for path in sorted(left, reverse=True):
            if not self._host.remove_folder(path):
                break
            self._base.remove(path)

    def _is_whole(self, change: WorkspaceChange) -> bool:
        numbers = self._options.hunks.get(change.path)
        return numbers is None or all(at in numbers for at in range(len(change.hunks)))

    def _keep_host(self, difference: Difference) -> None:
        """The host's version is what is wanted: the guest's counts as known."""
        after, guest = difference.after, difference.guest
        if after is None or guest is None:
            self._base.remove(difference.path)
        else:
            self._put(difference.path, after, guest, None)

    def _note(self, difference: Difference, state: WorkspaceState, found: HostEntry, is_guests: bool) -> None:
        self._put(difference.path, state, difference.guest if is_guests else None, found)

    def _put(
        self, path: str, state: WorkspaceState, guest: Optional[ManifestEntry], found: Optional[HostEntry]
    ) -> None:
        lasting = None if found is None else found.lasting
        self._base.put(BaseRow(path, state, lasting, None if guest is None else guest.version, 0))


@dataclass(frozen=True)
class Place:
    """Where a content goes."""

    prepared: Prepared
    after: WorkspaceState
    mode: int
    expected: Optional[str]


def changed_in_guest(path: str) -> ConflictError:
    return _conflict(f"{path} has changed in the sandbox meanwhile.")


def _conflict(message: str) -> ConflictError:
    return ConflictError(message, code="conflict", hint="Look at the changes again.")


def _is_same(one: WorkspaceChange, other: WorkspaceChange) -> bool:
    return same_state(one.before, other.before) and same_state(one.after, other.after)


def _is_allowed(path: str, options: ApplyOptions) -> bool:
    if options.resolve.get(path) == "host" or options.allow_flagged is True:
        return True
    allowed = options.allow_flagged or ()
    return not isinstance(allowed, bool) and is_chosen(path, chooser(list(allowed)))


def _path(each: Prepared) -> str:
    return each.change.path


def _reason(path: str, reason: str) -> PathReason:
    return PathReason(path=path, reason=reason)
