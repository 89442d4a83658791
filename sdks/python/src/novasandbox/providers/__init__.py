"""Hypervisors by name. Which of them there are is the daemon's to say: one that is not there yet raises NotSupportedError.

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
