"""A folder is pushed, worked on in the sandbox, reviewed and applied."""

import asyncio
import os
from pathlib import Path
from typing import Dict

import pytest

from novasandbox import AsyncSandbox, ConflictError, InvalidArgumentError, Sandbox


def write(top: Path, files: Dict[str, str]) -> None:
    for name, content in files.items():
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text(content)


def test_push_diff_apply(tmp_path: Path) -> None:
    numbered = "".join(f"line {number}\n" for number in range(40))
    write(tmp_path, {"main.txt": numbered, "both.txt": "1\n", "deep/gone.txt": "x", ".env": "A=1", "bin": "a\0b"})
    (tmp_path / "link").symlink_to("main.txt")
    (tmp_path / "empty").mkdir()
    with Sandbox.create(timeout=300) as sandbox:
        pushed = sandbox.workspace.push(tmp_path)
        assert (pushed.guest_path, pushed.sent_files) == ("/workspace", 4)
        assert [each.path for each in pushed.left_out] == [".env"]
        assert sandbox.workspace.diff().changes == []
        assert sandbox.workspace.push(tmp_path).sent_files == 0
        sandbox.commands.run(
            "sed -i 's/line 3$/line three/; s/line 30$/line thirty/' main.txt; echo 2 >> both.txt; rm -r deep;"
            "printf 'a\\0c' > bin; mkdir -p new/er; echo new > new/er/file; echo x > run.sh; ln -s /etc/passwd evil;"
            "git init -q . && git config core.fsmonitor 'touch /tmp/ran'; rm link; ln -s both.txt link",
            cwd="/workspace",
        )
        write(tmp_path, {"both.txt": "1\nhost\n", "main.txt": numbered.replace("line 20\n", "line twenty\n")})
        diff = sandbox.workspace.diff()
        kinds = {change.path: change.kind for change in diff.changes}
        assert kinds == {
            "bin": "modified", "both.txt": "modified", "deep/gone.txt": "deleted", "evil": "added",
            "link": "modified", "main.txt": "modified", "new/er/file": "added", "run.sh": "added",
        }  # fmt: skip
        main = next(change for change in diff.changes if change.path == "main.txt")
        assert main.merges and len(main.hunks) == 2 and "+line three\n" in main.patch
        first = sandbox.workspace.apply(reviewed=diff, hunks={"main.txt": [1]}, paths=["main.txt"])
        assert first.applied == ["main.txt"]
        halfway = numbered.replace("line 20\n", "line twenty\n").replace("line 30\n", "line thirty\n")
        assert (tmp_path / "main.txt").read_text() == halfway
        applied = sandbox.workspace.apply()
        assert applied.applied == ["bin", "deep/gone.txt", "link", "main.txt", "new/er/file"]
        assert [[each.path for each in some] for some in (applied.conflicts, applied.refused, applied.flagged)] == [
            ["both.txt"],
            ["evil"],
            ["run.sh"],
        ]
        assert (tmp_path / "main.txt").read_text() == halfway.replace("line 3\n", "line three\n")
        assert os.readlink(tmp_path / "link") == "both.txt" and not (tmp_path / "deep").exists()
        assert not (tmp_path / ".git").exists() and not os.path.lexists(tmp_path / "evil")
        done = sandbox.workspace.apply(allow_flagged=["run.sh"], resolve={"both.txt": "guest"})
        assert done.applied == ["both.txt", "run.sh"] and (tmp_path / "both.txt").read_text() == "1\n2\n"
        assert [change.path for change in sandbox.workspace.diff().changes] == ["evil"]
        back = sandbox.workspace.push(tmp_path)
        assert back.sent_files == 1 and back.conflicts == []
        assert sandbox.files.read("/workspace/main.txt") == (tmp_path / "main.txt").read_text()
        assert [info.folder for info in sandbox.workspace.list()] == [str(tmp_path)]
        with pytest.raises(InvalidArgumentError):
            sandbox.workspace.diff(guest_path="/elsewhere")
        listed = sandbox.files.manifest("/workspace", skip=[".git", "/new"], hash_bytes=10)
        assert listed["bin"].sha256 is not None and "new/er/file" not in listed and listed["main.txt"].sha256 is None


@pytest.mark.usefixtures("over_tcp")
def test_a_push_replaces_no_work_of_the_guest(tmp_path: Path, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    top = tmp_path / "top"
    write(top, {"a": "a", "theirs": "x", "gone/b": "b", "turns": "file"})
    with Sandbox.create(timeout=300) as sandbox:
        sandbox.workspace.push(top)
        sandbox.commands.run("echo guest > theirs; echo own > gone/own", cwd="/workspace")
        write(top, {"a": "changed", "theirs": "host"})
        (top / "gone/b").unlink(), (top / "gone").rmdir(), (top / "turns").unlink()
        write(top, {"turns/into": "a folder"})
        pushed = sandbox.workspace.push(top)
        assert [each.path for each in pushed.conflicts] == ["theirs"]
        assert (pushed.sent_files, pushed.removed) == (2, 2)
        output = sandbox.commands.run("cat a theirs turns/into; ls gone", cwd="/workspace").stdout
        assert output == "changedguest\na folderown\n"
        assert sandbox.workspace.push(top, overwrite=True).conflicts == []
        assert sandbox.files.read("/workspace/theirs") == "host"


def test_a_sandbox_that_is_taken_back_has_removed_nothing(tmp_path: Path) -> None:
    write(tmp_path, {"a": "a"})
    with Sandbox.create(timeout=300) as sandbox:
        sandbox.workspace.push(tmp_path)
        snapshot = sandbox.snapshot()
        write(tmp_path, {"late": "late"})
        assert sandbox.workspace.push(tmp_path).sent_files == 1
        sandbox.restore(snapshot)
        with pytest.raises(ConflictError, match="taken back to a snapshot"):
            sandbox.workspace.apply()
        assert sandbox.workspace.push(tmp_path).sent_files == 1
        assert sandbox.workspace.diff().changes == []
        assert (tmp_path / "late").read_text() == "late"


async def in_asyncio(tmp_path: Path) -> None:
    write(tmp_path, {"a": "a\n"})
    async with await AsyncSandbox.create(timeout=300) as sandbox:
        await sandbox.workspace.push(tmp_path)
        await sandbox.commands.run("echo b >> /workspace/a")
        assert (await sandbox.workspace.apply()).applied == ["a"]


def test_in_asyncio(tmp_path: Path) -> None:
    asyncio.run(in_asyncio(tmp_path))
    assert (tmp_path / "a").read_text() == "a\nb\n"
