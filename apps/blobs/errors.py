import errno

from apps.common.errors import DomainError, StorageFull, Unavailable

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class BlobCorrupt(DomainError):
    code, status, title = "blob_corrupt", 502, "The stored bytes are damaged or gone"


def refusal_of_disk(error: OSError, step: str) -> DomainError:
    """What a caller is told when the disk or the way to the storage failed at a step, such as `write`."""
    if error.errno in _FULL:
        return StorageFull()
    return Unavailable(f"The blob storage failed to {step}.")
