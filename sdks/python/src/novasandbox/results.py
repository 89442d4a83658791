"""What commands leave behind."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Optional

from .errors import CommandError, NovaError, TimedOutError

_quoted = 2000


@dataclass(frozen=True)
class CommandResult:
    """A command that has ended. Text is UTF-8, with U+FFFD for what is not; the bytes are there too."""

    #: As the program gave it; 128 + signal when a signal ended it.
    exit_code: int
    stdout_bytes: bytes
    stderr_bytes: bytes
    duration_ms: float
    #: Number of the signal that ended it.
    signal: Optional[int] = None
    #: Its own time limit ended it.
    timed_out: bool = False
    #: The guest ran out of memory and ended it.
    oom_killed: bool = False
    #: Some of the output is missing.
    stdout_truncated: bool = False
    stderr_truncated: bool = False
    process_id: int = 0

    @cached_property
    def stdout(self) -> str:
        return self.stdout_bytes.decode(errors="replace")

    @cached_property
    def stderr(self) -> str:
        return self.stderr_bytes.decode(errors="replace")

    @property
    def success(self) -> bool:
        return self.exit_code == 0 and not self.timed_out


class CommandEndedBadly(NovaError):
    """Both kinds of bad end. Carries the whole result."""

    def __init__(self, command: str, result: CommandResult, *, code: str, hint: str) -> None:
        said = result.stderr_bytes[-_quoted:].decode(errors="replace").strip()
        super().__init__(
            f"{command} {_outcome(result)}" + (f": {said}" if said else ""),
            code=code,
            hint=hint,
            details={"exit_code": result.exit_code, "signal": result.signal, "oom_killed": result.oom_killed},
        )
        self.result = result

    @property
    def exit_code(self) -> int:
        return self.result.exit_code

    @property
    def stdout(self) -> str:
        return self.result.stdout

    @property
    def stderr(self) -> str:
        return self.result.stderr


class CommandExitException(CommandEndedBadly, CommandError):
    """The command ended with another code than 0."""


class CommandTimeoutException(CommandEndedBadly, TimedOutError):
    """The command's own time limit ended it."""


def check_result(command: str, result: CommandResult) -> CommandResult:
    """The result, unless it is a bad one."""
    if result.timed_out:
        hint = "Raise the time limit of the command (0 for none)."
        raise CommandTimeoutException(command, result, code="command_timeout", hint=hint)
    if result.exit_code != 0:
        hint = "The guest ran out of memory: give the sandbox more memory_mb." if result.oom_killed else ""
        raise CommandExitException(command, result, code="command_failed", hint=hint)
    return result


def _outcome(result: CommandResult) -> str:
    if result.timed_out:
        return f"was ended by its time limit after {result.duration_ms:.0f} ms"
    if result.oom_killed:
        return "was ended because the guest ran out of memory"
    if result.signal is not None:
        return f"was ended by signal {result.signal}"
    return f"exited with {result.exit_code}"
