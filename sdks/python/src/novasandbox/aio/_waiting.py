"""Functions that wait, for asyncio."""

from __future__ import annotations

import asyncio
import inspect
from typing import Awaitable, Callable, TypeVar

from typing_extensions import ParamSpec

from .._execution import Piece

P = ParamSpec("P")
T = TypeVar("T")


async def sleep(seconds: float) -> None:
    await asyncio.sleep(seconds)


async def without_blocking(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Calls a blocking function in a thread, so that the loop continues meanwhile."""
    return await asyncio.to_thread(function, *args, **kwargs)


async def uninterrupted(function: Callable[P, Awaitable[None]], *args: P.args, **kwargs: P.kwargs) -> None:
    """Calls a function that another cancellation of the caller does not stop."""
    await asyncio.shield(function(*args, **kwargs))


async def tell(piece: Piece) -> None:
    """Passes text to its callback, which may be a coroutine function."""
    told = piece.tell(piece.text)
    if inspect.isawaitable(told):
        await told
