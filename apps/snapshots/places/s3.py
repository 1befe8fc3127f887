"""Copies in a bucket of any S3-speaking server. Imported only where there is one: boto3 takes 50 ms and 12 MB."""

from base64 import b64encode
from collections.abc import Iterator
from contextlib import suppress
from hashlib import md5, sha256
from io import BytesIO
from pathlib import Path
from threading import Lock
from typing import Any, BinaryIO, Literal, Self

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from apps.blobs.bucket import BucketBlobStorage
from apps.blobs.spooling import CHUNK_BYTES
from apps.common.errors import DomainError
from apps.snapshots.places.base import Listed, Place, Reading, is_name, joined
from apps.snapshots.places.errors import TargetDenied, TargetUnavailable
from apps.snapshots.places.s3_refusals import UNKNOWN_CONDITION, code_of, status_of, told

AT_ONCE_BYTES = 32 * 1024 * 1024
"""Up to here a file is written by one request, so that a pack of 16 MiB does not cost five."""
SMALLEST_PART_BYTES = 5 * 1024 * 1024
"""Of every part but the last. Source: Amazon S3, multipart upload limits."""
NO_S3 = "The target answered with something that S3 does not say."


class TargetBucket(BucketBlobStorage):
    """A bucket with one client for all threads; `checksum_mode` is boto3's `when_required` or `when_supported`."""

    client_config: Any

    def __init__(self, *, checksum_mode: Literal["when_required", "when_supported"], **options: Any) -> None:
        super().__init__(**options)
        self.client_config = self.client_config.merge(
            Config(request_checksum_calculation=checksum_mode, response_checksum_validation=checksum_mode)
        )
        self._lock = Lock()
        self._client: Any = None
        self._is_known = False

    @property
    def client(self) -> Any:
        """boto3's client, made at its first use. Clients are safe to share between threads, resources are not."""
        with self._lock:
            if self._client is None:
                try:
                    self._client = self.connection.meta.client
                except (BotoCoreError, ValueError) as error:
                    raise TargetDenied(f"The target's settings fit no S3 server ({type(error).__name__}).") from error
            return self._client

    def require_bucket(self) -> None:
        """Raises `TargetDenied` where the bucket does not exist, which an answer to HEAD cannot say of itself."""
        if self._is_known:
            return
        with told("list"):
            try:
                self.client.head_bucket(Bucket=self.bucket_name)
            except ClientError as error:
                if status_of(error) == 404:
                    raise TargetDenied("The bucket does not exist.") from error
                raise
        self._is_known = True


