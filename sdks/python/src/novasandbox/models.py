"""Typed responses of the daemon. Fields that a newer daemon adds are ignored."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import Any, Dict, List, Optional

from pydantic import BaseModel, ConfigDict


class Answer(BaseModel):
    """What all responses have in common."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class SandboxState(str, Enum):
    """State of a sandbox."""

    CREATING = "creating"
    RUNNING = "running"
    PAUSED = "paused"
    #: The machine is being stopped, or has ended and is being cleaned up.
    STOPPING = "stopping"
    #: It has no machine, and goes on where it was when it is resumed.
    HIBERNATED = "hibernated"
    STOPPED = "stopped"
    FAILED = "failed"


class VolumeMount(Answer):
    """A volume of a sandbox, and where it is mounted."""

    name: str
    path: str
    read_only: bool


class SandboxInfo(Answer):
    """A sandbox as the daemon knows it."""

    id: str
    name: Optional[str]
    #: Owner, such as `user:ann` or `key:1f2e`; None: the host itself.
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
    #: What happens at the end of its time to live: `stop`, `pause`, `hibernate` or `hibernate-disk`.
    on_timeout: str = "stop"
    #: Whether commands, files and port requests wake it.
    auto_resume: bool = False
    created_at: datetime
    started_at: Optional[datetime]
    stopped_at: Optional[datetime]
    #: End of its time to live.
    expires_at: Optional[datetime]
    #: Time from the call to the first answer of the guest.
    boot_time_ms: Optional[float]
    boot_kind: Optional[str]
    #: Reason for a failure or stop, if known.
    reason: Optional[str]
    #: Disks of the running guest that are full: mount points of volumes, and `/` for the writable layer.
    full_disks: List[str] = []
    #: Volumes that it has, or needs to start again.
    volumes: List[VolumeMount] = []
    #: Private networks that it has joined.
    networks: List[str] = []
    #: The sandbox that it is a fork of, which may have been removed since.
    forked_from: Optional[str] = None
    #: The snapshot that it was last taken to, made from, or taken back to. A fork begins with its parent's.
    snapshot_id: Optional[str] = None
    #: When it was last taken back to a snapshot.
    restored_at: Optional[datetime] = None


class SandboxPage(Answer):
    """One page of a list."""

    vms: List[SandboxInfo]
    total: int
    next_cursor: Optional[str]


class SecretHost(Answer):
    """A host that gets the value of a secret."""

    host: str
    port: int


class SecretUse(Answer):
    """What a secret was used for since it was set first."""

    requests: int
    bytes: int


class SecretBudget(Answer):
    """What a secret may be used for at most; None: no limit."""

    requests: Optional[int] = None
    bytes: Optional[int] = None


class SecretInfo(Answer):
    """A secret, without its value."""

    name: str
    hosts: List[SecretHost]
    #: What the guest has in place of the value.
    placeholder: str
    #: The environment variable with the placeholder.
    env: Optional[str]
    #: The header that each request to the hosts gets.
    inject: Optional[str]
    budget: SecretBudget
    used: SecretUse


class SecretList(Answer):
    secrets: List[SecretInfo]


class SandboxStats(Answer):
    """Resources that a sandbox uses now."""

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


class SandboxLogs(Answer):
    """The last part of the guest's console and of its VMM's log."""

    console: str
    vmm: str
    #: Reason why the console is empty, and where to look instead, if known.
    note: Optional[str] = None


class SandboxEvent(Answer):
    """An event about a sandbox or the daemon."""

    #: Increases with each event, and continues across restarts of the daemon.
    id: int
    time: datetime
    #: Type, such as "vm.started" or "command.ended".
    type: str
    #: None if the event is about no sandbox.
    vm_id: Optional[str]
    data: Dict[str, Any]


class ApiKey(Answer):
    """A key to the daemon."""

    id: str
    name: str
    role: str
    #: The user who owns the key; None if nobody does.
    username: Optional[str]
    team: Optional[str]
    #: Permissions to which the key is limited; if empty, it has all permissions of its role.
    scopes: List[str]
    created_at: datetime
    expires_at: Optional[datetime]
    last_used_at: Optional[datetime]
    revoked: bool


class CreatedApiKey(ApiKey):
    """A new key. Its secret is returned only here."""

    key: str
    #: The same key in the form that E2B's clients accept.
    e2b_key: str


