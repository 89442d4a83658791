"""The parts of workspaces that need no sandbox."""

import os
import stat
import subprocess
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional

import pytest

from novasandbox import NovaError
from novasandbox._workspace import names, text
from novasandbox._workspace.host_tree import HostTree
from novasandbox._workspace.walk import Walk, WalkOptions, walk
from novasandbox.errors import ConflictError
from novasandbox.models import EntryType, WorkspaceState

Written = Callable[[Dict[str, str]], Path]


@pytest.fixture
def folder(tmp_path: Path) -> Written:
    def write(files: Dict[str, str]) -> Path:
        for name, content in files.items():
            path = tmp_path / "top" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        return tmp_path / "top"

    return write


def walked(top: Path, **given: Any) -> Walk:
    options: Dict[str, Any] = {"include": (), "include_secrets": False, "git": True, "sent_git": frozenset()}
    limits = {"max_entries": 1000, "max_bytes": 1_000_000, "is_unchanged": lambda _entry: False}
    return walk(top, WalkOptions(**{**options, **limits, **given}))


def files(found: Walk) -> List[str]:
    return [entry.path for entry in found.entries if entry.type is not EntryType.DIRECTORY]


def test_ignore_files_count_as_in_git(folder: Written) -> None:
    top = folder(
        {
            ".gitignore": "*.log\n/build/\n!keep.log\nvendor\na?c[0-9].t*\n**/deep/*.tmp\ndoc/**/x\n"
            "foo\\ bar\n\\#hash\n[!a].q\n",
            "a.log": "",
            "keep.log": "",
            "build/x": "",
            "deep/build/x": "",
            "deep/.gitignore": "!deeper.log\nown.txt\n",
            "deep/deeper.log": "",
            "deep/own.txt": "",
            "deep/y.tmp": "",
            "own.txt": "",
            "lib/.gitignore": "!vendor\n",
            "lib/vendor/a": "",
            "lib/vendor/b.log": "",
            "vendor/a": "",
            "abc1.txt": "",
            "abcd.txt": "",
            "doc/x": "",
            "doc/a/b/x": "",
            "foo bar": "",
            "#hash": "",
            "a.q": "",
            "b.q": "",
        }
    )
    subprocess.run(["git", "init", "-q", str(top)], check=True)
    listed = ["git", "-C", str(top), "ls-files", "--others", "--exclude-standard", "-z"]
    expected = subprocess.run(listed, check=True, stdout=subprocess.PIPE).stdout.decode().split("\0")
    assert sorted(files(walked(top))) == sorted(path for path in expected if path)


def test_secrets_and_odd_things_stay_here(folder: Written) -> None:
    key = "-----BEGIN OPENSSH PRIVATE KEY-----\n"
    top = folder({".env": "A=1", ".env.example": "", ".npmrc": "_authToken=x", "a/.npmrc": "", "k.pem": key, "a/b": ""})
    (top / "link").symlink_to("/etc")
    os.mkfifo(top / "pipe")
    (top / os.fsdecode(b"bad\xff")).touch()
    found = walked(top)
    assert files(found) == [".env.example", "a/.npmrc", "a/b", "link"]
    left = sorted((each.kind, each.path) for each in found.left_out)
    assert left == [("secret", ".env"), ("secret", ".npmrc"), ("secret", "k.pem")] + [
        ("special", "bad\ufffd"),
        ("special", "pipe"),
    ]
    assert ".env" in files(walked(top, include=(".env",)))
    with pytest.raises(NovaError, match="more than 2 files"):
        walked(top, max_entries=2)


def test_hostile_names_are_refused() -> None:
    refused = ["../x", "/etc/passwd", "a//b", ".git/config", "a/.GIT/x", ".g\u200cit/x", "git~1/x", ".git./x", "a\nb"]
    assert all(names.refused_path(path) for path in [*refused, "a\x1b[2Jb", "bad\ufffd", "x/" * 300 + "x"])
    assert not any(names.refused_path(path) for path in ["a", ".gitignore", ".github/x", "ünï/€"])
    assert names.refused_repository("a/bare/config", lambda path: path == "a/bare/HEAD")

    def link(target: str) -> Optional[str]:
        state = WorkspaceState(type=EntryType.SYMLINK, mode=0o777, size=0, sha256=None, link=target)
        return names.refused_state("a/l", state)

    assert link("/etc/passwd") and link("../../x") and link("x/../../../y") and link("../.git/hooks")
    assert link("../b") is None
    plain = WorkspaceState(type=EntryType.FILE, mode=0o644, size=1, sha256="x", link=None)
    flagged = [".github/workflows/a.yml", "Makefile", ".envrc", "x.sh", ".vscode/tasks.json", "CLAUDE.md", ".gitignore"]
    assert all(names.flags_of(path, None, plain, None, None) for path in flagged)
    assert names.flags_of("src/main.py", None, plain, None, None) == []
    assert names.flags_of("package.json", plain, plain, '{"a":1}', '{"scripts":{"postinstall":"x"}}')
    assert not names.flags_of("package.json", plain, plain, '{"a":1}', '{"a":2}')


def test_texts_are_taken_by_hunks_and_merged() -> None:
    before = [f"line {number}\n" for number in range(40)]
    after = [*before]
    after[3], after[30] = "three\n", "thirty\n"
    old, new = "".join(before), "".join(after) + "no end"
    hunks = text.hunks_of(old, new) or []
    assert len(hunks) == 3 and text.with_hunks(old, hunks) == new
    assert text.with_hunks(old, hunks[:1]) == old.replace("line 3\n", "three\n")
    assert text.with_hunks("other", hunks) is None
    assert text.with_hunks("", text.hunks_of("", "new\n") or []) == "new\n"
    base = "a\nb\nc\nd\ne\n"
    assert text.merge("A\nb\nc\nd\ne\n", base, "a\nb\nc\nd\nE")[0] == "A\nb\nc\nd\nE"
    clean, marked = text.merge("a\nb\nhost\nd\ne\n", base, "a\nb\nguest\nd\ne\n")
    assert clean is None and marked == "a\nb\n<<<<<<< host\nhost\n=======\nguest\n>>>>>>> guest\nd\ne\n"
    assert text.merge("", base, base)[0] == ""
    assert text.hunks_of("x\n" * 5000, "x\n" * 5000 + "y\n") is None


def test_nothing_is_written_through_a_link(folder: Written, tmp_path: Path) -> None:
    top = folder({"a/b": "b"})
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("theirs")
    (top / "out").symlink_to(outside)
    tree = HostTree(top)
    assert tree.look("out/file") is None and tree.read("out/file", 100) is None and tree.digest("out/file") is None
    with pytest.raises(ConflictError):
        tree.begin("out/new")
    with pytest.raises(ConflictError):
        tree.folder("out/new", 0o755)
    with pytest.raises(ValueError, match="no path"):
        tree.look("../outside/file")
    part = tree.begin("new/file")
    part.write(b"content")
    made = part.finish(0o6755, None)
    assert stat.S_IMODE((top / "new/file").stat().st_mode) == 0o755
    again = tree.begin("new/file")
    again.write(b"half")
    again.give_up()
    assert (top / "new/file").read_text() == "content" and os.listdir(top / "new") == ["file"]
    late = tree.begin("new/file")
    with pytest.raises(ConflictError):
        late.finish(0o644, "another version")
    late.give_up()
    tree.remove("new/file", made.version)
    assert tree.remove_folder("new") and not tree.remove_folder("a")
    assert os.listdir(outside) == ["file"] and (outside / "file").read_text() == "theirs"
    tree.close()
