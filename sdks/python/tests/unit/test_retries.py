"""What is sent again, and what is not."""

import base64
import json
from typing import Any, Callable, Dict, List, Union

import httpx
import pytest

from novasandbox import CommandExitException, GuestError, NetworkError, NovaError, RateLimitedError, Sandbox
from novasandbox.microvm_client import SyncMicroVMClient

VM: Dict[str, Any] = {
    "id": "abcd", "name": None, "owner": None, "team": None, "status": "running", "template": "base",
    "os_type": "linux", "hypervisor": "qemu", "architecture": "amd64", "accelerator": None,
    "vcpus": 1, "memory_mb": 1, "disk_mb": 1, "network": True, "host_port": None, "guest_port": 1,
    "metadata": {}, "ephemeral": False, "created_at": "2026-01-02T03:04:05Z", "started_at": None, "stopped_at": None,
    "expires_at": None, "boot_time_ms": None, "boot_kind": None, "reason": None,
}  # fmt: skip
Step = Union[httpx.Response, Exception]


class Daemon:
    """Answers one thing after another."""

    def __init__(self, *steps: Step) -> None:
        self.steps: List[Step] = list(steps)
        self.requests: List[httpx.Request] = []
        self.options: Any = {"api_url": "http://d", "http_transport": httpx.MockTransport(self.answer)}

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        step = self.steps.pop(0)
        if isinstance(step, Exception):
            raise step
        return step


class Cut(httpx.SyncByteStream):
    """A stream that breaks."""

    def __init__(self, text: bytes) -> None:
        self.text = text

    def __iter__(self) -> Any:
        yield self.text
        raise httpx.ReadError("reset")


@pytest.fixture(autouse=True)
def at_once(environment: pytest.MonkeyPatch) -> None:
    environment.setattr("time.sleep", lambda _seconds: None)


def error(status: int, code: str, **headers: str) -> httpx.Response:
    envelope = {"error": {"code": code, "message": "m", "hint": "h", "details": {}}}
    return httpx.Response(status, json=envelope, headers={k.replace("_", "-"): v for k, v in headers.items()})


def events(*lines: Dict[str, Any]) -> bytes:
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def started(stdout: int = 0) -> Dict[str, Any]:
    return {"type": "started", "process_id": 7, "pid": 8, "stdout_offset": stdout, "stderr_offset": 0}


def out(data: bytes) -> Dict[str, Any]:
    return {"type": "stdout", "data": base64.b64encode(data).decode()}


def ended(code: int = 0) -> Dict[str, Any]:
    return {
        "type": "exit",
        "exit_code": code,
        "signal": None,
        "timed_out": False,
        "oom_killed": False,
        "duration_ms": 1,
    }


def sandbox(daemon: Daemon) -> Sandbox:
    daemon.steps.insert(0, httpx.Response(200, json=VM))
    made = Sandbox.connect("abcd", **daemon.options)
    daemon.requests.clear()
    return made


def test_create_is_sent_again_under_its_key() -> None:
    daemon = Daemon(httpx.ReadError("reset"), error(503, "shutting_down"), httpx.Response(201, json=VM))
    assert Sandbox.create(**daemon.options).id == "abcd"
    keys = [request.headers["idempotency-key"] for request in daemon.requests]
    assert len(keys) == 3 and len(set(keys)) == 1 and len(keys[0]) == 32


def test_what_changes_something_is_not_sent_again() -> None:
    calls: List[Callable[[Sandbox], object]] = [
        lambda s: s.stop(), lambda s: s.kill(), lambda s: s.files.remove("/x"), lambda s: s.files.write("/x", "y"),
    ]  # fmt: skip
    for call in calls:
        daemon = Daemon(httpx.ReadError("reset"))
        with pytest.raises(NetworkError) as caught:
            call(sandbox(daemon))
        assert caught.value.code == "connection_lost" and len(daemon.requests) == 1


def test_reading_is_tried_four_more_times_at_most() -> None:
    daemon = Daemon(*[httpx.ReadError("reset")] * 9)
    with pytest.raises(NetworkError):
        sandbox(daemon).info()
    assert len(daemon.requests) == 5


