import asyncio
import time
from pathlib import Path
from typing import AsyncIterator

import pytest

from novasandbox import (
    AsyncSandbox,
    CommandError,
    CommandExitException,
    CommandTimeoutException,
    PathNotFoundError,
    Sandbox,
)


def test_life_of_a_sandbox() -> None:
    async def main() -> None:
        async with await AsyncSandbox.create(metadata={"async": "1"}) as sandbox:
            assert (await sandbox.commands.run("echo hi")).stdout == "hi\n"
            assert (await sandbox.pause()).status == "paused"
            assert (await sandbox.resume()).status == "running" and await sandbox.is_running()
            assert (await sandbox.stats()).memory_usage_mb > 0
            assert (await sandbox.set_timeout(50)).expires_at
            assert [info.id for info in await AsyncSandbox.list(metadata={"async": "1"})] == [sandbox.id]
            assert "base" in [template.id for template in await AsyncSandbox.templates()]
        assert not await AsyncSandbox.kill(sandbox.id)

    asyncio.run(main())


def test_commands(shared: Sandbox) -> None:
    async def main() -> None:
        async with await AsyncSandbox.connect(shared.id) as sandbox:
            told: list[str] = []

            async def tell(text: str) -> None:
                await asyncio.sleep(0)
                told.append(text)

            await sandbox.commands.run("echo one; sleep 0.2; echo two", on_stdout=tell)
            assert "".join(told) == "one\ntwo\n"
            with pytest.raises(CommandExitException) as failed:
                await sandbox.commands.run("exit 5")
            assert failed.value.exit_code == 5
            with pytest.raises(CommandTimeoutException):
                await sandbox.commands.run("sleep 30", timeout=0.3)
            with pytest.raises(CommandError):
                await sandbox.commands.run(["no-such-program"], background=True)
            many = await asyncio.gather(*[sandbox.commands.run(f"echo {i}") for i in range(10)])
            assert [result.stdout for result in many] == [f"{i}\n" for i in range(10)]
            assert (await sandbox.commands.run("echo k", idempotency_key=f"a{time.time_ns()}")).stdout == "k\n"

    asyncio.run(main())


def test_background_and_cancellation(shared: Sandbox) -> None:
    async def main() -> None:
        async with await AsyncSandbox.connect(shared.id) as sandbox:
            handle = await sandbox.commands.run("echo here; exec sleep 1000", background=True)
            with pytest.raises(TimeoutError):
                await handle.wait(timeout=0.1)
            while handle.stdout == "":  # noqa: ASYNC110
                await asyncio.sleep(0.02)
            assert any(process.id == handle.process_id for process in await sandbox.commands.list())
            await handle.disconnect()
            again = await sandbox.commands.connect(handle.process_id)
            assert await again.kill() and (await again.result(timeout=20)).signal == 9
            assert again.stdout == "here\n" and not await sandbox.commands.kill(again.process_id)
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(sandbox.commands.run("exec sleep 876"), timeout=1)
            left = await sandbox.commands.run("sleep 0.3; pgrep -x sleep -a | grep -c 876", check=False)
            assert left.stdout == "0\n"

    asyncio.run(main())


def test_files(shared: Sandbox, tmp_path: Path) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"a"
        yield b"bc"

    async def main() -> None:
        async with await AsyncSandbox.connect(shared.id) as sandbox:
            files = sandbox.files
            await files.write("async/one", pieces())
            assert await files.read("async/one") == "abc" and await files.read_bytes("async/one", offset=1) == b"bc"
            (tmp_path / "up").write_bytes(b"x" * 2_000_000)
            assert (await files.upload(tmp_path / "up", "async/up")).size == 2_000_000
            assert await files.download("async/up", tmp_path / "down") == 2_000_000
            assert [entry.name for entry in await files.list("async")] == ["one", "up"]
            assert (await files.stat("async/one")).owner == "user" and not await files.exists("async/none")
            assert await files.make_dir("async/dir") and (await files.rename("async/one", "async/two")).name == "two"
            assert await files.remove("async")
            with pytest.raises(PathNotFoundError):
                await files.read("async/two")

    asyncio.run(main())
