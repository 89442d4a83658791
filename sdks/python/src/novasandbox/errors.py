"""Everything the SDK raises.

The daemon answers errors as ``{"error": {"code", "message", "hint", "details"}}``. Each code has one class here; a code
this version does not know becomes a plain :class:`NovaError`.
"""

from __future__ import annotations

from typing import Any, Mapping, Optional


class NovaError(Exception):
    """What went wrong (`code`, `message`), and what to do about it (`hint`)."""

    def __init__(
        self,
        message: str,
        *,
        code: str = "internal",
        hint: str = "",
        details: Optional[Mapping[str, Any]] = None,
        status_code: Optional[int] = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint
        self.details: Mapping[str, Any] = dict(details or {})
        #: HTTP status of the answer; None where there was no answer.
        self.status_code = status_code

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class InvalidArgumentError(NovaError):
    """An argument is wrong; the message names it."""


class AuthenticationError(NovaError):
    """No valid key came with the request."""


class PermissionDeniedError(NovaError):
    """The key, or the user in the guest, may not do this."""


class NotFoundError(NovaError):
    """What was named is not there."""


class SandboxNotFoundError(NotFoundError):
    """There is no such sandbox."""


class TemplateNotFoundError(NotFoundError):
    """There is no such template."""


class PathNotFoundError(NotFoundError):
    """There is no such file or directory in the guest."""


class ProcessNotFoundError(NotFoundError):
    """The process has ended."""


class ConflictError(NovaError):
    """It does not fit what is there: a name is taken, the state is another."""


class SandboxNotRunningError(ConflictError):
    """The sandbox is stopped or paused."""


class CommandError(NovaError):
    """The command could not be started."""


class RateLimitedError(NovaError):
    """Too many requests or sandboxes at once."""


class TimedOutError(NovaError):
    """It took longer than it may."""


class GuestError(NovaError):
    """The guest does not answer as it should."""


class ResourceError(NovaError):
    """Memory, disk or processes are exhausted."""


class UnavailableError(NovaError):
    """The daemon or its hypervisor is not available at the moment."""


class NotSupportedError(NovaError):
    """This part is not there yet, or the chosen hypervisor cannot do it."""


class NetworkError(NovaError):
    """The daemon could not be reached, or what answered was not the daemon."""


#: Which class stands for which code. A test compares the codes with those of the daemon.
error_classes: Mapping[str, type[NovaError]] = {
    "invalid_argument": InvalidArgumentError,
    "malformed_request": InvalidArgumentError,
    "headers_too_large": InvalidArgumentError,
    "payload_too_large": InvalidArgumentError,
    "unsupported_media_type": InvalidArgumentError,
    "range_not_satisfiable": InvalidArgumentError,
    "upgrade_required": InvalidArgumentError,
    "method_not_allowed": InvalidArgumentError,
    "unknown_user": InvalidArgumentError,
    "is_a_directory": InvalidArgumentError,
    "not_a_directory": InvalidArgumentError,
    "unauthenticated": AuthenticationError,
    "forbidden": PermissionDeniedError,
    "permission_denied": PermissionDeniedError,
    "not_found": NotFoundError,
    "sandbox_not_found": SandboxNotFoundError,
    "unknown_template": TemplateNotFoundError,
    "file_not_found": PathNotFoundError,
    "process_not_found": ProcessNotFoundError,
    "conflict": ConflictError,
    "sandbox_exists": ConflictError,
    "invalid_state": ConflictError,
    "idempotency_conflict": ConflictError,
    "file_exists": ConflictError,
    "directory_not_empty": ConflictError,
    "sandbox_not_running": SandboxNotRunningError,
    "command_not_found": CommandError,
    "command_not_executable": CommandError,
    "command_failed": CommandError,
    "rate_limited": RateLimitedError,
    "vm_limit_reached": RateLimitedError,
    "channel_busy": RateLimitedError,
    "command_outcome_unknown": GuestError,
    "command_timeout": TimedOutError,
    "request_timeout": TimedOutError,
    "boot_timeout": TimedOutError,
    "boot_failed": GuestError,
    "guest_unreachable": GuestError,
    "guest_protocol_error": GuestError,
    "connection_refused": GuestError,
    "guest_resource_exhausted": ResourceError,
    "host_resource_exhausted": ResourceError,
    "storage_failed": ResourceError,
    "hypervisor_unavailable": UnavailableError,
    "shutting_down": UnavailableError,
    "server_unreachable": NetworkError,
    "not_implemented": NotSupportedError,
    "feature_unsupported": NotSupportedError,
    "template_not_buildable": NotSupportedError,
    "template_build_failed": NovaError,
    "vmm_failed": NovaError,
    "snapshot_failed": NovaError,
    "snapshot_incompatible": ConflictError,
    "set_up_failed": NovaError,
    "download_failed": NovaError,
    "port_in_use": ConflictError,
    "network_failed": NovaError,
    "checksum_mismatch": NovaError,
    "cancelled": NovaError,
    "internal": NovaError,
}


def error_of(error: Mapping[str, Any], status_code: Optional[int] = None) -> NovaError:
    """The `error` of an envelope as what is raised."""
    code = str(error.get("code", "internal"))
    details = error.get("details")
    return error_classes.get(code, NovaError)(
        str(error.get("message", "")),
        code=code,
        hint=str(error.get("hint", "")),
        details=details if isinstance(details, dict) else {},
        status_code=status_code,
    )
