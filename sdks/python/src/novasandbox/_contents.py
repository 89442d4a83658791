"""Contents of files on their way into the guest."""

from __future__ import annotations

from typing import IO, Generator, Iterable, Iterator, Union, cast

from .errors import InvalidArgumentError

chunk_bytes = 256 * 1024
#: Limit of the bytes that `read` and `read_bytes` hold in memory.
max_read_bytes = 256 * 1024 * 1024

Content = Union[str, bytes, bytearray, memoryview, IO[bytes], Iterable[bytes]]
#: The chunks of a file of the guest.
Chunks = Generator[bytes, None, None]


def whole(content: Content) -> bytes | None:
    """Returns content that is already in memory; None if it has to be read."""
    if isinstance(content, str):
        return content.encode()
    if isinstance(content, (bytes, bytearray, memoryview)):
        return bytes(content)
    return None


def pieces(content: Content) -> Iterator[bytes]:
    """Yields content piece by piece."""
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
        hint="Use download or read_stream, which do not hold it in memory, or raise max_bytes.",
    )
