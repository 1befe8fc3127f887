"""Objects in a bucket of an S3-speaking server."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any, Literal

from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from storages.backends.s3 import S3Storage

from apps.blobs.spooling import CHUNK_BYTES

PART_BYTES = 8 * 1024 * 1024
_GONE = frozenset({"404", "NoSuchKey", "InvalidRange"})


class BucketBlobStorage(S3Storage):
    """django-storages' S3 with bounded waits, ranged reads, and uploads in parts, two at a time, to spare memory.

    `timeout_s` bounds each answer of the server, `addressing_style` is boto3's (`path` or `virtual`, None for its own
    choice). Checksums that boto3 would add by default are left out: several servers refuse them, and the hub has
    its own.
    """

    failures = (BotoCoreError, Boto3Error, ClientError)

    def __init__(
        self, *, timeout_s: float, addressing_style: Literal["path", "virtual"] | None = None, **options: Any
    ) -> None:
        config = Config(
            connect_timeout=min(timeout_s, 5),
            read_timeout=timeout_s,
            retries={"mode": "standard", "total_max_attempts": 3},
            max_pool_connections=20,
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            s3={"addressing_style": addressing_style or "auto"},
        )
        transfer = TransferConfig(multipart_threshold=PART_BYTES, multipart_chunksize=PART_BYTES, max_concurrency=2)
        super().__init__(client_config=config, transfer_config=transfer, **options)

    def make_bucket(self) -> bool:
        """Makes the bucket; False where it was there. Raises one of `failures`."""
        client = self.connection.meta.client
        try:
            client.head_bucket(Bucket=self.bucket_name)
        except ClientError as error:
            if not self.means_gone(error):
                raise
        else:
            return False
        # Amazon's first region is the one that must not be named.
        elsewhere = {} if self.region_name == "us-east-1" else {"LocationConstraint": self.region_name}
        client.create_bucket(Bucket=self.bucket_name, **({"CreateBucketConfiguration": elsewhere} if elsewhere else {}))
        return True

    def means_gone(self, error: Exception) -> bool:
        """Whether a failed read says that the object is not there."""
        return isinstance(error, ClientError) and error.response.get("Error", {}).get("Code") in _GONE

    def delete(self, name: str) -> None:
        """Removes an object, and the parts of an upload that was never completed, which cost money unseen."""
        super().delete(name)
        client, key = self.connection.meta.client, self.key_of(name)
        uploads = client.list_multipart_uploads(Bucket=self.bucket_name, Prefix=key).get("Uploads", [])
        for upload in uploads:
            client.abort_multipart_upload(Bucket=self.bucket_name, Key=upload["Key"], UploadId=upload["UploadId"])

    def key_of(self, name: str) -> str:
        """The whole key of an object in the bucket, prefix included."""
        key: str = self._normalize_name(name)
        return key

    def read_range(self, name: str, start: int, size: int) -> Iterator[bytes]:
        """`size` bytes from `start` on, in chunks; fewer when the object is shorter."""
        if not size:
            return
        answer = self.connection.meta.client.get_object(
            Bucket=self.bucket_name, Key=self.key_of(name), Range=f"bytes={start}-{start + size - 1}"
        )
        # As a context manager, the body would hand over urllib3's own response.
        with closing(answer["Body"]) as body:
            yield from body.iter_chunks(CHUNK_BYTES)
