"""Finds out by trying what a target can do and what its credentials may."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from time import perf_counter
from typing import TypeVar
from uuid import uuid4

from apps.common.errors import DomainError
from apps.snapshots.places.base import Place
from apps.snapshots.places.errors import DeleteRefused, ObjectExists, ObjectMissing, TargetUnavailable

FOLDER = ".memoryhub/probe"
KEPT = f"{FOLDER}/kept"
"""The one name that is used again and again where nothing can be deleted."""
CONTENT = b"memoryhub looks whether it can keep copies here\n"

T = TypeVar("T")


@dataclass(frozen=True)
class Probe:
    """What was found. None is what could not be found out, or what there is not to find.

    `conditional_writes` tells whether a fresh write leaves an older object alone, `checksums` whether damaged bytes
    are refused. `latency_ms` is one small read. `problems` are sentences for the operator.
    """

    can_write: bool = False
    can_read: bool = False
    can_list: bool = False
    can_delete: bool = False
    conditional_writes: bool | None = None
    multipart: bool | None = None
    checksums: bool | None = None
    latency_ms: float | None = None
    problems: list[str] = field(default_factory=list)


def probe(place: Place) -> Probe:
    """Writes, reads, lists and deletes below `.memoryhub/probe`; about a dozen requests, and 5 MiB to a bucket.

    Raises nothing that a target can answer. Leaves nothing behind, or where nothing can be deleted, one small object
    that the next probe writes over.
    """
    return _Trial(place).run()


class _Trial:
    """One probe: its steps, and the problems that they met."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._problems: list[str] = []
        self._is_away = False
        self._latency_ms: float | None = None

    def run(self) -> Probe:
        can_write = self._attempt(lambda: self._writes(KEPT)) is True
        can_delete = can_write and self._attempt(self._deletes) is True
        name = f"{FOLDER}/{uuid4().hex}" if can_delete else KEPT
        conditional = multipart = checksums = None
        if can_delete:
            self._attempt(lambda: self._writes(name, fresh=True))
        can_read = self._attempt(lambda: self._reads(name, is_there=can_write)) is True
        can_list = self._attempt(lambda: self._lists(name, is_there=can_write)) is True
        # Some storages say of everything that it is not there when they themselves are not.
        can_read = can_read and (can_write or can_list)
        if can_write:
            conditional = self._attempt(lambda: self._refuses_second(name))
            multipart = self._attempt(lambda: self._takes_parts(name, complete=can_delete))
            checksums = self._attempt(lambda: self._place.verifies_checksums(name))
            self._clean_up(name, can_delete=can_delete)
        return Probe(
            can_write, can_read, can_list, can_delete,
            conditional, multipart, checksums, self._latency_ms, self._problems,
        )  # fmt: skip

    def _attempt(self, step: Callable[[], T]) -> T | None:
        """What a step finds. None where it is refused, which is a problem, and for all steps after no answer came."""
        if self._is_away:
            return None
        try:
            return step()
        except DomainError as error:
            self._is_away = isinstance(error, TargetUnavailable)
            self._note(error.detail or f"{error.title}.")
            return None

    def _note(self, problem: str) -> None:
        if problem not in self._problems:
            self._problems.append(problem)

    def _writes(self, name: str, *, fresh: bool = False) -> bool:
        # A second attempt after a lost answer meets what the first one wrote.
        with suppress(ObjectExists):
            self._place.put(name, CONTENT, fresh=fresh)
        return True

    def _deletes(self) -> bool:
        try:
            self._place.delete(KEPT)
        except DeleteRefused:
            self._note(
                "Nothing can be deleted: copies that are no longer wanted stay until somebody else removes them. "
                f"The probe keeps one small object, {KEPT}."
            )
            return False
        return True

    def _reads(self, name: str, *, is_there: bool) -> bool:
        begun = perf_counter()
        try:
            content = self._place.read(name, most_bytes=len(CONTENT))
        except ObjectMissing:
            if is_there:
                raise
            content = CONTENT
        self._latency_ms = (perf_counter() - begun) * 1000
        if is_there and content != CONTENT:
            self._note("The target gives back other bytes than were written.")
        return True

    def _lists(self, name: str, *, is_there: bool) -> bool:
        names = {listed.name for listed in self._place.names(FOLDER)}
        if is_there and name not in names:
            self._note("The target does not list at once what was written.")
        return True

    def _refuses_second(self, name: str) -> bool:
        try:
            self._place.put(name, CONTENT, fresh=True)
        except ObjectExists:
            return True
        return False

    def _takes_parts(self, name: str, *, complete: bool) -> bool | None:
        found = self._place.takes_parts(name, complete=complete)
        if found is False:
            self._note("Objects that are written in parts do not arrive whole.")
        return found

    def _clean_up(self, name: str, *, can_delete: bool) -> None:
        """Also when the target is away: it may be back."""
        self._is_away = False
        if can_delete:
            self._attempt(lambda: self._place.delete(name))
        else:
            self._attempt(lambda: self._place.put(KEPT, CONTENT))
