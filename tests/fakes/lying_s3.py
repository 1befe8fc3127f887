"""A proxy in front of an S3 server that says yes to writes and does something else."""

import hashlib
from enum import StrEnum
from typing import Any

from tests.fakes.faulty_proxy import FaultyProxy

DESCRIBES_BODY = ("content-length", "content-md5", "x-amz-checksum", "x-amz-sdk-checksum", "x-amz-content-sha256")


class Lie(StrEnum):
    FORGET = "forget"
    """Nothing is written."""
    HALVE = "halve"
    """Half of it is written."""
    EMPTY = "empty"
    """An object without content is written."""


class LyingS3(FaultyProxy):
    """Tells its `lie` about every object whose name holds `about`; else it forwards to the server at `target`."""

    lie: Lie | None = None
    about = ""

    def forwarded(self, method: str, path: str, body: bytes, headers: Any) -> tuple[int, list[tuple[str, str]], bytes]:
        if method != "PUT" or self.lie is None or self.about not in path:
            return super().forwarded(method, path, body, headers)
        if self.lie is not Lie.FORGET:
            written = body[: len(body) // 2] if self.lie is Lie.HALVE else b""
            kept = {name: value for name, value in headers.items() if not name.lower().startswith(DESCRIBES_BODY)}
            super().forwarded(method, path, written, kept)
        tag = hashlib.md5(body, usedforsecurity=False).hexdigest()
        return 200, [("ETag", f'"{tag}"')], b""
