"""What a call raises when the hub, or the way to it, keeps it from its result. A refusal carries what the hub said."""

from collections.abc import Mapping
from typing import Any

from memoryhub.client.retrying import IN_USE


class HubError(Exception):
    """The hub, or the way to it, kept a call from its result."""


class ConnectionFailed(HubError):
    """The hub could not be reached, or its answer broke off, as often as was tried."""


class DamagedAnswer(HubError):
    """The bytes that came are not those that the hub announced, or no answer of a hub at all."""


class Moved(HubError):
    """Another address is named instead of an answer, as by a server that takes https only. Nothing was done."""


class ChangedWhileSent(HubError):
    """A file became shorter while it was sent."""


class Refused(HubError):
    """The hub said no. `status` is that of HTTP, `code` the stable name of the reason, `fields` all that it told."""

    def __init__(self, status: int, code: str, detail: str, fields: Mapping[str, Any] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.fields = dict(fields or {})


class Unauthorized(Refused):
    """401: the token is missing, wrong, expired or revoked."""


class ScopeMissing(Refused):
    """403: the token may not do this."""


class NotFound(Refused):
    """404: no such file or version, or no such workspace for this token."""


class CursorExpired(Refused):
    """410: the feed no longer reaches back to the cursor. Compare everything; delete nothing."""


class PreconditionFailed(Refused):
    """412: the path is in another state than expected. `version` and `sha256` are None where nothing lives."""

    @property
    def version(self) -> int | None:
        value = self.fields.get("version")
        return value if isinstance(value, int) else None

    @property
    def sha256(self) -> str | None:
        value = self.fields.get("sha256")
        return value if isinstance(value, str) else None


class TooLarge(Refused):
    """413: more bytes or items than the hub takes."""


class Invalid(Refused):
    """400 or 422: the hub cannot do anything with what was sent."""


class OutOfRoom(Refused):
    """507: a quota or the hub's storage is full."""


class TryLater(Refused):
    """What clears by itself has not, as often as was tried. `retry_after_s` is what the hub asked for, if it did."""

    @property
    def retry_after_s(self) -> float | None:
        value = self.fields.get("retry_after_s")
        return float(value) if isinstance(value, int | float) else None


_BY_STATUS: dict[int, type[Refused]] = {
    400: Invalid,
    401: Unauthorized,
    403: ScopeMissing,
    404: NotFound,
    410: CursorExpired,
    412: PreconditionFailed,
    413: TooLarge,
    422: Invalid,
    429: TryLater,
    502: TryLater,
    503: TryLater,
    504: TryLater,
    507: OutOfRoom,
}


def refusal(status: int, fields: Mapping[str, Any]) -> Refused:
    """The error of a refused call or of one refused item of a batch; `fields` as the hub sent them."""
    code = fields.get("code")
    detail = fields.get("detail") or fields.get("title") or f"The hub answered {status}."
    kind = TryLater if code == IN_USE else _BY_STATUS.get(status, Refused)
    return kind(status, code if isinstance(code, str) else f"http_{status}", str(detail), fields)
