"""Sandboxes of one hypervisor, by id."""

from __future__ import annotations

from typing import Any, Dict, List, Optional

from typing_extensions import Unpack

from .._api import vms
from .._connection import ConnectionOptions
from ..aio._transport import AsyncTransport
from ..errors import SandboxNotFoundError
from ..models import SandboxInfo
from .config import SandboxConfig
from .sandbox import Sandbox


class BaseHypervisor:
    """Creates sandboxes on one kind of hypervisor: `name`, or any if it is ``auto``."""

    name = "auto"

    def __init__(self, *, hypervisor: Optional[str] = None, **options: Unpack[ConnectionOptions]) -> None:
        self.hypervisor = hypervisor or self.name
        self._transport = AsyncTransport(options)

    async def create_sandbox(self, config: Optional[SandboxConfig] = None) -> Sandbox:
        """Creates a sandbox and returns when it answers. Raises NotSupportedError if the hypervisor is missing."""
        config = config or SandboxConfig()
        return Sandbox(self._transport, await self._transport.send(config.request(self.hypervisor)), config)

    async def get_sandbox(self, sandbox_id: str) -> Sandbox:
        """Opens a handle on an existing sandbox, by id or name."""
        info = await self._transport.send(vms.get(sandbox_id))
        return Sandbox(self._transport, info, _config_of(info))

    async def list_sandboxes(self) -> List[SandboxInfo]:
        """Lists running, paused and stopping sandboxes."""
        page = await self._transport.send(vms.page(limit=1000))
        return page.vms

    async def start_sandbox(self, sandbox_id: str) -> bool:
        """Boots a stopped sandbox again. False when it was already running."""
        return await (await self.get_sandbox(sandbox_id)).start()

    async def stop_sandbox(self, sandbox_id: str, force: bool = False) -> bool:
        """Stops a sandbox. False when it was not running."""
        return await (await self.get_sandbox(sandbox_id)).stop(force=force)

    async def pause_sandbox(self, sandbox_id: str) -> bool:
        return await (await self.get_sandbox(sandbox_id)).pause()

    async def resume_sandbox(self, sandbox_id: str) -> bool:
        return await (await self.get_sandbox(sandbox_id)).resume()

    async def get_sandbox_stats(self, sandbox_id: str) -> Dict[str, Any]:
        return (await self._transport.send(vms.stats(sandbox_id))).model_dump()

    async def remove_sandbox(self, sandbox_id: str) -> bool:
        """Removes a sandbox with its disk. False when it did not exist."""
        try:
            await self._transport.send(vms.delete(sandbox_id))
        except SandboxNotFoundError:
            return False
        return True

    async def close(self) -> None:
        """Closes the connections; the sandboxes continue to run."""
        await self._transport.close()

    async def __aenter__(self) -> BaseHypervisor:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.close()


def _config_of(info: SandboxInfo) -> SandboxConfig:
    return SandboxConfig(
        template_id=info.template,
        memory_mb=info.memory_mb,
        vcpus=info.vcpus,
        enable_network=info.network,
        host_port=info.host_port,
        guest_port=info.guest_port,
        labels=dict(info.metadata),
        name=info.name,
        ephemeral=info.ephemeral,
    )
