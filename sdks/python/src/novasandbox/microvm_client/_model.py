"""What both clients share: how their arguments are read, and what they return."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Mapping, Optional

from .._api import vms
from .._connection import ConnectionOptions
from .._request import Request
from ..errors import InvalidArgumentError
from ..models import SandboxInfo
from ..results import CommandResult

#: What that API calls it, and what `create` does.
_fields: Mapping[str, str] = {
    "vcpus": "vcpus",
    "memory_mb": "memory_mb",
    "disk_mb": "disk_mb",
    "max_processes": "max_processes",
    "boot_timeout_seconds": "boot_timeout",
    "network": "network",
    "host_port": "host_port",
    "guest_port": "guest_port",
    "read_only_rootfs": "read_only_rootfs",
    "metadata": "metadata",
    "environment": "env",
    "user": "user",
    "timeout_seconds": "timeout",
    "idle_timeout_seconds": "idle_timeout",
    "ephemeral": "ephemeral",
    "hypervisor": "hypervisor",
    "architecture": "architecture",
}
default_template = "linux-default"


class VM(SandboxInfo):
    """A VM."""

    @property
    def state(self) -> str:
        return self.status.value


@dataclass(frozen=True)
class ExecResult:
    """A command that has ended, well or badly."""

    exit_code: int
    stdout: str
    stderr: str
    duration_ms: float
    #: Its time limit ended it.
    timed_out: bool = False

    @property
    def output(self) -> str:
        """What it said: stdout, then stderr."""
        return self.stdout + self.stderr

    @property
    def success(self) -> bool:
        return self.exit_code == 0 and not self.timed_out


def options_of(base_url: Optional[str], api_key: Optional[str], timeout: Optional[float]) -> ConnectionOptions:
    return {"api_url": base_url, "api_key": api_key, "request_timeout": timeout}


def start_request(
    name: Optional[str], config: Optional[Mapping[str, Any]], template: Optional[str]
) -> Request[SandboxInfo]:
    """`start_vm`: the config of that API, checked for what it cannot mean here."""
    fields = dict(config or {})
    named = fields.pop("name", name)
    chosen = fields.pop("template", None) or template or default_template
    if fields.pop("os_type", "linux") != "linux":
        raise InvalidArgumentError("os_type: there are Linux guests only.", code="invalid_argument")
    fields.pop("guest_agent", None)  # every sandbox has one
    unknown = sorted(set(fields) - set(_fields))
    if unknown:
        raise InvalidArgumentError(f"config: there is no {', '.join(unknown)}.", code="invalid_argument")
    options: Any = {_fields[field]: value for field, value in fields.items()}
    return vms.create(str(chosen), name=named, **options)


def vm_of(info: SandboxInfo) -> VM:
    return VM.model_validate(info.model_dump())


def exec_result(result: CommandResult) -> ExecResult:
    return ExecResult(result.exit_code, result.stdout, result.stderr, result.duration_ms, result.timed_out)
