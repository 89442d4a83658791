"""Functions that wait, without asyncio."""

from __future__ import annotations

import time
from typing import Callable, TypeVar

from typing_extensions import ParamSpec

from ._execution import Piece

P = ParamSpec("P")
T = TypeVar("T")


def sleep(seconds: float) -> None:
    time.sleep(seconds)


def without_blocking(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Calls a function directly: there is no event loop that it could block."""
    return function(*args, **kwargs)


def uninterrupted(function: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
    """Calls a function directly: there is no cancellation that could stop it."""
    function(*args, **kwargs)


def tell(piece: Piece) -> None:
    """Passes text to its callback."""
    piece.tell(piece.text)
