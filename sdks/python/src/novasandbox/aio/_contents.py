"""Contents of files on their way into the guest, for asyncio."""

from __future__ import annotations

from typing import AsyncGenerator, AsyncIterable, AsyncIterator, Optional, Union

from .. import _contents
from ._waiting import without_blocking

Content = Union[_contents.Content, AsyncIterable[bytes]]
#: The chunks of a file of the guest.
Chunks = AsyncGenerator[bytes, None]


def whole(content: Content) -> Optional[bytes]:
    """Returns content that is already in memory; None if it has to be read."""
    return None if isinstance(content, AsyncIterable) else _contents.whole(content)


async def pieces(content: Content) -> AsyncIterator[bytes]:
    """Reads content piece by piece without blocking the loop."""
    if isinstance(content, AsyncIterable):
        async for chunk in content:
            yield chunk
        return
    read = _contents.pieces(content)
    while (piece := await without_blocking(next, read, None)) is not None:
        yield piece
