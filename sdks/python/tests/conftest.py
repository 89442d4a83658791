"""Fixtures of all tests. No test reads the environment of whoever runs it."""

from __future__ import annotations

import json
import os

import pytest


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("NOVA_API_URL", "NOVA_API_KEY", "NOVA_HOME"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """One line of JSON a test, for the runner of the repository."""
    target = os.environ.get("NOVA_RESULTS")
    if target is None or (report.when != "call" and report.outcome == "passed"):
        return
    line = {"name": report.nodeid, "outcome": report.outcome, "text": report.longreprtext}
    with open(target, "a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
