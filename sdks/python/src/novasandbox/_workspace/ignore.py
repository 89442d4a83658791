"""Patterns of ignore files, as git reads them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import List, Optional, Pattern, Tuple

from .entries import read_file

ignore_files = (".gitignore", ".novaignore")
_max_ignore_bytes = 1024 * 1024


@dataclass(frozen=True)
class _Rule:
    pattern: Pattern[str]
    negative: bool
    folders_only: bool


@dataclass(frozen=True)
class IgnoreRules:
    """The patterns that apply in one folder: as in git the deepest file that says anything decides."""

    #: The folder of each level, with a slash at its end, and its rules; the deepest is the last one.
    levels: Tuple[Tuple[str, Tuple[_Rule, ...]], ...] = ()

    @staticmethod
    def of_top(top: Path) -> IgnoreRules:
        files = [".git/info/exclude", *ignore_files]
        return IgnoreRules()._with("", [top / name for name in files])

    def below(self, top: Path, folder: str) -> IgnoreRules:
        """The patterns in a folder below."""
        return self._with(f"{folder}/", [top / folder / name for name in ignore_files])

    def ignores(self, path: str, is_folder: bool) -> bool:
        """Whether a path is left out. Its parents must have been tested before, and not be left out."""
        for folder, rules in reversed(self.levels):
            relative = path[len(folder) :]
            for rule in reversed(rules):
                if (is_folder or not rule.folders_only) and rule.pattern.fullmatch(relative):
                    return not rule.negative
        return False

    def _with(self, folder: str, files: List[Path]) -> IgnoreRules:
        rules = tuple(rule for file in files for rule in _rules_in(file))
        return self if not rules else IgnoreRules((*self.levels, (folder, rules)))


def _rules_in(file: Path) -> List[_Rule]:
    content = read_file(file, _max_ignore_bytes)
    if content is None:
        return []
    return [rule for line in content.decode(errors="replace").splitlines() if (rule := rule_of(line)) is not None]


@lru_cache(maxsize=4096)
def rule_of(line: str) -> Optional[_Rule]:
    """Reads one line; None for one without a pattern."""
    text = re.sub(r"(?<!\\)[ \t]+$", "", line)
    if text == "" or text.startswith("#"):
        return None
    negative = text.startswith("!")
    text = text[1:] if negative else text
    folders_only = text.endswith("/")
    text = text.rstrip("/")
    anchored = "/" in text
    text = text.lstrip("/")
    if text == "":
        return None
    try:
        pattern = re.compile(("" if anchored else "(?:.*/)?") + _translate(text), re.S)
    except re.error:
        return None
    return _Rule(pattern, negative, folders_only)


def _translate(text: str) -> str:
    out, at = [], 0
    while at < len(text):
        if text.startswith("**/", at) and (at == 0 or text[at - 1] == "/"):
            out.append("(?:.*/)?")
            at += 3
        elif text[at:] == "**" and at > 0 and text[at - 1] == "/":
            out.append(".+")
            at += 2
        elif text[at] == "*":
            while at < len(text) and text[at] == "*":
                at += 1
            out.append("[^/]*")
        elif text[at] == "?":
            out.append("[^/]")
            at += 1
        elif text[at] == "[" and (end := _class_end(text, at)) > 0:
            inner = text[at + 1 : end]
            inner = "^/" + inner[1:] if inner[0] in "!^" else inner
            out.append("[" + inner.replace("[", r"\[") + "]")
            at = end + 1
        else:
            if text[at] == "\\" and at + 1 < len(text):
                at += 1
            out.append(re.escape(text[at]))
            at += 1
    return "".join(out)


def _class_end(text: str, start: int) -> int:
    """Where a class of characters ends; -1 where it does not."""
    first = start + 2 if text[start + 1 : start + 2] in ("!", "^") else start + 1
    at = first
    while at < len(text):
        if text[at] == "]" and at > first:
            return at
        at += 2 if text[at] == "\\" else 1
    return -1
