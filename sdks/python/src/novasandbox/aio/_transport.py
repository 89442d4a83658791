"""Sends requests, for asyncio."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import Any, AsyncIterator, TypeVar

import httpx

from .._connection import Connection, ConnectionOptions, connection_of
from .._http import client_arguments, limits
from .._request import Request, raise_for, raise_network_error, wait_before_retry
from ..errors import NovaError
from ._waiting import sleep

T = TypeVar("T")


class AsyncTransport:
    """Sends requests from one event loop."""

    def __init__(self, options: ConnectionOptions) -> None:
        #: The options it was made with, for another one to the same daemon.
        self.options = options
        self.connection = connection_of(options)
        self._client = httpx.AsyncClient(
            **client_arguments(self.connection),
            transport=self.connection.http_transport or _route(self.connection),
        )

    async def send(self, request: Request[T]) -> T:
        """Sends a request and reads its response; repeats the request if that is harmless."""
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
            await sleep(wait)

    @asynccontextmanager
    async def stream(self, request: Request[Any]) -> AsyncIterator[httpx.Response]:
        """Sends a request and yields its response as a stream."""
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
                raise_for(response, request)
            yield response
        finally:
            await response.aclose()

    async def chunks(self, response: httpx.Response) -> AsyncIterator[bytes]:
        """Yields the body of a response as it arrives."""
        try:
            async for chunk in response.aiter_bytes():
                yield chunk
        except httpx.TransportError as error:
            raise_network_error(error, self.connection)

    async def __aenter__(self) -> AsyncTransport:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connections. Idempotent."""
        await self._client.aclose()


def _route(connection: Connection) -> httpx.AsyncBaseTransport | None:
    if connection.socket is None:
        return None
    return httpx.AsyncHTTPTransport(uds=connection.socket, verify=False, limits=limits)
