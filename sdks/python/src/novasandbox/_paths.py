"""Paths of the guest, and contents on their way into it."""

from __future__ import annotations

import posixpath
from typing import IO, Iterable, Iterator, Union, cast

from ._api import guest
from ._request import Request
from .errors import InvalidArgumentError
from .models import Executed

chunk_bytes = 256 * 1024
#: Most that `read` and `read_bytes` hold in memory.
max_read_bytes = 256 * 1024 * 1024

Content = Union[str, bytes, bytearray, memoryview, IO[bytes], Iterable[bytes]]


def is_absolute(path: str) -> bool:
    if not path:
        raise InvalidArgumentError("path: is empty.", code="invalid_argument")
    return path.startswith("/")


def below(home: str, path: str) -> str:
    """A relative path, or one that begins with ``~``."""
    rest = path[1:] if path == "~" or path.startswith("~/") else path
    return posixpath.normpath(posixpath.join(home, rest.lstrip("/") if path.startswith("~") else rest))


def home_request(ref: str, user: str | None) -> Request[Executed]:
    """Where commands of that user begin."""
    return guest.execute(ref, ["/bin/sh", "-c", 'printf %s "$HOME"'], {"user": user, "timeout": 20})


def home_of(executed: Executed) -> str:
    return executed.stdout if executed.stdout.startswith("/") else "/"


def whole(content: Content) -> bytes | None:
    """Content that is in memory already; None where it has to be read."""
    if isinstance(content, str):
        return content.encode()
    if isinstance(content, (bytes, bytearray, memoryview)):
        return bytes(content)
    return None


def pieces(content: Content) -> Iterator[bytes]:
    """Content a piece at a time."""
    memory = whole(content)
    read = getattr(content, "read", None)
    if memory is not None or read is None:
        yield from [memory] if memory is not None else cast("Iterable[bytes]", content)
        return
    while data := read(chunk_bytes):
        yield data.encode() if isinstance(data, str) else data


def too_large(path: str, max_bytes: int) -> InvalidArgumentError:
    return InvalidArgumentError(
        f"{path}: has more than {max_bytes} bytes.",
        code="payload_too_large",
        hint="Use download or read_stream, which hold none of it in memory, or raise max_bytes.",
    )
