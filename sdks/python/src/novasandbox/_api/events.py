"""Events of sandboxes."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any, Iterable, Optional, Union

from .._request import Request, given, nothing
from .guest import stream_patience


def stream(
    *,
    sandbox: Optional[str] = None,
    types: Optional[Iterable[str]] = None,
    since: Union[int, datetime, None] = None,
    follow: bool = True,
) -> Request[None]:
    """Streams lines of JSON: first the events kept since an event or a time, then new ones."""
    params: dict[str, Any] = given(vm=sandbox, type=None if types is None else list(types))
    if isinstance(since, datetime):
        params["since_time"] = since.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")
    elif since is not None:
        params["since"] = since
    if not follow:
        params["follow"] = "false"
    return Request("GET", "/events", nothing, params=params, patience=stream_patience)
