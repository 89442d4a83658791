"""What somebody writes who has installed the library: mypy checks it strictly, and it runs without a daemon."""

from importlib.metadata import metadata
from pathlib import Path
from typing import List, Optional

from typing_extensions import assert_type

import microvm_client
import novasandbox
import novasandbox.microvm_client
from novasandbox import AsyncSandbox, CommandHandle, CommandResult, Entry, NetworkError, Sandbox, SandboxInfo
from novasandbox.core import SandboxConfig
from novasandbox.providers import QemuHypervisor


def use(sandbox: Sandbox) -> None:
    assert_type(sandbox.commands.run("true"), CommandResult)
    assert_type(sandbox.commands.run(["sleep", "1"], background=True), CommandHandle)
    assert_type(sandbox.files.list(), List[Entry])
    assert_type(sandbox.name, Optional[str])
    total = sum(len(chunk) for chunk in sandbox.files.read_stream("a.bin"))
    assert_type(total, int)


async def use_async(sandbox: AsyncSandbox) -> None:
    assert_type(await sandbox.commands.run("true"), CommandResult)
    assert_type(await sandbox.info(), SandboxInfo)
    async for chunk in sandbox.files.read_stream("a.bin"):
        assert_type(chunk, bytes)


def use_older_names(client: microvm_client.SyncMicroVMClient, config: SandboxConfig) -> None:
    assert_type(client.start_vm("vm", {"template": "base"}), microvm_client.VM)
    assert_type(client.exec_command("vm", "true"), microvm_client.ExecResult)
    assert_type(config.name, Optional[str])


def main() -> None:
    about = metadata("novasandbox")
    assert about["Version"] == novasandbox.__version__
    assert about["License-Expression"] == "MIT" and about["Author"] == "The NovaSandbox authors"
    assert about["Requires-Python"] == ">=3.9"
    assert about["Description-Content-Type"] == "text/markdown"
    assert "Typing :: Typed" in (about.get_all("Classifier") or [])
    for package in (novasandbox, microvm_client):
        assert package.__file__ is not None and Path(package.__file__).with_name("py.typed").exists()
    assert microvm_client.MicroVMClient is novasandbox.microvm_client.MicroVMClient
    assert QemuHypervisor.name == "qemu"
    code = ""
    try:
        Sandbox.create(api_url="http://127.0.0.1:1")
    except NetworkError as error:
        code = error.code
    assert code == "server_unreachable"


main()
