# Written by generate_sync.py from aio/commands.py: change that file, and run it again.
"""Commands of one sandbox."""

from __future__ import annotations

from contextlib import suppress
from typing import List, Literal, Optional, Union, overload

from typing_extensions import Unpack

from ._api import guest
from ._execution import Execution, background_bytes, describe, result_of_executed
from ._options import RunOptions, one_or_the_other, refuse_callbacks
from ._transport import SyncTransport
from ._waiting import uninterrupted
from .command_handle import CommandHandle, read_to_end, send_signal
from .errors import NovaError, ProcessNotFoundError
from .models import ProcessInfo
from .results import CommandResult, check_result


class Commands:
    """Runs commands in a sandbox. A string goes to ``/bin/sh -c``, a list is executed as it is."""

    def __init__(self, transport: SyncTransport, sandbox_id: str) -> None:
        self._transport = transport
        self._id = sandbox_id

    @overload
    def run(
        self,
        cmd: guest.Command,
        *,
        background: Literal[False] = False,
        idempotency_key: Optional[str] = None,
        **options: Unpack[RunOptions],
    ) -> CommandResult: ...

    @overload
    def run(self, cmd: guest.Command, *, background: Literal[True], **options: Unpack[RunOptions]) -> CommandHandle: ...

    def run(
        self,
        cmd: guest.Command,
        *,
        background: bool = False,
        idempotency_key: Optional[str] = None,
        **options: Unpack[RunOptions],
    ) -> Union[CommandResult, CommandHandle]:
        """Runs a command to its end.

        It raises CommandExitException when the command fails, CommandTimeoutException when its time is up.

        `background=True` returns a handle as soon as it runs. With an `idempotency_key` the command runs once, however
        often the call is repeated: the daemon answers as it did the first time, and the call is repeated by itself when
        a connection breaks; output is then limited to 16 MiB and not streamed.
        """
        if background:
            if idempotency_key is not None:
                raise one_or_the_other("background")
            execution = Execution(self._id, options, command=cmd, default_max_bytes=background_bytes, keep_running=True)
            return CommandHandle.begin(self._transport, execution)
        if idempotency_key is not None:
            return self._run_once(cmd, idempotency_key, options)
        execution = Execution(self._id, options, command=cmd)
        try:
            read_to_end(self._transport, execution)
        except BaseException:
            # Whoever interrupts the call, or a callback that raises, does not leave the command behind.
            uninterrupted(self._end, execution)
            raise
        return execution.outcome()

    def list(self) -> List[ProcessInfo]:
        """Commands that run or have just ended."""
        listing = self._transport.send(guest.processes(self._id))
        return listing.processes

    def connect(self, process_id: int, **options: Unpack[RunOptions]) -> CommandHandle:
        """A handle on a command that runs, with what output the guest has kept."""
        return CommandHandle.begin(
            self._transport, Execution(self._id, options, process_id=process_id, default_max_bytes=background_bytes)
        )

    def kill(self, process_id: int, signal: Union[int, str] = "SIGKILL") -> bool:
        """Ends a command and all it started. False when it had ended."""
        try:
            self._transport.send(guest.signal(self._id, process_id, signal))
        except ProcessNotFoundError:
            return False
        return True

    def _run_once(self, cmd: guest.Command, key: str, options: RunOptions) -> CommandResult:
        refuse_callbacks(options)
        executed = self._transport.send(guest.execute(self._id, cmd, options, key))
        result = result_of_executed(executed)
        return check_result(describe(cmd), result) if options.get("check", True) else result

    def _end(self, execution: Execution) -> None:
        with suppress(NovaError):
            send_signal(self._transport, execution, "SIGKILL")
