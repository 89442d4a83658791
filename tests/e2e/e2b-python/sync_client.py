"""The unmodified Python client, sync. Where to go is in its environment, as for any user of it."""

import os
import time
import urllib.request
from importlib.metadata import version

from e2b import (
    AuthenticationException,
    CommandExitException,
    InvalidArgumentException,
    NotFoundException,
    Sandbox,
    SandboxQuery,
    SandboxState,
    TimeoutException,
    Volume,
    VolumeException,
    VolumePathNotFoundException,
)


def rejects(kind, work):
    try:
        work()
    except kind as error:
        return error
    raise AssertionError(f"{kind.__name__} was not raised")


def eventually(what, is_so, within=60):
    until = time.monotonic() + within
    while not is_so():
        assert time.monotonic() < until, f"not within {within} s: {what}"
        time.sleep(0.05)


def commands(box):
    seen = []
    result = box.commands.run(
        "echo out; echo err >&2; id -un; pwd; echo $A$B", envs={"B": "call"}, on_stdout=seen.append
    )
    assert result.stdout == "out\nuser\n/home/user\ncreatecall\n", result
    assert result.stderr == "err\n" and result.exit_code == 0 and "".join(seen) == result.stdout
    assert box.commands.run("id -un", user="root", cwd="/etc").stdout == "root\n"
    assert rejects(CommandExitException, lambda: box.commands.run("exit 3")).exit_code == 3
    rejects(InvalidArgumentException, lambda: box.commands.run("true", cwd="/not/there"))
    rejects(AuthenticationException, lambda: box.commands.run("true", user="nobody-such"))
    rejects(TimeoutException, lambda: box.commands.run("sleep 20", timeout=1))

    handle = box.commands.run("cat; echo done", background=True, stdin=True)
    assert any(each.pid == handle.pid for each in box.commands.list())
    box.commands.send_stdin(handle.pid, "line\n")
    box.commands.close_stdin(handle.pid)
    assert handle.wait().stdout == "line\ndone\n"

    handle = box.commands.run("sleep 100", background=True)
    again = box.commands.connect(handle.pid)
    assert handle.kill()
    assert rejects(CommandExitException, again.wait).exit_code == -1
    assert not box.commands.kill(999999)


def files(box):
    info = box.files.write("notes/a.txt", "one")
    assert (info.path, info.name) == ("/home/user/notes/a.txt", "a.txt"), info
    assert box.files.read("notes/a.txt") == "one"
    assert bytes(box.files.read("notes/a.txt", format="bytes")) == b"one"
    assert b"".join(box.files.read("notes/a.txt", format="stream")) == b"one"
    box.files.write_files([{"path": "m/a", "data": "A"}, {"path": "m/b", "data": b"B"}])
    assert [each.name for each in box.files.list("m")] == ["a", "b"]
    entry = box.files.get_info("m/a")
    assert (entry.owner, entry.permissions, entry.size) == ("user", "-rw-r--r--", 1), entry
    assert box.files.make_dir("m/dir") and not box.files.make_dir("m/dir")
    assert box.files.rename("m/a", "m/c").path == "/home/user/m/c"
    assert box.files.exists("m/c") and not box.files.exists("m/a")
    box.files.remove("m")
    rejects(NotFoundException, lambda: box.files.read("m/c"))
    rejects(NotFoundException, lambda: box.files.list("m"))

    box.files.make_dir("watched")
    watch = box.files.watch_dir("watched")
    box.files.write("watched/new", "x")
    seen = []
    eventually("the events", lambda: seen.extend(watch.get_new_events()) or len(seen) >= 3)
    assert [each.type.value for each in seen] == ["create", "chmod", "write"], seen
    watch.stop()

    url = box.download_url("notes/a.txt", use_signature_expiration=60)
    assert urllib.request.urlopen(url).read() == b"one"


def terminals(box):
    from e2b import PtySize

    pty = box.pty.create(PtySize(rows=20, cols=90), timeout=30)
    box.pty.send_stdin(pty.pid, b"stty size; exit\n")
    text = b"".join(data for _, _, data in pty if data is not None)
    assert b"20 90" in text, text


def git(box):
    box.git.init("/home/user/origin", initial_branch="main")
    box.git.configure_user("A Name", "a@example.org")
    box.files.write("origin/a.txt", "one")
    box.git.add("/home/user/origin")
    box.git.commit("/home/user/origin", "first")
    assert box.git.status("/home/user/origin").is_clean
    assert box.git.branches("/home/user/origin").current_branch == "main"


