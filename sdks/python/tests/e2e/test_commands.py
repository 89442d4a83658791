import threading
import time

import pytest

from novasandbox import (
    CommandError,
    CommandExitException,
    CommandTimeoutException,
    ConflictError,
    InvalidArgumentError,
    Sandbox,
)


def test_a_command_runs(shared: Sandbox) -> None:
    result = shared.commands.run("echo out; echo err >&2; id -un; pwd")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "out\nuser\n/home/user\n", "err\n")
    assert result.success and result.duration_ms > 0 and not result.stdout_truncated
    assert shared.commands.run(["printf", "%s|", "a b", "$HOME", "ü"]).stdout == "a b|$HOME|ü|"


def test_options_of_a_command(shared: Sandbox) -> None:
    result = shared.commands.run('pwd; echo "$A"; id -un; cat', cwd="/etc", env={"A": "b c"}, user="root", stdin="in")
    assert result.stdout == "/etc\nb c\nroot\nin"
    assert shared.commands.run("cat", stdin=b"bytes").stdout == "bytes"
    with pytest.raises(InvalidArgumentError, match="UTF-8"):
        shared.commands.run("cat", stdin=b"\xff")


def test_a_failure_is_raised_with_its_result(shared: Sandbox) -> None:
    with pytest.raises(CommandExitException) as caught:
        shared.commands.run("echo partial; echo no >&2; exit 3")
    assert (caught.value.exit_code, caught.value.stdout, caught.value.stderr) == (3, "partial\n", "no\n")
    assert caught.value.code == "command_failed" and "exited with 3: no" in str(caught.value)
    assert shared.commands.run("exit 3", check=False).exit_code == 3
    assert shared.commands.run("kill -9 $$", check=False).signal == 9
    with pytest.raises(CommandError) as missing:
        shared.commands.run(["no-such-program"])
    assert missing.value.code == "command_not_found" and missing.value.hint
    with pytest.raises(InvalidArgumentError, match="nobody-such"):
        shared.commands.run("true", user="nobody-such")


def test_a_time_limit_ends_it(shared: Sandbox) -> None:
    with pytest.raises(CommandTimeoutException) as caught:
        shared.commands.run("echo before; sleep 60", timeout=0.5)
    assert caught.value.result.timed_out and caught.value.stdout == "before\n"


def test_output_is_told_as_it_comes_and_whole(shared: Sandbox) -> None:
    told: list[tuple[float, str]] = []
    shared.commands.run(
        "for i in 1 2 3; do echo $i; sleep 0.3; done", on_stdout=lambda t: told.append((time.time(), t))
    )
    assert "".join(text for _, text in told) == "1\n2\n3\n"
    assert told[-1][0] - told[0][0] > 0.4
    size = 3_000_000
    assert len(shared.commands.run(f"head -c {size} /dev/zero").stdout_bytes) == size
    newest = shared.commands.run("seq 100000", max_output_bytes=10)
    assert newest.stdout == "99\n100000\n" and newest.stdout_truncated


def test_characters_are_not_cut(shared: Sandbox) -> None:
    told: list[str] = []
    shared.commands.run(r"printf '\303'; sleep 0.2; printf '\274'", on_stdout=told.append)
    assert told == ["ü"]


def test_in_the_background(shared: Sandbox) -> None:
    told: list[str] = []
    handle = shared.commands.run("echo one; sleep 0.3; echo two; exit 4", background=True, on_stdout=told.append)
    assert handle.is_running and handle.pid > 1
    assert any(process.id == handle.process_id and process.running for process in shared.commands.list())
    with pytest.raises(CommandExitException) as caught:
        handle.wait(timeout=20)
    assert caught.value.exit_code == 4 and "".join(told) == "one\ntwo\n"
    assert handle.result().stdout == "one\ntwo\n" and not handle.is_running and not handle.kill()
    with pytest.raises(CommandError):
        shared.commands.run(["no-such-program"], background=True)


def test_background_commands_are_killed_and_found_again(shared: Sandbox) -> None:
    handle = shared.commands.run("echo here; exec sleep 1000", background=True)
    with pytest.raises(TimeoutError):
        handle.wait(timeout=0.1)
    while handle.stdout == "":
        time.sleep(0.02)
    handle.disconnect()
    again = shared.commands.connect(handle.process_id)
    assert again.kill()
    result = again.result(timeout=20)
    assert result.signal == 9 and result.stdout == "here\n"
    assert not shared.commands.kill(again.process_id)


def test_nobody_looks_and_it_does_not_wait(shared: Sandbox) -> None:
    handle = shared.commands.run("head -c 8000000 /dev/zero; echo end >&2", background=True)
    deadline = time.time() + 30
    while handle.is_running and time.time() < deadline:
        time.sleep(0.05)
    assert handle.stderr == "end\n"
    assert handle.result().stdout_truncated and len(handle.result().stdout_bytes) == 1024 * 1024


def test_a_call_that_is_interrupted_ends_its_command(shared: Sandbox) -> None:
    def stop(_text: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        shared.commands.run("echo go; exec sleep 987", on_stdout=stop)
    deadline = time.time() + 10
    while shared.commands.run("pgrep -x sleep -a | grep -c 987", check=False).stdout.strip() != "0":
        assert time.time() < deadline
        time.sleep(0.1)


def test_a_repeated_call_runs_once(shared: Sandbox) -> None:
    key = f"once-{time.time_ns()}"
    first = shared.commands.run("echo x >> /tmp/once; date +%N", idempotency_key=key)
    again = shared.commands.run("echo x >> /tmp/once; date +%N", idempotency_key=key)
    assert first.stdout == again.stdout and shared.files.read("/tmp/once") == "x\n"
    with pytest.raises(ConflictError) as caught:
        shared.commands.run("echo other", idempotency_key=key)
    assert caught.value.code == "idempotency_conflict"


def test_threads_share_a_sandbox(shared: Sandbox) -> None:
    results: list[str] = []
    threads = [
        threading.Thread(target=lambda i=i: results.append(shared.commands.run(f"echo {i}").stdout.strip()))  # type: ignore[misc]
        for i in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [str(i) for i in range(8)]
