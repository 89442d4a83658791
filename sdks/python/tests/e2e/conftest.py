"""End-to-end tests run against a daemon that is there for them."""

from __future__ import annotations

from typing import Iterator

import pytest
from surroundings import DAEMON

from novasandbox import Sandbox


@pytest.fixture(autouse=True)
def local_daemon(environment: pytest.MonkeyPatch) -> None:
    """The daemon's state folder is in the environment, as it is for its user: its socket is the way in."""
    if not DAEMON["HOME"]:
        pytest.skip("there is no daemon to test with")
    environment.setenv("NOVA_HOME", DAEMON["HOME"])


@pytest.fixture
def over_tcp(environment: pytest.MonkeyPatch) -> None:
    """As from another machine."""
    environment.delenv("NOVA_HOME")
    environment.setenv("NOVA_API_URL", DAEMON["URL"] or "")
    environment.setenv("NOVA_API_KEY", DAEMON["KEY"] or "")


@pytest.fixture(scope="session")
def shared() -> Iterator[Sandbox]:
    """One sandbox for all that leave it as it was."""
    if not DAEMON["HOME"]:
        pytest.skip("there is no daemon to test with")
    with Sandbox.create(name="py-shared", timeout=600, metadata={"suite": "python"}, home=DAEMON["HOME"]) as sandbox:
        yield sandbox
