"""What the SDK asks and understands is what the OpenAPI document says."""

import asyncio
import re
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from contract import FILE, Contract
from surroundings import REPOSITORY

from novasandbox import (
    Access,
    AsyncAccess,
    AsyncNetwork,
    AsyncNetworkPolicies,
    AsyncSandbox,
    AsyncSnapshot,
    AsyncStorage,
    AsyncVolume,
    InvalidArgumentError,
    Network,
    NetworkPolicies,
    NovaError,
    Sandbox,
    Snapshot,
    Storage,
    Volume,
    models,
)
from novasandbox._options import ContinueOptions, CreateOptions, ForkOptions
from novasandbox.core import SandboxConfig, TemplateManager
from novasandbox.errors import error_classes
from novasandbox.microvm_client import MicroVMClient, SyncMicroVMClient
from novasandbox.providers import QemuHypervisor

pytestmark = pytest.mark.skipif(not FILE.exists(), reason="not in the repository")

EVERY_OPTION: Any = {
    "name": "n",
    "vcpus": 1,
    "memory_mb": 128,
    "disk_mb": 1000,
    "max_processes": 100,
    "boot_timeout": 5,
    "network": True,
    "policy": "none",
    "networks": ["backend"],
    "secrets": [{"name": "TOKEN", "value": "a-long-secret", "hosts": [{"host": "api.example.com"}]}],
    "host_port": 1,
    "guest_port": 2,
    "read_only_rootfs": True,
    "metadata": {"a": "b"},
    "env": {"A": "b"},
    "user": "u",
    "timeout": 1,
    "idle_timeout": 1,
    "on_timeout": "hibernate",
    "auto_resume": True,
    "ephemeral": True,
    "hypervisor": "qemu",
    "architecture": "amd64",
    "hyperv": True,
    "rate_limits": {"disk": {"bytes_per_second": 100000}, "network": {"operations_per_second": 10}},
    "volumes": [{"name": "data", "path": "/data", "read_only": True}],
    "template_id": "base",
    "image": "alpine:3.22",
}
RUN: Any = {"cwd": "/", "env": {"A": "b"}, "user": "u", "timeout": 1, "stdin": "s", "tag": "t"}
FORK: Any = {
    "name": "n",
    "metadata": {"a": "b"},
    "env": {"A": "b"},
    "timeout": 1,
    "idle_timeout": 1,
    "ephemeral": True,
    "on_timeout": "pause",
    "auto_resume": True,
}
RULES: Any = {"rules": [{"action": "allow", "host": "a.example", "ports": [443]}]}
CONTINUE: Any = {**FORK, "memory": False, "host_port": 1, "volumes": EVERY_OPTION["volumes"]}
FORK_ALONE: Any = {"keep_secrets": True}
SECRET: Any = {"value": "a-long-secret", "hosts": [{"host": "api.example.com"}]}
COVERED = {
    "createVm", "getVm", "listVms", "deleteVm", "startVm", "stopVm", "pauseVm", "hibernateVm", "resumeVm",
    "setVmTimeout", "updateVm", "streamEvents", "createKey", "listKeys", "revokeKey", "createUser", "listUsers",
    "deleteUser", "listRoles", "validateAuth",
    "getVmMetrics", "getVmLogs", "execute", "executeStream", "processOutput", "listProcesses", "signalProcess",
    "writeFile", "downloadFile", "listFiles", "statFile", "removeFile", "makeDirectory", "moveFile",
    "setFileAttributes", "listManifest", "uploadArchive", "listTemplates", "buildTemplate", "systemStorage",
    "collectGarbage",
    "takeSnapshot", "listSnapshots", "getSnapshot", "getVmSnapshot", "deleteSnapshot", "verifySnapshot",
    "cloneSnapshot", "restoreVmSnapshot", "forkVm", "exportSnapshot", "importSnapshot", "snapshotStatistics",
    "cleanUpSnapshots", "listVmSecrets", "setVmSecret", "removeVmSecret",
    "setVmResources", "createVolume", "listVolumes", "getVolume", "resizeVolume", "deleteVolume",
    "createNetwork", "listNetworks", "getNetwork", "changeNetwork", "deleteNetwork",
    "getVmPolicy", "setVmPolicy", "listVmDecisions", "getLearnedPolicy", "listPolicies", "createPolicy", "getPolicy",
    "changePolicy", "deletePolicy", "testPolicy", "listApprovals", "answerApproval", "listPortForwards",
    "createPortForward", "deletePortForward", "listPreviews", "createPreview", "deletePreview",
}  # fmt: skip


