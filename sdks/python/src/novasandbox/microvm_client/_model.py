"""Parts that both clients share: conversion of arguments, and results."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Mapping, Optional

from .._api import vms
from .._connection import ConnectionOptions, unknown_names
from .._request import Request
from ..errors import InvalidArgumentError
from ..models import SandboxInfo
from ..results import CommandResult

#: Names of this API's fields, with the names that `create` uses.
_fields: Mapping[str, str] = vms.argument_names
default_template = "linux-default"


class VM(SandboxInfo):
    """A VM."""

    @property
    def state(self) -> str:
        return self.status.value


@dataclass(frozen=True)
class ExecResult:
    """A command that has ended, successfully or not."""

    exit_code: int
    stdout: str
    stderr: str
    duration_ms: float
    #: Whether its time limit ended it.
    timed_out: bool = False

    @property
    def output(self) -> str:
        """Its output: stdout, then stderr."""
        return self.stdout + self.stderr

    @property
    def success(self) -> bool:
        return self.exit_code == 0 and not self.timed_out


def options_of(base_url: Optional[str], api_key: Optional[str], timeout: Optional[float]) -> ConnectionOptions:
    return {"api_url": base_url, "api_key": api_key, "request_timeout": timeout}


def start_request(
    name: Optional[str], config: Optional[Mapping[str, Any]], template: Optional[str]
) -> Request[SandboxInfo]:
    """Builds the request of `start_vm` and refuses config that has no meaning here."""
    fields = dict(config or {})
    named = fields.pop("name", name)
    chosen = fields.pop("template", None) or template or fields.get("template_id") or default_template
    if fields.pop("os_type", "linux") != "linux":
        raise InvalidArgumentError("os_type: there are Linux guests only.", code="invalid_argument")
    fields.pop("guest_agent", None)  # every sandbox has one
    unknown = sorted(set(fields) - set(_fields))
    if unknown:
        raise InvalidArgumentError(f"config: {unknown_names(unknown, _fields)}.", code="invalid_argument")
    options: Any = {_fields[field]: value for field, value in fields.items()}
    # Callers of this API use the request's names of the fields.
    return replace(vms.create(str(chosen), name=named, **options), arguments_of={})


def vm_of(info: SandboxInfo) -> VM:
    return VM.model_validate(info.model_dump())


def exec_result(result: CommandResult) -> ExecResult:
    return ExecResult(result.exit_code, result.stdout, result.stderr, result.duration_ms, result.timed_out)