class ApiKeyList(Answer):
    """All keys."""

    keys: List[ApiKey]


class User(Answer):
    """A user who may log in to the daemon."""

    username: str
    role: str
    team: str
    created_at: datetime
    #: The account is locked until then because of wrong passwords.
    locked_until: Optional[datetime]


class UserList(Answer):
    """All users."""

    users: List[User]


class RoleInfo(Answer):
    """A role and its permissions."""

    name: str
    #: Sandboxes that it may act on: "own", "team" or "all".
    reach: str
    permissions: List[str]


class RoleList(Answer):
    """All roles."""

    roles: List[RoleInfo]


class Identity(Answer):
    """The identity under which the daemon handles the caller."""

    kind: str
    name: str
    role: str
    owner: Optional[str]
    team: Optional[str]
    permissions: List[str]


class EntryType(str, Enum):
    """Type of an entry of a directory."""

    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symlink"
    OTHER = "other"


class Entry(Answer):
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


class EntryList(Answer):
    """A directory."""

    entries: List[Entry]


class ManifestEntry(Answer):
    """An entry of a tree that is compared with another one. What the guest says must not be trusted."""

    #: Relative to the directory that was listed.
    path: str
    #: A link is a symlink, wherever it leads.
    type: EntryType
    mode: int
    size: int
    #: When the content changed last.
    mtime: datetime
    #: When content or attributes changed last.
    ctime: datetime
    #: Changes whenever the file, its content or its attributes change; it means nothing else.
    version: str
    #: What a link stores.
    link: Optional[str]
    #: Hexadecimal; None where no digest was asked for, or the file cannot be read.
    sha256: Optional[str]


class ManifestError(Answer):
    """The error that broke a listing off."""

    code: str
    message: str
    hint: str


class ManifestLine(Answer):
    """One line of a listing."""

    entries: List[ManifestEntry]
    end: bool
    error: Optional[ManifestError] = None


class Unpacked(Answer):
    """How much of an archive was unpacked."""

    entries: int
    bytes: int


class WorkspaceState(Answer):
    """What is at a path of a workspace, as far as workspaces compare it."""

    type: EntryType
    #: Permission bits.
    mode: int
    size: int
    #: Digest of a file's content, in hexadecimal.
    sha256: Optional[str]
    #: What a link stores.
    link: Optional[str]


class LeftOut(Answer):
    """Something that a push left out: a "secret", something "unreadable", or something "special"."""

    path: str
    kind: str
    reason: str


class PathReason(Answer):
    """A path that was left alone, and why."""

    path: str
    reason: str


class PushResult(Answer):
    """What a push did."""

    #: The folder of the host, without links.
    folder: str
    guest_path: str
    sent_files: int
    sent_bytes: int
    #: Files and folders that were removed in the guest because they are gone here.
    removed: int
    unchanged: int
    #: Paths that ignore files leave out; a folder counts once.
    ignored: int
    left_out: List[LeftOut]
    #: Changed on both sides, and left as they are in the guest.
    conflicts: List[PathReason]
    notes: List[str]


class WorkspaceHunk(Answer):
    """Lines of a text file that changed together, as in a unified diff."""

    old_start: int
    old_lines: int
    new_start: int
    new_lines: int
    #: Each begins with a space, "-", "+" or a backslash.
    lines: List[str]


class WorkspaceChange(Answer):
    """What the guest changed at a path."""

    path: str
    #: "added", "modified", "deleted", "mode" or "type".
    kind: str
    #: What was pushed; None when it was not there.
    before: Optional[WorkspaceState]
    #: What is in the guest now; None when it is gone.
    after: Optional[WorkspaceState]
    #: The same lines, or the whole file, were changed on the host too: it is not applied.
    conflict: Optional[str]
    #: Whether the host changed other lines of it: both changes go together.
    merges: bool
    #: Why it is never applied.
    refused: Optional[str]
    #: Why it is applied only on explicit consent.
    flags: List[str]
    hunks: List[WorkspaceHunk]
    #: A unified diff, or a line that names a change that is not of text.
    patch: str


class WorkspaceDiff(Answer):
    """What the guest changed since a folder was pushed."""

    folder: str
    guest_path: str
    changes: List[WorkspaceChange]


