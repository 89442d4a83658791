"""Races of forks, without asyncio."""

from __future__ import annotations

import queue
import threading
import time
from typing import Callable, Iterable, Optional, Protocol, Sequence, Tuple, TypeVar, Union

from ._racing import RaceBranch, RaceResult, Standings
from .errors import NovaError


class Removable(Protocol):
    """The part of a sandbox's handle that ends it."""

    def discard(self) -> bool: ...


S = TypeVar("S", bound=Removable)
T = TypeVar("T")

#: The work of one branch, in a child and a thread of its own.
Run = Callable[[S, int], T]
#: Judges a result while the child still runs.
Score = Callable[[T], float]


def race(
    forks: Sequence[Union[S, NovaError]],
    run: Run[S, T],
    score: Score[T],
    *,
    until: Optional[Callable[[float], bool]],
    timeout: Optional[float],
) -> RaceResult[S, T]:
    """Runs a branch in each child and keeps the best one.

    A thread cannot be ended: a branch that is given up loses its child, which ends its calls, and is not waited for.
    """
    standings: Standings[S, T] = Standings(forks, until)
    outcomes: queue.SimpleQueue[Tuple[int, Optional[T], Union[float, BaseException]]] = queue.SimpleQueue()

    def branch(index: int, child: S) -> None:
        result: Optional[T] = None
        try:
            result = run(child, index)
            outcomes.put((index, result, score(result)))
        except BaseException as error:
            outcomes.put((index, result, error))

    end = None if timeout is None else time.monotonic() + timeout
    try:
        for index, child in standings.running.items():
            threading.Thread(target=branch, args=(index, child), name=f"race-{index}", daemon=True).start()
        while not standings.over:
            try:
                index, result, points = outcomes.get(timeout=None if end is None else max(0.0, end - time.monotonic()))
            except queue.Empty:
                remove_branches(standings.ended(timeout))
                continue
            if isinstance(points, BaseException):
                remove_branches(standings.failed(index, points, result))
            else:
                remove_branches(standings.scored(index, result, points))  # type: ignore[arg-type]  # `run` made it
        remove_branches(standings.ended(None))
        return standings.result()
    except BaseException:
        remove_all([each.sandbox for each in standings.branches if each.sandbox is not None])
        raise


def remove_branches(branches: Iterable[RaceBranch[S, T]]) -> None:
    """Removes the children of branches that can no longer win; one that cannot be removed stays in its branch."""
    for branch in branches:
        if branch.sandbox is not None and branch.sandbox.discard():
            branch.sandbox = None


def remove_all(children: Iterable[Removable]) -> None:
    """Removes children, as far as the daemon can be reached."""
    for child in children:
        child.discard()
