"""Configuration of a sandbox."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional

from .._api import vms
from .._request import Request
from ..errors import InvalidArgumentError
from ..models import SandboxInfo


@dataclass
class SandboxConfig:
    """All fields have defaults; the template decides about sizes that are left out."""

    template_id: Optional[str] = None
    memory_mb: Optional[int] = None
    vcpus: Optional[int] = None
    boot_timeout_ms: int = 60_000
    #: These three refer to files on the daemon's host, which clients cannot name: giving one is an error.
    kernel_args: Optional[str] = None
    rootfs_path: Optional[str] = None
    extra_drives: Optional[List[Dict[str, Any]]] = None
    enable_network: bool = True
    host_port: Optional[int] = None
    guest_port: int = 8080
    labels: Optional[Dict[str, str]] = field(default_factory=dict)
    name: Optional[str] = None
    env: Optional[Dict[str, str]] = None
    user: Optional[str] = None
    #: Time to live in ms; 0: until it is removed. Default: the daemon's.
    timeout_ms: Optional[int] = None
    #: Remove the sandbox as soon as it stops.
    ephemeral: bool = False
    #: Another name of `template_id`.
    template: Optional[str] = None

    def __post_init__(self) -> None:
        for name in ("memory_mb", "vcpus", "boot_timeout_ms", "guest_port"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, int) or value <= 0):
                raise InvalidArgumentError(f"{name}: must be a number above 0.", code="invalid_argument")
        if self.template not in (None, self.template_id or self.template):
            raise InvalidArgumentError(
                "template and template_id are two names of one field, and differ.", code="invalid_argument"
            )
        if "" in (self.template, self.template_id):
            raise InvalidArgumentError("template_id: is empty.", code="invalid_argument")
        self.template_id = self.template = self.template_id or self.template or "base"
        if self.kernel_args or self.rootfs_path or self.extra_drives:
            raise InvalidArgumentError(
                "kernel_args, rootfs_path, extra_drives: belong to the daemon's host, and clients do not choose them.",
                code="invalid_argument",
                hint="Put them into a template on the host.",
            )

    def request(self, hypervisor: str) -> Request[SandboxInfo]:
        """Builds the request that creates such a sandbox."""
        return vms.create(
            self.template_id,
            name=self.name,
            memory_mb=self.memory_mb,
            vcpus=self.vcpus,
            boot_timeout=self.boot_timeout_ms / 1000,
            network=self.enable_network,
            host_port=self.host_port,
            guest_port=self.guest_port,
            metadata=self.labels or None,
            env=self.env,
            user=self.user,
            timeout=None if self.timeout_ms is None else self.timeout_ms / 1000,
            ephemeral=self.ephemeral,
            hypervisor=hypervisor,
        )
