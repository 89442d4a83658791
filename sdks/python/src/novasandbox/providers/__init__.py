"""Compatibility: hypervisors by name, as the first NovaSandbox had them.

One that the daemon does not have raises NotSupportedError. New programs give
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
    """The hypervisor that the daemon finds best."""


__all__ = ["AppleVZHypervisor", "AutoHypervisor", "BaseHypervisor", "FirecrackerHypervisor", "QemuHypervisor"]
