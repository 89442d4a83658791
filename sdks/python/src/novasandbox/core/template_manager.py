"""Templates, from which sandboxes are cloned."""

from __future__ import annotations

from typing import List

from typing_extensions import Unpack

from .._api import vms
from .._connection import ConnectionOptions
from ..aio._transport import AsyncTransport
from ..models import TemplateInfo


class TemplateManager:
    """Templates of the daemon."""

    def __init__(self, **options: Unpack[ConnectionOptions]) -> None:
        self._transport = AsyncTransport(options)

    async def list_templates(self) -> List[TemplateInfo]:
        return (await self._transport.send(vms.templates())).templates

    async def get_template(self, template_id: str) -> TemplateInfo:
        """Returns a template; raises TemplateNotFoundError."""
        return await self._transport.send(vms.template(template_id))

    async def close(self) -> None:
        await self._transport.close()
