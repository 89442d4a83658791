"""The sandbox, for asyncio."""

from __future__ import annotations

from typing import Iterable, List, Mapping, Optional, Union

from typing_extensions import Unpack

from .._api import vms
from .._connection import ConnectionOptions, connection_part
from .._options import SandboxOptions
from ..errors import SandboxNotFoundError
from ..models import SandboxInfo, SandboxLogs, SandboxState, SandboxStats, TemplateInfo
from ._transport import AsyncTransport
from .commands import AsyncCommands
from .files import AsyncFiles


class AsyncSandbox:
    """A microVM that runs commands.

    ::

        async with await AsyncSandbox.create() as sandbox:
            print((await sandbox.commands.run("uname -s")).stdout)

    A sandbox from `create` is removed when its `async with` block ends; one from `connect` is left as it is.
    """

    def __init__(self, transport: AsyncTransport, info: SandboxInfo, *, owned: bool) -> None:
        self._transport = transport
        self._info = info
        self._owned = owned
        #: Runs commands.
        self.commands = AsyncCommands(transport, info.id)
        #: Reads and writes files.
        self.files = AsyncFiles(transport, info.id)

    @classmethod
    async def create(cls, template: str = "base", **options: Unpack[SandboxOptions]) -> AsyncSandbox:
        """Makes a sandbox and returns when it answers.

        It lives for the daemon's default time unless `timeout` says more.
        """
        transport = AsyncTransport(connection_part(options))
        try:
            return cls(transport, await transport.send(vms.create(template, **options)), owned=True)  # type: ignore[misc]
        except BaseException:
            await transport.close()
            raise

    @classmethod
    async def connect(cls, ref: str, **options: Unpack[ConnectionOptions]) -> AsyncSandbox:
        """A handle on a sandbox that is there, by id, unique beginning of an id, or name."""
        transport = AsyncTransport(options)
        try:
            return cls(transport, await transport.send(vms.get(ref)), owned=False)
        except BaseException:
            await transport.close()
            raise

    @staticmethod
    async def list(
        *,
        states: Optional[Iterable[Union[SandboxState, str]]] = None,
        metadata: Optional[Mapping[str, str]] = None,
        owner: Optional[str] = None,
        team: Optional[str] = None,
        **options: Unpack[ConnectionOptions],
    ) -> List[SandboxInfo]:
        """Sandboxes that run or are paused, or those in `states` ("all" for any), with all of these labels.

        They are those that the key may see, or of these the ones of an `owner` such as "user:ann", or of a `team`.
        """
        transport = AsyncTransport(options)
        try:
            found: List[SandboxInfo] = []
            cursor: Optional[str] = None
            while True:
                which = vms.page(states=states, metadata=metadata, owner=owner, team=team, limit=1000, cursor=cursor)
                page = await transport.send(which)
                found += page.vms
                cursor = page.next_cursor
                if cursor is None:
                    return found
        finally:
            await transport.close()

    @staticmethod
    async def templates(**options: Unpack[ConnectionOptions]) -> List[TemplateInfo]:
        """What sandboxes can be made from."""
        transport = AsyncTransport(options)
        try:
            listing = await transport.send(vms.templates())
            return listing.templates
        finally:
            await transport.close()

    async def kill(self: Union[AsyncSandbox, str], **options: Unpack[ConnectionOptions]) -> bool:
        """Removes the sandbox, whatever its state: `sandbox.kill()`, or `AsyncSandbox.kill("name")`.

        False when there is none.
        """
        transport = self._transport if isinstance(self, AsyncSandbox) else AsyncTransport(options)
        try:
            await transport.send(vms.delete(self.id if isinstance(self, AsyncSandbox) else self))
        except SandboxNotFoundError:
            return False
        finally:
            if not isinstance(self, AsyncSandbox):
                await transport.close()
        return True

    @property
    def id(self) -> str:
        return self._info.id

    @property
    def sandbox_id(self) -> str:
        return self._info.id

    @property
    def name(self) -> Optional[str]:
        return self._info.name

    @property
    def last_info(self) -> SandboxInfo:
        """What this handle knows: the answer to its own last call."""
        return self._info

    async def info(self) -> SandboxInfo:
        """What the daemon knows, asked anew."""
        return self._know(await self._transport.send(vms.get(self.id)))

    async def is_running(self) -> bool:
        """Whether it runs now."""
        try:
            info = await self.info()
            return info.status == SandboxState.RUNNING
        except SandboxNotFoundError:
            return False

    async def pause(self) -> SandboxInfo:
        """Memory and processes stay; no CPU is used."""
        return self._know(await self._transport.send(vms.pause(self.id)))

    async def resume(self) -> SandboxInfo:
        """Goes on where `pause` stopped it."""
        return self._know(await self._transport.send(vms.resume(self.id)))

    async def stop(self, *, force: bool = False, grace: Optional[float] = None) -> SandboxInfo:
        """Stops the guest; the disk stays. `force` does not ask it first; `grace` seconds it has to end."""
        return self._know(await self._transport.send(vms.stop(self.id, force=force, grace=grace)))

    async def start(self) -> SandboxInfo:
        """Boots a stopped sandbox again from its disk."""
        return self._know(await self._transport.send(vms.start(self.id)))

    async def set_timeout(self, seconds: float) -> SandboxInfo:
        """It lives that long from now on; 0: until it is removed."""
        return self._know(await self._transport.send(vms.set_timeout(self.id, seconds)))

    async def stats(self) -> SandboxStats:
        """What it uses now."""
        return await self._transport.send(vms.stats(self.id))

    async def logs(self, max_bytes: Optional[int] = None) -> SandboxLogs:
        """The ends of the guest's console and of the hypervisor's log."""
        return await self._transport.send(vms.logs(self.id, max_bytes))

    async def close(self) -> None:
        """Gives up the handle; the sandbox lives on."""
        await self._transport.close()

    async def __aenter__(self) -> AsyncSandbox:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        try:
            if self._owned:
                await self.kill()
        finally:
            await self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(id={self.id!r}, status={self._info.status.value!r})"

    def _know(self, info: SandboxInfo) -> SandboxInfo:
        self._info = info
        return info
