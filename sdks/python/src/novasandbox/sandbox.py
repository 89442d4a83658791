# Written by generate_sync.py from aio/sandbox.py: change that file, and run it again.
"""The sandbox."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Iterable, Iterator, List, Mapping, Optional, Union

from typing_extensions import Unpack

from ._api import snapshots, vms
from ._branches import Branches
from ._connection import ConnectionOptions, connection_part
from ._event_lines import EventLines
from ._options import FromSnapshotOptions, SandboxOptions, SecretSettings
from ._transport import SyncTransport
from ._waiting import sleep
from .commands import Commands
from .errors import NovaError, SandboxNotFoundError
from .files import Files
from .models import SandboxEvent, SandboxInfo, SandboxLogs, SandboxState, SandboxStats, SecretInfo, TemplateInfo
from .network import SandboxNetwork
from .ports import Ports
from .workspace import Workspace


class Sandbox(Branches):
    """A microVM that runs commands.

    ::

        with Sandbox.create() as sandbox:
            print(sandbox.commands.run("uname -s").stdout)

    A sandbox from `create` is removed when its `with` block ends; one from `connect` is not.
    """

    def __init__(self, transport: SyncTransport, info: SandboxInfo, *, owned: bool) -> None:
        super().__init__(transport, info, owned=owned)
        #: Runs commands.
        self.commands = Commands(transport, info.id)
        #: Reads and writes files.
        self.files = Files(transport, info.id)
        #: Its network policy.
        self.network = SandboxNetwork(transport, info.id)
        #: Ports that the daemon offers to others.
        self.ports = Ports(transport, info.id)
        #: Pushes a folder of this machine, compares it, and applies what was changed.
        self.workspace = Workspace(transport, info.id, self.files)

    @classmethod
    def create(cls, template: Optional[str] = None, **options: Unpack[SandboxOptions]) -> Sandbox:
        """Creates a sandbox and returns when it answers.

        Without `timeout` it lives for the daemon's default time.
        """
        transport = SyncTransport(connection_part(options))
        try:
            return cls(transport, transport.send(vms.create(template, **options)), owned=True)  # type: ignore[misc]
        except BaseException:
            transport.close()
            raise

    @classmethod
    def connect(cls, ref: str, **options: Unpack[ConnectionOptions]) -> Sandbox:
        """Opens a handle on an existing sandbox, by id, unique beginning of an id, or name."""
        transport = SyncTransport(options)
        try:
            return cls(transport, transport.send(vms.get(ref)), owned=False)
        except BaseException:
            transport.close()
            raise

    @classmethod
    def from_snapshot(cls, ref: str, **options: Unpack[FromSnapshotOptions]) -> Sandbox:
        """Makes a sandbox that goes on from a snapshot, by its id, unique beginning of an id, or name."""
        transport = SyncTransport(connection_part(options))
        own: Any = {name: value for name, value in options.items() if name not in ConnectionOptions.__annotations__}
        try:
            return cls(transport, transport.send(snapshots.create(ref, **own)), owned=True)
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
        """Lists running, paused, stopping and hibernated sandboxes, or those in `states` ("all" for any).

        With `metadata`, only those with all of these labels are listed.

        Only those that the key may see are listed; `owner`, such as "user:ann", and `team` select among them.
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
    def events(
        *,
        sandbox: Optional[str] = None,
        types: Optional[Iterable[str]] = None,
        since: Union[int, datetime, None] = None,
        follow: bool = True,
        **options: Unpack[ConnectionOptions],
    ) -> Iterator[SandboxEvent]:
        """Yields events of sandboxes, or of one `sandbox` until it is removed.

        `types` are names such as "vm.stopped", or "vm" for all of that kind. `since` is the id of an event or a time,
        as far back as the daemon keeps events; default: from now on. With `follow=False` only kept events are yielded.
        """
        transport = SyncTransport(options)
        told = EventLines(sandbox=sandbox, types=types, since=since, follow=follow)
        try:
            while not told.over:
                try:
                    with transport.stream(told.request) as response:
                        told.connected()
                        for data in transport.chunks(response):
                            for event in told.feed(data):
                                told.passed(event)
                                yield event
                    if not follow:
                        return
                    if not told.over:
                        raise told.cut_off()
                except NovaError as error:
                    sleep(told.resume(error))
        finally:
            transport.close()

    @staticmethod
    def templates(**options: Unpack[ConnectionOptions]) -> List[TemplateInfo]:
        """Lists the templates of which sandboxes can be created."""
        transport = SyncTransport(options)
        try:
            listing = transport.send(vms.templates())
            return listing.templates
        finally:
            transport.close()

    @staticmethod
    def build_template(
        template_id: str, *, image: Optional[str] = None, force: bool = False, **options: Unpack[ConnectionOptions]
    ) -> TemplateInfo:
        """Builds what is missing of a template. With ``image`` the template is made, of that OCI image.

        ``force`` rebuilds the root image, and looks up anew what the image's name leads to.
        """
        transport = SyncTransport(options)
        try:
            return transport.send(vms.build_template(template_id, image, force))
        finally:
            transport.close()

    def kill(self: Union[Sandbox, str], **options: Unpack[ConnectionOptions]) -> bool:
        """Removes the sandbox, whatever its state: `sandbox.kill()`, or `Sandbox.kill("name")`.

        False when it does not exist.
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
    def sandbox_id(self) -> str:
        return self._info.id

    @property
    def name(self) -> Optional[str]:
        return self._info.name

    @property
    def last_info(self) -> SandboxInfo:
        """The information from this handle's own last call."""
        return self._info

    def info(self) -> SandboxInfo:
        """Asks the daemon for current information."""
        return self._know(self._transport.send(vms.get(self.id)))

    def is_running(self) -> bool:
        """Asks whether the sandbox is running now."""
        try:
            info = self.info()
            return info.status == SandboxState.RUNNING
        except SandboxNotFoundError:
            return False

    def pause(self) -> SandboxInfo:
        """Freezes the sandbox: it keeps its memory and processes but uses no CPU."""
        return self._know(self._transport.send(vms.pause(self.id)))

    def hibernate(self, *, memory: bool = True) -> SandboxInfo:
        """Writes memory and disk to the disk of the host and ends the machine, until `resume` lets it go on.

        With `memory=False` only the disk is kept, from which it boots then. An ephemeral sandbox stays too.
        """
        return self._know(self._transport.send(vms.hibernate(self.id, memory=memory)))

    def resume(self, *, memory: bool = True) -> SandboxInfo:
        """Continues where `pause` or `hibernate` left the sandbox.

        Where the memory of a hibernated one cannot be used any more, or with `memory=False`, it boots from its disk;
        `reason` says why.
        """
        return self._know(self._transport.send(vms.resume(self.id, memory=memory)))

    def stop(self, *, force: bool = False, grace: Optional[float] = None) -> SandboxInfo:
        """Stops the guest; the disk remains. The guest has `grace` seconds to end; with `force` it is not asked."""
        return self._know(self._transport.send(vms.stop(self.id, force=force, grace=grace)))

    def start(self) -> SandboxInfo:
        """Boots a stopped sandbox again from its disk."""
        return self._know(self._transport.send(vms.start(self.id)))

    def set_timeout(self, seconds: float) -> SandboxInfo:
        """Sets the time to live from now; 0: until it is removed."""
        return self._know(self._transport.send(vms.set_timeout(self.id, seconds)))

    def rename(self, name: str) -> SandboxInfo:
        """Renames the sandbox; raises ConflictError when its owner has another sandbox of that name."""
        return self._know(self._transport.send(vms.rename(self.id, name)))

    def secrets(self) -> List[SecretInfo]:
        """Lists the secrets of the sandbox, without their values."""
        return (self._transport.send(vms.secrets(self.id))).secrets

    def set_secret(self, name: str, **settings: Unpack[SecretSettings]) -> SecretInfo:
        """Gives it a secret, also while it runs, or another value for one that it has, whose placeholder stays."""
        return self._transport.send(vms.set_secret(self.id, name, settings))

    def remove_secret(self, name: str) -> None:
        """Forgets the value of a secret and ends the requests that have it; its placeholder is refused from now on."""
        self._transport.send(vms.remove_secret(self.id, name))

    def resize(
        self, *, vcpus: Optional[int] = None, memory_mb: Optional[int] = None, disk_mb: Optional[int] = None
    ) -> SandboxInfo:
        """Changes the sizes that are given. A disk can only become larger; its file system grows with it."""
        self._transport.send(vms.resize(self.id, vcpus=vcpus, memory_mb=memory_mb, disk_mb=disk_mb))
        return self.info()

    def stats(self) -> SandboxStats:
        """Returns its current use of resources."""
        return self._transport.send(vms.stats(self.id))

    def logs(self, max_bytes: Optional[int] = None) -> SandboxLogs:
        """Returns the last part of the guest's console and of the hypervisor's log."""
        return self._transport.send(vms.logs(self.id, max_bytes))

    def close(self) -> None:
        """Closes the handle; the sandbox continues to run."""
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
