"""Reads the output of a command in the background, without asyncio."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import Callable, Optional

import httpx


class SyncReader:
    """A thread that reads the output.

    `read` calls `hold` with each response that it begins to read, and `mark_started` when the command runs.
    """

    def __init__(self, read: Callable[[SyncReader], None]) -> None:
        self._read = read
        self._started = threading.Event()
        self._done = threading.Event()
        self._failure: Optional[BaseException] = None
        self._response: Optional[httpx.Response] = None
        #: Whether reading should end.
        self.released = False
        threading.Thread(target=self._run, name="nova-command", daemon=True).start()

    @property
    def done(self) -> bool:
        return self._done.is_set()

    def hold(self, response: httpx.Response) -> None:
        """Keeps a response so that `release` can stop reading it."""
        self._response = response
        if self.released:
            _wake(response)

    def mark_started(self) -> None:
        self._started.set()

    def until_started(self) -> None:
        """Waits until the command runs or reading has ended."""
        self._started.wait()

    def until_done(self, timeout: Optional[float] = None) -> bool:
        """Waits until reading has ended and raises the error that ended it. False if the time limit passes first."""
        if not self._done.wait(timeout):
            return False
        if self._failure is not None:
            raise self._failure
        return True

    def release(self) -> None:
        """Stops reading."""
        self.released = True
        if self._response is not None:
            _wake(self._response)

    def _run(self) -> None:
        try:
            self._read(self)
        except BaseException as error:  # raised in the thread that waits
            self._failure = error
        finally:
            self._done.set()
            self._started.set()


def _wake(response: httpx.Response) -> None:
    """Makes another thread stop reading a response."""
    stream = response.extensions.get("network_stream")
    connection = None if stream is None else stream.get_extra_info("socket")
    if isinstance(connection, socket.socket):
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
