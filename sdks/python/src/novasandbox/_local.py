"""Files of this machine."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Iterator, Union


@contextmanager
def replacing(path: Union[str, os.PathLike[str]], *, private: bool = False) -> Iterator[IO[bytes]]:
    """Opens a file that replaces the target when it is complete; on failure nothing is left behind.

    With `private` only its owner may read it.
    """
    target = Path(path)
    number, name = tempfile.mkstemp(prefix=f".{target.name[:100]}.", dir=target.parent)
    try:
        with os.fdopen(number, "wb") as file:
            yield file
        # Set the mode that `open` would have used; a temporary file is private to its owner.
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(name, 0o600 if private else 0o666 & ~umask)
        os.replace(name, target)
    except BaseException:
        os.unlink(name)
        raise
