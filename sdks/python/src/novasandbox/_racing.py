"""The standings of a race of forks, which the sync and async races share."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Callable, Dict, Generic, List, Optional, Sequence, TypeVar, Union

from .errors import InvalidArgumentError, NovaError, TimedOutError

S = TypeVar("S")
T = TypeVar("T")


@dataclass
class RaceBranch(Generic[S, T]):
    """How one branch of a race ended."""

    index: int
    #: The child if it is still there: the winner's, and one that could not be removed.
    sandbox: Optional[S]
    #: What `run` returned; None if it returned nothing in time.
    result: Optional[T] = None
    #: None for a branch without a score; `error` says why.
    score: Optional[float] = None
    #: What `run` or `score` raised, or why the branch was ended or has no child.
    error: Optional[BaseException] = None


@dataclass(frozen=True)
class RaceResult(Generic[S, T]):
    """The best branch. Its sandbox is removed when its `with` block ends."""

    sandbox: S
    index: int
    result: T
    score: float
    #: All branches, by index.
    branches: Sequence[RaceBranch[S, T]]


class RaceError(NovaError):
    """No branch of a race came to a score."""

    def __init__(self, errors: Sequence[BaseException]) -> None:
        super().__init__(
            f"None of {len(errors)} branches came to a score: {errors[0] if errors else 'there was none'}",
            code="command_failed",
            hint="`errors` has the error of each branch.",
        )
        #: The error of each branch, by index.
        self.errors = list(errors)


class Standings(Generic[S, T]):
    """What is known of each branch. Calls return the children that can no longer win."""

    def __init__(self, forks: Sequence[Union[S, NovaError]], until: Optional[Callable[[float], bool]]) -> None:
        self._until = until
        self._best: Optional[RaceBranch[S, T]] = None
        #: Whether `until` has ended the race.
        self.decided = False
        self.branches: List[RaceBranch[S, T]] = []
        #: The children that still run, by index.
        self.running: Dict[int, S] = {}
        for index, fork in enumerate(forks):
            if isinstance(fork, NovaError):
                self.branches.append(RaceBranch(index, None, error=fork))
            else:
                self.branches.append(RaceBranch(index, fork))
                self.running[index] = fork

    @property
    def over(self) -> bool:
        return self.decided or not self.running

    def scored(self, index: int, result: T, score: float) -> List[RaceBranch[S, T]]:
        if isinstance(score, bool) or not isinstance(score, (int, float)) or math.isnan(score):
            return self.failed(
                index, InvalidArgumentError(f"score: {score!r} is not a number.", code="invalid_argument"), result
            )
        branch = self.branches[index]
        del self.running[index]
        branch.result, branch.score = result, score
        self.decided = self._until is not None and self._until(score)
        before = self._best
        if before is not None and before.score is not None and (score, -index) < (before.score, -before.index):
            return [branch]
        self._best = branch
        return [] if before is None else [before]

    def failed(self, index: int, error: BaseException, result: Optional[T] = None) -> List[RaceBranch[S, T]]:
        branch = self.branches[index]
        self.running.pop(index, None)
        branch.result, branch.error = result, error
        return [branch]

    def ended(self, timeout: Optional[float]) -> List[RaceBranch[S, T]]:
        """Ends the branches that still run, because of their time limit where it is given."""
        left: List[RaceBranch[S, T]] = []
        for index in list(self.running):
            left += self.failed(index, _cancelled(index) if timeout is None else _too_long(index, timeout))
        return left

    def result(self) -> RaceResult[S, T]:
        best = self._best
        if best is None or best.sandbox is None or best.score is None:
            raise RaceError([branch.error for branch in self.branches if branch.error is not None])
        result: T = best.result  # type: ignore[assignment]  # a branch with a score has a result of that type
        return RaceResult(best.sandbox, best.index, result, best.score, self.branches)


def _cancelled(index: int) -> NovaError:
    return NovaError(f"The race was decided before branch {index} came to a score.", code="cancelled")


def _too_long(index: int, timeout: float) -> NovaError:
    return TimedOutError(
        f"Branch {index} has taken longer than {timeout:g} s.",
        code="command_timeout",
        hint="Raise branch_timeout.",
    )
