"""Commands of one sandbox."""

from __future__ import annotations

from typing import List, Literal, Optional, Union, overload

from typing_extensions import Unpack

from ._api import guest
from ._connection import check_options
from ._execution import Execution, background_bytes, describe, result_of_executed
from ._options import RunOptions
from ._transport import SyncTransport
from .command_handle import CommandHandle, read_to_end, send_signal
from .errors import InvalidArgumentError, NovaError, ProcessNotFoundError
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
        """Runs a command to its end; raises CommandExitException when it fails, CommandTimeoutException when its time is up.

        `background=True` returns a handle as soon as it runs. With an `idempotency_key` the command runs once, however often
        the call is repeated: the daemon answers as it did the first time, and the call is repeated by itself when a
        connection breaks; output is then limited to 16 MiB and not streamed.
        """
        if background:
            if idempotency_key is not None:
                raise one_or_the_other("background")
            execution = Execution(
                self._id, options, command=cmd, default_max_bytes=background_bytes, keep_running=True
            )
            return CommandHandle(self._transport, execution)
        if idempotency_key is not None:
            return self._run_once(cmd, idempotency_key, options)
        execution = Execution(self._id, options, command=cmd)
        try:
            read_to_end(self._transport, execution)
        except BaseException:
            # Whoever interrupts the call, or a callback that raises, does not leave the command behind.
            self._end(execution)
            raise
        return execution.outcome()

    def list(self) -> List[ProcessInfo]:
        """Commands that run or have just ended."""
        return self._transport.send(guest.processes(self._id)).processes

    def connect(self, process_id: int, **options: Unpack[RunOptions]) -> CommandHandle:
        """A handle on a command that runs, with what output the guest has kept."""
        return CommandHandle(
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
        result = result_of_executed(self._transport.send(guest.execute(self._id, cmd, options, key)))
        return check_result(describe(cmd), result) if options.get("check", True) else result

    def _end(self, execution: Execution) -> None:
        try:
            send_signal(self._transport, execution, "SIGKILL")
        except NovaError:
            pass


def refuse_callbacks(options: RunOptions) -> None:
    """A command that may be answered from memory has nothing to stream."""
    check_options(options, RunOptions)
    if options.get("on_stdout") is not None or options.get("on_stderr") is not None:
        raise one_or_the_other("callbacks")


def one_or_the_other(what: str) -> NovaError:
    return InvalidArgumentError(f"idempotency_key: does not go together with {what}.", code="invalid_argument")