class S3Place(Place):
    """A folder of a `TargetBucket`. Credentials need no right but to list, read, write and, for `delete`, delete."""

    def __init__(self, bucket: TargetBucket, folder: str = "") -> None:
        super().__init__(folder)
        self._bucket = bucket

    def put(self, name: str, source: bytes | Path, *, fresh: bool = False) -> None:
        key = self._full(name)
        if isinstance(source, bytes):
            # As a file: bytes urllib3 would send in one go, within the time that is meant for connecting.
            self._put_at_once(key, BytesIO(source), fresh=fresh)
        elif fresh or source.stat().st_size <= AT_ONCE_BYTES:
            # A fresh one whatever its size, up to S3's 5 GiB: boto3 takes no condition for parts.
            with source.open("rb") as file:
                self._put_at_once(key, file, fresh=fresh)
        else:
            self._put_in_parts(key, source)

    def stat(self, name: str) -> Listed | None:
        key = self._full(name)
        with told("read"):
            try:
                found = self._bucket.client.head_object(**self._at(key))
            except ClientError as error:
                if status_of(error) != 404:
                    raise
                self._bucket.require_bucket()
                return None
        _require(found, "ETag", "ContentLength")
        return Listed(name, found["ContentLength"], found.get("LastModified"))

    def names(self, folder: str = "", *, behind: str = "") -> Iterator[Listed]:
        prefix, after = _prefix(self._full_folder(folder)), joined(self._folder, behind)
        if after > prefix and not after.startswith(prefix):
            return
        # MinIO lists nothing behind a name that does not begin with the prefix.
        begin = {"StartAfter": after} if after > prefix else {}
        last = ""
        for page in self._pages(Prefix=prefix, **begin):
            for entry in page.get("Contents", ()):
                key = entry["Key"]
                if key <= last:
                    raise TargetUnavailable("The target does not list its objects in order.")
                last = key
                if is_name(key):
                    yield Listed(self._own(key), entry["Size"], entry.get("LastModified"))

    def folders(self, folder: str = "") -> Iterator[str]:
        prefix = _prefix(self._full_folder(folder))
        pages = self._pages(Prefix=prefix, Delimiter="/")
        found = (entry["Prefix"][len(prefix) : -1] for page in pages for entry in page.get("CommonPrefixes", ()))
        # The target orders them with their slashes: `a-b/` before `a/`.
        yield from sorted(name for name in found if is_name(name))

    def delete(self, name: str) -> None:
        key = self._full(name)
        with told("delete"):
            try:
                self._bucket.client.delete_object(**self._at(key))
            except ClientError as error:
                if code_of(error) != "NoSuchKey":
                    raise

    def below(self, folder: str) -> Self:
        return type(self)(self._bucket, self._full(folder))

    def takes_parts(self, name: str, *, complete: bool) -> bool:
        bodies = (bytes(SMALLEST_PART_BYTES), b"the last part")
        upload = self._begin_parts(self._full(name))
        try:
            parts = [self._put_part(upload, number, body) for number, body in enumerate(bodies, 1)]
            if complete:
                self._complete(upload, parts)
        except DomainError:
            with suppress(DomainError):
                self._give_up(upload)
            raise
        if complete:
            written = self.stat(name)
            return written is not None and written.size_bytes == sum(map(len, bodies))
        try:
            self._give_up(upload)
        except TargetDenied:
            # Parts that may not be given up would stay unseen, and cost money. As an object they are written over.
            self._complete(upload, parts)
            raise
        return True

    def verifies_checksums(self, name: str) -> bool:
        body, other = b"what is written", b"what was announced"
        right = {"ContentMD5": _base64(md5(body, usedforsecurity=False).digest())}
        wrong = {"ContentMD5": _base64(md5(other, usedforsecurity=False).digest())}
        if self._takes(name, body, right) and not self._takes(name, body, wrong):
            return True
        right, wrong = ({"ChecksumSHA256": _base64(sha256(data).digest())} for data in (body, other))
        return self._takes(name, body, right) and not self._takes(name, body, wrong)

    def _begin_parts(self, key: str) -> dict[str, str]:
        with told("write"):
            answer = self._bucket.client.create_multipart_upload(**self._at(key), **self._parameters())
        _require(answer, "UploadId")
        return self._at(key) | {"UploadId": answer["UploadId"]}

    def _put_part(self, upload: dict[str, str], number: int, body: bytes) -> dict[str, Any]:
        with told("write"):
            answer = self._bucket.client.upload_part(**upload, PartNumber=number, Body=BytesIO(body))
        _require(answer, "ETag")
        return {"PartNumber": number, "ETag": answer["ETag"]}

    def _complete(self, upload: dict[str, str], parts: list[dict[str, Any]]) -> None:
        with told("write"):
            self._bucket.client.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})

    def _give_up(self, upload: dict[str, str]) -> None:
        with told("give up an upload"):
            self._bucket.client.abort_multipart_upload(**upload)

    def _takes(self, name: str, body: bytes, checksum: dict[str, str]) -> bool:
        """Whether the target writes bytes with such a checksum; False for a 400."""
        with told("write"):
            try:
                self._bucket.client.put_object(
                    **self._at(self._full(name)), Body=body, **checksum, **self._parameters()
                )
            except ClientError as error:
                if status_of(error) not in (400, 501):
                    raise
                return False
            return True

    def _put_at_once(self, key: str, content: BinaryIO, *, fresh: bool) -> None:
        client, wanted = self._bucket.client, self._at(key) | self._parameters()
        with told("write"):
            try:
                answer = client.put_object(**wanted, Body=content, **({"IfNoneMatch": "*"} if fresh else {}))
            except ClientError as error:
                if not fresh or code_of(error) not in UNKNOWN_CONDITION:
                    raise
                content.seek(0)
                answer = client.put_object(**wanted, Body=content)
        _require(answer, "ETag")

    def _put_in_parts(self, key: str, source: Path) -> None:
        """By boto3, which reads a few parts of the file at a time and gives the upload up when one fails."""
        bucket, size_bytes = self._bucket, source.stat().st_size
        with told("write"):
            try:
                bucket.client.upload_file(
                    str(source), bucket.bucket_name, key, ExtraArgs=self._parameters(), Config=bucket.transfer_config
                )
            except KeyError as error:
                # An answer without the ETag of its part.
                raise TargetUnavailable(NO_S3) from error
        # boto3 keeps the last answer to itself, so it is the object that has to tell.
        written = self.stat(self._own(key))
        if written is None or written.size_bytes != size_bytes:
            raise TargetUnavailable("The target does not hold what it said that it wrote.")

    def _open(self, full: str, *, first_bytes: int | None = None) -> Reading:
        span = {} if first_bytes is None else {"Range": f"bytes=0-{first_bytes - 1}"}
        with told("read"):
            try:
                answer = self._bucket.client.get_object(**self._at(full), **span)
            except ClientError as error:
                if not span or status_of(error) != 416:
                    raise
                # An empty object has no first byte.
                answer = self._bucket.client.get_object(**self._at(full))
        _require(answer, "ETag", "ContentLength")
        return Reading(answer["ContentLength"], _chunks(answer["Body"]), answer["Body"])

    def _pages(self, **wanted: str) -> Iterator[dict[str, Any]]:
        """The pages of a listing, each checked to be one. An answer that is none would look like an empty bucket."""
        token: dict[str, str] = {}
        while True:
            with told("list"):
                page = self._bucket.client.list_objects_v2(Bucket=self._bucket.bucket_name, **wanted, **token)
            if "IsTruncated" not in page:
                raise TargetUnavailable("The target answered with something that is no listing.")
            yield page
            if not page["IsTruncated"]:
                return
            following = {"ContinuationToken": page.get("NextContinuationToken", "")}
            if following == token or not following["ContinuationToken"]:
                raise TargetUnavailable("The target does not say how its listing goes on.")
            token = following

    def _at(self, key: str) -> dict[str, str]:
        return {"Bucket": self._bucket.bucket_name, "Key": key}

    def _parameters(self) -> dict[str, str]:
        """What every object is written with: its encryption by the server."""
        return {"ContentType": "application/octet-stream", **self._bucket.object_parameters}


def _require(answer: dict[str, Any], *fields: str) -> None:
    """Raises for a 200 that no object store gave: a login page of the network, or a proxy's own text."""
    if any(answer.get(field) in (None, "") for field in fields):
        raise TargetUnavailable(NO_S3)


def _prefix(folder: str) -> str:
    return f"{folder}/" if folder else ""


def _base64(digest: bytes) -> str:
    return b64encode(digest).decode()


def _chunks(body: Any) -> Iterator[bytes]:
    with told("read"):
        yield from body.iter_chunks(CHUNK_BYTES)
