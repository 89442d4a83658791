"""A command in the background."""

from __future__ import annotations

import socket
import threading
import time
from typing import Optional, Union

import httpx

from ._api import guest
from ._execution import Execution
from ._transport import SyncTransport
from .errors import NovaError, ProcessNotFoundError
from .results import CommandResult


def read_to_end(transport: SyncTransport, execution: Execution, handle: Optional[CommandHandle] = None) -> None:
    """Reads a command's stream, and finds it again when a connection breaks."""
    while not execution.ended:
        try:
            with transport.stream(execution.request) as response:
                if handle is not None:
                    handle._hold(response)
                for data in transport.chunks(response):
                    for piece in execution.feed(data):
                        piece.tell(piece.text)
                    if handle is not None and execution.started:
                        handle._started.set()
            if not execution.ended:
                raise execution.cut_off()
        except NovaError as error:
            if handle is not None and handle._released:
                return
            time.sleep(execution.resume(error))


def send_signal(transport: SyncTransport, execution: Execution, number: Union[int, str]) -> bool:
    """False when the command had ended."""
    if execution.process_id is None or execution.ended:
        return False
    try:
        transport.send(guest.signal(execution.sandbox_id, execution.process_id, number))
    except ProcessNotFoundError:
        return False
    return True


class CommandHandle:
    """A command that runs in the background.

    A thread of its own reads the output as it comes, so that the command never waits because nobody looks; callbacks
    are called from it. Letting go of the handle leaves the command running: `commands.connect(process_id)` finds it again.
    """

    def __init__(self, transport: SyncTransport, execution: Execution) -> None:
        self._transport = transport
        self._execution = execution
        self._started = threading.Event()
        self._done = threading.Event()
        self._failure: Optional[BaseException] = None
        self._released = False
        self._response: Optional[httpx.Response] = None
        threading.Thread(target=self._read, name="nova-command", daemon=True).start()
        self._started.wait()
        if self._failure is not None and not execution.started:
            raise self._failure

    @property
    def process_id(self) -> int:
        """What `commands.connect` and `commands.kill` take."""
        return self._execution.process_id or 0

    @property
    def pid(self) -> int:
        """Its number in the guest."""
        return self._execution.pid or 0

    @property
    def is_running(self) -> bool:
        return not self._done.is_set()

    @property
    def stdout(self) -> str:
        """The newest output so far."""
        return self._execution.stdout.content().decode(errors="replace")

    @property
    def stderr(self) -> str:
        return self._execution.stderr.content().decode(errors="replace")

    def wait(self, timeout: Optional[float] = None) -> CommandResult:
        """Its result, when it has ended; raises as `commands.run` does. `timeout` limits the waiting, not the command."""
        self._await_end(timeout)
        return self._execution.outcome()

    def result(self, timeout: Optional[float] = None) -> CommandResult:
        """Its result, good or bad."""
        self._await_end(timeout)
        return self._execution.result()

    def send_signal(self, number: Union[int, str]) -> bool:
        """To the command and all it started. False when it had ended."""
        return send_signal(self._transport, self._execution, number)

    def kill(self) -> bool:
        """Ends the command and all it started. False when it had ended."""
        return self.send_signal("SIGKILL")

    def disconnect(self) -> None:
        """Lets go of the command, which goes on."""
        self._released = True
        if self._response is not None:
            _wake(self._response)

    def __enter__(self) -> CommandHandle:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.disconnect()

    def _hold(self, response: httpx.Response) -> None:
        self._response = response
        if self._released:
            _wake(response)

    def _read(self) -> None:
        try:
            read_to_end(self._transport, self._execution, self)
        except BaseException as error:  # raised to whoever waits
            self._failure = error
        finally:
            self._done.set()
            self._started.set()

    def _await_end(self, timeout: Optional[float]) -> None:
        if not self._done.wait(timeout):
            raise TimeoutError(f"{self._execution.name} still runs after {timeout} s")
        if self._failure is not None:
            raise self._failure
        if not self._execution.ended:
            raise NovaError("The handle was disconnected before the command ended.", code="cancelled")


def _wake(response: httpx.Response) -> None:
    """Ends the reading of an answer that another thread is in."""
    stream = response.extensions.get("network_stream")
    connection = None if stream is None else stream.get_extra_info("socket")
    if isinstance(connection, socket.socket):
        try:
            connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