def test_every_option_is_tried() -> None:
    assert set(EVERY_OPTION) == set(CreateOptions.__annotations__) - {"idempotency_key"}
    assert {*FORK, *FORK_ALONE} == set(ForkOptions.__annotations__)
    assert set(CONTINUE) == set(ContinueOptions.__annotations__)


def test_a_misspelt_option_is_told_with_what_it_was_meant_for() -> None:
    with pytest.raises(TypeError, match=r"there is no option memroy_mb; did you mean memory_mb[?]"):
        Sandbox.create(**cast(Any, {"memroy_mb": 128}))
    with pytest.raises(InvalidArgumentError, match=r"max_proceses; did you mean max_processes[?]"):
        SyncMicroVMClient(api_key="k" * 40).start_vm("x", {"max_proceses": 1})


def test_an_error_names_the_argument_that_was_given() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        message = "body: boot_timeout_seconds: Too big; environment.A: must not contain NUL"
        error = {"code": "invalid_argument", "message": message, "hint": "Lower boot_timeout_seconds.", "details": {}}
        return httpx.Response(422, json={"error": error})

    with pytest.raises(InvalidArgumentError) as raised:
        Sandbox.create(api_url="http://d", http_transport=httpx.MockTransport(refuse))
    assert raised.value.message == "body: boot_timeout: Too big; env.A: must not contain NUL"
    assert raised.value.hint == "Lower boot_timeout."


def test_template_has_two_names() -> None:
    assert SandboxConfig(template="a").template_id == SandboxConfig("a").template == "a"
    with pytest.raises(InvalidArgumentError, match="two names"):
        SandboxConfig("a", template="b")


