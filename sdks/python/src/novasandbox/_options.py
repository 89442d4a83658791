"""Options that sync and async calls share."""

from __future__ import annotations

from typing import Callable, Mapping, Optional, Sequence, Union

from typing_extensions import TypedDict

from ._connection import ConnectionOptions, check_options
from ._fields import (
    ConfigOptions,
    SecretsItemBudget,
    SecretsItemHostsItem,
    SecretsItemInject,
    SecretsItemPositions,
    VolumesItem,
)
from .errors import InvalidArgumentError, NovaError


class CreateOptions(ConfigOptions, total=False):
    """Configuration of a sandbox, and options of its creation."""

    #: Seconds of idleness after which the sandbox stops, or is put away as `on_timeout` says; 0: never.
    idle_timeout: Optional[float]
    #: A repeated `create` with the same key returns the same sandbox. Default: a new key for every call.
    idempotency_key: Optional[str]


class SandboxOptions(CreateOptions, ConnectionOptions, total=False):
    """Options of `Sandbox.create`."""


class SecretSettings(TypedDict, total=False):
    """A secret that a guest uses without having it; see the document about secrets."""

    #: The value, which the guest never gets. It is needed, as are the hosts.
    value: str
    #: The hosts that get the value, over TLS with a valid certificate.
    hosts: Sequence[SecretsItemHostsItem]
    #: The places of a request in which the placeholder stands for the value.
    positions: SecretsItemPositions
    #: A header that each request to the hosts gets.
    inject: SecretsItemInject
    #: The environment variable with the placeholder. Default: the name of the secret; None: none.
    env: Optional[str]
    budget: SecretsItemBudget


class OwnOptions(TypedDict, total=False):
    """What a sandbox that goes on from another has of its own; all else is as in the other."""

    #: With several children, the beginning of their names: `name-1`, `name-2`.
    name: Optional[str]
    metadata: Optional[Mapping[str, str]]
    #: Variables of new commands, besides the other's.
    env: Optional[Mapping[str, str]]
    #: Seconds that it lives from now on; 0: no limit. Default: that of the other's config.
    timeout: Optional[float]
    #: Seconds of idleness after which it stops, or is put away as `on_timeout` says; 0: never.
    idle_timeout: Optional[float]
    #: Whether it is removed when it stops.
    ephemeral: Optional[bool]
    #: What happens when its time to live ends: stop, pause, hibernate or hibernate-disk.
    on_timeout: Optional[str]
    #: Whether the next command, file or port request wakes it.
    auto_resume: Optional[bool]


class ForkOptions(OwnOptions, total=False):
    """The same for the children of a running sandbox."""

    #: Whether they have the secrets of the original. Default: they have none.
    keep_secrets: Optional[bool]


class ContinueOptions(OwnOptions, total=False):
    """The same for a sandbox that goes on from a snapshot."""

    #: False: it boots from the disk, also where the snapshot has memory.
    memory: Optional[bool]
    #: Port of 127.0.0.1 on the host that leads to the guest's `guest_port`.
    host_port: Optional[int]
    #: Its volumes, where it boots from the disk alone. Default: the other's.
    volumes: Optional[Sequence[VolumesItem]]


class FromSnapshotOptions(ContinueOptions, ConnectionOptions, total=False):
    """Options of `Sandbox.from_snapshot`."""


class RunOptions(TypedDict, total=False):
    """Options of a command."""

    #: Working directory. Default: the user's home.
    cwd: Optional[str]
    env: Optional[Mapping[str, str]]
    user: Optional[str]
    #: Seconds after which the process group gets SIGTERM, and SIGKILL two seconds later. Default: no limit.
    timeout: Optional[float]
    #: Text written to standard input, which is then closed.
    stdin: Union[str, bytes, None]
    #: A label of your own, shown by `commands.list`.
    tag: Optional[str]
    #: Called with the text of stdout as it arrives. In async calls it may be a coroutine function.
    on_stdout: Optional[Callable[[str], object]]
    on_stderr: Optional[Callable[[str], object]]
    #: False: a failure is returned as a result instead of raised.
    check: bool
    #: Limit of the bytes kept of stdout and stderr each, the newest. Default: 64 MiB, in the background 1 MiB.
    max_output_bytes: Optional[int]


def refuse_callbacks(options: RunOptions) -> None:
    """Refuses callbacks with an idempotency key: the response may come from memory and has nothing to stream."""
    check_options(options, RunOptions)
    if options.get("on_stdout") is not None or options.get("on_stderr") is not None:
        raise one_or_the_other("callbacks")


def one_or_the_other(what: str) -> NovaError:
    return InvalidArgumentError(f"idempotency_key: does not go together with {what}.", code="invalid_argument")
