"""A request as data, what its answer means, and when it may be sent again."""

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
    """One call of the REST API. Sync and async clients send the same ones."""

    method: str
    #: Below /api/v1.
    path: str
    #: Makes the result of a successful answer.
    parse: Callable[[httpx.Response], T]
    params: Mapping[str, Any] = field(default_factory=dict)
    json: Any = None
    #: Bytes or an iterable of them, sent as they are.
    content: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    #: Seconds of silence it may take; None: as the connection says; 0: for ever.
    patience: Optional[float] = None

    @property
    def repeatable(self) -> bool:
        """Whether sending it twice does no more than sending it once."""
        return self.content is None and (self.method == "GET" or "idempotency-key" in self.headers)

    def arguments(self, connection: Connection) -> Mapping[str, Any]:
        """For `build_request` of httpx's clients."""
        seconds = connection.request_timeout if self.patience is None else (self.patience or None)
        # Finding the daemon takes no patience; a pool never has to be waited for.
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
    """A name as one segment of a path: it reaches nothing it could climb out of."""
    if not isinstance(value, str) or value in ("", ".", ".."):
        raise InvalidArgumentError(f"{what}: {value!r} is no id or name.", code="invalid_argument")
    return quote(value, safe="")


def given(**fields: Any) -> dict[str, Any]:
    """The fields that were given: the others are the daemon's to choose."""
    return {name: value for name, value in fields.items() if value is not None}


def idempotency_key(key: Optional[str] = None) -> Mapping[str, str]:
    """The header under which a repeated request is done once."""
    if key is not None and not re.fullmatch(r"[\x21-\x7e]{1,200}", key):
        raise InvalidArgumentError(
            "idempotency_key: must be 1 to 200 printable characters without spaces.", code="invalid_argument"
        )
    return {"idempotency-key": key if key is not None else uuid.uuid4().hex}


def as_model(model: Type[M]) -> Callable[[httpx.Response], M]:
    """Reads an answer as `model`; anything else did not come from a daemon."""

    def parse(response: httpx.Response) -> M:
        try:
            return model.model_validate_json(response.content)
        except ValidationError as error:
            raise NetworkError(
                f"The answer is not one of a NovaSandbox daemon: {error.error_count()} fields do not fit.",
                code="internal",
                hint="Check NOVA_API_URL, and that daemon and SDK are of the same age.",
                status_code=response.status_code,
            ) from error

    return parse


def nothing(_response: httpx.Response) -> None:
    """For answers that say nothing."""


def raise_for(response: httpx.Response) -> None:
    """Raises what an answer says went wrong. The answer has been read."""
    if response.is_success:
        return
    try:
        error = response.json()["error"]
        raised = error_of(error, response.status_code)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise NetworkError(
            f"Something that is not a NovaSandbox daemon answered with {response.status_code}.",
            code="internal",
            hint="Check NOVA_API_URL and what lies between.",
            status_code=response.status_code,
        ) from None
    if isinstance(raised, RateLimitedError):
        raised.details = {**raised.details, "retry_after_seconds": _seconds(response.headers.get("retry-after"))}
    raise raised


def raise_network_error(error: httpx.TransportError, connection: Connection) -> NoReturn:
    """What the network did, as one of ours."""
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
    """Seconds until `request` may be sent again after its attempt number `attempt` failed; None: it must not."""
    if attempt >= max_attempts:
        return None
    backoff: float = 0.1 * 2**attempt * random.uniform(0.5, 1.0)
    if error.code in ("rate_limited", "channel_busy") and request.content is None:
        # Nothing was done: whatever it is, it may come again.
        wait: float = float(error.details.get("retry_after_seconds") or backoff)
        return wait if wait <= longest_wait else None
    broken = isinstance(error, NetworkError) and error.code == "connection_lost"
    gateway = error.status_code in (502, 503, 504) and isinstance(error, NetworkError)
    if request.repeatable and (broken or gateway or error.code == "shutting_down"):
        return backoff
    return None


def _seconds(text: Optional[str]) -> Optional[float]:
    return float(text) if text is not None and text.isdigit() else None
