"""Places for blobs, as Django's settings name them."""

from pathlib import Path

from django.conf import settings

from memoryhub.settings import backends


def local_storage(directory: Path) -> dict[str, object]:
    """STORAGES with the blobs in this directory."""
    local = {"BACKEND": "apps.blobs.local.LocalBlobStorage", "OPTIONS": {"location": str(directory)}}
    return {**settings.STORAGES, "blobs": local}


def bucket_storage(values: dict[str, object]) -> dict[str, object]:
    """STORAGES with the blobs in the bucket that `values` name."""
    known = {
        "S3_PREFIX": "m",
        "AWS_REGION": "us-east-1",
        "AWS_SESSION_TOKEN": "",
        "S3_SERVER_SIDE_ENCRYPTION": "",
        "MEMORYHUB_STORAGE_TIMEOUT_S": 60.0,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
    }
    return {**settings.STORAGES, "blobs": backends.storage({**known, **values}, directory=Path("unused"))}
