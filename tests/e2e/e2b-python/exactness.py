"""What E2B's Python client is told at the very moment something happens."""

import threading

from e2b import Sandbox, SandboxException, TimeoutException

sandbox = Sandbox.create()
try:
    sandbox.files.make_dir("/home/user/watched")
    handle = sandbox.files.watch_dir("/home/user/watched")
    for number in range(30):
        sandbox.files.write(f"/home/user/watched/{number}", "x")
        names = {event.name for event in handle.get_new_events()}
        assert str(number) in names, (number, names)
    handle.stop()
finally:
    sandbox.kill()


def kill_while_it_runs(command: str) -> None:
    """A command that is ended by whoever else knows the sandbox."""
    sandbox = Sandbox.create()
    started = threading.Event()
    killer = threading.Thread(target=lambda: (started.wait(), Sandbox.kill(sandbox.sandbox_id)))
    killer.start()
    try:
        sandbox.commands.run(command, timeout=0, on_stdout=lambda _: started.set())
        raise AssertionError("the command ended well")
    except (SandboxException, TimeoutException) as error:
        assert "sandbox" in str(error).lower() and "killed" in str(error), repr(error)
    finally:
        started.set()
        killer.join()


for _ in range(2):
    # A silent command, and one with much output.
    kill_while_it_runs("echo up; sleep 1000")
    kill_while_it_runs("yes | head -c 100000000; sleep 1000")
