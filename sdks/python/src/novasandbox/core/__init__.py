"""`SandboxConfig`, `Sandbox` and `BaseHypervisor` as the first NovaSandbox had them, over a daemon. For asyncio."""

from ..models import SandboxState
from .config import SandboxConfig
from .hypervisor import BaseHypervisor
from .sandbox import Sandbox
from .template_manager import TemplateManager

__all__ = ["BaseHypervisor", "Sandbox", "SandboxConfig", "SandboxState", "TemplateManager"]
