# Written by generate_sync.py from aio/sandbox.py: change that file, and run it again.
"""The sandbox."""

from __future__ import annotations

from typing import Iterable, List, Mapping, Optional, Union

from typing_extensions import Unpack

from ._api import vms
from ._connection import ConnectionOptions, connection_part
from ._options import SandboxOptions
from ._transport import SyncTransport
from .commands import Commands
from .errors import SandboxNotFoundError
from .files import Files
from .models import SandboxInfo, SandboxLogs, SandboxState, SandboxStats, TemplateInfo


class Sandbox:
    """A microVM that runs commands.

    ::

        with Sandbox.create() as sandbox:
            print(sandbox.commands.run("uname -s").stdout)

    A sandbox from `create` is removed when its `with` block ends; one from `connect` is left as it is.
    """

    def __init__(self, transport: SyncTransport, info: SandboxInfo, *, owned: bool) -> None:
        self._transport = transport
        self._info = info
        self._owned = owned
        #: Runs commands.
        self.commands = Commands(transport, info.id)
        #: Reads and writes files.
        self.files = Files(transport, info.id)

    @classmethod
    def create(cls, template: str = "base", **options: Unpack[SandboxOptions]) -> Sandbox:
        """Makes a sandbox and returns when it answers.

        It lives for the daemon's default time unless `timeout` says more.
        """
        transport = SyncTransport(connection_part(options))
        try:
            return cls(transport, transport.send(vms.create(template, **options)), owned=True)  # type: ignore[misc]
        except BaseException:
            transport.close()
            raise

    @classmethod
    def connect(cls, ref: str, **options: Unpack[ConnectionOptions]) -> Sandbox:
        """A handle on a sandbox that is there, by id, unique beginning of an id, or name."""
        transport = SyncTransport(options)
        try:
            return cls(transport, transport.send(vms.get(ref)), owned=False)
        except BaseException:
            transport.close()
            raise

    @staticmethod
    def list(
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
        transport = SyncTransport(options)
        try:
            found: List[SandboxInfo] = []
            cursor: Optional[str] = None
            while True:
                which = vms.page(states=states, metadata=metadata, owner=owner, team=team, limit=1000, cursor=cursor)
                page = transport.send(which)
                found += page.vms
                cursor = page.next_cursor
                if cursor is None:
                    return found
        finally:
            transport.close()

    @staticmethod
    def templates(**options: Unpack[ConnectionOptions]) -> List[TemplateInfo]:
        """What sandboxes can be made from."""
        transport = SyncTransport(options)
        try:
            listing = transport.send(vms.templates())
            return listing.templates
        finally:
            transport.close()

    def kill(self: Union[Sandbox, str], **options: Unpack[ConnectionOptions]) -> bool:
        """Removes the sandbox, whatever its state: `sandbox.kill()`, or `Sandbox.kill("name")`.

        False when there is none.
        """
        transport = self._transport if isinstance(self, Sandbox) else SyncTransport(options)
        try:
            transport.send(vms.delete(self.id if isinstance(self, Sandbox) else self))
        except SandboxNotFoundError:
            return False
        finally:
            if not isinstance(self, Sandbox):
                transport.close()
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

    def info(self) -> SandboxInfo:
        """What the daemon knows, asked anew."""
        return self._know(self._transport.send(vms.get(self.id)))

    def is_running(self) -> bool:
        """Whether it runs now."""
        try:
            info = self.info()
            return info.status == SandboxState.RUNNING
        except SandboxNotFoundError:
            return False

    def pause(self) -> SandboxInfo:
        """Memory and processes stay; no CPU is used."""
        return self._know(self._transport.send(vms.pause(self.id)))

    def resume(self) -> SandboxInfo:
        """Goes on where `pause` stopped it."""
        return self._know(self._transport.send(vms.resume(self.id)))

    def stop(self, *, force: bool = False, grace: Optional[float] = None) -> SandboxInfo:
        """Stops the guest; the disk stays. `force` does not ask it first; `grace` seconds it has to end."""
        return self._know(self._transport.send(vms.stop(self.id, force=force, grace=grace)))

    def start(self) -> SandboxInfo:
        """Boots a stopped sandbox again from its disk."""
        return self._know(self._transport.send(vms.start(self.id)))

    def set_timeout(self, seconds: float) -> SandboxInfo:
        """It lives that long from now on; 0: until it is removed."""
        return self._know(self._transport.send(vms.set_timeout(self.id, seconds)))

    def stats(self) -> SandboxStats:
        """What it uses now."""
        return self._transport.send(vms.stats(self.id))

    def logs(self, max_bytes: Optional[int] = None) -> SandboxLogs:
        """The ends of the guest's console and of the hypervisor's log."""
        return self._transport.send(vms.logs(self.id, max_bytes))

    def close(self) -> None:
        """Gives up the handle; the sandbox lives on."""
        self._transport.close()

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *_exc: object) -> None:
        try:
            if self._owned:
                self.kill()
        finally:
            self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(id={self.id!r}, status={self._info.status.value!r})"

    def _know(self, info: SandboxInfo) -> SandboxInfo:
        self._info = info
        return info
