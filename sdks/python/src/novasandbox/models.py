"""What the daemon answers, typed. Fields a newer daemon adds are ignored."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import Dict, List, Optional

from pydantic import BaseModel, ConfigDict


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class SandboxState(str, Enum):
    """Where a sandbox is in its life."""

    CREATING = "creating"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"
    FAILED = "failed"


class SandboxInfo(_Answer):
    """A sandbox as the daemon knows it."""

    id: str
    name: Optional[str]
    #: To whom it belongs, such as `user:ann` or `key:1f2e`; None: to the host.
    owner: Optional[str]
    team: Optional[str]
    status: SandboxState
    template: str
    os_type: str
    hypervisor: str
    architecture: str
    accelerator: Optional[str]
    vcpus: int
    memory_mb: int
    disk_mb: int
    network: bool
    host_port: Optional[int]
    guest_port: int
    metadata: Dict[str, str]
    ephemeral: bool
    created_at: datetime
    started_at: Optional[datetime]
    stopped_at: Optional[datetime]
    #: When its time to live ends.
    expires_at: Optional[datetime]
    #: From the call to the first answer of the guest.
    boot_time_ms: Optional[float]
    boot_kind: Optional[str]
    #: Why it failed or stopped, where that is known.
    reason: Optional[str]


class SandboxPage(_Answer):
    """One page of a list."""

    vms: List[SandboxInfo]
    total: int
    next_cursor: Optional[str]


class SandboxStats(_Answer):
    """What a sandbox uses now."""

    timestamp: datetime
    uptime_ms: float
    cpu_count: int
    cpu_usage_us: float
    memory_total_mb: float
    memory_usage_mb: float
    memory_cache_mb: float
    disk_total_mb: float
    disk_usage_mb: float
    processes: int
    network_rx_bytes: float
    network_tx_bytes: float
    host_rss_mb: float
    host_cpu_usage_us: float


class SandboxLogs(_Answer):
    """The ends of the guest's console and of the log of its VMM."""

    console: str
    vmm: str


class EntryType(str, Enum):
    """What an entry of a directory is."""

    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symlink"
    OTHER = "other"


class Entry(_Answer):
    """A file or directory in the guest."""

    name: str
    path: str
    type: EntryType
    size: int
    #: Permission bits, with setuid, setgid and sticky.
    mode: int
    uid: int
    gid: int
    owner: str
    group: str
    modified_at: datetime
    symlink_target: Optional[str]


class EntryList(_Answer):
    """A directory."""

    entries: List[Entry]


class ProcessInfo(_Answer):
    """A command that runs, or has just ended. `id` is what `commands.connect` and `commands.kill` take."""

    id: int
    pid: int
    argv: List[str]
    cwd: str
    user: str
    tag: str
    started_at: datetime
    running: bool
    pty: bool
    exit_code: Optional[int]


class ProcessList(_Answer):
    """The commands of a sandbox."""

    processes: List[ProcessInfo]


class TemplateInfo(_Answer):
    """What sandboxes are cloned from."""

    id: str
    name: str
    description: str
    source: str
    memory_mb: int
    #: The least that a sandbox of it may be given.
    min_memory_mb: int
    vcpus: int
    disk_mb: int
    user: str
    packages: List[str]
    built: bool
    #: The processors its root image is there for.
    architectures: List[str]
    size_bytes: Optional[float]
    snapshots: int
    digest: Optional[str]


class TemplateList(_Answer):
    """All templates."""

    templates: List[TemplateInfo]


class Executed(_Answer):
    """Answer to a command that was run to its end in one request."""

    exit_code: int
    stdout: str
    stderr: str
    duration_ms: float
    timed_out: bool
    oom_killed: bool
    signal: Optional[int]
    truncated: bool
    process_id: int


class Existed(_Answer):
    """Whether there was something to remove."""

    existed: bool


class Created(_Answer):
    """Whether there was something to make."""

    created: bool