class ApplyResult(Answer):
    """What an apply did."""

    folder: str
    guest_path: str
    applied: List[str]
    conflicts: List[PathReason]
    #: Never applied.
    refused: List[PathReason]
    #: Left alone because nobody consented.
    flagged: List[PathReason]
    #: Changed since they were looked at.
    outdated: List[PathReason]


class WorkspaceInfo(Answer):
    """A folder that was pushed into a sandbox."""

    folder: str
    guest_path: str
    pushed_at: datetime


class ProcessInfo(Answer):
    """A command that is running or ended recently. `commands.connect` and `commands.kill` take its `id`."""

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


class ProcessList(Answer):
    """The commands of a sandbox."""

    processes: List[ProcessInfo]


class ImageInfo(Answer):
    """What an OCI image says of itself."""

    name: str
    #: Digest of the manifest that the name led to when it was fetched.
    digest: str
    layers: int
    #: Sum of its packed layers.
    size_bytes: float
    #: Such as ``8080/tcp``.
    ports: List[str]
    labels: Dict[str, str]


class TemplateInfo(Answer):
    """A template, from which sandboxes are cloned."""

    id: str
    name: str
    description: str
    source: str
    memory_mb: int
    #: Minimum memory of its sandboxes.
    min_memory_mb: int
    vcpus: int
    disk_mb: int
    user: str
    packages: List[str]
    #: Folder in which commands run; None: the home of the user.
    workdir: Optional[str]
    #: Command that ``nova run`` runs where none is given.
    start: List[str]
    #: The OCI image that it is made of, where it was fetched.
    image: Optional[ImageInfo]
    built: bool
    #: The processors for which its root image exists.
    architectures: List[str]
    size_bytes: Optional[float]
    snapshots: int
    digest: Optional[str]


class TemplateList(Answer):
    """All templates."""

    templates: List[TemplateInfo]


class Executed(Answer):
    """Response to a command that was run to its end in one request."""

    exit_code: int
    stdout: str
    stderr: str
    duration_ms: float
    timed_out: bool
    oom_killed: bool
    signal: Optional[int]
    truncated: bool
    process_id: int


class Existed(Answer):
    """Whether something was removed."""

    existed: bool


class Created(Answer):
    """Whether something was created."""

    created: bool


class StoredThing(Answer):
    """A file or folder in the daemon's state folder."""

    kind: str
    #: Its path below the state folder.
    name: str
    #: Space on the disk.
    bytes: int
    #: Why nobody needs it; None: it is needed.
    reason: Optional[str]


class StorageOfKind(Answer):
    """What the daemon keeps of one kind."""

    kind: str
    count: int
    bytes: int
    reclaimable: int


class StorageUsage(Answer):
    """The space that the daemon takes, in bytes on the disk."""

    #: The state folder.
    folder: str
    #: Size and free space of the file system that the state folder lies on.
    total: int
    free: int
    used: int
    reclaimable: int
    kinds: List[StorageOfKind]
    largest: List[StoredThing]
    #: What is amiss: things that are missing or damaged.
    problems: List[str]
    #: False: there are more files than are looked at, so that the sizes are too small.
    complete: bool


class Collected(Answer):
    """What housekeeping has removed, or would remove."""

    removed: List[StoredThing]
    freed: int
    #: What nobody needs and is there still.
    kept: List[StoredThing]
    #: Ids of snapshots that were missing in the store and are known again.
    adopted: List[str]
    problems: List[str]


class VolumeUse(Answer):
    """A sandbox that has a volume, or needs it to start again."""

    vm_id: str
    vm_name: Optional[str]
    status: SandboxState
    path: str
    read_only: bool
    #: False: the sandbox is stopped, and others may have the volume until it starts again.
    attached: bool


class VolumeInfo(Answer):
    """A volume."""

    id: str
    name: str
    #: Owner, such as `user:ann` or `key:1f2e`; None: the host itself.
    owner: Optional[str]
    team: Optional[str]
    size_mb: int
    #: Space that it takes on the disk of the host.
    used_mb: float
    created_at: datetime
    used_by: List[VolumeUse]


class VolumeList(Answer):
    """All volumes that the caller may see."""

    volumes: List[VolumeInfo]


class NetworkMember(Answer):
    """A sandbox that has joined a private network."""

    vm_id: str
    vm_name: Optional[str]
    status: SandboxState
    #: Its own until it is removed, also while it is stopped.
    address: str


