"""Ports of one sandbox, for asyncio."""

from __future__ import annotations

from typing import List, Optional

from .._api import ports
from ..models import CreatedPortUrl, PortForward, PortUrl
from ._transport import AsyncTransport


class AsyncPorts:
    """Ports of a sandbox, as the daemon offers them to others."""

    def __init__(self, transport: AsyncTransport, sandbox_id: str) -> None:
        self._transport = transport
        self._id = sandbox_id

    async def list(self) -> List[PortForward]:
        """The ports of the daemon's host that lead to the sandbox."""
        found = await self._transport.send(ports.listing(self._id))
        return found.forwards

    async def add(self, guest_port: int, *, host_port: Optional[int] = None) -> PortForward:
        """Forwards a port of 127.0.0.1 on the daemon's host, any free one by default, until `remove`.

        Raises ConflictError for a port that is taken.
        """
        return await self._transport.send(ports.add(self._id, guest_port, host_port))

    async def remove(self, forward_id: str) -> None:
        """Ends a forward with its connections."""
        await self._transport.send(ports.remove(self._id, forward_id))

    async def create_url(
        self, port: int, *, expires_in: Optional[int] = None, rewrite_host: bool = True
    ) -> CreatedPortUrl:
        """Makes an address that opens one port to whoever has it, for `expires_in` seconds (one hour).

        The server in the sandbox gets `localhost:<port>` as Host, as dev servers expect, unless `rewrite_host` is
        False.
        """
        return await self._transport.send(ports.create_url(self._id, port, expires_in, rewrite_host))

    async def list_urls(self) -> List[PortUrl]:
        """The addresses that have neither expired nor been revoked, without their tokens."""
        found = await self._transport.send(ports.urls(self._id))
        return found.previews

    async def revoke_url(self, url_id: str) -> None:
        """Revokes an address at once and ends its WebSockets."""
        await self._transport.send(ports.revoke_url(self._id, url_id))
