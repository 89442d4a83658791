"""Network policies with names, for asyncio."""

from __future__ import annotations

from typing import Any, List, Mapping, Optional

from typing_extensions import Unpack

from .._api import policies
from .._api.policies import PolicyChoice
from .._connection import ConnectionOptions
from ..models import Approval, Explanation, NamedPolicy
from ._transport import AsyncTransport


class AsyncNetworkPolicies:
    """Policies that sandboxes name as their `policy`, and questions about connections."""

    def __init__(self, **options: Unpack[ConnectionOptions]) -> None:
        self._transport = AsyncTransport(options)

    async def create(self, name: str, policy: Mapping[str, Any]) -> NamedPolicy:
        """Keeps a policy under a name; raises ConflictError when its owner has another of that name."""
        return await self._transport.send(policies.create(name, policy))

    async def get(self, ref: str) -> NamedPolicy:
        """Finds a policy by its name or its id."""
        return await self._transport.send(policies.get(ref))

    async def list(self) -> List[NamedPolicy]:
        """Lists the policies that the key may see."""
        found = await self._transport.send(policies.listing())
        return found.policies

    async def change(self, ref: str, policy: Mapping[str, Any]) -> NamedPolicy:
        """Changes a policy for all sandboxes that name it; what it denies now ends at once."""
        return await self._transport.send(policies.change(ref, policy))

    async def remove(self, ref: str) -> None:
        """Removes a policy; raises ConflictError while sandboxes name it, stopped ones included."""
        await self._transport.send(policies.delete(ref))

    async def test(
        self,
        policy: PolicyChoice,
        host: str,
        port: int = 443,
        *,
        method: Optional[str] = None,
        path: Optional[str] = None,
    ) -> Explanation:
        """Says what a policy does with a destination, and why. Nothing is looked up or connected to.

        `method` and `path` are of a request over plain HTTP.
        """
        return await self._transport.send(policies.test(policy, host, port, method, path))

    async def approvals(self, *, sandbox: Optional[str] = None, pending: bool = False) -> List[Approval]:
        """Lists the questions about connections that policies with `"otherwise": "ask"` hold, oldest first.

        `pending` leaves out those that were answered.
        """
        found = await self._transport.send(policies.approvals(sandbox, pending))
        return found.approvals

    async def approve(self, approval_id: str, *, scope: str = "once", valid_for: Optional[float] = None) -> Approval:
        """Lets through what a question is about.

        `scope` is "once" for one connection, "session" for as long as the sandbox exists, or "always" for a rule of its
        policy. The answer is valid for ten minutes with "once", and else without an end, or for `valid_for` seconds.
        """
        return await self._transport.send(policies.answer(approval_id, "allow", scope, valid_for))

    async def deny(self, approval_id: str, *, scope: str = "once", valid_for: Optional[float] = None) -> Approval:
        """Denies what a question is about, as far as `scope` and `valid_for` go (see `approve`)."""
        return await self._transport.send(policies.answer(approval_id, "deny", scope, valid_for))

    async def close(self) -> None:
        """Closes the connections."""
        await self._transport.close()

    async def __aenter__(self) -> AsyncNetworkPolicies:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.close()
