"""All exceptions that the SDK raises.

The daemon answers errors as ``{"error": {"code", "message", "hint", "details"}}``. Each code has one class here; a code
this version does not know becomes a plain :class:`NovaError`.
"""

from __future__ import annotations

from typing import Any, Mapping, Optional


class NovaError(Exception):
    """An error (`code`, `message`) with its remedy (`hint`)."""

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
        #: HTTP status of the response; None if there was none.
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
    """The named thing does not exist."""


class SandboxNotFoundError(NotFoundError):
    """There is no such sandbox."""


class TemplateNotFoundError(NotFoundError):
    """There is no such template."""


class SnapshotNotFoundError(NotFoundError):
    """There is no such snapshot."""


class PathNotFoundError(NotFoundError):
    """There is no such file or directory in the guest."""


class ProcessNotFoundError(NotFoundError):
    """The process has ended."""


class ConflictError(NovaError):
    """The call conflicts with the current state, for example because a name is taken."""


class SandboxNotRunningError(ConflictError):
    """The sandbox is stopped or paused."""


class CommandError(NovaError):
    """The command could not be started."""


class RateLimitedError(NovaError):
    """There are too many requests or sandboxes at once."""


class TimedOutError(NovaError):
    """The call exceeded its time limit."""


class GuestError(NovaError):
    """The guest does not answer, or answers wrongly."""


class ResourceError(NovaError):
    """Memory, disk or processes are exhausted."""


class UnavailableError(NovaError):
    """The daemon or its hypervisor is not available at the moment."""


class NotSupportedError(NovaError):
    """This feature does not exist yet, or the chosen hypervisor does not have it."""


class NetworkError(NovaError):
    """The daemon could not be reached, or something else answered."""


#: Exception classes by code. A test compares the codes with those of the daemon.
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
    "image_not_found": NotFoundError,
    "image_invalid": InvalidArgumentError,
    "registry_denied": PermissionDeniedError,
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
    "hook_failed": GuestError,
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
    "snapshot_not_found": SnapshotNotFoundError,
    "snapshot_damaged": ConflictError,
    "volume_not_found": NotFoundError,
    "volume_exists": ConflictError,
    "volume_in_use": ConflictError,
    "network_not_found": NotFoundError,
    "network_exists": ConflictError,
    "network_in_use": ConflictError,
    "set_up_failed": NovaError,
    "download_failed": NovaError,
    "port_in_use": ConflictError,
    "network_failed": NovaError,
    "checksum_mismatch": NovaError,
    "cancelled": NovaError,
    "internal": NovaError,
}


def error_of(error: Mapping[str, Any], status_code: Optional[int] = None) -> NovaError:
    """Builds the exception for the `error` of a response."""
    code = str(error.get("code", "internal"))
    details = error.get("details")
    return error_classes.get(code, NovaError)(
        str(error.get("message", "")),
        code=code,
        hint=str(error.get("hint", "")),
        details=details if isinstance(details, dict) else {},
        status_code=status_code,
    )
