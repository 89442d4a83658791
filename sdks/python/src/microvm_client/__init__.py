"""Compatibility: `import microvm_client`, for programs written for the MicroVM Sandbox.

This is `novasandbox.microvm_client` under that library's name, installed with `novasandbox`. New programs use
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
