"""Files in the guest. Requests and responses carry their contents."""

from __future__ import annotations

from typing import Any, List, Optional

from .._request import Request, as_model, given, nothing, segment
from ..errors import InvalidArgumentError
from ..models import Created, Entry, EntryList, Existed, Unpacked

_entry = as_model(Entry)


def write(
    ref: str,
    path: str,
    content: Any,
    *,
    user: Optional[str] = None,
    mode: Optional[int] = None,
    append: bool = False,
    exclusive: bool = False,
) -> Request[Entry]:
    """Writes a file of any size and creates missing parent directories."""
    params = given(path=path, user=user, permissions=_octal(mode))
    if append:
        params["append"] = "true"
    if exclusive:
        params["exclusive"] = "true"
    return Request("PUT", f"{_files(ref)}/content", _entry, params=params, content=content, patience=120)


def read(
    ref: str, path: str, *, user: Optional[str] = None, offset: int = 0, length: Optional[int] = None
) -> Request[None]:
    """Streams a file or a range of it."""
    if offset < 0 or (length is not None and length <= 0):
        raise InvalidArgumentError(
            "offset: must not be negative, and length must be positive.", code="invalid_argument"
        )
    headers = {}
    if offset > 0 or length is not None:
        headers["range"] = f"bytes={offset}-{'' if length is None else offset + length - 1}"
    params = given(path=path, user=user)
    return Request("GET", f"{_files(ref)}/download", nothing, params=params, headers=headers, patience=120)


def listing(ref: str, path: str, *, user: Optional[str] = None, depth: int = 1) -> Request[EntryList]:
    return Request("GET", _files(ref), as_model(EntryList), params=given(path=path, user=user, depth=depth))


def stat(ref: str, path: str, *, user: Optional[str] = None) -> Request[Entry]:
    return Request("GET", f"{_files(ref)}/stat", _entry, params=given(path=path, user=user))


def remove(ref: str, path: str, *, user: Optional[str] = None) -> Request[bool]:
    parse = as_model(Existed)
    params = given(path=path, user=user)
    return Request("DELETE", _files(ref), lambda answer: parse(answer).existed, params=params)


def make_dir(ref: str, path: str, *, user: Optional[str] = None, mode: Optional[int] = None) -> Request[bool]:
    parse = as_model(Created)
    body = given(path=path, user=user, permissions=_octal(mode))
    return Request("POST", f"{_files(ref)}/directories", lambda answer: parse(answer).created, json=body)


def rename(ref: str, source: str, destination: str, *, user: Optional[str] = None) -> Request[Entry]:
    body = given(source=source, destination=destination, user=user)
    return Request("POST", f"{_files(ref)}/move", _entry, json=body)


def set_attributes(
    ref: str, path: str, *, mode: Optional[int] = None, owner: Optional[str] = None, user: Optional[str] = None
) -> Request[Entry]:
    body = given(path=path, permissions=_octal(mode), owner=owner, user=user)
    return Request("PATCH", _files(ref), _entry, json=body)


def manifest(
    ref: str,
    path: str,
    *,
    user: Optional[str] = None,
    skip: Optional[List[str]] = None,
    only: Optional[List[str]] = None,
    hash_bytes: Optional[int] = None,
    limit: Optional[int] = None,
) -> Request[None]:
    """Streams the whole tree below a directory, for a comparison."""
    body = given(path=path, user=user, skip=skip, only=only, hash_bytes=hash_bytes, limit=limit)
    return Request("POST", f"{_files(ref)}/manifest", nothing, json=body, patience=120)


def unpack(ref: str, path: str, content: Any, *, user: Optional[str] = None) -> Request[Unpacked]:
    """Unpacks a tar archive into a directory."""
    params = given(path=path, user=user)
    return Request("PUT", f"{_files(ref)}/archive", as_model(Unpacked), params=params, content=content, patience=600)


def _octal(mode: Optional[int]) -> Optional[str]:
    if mode is None:
        return None
    if not 0 <= mode <= 0o7777:
        raise InvalidArgumentError("mode: must be permission bits, such as 0o755.", code="invalid_argument")
    return f"{mode:04o}"


def _files(ref: str) -> str:
    return f"/vms/{segment(ref)}/files"
