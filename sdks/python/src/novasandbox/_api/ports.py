"""Ports of sandboxes: forwards of the daemon's host, and addresses that open one port."""

from __future__ import annotations

from typing import Optional

from .._request import Request, as_model, given, nothing, segment
from ..models import CreatedPortUrl, PortForward, PortForwardList, PortUrlList


def listing(ref: str) -> Request[PortForwardList]:
    return Request("GET", _forwards(ref), as_model(PortForwardList))


def add(ref: str, guest_port: int, host_port: Optional[int]) -> Request[PortForward]:
    return Request(
        "POST", _forwards(ref), as_model(PortForward), json=given(guest_port=guest_port, host_port=host_port)
    )


def remove(ref: str, forward: str) -> Request[None]:
    return Request("DELETE", f"{_forwards(ref)}/{segment(forward, 'forward')}", nothing)


def urls(ref: str) -> Request[PortUrlList]:
    return Request("GET", _previews(ref), as_model(PortUrlList))


def create_url(ref: str, port: int, expires_in: Optional[int], rewrite_host: bool) -> Request[CreatedPortUrl]:
    body = given(port=port, expires_in_seconds=expires_in, rewrite_host=rewrite_host)
    names = {"expires_in_seconds": "expires_in"}
    return Request("POST", _previews(ref), as_model(CreatedPortUrl), json=body, arguments_of=names)


def revoke_url(ref: str, preview: str) -> Request[None]:
    return Request("DELETE", f"{_previews(ref)}/{segment(preview, 'preview')}", nothing)


def _forwards(ref: str) -> str:
    return f"/vms/{segment(ref)}/network/port-forwards"


def _previews(ref: str) -> str:
    return f"/vms/{segment(ref)}/network/previews"
