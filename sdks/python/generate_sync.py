#!/usr/bin/env python3
"""Writes the half of the library that goes without asyncio from the half for asyncio.

Without arguments it writes the files; with `--check` it names those that are not what it would write, and exits with 1.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Dict, List, Set

from unasync import Rule, unasync_files

package = Path(__file__).parent / "src/novasandbox"

#: What is written from what. The other pairs (_contents, _race, _reader, _waiting) differ in more than words.
sources = {
    "aio/_branches.py": "_branches.py",
    "aio/_transport.py": "_transport.py",
    "aio/access.py": "access.py",
    "aio/command_handle.py": "command_handle.py",
    "aio/commands.py": "commands.py",
    "aio/files.py": "files.py",
    "aio/network.py": "network.py",
    "aio/policies.py": "policies.py",
    "aio/ports.py": "ports.py",
    "aio/private_networks.py": "private_networks.py",
    "aio/sandbox.py": "sandbox.py",
    "aio/snapshot.py": "snapshot.py",
    "aio/storage.py": "storage.py",
    "aio/volume.py": "volume.py",
    "aio/workspace.py": "workspace.py",
    "microvm_client/_async.py": "microvm_client/_sync.py",
}

#: Names in the code. `AsyncX` is `SyncX` where nothing else is said here.
names = {
    "AsyncAccess": "Access",
    "AsyncBaseTransport": "BaseTransport",
    "AsyncBranches": "Branches",
    "AsyncClient": "Client",
    "AsyncCommandHandle": "CommandHandle",
    "AsyncCommands": "Commands",
    "AsyncFiles": "Files",
    "AsyncOpenVolume": "OpenVolume",
    "AsyncHTTPTransport": "HTTPTransport",
    "AsyncNetworkPolicies": "NetworkPolicies",
    "AsyncPorts": "Ports",
    "AsyncNetwork": "Network",
    "AsyncSandbox": "Sandbox",
    "AsyncSandboxNetwork": "SandboxNetwork",
    "AsyncSnapshot": "Snapshot",
    "AsyncStorage": "Storage",
    "AsyncVolume": "Volume",
    "AsyncWorkspace": "Workspace",
    "asynccontextmanager": "contextmanager",
    "MicroVMClient": "SyncMicroVMClient",
    "aclose": "close",
    "aiter_bytes": "iter_bytes",
    "aread": "read",
}

#: Words in comments and docstrings.
words = {
    '"""Access to the daemon, for asyncio."""': '"""Access to the daemon."""',
    '"""Sends requests, for asyncio."""': '"""Sends requests."""',
    "Sends requests from one event loop.": "Sends requests and waits. Threads may share it.",
    '"""A command in the background, for asyncio."""': '"""A command in the background."""',
    "A task of its own reads": "A thread of its own reads",
    '"""Commands of one sandbox, for asyncio."""': '"""Commands of one sandbox."""',
    '"""Files of one sandbox, for asyncio."""': '"""Files of one sandbox."""',
    "an iterable of bytes (async ones too)": "an iterable of bytes",
    '"""Snapshots and forks of one sandbox, for asyncio."""': '"""Snapshots and forks of one sandbox."""',
    '"""Snapshots of sandboxes, for asyncio."""': '"""Snapshots of sandboxes."""',
    '"""What one sandbox may reach, for asyncio."""': '"""What one sandbox may reach."""',
    '"""Ports of one sandbox, for asyncio."""': '"""Ports of one sandbox."""',
    '"""Network policies with names, for asyncio."""': '"""Network policies with names."""',
    '"""Private networks, for asyncio."""': '"""Private networks."""',
    '"""Volumes, for asyncio."""': '"""Volumes."""',
    '"""Workspaces of one sandbox, for asyncio."""': '"""Workspaces of one sandbox."""',
    '"""The sandbox, for asyncio."""': '"""The sandbox."""',
    "async with await AsyncSandbox.create() as": "with Sandbox.create() as",
    'print((await sandbox.commands.run("uname -s")).stdout)': 'print(sandbox.commands.run("uname -s").stdout)',
    "its `async with` block": "its `with` block",
    '`AsyncSandbox.kill("name")`': '`Sandbox.kill("name")`',
    '"""The space that the daemon takes on its host\'s disk, for asyncio."""': (
        '"""The space that the daemon takes on its host\'s disk."""'
    ),
    '"""The client for asyncio."""': '"""The client without asyncio."""',
}


def without_asyncio(source: str, used: Set[str]) -> str:
    """The text of a module as its sync half has it, but for its format. Adds what it needed of `words` to `used`."""
    text = (package / source).read_text(encoding="utf-8")
    for before, after in words.items():
        if before in text:
            used.add(before)
            text = text.replace(before, after)
    # A module of `aio` moves up by one package, and what it imports from there moves along.
    text = re.sub(r"^from \.\.aio\.", "from ..", text, flags=re.M)
    if source.startswith("aio/"):
        text = re.sub(r"^from \.\.", "from .", text, flags=re.M)
    with tempfile.TemporaryDirectory() as folder:
        module = Path(folder, "async/module.py")
        module.parent.mkdir()
        module.write_text(text, encoding="utf-8")
        unasync_files([str(module)], [Rule("/async/", "/sync/", additional_replacements=names)])
        text = Path(folder, "sync/module.py").read_text(encoding="utf-8")
    return f"# Written by generate_sync.py from {source}: change that file, and run it again.\n{text}"


def formatted(text: str, path: Path) -> str:
    for arguments in (["check", "--quiet", "--select", "I", "--fix"], ["format", "--quiet"]):
        command = [sys.executable, "-m", "ruff", *arguments, "--stdin-filename", str(path), "-"]
        text = subprocess.run(command, input=text, stdout=subprocess.PIPE, encoding="utf-8", check=True).stdout
    return text


def main(arguments: List[str]) -> int:
    used: Set[str] = set()
    written: Dict[Path, str] = {}
    for source, target in sources.items():
        written[package / target] = formatted(without_asyncio(source, used), package / target)
    idle = [each for each in words if each not in used]
    if idle:
        print(f"generate_sync.py: no source has these words any more: {idle}", file=sys.stderr)
        return 1
    different = [path for path, text in written.items() if not path.exists() or path.read_text("utf-8") != text]
    if arguments == ["--check"]:
        for path in different:
            print(f"{path.relative_to(package.parent)} is not what generate_sync.py writes: run it.", file=sys.stderr)
        return 1 if different else 0
    for path in different:
        path.write_text(written[path], encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
