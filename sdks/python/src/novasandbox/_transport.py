# Written by generate_sync.py from aio/_transport.py: change that file, and run it again.
"""Sends requests."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Any, Iterator, TypeVar

import httpx

from ._connection import Connection, ConnectionOptions, connection_of
from ._http import client_arguments, limits
from ._request import Request, raise_for, raise_network_error, wait_before_retry
from ._waiting import sleep
from .errors import NovaError

T = TypeVar("T")


class SyncTransport:
    """Sends requests and waits. Threads may share it."""

    def __init__(self, options: ConnectionOptions) -> None:
        #: The options it was made with, for another one to the same daemon.
        self.options = options
        self.connection = connection_of(options)
        self._client = httpx.Client(
            **client_arguments(self.connection),
            transport=self.connection.http_transport or _route(self.connection),
        )

    def send(self, request: Request[T]) -> T:
        """Sends a request and reads its response; repeats the request if that is harmless."""
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
            sleep(wait)

    @contextmanager
    def stream(self, request: Request[Any]) -> Iterator[httpx.Response]:
        """Sends a request and yields its response as a stream."""
        built = self._client.build_request(**request.arguments(self.connection))
        try:
            response = self._client.send(built, stream=True)
        except httpx.TransportError as error:
            raise_network_error(error, self.connection)
        try:
            if not response.is_success:
                try:
                    response.read()
                except httpx.TransportError as error:
                    raise_network_error(error, self.connection)
                raise_for(response, request)
            yield response
        finally:
            response.close()

    def chunks(self, response: httpx.Response) -> Iterator[bytes]:
        """Yields the body of a response as it arrives."""
        try:
            for chunk in response.iter_bytes():
                yield chunk
        except httpx.TransportError as error:
            raise_network_error(error, self.connection)

    def __enter__(self) -> SyncTransport:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections. Idempotent."""
        self._client.close()


def _route(connection: Connection) -> httpx.BaseTransport | None:
    if connection.socket is None:
        return None
    return httpx.HTTPTransport(uds=connection.socket, verify=False, limits=limits)
