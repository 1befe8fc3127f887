"""Where backups of the original lie: a directory of this machine, or a bucket. Read only."""

from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings

from apps.common.errors import DomainError, Invalid
from apps.snapshots.places.base import Place
from apps.snapshots.places.opening import S3Options, directory_place, s3_place

SCHEME = "s3"


class SourceError(Exception):
    """The source cannot be read. The message is a sentence for the operator."""


def opened(source: str, *, endpoint_url: str | None, region: str | None) -> Place:
    """The place that `s3://bucket/prefix`, or a path, names. Asks nobody. Raises `SourceError`.

    Endpoint, region and keys are those of CLOUD_SYNC_* where nothing else is given; without keys boto3 looks for some,
    AWS_* first.
    """
    if "://" not in source:
        directory = Path(source).expanduser().absolute()
        if not directory.is_dir():
            raise SourceError(f"{source} is no directory, and no s3://bucket/prefix.")
        return directory_place(directory)
    parts = urlsplit(source)
    if parts.scheme != SCHEME or not parts.netloc:
        raise SourceError(f"{source} is no s3://bucket/prefix.")
    keys = (settings.CLOUD_SYNC_ACCESS_KEY, settings.CLOUD_SYNC_SECRET_KEY)
    access_key, secret_key = keys if all(keys) else ("", "")
    options = S3Options(
        bucket=parts.netloc,
        prefix=parts.path.strip("/"),
        region=region or settings.CLOUD_SYNC_REGION,
        endpoint_url=settings.CLOUD_SYNC_ENDPOINT if endpoint_url is None else endpoint_url,
        access_key=access_key,
        secret_key=secret_key,
        timeout_s=settings.MEMORYHUB_STORAGE_TIMEOUT_S,
    )
    try:
        return s3_place(options)
    except Invalid as error:
        raise SourceError(error.detail) from error


def folders_of(place: Place) -> list[str]:
    """The names of all folders that lie there, but for hidden ones, such as a hub's. Raises `SourceError`."""
    try:
        return [name for name in place.folders() if not name.startswith(".")]
    except DomainError as error:
        raise SourceError(error.detail or error.title) from error
