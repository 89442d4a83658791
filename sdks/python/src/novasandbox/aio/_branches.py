"""Snapshots and forks of one sandbox, for asyncio."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, List, Mapping, Optional, TypeVar, Union

from typing_extensions import Self, Unpack

from .._api import snapshots as api
from .._api import vms
from .._options import ForkOptions
from .._racing import RaceResult
from ..errors import NovaError, SandboxNotFoundError, error_of
from ..models import SandboxInfo
from ._race import Run, Score, race, remove_all
from ._transport import AsyncTransport

if TYPE_CHECKING:
    from .snapshot import AsyncSnapshot

T = TypeVar("T")


class AsyncBranches:
    """The part of a sandbox's handle from which other sandboxes go on."""

    def __init__(self, transport: AsyncTransport, info: SandboxInfo, *, owned: bool) -> None:
        self._transport = transport
        self._info = info
        self._owned = owned

    @property
    def id(self) -> str:
        return self._info.id

    async def snapshot(
        self,
        name: Optional[str] = None,
        *,
        description: Optional[str] = None,
        memory: Optional[bool] = None,
        metadata: Optional[Mapping[str, str]] = None,
    ) -> AsyncSnapshot:
        """Takes a snapshot; the sandbox goes on as it was.

        It holds memory, devices and disk of one instant; with `memory=False`, and of a stopped sandbox, the disk alone.
        It stays until `snapshot.delete()`, also when the sandbox is gone.
        """
        # The module of snapshots needs that of sandboxes.
        from .snapshot import AsyncSnapshot

        how = api.take(self.id, name=name, description=description, memory=memory, metadata=metadata)
        return AsyncSnapshot(await self._transport.send(how), self._transport.options)

    async def snapshots(self) -> List[AsyncSnapshot]:
        """Lists the snapshots that were taken of this sandbox, oldest first."""
        from .snapshot import AsyncSnapshot

        return await AsyncSnapshot.list(sandbox=self.id, **self._transport.options)

    async def restore(self, snapshot: Union[AsyncSnapshot, str]) -> SandboxInfo:
        """Takes the sandbox back to one of its snapshots, also by name or id: what it has done since is lost.

        With memory it then runs with the processes of then; from a disk alone it boots.
        """
        ref = snapshot if isinstance(snapshot, str) else snapshot.id
        return self._know(await self._transport.send(api.restore(self.id, ref)))

    async def fork(self, count: int = 1, **options: Unpack[ForkOptions]) -> List[Self]:
        """Makes `count` running children of this running sandbox, all from one instant; it goes on itself.

        They have its memory, processes and files, and an identity of their own. Each is removed when its `async with`
        block ends. If one of them cannot be made, none is left and the error is raised; see `fork_settled`.
        """
        results = await self.fork_settled(count, **options)
        children = [each for each in results if not isinstance(each, NovaError)]
        for error in results:
            if isinstance(error, NovaError):
                await remove_all(children)
                raise error
        return children

    async def fork_settled(self, count: int, **options: Unpack[ForkOptions]) -> List[Union[Self, NovaError]]:
        """The same, but returns each child or the error for which there is none."""
        answer = await self._transport.send(api.fork(self.id, count, **options))
        return [
            error_of(each.error or {})
            if each.vm is None
            else type(self)(AsyncTransport(self._transport.options), each.vm, owned=True)
            for each in answer.results
        ]

    async def race(
        self,
        count: int,
        run: Run[Self, T],
        score: Score[T],
        *,
        until: Optional[Callable[[float], bool]] = None,
        branch_timeout: Optional[float] = None,
        **options: Unpack[ForkOptions],
    ) -> RaceResult[Self, T]:
        """Forks this sandbox, runs `run(child, index)` in each child, and keeps the child with the best result.

        `score(result)` is a number; the highest wins, of equal ones that of the lower index. Other children are removed
        as soon as they can no longer win. Nothing is left when the race is cancelled or raises. `until(score)` ends the
        race as soon as it is true; `branch_timeout` are the seconds that each branch may take.

        :raises RaceError: with the error of each branch, when none comes to a score
        """
        forks = await self.fork_settled(count, **options)
        return await race(forks, run, score, until=until, timeout=branch_timeout)

    async def discard(self) -> bool:
        """Removes the sandbox if the daemon can be reached, and closes the handle. False when it is still there."""
        try:
            await self._transport.send(vms.delete(self.id))
        except SandboxNotFoundError:
            return True
        except NovaError:
            return False
        finally:
            await self._transport.close()
        return True

    def _know(self, info: SandboxInfo) -> SandboxInfo:
        self._info = info
        return info
