import asyncio

import pytest

from novasandbox import AsyncNetworkPolicies, ConflictError, NetworkPolicies, NotFoundError, NovaError, Sandbox

WEB = {"rules": [{"action": "allow", "host": "api.example.com", "ports": [443]}]}


def test_policies_have_names_that_sandboxes_use() -> None:
    with NetworkPolicies() as policies, Sandbox.create(network=False, timeout=600) as sandbox:
        assert policies.create("py-web", WEB).policy["otherwise"] == "deny"
        with pytest.raises(ConflictError):
            policies.create("py-web", WEB)
        sandbox.network.set_policy("py-web")
        assert sandbox.network.policy() == "py-web"
        assert policies.get("py-web").used_by == [sandbox.id]
        with pytest.raises(ConflictError):
            policies.remove("py-web")
        allowed, denied = policies.test("py-web", "api.example.com"), policies.test("py-web", "other.example.com")
        assert (allowed.allowed, denied.code, denied.at) == (True, "not_allowed", "name")
        policies.change("py-web", {"otherwise": "ask"})
        assert policies.test("py-web", "a.example", 80, method="POST", path="/x").code == "approval_needed"
        # Without a network nothing is looked at.
        assert sandbox.network.decisions() == [] == policies.approvals(sandbox=sandbox.id, pending=True)
        with pytest.raises(NovaError, match="Nobody looks"):
            sandbox.network.learned_policy()
        with pytest.raises(NotFoundError):
            policies.approve("0" * 32)
        sandbox.network.set_policy("none")
        assert "py-web" in [each.name for each in policies.list()]

    async def later() -> None:
        async with AsyncNetworkPolicies() as again:
            await again.remove("py-web")
            with pytest.raises(NotFoundError):
                await again.get("py-web")

    asyncio.run(later())


def test_ports_are_forwarded_and_opened_by_address(shared: Sandbox) -> None:
    forward = shared.ports.add(3000)
    assert (forward.guest_port, forward.listening, forward.host_address) == (3000, True, "127.0.0.1")
    with pytest.raises(ConflictError):
        shared.ports.add(3001, host_port=forward.host_port)
    assert [each.id for each in shared.ports.list()] == [forward.id]
    shared.ports.remove(forward.id)
    assert shared.ports.list() == []
    address = shared.ports.create_url(3000, expires_in=60)
    assert address.token in address.url
    assert [each.port for each in shared.ports.list_urls()] == [3000]
    shared.ports.revoke_url(address.id)
    assert shared.ports.list_urls() == []
