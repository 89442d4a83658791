import asyncio

import pytest

from novasandbox import AsyncVolume, ConflictError, NotFoundError, Sandbox, Volume


def test_a_volume_outlives_its_sandboxes_and_grows_as_a_disk_does() -> None:
    volume = Volume.create("py-data", size_mb=128)
    with pytest.raises(ConflictError):
        Volume.create("py-data")
    assert "py-data" in [each.name for each in Volume.list()]
    with Sandbox.create(volumes=[{"name": "py-data", "path": "/data"}], network=False, timeout=600) as sandbox:
        sandbox.commands.run("echo kept > /data/note")
        assert [(each.name, each.path) for each in sandbox.last_info.volumes] == [("py-data", "/data")]
        [use] = volume.get_info().used_by
        assert (use.vm_id, use.path, use.attached, use.read_only) == (sandbox.id, "/data", True, False)
        with volume.open() as opened:
            assert (opened.sandbox.id, opened.path) == (sandbox.id, "/data")
            assert opened.sandbox.files.read("/data/note") == "kept\n"
        with pytest.raises(ConflictError):
            volume.remove()
        assert volume.resize(256).size_mb == 256

        def size_mb(path: str) -> int:
            return int(sandbox.commands.run(f"df -m --output=size {path} | tail -1").stdout)

        assert size_mb("/data") > 200
        before, larger = size_mb("/"), sandbox.last_info.disk_mb + 512
        assert sandbox.resize(disk_mb=larger).disk_mb == larger
        assert size_mb("/") > before + 400

    async def later() -> None:
        again = await AsyncVolume.get("py-data")
        async with again.open() as opened:
            assert await opened.sandbox.files.read(f"{opened.path}/note") == "kept\n"
        await again.remove()
        with pytest.raises(NotFoundError):
            await again.get_info()

    asyncio.run(later())
