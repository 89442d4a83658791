"""Commands in the guest."""

from __future__ import annotations

from typing import Any, Optional, Sequence, Union

from .._options import RunOptions
from .._request import Request, as_model, given, idempotency_key, nothing, segment
from ..errors import InvalidArgumentError
from ..models import Executed, ProcessList

Command = Union[str, Sequence[str]]

#: The daemon sends something at least every 15 seconds.
stream_patience = 60.0


def execute(ref: str, command: Command, options: RunOptions, key: Optional[str] = None) -> Request[Executed]:
    """Runs a command to its end in one request. Repeated with the same key, the command still runs only once."""
    limit = options.get("timeout") or 0
    return Request(
        "POST",
        f"{_vm(ref)}/execute",
        as_model(Executed),
        json=command_body(command, options),
        headers=idempotency_key(key),
        patience=limit + 60 if limit > 0 else 0,
    )


def execute_stream(ref: str, command: Command, options: RunOptions, keep_running: bool = False) -> Request[None]:
    """Runs a command and streams its output as lines of JSON. With `keep_running` it outlives its listeners."""
    body = command_body(command, options)
    if keep_running:
        body["keep_running"] = True
    return Request("POST", f"{_vm(ref)}/execute/stream", nothing, json=body, patience=stream_patience)


def attach(ref: str, process_id: int, stdout_offset: int, stderr_offset: int, *, follow: bool = True) -> Request[None]:
    """Streams a command's output from the given offsets on: to its end or, without `follow`, the output so far."""
    params: dict[str, Any] = {"stdout_offset": stdout_offset, "stderr_offset": stderr_offset}
    if not follow:
        params["follow"] = "false"
    path = f"{_vm(ref)}/processes/{int(process_id)}/output"
    return Request("GET", path, nothing, params=params, patience=stream_patience)


def processes(ref: str) -> Request[ProcessList]:
    return Request("GET", f"{_vm(ref)}/processes", as_model(ProcessList))


def signal(ref: str, process_id: int, number: Union[int, str]) -> Request[None]:
    """Sends a signal to the command and all processes it started."""
    return Request("POST", f"{_vm(ref)}/processes/{int(process_id)}/signal", nothing, json={"signal": number})


def command_body(command: Command, options: RunOptions) -> dict[str, Any]:
    """A command on the wire."""
    if not isinstance(command, str):
        command = list(command)
    if not command or not all(isinstance(part, str) for part in command):
        raise InvalidArgumentError(
            "command: must be text, or a list of texts that is not empty.", code="invalid_argument"
        )
    env = options.get("env")
    return given(
        command=command,
        timeout_seconds=options.get("timeout"),
        working_directory=options.get("cwd"),
        environment=None if env is None else dict(env),
        user=options.get("user"),
        stdin=_text(options.get("stdin")),
        tag=options.get("tag"),
    )


def _text(stdin: Union[str, bytes, None]) -> Optional[str]:
    if stdin is None or isinstance(stdin, str):
        return stdin
    try:
        return stdin.decode()
    except UnicodeDecodeError:
        raise InvalidArgumentError(
            "stdin: must be UTF-8.", code="invalid_argument", hint="Write other bytes to a file and redirect it."
        ) from None


def _vm(ref: str) -> str:
    return f"/vms/{segment(ref)}"
