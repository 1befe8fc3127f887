"""Makes places of plain values, as a row or the environment holds them."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured
from django.core.files.storage import Storage
from django.utils.module_loading import import_string

from apps.common.errors import Invalid
from apps.snapshots.places.base import Place, is_name
from apps.snapshots.places.directory import DirectoryPlace, TargetDirectory
from apps.snapshots.places.errors import TargetDenied
from apps.snapshots.places.generic import NamesKept, StoragePlace, WholeByRename

if TYPE_CHECKING:
    # A hub without a bucket never loads boto3.
    from apps.snapshots.places.s3 import S3Place, TargetBucket

BACKENDS = {
    "gcs": "storages.backends.gcloud.GoogleCloudStorage",
    "azure": "storages.backends.azure_storage.AzureStorage",
    "sftp": "storages.backends.sftpstorage.SFTPStorage",
}
"""The storages besides buckets and directories, by the extra that installs them."""
_BLOCK_BYTES = 8 * 1024 * 1024
_PLAIN = {"content_type": "application/octet-stream", "content_encoding": None}
"""Told for every object: of a name with `.gz` the storages would say that its bytes are to be unpacked on the way."""
_OPTIONS: dict[str, dict[str, Any]] = {
    # Without bounds, Google's library reads a whole object into memory, and writes blocks of 100 MiB.
    "gcs": {
        "file_overwrite": True,
        "max_memory_size": _BLOCK_BYTES,
        "blob_chunk_size": _BLOCK_BYTES,
        "object_parameters": _PLAIN,
    },
    "azure": {"overwrite_files": True, "object_parameters": _PLAIN},
    "sftp": {"interactive": False},
}
_BUCKET_IS_CALLED = {"gcs": "bucket_name", "azure": "azure_container"}
_MOST_OPEN = 64
_OPENING = Lock()
_CONTROL = re.compile(r"[\x00-\x20\x7f]")


@dataclass(frozen=True, slots=True)
class S3Options:
    """How a bucket is reached. Keys are given both or not at all: then boto3 looks for a role of the machine.

    `addressing_style` is `path`, `virtual` or empty: by path at an endpoint of one's own, else as boto3 chooses.
    `checksum_mode` is boto3's `when_required` or `when_supported`.
    """

    bucket: str
    prefix: str = ""
    region: str = "us-east-1"
    endpoint_url: str = ""
    access_key: str = ""
    secret_key: str = field(default="", repr=False)
    session_token: str = field(default="", repr=False)
    addressing_style: str = ""
    checksum_mode: str = "when_required"
    server_side_encryption: str = ""
    sse_kms_key_id: str = ""
    timeout_s: float = 60


def s3_place(options: S3Options) -> Place:
    """A folder of a bucket. Asks nobody. Raises `Invalid` for options that no bucket can have."""
    _check(options)
    make: Callable[[TargetBucket, str], S3Place] = import_string("apps.snapshots.places.s3.S3Place")
    with _OPENING:
        bucket = _bucket(replace(options, prefix=""))
    return make(bucket, _folder(options.prefix))


def directory_place(directory: Path) -> Place:
    """A directory of this machine; the first write makes it, but not what it lies in."""
    with _OPENING:
        return DirectoryPlace(_directory(directory))


def storage_place(backend: str, options: Mapping[str, Any], prefix: str = "") -> Place:
    """A folder of a storage of `BACKENDS`, with the options of its class. Asks nobody.

    `bucket` is taken for whatever the class calls it, and `params` of SFTP also as JSON text. Raises `Invalid` for a
    backend or an option that is unknown, `TargetDenied` where its library is not installed.
    """
    if backend not in BACKENDS:
        raise Invalid.of("backend", "unknown", f"A storage is one of {', '.join(BACKENDS)}.")
    folder = _folder(prefix)
    if backend == "azure" and str(options.get("location") or folder)[:1] in ("", "."):
        # The storage cuts dots off the beginning of a whole name, as that of the reserved folder is.
        raise Invalid.of("prefix", "required", "Copies in Azure need a prefix that begins with no dot.")
    with _OPENING:
        place = _storage_place(backend, json.dumps(_named(backend, options), sort_keys=True))
    return place.below(folder) if folder else place


def named_storage(kind: type[Storage], options: Mapping[str, Any], mixed_in: type = NamesKept) -> Storage:
    """A storage that writes under the names that it is given."""
    made: Storage = type(kind.__name__, (mixed_in, kind), {})(**options)
    return made


def _named(backend: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options by the names and with the types that the class of the storage expects."""
    named = dict(options)
    if backend in _BUCKET_IS_CALLED and "bucket" in named:
        named[_BUCKET_IS_CALLED[backend]] = named.pop("bucket")
    if backend == "sftp" and isinstance(named.get("params"), str):
        try:
            named["params"] = json.loads(named["params"])
        except ValueError as error:
            raise Invalid.of("params", "bad_json", "The params of SFTP are a JSON object.") from error
    if backend == "sftp" and not isinstance(named.get("params", {}), dict):
        raise Invalid.of("params", "bad_json", "The params of SFTP are a JSON object.")
    return named


