"""Private networks, for asyncio."""

from __future__ import annotations

from typing import List, Optional

from typing_extensions import Unpack

from .._api import networks as api
from .._connection import ConnectionOptions
from ..models import NetworkInfo
from ._transport import AsyncTransport


class AsyncNetwork:
    """A private network, whose members reach each other by address and as `<sandbox>.<network>`.

    Sandboxes join it with the option `networks`. The object holds no connection and needs not be closed.
    """

    def __init__(self, info: NetworkInfo, options: ConnectionOptions) -> None:
        self._options = options
        #: All about the network, as of this object's last call.
        self.info = info

    @classmethod
    async def create(
        cls,
        name: str,
        *,
        subnet: Optional[str] = None,
        isolation: Optional[str] = None,
        bridge: Optional[str] = None,
        **options: Unpack[ConnectionOptions],
    ) -> AsyncNetwork:
        """Makes a network; raises ConflictError when its owner has another of that name, or the subnet is taken.

        Without `subnet` it gets a free one. `isolation` says what members may send each other: `minimal` everything
        (the default), `moderate` pings alone, `strict` nothing.
        """
        async with AsyncTransport(options) as transport:
            return cls(await transport.send(api.create(name, subnet, isolation, bridge)), options)

    @classmethod
    async def get(cls, ref: str, **options: Unpack[ConnectionOptions]) -> AsyncNetwork:
        """Finds a network by its id, a unique beginning of it, or its name."""
        async with AsyncTransport(options) as transport:
            return cls(await transport.send(api.get(ref)), options)

    @classmethod
    async def list(cls, **options: Unpack[ConnectionOptions]) -> List[AsyncNetwork]:
        """Lists the networks that the key may see."""
        async with AsyncTransport(options) as transport:
            listing = await transport.send(api.listing())
            return [cls(info, options) for info in listing.networks]

    @property
    def id(self) -> str:
        return self.info.id

    @property
    def name(self) -> str:
        return self.info.name

    async def get_info(self) -> NetworkInfo:
        """Asks the daemon for current information, such as the members and their addresses."""
        async with AsyncTransport(self._options) as transport:
            self.info = await transport.send(api.get(self.id))
            return self.info

    async def isolate(self, isolation: str) -> NetworkInfo:
        """Changes what the members may send each other, at once, also within connections that they have."""
        async with AsyncTransport(self._options) as transport:
            self.info = await transport.send(api.isolate(self.id, isolation))
            return self.info

    async def remove(self) -> None:
        """Removes the network; raises ConflictError while a sandbox is a member, running or not."""
        async with AsyncTransport(self._options) as transport:
            await transport.send(api.delete(self.id))

    def __repr__(self) -> str:
        return f"{type(self).__name__}(id={self.id!r}, name={self.name!r})"
