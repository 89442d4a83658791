"""Typed responses of the daemon about snapshots and forks."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import Any, Dict, List, Optional

from .models import Answer, SandboxInfo


class SnapshotKind(str, Enum):
    """What goes on from a snapshot."""

    #: All processes: memory, devices and disk are of one instant.
    MEMORY = "memory"
    #: A boot from the disk.
    DISK = "disk"


class SnapshotInfo(Answer):
    """A snapshot of a sandbox."""

    id: str
    #: Unique among the snapshots of one sandbox.
    name: Optional[str]
    description: Optional[str]
    owner: Optional[str]
    team: Optional[str]
    kind: SnapshotKind
    #: The sandbox that it was taken of, which may be gone.
    vm_id: str
    vm_name: Optional[str]
    #: The snapshot that the sandbox was last taken to, made from or taken back to before.
    parent_id: Optional[str]
    template: str
    hypervisor: str
    architecture: str
    memory_mb: int
    vcpus: int
    disk_mb: int
    network: bool
    metadata: Dict[str, str]
    created_at: datetime
    #: Whether it holds only the memory that differs from the template's.
    incremental: bool
    #: Space that its memory, and its disk, take on the disk of the host.
    memory_bytes: int
    disk_bytes: int
    #: How long the sandbox stood still.
    stopped_ms: float


class SnapshotPage(Answer):
    """One page of a list."""

    snapshots: List[SnapshotInfo]
    total: int
    next_cursor: Optional[str]


class SnapshotCheck(Answer):
    """What is wrong with a snapshot's files."""

    valid: bool
    problems: List[str]


class SandboxSnapshots(Answer):
    """The snapshots of one sandbox, added up."""

    vm_id: str
    count: int
    total_bytes: int


class SnapshotStatistics(Answer):
    """All snapshots that the key may see, added up."""

    count: int
    with_memory: int
    #: Space that they take on the disk of the host.
    total_bytes: int
    oldest: Optional[datetime]
    newest: Optional[datetime]
    by_vm: List[SandboxSnapshots]


class RemovedSnapshots(Answer):
    """The snapshots that a clean-up has removed."""

    removed: List[SnapshotInfo]


class ForkResult(Answer):
    """One child of a fork, or the reason why there is none."""

    vm: Optional[SandboxInfo]
    error: Optional[Dict[str, Any]]


class Forked(Answer):
    """The children of a fork."""

    results: List[ForkResult]
