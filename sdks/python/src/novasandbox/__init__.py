"""NovaSandbox: microVM sandboxes for AI agents.

::

    from novasandbox import Sandbox

    with Sandbox.create() as sandbox:
        print(sandbox.commands.run("echo hello").stdout)
"""

from .aio.command_handle import AsyncCommandHandle
from .aio.commands import AsyncCommands
from .aio.files import AsyncFiles
from .aio.sandbox import AsyncSandbox
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
    TemplateNotFoundError,
    TimedOutError,
    UnavailableError,
)
from .files import Files
from .models import Entry, EntryType, ProcessInfo, SandboxInfo, SandboxLogs, SandboxState, SandboxStats, TemplateInfo
from .results import CommandExitException, CommandResult, CommandTimeoutException
from .sandbox import Sandbox

__version__ = "0.1.0"

__all__ = [
    "AsyncCommandHandle",
    "AsyncCommands",
    "AsyncFiles",
    "AsyncSandbox",
    "AuthenticationError",
    "CommandError",
    "CommandExitException",
    "CommandHandle",
    "CommandResult",
    "CommandTimeoutException",
    "Commands",
    "ConflictError",
    "Entry",
    "EntryType",
    "Files",
    "GuestError",
    "InvalidArgumentError",
    "NetworkError",
    "NotFoundError",
    "NotSupportedError",
    "NovaError",
    "PathNotFoundError",
    "PermissionDeniedError",
    "ProcessInfo",
    "ProcessNotFoundError",
    "RateLimitedError",
    "ResourceError",
    "Sandbox",
    "SandboxInfo",
    "SandboxLogs",
    "SandboxNotFoundError",
    "SandboxNotRunningError",
    "SandboxState",
    "SandboxStats",
    "TemplateInfo",
    "TemplateNotFoundError",
    "TimedOutError",
    "UnavailableError",
]
