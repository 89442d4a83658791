# Written by generate_sync.py from aio/ports.py: change that file, and run it again.
"""Ports of one sandbox."""

from __future__ import annotations

from typing import List, Optional

from ._api import ports
from ._transport import SyncTransport
from .models import CreatedPortUrl, PortForward, PortUrl


class Ports:
    """Ports of a sandbox, as the daemon offers them to others."""

    def __init__(self, transport: SyncTransport, sandbox_id: str) -> None:
        self._transport = transport
        self._id = sandbox_id

    def list(self) -> List[PortForward]:
        """The ports of the daemon's host that lead to the sandbox."""
        found = self._transport.send(ports.listing(self._id))
        return found.forwards

    def add(self, guest_port: int, *, host_port: Optional[int] = None) -> PortForward:
        """Forwards a port of 127.0.0.1 on the daemon's host, any free one by default, until `remove`.

        Raises ConflictError for a port that is taken.
        """
        return self._transport.send(ports.add(self._id, guest_port, host_port))

    def remove(self, forward_id: str) -> None:
        """Ends a forward with its connections."""
        self._transport.send(ports.remove(self._id, forward_id))

    def create_url(self, port: int, *, expires_in: Optional[int] = None, rewrite_host: bool = True) -> CreatedPortUrl:
        """Makes an address that opens one port to whoever has it, for `expires_in` seconds (one hour).

        The server in the sandbox gets `localhost:<port>` as Host, as dev servers expect, unless `rewrite_host` is
        False.
        """
        return self._transport.send(ports.create_url(self._id, port, expires_in, rewrite_host))

    def list_urls(self) -> List[PortUrl]:
        """The addresses that have neither expired nor been revoked, without their tokens."""
        found = self._transport.send(ports.urls(self._id))
        return found.previews

    def revoke_url(self, url_id: str) -> None:
        """Revokes an address at once and ends its WebSockets."""
        self._transport.send(ports.revoke_url(self._id, url_id))
