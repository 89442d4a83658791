"""The client for asyncio."""

from __future__ import annotations

from typing import Any, List, Mapping, Optional, Union

from .._api import vms
from .._api.guest import Command
from ..aio._transport import AsyncTransport
from ..aio.commands import AsyncCommands
from ..aio.files import AsyncFiles
from ..files import LocalPath
from ..models import Entry, SandboxStats
from ._model import VM, ExecResult, exec_result, options_of, start_request, vm_of


class MicroVMClient:
    """Manages VMs by id or name."""

    def __init__(
        self, base_url: Optional[str] = None, api_key: Optional[str] = None, timeout: Optional[float] = None
    ) -> None:
        self._transport = AsyncTransport(options_of(base_url, api_key, timeout))

    async def start_vm(
        self, name: Optional[str] = None, config: Optional[Mapping[str, Any]] = None, *, template: Optional[str] = None
    ) -> VM:
        """Creates and starts a VM."""
        return vm_of(await self._transport.send(start_request(name, config, template)))

    async def list_vms(self) -> List[VM]:
        """Lists all VMs in any state."""
        page = await self._transport.send(vms.page(states="all", limit=1000))
        found = page.vms
        while page.next_cursor is not None:
            page = await self._transport.send(vms.page(states="all", limit=1000, cursor=page.next_cursor))
            found = found + page.vms
        return [vm_of(info) for info in found]

    async def get_vm(self, vm_id: str) -> VM:
        return vm_of(await self._transport.send(vms.get(vm_id)))

    async def stop_vm(self, vm_id: str, force: bool = False) -> VM:
        return vm_of(await self._transport.send(vms.stop(vm_id, force=force)))

    async def restart_vm(self, vm_id: str) -> VM:
        """Stops the VM and starts it again from its disk."""
        await self._transport.send(vms.stop(vm_id))
        return vm_of(await self._transport.send(vms.start(vm_id)))

    async def pause_vm(self, vm_id: str) -> VM:
        return vm_of(await self._transport.send(vms.pause(vm_id)))

    async def resume_vm(self, vm_id: str) -> VM:
        return vm_of(await self._transport.send(vms.resume(vm_id)))

    async def destroy_vm(self, vm_id: str) -> None:
        """Stops the VM and removes it with its disk."""
        await self._transport.send(vms.delete(vm_id))

    async def get_vm_metrics(self, vm_id: str) -> SandboxStats:
        return await self._transport.send(vms.stats(vm_id))

    async def exec_command(
        self,
        vm_id: str,
        command: Command,
        timeout: float = 0,
        *,
        working_directory: Optional[str] = None,
        environment: Optional[Mapping[str, str]] = None,
    ) -> ExecResult:
        """Runs a command to its end. A failure is returned as a result, not raised."""
        commands = AsyncCommands(self._transport, vm_id)
        return exec_result(
            await commands.run(command, timeout=timeout, cwd=working_directory, env=environment, check=False)
        )

    async def upload_file(
        self, vm_id: str, local_path: LocalPath, remote_path: str, permissions: Union[int, str, None] = None
    ) -> Entry:
        mode = int(permissions, 8) if isinstance(permissions, str) else permissions
        return await AsyncFiles(self._transport, vm_id).upload(local_path, remote_path, mode=mode)

    async def download_file(self, vm_id: str, remote_path: str, local_path: LocalPath) -> int:
        """Copies a file of the VM to this machine and returns its number of bytes."""
        return await AsyncFiles(self._transport, vm_id).download(remote_path, local_path)

    async def close(self) -> None:
        await self._transport.close()

    async def __aenter__(self) -> MicroVMClient:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.close()
