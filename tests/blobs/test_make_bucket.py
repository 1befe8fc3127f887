"""The command `make_bucket`."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import override_settings

from tests.conftest import Bucket
from tests.operations.stores import bucket_storage
from tests.services import free_port


def made(server: Bucket, name: str, *, region: str = "us-east-1") -> str:
    """What the command says when S3_BUCKET is `name` on this server."""
    here = {"S3_BUCKET": name, "S3_ENDPOINT_URL": server.endpoint_url, "AWS_REGION": region}
    said = StringIO()
    with override_settings(STORAGES=bucket_storage(here)):
        call_command("make_bucket", stdout=said)
    return said.getvalue()


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1"])
def test_a_missing_bucket_is_made_and_one_that_is_there_is_kept(s3_server: Bucket, region: str) -> None:
    name = f"{s3_server.name}-new"

    first = made(s3_server, name, region=region)
    s3_server.client().put_object(Bucket=name, Key="kept", Body=b"")
    second = made(s3_server, name, region=region)

    assert (first, second) == (f"Made the bucket {name}.\n", "The bucket is there.\n")
    assert [entry["Key"] for entry in s3_server.client().list_objects_v2(Bucket=name)["Contents"]] == ["kept"]
    assert s3_server.client().get_bucket_location(Bucket=name)["LocationConstraint"] == (
        None if region == "us-east-1" else region
    )
    s3_server.client().delete_object(Bucket=name, Key="kept")
    s3_server.client().delete_bucket(Bucket=name)


def test_a_name_that_no_bucket_can_have_is_refused_in_one_sentence(s3_server: Bucket) -> None:
    with pytest.raises(CommandError, match="The bucket NO could not be made: "):
        made(s3_server, "NO")


def test_a_store_that_is_away_is_told() -> None:
    with pytest.raises(CommandError, match="The bucket b could not be made: "):
        made(Bucket(f"http://127.0.0.1:{free_port()}", "b"), "b")


def test_without_a_bucket_there_is_nothing_to_make() -> None:
    with pytest.raises(CommandError, match="S3_BUCKET names no bucket: files lie in a local directory."):
        call_command("make_bucket")
