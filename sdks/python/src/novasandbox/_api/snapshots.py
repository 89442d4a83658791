"""Snapshots and forks of sandboxes."""

from __future__ import annotations

from typing import Any, Mapping, Optional

from typing_extensions import Unpack

from .._connection import check_options
from .._options import ContinueOptions, ForkOptions
from .._request import Request, as_model, given, idempotency_key, nothing, segment
from ..errors import InvalidArgumentError
from ..models import SandboxInfo
from ..snapshot_models import (
    Forked,
    RemovedSnapshots,
    SnapshotCheck,
    SnapshotInfo,
    SnapshotPage,
    SnapshotStatistics,
)
from .vms import argument_names, create_patience

#: These calls take as long as memory and disk are large.
patience = create_patience

_snapshot = as_model(SnapshotInfo)
_sandbox = as_model(SandboxInfo)
_names: Mapping[str, str] = {**argument_names, "include_memory": "memory"}


def take(
    sandbox: str,
    *,
    name: Optional[str] = None,
    description: Optional[str] = None,
    memory: Optional[bool] = None,
    metadata: Optional[Mapping[str, str]] = None,
) -> Request[SnapshotInfo]:
    body = given(name=name, description=description, include_memory=memory, metadata=metadata)
    return _post(f"/vms/{segment(sandbox)}/snapshots", _snapshot, body)


def page(
    *,
    sandbox: Optional[str] = None,
    name: Optional[str] = None,
    metadata: Optional[Mapping[str, str]] = None,
    cursor: Optional[str] = None,
) -> Request[SnapshotPage]:
    params: dict[str, Any] = given(vm=sandbox, name=name, limit=1000, cursor=cursor)
    if metadata:
        params["label"] = [f"{key}={value}" for key, value in metadata.items()]
    return Request("GET", "/snapshots", as_model(SnapshotPage), params=params)


def get(ref: str, sandbox: Optional[str] = None) -> Request[SnapshotInfo]:
    return Request("GET", _path(ref) if sandbox is None else _path(ref, sandbox), _snapshot)


def delete(ref: str) -> Request[None]:
    return Request("DELETE", _path(ref), nothing, patience=120)


def verify(ref: str) -> Request[SnapshotCheck]:
    return Request("POST", f"{_path(ref)}/verify", as_model(SnapshotCheck), patience=patience)


def create(ref: str, **options: Unpack[ContinueOptions]) -> Request[SandboxInfo]:
    """Makes a sandbox that goes on from a snapshot."""
    check_options(options, ContinueOptions)
    of_disk = {"host_port": options.get("host_port"), "volumes": options.get("volumes")}
    body = given(**_own(options), include_memory=options.get("memory"), **of_disk)
    return _post(f"{_path(ref)}/clone", _sandbox, body)


def restore(sandbox: str, ref: str) -> Request[SandboxInfo]:
    return Request("POST", f"{_path(ref, sandbox)}/restore", _sandbox, patience=patience)


def fork(sandbox: str, count: int, **options: Unpack[ForkOptions]) -> Request[Forked]:
    check_options(options, ForkOptions)
    return _post(
        f"/vms/{segment(sandbox)}/fork",
        as_model(Forked),
        given(count=count, keep_secrets=options.get("keep_secrets"), **_own(options)),
    )


def export(ref: str) -> Request[None]:
    """Streams a snapshot as one file."""
    return Request("GET", f"{_path(ref)}/export", nothing, patience=patience)


def load(content: Any, name: Optional[str]) -> Request[SnapshotInfo]:
    """Keeps what `export` has written."""
    path = "/snapshots/import"
    return Request("POST", path, _snapshot, params=given(name=name), content=content, patience=patience)


def statistics() -> Request[SnapshotStatistics]:
    return Request("GET", "/snapshots/statistics", as_model(SnapshotStatistics))


def clean_up(age: float) -> Request[RemovedSnapshots]:
    if age < 0:
        raise InvalidArgumentError("age: must not be negative.", code="invalid_argument")
    parse = as_model(RemovedSnapshots)
    return Request("POST", "/snapshots/cleanup", parse, params={"days_old": age / 86_400}, patience=patience)


def _own(options: Mapping[str, Any]) -> dict[str, Any]:
    """What a sandbox that goes on has of its own."""
    return {
        "name": options.get("name"),
        "metadata": options.get("metadata"),
        "environment": options.get("env"),
        "timeout_seconds": options.get("timeout"),
        "idle_timeout_seconds": options.get("idle_timeout"),
        "ephemeral": options.get("ephemeral"),
        "on_timeout": options.get("on_timeout"),
        "auto_resume": options.get("auto_resume"),
    }


def _post(path: str, parse: Any, body: Mapping[str, Any]) -> Request[Any]:
    headers = idempotency_key()
    return Request("POST", path, parse, json=body, headers=headers, patience=patience, arguments_of=_names)


def _path(ref: str, sandbox: Optional[str] = None) -> str:
    below = "" if sandbox is None else f"/vms/{segment(sandbox)}"
    return f"{below}/snapshots/{segment(ref, 'snapshot')}"
