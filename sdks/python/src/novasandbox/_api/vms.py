"""Sandboxes: their life cycle and information about them."""

from __future__ import annotations

from typing import Any, Iterable, Mapping, Optional

from typing_extensions import Unpack

from .._connection import check_options
from .._fields import request_names
from .._options import CreateOptions, SandboxOptions, SecretSettings
from .._request import Request, as_model, given, idempotency_key, nothing, segment
from ..errors import InvalidArgumentError
from ..models import (
    SandboxInfo,
    SandboxLogs,
    SandboxPage,
    SandboxState,
    SandboxStats,
    SecretInfo,
    SecretList,
    TemplateInfo,
    TemplateList,
)

#: A first start may have to build the template that it clones.
create_patience = 1800.0
start_patience = 660.0
#: The memory of the guest is written to the disk of its host.
hibernate_patience = 600.0
#: The guest has to accept what is plugged in, and a disk grows with its file system.
resize_patience = 120.0

#: Names of `create`'s arguments, by the field of the request.
argument_names = {**{named: name for name, named in request_names.items()}, "idle_timeout_seconds": "idle_timeout"}

_info = as_model(SandboxInfo)


def create(template: Optional[str], **options: Unpack[CreateOptions]) -> Request[SandboxInfo]:
    """Creates a sandbox, which is running when the response arrives."""
    check_options(options, SandboxOptions)
    fields = {named: options.get(name) for name, named in request_names.items()}
    body = given(template=template, idle_timeout_seconds=options.get("idle_timeout"), **fields)
    headers = idempotency_key(options.get("idempotency_key"))
    return Request(
        "POST", "/vms", _info, json=body, headers=headers, patience=create_patience, arguments_of=argument_names
    )


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
    """Lists one page of the running, paused, stopping and hibernated sandboxes, or of those in `states`."""
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


def hibernate(ref: str, *, memory: bool = True) -> Request[SandboxInfo]:
    body = {"memory": memory}
    return Request("POST", f"{_vm(ref)}/hibernate", _info, json=body, patience=hibernate_patience)


def resume(ref: str, *, memory: bool = True) -> Request[SandboxInfo]:
    return Request("POST", f"{_vm(ref)}/resume", _info, json={"memory": memory}, patience=start_patience)


def set_timeout(ref: str, seconds: float) -> Request[SandboxInfo]:
    if seconds < 0:
        raise InvalidArgumentError("timeout: must not be negative.", code="invalid_argument")
    return Request("PUT", f"{_vm(ref)}/timeout", _info, json={"timeout_seconds": seconds})


def rename(ref: str, name: str) -> Request[SandboxInfo]:
    return Request("PATCH", _vm(ref), _info, json={"name": name})


def secrets(ref: str) -> Request[SecretList]:
    return Request("GET", f"{_vm(ref)}/secrets", as_model(SecretList))


def set_secret(ref: str, name: str, settings: SecretSettings) -> Request[SecretInfo]:
    path = f"{_vm(ref)}/secrets/{segment(name, 'secret')}"
    return Request("PUT", path, as_model(SecretInfo), json=given(**settings), patience=resize_patience)


def remove_secret(ref: str, name: str) -> Request[None]:
    path = f"{_vm(ref)}/secrets/{segment(name, 'secret')}"
    return Request("DELETE", path, nothing, patience=resize_patience)


def resize(ref: str, **sizes: Optional[int]) -> Request[None]:
    """The response has only the new sizes."""
    return Request("PUT", f"{_vm(ref)}/resources", nothing, json=given(**sizes), patience=resize_patience)


def stats(ref: str) -> Request[SandboxStats]:
    return Request("GET", f"{_vm(ref)}/metrics", as_model(SandboxStats))


def logs(ref: str, max_bytes: Optional[int] = None) -> Request[SandboxLogs]:
    return Request("GET", f"{_vm(ref)}/logs", as_model(SandboxLogs), params=given(bytes=max_bytes))


def templates() -> Request[TemplateList]:
    return Request("GET", "/templates", as_model(TemplateList))


def template(template_id: str) -> Request[TemplateInfo]:
    return Request("GET", f"/templates/{segment(template_id, 'template')}", as_model(TemplateInfo))


def build_template(template_id: str, image: Optional[str], force: bool) -> Request[TemplateInfo]:
    path = f"/templates/{segment(template_id, 'template')}/build"
    return Request("POST", path, as_model(TemplateInfo), json=given(image=image, force=force), patience=create_patience)


def _vm(ref: str) -> str:
    return f"/vms/{segment(ref)}"
