"""Access to the daemon: keys and users."""

from __future__ import annotations

from typing import Iterable, Optional

from .._request import Request, as_model, given, nothing, segment
from ..models import ApiKeyList, CreatedApiKey, Identity, RoleList, User, UserList


def list_keys() -> Request[ApiKeyList]:
    return Request("GET", "/security/api-keys", as_model(ApiKeyList))


def create_key(
    name: str,
    *,
    role: Optional[str] = None,
    username: Optional[str] = None,
    team: Optional[str] = None,
    scopes: Optional[Iterable[str]] = None,
    expires_in: Optional[float] = None,
) -> Request[CreatedApiKey]:
    body = given(
        name=name,
        role=role,
        username=username,
        team=team,
        scopes=None if scopes is None else list(scopes),
        expires_in_seconds=None if expires_in is None else round(expires_in),
    )
    return Request("POST", "/security/api-keys", as_model(CreatedApiKey), json=body)


def revoke_key(key_id: str) -> Request[None]:
    return Request("DELETE", f"/security/api-keys/{segment(key_id, 'key')}", nothing)


def list_users() -> Request[UserList]:
    return Request("GET", "/security/users", as_model(UserList))


def create_user(
    username: str, password: str, *, role: Optional[str] = None, team: Optional[str] = None
) -> Request[User]:
    body = given(username=username, password=password, role=role, team=team)
    return Request("POST", "/security/users", as_model(User), json=body)


def remove_user(username: str) -> Request[None]:
    return Request("DELETE", f"/security/users/{segment(username, 'user')}", nothing)


def roles() -> Request[RoleList]:
    return Request("GET", "/security/roles", as_model(RoleList))


def whoami() -> Request[Identity]:
    return Request("GET", "/security/auth/validate", as_model(Identity))
