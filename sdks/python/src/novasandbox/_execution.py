"""Parses the stream of one command. Does no I/O: the sync and async halves feed it the same bytes."""

from __future__ import annotations

import base64
import codecs
import json
import time
from collections import deque
from typing import Any, Callable, Deque, List, NamedTuple, Optional, Tuple

from ._api import guest
from ._connection import check_options
from ._options import RunOptions
from ._request import Request
from .errors import GuestError, NetworkError, NovaError, TimedOutError, error_of
from .models import Executed
from .results import CommandResult, OutputSoFar, check_result

#: A line is a piece of output in base64; lines are always far shorter than this.
max_line_bytes = 64 * 1024 * 1024
foreground_bytes = 64 * 1024 * 1024
background_bytes = 1024 * 1024
#: Attempts to resume a broken stream without any new output in between.
max_resumptions = 5
#: Seconds for which the guest keeps a command while the daemon restarts.
restart_patience = 60.0

Callback = Optional[Callable[[str], object]]


class Piece(NamedTuple):
    """Text to pass to a callback."""

    tell: Callable[[str], object]
    text: str


class Channel:
    """Either stdout or stderr: its newest bytes and its offset."""

    def __init__(self, tell: Callback, max_bytes: int) -> None:
        self.offset = 0
        self.truncated = False
        self._tell = tell
        self._max = max_bytes
        self._kept: Deque[bytes] = deque()
        self._size = 0
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def take(self, data: bytes, final: bool = False) -> Optional[Piece]:
        """Keeps bytes and returns their text for the callback. A character cut in two is put together."""
        self.offset += len(data)
        self._size += len(data)
        self._kept.append(data)
        while self._size > self._max:
            first = self._kept.popleft()
            over = self._size - self._max
            self.truncated = True
            self._size -= min(over, len(first))
            if over < len(first):
                self._kept.appendleft(first[over:])
        text = "" if self._tell is None else self._decoder.decode(data, final)
        return None if self._tell is None or text == "" else Piece(self._tell, text)

    def resume_at(self, offset: int) -> None:
        """Called when the stream continues at `offset`; bytes before it that were not received are lost."""
        self.truncated = self.truncated or offset > self.offset
        self.offset = offset

    def content(self) -> bytes:
        return b"".join(list(self._kept))