def test_a_limit_is_waited_for_when_that_is_short() -> None:
    assert sandbox(Daemon(error(429, "rate_limited", retry_after="1"), httpx.Response(200, json=VM))).stop()
    daemon = Daemon(error(429, "rate_limited", retry_after="3600"))
    with pytest.raises(RateLimitedError) as caught:
        sandbox(daemon).stop()
    assert caught.value.details["retry_after_seconds"] == 3600 and caught.value.hint == "h"
    daemon = Daemon(error(429, "vm_limit_reached"))
    with pytest.raises(RateLimitedError):
        Sandbox.create(**daemon.options)


def test_a_command_goes_on_where_its_stream_broke() -> None:
    first = httpx.Response(200, stream=Cut(events(started(), out(b"abc")) + b'{"type":"std'))
    daemon = Daemon(
        first, httpx.ReadError("reset"), httpx.Response(200, content=events(started(3), out(b"def"), ended(2)))
    )
    told: List[str] = []
    with pytest.raises(CommandExitException) as caught:
        sandbox(daemon).commands.run("x", on_stdout=told.append)
    assert caught.value.stdout == "abcdef" and "".join(told) == "abcdef" and not caught.value.result.stdout_truncated
    assert [str(request.url) for request in daemon.requests[1:]] == [
        "http://d/api/v1/vms/abcd/processes/7/output?stdout_offset=3&stderr_offset=0"
    ] * 2
    # What was lost in between is told.
    daemon = Daemon(
        httpx.Response(200, content=events(started(), out(b"abc"))),
        httpx.Response(200, content=events(started(9), ended())),
    )
    assert sandbox(daemon).commands.run("x").stdout_truncated


def test_a_command_is_not_started_twice() -> None:
    daemon = Daemon(httpx.ReadError("reset"))
    with pytest.raises(NetworkError):
        sandbox(daemon).commands.run("x")
    assert len(daemon.requests) == 1
    executed = {
        "exit_code": 0, "stdout": "o", "stderr": "", "duration_ms": 1, "timed_out": False, "oom_killed": False,
        "signal": None, "truncated": False, "process_id": 1,
    }  # fmt: skip
    daemon = Daemon(httpx.ReadError("reset"), httpx.Response(200, json=executed))
    assert sandbox(daemon).commands.run("x", idempotency_key="mine").stdout == "o"
    assert [request.headers["idempotency-key"] for request in daemon.requests] == ["mine", "mine"]


@pytest.mark.parametrize(
    "line", [b"[]\n", b"nonsense\n", b'{"type":"stdout","data":5}\n', b'{"type":"exit"}\n', b"5\n"]
)
def test_a_stream_of_nonsense(line: bytes) -> None:
    daemon = Daemon(httpx.Response(200, content=events(started()) + line), httpx.Response(204))
    with pytest.raises(GuestError):
        sandbox(daemon).commands.run("x")


def test_an_error_within_a_stream() -> None:
    line = {"type": "error", "error": {"code": "new_code", "message": "m", "hint": "h"}}
    daemon = Daemon(httpx.Response(200, content=events(started(), {"type": "keepalive"}, line)), httpx.Response(204))
    with pytest.raises(NovaError) as caught:
        sandbox(daemon).commands.run("x")
    assert (caught.value.code, str(caught.value)) == ("new_code", "m (h)")
    # The command was not left behind.
    assert json.loads(daemon.requests[-1].content) == {"signal": "SIGKILL"}


def test_misspelt_options_of_commands_are_errors() -> None:
    misspelt: Any = {"timeoutt": 5}
    for how in ({}, {"background": True}, {"idempotency_key": "k"}):
        with pytest.raises(TypeError, match="timeoutt"):
            sandbox(Daemon()).commands.run("x", **how, **misspelt)


def test_lists_are_read_to_their_end() -> None:
    def page(cursor: Any) -> httpx.Response:
        return httpx.Response(200, json={"vms": [VM], "total": 2, "next_cursor": cursor})

    daemon = Daemon(page("next"), page(None))
    which: Any = {"states": ["running", "stopped"], "metadata": {"a": "b=c"}, "owner": "user:ann", "team": "crew"}
    assert len(Sandbox.list(**which, **daemon.options)) == 2
    asked = {
        "limit": "1000",
        "cursor": "next",
        "status": "running,stopped",
        "label": "a=b=c",
        "owner": "user:ann",
        "team": "crew",
    }
    assert dict(daemon.requests[1].url.params) == asked
    client = SyncMicroVMClient("http://d")
    client.close()
