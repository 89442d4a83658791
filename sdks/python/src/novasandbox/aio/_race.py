"""Races of forks, for asyncio."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any, Awaitable, Callable, Iterable, List, Optional, Protocol, Sequence, Tuple, TypeVar, Union

from .._racing import RaceBranch, RaceResult, Standings
from ..errors import NovaError
from ._waiting import uninterrupted


class Removable(Protocol):
    """The part of a sandbox's handle that ends it."""

    async def discard(self) -> bool: ...


S = TypeVar("S", bound=Removable)
T = TypeVar("T")

#: The work of one branch, in a child of its own.
Run = Callable[[S, int], Union[Awaitable[T], T]]
#: Judges a result while the child still runs.
Score = Callable[[T], Union[Awaitable[float], float]]


async def race(
    forks: Sequence[Union[S, NovaError]],
    run: Run[S, T],
    score: Score[T],
    *,
    until: Optional[Callable[[float], bool]],
    timeout: Optional[float],
) -> RaceResult[S, T]:
    """Runs a branch in each child and keeps the best one."""
    standings: Standings[S, T] = Standings(forks, until)
    indices = {asyncio.ensure_future(_branch(run, score, child, i)): i for i, child in standings.running.items()}
    waiting = set(indices)
    loop = asyncio.get_running_loop()
    end = None if timeout is None else loop.time() + timeout
    try:
        while not standings.over:
            left = None if end is None else max(0.0, end - loop.time())
            done, waiting = await asyncio.wait(waiting, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            lost: List[RaceBranch[S, T]] = [] if done else standings.ended(timeout)
            for task in done:
                lost += _outcome(standings, indices[task], task)
            await remove_branches(lost)
        for task in waiting:
            task.cancel()
        await remove_branches(standings.ended(None))
        return standings.result()
    except BaseException:
        for task in waiting:
            task.cancel()
        await uninterrupted(remove_all, [each.sandbox for each in standings.branches if each.sandbox is not None])
        raise


async def _branch(run: Run[S, T], score: Score[T], child: S, index: int) -> Tuple[T, Union[float, Exception]]:
    result: Any = run(child, index)
    if inspect.isawaitable(result):
        result = await result
    try:
        points: Any = score(result)
        return result, await points if inspect.isawaitable(points) else points
    except Exception as error:
        return result, error


def _outcome(
    standings: Standings[S, T], index: int, task: asyncio.Task[Tuple[T, Union[float, Exception]]]
) -> List[RaceBranch[S, T]]:
    error = asyncio.CancelledError() if task.cancelled() else task.exception()
    if error is not None:
        return standings.failed(index, error)
    result, points = task.result()
    return (
        standings.failed(index, points, result)
        if isinstance(points, Exception)
        else standings.scored(index, result, points)
    )


async def remove_branches(branches: Iterable[RaceBranch[S, T]]) -> None:
    """Removes the children of branches that can no longer win; one that cannot be removed stays in its branch."""

    async def remove(branch: RaceBranch[S, T]) -> None:
        if branch.sandbox is not None and await branch.sandbox.discard():
            branch.sandbox = None

    await asyncio.gather(*[remove(branch) for branch in branches])


async def remove_all(children: Iterable[Removable]) -> None:
    """Removes children, as far as the daemon can be reached."""
    await asyncio.gather(*[child.discard() for child in children])
