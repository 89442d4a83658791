import os

import pytest
from surroundings import DAEMON

from novasandbox import (
    AuthenticationError,
    ConflictError,
    InvalidArgumentError,
    Sandbox,
    SandboxNotFoundError,
    SandboxNotRunningError,
    SandboxState,
    TemplateNotFoundError,
    UnavailableError,
)


def test_life_of_a_sandbox() -> None:
    with Sandbox.create(name="py-life", memory_mb=256, env={"A": "b"}, metadata={"k": "v=w"}, timeout=100) as sandbox:
        info = sandbox.info()
        assert (info.name, info.memory_mb, info.metadata, info.status) == ("py-life", 256, {"k": "v=w"}, "running")
        assert info.boot_time_ms and info.expires_at and info.started_at
        assert sandbox.commands.run("echo $A").stdout == "b\n"
        assert sandbox.pause().status == SandboxState.PAUSED and not sandbox.is_running()
        with pytest.raises(SandboxNotRunningError):
            sandbox.commands.run("true")
        assert sandbox.resume().status == "running" and sandbox.is_running()
        stats = sandbox.stats()
        assert stats.cpu_count >= 1 and stats.memory_usage_mb > 0 and stats.host_rss_mb > 0
        longer = sandbox.set_timeout(500).expires_at
        assert longer and longer > info.expires_at
        assert isinstance(sandbox.logs(max_bytes=100).console, str)
        with Sandbox.connect("py-life") as same:
            assert same.id == sandbox.id
        assert [found.id for found in Sandbox.list(metadata={"k": "v=w"})] == [sandbox.id]
        # Made with the admin key: it is the host's.
        assert sandbox.info().owner is None and Sandbox.list(owner="user:nobody") == []
        with pytest.raises(ConflictError) as taken:
            Sandbox.create(name="py-life")
        assert taken.value.code == "sandbox_exists" and taken.value.status_code == 409
    assert Sandbox.list(states="all", metadata={"k": "v=w"}) == []


def test_stop_keeps_the_disk() -> None:
    sandbox = Sandbox.create()
    try:
        sandbox.files.write("kept", "yes")
        sandbox.commands.run("sync")
        assert sandbox.stop(grace=5).status == "stopped"
        assert sandbox.id in [info.id for info in Sandbox.list(states=[SandboxState.STOPPED])]
        assert sandbox.start().status == "running" and sandbox.files.read("kept") == "yes"
    finally:
        assert Sandbox.kill(sandbox.id)
    assert not Sandbox.kill(sandbox.id) and not sandbox.kill() and not sandbox.is_running()
    with pytest.raises(SandboxNotFoundError):
        Sandbox.connect(sandbox.id)


def test_what_is_wrong_is_said() -> None:
    with pytest.raises(TemplateNotFoundError):
        Sandbox.create("no-such-template")
    with pytest.raises(InvalidArgumentError) as wrong:
        Sandbox.create(memory_mb=1)
    with pytest.raises(InvalidArgumentError, match=r"16777216 MiB is more than the disk .* holds"):
        Sandbox.create(disk_mb=16_777_216)
    assert "memory" in wrong.value.message and wrong.value.status_code == 422
    with pytest.raises(UnavailableError, match="macOS"):
        Sandbox.create(hypervisor="apple-vz")
    assert "base" in [template.id for template in Sandbox.templates()]


def test_create_again_with_the_same_key_gives_the_same() -> None:
    key = f"create-{os.urandom(8).hex()}"
    with Sandbox.create(idempotency_key=key) as first:
        assert Sandbox.create(idempotency_key=key).id == first.id


@pytest.mark.usefixtures("over_tcp")
def test_over_tcp_with_a_key(shared: Sandbox) -> None:
    with Sandbox.connect("py-shared") as sandbox:
        assert sandbox.id == shared.id and sandbox.commands.run("echo hi").stdout == "hi\n"
        assert sandbox.commands.run("echo hi", background=True).wait().stdout == "hi\n"
    with pytest.raises(AuthenticationError) as caught:
        Sandbox.list(api_key="nova_" + "0" * 64)
    assert caught.value.status_code == 401 and "admin.key" in caught.value.hint
    assert [info.id for info in Sandbox.list(api_url=DAEMON["URL"], metadata={"suite": "python"})] == [shared.id]
