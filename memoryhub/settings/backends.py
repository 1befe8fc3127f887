"""Addresses of services, as Django, Celery and the object store want them. Pure but for building dictionaries."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import environ

LOCAL_DATABASE = "postgres:///memoryhub"
LOCAL_REDIS = "redis://127.0.0.1:6379/0"
PREPARE_AFTER = 3
"""Executions after which psycopg prepares a statement on the server, on hand-written hot statements."""


def database(url: str, *, statement_timeout_s: float, lock_timeout_s: float) -> dict[str, Any]:
    """Django's entry for a PostgreSQL address: persistent connections, time-outs set as each one opens.

    A lost connection costs its thread one answered 503; a health check would cost every request a round trip.
    """
    config = environ.Env.db_url_config(url or LOCAL_DATABASE)
    options = config.setdefault("OPTIONS", {})
    timeouts = {
        "statement_timeout": _milliseconds(statement_timeout_s),
        "lock_timeout": _milliseconds(lock_timeout_s),
        "idle_in_transaction_session_timeout": _milliseconds(2 * statement_timeout_s),
    }
    given = str(options.get("options", ""))
    ours = " ".join(f"-c {name}={value}" for name, value in timeouts.items())
    options["options"] = f"{given} {ours}".strip()
    options["prepare_threshold"] = PREPARE_AFTER
    options.setdefault("application_name", "memoryhub")
    options.setdefault("connect_timeout", 5)
    return {**config, "CONN_MAX_AGE": None, "CONN_HEALTH_CHECKS": False, "ATOMIC_REQUESTS": False}


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


def cache(redis_url: str) -> dict[str, Any]:
    """Counters and short-lived answers. A Redis that is away is noticed within two seconds."""
    return {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": redis_url,
        "KEY_PREFIX": "memoryhub",
        "OPTIONS": {"socket_connect_timeout": 1, "socket_timeout": 2},
    }


def broker(redis_url: str) -> str:
    """Celery's spelling of a Redis address: `unix:///path?db=0` is `redis+socket:///path?virtual_host=0`."""
    parts = urlsplit(redis_url)
    if parts.scheme != "unix":
        return redis_url
    query = dict(parse_qsl(parts.query))
    given = {"virtual_host": query.pop("db", "0"), **query}
    user = f"{parts.netloc}" if "@" in parts.netloc else ""
    return f"redis+socket://{user}{parts.path}?{urlencode(given)}"


def storage(values: Mapping[str, Any], *, directory: Path) -> dict[str, Any]:
    """Django's entry for where bytes lie: the bucket when one is named, else `directory`."""
    if not values["S3_BUCKET"]:
        options: dict[str, Any] = {"location": str(directory)}
        options |= {"file_permissions_mode": 0o600, "directory_permissions_mode": 0o700}
        return {"BACKEND": "apps.blobs.local.LocalBlobStorage", "OPTIONS": options}
    encryption = values["S3_SERVER_SIDE_ENCRYPTION"]
    options = {
        "bucket_name": values["S3_BUCKET"],
        "location": values["S3_PREFIX"].strip("/"),
        "region_name": values["AWS_REGION"],
        "endpoint_url": values["S3_ENDPOINT_URL"] or None,
        "access_key": values["AWS_ACCESS_KEY_ID"] or None,
        "secret_key": values["AWS_SECRET_ACCESS_KEY"] or None,
        "security_token": values["AWS_SESSION_TOKEN"] or None,
        "object_parameters": {"ServerSideEncryption": encryption} if encryption else {},
        "default_acl": None,
        # An object key is written once; the name must stay the one that the intent recorded.
        "file_overwrite": True,
        "timeout_s": values["MEMORYHUB_STORAGE_TIMEOUT_S"],
        # Stores that are not Amazon's seldom answer to `bucket.host`.
        "addressing_style": "path" if values["S3_ENDPOINT_URL"] else None,
    }
    return {"BACKEND": "apps.blobs.bucket.BucketBlobStorage", "OPTIONS": options}


def origins(public_url: str) -> list[str]:
    """The origin of the public address, whose forms the console takes."""
    parts = urlsplit(public_url)
    return [f"{parts.scheme}://{parts.netloc}"] if public_url else []


def servers(public_url: str) -> list[dict[str, str]]:
    """OpenAPI's `servers`: the public address. Without one, a description is about the host that it came from."""
    return [{"url": public_url}] if public_url else []
