"""Access to the daemon, for asyncio."""

from __future__ import annotations

from typing import Iterable, List, Optional

from typing_extensions import Unpack

from .._api import access
from .._connection import ConnectionOptions
from ..models import ApiKey, CreatedApiKey, Identity, RoleInfo, User
from ._transport import AsyncTransport


class AsyncAccess:
    """Manages the daemon's keys and users."""

    def __init__(self, **options: Unpack[ConnectionOptions]) -> None:
        self._transport = AsyncTransport(options)

    async def list_keys(self) -> List[ApiKey]:
        """Lists all keys, including revoked ones."""
        listing = await self._transport.send(access.list_keys())
        return listing.keys

    async def create_key(
        self,
        name: str,
        *,
        role: Optional[str] = None,
        username: Optional[str] = None,
        team: Optional[str] = None,
        scopes: Optional[Iterable[str]] = None,
        expires_in: Optional[float] = None,
    ) -> CreatedApiKey:
        """Creates a key. Its secret is returned only here.

        `role` defaults to "user"; `scopes` limit its permissions. With a `username`, the key belongs to that user. The
        key expires after `expires_in` seconds; default: never.
        """
        wanted = access.create_key(name, role=role, username=username, team=team, scopes=scopes, expires_in=expires_in)
        return await self._transport.send(wanted)

    async def revoke_key(self, key_id: str) -> None:
        """Revokes a key at once."""
        await self._transport.send(access.revoke_key(key_id))

    async def list_users(self) -> List[User]:
        """Lists the users who may log in."""
        listing = await self._transport.send(access.list_users())
        return listing.users

    async def create_user(
        self, username: str, password: str, *, role: Optional[str] = None, team: Optional[str] = None
    ) -> User:
        """Adds a user; the password needs at least 12 characters."""
        return await self._transport.send(access.create_user(username, password, role=role, team=team))

    async def remove_user(self, username: str) -> None:
        """Removes a user and revokes the user's keys. The sandboxes remain; the admin can reach them."""
        await self._transport.send(access.remove_user(username))

    async def roles(self) -> List[RoleInfo]:
        """Lists the roles with the sandboxes that each may act on and its permissions."""
        listing = await self._transport.send(access.roles())
        return listing.roles

    async def whoami(self) -> Identity:
        """Returns the identity under which the daemon handles the caller."""
        return await self._transport.send(access.whoami())

    async def close(self) -> None:
        """Closes the connections."""
        await self._transport.close()

    async def __aenter__(self) -> AsyncAccess:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.close()
