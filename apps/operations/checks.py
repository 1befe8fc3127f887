"""System checks: what only shows when the hub's parts come together. `memoryhub.E...` stop, `memoryhub.W...` warn,
`memoryhub.I...` tell.

Those marked `deploy` ask services and run with `check --deploy`.
"""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, Tags, register
from django.db import DatabaseError

from apps.blobs.capabilities import storage_capabilities
from apps.operations import probes, queries

KEYS = ("MEMORYHUB_SECRET_KEY", "MEMORYHUB_TOKEN_KEY", "MEMORYHUB_SECRETS_KEY")
LEAST_CHARACTERS = 8
"""Different ones in a key. 64 random hexadecimal digits have fewer about once in 10^20."""


@register(Tags.security, deploy=True)
def check_keys(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """E001: a server would refuse to start without these keys."""
    return [
        Error(f"{name} is not set.", hint=f"Set {name}, or {name}_FILE.", id="memoryhub.E001")
        for name in KEYS
        if not getattr(settings, name)
    ]


@register(Tags.security, deploy=True)
def check_example_keys(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """E002: a key of one repeated character or group was copied from an example."""
    return [
        Error(f"{name} is not random.", hint="Make one with `openssl rand -hex 32`.", id="memoryhub.E002")
        for name in KEYS
        for key in getattr(settings, name).split(",")
        if key and len(set(key.rpartition(":")[2])) < LEAST_CHARACTERS
    ]


@register(Tags.security, deploy=True)
def check_addresses(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """W001, W002, W003: what an open network wants beside a hub that works."""
    found: list[CheckMessage] = []
    if not settings.MEMORYHUB_HTTPS_REQUIRED:
        found.append(
            checks.Warning(
                "Requests over plain http are taken, tokens in them included.",
                hint="Set MEMORYHUB_HTTPS_REQUIRED=true where the hub is reached over a network.",
                id="memoryhub.W001",
            )
        )
    if "*" in settings.MEMORYHUB_ALLOWED_HOSTS:
        found.append(
            checks.Warning(
                "The hub answers under any host name.",
                hint="Set MEMORYHUB_ALLOWED_HOSTS to its names.",
                id="memoryhub.W002",
            )
        )
    if settings.MEMORYHUB_HTTPS_REQUIRED and not settings.TRUSTED_PROXIES:
        found.append(
            checks.Warning(
                "https is required, but no proxy is trusted to say that it was used.",
                hint="Set TRUSTED_PROXIES to the proxy that ends TLS, or end it in the web server.",
                id="memoryhub.W003",
            )
        )
    return found


@register(Tags.security, deploy=True)
def check_storage(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """E003: the bucket or directory for bytes does not take a write."""
    if probes.storage.is_well() and probes.storage_writing.is_well():
        return []
    if settings.S3_BUCKET:
        hint = "Check S3_BUCKET, S3_ENDPOINT_URL, AWS_REGION and the keys, which must allow to put and delete objects."
    else:
        hint = "Let the hub's account write to MEMORYHUB_BLOB_DIR."
    return [Error("The blob storage does not take a write.", hint=hint, id="memoryhub.E003")]


@register(Tags.security, deploy=True)
def check_conditional_writes(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """I001: what kind of bucket it is. Nothing relies on it."""
    if not settings.S3_BUCKET or not probes.storage_writing.is_well():
        return []
    said = {True: "refuses", False: "takes and ignores", None: "may or may not know"}
    found = said[storage_capabilities().conditional_writes]
    return [
        checks.Info(
            f"The bucket {found} conditional writes.",
            id="memoryhub.I001",
            hint="Nothing to do: the hub decides in its database and does not rely on them.",
        )
    ]


@register(Tags.database, deploy=True)
def check_beat(app_configs: Any, databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """W005: nobody starts periodic work, nor takes jobs from dead workers. With `check --deploy --database default`."""
    if "default" not in (databases or ()):
        return []
    try:
        age_s = queries.last_tick_age_s()
    except DatabaseError:
        return []  # Before the first migration there is no table to look into.
    if age_s is not None and age_s <= queries.BEAT_LOST_AFTER_S:
        return []
    seen = "never seen alive" if age_s is None else f"last seen alive {age_s:.0f} s ago"
    return [
        checks.Warning(
            f"The scheduler was {seen}.",
            id="memoryhub.W005",
            hint="Start `celery -A memoryhub beat` and a worker, or `memoryhub up`, which runs both.",
        )
    ]


@register(Tags.database)
def check_workspaces(app_configs: Any, databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """W004: a setting opens nothing while the workspace that it names does not exist."""
    if "default" not in (databases or ()):
        return []
    try:
        absent = queries.absent_workspaces()
    except DatabaseError:
        return []  # Before the first migration there is no table to look into.
    return [
        checks.Warning(
            one.sentence, id="memoryhub.W004", hint=f"Create the workspace, or name another in {one.setting}."
        )
        for one in absent
    ]


@register()
def check_cloud_sync(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """W006, W007: copies that were asked for and are not made, or not with the credentials that were meant."""
    found: list[CheckMessage] = []
    if settings.CLOUD_SYNC_ENABLED and not settings.CLOUD_SYNC_BUCKET:
        found.append(
            checks.Warning(
                "CLOUD_SYNC_ENABLED is true, and CLOUD_SYNC_BUCKET is not set: nothing is copied anywhere.",
                hint="Set CLOUD_SYNC_BUCKET.",
                id="memoryhub.W006",
            )
        )
    if bool(settings.CLOUD_SYNC_ACCESS_KEY) != bool(settings.CLOUD_SYNC_SECRET_KEY):
        found.append(
            checks.Warning(
                "Only one of CLOUD_SYNC_ACCESS_KEY and CLOUD_SYNC_SECRET_KEY is set: neither is used.",
                hint="Set both, or neither to let boto3 find credentials.",
                id="memoryhub.W007",
            )
        )
    return found
