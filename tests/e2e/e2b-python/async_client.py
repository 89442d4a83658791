"""The unmodified Python client, async."""

import asyncio
import os

from e2b import AsyncSandbox, AsyncVolume, CommandExitException


async def main():
    box = await AsyncSandbox.create()
    seen = []
    result = await box.commands.run("for i in 1 2 3; do echo $i; sleep 0.1; done", on_stdout=seen.append)
    assert result.stdout == "1\n2\n3\n" and "".join(seen) == result.stdout
    results = await asyncio.gather(*(box.commands.run(f"echo {number}") for number in range(8)))
    assert [each.stdout for each in results] == [f"{number}\n" for number in range(8)]
    print("ok commands", flush=True)

    await box.files.make_dir("watched")
    events = []
    watch = await box.files.watch_dir("watched", on_event=events.append)
    await box.files.write("watched/new", "x" * 200_000)
    for _ in range(200):
        if len(events) >= 3:
            break
        await asyncio.sleep(0.05)
    assert [each.type.value for each in events][:3] == ["create", "chmod", "write"], events
    await watch.stop()
    assert len(await box.files.read("watched/new")) == 200_000
    print("ok files", flush=True)

    taken = await box.create_snapshot(name="async-named")
    other = await AsyncSandbox.create(taken.snapshot_id)
    assert await other.files.read("watched/new") == "x" * 200_000
    [child] = await other.fork()
    assert isinstance(child, AsyncSandbox), child
    assert await child.files.exists("watched/new")
    assert await child.kill() and await other.kill()
    assert await AsyncSandbox.delete_snapshot(taken.snapshot_id)
    print("ok snapshots and forks", flush=True)

    volume = await AsyncVolume.create("py-async")
    await volume.write_file("/a", "one")
    again = await AsyncVolume.connect(volume.volume_id)
    assert await again.read_file("/a") == "one"
    assert await AsyncVolume.destroy(volume.volume_id) and not await AsyncVolume.destroy(volume.volume_id)
    print("ok volumes", flush=True)

    handle = await box.commands.run("while true; do echo x; sleep 0.1; done", background=True, timeout=0)
    await asyncio.sleep(0.3)
    await box.kill()
    try:
        await asyncio.wait_for(handle.wait(), 10)
        raise AssertionError("it has ended as if nothing were")
    except (CommandExitException, asyncio.TimeoutError):
        raise
    except Exception as error:
        print(f"ok killed under a stream: {type(error).__name__}", flush=True)
    assert not await box.is_running()
    print("all passed", flush=True)


asyncio.run(main())
# A thread of the client's own native dependencies sometimes aborts the interpreter while it shuts down. Everything has
# been checked by then.
os._exit(0)
