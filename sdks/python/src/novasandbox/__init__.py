"""NovaSandbox: microVM sandboxes for AI agents.

::

    from novasandbox import Sandbox

    with Sandbox.create() as sandbox:
        print(sandbox.commands.run("echo hello").stdout)
"""

from ._racing import RaceBranch, RaceError, RaceResult
from .access import Access
from .aio.access import AsyncAccess
from .aio.command_handle import AsyncCommandHandle
from .aio.commands import AsyncCommands
from .aio.files import AsyncFiles
from .aio.network import AsyncSandboxNetwork
from .aio.policies import AsyncNetworkPolicies
from .aio.ports import AsyncPorts
from .aio.private_networks import AsyncNetwork
from .aio.sandbox import AsyncSandbox
from .aio.snapshot import AsyncSnapshot
from .aio.storage import AsyncStorage
from .aio.volume import AsyncOpenVolume, AsyncVolume
from .aio.workspace import AsyncWorkspace
from .command_handle import CommandHandle
from .commands import Commands
from .errors import (
    AuthenticationError,
    CommandError,
    ConflictError,
    GuestError,
    InvalidArgumentError,
    NetworkError,
    NotFoundError,
    NotSupportedError,
    NovaError,
    PathNotFoundError,
    PermissionDeniedError,
    ProcessNotFoundError,
    RateLimitedError,
    ResourceError,
    SandboxNotFoundError,
    SandboxNotRunningError,
    SnapshotNotFoundError,
    TemplateNotFoundError,
    TimedOutError,
    UnavailableError,
)
from .files import Files
from .models import (
    ApiKey,
    ApplyResult,
    Approval,
    Collected,
    Contact,
    CreatedApiKey,
    CreatedPortUrl,
    Decision,
    Entry,
    EntryType,
    Explanation,
    Identity,
    LearnedPolicy,
    LeftOut,
    ManifestEntry,
    NamedPolicy,
    NetworkInfo,
    NetworkMember,
    PathReason,
    PortForward,
    PortUrl,
    ProcessInfo,
    PushResult,
    RoleInfo,
    SandboxEvent,
    SandboxInfo,
    SandboxLogs,
    SandboxState,
    SandboxStats,
    SecretInfo,
    StorageOfKind,
    StorageUsage,
    StoredThing,
    TemplateInfo,
    User,
    VolumeInfo,
    VolumeMount,
    VolumeUse,
    WorkspaceChange,
    WorkspaceDiff,
    WorkspaceHunk,
    WorkspaceInfo,
    WorkspaceState,
)
from .network import SandboxNetwork
from .policies import NetworkPolicies
from .ports import Ports
from .private_networks import Network
from .results import CommandExitException, CommandResult, CommandTimeoutException, OutputSoFar
from .sandbox import Sandbox
from .snapshot import Snapshot
from .snapshot_models import SnapshotCheck, SnapshotInfo, SnapshotKind, SnapshotStatistics
from .storage import Storage
from .volume import OpenVolume, Volume
from .workspace import Workspace

__version__ = "0.1.0"

__all__ = [
    "Access",
    "ApiKey",
    "ApplyResult",
    "Approval",
    "AsyncAccess",
    "AsyncCommandHandle",
    "AsyncCommands",
    "AsyncFiles",
    "AsyncNetwork",
    "AsyncNetworkPolicies",
    "AsyncOpenVolume",
    "AsyncPorts",
    "AsyncSandbox",
    "AsyncSandboxNetwork",
    "AsyncSnapshot",
    "AsyncStorage",
    "AsyncVolume",
    "AsyncWorkspace",
    "AuthenticationError",
    "Collected",
    "CommandError",
    "CommandExitException",
    "CommandHandle",
    "CommandResult",
    "CommandTimeoutException",
    "Commands",
    "ConflictError",
    "Contact",
    "CreatedApiKey",
    "CreatedPortUrl",
    "Decision",
    "Entry",
    "EntryType",
    "Explanation",
    "Files",
    "GuestError",
    "Identity",
    "InvalidArgumentError",
    "LearnedPolicy",
    "LeftOut",
    "ManifestEntry",
    "NamedPolicy",
    "Network",
    "NetworkError",
    "NetworkInfo",
    "NetworkMember",
    "NetworkPolicies",
    "NotFoundError",
    "NotSupportedError",
    "NovaError",
    "OpenVolume",
    "OutputSoFar",
    "PathNotFoundError",
    "PathReason",
    "PermissionDeniedError",
    "PortForward",
    "PortUrl",
    "Ports",
    "ProcessInfo",
    "ProcessNotFoundError",
    "PushResult",
    "RaceBranch",
    "RaceError",
    "RaceResult",
    "RateLimitedError",
    "ResourceError",
    "RoleInfo",
    "Sandbox",
    "SandboxEvent",
    "SandboxInfo",
    "SandboxLogs",
    "SandboxNetwork",
    "SandboxNotFoundError",
    "SandboxNotRunningError",
    "SandboxState",
    "SandboxStats",
    "SecretInfo",
    "Snapshot",
    "SnapshotCheck",
    "SnapshotInfo",
    "SnapshotKind",
    "SnapshotNotFoundError",
    "SnapshotStatistics",
    "Storage",
    "StorageOfKind",
    "StorageUsage",
    "StoredThing",
    "TemplateInfo",
    "TemplateNotFoundError",
    "TimedOutError",
    "UnavailableError",
    "User",
    "Volume",
    "VolumeInfo",
    "VolumeMount",
    "VolumeUse",
    "Workspace",
    "WorkspaceChange",
    "WorkspaceDiff",
    "WorkspaceHunk",
    "WorkspaceInfo",
    "WorkspaceState",
]
