# Written by generate_sync.py from aio/network.py: change that file, and run it again.
"""What one sandbox may reach."""

from __future__ import annotations

from typing import List

from ._api import policies
from ._api.policies import PolicyChoice
from ._transport import SyncTransport
from .models import Decision, LearnedPolicy


class SandboxNetwork:
    """The network policy of a sandbox."""

    def __init__(self, transport: SyncTransport, sandbox_id: str) -> None:
        self._transport = transport
        self._id = sandbox_id

    def policy(self) -> PolicyChoice:
        """The policy of the sandbox: a name such as "all", or the policy itself."""
        return self._transport.send(policies.get_policy(self._id))

    def set_policy(self, policy: PolicyChoice) -> None:
        """Changes what the sandbox may reach; connections that it may not have any more end."""
        self._transport.send(policies.set_policy(self._id, policy))

    def decisions(self, *, denied: bool = False) -> List[Decision]:
        """The latest decisions about what the sandbox wanted to reach, oldest first, or its denials alone."""
        found = self._transport.send(policies.decisions(self._id, denied))
        return found.decisions

    def learned_policy(self) -> LearnedPolicy:
        """The smallest policy that allows what the sandbox was let through to since it runs under a policy.

        `{"otherwise": "allow"}` is a policy that lets everything public through.
        """
        return self._transport.send(policies.learned(self._id))
