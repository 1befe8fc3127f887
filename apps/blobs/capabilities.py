"""What the object storage can do beyond what the hub needs. Shown to operators; nothing relies on it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from django.core.files.storage import storages

from apps.blobs.local import LocalBlobStorage

if TYPE_CHECKING:
    # A hub without a bucket never loads boto3: 50 ms and 12 MB a process.
    from apps.blobs.bucket import BucketBlobStorage

PROBE_FOLDER = ".probe"


@dataclass(frozen=True, slots=True)
class Capabilities:
    """`kind` is `bucket` or `directory`.

    `conditional_writes` is None where it could not be found out, or where there is no server to ask.
    """

    kind: str
    conditional_writes: bool | None


def storage_kind() -> str:
    """`bucket` or `directory`, without asking anybody."""
    return "directory" if isinstance(storages["blobs"], LocalBlobStorage) else "bucket"


def storage_capabilities() -> Capabilities:
    """Asks the storage in use, by writing a probe twice where that is needed; it leaves no litter."""
    storage: Any = storages["blobs"]
    if storage_kind() == "directory":
        return Capabilities("directory", None)
    try:
        return Capabilities("bucket", _refuses_second_write(storage))
    except storage.failures:
        return Capabilities("bucket", None)


def _refuses_second_write(storage: "BucketBlobStorage") -> bool:
    """Whether `If-None-Match: *` keeps an object: common servers take the header and ignore it (measured)."""
    client: Any = storage.connection.meta.client
    place = {"Bucket": storage.bucket_name, "Key": storage.key_of(f"{PROBE_FOLDER}/{uuid4().hex}")}
    client.put_object(**place, Body=b"first")
    try:
        client.put_object(**place, Body=b"second", IfNoneMatch="*")
    except client.exceptions.ClientError as error:
        return bool(error.response["ResponseMetadata"]["HTTPStatusCode"] == 412)
    finally:
        client.delete_object(**place)
    return False
