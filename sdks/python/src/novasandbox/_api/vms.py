"""Sandboxes: their life, and what is known of them."""

from __future__ import annotations

from typing import Any, Iterable, Mapping, Optional

from typing_extensions import Unpack

from .._connection import check_options
from .._options import CreateOptions, SandboxOptions
from .._request import Request, as_model, given, idempotency_key, nothing, segment
from ..errors import InvalidArgumentError
from ..models import (
    SandboxInfo,
    SandboxLogs,
    SandboxPage,
    SandboxState,
    SandboxStats,
    TemplateInfo,
    TemplateList,
)

#: A first start may have to build what it is cloned from.
create_patience = 1800.0
start_patience = 660.0

_info = as_model(SandboxInfo)


def create(template: str, **options: Unpack[CreateOptions]) -> Request[SandboxInfo]:
    """A sandbox that runs when this is answered."""
    check_options(options, SandboxOptions)
    body = given(
        name=options.get("name"),
        template=template,
        vcpus=options.get("vcpus"),
        memory_mb=options.get("memory_mb"),
        disk_mb=options.get("disk_mb"),
        max_processes=options.get("max_processes"),
        boot_timeout_seconds=options.get("boot_timeout"),
        network=options.get("network"),
        host_port=options.get("host_port"),
        guest_port=options.get("guest_port"),
        read_only_rootfs=options.get("read_only_rootfs"),
        metadata=options.get("metadata"),
        environment=options.get("env"),
        user=options.get("user"),
        timeout_seconds=options.get("timeout"),
        idle_timeout_seconds=options.get("idle_timeout"),
        ephemeral=options.get("ephemeral"),
        hypervisor=options.get("hypervisor"),
        architecture=options.get("architecture"),
    )
    headers = idempotency_key(options.get("idempotency_key"))
    return Request("POST", "/vms", _info, json=body, headers=headers, patience=create_patience)


def get(ref: str) -> Request[SandboxInfo]:
    return Request("GET", _vm(ref), _info)


def page(
    *,
    states: Optional[Iterable[SandboxState | str]] = None,
    metadata: Optional[Mapping[str, str]] = None,
    owner: Optional[str] = None,
    team: Optional[str] = None,
    limit: int = 100,
    cursor: Optional[str] = None,
) -> Request[SandboxPage]:
    """One page of those that run or are paused, or of those in `states`."""
    params: dict[str, Any] = given(limit=limit, cursor=cursor, owner=owner, team=team)
    if isinstance(states, str):
        params["status"] = states
    elif states is not None:
        params["status"] = ",".join(SandboxState(state).value for state in states)
    if metadata:
        params["label"] = [f"{name}={value}" for name, value in metadata.items()]
    return Request("GET", "/vms", as_model(SandboxPage), params=params)


def delete(ref: str) -> Request[None]:
    return Request("DELETE", _vm(ref), nothing, patience=120)


def start(ref: str) -> Request[SandboxInfo]:
    return Request("POST", f"{_vm(ref)}/start", _info, patience=start_patience)


def stop(ref: str, *, force: bool = False, grace: Optional[float] = None) -> Request[SandboxInfo]:
    body = given(force=force, timeout_seconds=grace)
    return Request("POST", f"{_vm(ref)}/stop", _info, json=body, patience=60 + (grace or 0))


def pause(ref: str) -> Request[SandboxInfo]:
    return Request("POST", f"{_vm(ref)}/pause", _info, patience=120)


def resume(ref: str) -> Request[SandboxInfo]:
    return Request("POST", f"{_vm(ref)}/resume", _info, patience=120)


def set_timeout(ref: str, seconds: float) -> Request[SandboxInfo]:
    if seconds < 0:
        raise InvalidArgumentError("timeout: must not be negative.", code="invalid_argument")
    return Request("PUT", f"{_vm(ref)}/timeout", _info, json={"timeout_seconds": seconds})


def stats(ref: str) -> Request[SandboxStats]:
    return Request("GET", f"{_vm(ref)}/metrics", as_model(SandboxStats))


def logs(ref: str, max_bytes: Optional[int] = None) -> Request[SandboxLogs]:
    return Request("GET", f"{_vm(ref)}/logs", as_model(SandboxLogs), params=given(bytes=max_bytes))


def templates() -> Request[TemplateList]:
    return Request("GET", "/templates", as_model(TemplateList))


def template(template_id: str) -> Request[TemplateInfo]:
    return Request("GET", f"/templates/{segment(template_id, 'template')}", as_model(TemplateInfo))


def _vm(ref: str) -> str:
    return f"/vms/{segment(ref)}"
