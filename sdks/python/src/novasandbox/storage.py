# Written by generate_sync.py from aio/storage.py: change that file, and run it again.
"""The space that the daemon takes on its host's disk."""

from __future__ import annotations

from typing_extensions import Unpack

from ._api import storage
from ._connection import ConnectionOptions
from ._transport import SyncTransport
from .models import Collected, StorageUsage


class Storage:
    """Housekeeping of the daemon, for its admin."""

    def __init__(self, **options: Unpack[ConnectionOptions]) -> None:
        self._transport = SyncTransport(options)

    def usage(self) -> StorageUsage:
        """Tells what takes how much, in bytes on the disk, and what of it nobody needs."""
        return self._transport.send(storage.usage())

    def collect(self, *, dry_run: bool = False, everything: bool = False) -> Collected:
        """Removes what no template, sandbox or snapshot needs.

        `dry_run` only reports it; `everything` also removes what somebody might still want, such as files of sandboxes
        whose records were lost.
        """
        return self._transport.send(storage.collect(dry_run, everything))

    def close(self) -> None:
        """Closes the connections."""
        self._transport.close()

    def __enter__(self) -> Storage:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()
