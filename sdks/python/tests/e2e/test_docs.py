"""Every example of the documents runs as it is."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import List

import pytest
from surroundings import DAEMON, REPOSITORY

DOCUMENTS = [REPOSITORY / "docs/python.md", REPOSITORY / "sdks/python/README.md"]


def examples() -> List[object]:
    found: List[object] = []
    for document in DOCUMENTS:
        if not document.exists():
            continue
        text = document.read_text()
        for block in re.finditer(r"^```python\n(.*?)^```$", text, re.M | re.S):
            line = text.count("\n", 0, block.start()) + 1
            found.append(pytest.param(block[1], id=f"{document.name}:{line}"))
    return found


@pytest.mark.parametrize("code", examples())
def test_example(code: str, tmp_path: Path) -> None:
    script = tmp_path / "example.py"
    script.write_text(code)
    env = {**os.environ, "NOVA_HOME": DAEMON["HOME"] or ""}
    ran = subprocess.run([sys.executable, script], env=env, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0 and ran.stderr == "", ran.stderr
    # What a comment says is printed, is.
    for expected in re.findall(r"print\(.*  # (.+)$", code, re.M):
        assert expected in ran.stdout, f"{expected!r} is not in {ran.stdout!r}"
