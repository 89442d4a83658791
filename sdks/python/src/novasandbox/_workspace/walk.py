"""Lists what a push sends of a folder. No link is followed."""

from __future__ import annotations

import os
import posixpath
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, FrozenSet, List, Optional, Tuple

from ..errors import InvalidArgumentError
from ..models import EntryType, LeftOut
from . import rules
from .entries import HostEntry, entry_of
from .ignore import IgnoreRules

part_name = re.compile(r"^\.nova-[0-9a-f]{16}\.part$")
_max_reported = 1000
_head_bytes = 65_536


@dataclass(frozen=True)
class WalkOptions:
    """What is sent, and how much."""

    include: Tuple[str, ...]
    include_secrets: bool
    git: bool
    #: Repositories that were sent before.
    sent_git: FrozenSet[str]
    max_entries: int
    max_bytes: int
    #: Whether an entry was sent as it is: then its content is not searched for secrets again.
    is_unchanged: Callable[[HostEntry], bool]


@dataclass
class Walk:
    """The entries in order of name, a folder before what is in it; without what belongs to git."""

    entries: List[HostEntry] = field(default_factory=list)
    git_entries: List[HostEntry] = field(default_factory=list)
    left_out: List[LeftOut] = field(default_factory=list)
    ignored_folders: List[str] = field(default_factory=list)
    ignored: int = 0
    bytes: int = 0

    def leave_out(self, path: str, kind: str, reason: str) -> None:
        if len(self.left_out) < _max_reported:
            self.left_out.append(LeftOut(path=path, kind=kind, reason=reason))


#: How the entries of a folder are chosen.
_tested, _asked, _leads, _git = "tested", "asked for", "leads to what was asked for", "git"


def walk(top: Path, options: WalkOptions) -> Walk:
    """Looks at the whole folder."""
    found = Walk()
    _folder(top, "", IgnoreRules.of_top(top), _tested, options, found)
    return found


def _folder(top: Path, path: str, ignored: IgnoreRules, choice: str, options: WalkOptions, found: Walk) -> None:
    try:
        names = sorted(os.listdir(top / path))
    except OSError:
        if path == "":
            raise
        return found.leave_out(path, "unreadable", "it cannot be read")
    for name in names:
        if not part_name.match(name):
            _child(top, path, name, ignored, choice, options, found)


def _child(
    top: Path, folder: str, name: str, ignored: IgnoreRules, above: str, options: WalkOptions, found: Walk
) -> None:
    path = f"{folder}/{name}" if folder else name
    try:
        name.encode()
    except UnicodeEncodeError:
        shown = name.encode(errors="surrogateescape").decode(errors="replace")
        return found.leave_out(f"{folder}/{shown}" if folder else shown, "special", "its name is not UTF-8")
    try:
        seen = os.lstat(top / path)
        link = os.readlink(top / path) if stat.S_ISLNK(seen.st_mode) else None
    except OSError:
        return None
    is_folder = stat.S_ISDIR(seen.st_mode)
    choice: Optional[str] = above
    if name == ".git" and above != _git:
        choice = _git_choice(top, path, seen, options, found)
    if choice in (_tested, _leads):
        choice = _choose(path, name, is_folder, ignored, above, options, found)
    if choice is None:
        return None
    entry = entry_of(path, seen, link)
    if entry.type is EntryType.OTHER:
        return found.leave_out(path, "special", "it is a device, a pipe or a socket")
    searched = entry.type is EntryType.FILE and not options.include_secrets and choice != _asked
    if searched and _may_hold_secret(path) and not options.is_unchanged(entry):
        head = _head(top / path)
        if head is None:
            return found.leave_out(path, "unreadable", "it cannot be read")
        secret = secret_content(path, head)
        if secret is not None:
            return found.leave_out(path, "secret", secret)
    _add(entry, choice, options, found)
    if is_folder:
        below = ignored if choice == _git else ignored.below(top, path)
        _folder(top, path, below, choice, options, found)
    return None


def _git_choice(top: Path, path: str, seen: os.stat_result, options: WalkOptions, found: Walk) -> Optional[str]:
    if not options.git or path in options.sent_git:
        return None
    if stat.S_ISDIR(seen.st_mode):
        return _git
    if stat.S_ISREG(seen.st_mode):
        target = re.search(r"^gitdir: (.+)$", _head(top / path) or "", re.M)
        leads_to = posixpath.join(posixpath.dirname(path), target[1] if target else "/")
        if not posixpath.normpath(leads_to).startswith(("/", "..")):
            return _git
    found.leave_out(path, "special", "it leads to a repository outside of the folder")
    return None


def _choose(
    path: str, name: str, is_folder: bool, ignored: IgnoreRules, above: str, options: WalkOptions, found: Walk
) -> Optional[str]:
    if path in options.include:
        return _asked
    leads = any(asked.startswith(f"{path}/") for asked in options.include)
    if above == _tested:
        secret = None
        if not options.include_secrets:
            secret = rules.secret_folders.get(name) if is_folder else secret_name(name)
        left_out = ignored.ignores(path, is_folder)
        if secret is None and not left_out:
            return _tested
        if not leads:
            if secret is None:
                found.ignored += 1
            else:
                found.leave_out(path, "secret", secret)
            if is_folder:
                found.ignored_folders.append(path)
    return _leads if leads and is_folder else None


def _add(entry: HostEntry, choice: str, options: WalkOptions, found: Walk) -> None:
    (found.git_entries if choice == _git else found.entries).append(entry)
    found.bytes += entry.size
    if len(found.entries) + len(found.git_entries) > options.max_entries:
        raise _too_much(f"more than {options.max_entries} files and folders")
    if found.bytes > options.max_bytes:
        raise _too_much(f"more than {options.max_bytes} bytes")


def _too_much(what: str) -> InvalidArgumentError:
    return InvalidArgumentError(
        f"The folder holds {what}.",
        code="host_resource_exhausted",
        hint="Leave files out with .novaignore, leave .git out, or raise the limit.",
    )


def _head(path: Path) -> Optional[str]:
    try:
        with open(path, "rb") as file:
            return file.read(_head_bytes).decode("latin-1")
    except OSError:
        return None


def secret_name(name: str) -> Optional[str]:
    """Why a file is left out; None where its name tells nothing."""
    if rules.example_names.search(name):
        return None
    return next((reason for pattern, reason in rules.secret_names if pattern.search(name)), None)


def _may_hold_secret(path: str) -> bool:
    name = path.rpartition("/")[2]
    return bool(rules.git_config.search(path)) or any(pattern.search(name) for pattern, _, _ in rules.secret_contents)


def secret_content(path: str, head: str) -> Optional[str]:
    """Why the content of a file is a secret; None where it is none."""
    if rules.git_config.search(path) and rules.git_secrets.search(head):
        return "a password of git"
    name = path.rpartition("/")[2]
    for pattern, content, reason in rules.secret_contents:
        if pattern.search(name) and content.search(head):
            return reason
    return "a private key" if rules.key_begins.search(head) else None
