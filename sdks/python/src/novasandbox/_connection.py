"""The daemon's address and credentials."""

from __future__ import annotations

import os
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Iterable, Mapping, Optional
from urllib.parse import urlsplit

from typing_extensions import TypedDict

from .errors import InvalidArgumentError, PermissionDeniedError

default_request_timeout = 30.0


class ConnectionOptions(TypedDict, total=False):
    """The daemon to use. Default: `NOVA_API_URL` with `NOVA_API_KEY`, otherwise the local daemon's socket."""

    #: URL such as ``http://127.0.0.1:8000``; default: ``NOVA_API_URL``.
    api_url: Optional[str]
    #: Default: ``NOVA_API_KEY``. The local daemon's socket needs no key.
    api_key: Optional[str]
    #: State folder of the local daemon; default: ``NOVA_HOME``, else the user's own.
    home: Optional[str]
    #: Seconds without data after which a request fails. Starting sandboxes and running commands have own limits.
    request_timeout: Optional[float]
    #: An httpx transport in place of the network: ``httpx.MockTransport`` in tests.
    http_transport: Any


@dataclass(frozen=True)
class Connection:
    """Resolved options, from which both kinds of client are built."""

    base_url: str
    headers: Mapping[str, str]
    #: Path of the local daemon's socket, if it is used.
    socket: Optional[str]
    request_timeout: float
    http_transport: Any

    @property
    def encrypted(self) -> bool:
        """Whether certificates are checked; loading the trusted ones takes time, so it is skipped otherwise."""
        return self.base_url.startswith("https:")

    @property
    def proxied(self) -> bool:
        """Whether the environment's proxies apply; they never do for this machine itself."""
        return self.socket is None and not _is_loopback(self.base_url)

    @property
    def place(self) -> str:
        """The daemon's address in error messages."""
        return self.socket if self.socket is not None else self.base_url


def connection_of(options: ConnectionOptions) -> Connection:
    """Resolves options and environment. Opens no connection."""
    check_options(options, ConnectionOptions)
    home = options.get("home")
    url = options.get("api_url") or (os.environ.get("NOVA_API_URL") if home is None else None)
    key = options.get("api_key") or os.environ.get("NOVA_API_KEY")
    timeout = options.get("request_timeout")
    headers = {"user-agent": "novasandbox-python", "accept": "application/json"}
    # The socket grants its owner everything: a key could only reduce that.
    if key and (url or options.get("api_key")):
        headers["x-api-key"] = _checked_key(key)
    return Connection(
        base_url=_checked_url(url) if url else "http://localhost",
        headers=headers,
        socket=None if url else _checked_socket(_home(home) / "nova.sock"),
        request_timeout=default_request_timeout if timeout is None else timeout,
        http_transport=options.get("http_transport"),
    )


def check_options(options: Mapping[str, Any], kind: Any) -> None:
    """Raises TypeError for a misspelt option, as a function does."""
    unknown = sorted(set(options) - set(kind.__annotations__))
    if unknown:
        raise TypeError(unknown_names(unknown, kind.__annotations__))


def unknown_names(names: Iterable[str], known: Iterable[str]) -> str:
    """Names the unknown options and, for each, the known one that was probably meant."""
    choices = list(known)

    def said(name: str) -> str:
        meant = get_close_matches(name, choices, 1)
        return f"there is no option {name}" + (f"; did you mean {meant[0]}?" if meant else "")

    return ", ".join(said(name) for name in names)


def connection_part(options: Mapping[str, Any]) -> ConnectionOptions:
    """Selects the options about the connection."""
    part: Any = {name: options[name] for name in ConnectionOptions.__annotations__ if name in options}
    return part  # type: ignore[no-any-return]


def _home(home: Optional[str]) -> Path:
    named = home or os.environ.get("NOVA_HOME")
    if named:
        return Path(named).absolute()
    if hasattr(os, "getuid") and os.getuid() == 0:
        return Path("/var/lib/novasandbox")
    return Path.home() / ".novasandbox"


def _checked_socket(path: Path) -> str:
    """Refuses a socket that another user has put in its place, since it would receive everything we send."""
    try:
        owner = path.stat().st_uid
    except OSError:
        return str(path)
    if hasattr(os, "geteuid") and owner != os.geteuid():
        raise PermissionDeniedError(
            f"{path} belongs to another user (uid {owner}).",
            code="permission_denied",
            hint="Set NOVA_HOME to a folder of your own, or name the daemon's address in NOVA_API_URL.",
        )
    return str(path)


def _checked_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidArgumentError(
            f'"{url}" is not the address of a daemon.',
            code="invalid_argument",
            hint="It looks like http://127.0.0.1:8000.",
        )
    return url.rstrip("/")


def _checked_key(key: str) -> str:
    if not key.isascii() or not key.isprintable() or " " in key:
        raise InvalidArgumentError(
            "The API key contains invalid characters.",
            code="invalid_argument",
            hint="Keys are nova_ or e2b_ and hexadecimal digits.",
        )
    return key


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    return host in ("localhost", "::1") or host.startswith("127.")
