"""What tests know of where they run."""

import os
from pathlib import Path

#: Set by tests/e2e/python-sdk.test.ts of the repository: the daemon that the end-to-end tests may fill.
DAEMON = {name: os.environ.get(f"NOVA_E2E_{name}") for name in ("HOME", "URL", "KEY")}
REPOSITORY = Path(__file__).parents[3]
