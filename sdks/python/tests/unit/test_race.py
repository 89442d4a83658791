"""Races keep the best branch, and leave nothing else behind."""

from __future__ import annotations

import asyncio
import threading
from typing import Any, Awaitable, Callable, List, Sequence, Union

import pytest

from novasandbox import InvalidArgumentError, NovaError, RaceError, RaceResult, TimedOutError
from novasandbox import _race as sync_race
from novasandbox.aio import _race as async_race


class Child:
    """A child of both kinds; what ends its calls is its removal."""

    def __init__(self, index: int, *, stays: bool = False) -> None:
        self.index = index
        self.stays = stays
        self.removed = threading.Event()

    def discard(self) -> bool:
        if self.stays:
            return False
        self.removed.set()
        return True


class AsyncChild(Child):
    async def discard(self) -> bool:  # type: ignore[override]  # the same, for asyncio
        await asyncio.sleep(0)
        return super().discard()


Forks = Sequence[Union[Child, NovaError]]


def in_threads(forks: Forks, run: Callable[..., Any], score: Callable[..., Any], **how: Any) -> RaceResult[Any, Any]:
    return sync_race.race(forks, run, score, until=how.get("until"), timeout=how.get("timeout"))


def in_tasks(forks: Forks, run: Callable[..., Any], score: Callable[..., Any], **how: Any) -> RaceResult[Any, Any]:
    async def later(child: Child, index: int) -> Any:
        result = await asyncio.to_thread(run, child, index)
        return result

    async def main() -> RaceResult[Any, Any]:
        children: List[Any] = [each if isinstance(each, NovaError) else awaited(each) for each in forks]
        return await async_race.race(children, later, score, until=how.get("until"), timeout=how.get("timeout"))

    return asyncio.run(main())


def awaited(child: Child) -> AsyncChild:
    made = AsyncChild(child.index, stays=child.stays)
    made.removed = child.removed
    return made


def children(count: int) -> List[Child]:
    return [Child(index) for index in range(count)]


def left(all_of_them: Sequence[Child]) -> List[int]:
    return [child.index for child in all_of_them if not child.removed.is_set()]


kinds = pytest.mark.parametrize("race", [in_threads, in_tasks])


@kinds
def test_the_highest_score_wins_and_the_others_are_removed(race: Callable[..., RaceResult[Any, Any]]) -> None:
    forks = children(3)
    best = race(forks, lambda child, index: f"{child.index}{index}", lambda result: {"11": 7}.get(result, 3))
    assert (best.sandbox.index, best.index, best.result, best.score) == (1, 1, "11", 7)
    assert [(each.index, each.result, each.score, each.error) for each in best.branches] == [
        (0, "00", 3, None),
        (1, "11", 7, None),
        (2, "22", 3, None),
    ]
    assert [each.sandbox is None for each in best.branches] == [True, False, True]
    assert left(forks) == [1]


@kinds
def test_of_equal_scores_the_lower_index_wins_whichever_came_first(race: Callable[..., Any]) -> None:
    forks = children(2)
    second = threading.Event()

    def run(child: Child, index: int) -> int:
        assert index == 1 or second.wait(30)
        return index

    def score(result: int) -> int:
        if result == 1:
            second.set()
        return 1

    assert race(forks, run, score).index == 0
    assert left(forks) == [0]


@kinds
def test_what_fails_only_loses(race: Callable[..., Any]) -> None:
    forks: List[Any] = [NovaError("full", code="host_resource_exhausted"), *children(4)]

    def run(child: Child, index: int) -> int:
        if index == 1:
            raise RuntimeError("no luck")
        return index

    def score(result: int) -> Any:
        if result == 2:
            raise ValueError("cannot be judged")
        return float("nan") if result == 3 else result

    best = race(forks, run, score)
    assert best.index == 4 and left(forks[1:]) == [3]
    assert [type(each.error) for each in best.branches] == [
        NovaError,
        RuntimeError,
        ValueError,
        InvalidArgumentError,
        type(None),
    ]
    assert [each.result for each in best.branches] == [None, None, 2, 3, 4]


@kinds
def test_none_is_left_when_none_comes_to_a_score(race: Callable[..., Any]) -> None:
    forks = children(2)

    def run(child: Child, index: int) -> None:
        raise RuntimeError(f"no luck {index}")

    with pytest.raises(RaceError, match="None of 2 branches came to a score: no luck 0") as raised:
        race(forks, run, lambda _result: 1)
    assert [str(each) for each in raised.value.errors] == ["no luck 0", "no luck 1"]
    assert left(forks) == []


def until_removed(child: Child, index: int) -> int:
    """Work that goes on until its child is removed, but for the first."""
    if index > 0:
        assert child.removed.wait(30)
        raise RuntimeError("its sandbox is gone")
    return index


@kinds
def test_a_score_that_is_enough_ends_the_race(race: Callable[..., Any]) -> None:
    forks = children(3)
    best = race(forks, until_removed, lambda _result: 5, until=lambda score: score >= 5)
    assert best.index == 0 and left(forks) == [0]
    assert [getattr(each.error, "code", None) for each in best.branches] == [None, "cancelled", "cancelled"]


@kinds
def test_a_branch_that_takes_too_long_loses(race: Callable[..., Any]) -> None:
    forks = children(2)
    best = race(forks, until_removed, lambda _result: 5, timeout=0.2)
    assert best.index == 0 and isinstance(best.branches[1].error, TimedOutError) and left(forks) == [0]


@kinds
def test_a_child_that_cannot_be_removed_is_told(race: Callable[..., Any]) -> None:
    forks = [Child(0, stays=True), Child(1)]
    best = race(forks, lambda _child, index: index, lambda result: result)
    assert best.index == 1 and best.branches[0].sandbox.index == 0


def test_cancelled_it_leaves_nothing() -> None:
    async def main(forks: List[AsyncChild]) -> None:
        begun = asyncio.Event()

        async def run(child: AsyncChild, index: int) -> None:
            begun.set()
            await asyncio.sleep(3600)

        def score(_result: None) -> Awaitable[float]:
            raise AssertionError("it has no result")

        racing = asyncio.ensure_future(async_race.race(forks, run, score, until=None, timeout=None))
        await begun.wait()
        racing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await racing

    forks = [AsyncChild(index) for index in range(3)]
    asyncio.run(main(forks))
    assert left(forks) == []
