"""Compatibility: `import microvm_client`, as programs written for the MicroVM Sandbox say it.

It is `novasandbox.microvm_client` under the name of that library, and comes with `novasandbox`. New programs use
`novasandbox`.
"""

from novasandbox.microvm_client import (
    VM,
    AuthenticationError,
    ExecResult,
    MicroVMClient,
    MicroVMError,
    NetworkError,
    SyncMicroVMClient,
    ValidationError,
    VMNotFoundError,
)

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
