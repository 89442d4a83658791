# Written by generate_sync.py from aio/private_networks.py: change that file, and run it again.
"""Private networks."""

from __future__ import annotations

from typing import List, Optional

from typing_extensions import Unpack

from ._api import networks as api
from ._connection import ConnectionOptions
from ._transport import SyncTransport
from .models import NetworkInfo


class Network:
    """A private network, whose members reach each other by address and as `<sandbox>.<network>`.

    Sandboxes join it with the option `networks`. The object holds no connection and needs not be closed.
    """

    def __init__(self, info: NetworkInfo, options: ConnectionOptions) -> None:
        self._options = options
        #: All about the network, as of this object's last call.
        self.info = info

    @classmethod
    def create(
        cls,
        name: str,
        *,
        subnet: Optional[str] = None,
        isolation: Optional[str] = None,
        bridge: Optional[str] = None,
        **options: Unpack[ConnectionOptions],
    ) -> Network:
        """Makes a network; raises ConflictError when its owner has another of that name, or the subnet is taken.

        Without `subnet` it gets a free one. `isolation` says what members may send each other: `minimal` everything
        (the default), `moderate` pings alone, `strict` nothing.
        """
        with SyncTransport(options) as transport:
            return cls(transport.send(api.create(name, subnet, isolation, bridge)), options)

    @classmethod
    def get(cls, ref: str, **options: Unpack[ConnectionOptions]) -> Network:
        """Finds a network by its id, a unique beginning of it, or its name."""
        with SyncTransport(options) as transport:
            return cls(transport.send(api.get(ref)), options)

    @classmethod
    def list(cls, **options: Unpack[ConnectionOptions]) -> List[Network]:
        """Lists the networks that the key may see."""
        with SyncTransport(options) as transport:
            listing = transport.send(api.listing())
            return [cls(info, options) for info in listing.networks]

    @property
    def id(self) -> str:
        return self.info.id

    @property
    def name(self) -> str:
        return self.info.name

    def get_info(self) -> NetworkInfo:
        """Asks the daemon for current information, such as the members and their addresses."""
        with SyncTransport(self._options) as transport:
            self.info = transport.send(api.get(self.id))
            return self.info

    def isolate(self, isolation: str) -> NetworkInfo:
        """Changes what the members may send each other, at once, also within connections that they have."""
        with SyncTransport(self._options) as transport:
            self.info = transport.send(api.isolate(self.id, isolation))
            return self.info

    def remove(self) -> None:
        """Removes the network; raises ConflictError while a sandbox is a member, running or not."""
        with SyncTransport(self._options) as transport:
            transport.send(api.delete(self.id))

    def __repr__(self) -> str:
        return f"{type(self).__name__}(id={self.id!r}, name={self.name!r})"
