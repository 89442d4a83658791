"""Requests as data, parsing of their responses, and rules for repeating them."""

from __future__ import annotations

import random
import re
import uuid
from dataclasses import dataclass, field
from typing import Any, Callable, Generic, Mapping, NoReturn, Optional, Type, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel, ValidationError

from ._connection import Connection
from .errors import InvalidArgumentError, NetworkError, NovaError, RateLimitedError, TimedOutError, error_of

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)

prefix = "/api/v1"
max_attempts = 4
longest_wait = 10.0


@dataclass(frozen=True)
class Request(Generic[T]):
    """One call of the REST API, which the sync and async clients share."""

    method: str
    #: Path below /api/v1.
    path: str
    #: Builds the result from a successful response.
    parse: Callable[[httpx.Response], T]
    params: Mapping[str, Any] = field(default_factory=dict)
    json: Any = None
    #: Bytes, or an iterable of bytes, sent unchanged.
    content: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    #: Names of the caller's arguments, by the field of the request; used in errors.
    arguments_of: Mapping[str, str] = field(default_factory=dict)
    #: Seconds that may pass without data; None: the connection's limit; 0: no limit.
    patience: Optional[float] = None

    @property
    def repeatable(self) -> bool:
        """Whether sending the request twice has the same effect as sending it once."""
        return self.content is None and (self.method == "GET" or "idempotency-key" in self.headers)

    def arguments(self, connection: Connection) -> Mapping[str, Any]:
        """Arguments for `build_request` of httpx's clients."""
        seconds = connection.request_timeout if self.patience is None else (self.patience or None)
        # Connecting never needs the longer limit, and the pool is unlimited, so nothing waits for it.
        timeout = httpx.Timeout(seconds, connect=min(10.0, connection.request_timeout), pool=None)
        given: dict[str, Any] = {
            "method": self.method,
            "url": prefix + self.path,
            "headers": dict(self.headers),
            "params": {name: value for name, value in self.params.items() if value is not None},
            "timeout": timeout,
        }
        if self.json is not None:
            given["json"] = self.json
        if self.content is not None:
            given["content"] = self.content
            given["headers"]["content-type"] = "application/octet-stream"
        return given


def segment(value: str, what: str = "sandbox") -> str:
    """Encodes a name as a single segment of a path, so that it cannot lead elsewhere."""
    if not isinstance(value, str) or value in ("", ".", ".."):
        raise InvalidArgumentError(f"{what}: {value!r} is not an id or name.", code="invalid_argument")
    return quote(value, safe="")


def given(**fields: Any) -> dict[str, Any]:
    """Returns the fields that were given; the daemon chooses the others."""
    return {name: value for name, value in fields.items() if value is not None}


def idempotency_key(key: Optional[str] = None) -> Mapping[str, str]:
    """The header with which a repeated request is executed only once."""
    if key is not None and not re.fullmatch(r"[\x21-\x7e]{1,200}", key):
        raise InvalidArgumentError(
            "idempotency_key: must be 1 to 200 printable characters without spaces.", code="invalid_argument"
        )
    return {"idempotency-key": key if key is not None else uuid.uuid4().hex}


def as_model(model: Type[M]) -> Callable[[httpx.Response], M]:
    """Parses a response as `model`; any other response did not come from a daemon."""

    def parse(response: httpx.Response) -> M:
        try:
            return model.model_validate_json(response.content)
        except ValidationError as error:
            raise NetworkError(
                f"The answer is not one of a NovaSandbox daemon: {error.error_count()} fields do not fit.",
                code="internal",
                hint="Check NOVA_API_URL, and that daemon and SDK have the same version.",
                status_code=response.status_code,
            ) from error

    return parse


def nothing(_response: httpx.Response) -> None:
    """Parses a response without content."""


def raise_for(response: httpx.Response, request: Request[Any]) -> None:
    """Raises the error in a response that has been read, naming fields as the caller knows them."""
    if response.is_success:
        return
    try:
        error = response.json()["error"]
        said = {part: in_words(str(error[part]), request.arguments_of) for part in ("message", "hint") if part in error}
        error = {**error, **said}
        raised = error_of(error, response.status_code)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise NetworkError(
            f"Something that is not a NovaSandbox daemon answered with {response.status_code}.",
            code="internal",
            hint="Check NOVA_API_URL, and any proxy between this host and the daemon.",
            status_code=response.status_code,
        ) from None
    if isinstance(raised, RateLimitedError):
        raised.details = {**raised.details, "retry_after_seconds": _seconds(response.headers.get("retry-after"))}
    raise raised


def in_words(text: str, names: Mapping[str, str]) -> str:
    """Replaces names of fields in a text: before a colon, or anywhere if the name cannot be English."""
    text = re.sub(r"(^|: |; )(\w+)(?=(?:\.[^\s:]+)?: )", lambda found: found[1] + names.get(found[2], found[2]), text)
    return re.sub(r"\b[a-z]+_\w+", lambda found: names.get(found[0], found[0]), text)


def raise_network_error(error: httpx.TransportError, connection: Connection) -> NoReturn:
    """Raises an error of the network as one of ours."""
    if isinstance(error, httpx.TimeoutException) and not isinstance(error, httpx.ConnectTimeout):
        raise TimedOutError(
            f"The daemon at {connection.place} has been silent for too long.",
            code="request_timeout",
            hint="Raise request_timeout, or look at the daemon's log.",
        ) from error
    if isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout)):
        local = connection.socket is not None
        raise NetworkError(
            f"There is no daemon at {connection.place}: {error}",
            code="server_unreachable",
            hint="Start it with `nova serve`, or set NOVA_API_URL."
            if local
            else "Is it running, and is that its address?",
        ) from error
    raise NetworkError(
        f"The connection to {connection.place} broke: {error or type(error).__name__}", code="connection_lost"
    ) from error


def wait_before_retry(request: Request[Any], error: NovaError, attempt: int) -> Optional[float]:
    """Returns the seconds to wait before `request` is repeated after attempt `attempt` failed; None: do not repeat."""
    if attempt >= max_attempts:
        return None
    backoff: float = 0.1 * 2**attempt * random.uniform(0.5, 1.0)
    if error.code in ("rate_limited", "channel_busy") and request.content is None:
        # The daemon has done nothing, so any request may be repeated.
        wait: float = float(error.details.get("retry_after_seconds") or backoff)
        return wait if wait <= longest_wait else None
    broken = isinstance(error, NetworkError) and error.code == "connection_lost"
    gateway = error.status_code in (502, 503, 504) and isinstance(error, NetworkError)
    if request.repeatable and (broken or gateway or error.code == "shutting_down"):
        return backoff
    return None


def _seconds(text: Optional[str]) -> Optional[float]:
    return float(text) if text is not None and text.isdigit() else None
