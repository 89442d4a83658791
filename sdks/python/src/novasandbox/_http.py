"""Arguments of both kinds of httpx client."""

from __future__ import annotations

from typing import Any

import httpx

from ._connection import Connection

limits = httpx.Limits(max_connections=None, max_keepalive_connections=20)


def client_arguments(connection: Connection) -> dict[str, Any]:
    # Ask for uncompressed responses: streamed data must not wait in a decoder.
    headers = {**connection.headers, "accept-encoding": "identity"}
    return {
        "base_url": connection.base_url,
        "headers": headers,
        "verify": connection.encrypted,
        "trust_env": connection.proxied,
        "limits": limits,
        "follow_redirects": False,
    }
