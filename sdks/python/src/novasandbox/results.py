"""Results of commands."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Optional

from .errors import CommandError, NovaError, TimedOutError

_quoted = 2000


@dataclass(frozen=True)
class CommandResult:
    """A command that has ended. Text is UTF-8, with U+FFFD for invalid bytes; the bytes are available too."""

    #: The program's exit code; 128 + signal when a signal ended it.
    exit_code: int
    stdout_bytes: bytes
    stderr_bytes: bytes
    duration_ms: float
    #: Number of the signal that ended it, or None.
    signal: Optional[int] = None
    #: Whether its own time limit ended it.
    timed_out: bool = False
    #: Whether the guest ran out of memory and killed it.
    oom_killed: bool = False
    #: Whether some of the output is missing.
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


@dataclass(frozen=True)
class OutputSoFar:
    """Output that a command has written so far, as far as the guest keeps it."""

    process_id: int
    stdout_bytes: bytes
    stderr_bytes: bytes
    #: Offset in all bytes ever written at which the next call continues.
    stdout_end: int
    stderr_end: int
    #: None while the command runs.
    exit_code: Optional[int]

    @property
    def stdout_offset(self) -> int:
        """Offset at which the output begins. Bytes between the requested offset and this one are lost."""
        return self.stdout_end - len(self.stdout_bytes)

    @property
    def stderr_offset(self) -> int:
        return self.stderr_end - len(self.stderr_bytes)

    @cached_property
    def stdout(self) -> str:
        return self.stdout_bytes.decode(errors="replace")

    @cached_property
    def stderr(self) -> str:
        return self.stderr_bytes.decode(errors="replace")

    @property
    def running(self) -> bool:
        return self.exit_code is None


class CommandEndedBadly(NovaError):
    """Base class of failed commands. Carries the whole result."""

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
    """The command exited with a code other than 0."""


class CommandTimeoutException(CommandEndedBadly, TimedOutError):
    """The command's own time limit ended it."""


def check_result(command: str, result: CommandResult) -> CommandResult:
    """Returns the result if the command succeeded, and raises otherwise."""
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
