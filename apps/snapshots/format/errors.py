"""What can be wrong with a remote copy of a snapshot."""

from apps.common.errors import DomainError


class CopyDamaged(DomainError):
    """Fields: `object`, the name of what is damaged, where it is known."""

    code, status, title = "copy_damaged", 409, "The remote copy is damaged"


class CopyKeyMissing(DomainError):
    """Fields: `key_id`, the key that it needs."""

    code, status, title = "copy_key_missing", 409, "The key that opens the remote copy is not here"


class FormatUnknown(DomainError):
    code, status, title = "format_unknown", 409, "The remote copy was written by a newer release"
