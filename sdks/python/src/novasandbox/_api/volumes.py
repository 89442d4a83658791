"""Volumes."""

from __future__ import annotations

from typing import Optional

from .._request import Request, as_model, given, idempotency_key, nothing, segment
from ..models import VolumeInfo, VolumeList

_volume = as_model(VolumeInfo)
#: The disk of a running guest grows with its file system.
resize_patience = 120.0


def create(name: str, size_mb: Optional[int]) -> Request[VolumeInfo]:
    body = given(name=name, size_mb=size_mb)
    return Request("POST", "/volumes", _volume, json=body, headers=idempotency_key())


def listing() -> Request[VolumeList]:
    return Request("GET", "/volumes", as_model(VolumeList))


def get(ref: str) -> Request[VolumeInfo]:
    return Request("GET", _path(ref), _volume)


def resize(ref: str, size_mb: int) -> Request[VolumeInfo]:
    return Request("PATCH", _path(ref), _volume, json={"size_mb": size_mb}, patience=resize_patience)


def delete(ref: str, force: bool) -> Request[None]:
    return Request("DELETE", _path(ref), nothing, params={"force": "true"} if force else {})


def _path(ref: str) -> str:
    return f"/volumes/{segment(ref, 'volume')}"
