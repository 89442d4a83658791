"""The space that the state folder takes."""

from __future__ import annotations

from .._request import Request, as_model
from ..models import Collected, StorageUsage


def usage() -> Request[StorageUsage]:
    return Request("GET", "/system/storage", as_model(StorageUsage))


def collect(dry_run: bool, everything: bool) -> Request[Collected]:
    return Request("POST", "/system/gc", as_model(Collected), json={"dry_run": dry_run, "all": everything})