@lru_cache(maxsize=_MOST_OPEN)
def _bucket(options: S3Options) -> "TargetBucket":
    make: Callable[..., TargetBucket] = import_string("apps.snapshots.places.s3.TargetBucket")
    encryption = {
        "ServerSideEncryption": options.server_side_encryption,
        "SSEKMSKeyId": options.sse_kms_key_id,
    }
    return make(
        bucket_name=options.bucket,
        location="",
        region_name=options.region or None,
        endpoint_url=options.endpoint_url or None,
        access_key=options.access_key or None,
        secret_key=options.secret_key or None,
        security_token=options.session_token or None,
        session_profile=None,
        object_parameters={name: value for name, value in encryption.items() if value},
        timeout_s=options.timeout_s,
        addressing_style=options.addressing_style or ("path" if options.endpoint_url else None),
        checksum_mode=options.checksum_mode,
    )


@lru_cache(maxsize=_MOST_OPEN)
def _directory(directory: Path) -> TargetDirectory:
    return TargetDirectory(location=str(directory))


@lru_cache(maxsize=_MOST_OPEN)
def _storage_place(backend: str, options: str) -> StoragePlace:
    try:
        kind = import_string(BACKENDS[backend])
    except (ImportError, ImproperlyConfigured) as error:
        raise TargetDenied(f"This needs a library that is not installed: pip install 'memoryhub[{backend}]'") from error
    wanted = _OPTIONS[backend] | json.loads(options)
    mixed_in = WholeByRename if backend == "sftp" else NamesKept
    try:
        named_storage(kind, wanted, mixed_in)
    except ImproperlyConfigured as error:
        raise Invalid.of("options", "unknown", str(error)) from error
    return StoragePlace(lambda: named_storage(kind, wanted, mixed_in))


def _check(options: S3Options) -> None:
    if not options.bucket:
        raise Invalid.of("bucket", "required", "A bucket has a name.")
    if bool(options.access_key) != bool(options.secret_key):
        raise Invalid.of("secret_key", "pair", "The access key and the secret key are given both or not at all.")
    for name in ("access_key", "secret_key", "session_token"):
        if _CONTROL.search(getattr(options, name)):
            raise Invalid.of(name, "blank", "A key has no blanks and no line ends.")
    if options.endpoint_url and not _is_endpoint(options.endpoint_url):
        raise Invalid.of("endpoint_url", "bad_url", "An endpoint is http:// or https://, a host and perhaps a port.")
    if options.addressing_style not in ("", "path", "virtual"):
        raise Invalid.of("addressing_style", "unknown", "The addressing style is path or virtual.")
    if options.checksum_mode not in ("when_required", "when_supported"):
        raise Invalid.of("checksum_mode", "unknown", "The checksum mode is when_required or when_supported.")
    if options.sse_kms_key_id and not options.server_side_encryption.startswith("aws:kms"):
        raise Invalid.of("sse_kms_key_id", "unused", "A key id needs the server-side encryption aws:kms.")


def _is_endpoint(url: str) -> bool:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    is_plain = not (parts.username or parts.password or parts.query or parts.fragment) and port != 0
    return parts.scheme in ("http", "https") and bool(parts.hostname) and is_plain and not _CONTROL.search(url)


def _folder(prefix: str) -> str:
    folder = prefix.strip("/")
    if folder and not is_name(folder):
        raise Invalid.of("prefix", "bad_prefix", "A prefix has parts joined by /, none of them empty, . or ..")
    return folder
