"""What the SDK asks and understands is what the OpenAPI document says."""

import asyncio
import re
from typing import Any

import httpx
import pytest
from contract import FILE, Contract
from surroundings import REPOSITORY

from novasandbox import AsyncSandbox, Sandbox, models
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
    "host_port": 1,
    "guest_port": 2,
    "read_only_rootfs": True,
    "metadata": {"a": "b"},
    "env": {"A": "b"},
    "user": "u",
    "timeout": 1,
    "idle_timeout": 1,
    "ephemeral": True,
    "hypervisor": "qemu",
    "architecture": "amd64",
}
RUN: Any = {"cwd": "/", "env": {"A": "b"}, "user": "u", "timeout": 1, "stdin": "s", "tag": "t"}
COVERED = {
    "createVm", "getVm", "listVms", "deleteVm", "startVm", "stopVm", "pauseVm", "resumeVm", "setVmTimeout",
    "getVmMetrics", "getVmLogs", "execute", "executeStream", "processOutput", "listProcesses", "signalProcess",
    "writeFile", "downloadFile", "listFiles", "statFile", "removeFile", "makeDirectory", "moveFile",
    "setFileAttributes", "listTemplates",
}  # fmt: skip


def test_every_call_is_in_the_document(environment: pytest.MonkeyPatch) -> None:
    contract = Contract()
    to: Any = {"http_transport": httpx.MockTransport(contract), "api_url": "http://daemon", "api_key": "k"}
    sandbox = Sandbox.create(**EVERY_OPTION, **to)
    assert sandbox.id == "text" and sandbox.info() == sandbox.last_info == Sandbox.connect("x", **to).info()
    Sandbox.templates(**to)
    page = contract.sample(
        contract.operation("GET", "/api/v1/vms")["responses"]["200"]["content"]["application/json"]["schema"]
    )
    assert models.SandboxPage.model_validate(page).vms[0].id == "text"
    sandbox.pause(), sandbox.resume(), sandbox.stop(force=True, grace=1), sandbox.start()
    sandbox.set_timeout(5), sandbox.stats(), sandbox.logs(5)
    sandbox.commands.run("true", **RUN)
    sandbox.commands.run("true", idempotency_key="k", check=False, **RUN)
    sandbox.commands.list(), sandbox.commands.kill(5), sandbox.commands.connect(5).wait()
    files = sandbox.files
    files.write("/a", b"b", user="u", mode=0o644, append=True, exclusive=True), files.read("/a", user="u")
    files.list("/", depth=2, user="u"), files.stat("/a", user="u"), files.exists("/a")
    files.remove("/a", user="u"), files.make_dir("/d", user="u", mode=0o755), files.rename("/a", "/b", user="u")
    files.set_attributes("/a", mode=0o600, owner="root", user="u")
    assert Sandbox.kill("x", **to) and sandbox.kill()
    assert set(contract.asked) | {"listVms"} == COVERED


def test_asyncio_asks_the_same(environment: pytest.MonkeyPatch) -> None:
    contract = Contract()
    to: Any = {"http_transport": httpx.MockTransport(contract), "api_url": "http://daemon", "api_key": "k"}

    async def main() -> None:
        sandbox = await AsyncSandbox.create(**EVERY_OPTION, **to)
        await AsyncSandbox.connect("x", **to)
        await AsyncSandbox.templates(**to)
        await sandbox.info(), await sandbox.pause(), await sandbox.resume(), await sandbox.stop(), await sandbox.start()
        await sandbox.set_timeout(5), await sandbox.stats(), await sandbox.logs(5)
        await sandbox.commands.run("true", **RUN)
        await sandbox.commands.run("true", idempotency_key="k", check=False, **RUN)
        await sandbox.commands.list(), await sandbox.commands.kill(5)
        await (await sandbox.commands.connect(5)).wait()
        files = sandbox.files
        await files.write("/a", b"b"), await files.read("/a"), await files.list("/"), await files.stat("/a")
        await files.remove("/a"), await files.make_dir("/d"), await files.rename("/a", "/b")
        await files.set_attributes("/a", mode=0o600)
        assert await AsyncSandbox.kill("x", **to) and await sandbox.kill()
        assert set(contract.asked) | {"listVms"} == COVERED

    asyncio.run(main())


def test_both_kinds_have_the_same_methods() -> None:
    for sync, later in ((Sandbox, AsyncSandbox), (SyncMicroVMClient, MicroVMClient)):
        assert {n for n in dir(sync) if n[0] != "_"} == {n for n in dir(later) if n[0] != "_"}
    contract = httpx.MockTransport(Contract())
    sandbox = Sandbox.connect("x", api_url="http://d", http_transport=contract)
    later_one = asyncio.run(AsyncSandbox.connect("x", api_url="http://d", http_transport=contract))
    for name in ("commands", "files"):
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
