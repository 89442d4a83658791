"""The sandbox of the compatible API."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any, Dict, Optional

from .._api import vms
from .._request import Request
from ..aio._transport import AsyncTransport
from ..aio.commands import AsyncCommands
from ..aio.files import AsyncFiles
from ..errors import NotFoundError, SandboxNotFoundError, SandboxNotRunningError
from ..models import SandboxInfo, SandboxState
from .config import SandboxConfig


class Sandbox:
    """A sandbox created by a hypervisor. `stop` keeps its disk; `remove`, or ``async with``, removes it."""

    def __init__(self, transport: AsyncTransport, info: SandboxInfo, config: SandboxConfig) -> None:
        self._transport = transport
        self._info = info
        self.config = config
        self.commands = AsyncCommands(transport, info.id)
        self.files = AsyncFiles(transport, info.id)

    @property
    def sandbox_id(self) -> str:
        return self._info.id

    @property
    def state(self) -> SandboxState:
        """The state as this handle knows it: from its own last call, and from the time to live."""
        expires = self._info.expires_at
        alive = self._info.status in (SandboxState.RUNNING, SandboxState.PAUSED)
        if alive and expires is not None and expires <= datetime.now(timezone.utc):
            return SandboxState.STOPPED
        return self._info.status

    @property
    def metadata(self) -> Dict[str, Any]:
        """`boot_time_ms`, `boot_kind`, `accelerator`, `hypervisor`."""
        info = self._info
        return {
            "boot_time_ms": info.boot_time_ms,
            "boot_kind": info.boot_kind,
            "accelerator": info.accelerator,
            "hypervisor": info.hypervisor,
        }

    async def execute_command(self, cmd: str, timeout: Optional[float] = None) -> str:
        """Runs a shell command and returns its stdout. Raises CommandExitException when it fails."""
        return (await self.commands.run(cmd, timeout=timeout)).stdout

    async def get_stats(self) -> Dict[str, Any]:
        """Returns its current use of resources: `memory_usage_mb`, `cpu_usage_us` and others."""
        try:
            return (await self._transport.send(vms.stats(self.sandbox_id))).model_dump()
        except (SandboxNotRunningError, SandboxNotFoundError):
            self._ended()
            raise

    async def start(self) -> bool:
        """Boots it again from its disk. False when it was already running."""
        return await self._become(vms.start(self.sandbox_id), SandboxState.RUNNING)

    async def stop(self, force: bool = False) -> bool:
        """Stops it. False when it was not running."""
        try:
            return await self._become(vms.stop(self.sandbox_id, force=force), SandboxState.STOPPED)
        except SandboxNotFoundError:
            if not self._info.ephemeral:
                raise
            self._ended()
            return False

    async def pause(self) -> bool:
        """Pauses it. False when it was already paused."""
        return await self._become(vms.pause(self.sandbox_id), SandboxState.PAUSED)

    async def resume(self) -> bool:
        """Resumes it. False when it was not paused."""
        return await self._become(vms.resume(self.sandbox_id), SandboxState.RUNNING)

    async def remove(self) -> bool:
        """Removes it with its disk. False when it did not exist."""
        try:
            await self._transport.send(vms.delete(self.sandbox_id))
        except NotFoundError:
            return False
        finally:
            self._ended()
        return True

    def is_running(self) -> bool:
        return self.state == SandboxState.RUNNING

    def get_uptime_ms(self) -> float:
        """Time since its last start; 0 when it is not running."""
        started = self._info.started_at
        if started is None or self.state not in (SandboxState.RUNNING, SandboxState.PAUSED):
            return 0.0
        return max(0.0, (datetime.now(timezone.utc) - started).total_seconds() * 1000)

    async def __aenter__(self) -> Sandbox:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.remove()

    async def _become(self, request: Request[SandboxInfo], state: SandboxState) -> bool:
        self._info = await self._transport.send(vms.get(self.sandbox_id))
        if self._info.status == state or (state == SandboxState.STOPPED and self._info.status == SandboxState.FAILED):
            return False
        self._info = await self._transport.send(request)
        return True

    def _ended(self) -> None:
        self._info = self._info.model_copy(update={"status": SandboxState.STOPPED})
