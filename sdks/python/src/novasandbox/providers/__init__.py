"""Compatibility: hypervisors by name, as the first NovaSandbox had them.

The daemon says which of them it has: one that is not there yet raises NotSupportedError. New programs give
`hypervisor=` to `novasandbox.Sandbox.create`.

``FirecrackerHypervisor(hypervisor="auto")`` leaves the choice to the daemon.
"""

from ..core.hypervisor import BaseHypervisor


class QemuHypervisor(BaseHypervisor):
    """QEMU: with KVM where it works, emulated everywhere else."""

    name = "qemu"


class FirecrackerHypervisor(BaseHypervisor):
    """Firecracker, on Linux with KVM."""

    name = "firecracker"


class AppleVZHypervisor(BaseHypervisor):
    """Apple's Virtualization framework, on macOS."""

    name = "apple-vz"


class AutoHypervisor(BaseHypervisor):
    """Whichever the daemon finds best."""


__all__ = ["AppleVZHypervisor", "AutoHypervisor", "BaseHypervisor", "FirecrackerHypervisor", "QemuHypervisor"]
