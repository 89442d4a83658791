"""Options that sync and async calls share."""

from __future__ import annotations

from typing import Callable, Mapping, Optional, Union

from typing_extensions import TypedDict

from ._connection import ConnectionOptions, check_options
from .errors import InvalidArgumentError, NovaError


class CreateOptions(TypedDict, total=False):
    """What a sandbox is made of. Everything has a default; sizes default to the template's."""

    #: Unique on the daemon's host; works wherever an id does.
    name: Optional[str]
    vcpus: Optional[int]
    memory_mb: Optional[int]
    #: Size of the writable layer.
    disk_mb: Optional[int]
    #: Most processes and threads in the guest.
    max_processes: Optional[int]
    #: Seconds the start may take.
    boot_timeout: Optional[float]
    #: Outbound network; without it the guest has no network interface.
    network: Optional[bool]
    #: A port of the host's loopback that leads to `guest_port`.
    host_port: Optional[int]
    guest_port: Optional[int]
    read_only_rootfs: Optional[bool]
    #: Labels for `list`.
    metadata: Optional[Mapping[str, str]]
    #: Environment of every command.
    env: Optional[Mapping[str, str]]
    #: User of every command; default: the template's.
    user: Optional[str]
    #: Seconds it lives; 0: until it is removed. Default: the daemon's (5 minutes unless configured).
    timeout: Optional[float]
    #: Seconds without a command or request after which it stops; 0: never.
    idle_timeout: Optional[float]
    #: Remove it as soon as it stops.
    ephemeral: Optional[bool]
    #: ``auto``, ``qemu``, ...
    hypervisor: Optional[str]
    #: Processor of the guest, ``amd64`` or ``arm64``; default: that of the daemon's host.
    architecture: Optional[str]
    #: A repeated `create` with the same key gives the same sandbox. Default: one of its own for every call.
    idempotency_key: Optional[str]


class SandboxOptions(CreateOptions, ConnectionOptions, total=False):
    """What `Sandbox.create` takes."""


class RunOptions(TypedDict, total=False):
    """How a command runs."""

    #: Default: the home of the user.
    cwd: Optional[str]
    env: Optional[Mapping[str, str]]
    user: Optional[str]
    #: Seconds; then its process group gets SIGTERM, and SIGKILL two seconds later. Default: no limit.
    timeout: Optional[float]
    #: Text for its standard input, which is then closed.
    stdin: Union[str, bytes, None]
    #: A word of yours, shown by `commands.list`.
    tag: Optional[str]
    #: Told the text of stdout as it comes. In async calls it may be a coroutine function.
    on_stdout: Optional[Callable[[str], object]]
    on_stderr: Optional[Callable[[str], object]]
    #: False: a failure is a result, not an exception.
    check: bool
    #: Kept of stdout, and of stderr: the newest. Default: 64 MiB, 1 MiB in the background.
    max_output_bytes: Optional[int]


def refuse_callbacks(options: RunOptions) -> None:
    """A command that may be answered from memory has nothing to stream."""
    check_options(options, RunOptions)
    if options.get("on_stdout") is not None or options.get("on_stderr") is not None:
        raise one_or_the_other("callbacks")


def one_or_the_other(what: str) -> NovaError:
    return InvalidArgumentError(f"idempotency_key: does not go together with {what}.", code="invalid_argument")
