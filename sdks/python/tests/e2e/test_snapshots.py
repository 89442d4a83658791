import asyncio
from pathlib import Path
from typing import List

import pytest

from novasandbox import (
    AsyncSandbox,
    AsyncSnapshot,
    ConflictError,
    NovaError,
    RaceError,
    Sandbox,
    SandboxState,
    Snapshot,
    SnapshotKind,
    SnapshotNotFoundError,
)

count = "n=0; while :; do n=$((n+1)); echo $n >/dev/shm/n; sleep 0.1; done"


def test_life_of_a_snapshot(tmp_path: Path) -> None:
    with Sandbox.create(name="py-snapped", network=False, metadata={"k": "v"}, timeout=600) as sandbox:
        counter = sandbox.commands.run(count, background=True)
        counter.disconnect()
        sandbox.commands.run("until [ -s /dev/shm/n ]; do sleep 0.1; done; echo one > note; sync")
        snapshot = sandbox.snapshot("first", description="before", metadata={"step": "1"})
        info = snapshot.info
        assert (info.name, info.description, info.metadata, info.kind) == (
            "first",
            "before",
            {"step": "1"},
            SnapshotKind.MEMORY,
        )
        assert info.vm_id == sandbox.id and info.memory_bytes > 0
        with pytest.raises(ConflictError):
            sandbox.snapshot("first")
        disk = sandbox.snapshot(memory=False)
        assert (disk.info.kind, disk.info.parent_id) == (SnapshotKind.DISK, snapshot.id)
        assert [each.id for each in sandbox.snapshots()] == [snapshot.id, disk.id]
        assert [each.id for each in Snapshot.list(metadata={"step": "1"})] == [snapshot.id]
        assert Snapshot.get("first", sandbox="py-snapped").info == info
        assert snapshot.verify().valid

        sandbox.files.write("note", "two")
        assert sandbox.hibernate().status == SandboxState.HIBERNATED
        assert sandbox.restore(snapshot).status == SandboxState.RUNNING
        assert sandbox.files.read("note") == "one\n"
        assert any(each.id == counter.process_id and each.running for each in sandbox.commands.list())

        size = snapshot.save(tmp_path / "file")
        assert size == (tmp_path / "file").stat().st_size > 0
        assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600
        with snapshot.create_sandbox(env={"A": "a"}, metadata={"k": "other"}) as other:
            assert other.last_info.metadata == {"k": "other"}
            assert other.info().snapshot_id == snapshot.id
            assert other.commands.run("cat note; echo $A").stdout == "one\na\n"
        assert disk.delete() and snapshot.delete() and not snapshot.delete()
    with pytest.raises(SnapshotNotFoundError):
        Snapshot.get("first")
    loaded = Snapshot.load(tmp_path / "file", name="loaded")
    with Sandbox.from_snapshot("loaded", timeout=60) as again:
        assert int(again.files.read("/dev/shm/n")) > 0
    assert Snapshot.statistics().count == 1
    assert [each.id for each in Snapshot.delete_older(0)] == [loaded.id]
    (tmp_path / "broken").write_bytes((tmp_path / "file").read_bytes()[:100_000])
    with pytest.raises(ConflictError) as broken:
        Snapshot.load(tmp_path / "broken")
    assert broken.value.code == "snapshot_damaged"


def test_forks_and_a_race() -> None:
    with Sandbox.create(name="py-forked", timeout=600) as sandbox:
        sandbox.files.write("/dev/shm/note", "shared")
        children = sandbox.fork(2, name="py-child", env={"B": "b"})
        assert [child.name for child in children] == ["py-child-1", "py-child-2"]
        for child in children:
            with child:
                assert child.files.read("/dev/shm/note") == "shared"
                assert child.info().forked_from == sandbox.id
                assert child.commands.run("echo $B").stdout == "b\n"
        with pytest.raises(ConflictError):
            sandbox.fork(name="py-forked")
        assert isinstance(sandbox.fork_settled(1, name="py-forked")[0], NovaError)

        def run(child: Sandbox, index: int) -> int:
            if index == 2:
                child.commands.run("exit 3")
            return int(child.commands.run(f"expr {index} '*' 10").stdout)

        best = sandbox.race(3, run, lambda result: result)
        with best.sandbox as winner:
            assert (best.index, best.result, best.score) == (1, 10, 10)
            assert winner.files.read("/dev/shm/note") == "shared"
            assert best.branches[2].error is not None
        with pytest.raises(RaceError):
            sandbox.race(2, lambda child, _: child.commands.run("exit 1"), lambda _: 1)
        assert [info.id for info in Sandbox.list() if info.name != "py-shared"] == [sandbox.id]


def test_asyncio() -> None:
    async def main() -> None:
        async with await AsyncSandbox.create(timeout=600) as sandbox:
            snapshot = await sandbox.snapshot()
            async with await snapshot.create_sandbox() as other:
                assert (await other.commands.run("echo hi")).stdout == "hi\n"
            assert (await sandbox.hibernate()).status == SandboxState.HIBERNATED
            assert (await sandbox.resume()).status == SandboxState.RUNNING
            assert await snapshot.delete() and await AsyncSnapshot.list(sandbox=sandbox.id) == []

            begun: List[str] = []

            async def run(child: AsyncSandbox, index: int) -> str:
                begun.append(child.id)
                return (await child.commands.run(f"sleep {0 if index == 0 else 1000}; echo done")).stdout

            best = await sandbox.race(2, run, lambda _: 1, until=lambda _: True)
            assert (best.index, best.result) == (0, "done\n")
            async with best.sandbox:
                assert not await AsyncSandbox.kill(begun[1])
            both = asyncio.Event()

            async def endless(child: AsyncSandbox, index: int) -> None:
                if index == 1:
                    both.set()
                await child.commands.run("sleep 1000")

            racing = asyncio.ensure_future(sandbox.race(2, endless, lambda _: 1))
            await both.wait()
            racing.cancel()
            with pytest.raises(asyncio.CancelledError):
                await racing
            mine = [info.id for info in await AsyncSandbox.list() if info.name != "py-shared"]
            assert mine == [sandbox.id]

    asyncio.run(main())
