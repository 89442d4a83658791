# Written by generate_sync.py from aio/policies.py: change that file, and run it again.
"""Network policies with names."""

from __future__ import annotations

from typing import Any, List, Mapping, Optional

from typing_extensions import Unpack

from ._api import policies
from ._api.policies import PolicyChoice
from ._connection import ConnectionOptions
from ._transport import SyncTransport
from .models import Approval, Explanation, NamedPolicy


class NetworkPolicies:
    """Policies that sandboxes name as their `policy`, and questions about connections."""

    def __init__(self, **options: Unpack[ConnectionOptions]) -> None:
        self._transport = SyncTransport(options)

    def create(self, name: str, policy: Mapping[str, Any]) -> NamedPolicy:
        """Keeps a policy under a name; raises ConflictError when its owner has another of that name."""
        return self._transport.send(policies.create(name, policy))

    def get(self, ref: str) -> NamedPolicy:
        """Finds a policy by its name or its id."""
        return self._transport.send(policies.get(ref))

    def list(self) -> List[NamedPolicy]:
        """Lists the policies that the key may see."""
        found = self._transport.send(policies.listing())
        return found.policies

    def change(self, ref: str, policy: Mapping[str, Any]) -> NamedPolicy:
        """Changes a policy for all sandboxes that name it; what it denies now ends at once."""
        return self._transport.send(policies.change(ref, policy))

    def remove(self, ref: str) -> None:
        """Removes a policy; raises ConflictError while sandboxes name it, stopped ones included."""
        self._transport.send(policies.delete(ref))

    def test(
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
        return self._transport.send(policies.test(policy, host, port, method, path))

    def approvals(self, *, sandbox: Optional[str] = None, pending: bool = False) -> List[Approval]:
        """Lists the questions about connections that policies with `"otherwise": "ask"` hold, oldest first.

        `pending` leaves out those that were answered.
        """
        found = self._transport.send(policies.approvals(sandbox, pending))
        return found.approvals

    def approve(self, approval_id: str, *, scope: str = "once", valid_for: Optional[float] = None) -> Approval:
        """Lets through what a question is about.

        `scope` is "once" for one connection, "session" for as long as the sandbox exists, or "always" for a rule of its
        policy. The answer is valid for ten minutes with "once", and else without an end, or for `valid_for` seconds.
        """
        return self._transport.send(policies.answer(approval_id, "allow", scope, valid_for))

    def deny(self, approval_id: str, *, scope: str = "once", valid_for: Optional[float] = None) -> Approval:
        """Denies what a question is about, as far as `scope` and `valid_for` go (see `approve`)."""
        return self._transport.send(policies.answer(approval_id, "deny", scope, valid_for))

    def close(self) -> None:
        """Closes the connections."""
        self._transport.close()

    def __enter__(self) -> NetworkPolicies:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()
