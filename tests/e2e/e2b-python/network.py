"""Network options, with E2B's unmodified client; the address and the key come from its variables."""

from e2b import Sandbox


def known(box: Sandbox, host: str) -> bool:
    return box.commands.run(f"getent hosts {host} >/dev/null && echo yes || echo no").stdout.strip() == "yes"


with Sandbox.create(network={"mask_request_host": "localhost:${PORT}", "allow_public_traffic": False}) as box:
    assert box.traffic_access_token
    box.update_network({"allow_out": ["allowed.test"], "deny_out": ["0.0.0.0/0"]})
    assert known(box, "allowed.test") and not known(box, "denied.test")
    box.update_network({"allow_internet_access": False})
    assert not known(box, "allowed.test")
    box.update_network({})
