"""The original's bucket, read only."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from apps.blobs.spooling import Readable
from apps.common.errors import shown
from apps.dialects.memory_proxy.layouts import Entry

CONNECT_TIMEOUT_S = 5
READ_TIMEOUT_S = 60
ATTEMPTS = 4
DEFAULT_REGION = "us-east-1"
_REFUSALS = frozenset({"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "403", "401"})
_GONE = frozenset({"NoSuchKey", "NoSuchVersion", "404"})
_FIRST_SERVER_FAULT = 500


class BucketError(Exception):
    """The bucket cannot be read. The message is a sentence for the operator."""


class ObjectError(Exception):
    """One object cannot be read. `is_away`: it may be the server's fault rather than the object's."""

    def __init__(self, sentence: str, *, is_away: bool = False) -> None:
        super().__init__(sentence)
        self.is_away = is_away


@dataclass(frozen=True, slots=True)
class BucketAddress:
    """Where the bucket is, and its keys. `prefix` is the original's S3_PREFIX, as it was set there."""

    name: str
    prefix: str
    access_key: str
    secret_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)
    region: str = DEFAULT_REGION
    endpoint_url: str | None = None

    @property
    def base(self) -> str:
        """What every key begins with."""
        return f"{self.prefix}/" if self.prefix else ""


@dataclass(frozen=True, slots=True)
class Described:
    """What an object says of itself."""

    metadata: Mapping[str, str]
    content_type: str | None
    size_bytes: int


class OldBucket:
    """Reads one bucket of the original. Every method may be called from any thread."""

    def __init__(self, address: BucketAddress, *, connections: int) -> None:
        self.address = address
        self.connections = connections

    @cached_property
    def _client(self) -> Any:
        address = self.address
        # Keys and addresses are only those given: what the environment says of a bucket is about the hub's own.
        config = Config(
            connect_timeout=CONNECT_TIMEOUT_S,
            read_timeout=READ_TIMEOUT_S,
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
            max_pool_connections=self.connections,
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            ignore_configured_endpoint_urls=True,  # type: ignore[call-arg]
            s3={"addressing_style": "path" if address.endpoint_url else "auto"},
        )
        try:
            return boto3.client(
                "s3",
                aws_access_key_id=address.access_key,
                aws_secret_access_key=address.secret_key,
                aws_session_token=address.session_token,
                region_name=address.region,
                endpoint_url=address.endpoint_url,
                config=config,
            )
        except (ValueError, BotoCoreError) as error:
            raise BucketError(f"The old bucket's address cannot be used: {_in_short(error)}") from None

    def check(self) -> None:
        """Raises `BucketError` where the bucket does not answer."""
        with self._told():
            self._client.list_objects_v2(Bucket=self.address.name, Prefix=self.address.base, MaxKeys=1)

    def keeps_versions(self) -> bool:
        """Whether the bucket keeps, or kept, what was overwritten. Servers that cannot say keep none."""
        self.check()
        try:
            status = self._client.get_bucket_versioning(Bucket=self.address.name).get("Status")
        except (ClientError, BotoCoreError):
            return False
        return status in ("Enabled", "Suspended")

    def entries(self, folders: Sequence[str]) -> Iterator[Entry]:
        """All objects below the folders, which end with `/` or are empty; in no order. Raises `BucketError`."""
        listed = self._versions if self.keeps_versions() else self._objects
        for folder in folders:
            with self._told():
                yield from listed(self.address.base + folder)

    def _objects(self, prefix: str) -> Iterator[Entry]:
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self.address.name, Prefix=prefix)
        for page in pages:
            for item in page.get("Contents", []):
                yield Entry(self._relative(item), item["LastModified"], item["Size"], _etag(item))

    def _versions(self, prefix: str) -> Iterator[Entry]:
        """The server tells the versions of a key newest first, and delete markers apart from the rest."""
        position = 0
        pages = self._client.get_paginator("list_object_versions").paginate(Bucket=self.address.name, Prefix=prefix)
        for page in pages:
            for item in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]:
                position -= 1
                yield Entry(
                    self._relative(item),
                    item["LastModified"],
                    item.get("Size", 0),
                    _etag(item),
                    version_id=item["VersionId"],
                    is_current=item["IsLatest"],
                    is_marker="Size" not in item,
                    position=position,
                )

    def _relative(self, item: Mapping[str, Any]) -> str:
        key: str = item["Key"]
        return key.removeprefix(self.address.base)

    def key_of(self, relative: str) -> str:
        return self.address.base + relative

    def read(self, entry: Entry) -> bytes:
        """All bytes of a small object, such as an index. Raises `ObjectError`."""
        with self.opened(entry) as (described, body):
            return body.read(described.size_bytes)

    def describe(self, entry: Entry) -> Described:
        """What an object says of itself, without its bytes. Raises `ObjectError`."""
        with _object_told():
            answer = self._client.head_object(**self._place(entry))
        return _described(entry, answer)

    @contextmanager
    def opened(self, entry: Entry) -> Iterator[tuple[Described, Readable]]:
        """The same with a stream of the bytes; reading it may raise `ObjectError` too."""
        with _object_told():
            answer = self._client.get_object(**self._place(entry))
        with closing(answer["Body"]) as body:
            yield _described(entry, answer), _Body(body)

    def _place(self, entry: Entry) -> dict[str, str]:
        place = {"Bucket": self.address.name, "Key": self.key_of(entry.relative)}
        return place if entry.version_id is None else place | {"VersionId": entry.version_id}

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Turns a failure of the whole bucket into a sentence."""
        name, endpoint = shown(self.address.name), self.address.endpoint_url or "Amazon S3"
        try:
            yield
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            if code == "NoSuchBucket":
                raise BucketError(f"There is no bucket {name} at {endpoint}.") from None
            if code in _REFUSALS:
                raise BucketError(f"{endpoint} does not let these keys into the bucket {name} ({code}).") from None
            raise BucketError(f"{endpoint} fails to list the bucket {name} ({code}).") from None
        except BotoCoreError as error:
            raise BucketError(f"The bucket {name} at {endpoint} cannot be read: {_in_short(error)}") from None


class _Body:
    """The bytes of an object, whose failures are the object's."""

    def __init__(self, body: Any) -> None:
        self._body = body

    def read(self, size: int, /) -> bytes:
        with _object_told():
            data: bytes = self._body.read(size)
        return data


@contextmanager
def _object_told() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if code in _GONE:
            raise ObjectError("The object is gone.") from None
        is_away = status >= _FIRST_SERVER_FAULT or code in _REFUSALS
        raise ObjectError(f"The object cannot be read ({code}).", is_away=is_away) from None
    except (BotoCoreError, OSError) as error:
        raise ObjectError(f"The object cannot be read: {_in_short(error)}", is_away=True) from None


def _described(entry: Entry, answer: Mapping[str, Any]) -> Described:
    if entry.version_id is None and _etag(answer) != entry.etag:
        raise ObjectError("The object was written while the import ran; run it again.")
    return Described(answer["Metadata"], answer.get("ContentType"), answer["ContentLength"])


def _etag(item: Mapping[str, Any]) -> str:
    tag: str = item.get("ETag", "")
    return tag.strip('"')


def _in_short(error: Exception) -> str:
    """One line of what a library says in several."""
    return shown(" ".join(str(error).split()))