def life(box):
    info = box.get_info()
    assert info.metadata == {"group": "python"} and info.template_id == "base" and info.state == SandboxState.RUNNING
    usage = box.get_metrics()[0]
    assert usage.mem_used > 0 and usage.cpu_count == 1

    with Sandbox.create(metadata={"group": "other"}) as other:
        listed = Sandbox.list(query=SandboxQuery(metadata={"group": "python"}))
        assert [each.sandbox_id for each in listed.next_items()] == [box.sandbox_id] and not listed.has_next
        pages = Sandbox.list(limit=1)
        ids = []
        while pages.has_next:
            ids.extend(each.sandbox_id for each in pages.next_items())
        assert ids == [other.sandbox_id, box.sandbox_id]
        other.set_timeout(0)
        eventually("it has ended", lambda: not other.is_running())

    box.pause()
    assert not box.is_running()
    assert [each.sandbox_id for each in Sandbox.list(query=SandboxQuery(state=[SandboxState.PAUSED])).next_items()] == [
        box.sandbox_id
    ]
    again = Sandbox.connect(box.sandbox_id)
    assert again.commands.run("echo back").stdout == "back\n"
    rejects(NotFoundException, lambda: Sandbox.connect("abcdefgh"))
    rejects(AuthenticationException, lambda: Sandbox.create(api_key="e2b_" + "0" * 40))


def ports(box):
    box.files.write("page/index.html", "a page")
    box.commands.run("python3 -m http.server 8000 --directory page", background=True, timeout=0)
    asked = urllib.request.Request(os.environ["E2B_SANDBOX_URL"], headers={"Host": box.get_host(8000)})

    def serves():
        try:
            return urllib.request.urlopen(asked).read() == b"a page"
        except urllib.error.HTTPError as error:
            assert error.code == 502
            return False

    eventually("it serves", serves)


def snapshots(box):
    box.files.write("state", "before")
    taken = box.create_snapshot()
    named = box.create_snapshot(name="py-named")
    assert (named.snapshot_id, named.names) == ("py-named:default", ["py-named:default"]), named
    box.files.write("state", "after")
    listed = Sandbox.list_snapshots(limit=1)
    ids = []
    while listed.has_next:
        ids.extend(each.snapshot_id for each in listed.next_items())
    assert ids == [named.snapshot_id, taken.snapshot_id], ids
    assert len(box.list_snapshots().next_items()) == 2
    for template in (taken.snapshot_id, "py-named"):
        with Sandbox.create(template, envs={"A": "again"}) as other:
            assert other.files.read("state") == "before"
            assert other.commands.run("echo $A").stdout == "again\n"
    if not version("e2b").startswith("2.45."):
        disk = box.create_snapshot(mode="filesystem")
        with Sandbox.create(disk.snapshot_id) as booted:
            assert booted.files.read("state") == "after"
        assert Sandbox.delete_snapshot(disk.snapshot_id)
    assert Sandbox.delete_snapshot(taken.snapshot_id) and not Sandbox.delete_snapshot(taken.snapshot_id)
    assert Sandbox.delete_snapshot("py-named")
    assert Sandbox.list_snapshots().next_items() == []
    rejects(NotFoundException, lambda: Sandbox.create_snapshot("abcdefgh"))


def forks(box):
    box.files.write("forked", "yes")
    sleeper = box.commands.run("sleep 1000", background=True, timeout=0)
    for child in box.fork(count=2, timeout=120):
        assert isinstance(child, Sandbox), child
        assert child.sandbox_id != box.sandbox_id and child.files.read("forked") == "yes"
        assert any(each.pid == sleeper.pid for each in child.commands.list())
        assert child.kill()
    assert box.is_running() and sleeper.kill()
    rejects(NotFoundException, lambda: Sandbox.fork("abcdefgh"))


def volumes(_):
    volume = Volume.create("py-sync")
    assert "py-sync" in [each.name for each in Volume.list()]
    volume.write_file("/a", "one")
    assert volume.read_file("/a") == "one"
    rejects(VolumeException, lambda: volume.write_file("/a", "two"))
    assert volume.write_file("/a", b"two", force=True, mode=0o644).mode == 0o644
    assert volume.make_dir("/deep/er", force=True).path == "/deep/er"
    assert [each.path for each in volume.list("/", depth=2)] == ["/a", "/deep", "/deep/er"]
    with Sandbox.create(volume_mounts={"/data": volume}, allow_internet_access=False) as other:
        assert other.files.read("/data/a") == "two"
        other.files.write("/data/b", "x" * 300_000)
    assert volume.read_file("/b", format="bytes") == b"x" * 300_000
    assert b"".join(volume.read_file("/b", format="stream")) == b"x" * 300_000
    volume.remove("/b")
    assert not volume.exists("/b")
    rejects(VolumePathNotFoundException, lambda: volume.read_file("/b"))
    assert Volume.destroy(volume.volume_id) and not Volume.destroy(volume.volume_id)


with Sandbox.create(envs={"A": "create"}, metadata={"group": "python"}, timeout=300) as box:
    for check in (commands, files, terminals, git, life, snapshots, forks, ports, volumes):
        check(box)
        print(f"ok {check.__name__}", flush=True)
assert not box.is_running()
