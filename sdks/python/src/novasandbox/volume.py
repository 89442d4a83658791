# Written by generate_sync.py from aio/volume.py: change that file, and run it again.
"""Volumes."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import Iterator, List, Optional

from typing_extensions import Unpack

from ._api import volumes as api
from ._connection import ConnectionOptions
from ._transport import SyncTransport
from .models import SandboxState, VolumeInfo
from .sandbox import Sandbox

#: Where a sandbox that was made to open a volume has it.
_opened_at = "/volume"


@dataclass(frozen=True)
class OpenVolume:
    """A volume, and a sandbox to read and write its files with."""

    sandbox: Sandbox
    #: The folder of the sandbox in which the volume is.
    path: str
    #: Whether the sandbox can only read it.
    read_only: bool


class Volume:
    """A disk with a name, which outlives the sandboxes that are created with it.

    It holds no connection and needs not be closed.
    """

    def __init__(self, info: VolumeInfo, options: ConnectionOptions) -> None:
        self._options = options
        #: All about the volume, as of this object's last call.
        self.info = info

    @classmethod
    def create(cls, name: str, *, size_mb: Optional[int] = None, **options: Unpack[ConnectionOptions]) -> Volume:
        """Creates an empty volume; raises ConflictError when its owner has another of that name.

        It takes space on the host only as it is written to.
        """
        with SyncTransport(options) as transport:
            return cls(transport.send(api.create(name, size_mb)), options)

    @classmethod
    def get(cls, ref: str, **options: Unpack[ConnectionOptions]) -> Volume:
        """Finds a volume by its id, a unique beginning of it, or its name."""
        with SyncTransport(options) as transport:
            return cls(transport.send(api.get(ref)), options)

    @classmethod
    def list(cls, **options: Unpack[ConnectionOptions]) -> List[Volume]:
        """Lists the volumes that the key may see."""
        with SyncTransport(options) as transport:
            listing = transport.send(api.listing())
            return [cls(info, options) for info in listing.volumes]

    @property
    def id(self) -> str:
        return self.info.id

    @property
    def name(self) -> str:
        return self.info.name

    def get_info(self) -> VolumeInfo:
        """Asks the daemon for current information, such as who has the volume."""
        with SyncTransport(self._options) as transport:
            self.info = transport.send(api.get(self.id))
            return self.info

    def resize(self, size_mb: int) -> VolumeInfo:
        """Makes the volume larger; its file system grows at once, or when it is next mounted to write."""
        with SyncTransport(self._options) as transport:
            self.info = transport.send(api.resize(self.id, size_mb))
            return self.info

    def remove(self, *, force: bool = False) -> None:
        """Removes the volume with its contents; raises ConflictError while a sandbox has it.

        With `force` it is removed even if a stopped sandbox needs it to start again.
        """
        with SyncTransport(self._options) as transport:
            transport.send(api.delete(self.id, force))

    @contextmanager
    def open(self, *, timeout: float = 600) -> Iterator[OpenVolume]:
        """Gives a sandbox to read and write the volume's files with, until the block ends.

        It is the one that has the volume; where none has, one is made without network, which lives for `timeout`
        seconds at most.
        """
        info = self.get_info()
        holder = next((use for use in info.used_by if use.attached and use.status == SandboxState.RUNNING), None)
        if holder is not None:
            sandbox = Sandbox.connect(holder.vm_id, **self._options)
            try:
                yield OpenVolume(sandbox, holder.path, holder.read_only)
            finally:
                sandbox.close()
        else:
            with Sandbox.create(
                volumes=[{"name": self.id, "path": _opened_at}],
                network=False,
                ephemeral=True,
                timeout=timeout,
                **self._options,
            ) as sandbox:
                yield OpenVolume(sandbox, _opened_at, False)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(id={self.id!r}, name={self.name!r})"
