"""The lines of a manifest as they arrive."""

from __future__ import annotations

from typing import Dict

from pydantic import ValidationError

from .errors import NetworkError, error_of
from .models import ManifestEntry, ManifestLine

_max_line_bytes = 4 * 1024 * 1024


class ManifestLines:
    """Gathers the entries. A listing that ends without saying so is an error: what is missing would look removed."""

    def __init__(self) -> None:
        self._rest = b""
        self._entries: Dict[str, ManifestEntry] = {}
        self._ended = False

    def feed(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._take(line)
        if len(self._rest) > _max_line_bytes:
            raise _no_listing()

    def finish(self) -> Dict[str, ManifestEntry]:
        if not self._ended:
            raise _no_listing()
        return self._entries

    def _take(self, line: bytes) -> None:
        if not line:
            return
        try:
            found = ManifestLine.model_validate_json(line)
        except ValidationError as error:
            raise _no_listing() from error
        if found.error is not None:
            raise error_of(found.error.model_dump(), 200)
        self._ended = found.end
        self._entries.update({entry.path: entry for entry in found.entries})


def _no_listing() -> NetworkError:
    return NetworkError("The listing of the sandbox ended too early, or is not one.", code="connection_lost")
