# Written by generate_sync.py from aio/command_handle.py: change that file, and run it again.
"""A command in the background."""

from __future__ import annotations

from functools import partial
from typing import Optional, Union

from ._api import guest
from ._execution import Execution
from ._reader import SyncReader
from ._transport import SyncTransport
from ._waiting import sleep, tell
from .errors import NovaError, ProcessNotFoundError
from .results import CommandResult


def read_to_end(transport: SyncTransport, execution: Execution, reader: Optional[SyncReader] = None) -> None:
    """Reads a command's stream, and resumes it when a connection breaks."""
    while not execution.ended:
        try:
            with transport.stream(execution.request) as response:
                if reader is not None:
                    reader.hold(response)
                for data in transport.chunks(response):
                    for piece in execution.feed(data):
                        tell(piece)
                    if reader is not None and execution.started:
                        reader.mark_started()
            if not execution.ended:
                raise execution.cut_off()
        except NovaError as error:
            if reader is not None and reader.released:
                return
            sleep(execution.resume(error))


def send_signal(transport: SyncTransport, execution: Execution, number: Union[int, str]) -> bool:
    """Sends a signal. False when the command had already ended."""
    if execution.process_id is None or execution.ended:
        return False
    try:
        transport.send(guest.signal(execution.sandbox_id, execution.process_id, number))
    except ProcessNotFoundError:
        return False
    return True


class CommandHandle:
    """A command that runs in the background.

    A thread of its own reads the output as it arrives and calls the callbacks, so the command never waits for a reader.
    Discarding the handle leaves the command running, and `commands.connect(process_id)` attaches to it again.
    """

    def __init__(self, transport: SyncTransport, execution: Execution) -> None:
        self._transport = transport
        self._execution = execution
        self._reader = SyncReader(partial(read_to_end, transport, execution))

    @classmethod
    def begin(cls, transport: SyncTransport, execution: Execution) -> CommandHandle:
        """Returns a handle as soon as the command runs."""
        handle = cls(transport, execution)
        handle._reader.until_started()
        if not execution.started:
            handle._reader.until_done()
        return handle

    @property
    def process_id(self) -> int:
        """The id for `commands.connect` and `commands.kill`."""
        return self._execution.process_id or 0

    @property
    def pid(self) -> int:
        """The process id in the guest."""
        return self._execution.pid or 0

    @property
    def is_running(self) -> bool:
        return not self._reader.done

    @property
    def stdout(self) -> str:
        """The newest output so far."""
        return self._execution.stdout.content().decode(errors="replace")

    @property
    def stderr(self) -> str:
        return self._execution.stderr.content().decode(errors="replace")

    def wait(self, timeout: Optional[float] = None) -> CommandResult:
        """Waits for the result; raises like `commands.run`. `timeout` limits the wait, not the command."""
        self._await_end(timeout)
        return self._execution.outcome()

    def result(self, timeout: Optional[float] = None) -> CommandResult:
        """Waits for the result, successful or not."""
        self._await_end(timeout)
        return self._execution.result()

    def send_signal(self, number: Union[int, str]) -> bool:
        """Sends a signal to the command and all processes it started. False when it had already ended."""
        return send_signal(self._transport, self._execution, number)

    def kill(self) -> bool:
        """Kills the command and all processes it started. False when it had already ended."""
        return self.send_signal("SIGKILL")

    def disconnect(self) -> None:
        """Stops listening; the command continues."""
        self._reader.release()

    def __enter__(self) -> CommandHandle:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.disconnect()

    def _await_end(self, timeout: Optional[float]) -> None:
        if not self._reader.until_done(timeout):
            raise TimeoutError(f"{self._execution.name} still runs after {timeout} s")
        if not self._execution.ended:
            raise NovaError("The handle was disconnected before the command ended.", code="cancelled")
