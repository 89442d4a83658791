"""Compatibility: `MicroVMClient`, for programs written for the MicroVM Sandbox.

It has the same names, over a NovaSandbox daemon. `import microvm_client` works too. New programs use
`novasandbox.Sandbox`.

::

    from novasandbox.microvm_client import MicroVMClient

    async with MicroVMClient("http://localhost:8000") as client:
        vm = await client.start_vm("my-vm", {"template": "linux-default"})
        result = await client.exec_command(vm.id, "python3 --version")
        print(result.output)
        await client.destroy_vm(vm.id)

The key comes from `api_key` or ``NOVA_API_KEY``. Without an address, the local daemon's socket is used, which needs
no key.
`SyncMicroVMClient` is the same without asyncio.
"""

from ..errors import AuthenticationError, InvalidArgumentError, NetworkError, NovaError, SandboxNotFoundError
from ._async import MicroVMClient
from ._model import VM, ExecResult
from ._sync import SyncMicroVMClient

ValidationError = InvalidArgumentError
VMNotFoundError = SandboxNotFoundError
MicroVMError = NovaError

__all__ = [
    "VM",
    "AuthenticationError",
    "ExecResult",
    "MicroVMClient",
    "MicroVMError",
    "NetworkError",
    "SyncMicroVMClient",
    "VMNotFoundError",
    "ValidationError",
]
