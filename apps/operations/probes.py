"""Is everything there that the hub stands on? Each probe answers yes or no within a few seconds, and never raises."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from math import inf
from threading import Lock
from typing import Any
from uuid import uuid4

import structlog
from django.core.cache import cache
from django.core.files.storage import storages
from django.db import DatabaseError, InterfaceError, connection
from django.db.migrations.exceptions import InconsistentMigrationHistory
from django.db.migrations.executor import MigrationExecutor
from redis.exceptions import RedisError

from apps.blobs.objects import delete_object, write_object
from apps.common.errors import DomainError, Unavailable

logger = structlog.get_logger(__name__)

REMEMBERED_S = 2.0
"""Health is asked without a token: however often, each process asks a service once in so long."""
WRITE_REMEMBERED_S = 30.0
"""Writes to a bucket cost money."""
STORAGE_TIMEOUT_S = 5.0
PROBE_FOLDER = ".probe"

_storage_threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="storage-probe")


class NotReady(Exception):
    """The service answers, but is not as the hub needs it."""


class Probe:
    """A question to a service. A good answer is remembered for `well_s`, a bad one for REMEMBERED_S."""

    def __init__(self, name: str, ask: Callable[[], None], *failures: type[Exception], well_s: float = REMEMBERED_S):
        self.name = name
        self._ask = ask
        self._failures = failures
        self._well_s = well_s
        self._lock = Lock()
        self._answer = False
        self._until = 0.0

    def is_well(self) -> bool:
        """The remembered answer or a new one; several callers at once ask the service once."""
        with self._lock:
            if time.monotonic() >= self._until:
                self._answer = self._asked()
                self._until = time.monotonic() + (self._well_s if self._answer else REMEMBERED_S)
            return self._answer

    def forget(self) -> None:
        """Ask anew at the next call."""
        with self._lock:
            self._until = 0.0

    def _asked(self) -> bool:
        try:
            self._ask()
        except self._failures as error:
            logger.warning("probe_failed", service=self.name, error=type(error).__name__)
            return False
        return True


def _ask_database() -> None:
    """A connection that the server closed since its last use is opened anew, once."""
    try:
        _select()
    except (DatabaseError, InterfaceError):
        connection.close()
        _select()


def _select() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _ask_migrations() -> None:
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        raise NotReady


def _ask_cache() -> None:
    cache.get("probe")


def _ask_storage() -> None:
    """A bucket is asked whether it is there; a directory is written to, which costs nothing there."""
    blobs: Any = storages["blobs"]
    bucket = getattr(blobs, "bucket_name", None)
    if bucket is None:
        _write()
        return
    try:
        blobs.connection.meta.client.head_bucket(Bucket=bucket)
    except blobs.failures as error:
        # Keys that may not list the bucket can still be good for all the hub does.
        if getattr(error, "response", {}).get("ResponseMetadata", {}).get("HTTPStatusCode") != 403:
            raise Unavailable from error
        _write()


def _write() -> None:
    key = f"{PROBE_FOLDER}/{uuid4().hex}"
    write_object(key, b"probe")
    delete_object(key)


def _bounded(ask: Callable[[], None]) -> Callable[[], None]:
    """`ask` on a thread of its own: the storage's time-out is made for transfers, not for a health check."""

    def within_time() -> None:
        future = _storage_threads.submit(ask)
        try:
            future.result(timeout=STORAGE_TIMEOUT_S)
        finally:
            future.cancel()

    return within_time


_DATABASE_FAILURES = (DatabaseError, InterfaceError)
_STORAGE_FAILURES = (DomainError, OSError, TimeoutError)

database = Probe("database", _ask_database, *_DATABASE_FAILURES)
migrations = Probe(
    "migrations", _ask_migrations, *_DATABASE_FAILURES, NotReady, InconsistentMigrationHistory, well_s=inf
)
redis = Probe("redis", _ask_cache, RedisError, OSError)
storage = Probe("storage", _bounded(_ask_storage), *_STORAGE_FAILURES)
storage_writing = Probe("storage_writing", _bounded(_write), *_STORAGE_FAILURES, well_s=WRITE_REMEMBERED_S)

HEALTH = (database, storage)
READINESS = (database, migrations, redis, storage, storage_writing)
