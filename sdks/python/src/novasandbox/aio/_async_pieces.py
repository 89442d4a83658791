"""Contents on their way into the guest, for asyncio."""

from __future__ import annotations

import asyncio
from typing import AsyncIterable, AsyncIterator, Optional, Union

from .. import _contents

AsyncContent = Union[_contents.Content, AsyncIterable[bytes]]


def whole(content: AsyncContent) -> Optional[bytes]:
    """Content that is in memory already; None where it has to be read."""
    return None if isinstance(content, AsyncIterable) else _contents.whole(content)


async def async_pieces(content: AsyncContent) -> AsyncIterator[bytes]:
    """Content that is read, a piece at a time, without holding up the loop."""
    if isinstance(content, AsyncIterable):
        async for chunk in content:
            yield chunk
        return
    pieces = _contents.pieces(content)
    while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
        yield piece
