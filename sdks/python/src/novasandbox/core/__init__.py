"""Compatibility: `SandboxConfig`, `Sandbox` and `BaseHypervisor` as the first NovaSandbox had them, over a daemon.

All of it is for asyncio. New programs use `novasandbox.AsyncSandbox`.
"""

from ..models import SandboxState
from .config import SandboxConfig
from .hypervisor import BaseHypervisor
from .sandbox import Sandbox
from .template_manager import TemplateManager

__all__ = ["BaseHypervisor", "Sandbox", "SandboxConfig", "SandboxState", "TemplateManager"]
