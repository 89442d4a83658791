"""Parses a stream of events, which may need several connections. Does no I/O."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Iterable, List, Optional, Union

from pydantic import ValidationError

from ._api import events
from ._request import Request
from .errors import GuestError, NetworkError, NovaError
from .models import SandboxEvent

#: Seconds to wait for a daemon that restarts.
restart_patience = 60.0
max_line_bytes = 4 * 1024 * 1024


class EventLines:
    """Takes the bytes of a stream of events, and knows where the next connection continues."""

    def __init__(
        self,
        *,
        sandbox: Optional[str],
        types: Optional[Iterable[str]],
        since: Union[int, datetime, None],
        follow: bool,
    ) -> None:
        self._sandbox = sandbox
        self._types = None if types is None else list(types)
        self._since = since
        self._line = bytearray()
        self._began = False
        self._give_up_at = 0.0
        self.follow = follow
        #: Whether the single sandbox of these events was removed.
        self.over = False

    @property
    def request(self) -> Request[None]:
        return events.stream(sandbox=self._sandbox, types=self._types, since=self._since, follow=self.follow)

    def connected(self) -> None:
        """Called when the daemon has answered."""
        self._began = True
        self._give_up_at = 0.0
        self._line.clear()

    def feed(self, data: bytes) -> List[SandboxEvent]:
        """Takes data from the daemon; returns the events in it."""
        told: List[SandboxEvent] = []
        *lines, rest = data.split(b"\n")
        for line in lines:
            whole = bytes(self._line) + line
            self._line.clear()
            if whole.strip():
                told.append(_event(whole))
        self._line += rest
        if len(self._line) > max_line_bytes:
            raise _not_understood()
        return told

    def passed(self, event: SandboxEvent) -> None:
        """Called when the event is handed to the caller: the next connection continues after it."""
        self._since = event.id
        self.over = self._sandbox is not None and event.type == "vm.removed"

    def resume(self, error: NovaError) -> float:
        """Called when the connection broke: returns the seconds to wait before trying again, or raises `error`."""
        away = error.code in ("connection_lost", "request_timeout", "server_unreachable", "shutting_down")
        now = time.monotonic()
        if self._give_up_at == 0.0:
            self._give_up_at = now + restart_patience
        if not away or not self._began or not self.follow or now > self._give_up_at:
            raise error
        return 0.5

    def cut_off(self) -> NovaError:
        """The error for a followed stream that ended."""
        return NetworkError("The daemon has ended.", code="connection_lost")


def _event(line: bytes) -> SandboxEvent:
    try:
        return SandboxEvent.model_validate_json(line)
    except ValidationError:
        raise _not_understood() from None


def _not_understood() -> NovaError:
    return GuestError("The daemon sent an invalid event.", code="guest_protocol_error")
