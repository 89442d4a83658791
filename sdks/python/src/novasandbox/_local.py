"""Files of this machine."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Iterator, Union


@contextmanager
def replacing(path: Union[str, os.PathLike[str]]) -> Iterator[IO[bytes]]:
    """A file that takes its place when it is whole; nothing is left when it does not become so."""
    target = Path(path)
    number, name = tempfile.mkstemp(prefix=f".{target.name[:100]}.", dir=target.parent)
    try:
        with os.fdopen(number, "wb") as file:
            yield file
        # As `open` would have made it; a temporary file is its owner's alone.
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(name, 0o666 & ~umask)
        os.replace(name, target)
    except BaseException:
        os.unlink(name)
        raise
