import os
from typing import Any

import httpx
import pytest

from novasandbox import InvalidArgumentError, NetworkError, PermissionDeniedError, Sandbox
from novasandbox._connection import connection_of
from novasandbox._request import segment


def test_the_environment_says_where_the_daemon_is(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("NOVA_HOME", "/some/home")
    assert connection_of({}).socket == "/some/home/nova.sock" and "x-api-key" not in connection_of({}).headers
    environment.setenv("NOVA_API_KEY", "nova_1")
    # The socket is its owner's, and needs no key.
    assert "x-api-key" not in connection_of({}).headers
    environment.setenv("NOVA_API_URL", "https://nova.example:8443/")
    remote = connection_of({})
    assert (remote.socket, remote.base_url, remote.headers["x-api-key"]) == (
        None,
        "https://nova.example:8443",
        "nova_1",
    )
    assert remote.encrypted and remote.proxied
    assert connection_of({"home": "/other"}).socket == "/other/nova.sock"
    assert connection_of({"api_key": "nova_2"}).headers["x-api-key"] == "nova_2"
    assert not connection_of({"api_url": "http://127.0.0.1:1"}).proxied


def test_the_state_folder_when_nothing_is_said(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("HOME", "/home/someone")
    environment.setattr(os, "getuid", lambda: 1000)
    assert connection_of({}).socket == "/home/someone/.novasandbox/nova.sock"
    environment.setattr(os, "getuid", lambda: 0)
    assert connection_of({}).socket == "/var/lib/novasandbox/nova.sock"


def test_another_users_socket_is_not_spoken_to(environment: pytest.MonkeyPatch, tmp_path: Any) -> None:
    (tmp_path / "nova.sock").touch()
    assert connection_of({"home": str(tmp_path)}).socket == str(tmp_path / "nova.sock")
    environment.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(PermissionDeniedError, match="another user"):
        connection_of({"home": str(tmp_path)})


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://x", "http://", "/socket"])
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(InvalidArgumentError):
        connection_of({"api_url": url})


def test_a_key_cannot_smuggle_headers() -> None:
    with pytest.raises(InvalidArgumentError):
        connection_of({"api_url": "http://x", "api_key": "a\r\nx: y"})


def test_names_stay_within_their_segment() -> None:
    assert segment("a/../b?c#d") == "a%2F..%2Fb%3Fc%23d"
    for wrong in ("", ".", ".."):
        with pytest.raises(InvalidArgumentError):
            segment(wrong)


def test_no_daemon(tmp_path: Any) -> None:
    with pytest.raises(NetworkError, match="nova serve") as caught:
        Sandbox.list(home=str(tmp_path))
    assert caught.value.code == "server_unreachable" and caught.value.status_code is None
    with pytest.raises(NetworkError):
        Sandbox.list(api_url="http://127.0.0.1:1")


def test_what_answers_is_not_the_daemon() -> None:
    for response in (httpx.Response(404, text="<html>"), httpx.Response(500, json=[]), httpx.Response(200, json={})):
        transport = httpx.MockTransport(lambda _request, response=response: response)  # type: ignore[misc]
        with pytest.raises(NetworkError) as caught:
            Sandbox.connect("x", api_url="http://x", http_transport=transport)
        assert caught.value.status_code == response.status_code


def test_misspelt_options_are_errors() -> None:
    transport = httpx.MockTransport(lambda _request: httpx.Response(204))
    options: Any = {"api_url": "http://x", "http_transport": transport}
    misspelt: Any = {"memory": 5}
    with pytest.raises(TypeError, match="memory"):
        Sandbox.create(**options, **misspelt)
    with pytest.raises(TypeError, match="memory"):
        Sandbox.list(**options, **misspelt)
    with pytest.raises(InvalidArgumentError, match="idempotency_key"):
        Sandbox.create(**options, idempotency_key="a\nb")
