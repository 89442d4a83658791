"""Sends requests: the one place where sync and async part."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager, contextmanager
from typing import Any, AsyncIterator, Iterator, TypeVar

import httpx

from ._connection import Connection, ConnectionOptions, connection_of
from ._request import Request, raise_for, raise_network_error, wait_before_retry
from .errors import NovaError

T = TypeVar("T")

_limits = httpx.Limits(max_connections=None, max_keepalive_connections=20)


class SyncTransport:
    """Sends requests and waits. Threads may share it."""

    def __init__(self, options: ConnectionOptions) -> None:
        self.connection = connection_of(options)
        self._client = httpx.Client(
            **_client_arguments(self.connection),
            transport=self.connection.http_transport or _sync_route(self.connection),
        )

    def send(self, request: Request[T]) -> T:
        """Sends a request, again where that is harmless, and reads its answer."""
        attempt = 0
        while True:
            try:
                with self.stream(request) as response:
                    try:
                        response.read()
                    except httpx.TransportError as error:
                        raise_network_error(error, self.connection)
                    return request.parse(response)
            except NovaError as error:
                wait = wait_before_retry(request, error, attempt)
                if wait is None:
                    raise
            attempt += 1
            time.sleep(wait)

    @contextmanager
    def stream(self, request: Request[Any]) -> Iterator[httpx.Response]:
        """Sends a request and hands its answer over as it comes."""
        try:
            response = self._client.send(self._client.build_request(**request.arguments(self.connection)), stream=True)
        except httpx.TransportError as error:
            raise_network_error(error, self.connection)
        try:
            if not response.is_success:
                try:
                    response.read()
                except httpx.TransportError as error:
                    raise_network_error(error, self.connection)
                raise_for(response)
            yield response
        finally:
            response.close()

    def chunks(self, response: httpx.Response) -> Iterator[bytes]:
        """The body of an answer as it comes."""
        try:
            yield from response.iter_bytes()
        except httpx.TransportError as error:
            raise_network_error(error, self.connection)

    def close(self) -> None:
        """Closes the connections. Idempotent."""
        self._client.close()


class AsyncTransport:
    """Sends requests from one event loop."""

    def __init__(self, options: ConnectionOptions) -> None:
        self.connection = connection_of(options)
        self._client = httpx.AsyncClient(
            **_client_arguments(self.connection),
            transport=self.connection.http_transport or _async_route(self.connection),
        )

    async def send(self, request: Request[T]) -> T:
        """Sends a request, again where that is harmless, and reads its answer."""
        attempt = 0
        while True:
            try:
                async with self.stream(request) as response:
                    try:
                        await response.aread()
                    except httpx.TransportError as error:
                        raise_network_error(error, self.connection)
                    return request.parse(response)
            except NovaError as error:
                wait = wait_before_retry(request, error, attempt)
                if wait is None:
                    raise
            attempt += 1
            await asyncio.sleep(wait)

    @asynccontextmanager
    async def stream(self, request: Request[Any]) -> AsyncIterator[httpx.Response]:
        """Sends a request and hands its answer over as it comes."""
        built = self._client.build_request(**request.arguments(self.connection))
        try:
            response = await self._client.send(built, stream=True)
        except httpx.TransportError as error:
            raise_network_error(error, self.connection)
        try:
            if not response.is_success:
                try:
                    await response.aread()
                except httpx.TransportError as error:
                    raise_network_error(error, self.connection)
                raise_for(response)
            yield response
        finally:
            await response.aclose()

    async def chunks(self, response: httpx.Response) -> AsyncIterator[bytes]:
        """The body of an answer as it comes."""
        try:
            async for chunk in response.aiter_bytes():
                yield chunk
        except httpx.TransportError as error:
            raise_network_error(error, self.connection)

    async def close(self) -> None:
        """Closes the connections. Idempotent."""
        await self._client.aclose()


def _client_arguments(connection: Connection) -> dict[str, Any]:
    # Answers are not compressed: what streams must not wait in a decoder.
    headers = {**connection.headers, "accept-encoding": "identity"}
    return {
        "base_url": connection.base_url,
        "headers": headers,
        "verify": connection.encrypted,
        "trust_env": connection.proxied,
        "limits": _limits,
        "follow_redirects": False,
    }


def _sync_route(connection: Connection) -> httpx.BaseTransport | None:
    return None if connection.socket is None else httpx.HTTPTransport(uds=connection.socket, verify=False, limits=_limits)


def _async_route(connection: Connection) -> httpx.AsyncBaseTransport | None:
    if connection.socket is None:
        return None
    return httpx.AsyncHTTPTransport(uds=connection.socket, verify=False, limits=_limits)