class NetworkInfo(Answer):
    """A private network."""

    id: str
    name: str
    #: Owner, such as `user:ann` or `key:1f2e`; None: the host itself.
    owner: Optional[str]
    team: Optional[str]
    subnet: str
    #: What members may send each other: `minimal` everything, `moderate` pings alone, `strict` nothing.
    isolation: str
    bridge_name: str
    created_at: datetime
    members: List[NetworkMember]


class NetworkList(Answer):
    """All private networks that the caller may see."""

    networks: List[NetworkInfo]


class PolicyAnswer(Answer):
    """The policy of a sandbox: a name, or the policy itself."""

    policy: Any


class Decision(Answer):
    """A decision about something that a sandbox wanted to reach."""

    at: datetime
    sandbox: str
    #: "allow" or "deny".
    action: str
    #: The rule that decided, or `otherwise`, `internal`, `limits` or `approval`.
    rule: str
    host: Optional[str]
    address: Optional[str]
    #: 53 for a query for a name.
    port: int
    protocol: str
    method: Optional[str] = None
    path: Optional[str] = None
    code: str
    #: The id of the question whose answer decided, or that waits for one.
    approval: Optional[str] = None
    #: The change that would allow it.
    remedy: Optional[str]


class DecisionList(Answer):
    """The latest decisions about a sandbox, oldest first."""

    decisions: List[Decision]


class NamedPolicy(Answer):
    """A network policy with a name, which sandboxes name as their policy."""

    id: str
    name: str
    #: Owner, such as `user:ann` or `key:1f2e`; None: the host itself, whose policies all sandboxes may name.
    owner: Optional[str]
    team: Optional[str]
    policy: Dict[str, Any]
    created_at: datetime
    changed_at: datetime
    #: Ids of the sandboxes that name it, whatever their state.
    used_by: List[str]


class NamedPolicyList(Answer):
    """All policies that the caller may see."""

    policies: List[NamedPolicy]


class Explanation(Answer):
    """What a policy does with a destination, and why."""

    allowed: bool
    code: str
    rule: str
    #: "name": the guest gets no address for the name; "connection": it connects, and is refused then.
    at: str
    remedy: Optional[str]


class PlainRequest(Answer):
    """A method, and the folder of a path."""

    method: str
    path: str


class Contact(Answer):
    """A destination that a sandbox was let through to."""

    host: Optional[str]
    address: Optional[str]
    port: int
    #: Its requests over plain HTTP; empty for everything else.
    requests: List[PlainRequest]


class LearnedPolicy(Answer):
    """The smallest policy that allows what a sandbox was let through to."""

    policy: Dict[str, Any]
    contacts: List[Contact]
    #: False: there were more contacts than are kept.
    complete: bool


class Approval(Answer):
    """A question about connections of a sandbox, with its answer."""

    id: str
    vm_id: str
    #: None: the connection goes to an address without a name.
    host: Optional[str]
    address: Optional[str]
    port: int
    asked_at: datetime
    #: "allow" or "deny"; None: it waits for an answer.
    answer: Optional[str]
    #: "once", "session" or "always".
    scope: Optional[str]
    #: The end of the answer, where it has one.
    expires_at: Optional[datetime]


class ApprovalList(Answer):
    """Questions and answers, oldest first."""

    approvals: List[Approval]


class PortForward(Answer):
    """A port of the daemon's host, on 127.0.0.1, that leads to a port of a sandbox."""

    id: str
    protocol: str
    host_address: str
    host_port: int
    guest_port: int
    #: It is the `host_port` that the sandbox was made with, which lasts as long as the sandbox runs.
    made_with_vm: bool
    #: False: the sandbox does not run, or the port was taken when the daemon started.
    listening: bool


class PortForwardList(Answer):
    """The forwards of a sandbox."""

    forwards: List[PortForward]


class PortUrl(Answer):
    """An address that opens one port of a sandbox to whoever has it."""

    id: str
    port: int
    #: The guest gets `localhost:<port>` as Host.
    rewrite_host: bool
    expires_at: datetime


class PortUrlList(Answer):
    """The addresses of a sandbox that are valid."""

    previews: List[PortUrl]


class CreatedPortUrl(PortUrl):
    """A new address. Its token is told only once."""

    #: With the token in its query, which the first visit exchanges for a cookie.
    url: str
    #: For programs: the header `Nova-Preview-Token`.
    token: str
