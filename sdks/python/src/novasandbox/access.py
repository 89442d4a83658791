# Written by generate_sync.py from aio/access.py: change that file, and run it again.
"""Access to the daemon."""

from __future__ import annotations

from typing import Iterable, List, Optional

from typing_extensions import Unpack

from ._api import access
from ._connection import ConnectionOptions
from ._transport import SyncTransport
from .models import ApiKey, CreatedApiKey, Identity, RoleInfo, User


class Access:
    """Manages the daemon's keys and users."""

    def __init__(self, **options: Unpack[ConnectionOptions]) -> None:
        self._transport = SyncTransport(options)

    def list_keys(self) -> List[ApiKey]:
        """Lists all keys, including revoked ones."""
        listing = self._transport.send(access.list_keys())
        return listing.keys

    def create_key(
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
        return self._transport.send(wanted)

    def revoke_key(self, key_id: str) -> None:
        """Revokes a key at once."""
        self._transport.send(access.revoke_key(key_id))

    def list_users(self) -> List[User]:
        """Lists the users who may log in."""
        listing = self._transport.send(access.list_users())
        return listing.users

    def create_user(
        self, username: str, password: str, *, role: Optional[str] = None, team: Optional[str] = None
    ) -> User:
        """Adds a user; the password needs at least 12 characters."""
        return self._transport.send(access.create_user(username, password, role=role, team=team))

    def remove_user(self, username: str) -> None:
        """Removes a user and revokes the user's keys. The sandboxes remain; the admin can reach them."""
        self._transport.send(access.remove_user(username))

    def roles(self) -> List[RoleInfo]:
        """Lists the roles with the sandboxes that each may act on and its permissions."""
        listing = self._transport.send(access.roles())
        return listing.roles

    def whoami(self) -> Identity:
        """Returns the identity under which the daemon handles the caller."""
        return self._transport.send(access.whoami())

    def close(self) -> None:
        """Closes the connections."""
        self._transport.close()

    def __enter__(self) -> Access:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()