class Execution:
    """A command from its start to its end, over as many connections as needed."""

    def __init__(
        self,
        sandbox_id: str,
        options: RunOptions,
        *,
        command: Optional[guest.Command] = None,
        process_id: Optional[int] = None,
        default_max_bytes: int = foreground_bytes,
        keep_running: bool = False,
        offsets: Tuple[int, int] = (0, 0),
        follow: bool = True,
    ) -> None:
        check_options(options, RunOptions)
        limit = options.get("max_output_bytes")
        kept = default_max_bytes if limit is None else limit
        self.sandbox_id = sandbox_id
        self.process_id = process_id
        self.pid: Optional[int] = None
        self.stdout = Channel(options.get("on_stdout"), kept)
        self.stderr = Channel(options.get("on_stderr"), kept)
        self.name = f"The process {process_id}" if command is None else describe(command)
        self.check = options.get("check", True)
        self.stdout.offset, self.stderr.offset = offsets
        self._follow = follow
        self.request: Request[None] = (
            self._attach(process_id or 0)
            if command is None
            else guest.execute_stream(sandbox_id, command, options, keep_running)
        )
        self._exit: Optional[dict[str, Any]] = None
        #: The command is not followed and is still running.
        self._runs = False
        self._began = time.monotonic()
        self._line = bytearray()
        self._fruitless = 0
        self._restart_until = 0.0

    @property
    def started(self) -> bool:
        return self.pid is not None

    @property
    def ended(self) -> bool:
        """Whether the stream is complete."""
        return self._exit is not None or self._runs

    def feed(self, data: bytes) -> List[Piece]:
        """Takes data from the daemon; returns the texts for the caller's callbacks, in order."""
        pieces: List[Piece] = []
        *lines, rest = data.split(b"\n")
        for line in lines:
            pieces += self._take(bytes(self._line) + line)
            self._line.clear()
        self._line += rest
        if len(self._line) > max_line_bytes:
            raise _not_understood()
        return pieces

    def resume(self, error: NovaError) -> float:
        """Called when a connection broke: returns the seconds to wait before sending `request`, or raises `error`."""
        now = time.monotonic()
        ending = error.code == "shutting_down"
        if ending and self._fruitless == 0:
            self._restart_until = now + restart_patience
        lost = isinstance(error, (NetworkError, TimedOutError)) and error.code in ("connection_lost", "request_timeout")
        away = ending or (self._fruitless > 0 and error.code == "server_unreachable")
        spent = self._fruitless >= max_resumptions and now > self._restart_until
        if not (lost or away) or self.process_id is None or not self.started or spent:
            raise error
        self._line.clear()
        self._fruitless += 1
        self.request = self._attach(self.process_id)
        return float(min(2.0, 0.1 * 2 ** min(self._fruitless, 5)))

    def cut_off(self) -> NovaError:
        """The error for a stream that ended before the command did."""
        return NetworkError("The stream ended before the command did.", code="connection_lost")

    def result(self) -> CommandResult:
        """The result, successful or not. Call it only after the end."""
        end = self._exit or {}
        return CommandResult(
            exit_code=int(end["exit_code"]),
            stdout_bytes=self.stdout.content(),
            stderr_bytes=self.stderr.content(),
            duration_ms=round((time.monotonic() - self._began) * 1000, 2),
            signal=end.get("signal"),
            timed_out=end.get("timed_out") is True,
            oom_killed=end.get("oom_killed") is True,
            stdout_truncated=self.stdout.truncated,
            stderr_truncated=self.stderr.truncated,
            process_id=self.process_id or 0,
        )

    def outcome(self) -> CommandResult:
        """The result; a failure is raised unless `check` is False."""
        result = self.result()
        return check_result(self.name, result) if self.check else result

    def so_far(self) -> OutputSoFar:
        """The output so far. Call it only when the stream is complete."""
        return OutputSoFar(
            process_id=self.process_id or 0,
            stdout_bytes=self.stdout.content(),
            stderr_bytes=self.stderr.content(),
            stdout_end=self.stdout.offset,
            stderr_end=self.stderr.offset,
            exit_code=None if self._exit is None else int(self._exit["exit_code"]),
        )

    def _attach(self, process_id: int) -> Request[None]:
        at = (self.stdout.offset, self.stderr.offset)
        return guest.attach(self.sandbox_id, process_id, *at, follow=self._follow)

    def _take(self, line: bytes) -> List[Piece]:
        if not line.strip():
            return []
        try:
            event = json.loads(line)
            kind = event["type"]
            if kind == "started":
                self.process_id, self.pid = int(event["process_id"]), int(event["pid"])
                self.stdout.resume_at(int(event["stdout_offset"]))
                self.stderr.resume_at(int(event["stderr_offset"]))
                return []
            if kind in ("stdout", "stderr", "pty"):
                self._fruitless = 0
                channel = self.stderr if kind == "stderr" else self.stdout
                piece = channel.take(base64.b64decode(event["data"]))
                return [] if piece is None else [piece]
            if kind == "exit":
                int(event["exit_code"])
                self._exit = event
                ends = (self.stdout.take(b"", final=True), self.stderr.take(b"", final=True))
                return [piece for piece in ends if piece is not None]
            if kind == "running":
                self._runs = True
                return []
            error = event["error"] if kind == "error" else None
        except (ValueError, KeyError, TypeError, RecursionError):
            raise _not_understood() from None
        if error is not None:
            raise error_of(error)
        return []


def result_of_executed(executed: Executed) -> CommandResult:
    """Converts the response to a command that ran in one request."""
    return CommandResult(
        exit_code=executed.exit_code,
        stdout_bytes=executed.stdout.encode(errors="replace"),
        stderr_bytes=executed.stderr.encode(errors="replace"),
        duration_ms=executed.duration_ms,
        signal=executed.signal,
        timed_out=executed.timed_out,
        oom_killed=executed.oom_killed,
        stdout_truncated=executed.truncated,
        stderr_truncated=executed.truncated,
        process_id=executed.process_id,
    )


def describe(command: guest.Command) -> str:
    """Formats a command for a message."""
    line = " ".join((command if isinstance(command, str) else " ".join(command)).split())
    return f'"{line[:77]}..."' if len(line) > 80 else f'"{line}"'


def _not_understood() -> NovaError:
    return GuestError("The daemon sent an invalid event of a command.", code="guest_protocol_error")
