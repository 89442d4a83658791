"""Which names of the guest are never written on the host, and which changes need consent."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Callable, List, Optional

from ..models import EntryType, WorkspaceState
from . import rules
from .entries import parents_of
from .walk import secret_name

_max_path_bytes = 4000
_max_depth = 200


def refused_path(path: str) -> Optional[str]:
    """Why nothing at a path of the guest is ever written on the host; None where it may be."""
    parts = path.split("/")
    if any(part in ("", ".", "..") for part in parts):
        return "its path leads out of the folder"
    if any(_is_git(part) for part in parts):
        return "it belongs to git, whose settings make programs run"
    if "\ufffd" in path:
        return "its name is not UTF-8"
    if _has_controls(path):
        return "its name has control characters"
    if len(path.encode()) > _max_path_bytes or len(parts) > _max_depth:
        return "its path is too long"
    return None


def refused_repository(path: str, has: Callable[[str], bool]) -> Optional[str]:
    """Why nothing in a folder with a file `HEAD` is written: git takes such a folder for a repository."""
    if has("HEAD") or any(has(f"{folder}/HEAD") for folder in parents_of(path)):
        return "git takes its folder for a repository, whose settings make programs run"
    return None


def refused_state(path: str, after: WorkspaceState) -> Optional[str]:
    """Why a new state is never written on the host; None where it may be."""
    if after.type is EntryType.OTHER:
        return "it is a device, a pipe or a socket"
    if after.type is not EntryType.SYMLINK:
        return None
    link = after.link or ""
    if _has_controls(link) or "\ufffd" in link or not _is_safe_link(link, path.count("/")):
        return "it is a link that leads out of the folder"
    return "it is a link to what belongs to git" if any(map(_is_git, link.split("/"))) else None


def flags_of(
    path: str,
    before: Optional[WorkspaceState],
    after: Optional[WorkspaceState],
    before_text: Optional[str],
    after_text: Optional[str],
) -> List[str]:
    """Why a change needs consent; empty where it needs none."""
    found = [reason for pattern, reason in rules.flagged_paths if pattern.search(path)]
    *parents, name = path.split("/")
    if secret_name(name) is not None or any(part in rules.secret_folders for part in parents):
        found.append("may hold secrets")
    if rules.unseen.search(path):
        found.append("its name has characters that are not seen")
    if name == "package.json":
        old, now = _running(before_text), _running(after_text)
        if now is None or old != now:
            found.append("changes scripts of npm")
    if after is not None and after.type is EntryType.FILE and after.mode & 0o111:
        was = before is not None and before.type is EntryType.FILE and before.mode & 0o111
        found.append("is a program" if was else "becomes a program")
    return list(dict.fromkeys(found))


def _running(text: Optional[str]) -> Optional[str]:
    """What npm runs; None for what is not JSON."""
    try:
        value = json.loads(text or "{}")
        return json.dumps([value.get(name) for name in rules.running_parts], sort_keys=False)
    except (ValueError, AttributeError, RecursionError):
        return None


def _is_git(name: str) -> bool:
    """Whether a name is `.git` on any file system."""
    plain = rules.unseen.sub("", unicodedata.normalize("NFKC", name)).lower()
    plain = re.sub(r":.*$", "", re.sub(r"[. ]+$", "", plain))
    return plain == ".git" or re.fullmatch(r"git~\d+", plain) is not None


def _is_safe_link(target: str, depth: int) -> bool:
    """Only steps up first, then names: a step up after a name could lead anywhere if the name is itself a link."""
    if target == "" or target.startswith("/") or "\0" in target:
        return False
    parts = [part for part in target.split("/") if part not in ("", ".")]
    steps = next((at for at, part in enumerate(parts) if part != ".."), len(parts))
    return steps <= depth and ".." not in parts[steps:]


def _has_controls(text: str) -> bool:
    return any(unicodedata.category(character) == "Cc" for character in text)
