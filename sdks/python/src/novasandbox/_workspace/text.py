"""Differences of texts, and merging them. Content of a guest may be made to take long, so everything is bounded."""

from __future__ import annotations

from collections import Counter
from difflib import SequenceMatcher
from typing import Iterable, List, Optional, Sequence, Tuple

from ..models import WorkspaceHunk

#: Larger files are compared as a whole.
max_text_bytes = 1024 * 1024
#: Most pairs of equal lines that a comparison looks at: their number is what its time depends on.
_max_pairs = 500_000
_context = 3
_no_end = "\\ No newline at end of file"


def text_of(content: Optional[bytes]) -> Optional[str]:
    """The text of a file; None where it is not UTF-8, holds NUL, or is too large."""
    if content is None or len(content) > max_text_bytes or b"\0" in content:
        return None
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return None


def hunks_of(before: str, after: str) -> Optional[List[WorkspaceHunk]]:
    """What differs between two texts; None where finding out would take too long."""
    old, new = _lines(before), _lines(after)
    matcher = _matcher(old, new)
    if matcher is None:
        return None
    hunks = []
    for group in matcher.get_grouped_opcodes(_context) if before != after else ():
        lines: List[str] = []
        for tag, old_from, old_to, new_from, new_to in group:
            if tag == "equal":
                lines += _shown(" ", old[old_from:old_to])
            else:
                lines += _shown("-", old[old_from:old_to]) + _shown("+", new[new_from:new_to])
        (_, old_start, _, new_start, _), (_, _, old_end, _, new_end) = group[0], group[-1]
        hunks.append(
            WorkspaceHunk(
                old_start=old_start + 1,
                old_lines=old_end - old_start,
                new_start=new_start + 1,
                new_lines=new_end - new_start,
                lines=lines,
            )
        )
    return hunks


def format_hunks(path: str, before: Optional[int], after: Optional[int], hunks: Iterable[WorkspaceHunk]) -> str:
    """A diff of one file in git's form. The modes are None where there is no file."""
    lines = [f"diff --git a/{path} b/{path}"]
    if before is None:
        lines.append(f"new file mode {_git_mode(after or 0)}")
    elif after is None:
        lines.append(f"deleted file mode {_git_mode(before)}")
    elif _git_mode(before) != _git_mode(after):
        lines += [f"old mode {_git_mode(before)}", f"new mode {_git_mode(after)}"]
    shown = list(hunks)
    if shown:
        lines += ["--- " + ("/dev/null" if before is None else f"a/{path}")]
        lines += ["+++ " + ("/dev/null" if after is None else f"b/{path}")]
    for hunk in shown:
        old = hunk.old_start - (hunk.old_lines == 0)
        new = hunk.new_start - (hunk.new_lines == 0)
        lines.append(f"@@ -{old},{hunk.old_lines} +{new},{hunk.new_lines} @@")
        lines += hunk.lines
    return "\n".join(lines) + "\n"


def with_hunks(before: str, hunks: Sequence[WorkspaceHunk]) -> Optional[str]:
    """The text with some of its hunks; None where they do not fit."""
    old, out, at = _lines(before), [], 0
    for hunk in hunks:
        start = hunk.old_start - 1
        removed, added = _parts(hunk.lines)
        if start < at or old[start : start + len(removed)] != removed:
            return None
        out += old[at:start] + added
        at = start + len(removed)
    return "".join(out + old[at:])


def merge(host: str, base: str, guest: str) -> Tuple[Optional[str], Optional[str]]:
    """The merged text, or None where both changed the same lines; and the text with the usual marks."""
    ours, original, theirs = _lines(host), _lines(base), _lines(guest)
    one, other = _matcher(original, ours), _matcher(original, theirs)
    if one is None or other is None:
        return None, None
    out: List[str] = []
    clean = True
    at, at_ours, at_theirs = 0, 0, 0
    for start, end, in_ours, in_theirs in _common(one, other, len(original), len(ours), len(theirs)):
        mine, was, yours = ours[at_ours:in_ours], original[at:start], theirs[at_theirs:in_theirs]
        if mine in (was, yours):
            out += yours
        elif yours == was:
            out += mine
        else:
            clean = False
            out += ["<<<<<<< host\n", *_whole(mine), "=======\n", *_whole(yours), ">>>>>>> guest\n"]
        out += original[start:end]
        at, at_ours, at_theirs = end, in_ours + end - start, in_theirs + end - start
    text = "".join(out)
    return (text if clean else None), text


def _common(
    one: SequenceMatcher[str], other: SequenceMatcher[str], base: int, ours: int, theirs: int
) -> Iterable[Tuple[int, int, int, int]]:
    """The parts of the base that both sides have kept, and at last its end."""
    left, right = one.get_matching_blocks(), other.get_matching_blocks()
    at_left, at_right = 0, 0
    while at_left < len(left) and at_right < len(right):
        a, b = left[at_left], right[at_right]
        start, end = max(a.a, b.a), min(a.a + a.size, b.a + b.size)
        if start < end:
            yield start, end, a.b + start - a.a, b.b + start - b.a
        if a.a + a.size < b.a + b.size:
            at_left += 1
        else:
            at_right += 1
    yield base, base, ours, theirs


def _matcher(one: List[str], other: List[str]) -> Optional[SequenceMatcher[str]]:
    counts = Counter(one)
    if sum(counts[line] for line in other) > _max_pairs:
        return None
    return SequenceMatcher(None, one, other, autojunk=False)


def _lines(text: str) -> List[str]:
    """Lines with their ends. Only a line feed ends a line."""
    parts = text.split("\n")
    return [f"{part}\n" for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])


def _shown(sign: str, lines: List[str]) -> List[str]:
    shown: List[str] = []
    for line in lines:
        shown.append(sign + (line[:-1] if line.endswith("\n") else line))
        if not line.endswith("\n"):
            shown.append(_no_end)
    return shown


def _parts(lines: Sequence[str]) -> Tuple[List[str], List[str]]:
    removed: List[str] = []
    added: List[str] = []
    for at, line in enumerate(lines):
        if line == _no_end:
            continue
        end = "" if lines[at + 1 : at + 2] == [_no_end] else "\n"
        if line[0] in " -":
            removed.append(line[1:] + end)
        if line[0] in " +":
            added.append(line[1:] + end)
    return removed, added


def _whole(lines: List[str]) -> List[str]:
    return [line if line.endswith("\n") else f"{line}\n" for line in lines]


def _git_mode(mode: int) -> str:
    return "100755" if mode & 0o100 else "100644"
