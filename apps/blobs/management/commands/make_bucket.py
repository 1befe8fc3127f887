"""`manage.py make_bucket`: for a store that is set up together with the hub, as in docker-compose.yml."""

from typing import Any

from django.core.files.storage import storages
from django.core.management.base import BaseCommand, CommandError

from apps.blobs.bucket import BucketBlobStorage


class Command(BaseCommand):
    help = "Make the bucket that S3_BUCKET names, where it is missing."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        storage = storages["blobs"]
        if not isinstance(storage, BucketBlobStorage):
            raise CommandError("S3_BUCKET names no bucket: files lie in a local directory.")
        try:
            was_made = storage.make_bucket()
        except storage.failures as error:
            raise CommandError(f"The bucket {storage.bucket_name} could not be made: {error}") from error
        self.stdout.write(f"Made the bucket {storage.bucket_name}." if was_made else "The bucket is there.")
