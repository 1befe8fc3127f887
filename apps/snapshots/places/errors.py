"""What the place of remote copies can refuse."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

from apps.blobs import errors as blobs
from apps.common.errors import DomainError, StorageFull, Unavailable

_FORBIDDEN = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_UNFIT = frozenset({errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.ELOOP, errno.EFBIG})


class TargetUnavailable(Unavailable):
    """May work later: the network, a time-out, a 5xx, an answer that broke off."""

    code, status, title = "target_unavailable", 503, "The target of the copies is away for the moment"


class TargetDenied(DomainError):
    """Fails again until somebody changes something."""

    code, status, title = "target_denied", 409, "The target refuses what was asked of it"


class DeleteRefused(TargetDenied):
    """These credentials may not delete; others may."""

    code, status, title = "delete_refused", 409, "The target lets nothing be deleted"


class TargetFull(StorageFull):
    code, status, title = "target_full", 507, "The target is full"


class ObjectMissing(DomainError):
    code, status, title = "object_missing", 502, "The target does not hold the object"


class ObjectExists(DomainError):
    code, status, title = "object_exists", 409, "The target holds an object of this name"


class ObjectTooLarge(DomainError):
    code, status, title = "object_too_large", 502, "The object is larger than it may be"


def refusal_of_disk(error: OSError, step: str) -> DomainError:
    """What a caller is told when a file system failed at a step: `write`, `read`, `list` or `delete`."""
    reason = os.strerror(error.errno) if error.errno else type(error).__name__
    if error.errno in _FORBIDDEN:
        refusal = DeleteRefused if step == "delete" else TargetDenied
        return refusal(f"The target lets nobody {step} there as this user: {reason}.")
    if error.errno in _UNFIT:
        return TargetDenied(f"The target cannot {step} under this name: {reason}.")
    if isinstance(blobs.refusal_of_disk(error, step), StorageFull):
        return TargetFull()
    return TargetUnavailable(f"The target failed to {step}: {reason}.")


@contextmanager
def told_of_disk(step: str) -> Iterator[None]:
    """Tells the failures of a file system inside in these words."""
    try:
        yield
    except OSError as error:
        raise refusal_of_disk(error, step) from error
