"""Fixtures of all tests. No test reads the environment of whoever runs it."""

from __future__ import annotations

from typing import Iterator

import pytest


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    for name in ("NOVA_API_URL", "NOVA_API_KEY", "NOVA_HOME"):
        monkeypatch.delenv(name, raising=False)
    yield monkeypatch
