import hashlib
import io
import os
from pathlib import Path

import pytest

from novasandbox import EntryType, InvalidArgumentError, NovaError, PathNotFoundError, Sandbox
from novasandbox.errors import ConflictError


def test_files_are_written_and_read(shared: Sandbox) -> None:
    entry = shared.files.write("notes/today.md", "# Töday\n")
    assert (entry.path, entry.size, entry.owner, entry.type) == ("/home/user/notes/today.md", 9, "user", EntryType.FILE)
    assert shared.files.read("notes/today.md") == "# Töday\n"
    assert shared.files.read("~/notes/today.md") == shared.files.read("/home/user/notes/today.md")
    shared.files.write("notes/today.md", b"\x00\xff", append=True)
    assert shared.files.read_bytes("notes/today.md")[-2:] == b"\x00\xff"
    assert shared.files.read_bytes("notes/today.md", offset=2, length=2) == b"T\xc3"
    with pytest.raises(ConflictError) as caught:
        shared.files.write("notes/today.md", "", exclusive=True)
    assert caught.value.code == "file_exists"
    assert shared.files.write("/root/x", "", user="root", mode=0o600).mode == 0o600
    assert shared.files.read("/root/x") == ""


def test_any_content(shared: Sandbox) -> None:
    for content in (io.BytesIO(b"abc"), iter([b"a", b"bc"]), bytearray(b"abc"), memoryview(b"abc"), [b"ab", b"c"]):
        shared.files.write("/tmp/any", content)
        assert shared.files.read("/tmp/any") == "abc"


def test_directories(shared: Sandbox) -> None:
    assert shared.files.make_dir("tree/a") and not shared.files.make_dir("tree/a")
    shared.files.write("tree/a/one", "1")
    assert [entry.name for entry in shared.files.list("tree")] == ["a"]
    assert {entry.path for entry in shared.files.list("tree", depth=2)} == {
        "/home/user/tree/a",
        "/home/user/tree/a/one",
    }
    assert shared.files.rename("tree/a/one", "tree/two").path == "/home/user/tree/two"
    assert not shared.files.exists("tree/a/one") and shared.files.exists("tree/two")
    assert shared.files.set_attributes("tree/two", mode=0o751).mode == 0o751
    assert shared.files.stat("tree").type == EntryType.DIRECTORY
    assert shared.files.remove("tree") and not shared.files.remove("tree")


def test_what_is_not_there_is_said(shared: Sandbox) -> None:
    with pytest.raises(PathNotFoundError) as caught:
        shared.files.read("/no/such/file")
    assert caught.value.code == "file_not_found" and caught.value.status_code == 404 and caught.value.hint
    with pytest.raises(NovaError) as directory:
        shared.files.read("/etc")
    assert directory.value.code == "is_a_directory"
    with pytest.raises(InvalidArgumentError):
        shared.files.read("")
    with pytest.raises(InvalidArgumentError, match="max_bytes"):
        shared.files.read("/usr/bin/python3", max_bytes=10)


def test_links_are_followed(shared: Sandbox) -> None:
    shared.files.write("/tmp/links/target", "0123456789" * 100)
    shared.commands.run(
        "cd /tmp/links && ln -s target near && ln -s /tmp/links/near far && mkdir sub && ln -s ../far sub/x"
    )
    for link in ("near", "far", "sub/x"):
        assert len(shared.files.read(f"/tmp/links/{link}")) == 1000
        assert shared.files.read_bytes(f"/tmp/links/{link}", offset=995, length=50) == b"56789"
    assert shared.files.stat("/tmp/links/near").symlink_target == "target"


def test_names_of_every_kind(shared: Sandbox) -> None:
    for name in ("/tmp/a b", "/tmp/ü?&=%2F#", "/tmp/new\nline", "/tmp/it's"):
        shared.files.write(name, name)
        assert shared.files.read(name) == name and shared.files.stat(name).path == name
        assert shared.files.remove(name)


def test_large_files_come_and_go_in_pieces(shared: Sandbox, tmp_path: Path) -> None:
    source, back = tmp_path / "source", tmp_path / "back"
    source.write_bytes(os.urandom(1024 * 1024) * 8)
    source.chmod(0o750)
    assert shared.files.upload(source, "/tmp/large").mode == 0o750
    digest = shared.commands.run("sha256sum /tmp/large").stdout.split()[0]
    assert shared.files.download("/tmp/large", back) == source.stat().st_size
    assert back.read_bytes() == source.read_bytes()
    assert hashlib.sha256(source.read_bytes()).hexdigest() == digest
    first = next(shared.files.read_stream("/tmp/large"))
    assert source.read_bytes().startswith(first)
    with pytest.raises(PathNotFoundError):
        shared.files.download("/tmp/none", back)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["back", "source"]
    shared.files.remove("/tmp/large")
