"""The errors a caller can meet. Each has a stable code; `apps.common.problem` renders them."""

from typing import Any, ClassVar

ECHO_LIMIT = 200


def shown(text: str) -> str:
    """Input as it may be repeated in an answer: at most 200 characters, printable only."""
    clean = "".join(character if character.isprintable() else "\ufffd" for character in text[:ECHO_LIMIT])
    return clean if len(text) <= ECHO_LIMIT else clean[: ECHO_LIMIT - 1] + "\u2026"


class DomainError(Exception):
    """A refusal that the caller can understand.

    `detail` is a sentence for a person. `fields` are the typed fields of the code, shown beside it in
    `problem+json`. `headers` go on the answer.
    """

    code: ClassVar[str]
    status: ClassVar[int]
    title: ClassVar[str]

    def __init__(self, detail: str = "", *, headers: dict[str, str] | None = None, **fields: Any) -> None:
        super().__init__(detail or self.title)
        self.detail = detail
        self.headers = headers or {}
        self.fields = fields


class BadPrecondition(DomainError):
    code, status, title = "bad_precondition", 400, "The condition of the request cannot be read"


class BadCursor(DomainError):
    code, status, title = "bad_cursor", 400, "The cursor cannot be read"


class BadJson(DomainError):
    code, status, title = "bad_json", 400, "The body is not the JSON that this operation takes"


class ChecksumMismatch(DomainError):
    code, status, title = "checksum_mismatch", 400, "The body does not have the announced checksum"


class IncompleteBody(DomainError):
    code, status, title = "incomplete_body", 400, "The body ended before its announced end"


class ConfirmRequired(DomainError):
    code, status, title = "confirm_required", 400, "This step must be confirmed"


class Unauthorized(DomainError):
    code, status, title = "unauthorized", 401, "A valid token is needed"

    def __init__(self, detail: str = "", **fields: Any) -> None:
        super().__init__(detail, headers={"WWW-Authenticate": "Bearer"}, **fields)


class ScopeMissing(DomainError):
    """Fields: `scope`, the one that the operation needs."""

    code, status, title = "scope_missing", 403, "The token does not allow this"


class NotFound(DomainError):
    code, status, title = "not_found", 404, "There is nothing here"


class MethodNotAllowed(DomainError):
    code, status, title = "method_not_allowed", 405, "This address does not take that method"


class AlreadyExists(DomainError):
    code, status, title = "already_exists", 409, "It exists already"


class IdempotencyInUse(DomainError):
    code, status, title = "idempotency_in_use", 409, "A request with this Idempotency-Key is still running"


class CursorExpired(DomainError):
    code, status, title = (
        "cursor_expired",
        410,
        "The cursor is older than the kept history: resync in full, delete nothing",
    )


class EpochChanged(DomainError):
    code, status, title = (
        "epoch_changed",
        410,
        "The hub was restored from an older state: resync in full, delete nothing",
    )


class LengthRequired(DomainError):
    code, status, title = "length_required", 411, "Content-Length is needed"


class PreconditionFailed(DomainError):
    """Fields: `version`, `sha256`, `md5` of the current state, each null where there is none."""

    code, status, title = "precondition_failed", 412, "The condition does not hold"


class TooLarge(DomainError):
    """Fields: `limit`, in the unit that the detail names."""

    code, status, title = "too_large", 413, "The request is larger than allowed"


class UnsupportedEncoding(DomainError):
    code, status, title = "unsupported_encoding", 415, "The body's encoding or media type is not taken here"


class BadRange(DomainError):
    code, status, title = "bad_range", 416, "The range lies outside the content"


class Invalid(DomainError):
    """Fields: `errors`, a list of {field, code, detail}."""

    code, status, title = "invalid", 422, "A value is not allowed"

    @classmethod
    def of(cls, field: str, code: str, detail: str) -> "Invalid":
        """One wrong field."""
        return cls(detail, errors=[{"field": field, "code": code, "detail": detail}])


class IdempotencyMismatch(DomainError):
    code, status, title = "idempotency_mismatch", 422, "This Idempotency-Key was used with another request"


class UrlBlocked(DomainError):
    code, status, title = "url_blocked", 422, "The address may not be called from here"


class PreconditionRequired(DomainError):
    code, status, title = "precondition_required", 428, "Say what you expect: If-Match, If-None-Match or overwrite=true"


class RateLimited(DomainError):
    code, status, title = "rate_limited", 429, "Too many requests"


class Unavailable(DomainError):
    code, status, title = "unavailable", 503, "A service that this needs is away for the moment"

    def __init__(self, detail: str = "", *, retry_after_s: int = 5, **fields: Any) -> None:
        super().__init__(detail, headers={"Retry-After": str(retry_after_s)}, **fields)


class Busy(Unavailable):
    code, status, title = "busy", 503, "Others are writing; try again"


class QuotaExceeded(DomainError):
    """Fields: `limit`, the name of the quota."""

    code, status, title = "quota_exceeded", 507, "The workspace is full"


class StorageFull(DomainError):
    code, status, title = "storage_full", 507, "The hub's storage is full"