def test_every_call_is_in_the_document(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    contract = Contract()
    to: Any = {"http_transport": httpx.MockTransport(contract), "api_url": "http://daemon", "api_key": "k"}
    sandbox = Sandbox.create(**EVERY_OPTION, **to)
    assert sandbox.id == "text" and sandbox.info() == sandbox.last_info == Sandbox.connect("x", **to).info()
    Sandbox.templates(**to)
    assert Sandbox.build_template("x", image="alpine", force=True, **to).id == "text"
    page = contract.sample(
        contract.operation("GET", "/api/v1/vms")["responses"]["200"]["content"]["application/json"]["schema"]
    )
    assert models.SandboxPage.model_validate(page).vms[0].id == "text"
    (
        sandbox.pause(),
        sandbox.hibernate(memory=False),
        sandbox.resume(memory=False),
        sandbox.stop(force=True, grace=1),
        sandbox.start(),
    )
    sandbox.set_timeout(5), sandbox.rename("web"), sandbox.stats(), sandbox.logs(5)
    assert sandbox.resize(vcpus=2, memory_mb=512, disk_mb=4096).id == "text"
    assert sandbox.secrets()[0].name == sandbox.set_secret("TOKEN", **SECRET).name == "text"
    sandbox.remove_secret("TOKEN")
    volume = Volume.create("n", size_mb=128, **to)
    assert volume.id == Volume.get("x", **to).id == volume.get_info().id == volume.resize(256).id == "text"
    with volume.open() as opened:
        assert opened.sandbox.id == "text"
    volume.remove(force=True)
    backend = Network.create("n", subnet="10.9.0.0/24", isolation="strict", bridge="b", **to)
    assert backend.id == Network.get("x", **to).id == backend.get_info().id == backend.isolate("minimal").id == "text"
    backend.remove()
    network, ports = sandbox.network, sandbox.ports
    network.policy(), network.set_policy({"otherwise": "ask"}), network.decisions(denied=True), network.learned_policy()
    ports.list(), ports.add(80, host_port=8080), ports.remove("x"), ports.list_urls(), ports.revoke_url("x")
    assert ports.create_url(80, expires_in=60, rewrite_host=False).token == "text"
    with NetworkPolicies(**to) as policies:
        policies.create("web", RULES), policies.list(), policies.change("web", RULES), policies.remove("web")
        assert policies.get("web").id == "text"
        policies.test("web", "a.example", 80, method="GET", path="/"), policies.approvals(sandbox="x", pending=True)
        policies.approve("x", scope="session", valid_for=60), policies.deny("x")
    sandbox.commands.run("true", **RUN)
    sandbox.commands.run("true", idempotency_key="k", check=False, **RUN)
    sandbox.commands.list(), sandbox.commands.kill(5), sandbox.commands.connect(5).wait()
    sandbox.commands.output(5)
    files = sandbox.files
    files.write("/a", b"b", user="u", mode=0o644, append=True, exclusive=True), files.read("/a", user="u")
    files.list("/", depth=2, user="u"), files.stat("/a", user="u"), files.exists("/a")
    files.remove("/a", user="u"), files.make_dir("/d", user="u", mode=0o755), files.rename("/a", "/b", user="u")
    files.set_attributes("/a", mode=0o600, owner="root", user="u")
    snapshot = sandbox.snapshot("n", description="d", memory=False, metadata={"a": "b"})
    assert snapshot.id == Snapshot.get("x", **to).id == Snapshot.get("x", sandbox="y", **to).id == "text"
    assert snapshot.verify().valid and snapshot.create_sandbox(**CONTINUE).id == "text"
    assert Sandbox.from_snapshot("x", **to).id == sandbox.restore(snapshot).id == sandbox.restore("x").id
    assert [type(each) for each in sandbox.fork_settled(2, **FORK, **FORK_ALONE)] == [NovaError]
    with pytest.raises(NovaError):
        sandbox.fork()
    assert snapshot.save(tmp_path / "file") == 0
    assert Snapshot.load(tmp_path / "file", name="n", **to).id == "text"
    assert Snapshot.statistics(**to).count == 1 and Snapshot.delete_older(5, **to)[0].id == "text"
    assert snapshot.delete()
    files.manifest("/", skip=["a"], only=["b"], hash_bytes=1, limit=2, user="u"), files.unpack("/", b"", user="u")
    assert Sandbox.kill("x", **to) and sandbox.kill()
    list(Sandbox.events(sandbox="x", types=["vm", "command.ended"], since=5, follow=False, **to))
    list(Sandbox.events(since=datetime.now(timezone.utc), follow=False, **to))
    with Access(**to) as access:
        access.create_key("n", role="user", username="u", team="t", scopes=["vm:read"], expires_in=5)
        access.list_keys(), access.revoke_key("k"), access.create_user("u", "p" * 12, role="user", team="t")
        access.list_users(), access.remove_user("u"), access.roles(), access.whoami()
    with Storage(**to) as storage:
        storage.usage(), storage.collect(dry_run=True, everything=True)
    assert set(contract.asked) | {"listVms", "listSnapshots", "listVolumes", "listNetworks"} == COVERED


def test_asyncio_asks_the_same(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    contract = Contract()
    to: Any = {"http_transport": httpx.MockTransport(contract), "api_url": "http://daemon", "api_key": "k"}

    async def main() -> None:
        sandbox = await AsyncSandbox.create(**EVERY_OPTION, **to)
        await AsyncSandbox.connect("x", **to)
        await AsyncSandbox.templates(**to)
        await AsyncSandbox.build_template("x", image="alpine", **to)
        await sandbox.info(), await sandbox.pause(), await sandbox.hibernate(), await sandbox.resume()
        await sandbox.stop(), await sandbox.start()
        await sandbox.set_timeout(5), await sandbox.rename("web"), await sandbox.stats(), await sandbox.logs(5)
        await sandbox.resize(disk_mb=4096)
        await sandbox.secrets(), await sandbox.set_secret("TOKEN", **SECRET), await sandbox.remove_secret("TOKEN")
        volume = await AsyncVolume.create("n", **to)
        await AsyncVolume.get("x", **to), await volume.get_info(), await volume.resize(256)
        async with volume.open() as opened:
            assert opened.sandbox.id == "text"
        await volume.remove()
        backend = await AsyncNetwork.create("n", **to)
        await AsyncNetwork.get("x", **to), await backend.get_info(), await backend.isolate("strict")
        await backend.remove()
        network, ports = sandbox.network, sandbox.ports
        await network.policy(), await network.set_policy("none"), await network.decisions()
        await network.learned_policy()
        await ports.list(), await ports.add(80), await ports.remove("x"), await ports.list_urls()
        await ports.revoke_url("x"), await ports.create_url(80)
        async with AsyncNetworkPolicies(**to) as policies:
            await policies.create("web", RULES), await policies.list(), await policies.change("web", RULES)
            await policies.remove("web"), await policies.get("web"), await policies.test("web", "a.example")
            await policies.approvals(), await policies.approve("x"), await policies.deny("x")
        await sandbox.commands.run("true", **RUN)
        await sandbox.commands.run("true", idempotency_key="k", check=False, **RUN)
        await sandbox.commands.list(), await sandbox.commands.kill(5)
        await (await sandbox.commands.connect(5)).wait()
        await sandbox.commands.output(5)
        files = sandbox.files
        await files.write("/a", b"b"), await files.read("/a"), await files.list("/"), await files.stat("/a")
        await files.remove("/a"), await files.make_dir("/d"), await files.rename("/a", "/b")
        await files.set_attributes("/a", mode=0o600)
        await files.manifest("/"), await files.unpack("/", b"")
        snapshot = await sandbox.snapshot()
        await AsyncSnapshot.get("x", **to), await AsyncSnapshot.get("x", sandbox="y", **to)
        await snapshot.verify(), await snapshot.create_sandbox(), await sandbox.restore(snapshot)
        await sandbox.fork_settled(2), await snapshot.save(tmp_path / "file")
        await AsyncSnapshot.load(tmp_path / "file", **to), await AsyncSnapshot.statistics(**to)
        await AsyncSnapshot.delete_older(5, **to)
        assert await snapshot.delete()
        assert await AsyncSandbox.kill("x", **to) and await sandbox.kill()
        [event async for event in AsyncSandbox.events(follow=False, **to)]
        async with AsyncAccess(**to) as access:
            await access.create_key("n"), await access.list_keys(), await access.revoke_key("k")
            await access.create_user("u", "p" * 12), await access.list_users(), await access.remove_user("u")
            await access.roles(), await access.whoami()
        async with AsyncStorage(**to) as storage:
            await storage.usage(), await storage.collect()
        assert set(contract.asked) | {"listVms", "listSnapshots", "listVolumes", "listNetworks"} == COVERED

    asyncio.run(main())


def test_both_kinds_have_the_same_methods() -> None:
    pairs = (
        (Sandbox, AsyncSandbox),
        (Snapshot, AsyncSnapshot),
        (Volume, AsyncVolume),
        (Network, AsyncNetwork),
        (NetworkPolicies, AsyncNetworkPolicies),
        (SyncMicroVMClient, MicroVMClient),
    )
    for sync, later in pairs:
        assert {n for n in dir(sync) if n[0] != "_"} == {n for n in dir(later) if n[0] != "_"}
    contract = httpx.MockTransport(Contract())
    sandbox = Sandbox.connect("x", api_url="http://d", http_transport=contract)
    later_one = asyncio.run(AsyncSandbox.connect("x", api_url="http://d", http_transport=contract))
    for name in ("commands", "files", "network", "ports"):
        assert {n for n in dir(getattr(sandbox, name)) if n[0] != "_"} == {
            n for n in dir(getattr(later_one, name)) if n[0] != "_"
        }


def test_aliases_ask_what_is_in_the_document() -> None:
    contract = Contract()
    to: Any = {"http_transport": httpx.MockTransport(contract), "api_url": "http://daemon"}

    async def main() -> None:
        hypervisor = QemuHypervisor(**to)
        sandbox = await hypervisor.create_sandbox(SandboxConfig(labels={"a": "b"}, timeout_ms=5))
        assert await sandbox.get_stats() and await hypervisor.get_sandbox_stats("x") and await sandbox.remove()
        assert (await TemplateManager(**to).get_template("base")).id == "text"

    asyncio.run(main())
    assert contract.asked == ["createVm", "getVmMetrics", "getVmMetrics", "deleteVm", "getTemplate"]


def test_every_code_of_the_daemon_has_its_error() -> None:
    table = (REPOSITORY / "docs/errors.md").read_text()
    assert set(error_classes) == set(re.findall(r"^\| `(\w+)` \|", table, re.M))
