"""Contents of files on their way into the guest, for asyncio."""

from __future__ import annotations

from typing import AsyncGenerator, AsyncIterable, AsyncIterator, Optional, Union

from .. import _contents
from ._waiting import without_blocking

Content = Union[_contents.Content, AsyncIterable[bytes]]
#: What yields a file of the guest.
Chunks = AsyncGenerator[bytes, None]


def whole(content: Content) -> Optional[bytes]:
    """Content that is in memory already; None where it has to be read."""
    return None if isinstance(content, AsyncIterable) else _contents.whole(content)


async def pieces(content: Content) -> AsyncIterator[bytes]:
    """Content that is read, a piece at a time, without holding up the loop."""
    if isinstance(content, AsyncIterable):
        async for chunk in content:
            yield chunk
        return
    read = _contents.pieces(content)
    while (piece := await without_blocking(next, read, None)) is not None:
        yield piece
