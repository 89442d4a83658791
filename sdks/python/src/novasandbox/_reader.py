"""Reads the output of a command in the background, without asyncio."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import Callable, Optional

import httpx


class SyncReader:
    """A thread that reads.

    `read` calls `hold` with each answer it begins to read, and `mark_started` when the command runs.
    """

    def __init__(self, read: Callable[[SyncReader], None]) -> None:
        self._read = read
        self._started = threading.Event()
        self._done = threading.Event()
        self._failure: Optional[BaseException] = None
        self._response: Optional[httpx.Response] = None
        #: Whether the reading should end.
        self.released = False
        threading.Thread(target=self._run, name="nova-command", daemon=True).start()

    @property
    def done(self) -> bool:
        return self._done.is_set()

    def hold(self, response: httpx.Response) -> None:
        """Keeps an answer, so that `release` can end its reading."""
        self._response = response
        if self.released:
            _wake(response)

    def mark_started(self) -> None:
        self._started.set()

    def until_started(self) -> None:
        """Waits until the command runs, or the reading has ended."""
        self._started.wait()

    def until_done(self, timeout: Optional[float] = None) -> bool:
        """Waits until the reading has ended, and raises what ended it. False when the time is up before."""
        if not self._done.wait(timeout):
            return False
        if self._failure is not None:
            raise self._failure
        return True

    def release(self) -> None:
        """Ends the reading."""
        self.released = True
        if self._response is not None:
            _wake(self._response)

    def _run(self) -> None:
        try:
            self._read(self)
        except BaseException as error:  # raised to whoever waits
            self._failure = error
        finally:
            self._done.set()
            self._started.set()


def _wake(response: httpx.Response) -> None:
    """Ends the reading of an answer that another thread is in."""
    stream = response.extensions.get("network_stream")
    connection = None if stream is None else stream.get_extra_info("socket")
    if isinstance(connection, socket.socket):
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
