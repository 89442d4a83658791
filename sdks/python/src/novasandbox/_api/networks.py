"""Private networks."""

from __future__ import annotations

from typing import Optional

from .._request import Request, as_model, given, idempotency_key, nothing, segment
from ..models import NetworkInfo, NetworkList

_network = as_model(NetworkInfo)


def create(name: str, subnet: Optional[str], isolation: Optional[str], bridge: Optional[str]) -> Request[NetworkInfo]:
    body = given(name=name, subnet=subnet, isolation=isolation, bridge_name=bridge)
    return Request("POST", "/networks", _network, json=body, headers=idempotency_key())


def listing() -> Request[NetworkList]:
    return Request("GET", "/networks", as_model(NetworkList))


def get(ref: str) -> Request[NetworkInfo]:
    return Request("GET", _path(ref), _network)


def isolate(ref: str, isolation: str) -> Request[NetworkInfo]:
    return Request("PATCH", _path(ref), _network, json={"isolation": isolation})


def delete(ref: str) -> Request[None]:
    return Request("DELETE", _path(ref), nothing)


def _path(ref: str) -> str:
    return f"/networks/{segment(ref, 'network')}"
