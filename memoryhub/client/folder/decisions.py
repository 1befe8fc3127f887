"""What is to be done with one path. Pure.

Three states are compared: the base, which both sides had when they last agreed; what lies in the folder; and what the
hub has. Who differs from the base has changed it. Nothing that somebody wrote gives way to a deletion.
"""

from dataclasses import dataclass
from enum import StrEnum


class Step(StrEnum):
    NOTHING = "nothing"
    ADOPT = "adopt"
    """Both sides have the same bytes: write that down as the new base."""
    FORGET = "forget"
    """Neither side has the path any more."""
    UPLOAD = "upload"
    DOWNLOAD = "download"
    DELETE_HERE = "delete here"
    DELETE_THERE = "delete there"
    RECONCILE = "reconcile"
    """Both sides have written different bytes: merge them, or keep both."""


@dataclass(frozen=True, slots=True)
class Remote:
    """The hub's newest state of a path. `sha256` None is a tombstone."""

    version: int
    sha256: str | None
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Base:
    """The state that both sides had."""

    version: int
    sha256: str


def decide(base: Base | None, local: str | None, remote: Remote | None, *, may_delete: bool) -> Step:
    """`local` is the sha256 of the file in the folder, None where there is none.

    Without `may_delete` a file that one side lacks comes back instead of going from the other: after the hub has
    forgotten its past, a path that is missing may never have been deleted.
    """
    theirs = remote.sha256 if remote else None
    if local == theirs:
        return _agreed(base, local, remote)
    before = base.sha256 if base else None
    if local == before:
        return _take_theirs(remote, may_delete=may_delete)
    if theirs == before:
        return _give_ours(local, may_delete=may_delete)
    if local is None:
        return Step.DOWNLOAD
    return Step.UPLOAD if theirs is None else Step.RECONCILE


def _agreed(base: Base | None, local: str | None, remote: Remote | None) -> Step:
    if local is None:
        return Step.FORGET if base else Step.NOTHING
    assert remote is not None
    is_known = base is not None and (base.version, base.sha256) == (remote.version, local)
    return Step.NOTHING if is_known else Step.ADOPT


def _take_theirs(remote: Remote | None, *, may_delete: bool) -> Step:
    if remote is not None and remote.sha256 is not None:
        return Step.DOWNLOAD
    # Only a tombstone says that somebody has deleted it.
    return Step.DELETE_HERE if may_delete and remote is not None else Step.UPLOAD


def _give_ours(local: str | None, *, may_delete: bool) -> Step:
    if local is not None:
        return Step.UPLOAD
    return Step.DELETE_THERE if may_delete else Step.DOWNLOAD
