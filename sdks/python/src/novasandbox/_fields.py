"""Fields of a sandbox's config, written by build/write-field-documents.ts of the repository from its table of them."""

from __future__ import annotations

from typing import Any, Mapping, Optional, Sequence, Union

from typing_extensions import TypedDict


class SecretsItemHostsItem(TypedDict, total=False):
    """A part of the config."""

    host: Optional[str]
    port: Optional[int]


class SecretsItemPositions(TypedDict, total=False):
    """A part of the config."""

    headers: Optional[Sequence[str]]
    basic: Optional[bool]
    query: Optional[Sequence[str]]
    path: Optional[bool]
    json: Optional[Sequence[str]]


class SecretsItemInject(TypedDict, total=False):
    """A part of the config."""

    header: Optional[str]
    format: Optional[str]


class SecretsItemBudget(TypedDict, total=False):
    """A part of the config."""

    requests: Optional[int]
    bytes: Optional[int]


class SecretsItem(TypedDict, total=False):
    """A part of the config."""

    value: Optional[str]
    hosts: Optional[Sequence[SecretsItemHostsItem]]
    positions: Optional[SecretsItemPositions]
    inject: Optional[SecretsItemInject]
    env: Optional[str]
    budget: Optional[SecretsItemBudget]
    name: Optional[str]


class RateLimitsDisk(TypedDict, total=False):
    """A part of the config."""

    bytes_per_second: Optional[int]
    operations_per_second: Optional[int]


class RateLimitsNetwork(TypedDict, total=False):
    """A part of the config."""

    bytes_per_second: Optional[int]
    operations_per_second: Optional[int]


class RateLimits(TypedDict, total=False):
    """A part of the config."""

    disk: Optional[RateLimitsDisk]
    network: Optional[RateLimitsNetwork]


class VolumesItem(TypedDict, total=False):
    """A part of the config."""

    name: Optional[str]
    path: Optional[str]
    read_only: Optional[bool]


class ConfigOptions(TypedDict, total=False):
    """What a sandbox is made of. Everything has a default; sizes default to the template's."""

    #: Another name of `template`.
    template_id: Optional[str]
    #: OCI image that the sandbox is made of, in place of a template.
    image: Optional[str]
    #: Name of the sandbox, which works wherever its id does.
    name: Optional[str]
    #: Virtual CPUs of the guest.
    vcpus: Optional[int]
    #: Memory of the guest, in MiB.
    memory_mb: Optional[int]
    #: Size of the writable disk, in MiB.
    disk_mb: Optional[int]
    #: Most processes and threads that the guest may hold at once.
    max_processes: Optional[int]
    #: Environment variables of every command.
    env: Optional[Mapping[str, str]]
    #: User that commands run as.
    user: Optional[str]
    #: Labels, by which sandboxes can be listed.
    metadata: Optional[Mapping[str, str]]
    #: Time that the sandbox lives (0: no limit), in seconds.
    timeout: Optional[float]
    #: What happens when the time to live ends: stop, pause, hibernate or hibernate-disk.
    on_timeout: Optional[str]
    #: Waking of the sandbox by the next command, file or port request when it is paused or hibernated.
    auto_resume: Optional[bool]
    #: Removal of the sandbox as soon as it stops.
    ephemeral: Optional[bool]
    #: A network, outbound by NAT; without it the guest has no network interface.
    network: Optional[bool]
    #: Network policy, which says what the guest may reach: none, all, the name of a policy, or a policy itself.
    policy: Optional[Union[str, Mapping[str, Any]]]
    #: Private networks that the sandbox joins, by name.
    networks: Optional[Sequence[str]]
    #: Secrets that the guest uses without having them.
    secrets: Optional[Sequence[SecretsItem]]
    #: Port of 127.0.0.1 on the host that leads to a port of the guest.
    host_port: Optional[int]
    #: Port of the guest that the port of the host leads to.
    guest_port: Optional[int]
    #: Most that the disk, and the network in each direction, may do in a second.
    rate_limits: Optional[RateLimits]
    #: A read-only root file system; /tmp and /run stay writable, in memory.
    read_only_rootfs: Optional[bool]
    #: Volumes, each mounted at a path.
    volumes: Optional[Sequence[VolumesItem]]
    #: Hyper-V's interfaces, which Windows expects, for the guest; the sandbox then boots cold.
    hyperv: Optional[bool]
    #: Time that the start may take, in seconds.
    boot_timeout: Optional[float]
    #: Hypervisor to use; auto is the best that works and can do what is asked.
    hypervisor: Optional[str]
    #: Processor of the guest, amd64 or arm64; another than the one of the host is emulated.
    architecture: Optional[str]


#: What each is called in a request.
request_names: Mapping[str, str] = {
    "template_id": "template_id",
    "image": "image",
    "name": "name",
    "vcpus": "vcpus",
    "memory_mb": "memory_mb",
    "disk_mb": "disk_mb",
    "max_processes": "max_processes",
    "env": "environment",
    "user": "user",
    "metadata": "metadata",
    "timeout": "timeout_seconds",
    "on_timeout": "on_timeout",
    "auto_resume": "auto_resume",
    "ephemeral": "ephemeral",
    "network": "network",
    "policy": "policy",
    "networks": "networks",
    "secrets": "secrets",
    "host_port": "host_port",
    "guest_port": "guest_port",
    "rate_limits": "rate_limits",
    "read_only_rootfs": "read_only_rootfs",
    "volumes": "volumes",
    "hyperv": "hyperv",
    "boot_timeout": "boot_timeout_seconds",
    "hypervisor": "hypervisor",
    "architecture": "architecture",
}
