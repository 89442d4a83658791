"""The quick starts of the two older readmes, as their users wrote them but for the name of the import."""

import asyncio
from pathlib import Path

import pytest
from surroundings import DAEMON

from novasandbox import UnavailableError
from novasandbox.core import Sandbox, SandboxConfig, SandboxState, TemplateManager
from novasandbox.microvm_client import (
    AuthenticationError,
    MicroVMClient,
    NetworkError,
    SyncMicroVMClient,
    ValidationError,
    VMNotFoundError,
)
from novasandbox.providers import AppleVZHypervisor, FirecrackerHypervisor, QemuHypervisor


@pytest.mark.usefixtures("over_tcp")
def test_microvm_quick_start(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text("print(6 * 7)")

    async def main() -> None:
        async with MicroVMClient(DAEMON["URL"]) as client:
            vm = await client.start_vm("my-vm", {"template": "base", "memory_mb": 256})
            assert vm.id and vm.name == "my-vm" and vm.state == "running"
            result = await client.exec_command(vm.id, "python3 --version")
            assert result.output.startswith("Python 3") and result.success
            await client.upload_file(vm.id, tmp_path / "script.py", "/tmp/script.py")
            assert (await client.exec_command("my-vm", "python3 /tmp/script.py; exit 2")).exit_code == 2
            assert await client.download_file(vm.id, "/tmp/script.py", tmp_path / "back.py") == 12
            assert vm.id in [each.id for each in await client.list_vms()]
            assert (await client.get_vm(vm.id)).status == "running"
            assert (await client.exec_command(vm.id, "sleep 9", timeout=0.3)).timed_out
            await client.destroy_vm(vm.id)
            with pytest.raises(VMNotFoundError):
                await client.get_vm(vm.id)
            with pytest.raises(ValidationError):
                await client.start_vm("x", {"template": "base", "no_such": 1})

    asyncio.run(main())


def test_microvm_without_asyncio() -> None:
    with SyncMicroVMClient() as client:
        vm = client.start_vm("sync-vm", {"template": "base"})
        assert client.exec_command(vm.id, "echo hi").stdout == "hi\n"
        assert client.pause_vm(vm.id).state == "paused" and client.resume_vm(vm.id).state == "running"
        client.destroy_vm(vm.id)
    with pytest.raises(AuthenticationError):
        SyncMicroVMClient(DAEMON["URL"]).list_vms()
    with pytest.raises(NetworkError) as caught:
        SyncMicroVMClient("http://127.0.0.1:1").list_vms()
    assert caught.value.status_code is None


def test_first_novasandbox_quick_start() -> None:
    async def main() -> None:
        hypervisor = QemuHypervisor()
        config = SandboxConfig(template_id="base", memory_mb=256, vcpus=1, labels={"worker": "task-1"})
        sandbox = await hypervisor.create_sandbox(config)
        assert isinstance(sandbox, Sandbox) and sandbox.metadata["boot_time_ms"] > 0
        assert f"{sandbox.metadata['boot_time_ms']:.2f}" and sandbox.state == SandboxState.RUNNING
        assert await sandbox.execute_command("echo hello") == "hello\n"
        assert await sandbox.pause() and not await sandbox.pause() and not sandbox.is_running()
        assert await sandbox.resume() and sandbox.is_running() and sandbox.get_uptime_ms() > 0
        stats = await sandbox.get_stats()
        assert stats["memory_usage_mb"] > 0 and stats["cpu_usage_us"] > 0
        assert await hypervisor.pause_sandbox(sandbox.sandbox_id) and await hypervisor.resume_sandbox(
            sandbox.sandbox_id
        )
        assert (await hypervisor.get_sandbox_stats(sandbox.sandbox_id))["cpu_count"] == 1
        assert await sandbox.stop() and not await sandbox.stop() and not sandbox.is_running()
        assert sandbox.get_uptime_ms() == 0
        assert await hypervisor.start_sandbox(sandbox.sandbox_id) and await hypervisor.stop_sandbox(
            sandbox.sandbox_id, force=True
        )
        assert await sandbox.remove() and not await sandbox.remove()
        await hypervisor.close()

    asyncio.run(main())


def test_a_hypervisor_the_host_cannot_run_is_refused_unless_the_daemon_may_choose() -> None:
    async def main() -> None:
        with pytest.raises(UnavailableError, match="macOS"):
            await AppleVZHypervisor().create_sandbox(SandboxConfig())
        async with FirecrackerHypervisor(hypervisor="auto") as hypervisor:
            sandboxes = await asyncio.gather(
                *[hypervisor.create_sandbox(SandboxConfig(memory_mb=256)) for _ in range(2)]
            )
            assert {info.id for info in await hypervisor.list_sandboxes()} >= {each.sandbox_id for each in sandboxes}
            await asyncio.gather(*[each.remove() for each in sandboxes])
        templates = TemplateManager()
        assert (await templates.get_template("base")).name == "Debian 12"
        await templates.close()

    asyncio.run(main())
