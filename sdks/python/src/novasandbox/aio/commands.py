"""Commands of one sandbox, for asyncio."""

from __future__ import annotations

from contextlib import suppress
from typing import List, Literal, Optional, Union, overload

from typing_extensions import Unpack

from .._api import guest
from .._execution import Execution, background_bytes, describe, foreground_bytes, result_of_executed
from .._options import RunOptions, one_or_the_other, refuse_callbacks
from ..errors import NovaError, ProcessNotFoundError
from ..models import ProcessInfo
from ..results import CommandResult, OutputSoFar, check_result
from ._transport import AsyncTransport
from ._waiting import uninterrupted
from .command_handle import AsyncCommandHandle, read_to_end, send_signal


class AsyncCommands:
    """Runs commands in a sandbox. A string is run by ``/bin/sh -c``, a list without a shell."""

    def __init__(self, transport: AsyncTransport, sandbox_id: str) -> None:
        self._transport = transport
        self._id = sandbox_id

    @overload
    async def run(
        self,
        cmd: guest.Command,
        *,
        background: Literal[False] = False,
        idempotency_key: Optional[str] = None,
        **options: Unpack[RunOptions],
    ) -> CommandResult: ...

    @overload
    async def run(
        self, cmd: guest.Command, *, background: Literal[True], **options: Unpack[RunOptions]
    ) -> AsyncCommandHandle: ...

    async def run(
        self,
        cmd: guest.Command,
        *,
        background: bool = False,
        idempotency_key: Optional[str] = None,
        **options: Unpack[RunOptions],
    ) -> Union[CommandResult, AsyncCommandHandle]:
        """Runs a command to its end.

        Raises CommandExitException when the command fails, and CommandTimeoutException when its time limit ends it.

        `background=True` returns a handle as soon as the command runs. With an `idempotency_key` the command runs only
        once, however often the call is repeated: the daemon returns the first response again. The call is then repeated
        automatically when a connection breaks, and its output is limited to 16 MiB and not streamed.
        """
        if background:
            if idempotency_key is not None:
                raise one_or_the_other("background")
            execution = Execution(self._id, options, command=cmd, default_max_bytes=background_bytes, keep_running=True)
            return await AsyncCommandHandle.begin(self._transport, execution)
        if idempotency_key is not None:
            return await self._run_once(cmd, idempotency_key, options)
        execution = Execution(self._id, options, command=cmd)
        try:
            await read_to_end(self._transport, execution)
        except BaseException:
            # An interrupted call or a callback that raises must not leave the command behind.
            await uninterrupted(self._end, execution)
            raise
        return execution.outcome()

    async def list(self) -> List[ProcessInfo]:
        """Lists commands that are running or ended recently."""
        listing = await self._transport.send(guest.processes(self._id))
        return listing.processes

    async def connect(
        self, process_id: int, *, stdout_offset: int = 0, stderr_offset: int = 0, **options: Unpack[RunOptions]
    ) -> AsyncCommandHandle:
        """Attaches to a running command; its output starts at the given offsets, as far as the guest has kept it."""
        execution = Execution(
            self._id,
            options,
            process_id=process_id,
            default_max_bytes=background_bytes,
            offsets=(stdout_offset, stderr_offset),
        )
        return await AsyncCommandHandle.begin(self._transport, execution)

    async def output(
        self,
        process_id: int,
        *,
        stdout_offset: int = 0,
        stderr_offset: int = 0,
        max_output_bytes: int = foreground_bytes,
    ) -> OutputSoFar:
        """Returns the output of a command so far, as far as the guest keeps it, also if it ended recently.

        To follow the command, `connect` at the end offsets of this output.
        """
        execution = Execution(
            self._id,
            {"max_output_bytes": max_output_bytes},
            process_id=process_id,
            offsets=(stdout_offset, stderr_offset),
            follow=False,
        )
        await read_to_end(self._transport, execution)
        return execution.so_far()

    async def kill(self, process_id: int, signal: Union[int, str] = "SIGKILL") -> bool:
        """Ends a command and all processes it started. False when it had already ended."""
        try:
            await self._transport.send(guest.signal(self._id, process_id, signal))
        except ProcessNotFoundError:
            return False
        return True

    async def _run_once(self, cmd: guest.Command, key: str, options: RunOptions) -> CommandResult:
        refuse_callbacks(options)
        executed = await self._transport.send(guest.execute(self._id, cmd, options, key))
        result = result_of_executed(executed)
        return check_result(describe(cmd), result) if options.get("check", True) else result

    async def _end(self, execution: Execution) -> None:
        with suppress(NovaError):
            await send_signal(self._transport, execution, "SIGKILL")
