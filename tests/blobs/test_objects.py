"""Objects in both homes: written under fresh keys, read in ranges, their failures told in our words."""

import hashlib
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import storages

from apps.blobs import objects
from apps.blobs.content import StoredBlob
from apps.blobs.errors import BlobCorrupt
from apps.common.errors import StorageFull, Unavailable
from apps.common.ids import uuid7
from memoryhub.settings import backends

DATA = bytes(range(256)) * 3000


@pytest.fixture(params=["directory", "bucket"])
def home(request: pytest.FixtureRequest, settings: Any, tmp_path: Path) -> Iterator[Any]:
    """The storage in use: a fresh directory, or a fresh bucket."""
    values: dict[str, Any] = {"S3_BUCKET": "", "S3_PREFIX": "", "S3_SERVER_SIDE_ENCRYPTION": ""}
    if request.param == "bucket":
        bucket = request.getfixturevalue("s3_server")
        values |= {
            "S3_BUCKET": bucket.name,
            "AWS_REGION": bucket.region,
            "S3_ENDPOINT_URL": bucket.endpoint_url,
            "AWS_ACCESS_KEY_ID": bucket.access_key,
            "AWS_SECRET_ACCESS_KEY": bucket.secret_key,
            "AWS_SESSION_TOKEN": "",
            "MEMORYHUB_STORAGE_TIMEOUT_S": 10.0,
        }
    settings.STORAGES = settings.STORAGES | {"blobs": backends.storage(values, directory=tmp_path / "blobs")}
    return storages["blobs"]


def read(key: str, start: int, size: int) -> bytes:
    return b"".join(objects.read_object(key, start, size))


@pytest.mark.parametrize("data", [b"", b"x", DATA, bytes(20 * 1024 * 1024)], ids=len)
def test_bytes_come_back_as_they_were_written(home: Any, data: bytes) -> None:
    key = objects.new_object_key(uuid7())

    objects.write_object(key, data)

    assert objects.object_size(key) == len(data)
    assert read(key, 0, len(data)) == data


def test_a_spooled_file_becomes_an_object(home: Any, tmp_path: Path) -> None:
    key, folder = objects.new_object_key(uuid7()), objects.spool_directory() or tmp_path
    folder.mkdir(parents=True, exist_ok=True)
    spooled = folder / "spool-1"
    spooled.write_bytes(DATA)

    objects.write_object(key, spooled)

    assert read(key, 0, len(DATA)) == DATA
    if objects.spool_directory():
        assert not spooled.exists()


@pytest.mark.parametrize(("start", "size"), [(0, 1), (0, 768_000), (255, 2), (767_999, 1), (500_000, 268_000), (10, 0)])
def test_a_range_is_read_as_asked(home: Any, start: int, size: int) -> None:
    key = objects.new_object_key(uuid7())
    objects.write_object(key, DATA)

    assert read(key, start, size) == DATA[start : start + size]


def test_too_few_bytes_are_damage(home: Any) -> None:
    key = objects.new_object_key(uuid7())
    objects.write_object(key, DATA)

    with pytest.raises(BlobCorrupt):
        read(key, 700_000, 100_000)
    with pytest.raises(BlobCorrupt):
        read(key, len(DATA), 1)


def test_an_object_that_is_gone_is_damage(home: Any) -> None:
    key = objects.new_object_key(uuid7())
    objects.write_object(key, DATA)

    objects.delete_object(key)

    with pytest.raises(BlobCorrupt):
        read(key, 0, 1)
    with pytest.raises(BlobCorrupt):
        objects.object_size(key)
    objects.delete_object(key)


def test_a_whole_read_ends_only_when_the_hash_is_right(home: Any) -> None:
    key = objects.new_object_key(uuid7())
    objects.write_object(key, DATA)
    wrong = StoredBlob(hashlib.sha256(b"other").digest(), len(DATA), None, key)
    right = StoredBlob(hashlib.sha256(DATA).digest(), len(DATA), None, key)

    assert b"".join(objects.blob_chunks(right, 0, len(DATA))) == DATA
    seen = b""
    with pytest.raises(BlobCorrupt):
        for chunk in objects.blob_chunks(wrong, 0, len(DATA)):
            seen += chunk
    assert len(seen) < len(DATA)


def test_a_blob_without_any_place_is_damage() -> None:
    with pytest.raises(BlobCorrupt):
        list(objects.blob_chunks(StoredBlob(b"", 1, None, None), 0, 1))


def test_keys_are_never_used_twice() -> None:
    workspace = uuid7()
    keys = {objects.new_object_key(workspace) for _ in range(1000)}

    assert len(keys) == 1000
    assert all(key.startswith(f"{workspace.hex}/") and len(key) <= 200 for key in keys)


@pytest.mark.parametrize("home", ["directory"], indirect=True)
def test_objects_in_a_directory_are_for_the_owner_only(home: Any) -> None:
    key = objects.new_object_key(uuid7())

    objects.write_object(key, b"secret")

    path = Path(home.path(key))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in list(path.parents)[:3]} == {0o700}
    assert list(home.spool_directory.iterdir()) == []


@pytest.mark.parametrize("home", ["directory"], indirect=True)
def test_a_place_that_cannot_be_written_is_unavailable(home: Any, tmp_path: Path) -> None:
    (tmp_path / "blobs").write_bytes(b"a file where the directory should be")

    with pytest.raises(Unavailable):
        objects.write_object(objects.new_object_key(uuid7()), b"x")


@pytest.mark.parametrize("home", ["bucket"], indirect=True)
def test_a_bucket_that_is_missing_is_unavailable(home: Any) -> None:
    home.bucket.delete()

    key = objects.new_object_key(uuid7())
    with pytest.raises(Unavailable):
        objects.write_object(key, b"x")
    with pytest.raises(Unavailable):
        read(key, 0, 1)


@pytest.mark.parametrize("home", ["bucket"], indirect=True)
def test_a_server_that_is_away_is_unavailable(home: Any, settings: Any) -> None:
    options = settings.STORAGES["blobs"]["OPTIONS"] | {"endpoint_url": "http://127.0.0.1:9", "timeout_s": 1.0}
    settings.STORAGES = settings.STORAGES | {"blobs": settings.STORAGES["blobs"] | {"OPTIONS": options}}

    key = objects.new_object_key(uuid7())
    with pytest.raises(Unavailable):
        objects.write_object(key, b"x")
    with pytest.raises(Unavailable):
        read(key, 0, 1)


@pytest.mark.system
@pytest.mark.parametrize("home", ["directory"], indirect=True)
def test_a_full_disk_is_told_and_leaves_nothing_behind(home: Any, small_disk: Path, settings: Any) -> None:
    options = settings.STORAGES["blobs"]["OPTIONS"] | {"location": str(small_disk / "blobs")}
    settings.STORAGES = settings.STORAGES | {"blobs": settings.STORAGES["blobs"] | {"OPTIONS": options}}
    kept = objects.new_object_key(uuid7())
    objects.write_object(kept, DATA[:100_000])

    with pytest.raises(StorageFull):
        objects.write_object(objects.new_object_key(uuid7()), DATA)

    assert read(kept, 0, 100_000) == DATA[:100_000]
    assert [path.name for path in (small_disk / "blobs").rglob("*") if path.is_file()] == [kept.rpartition("/")[2]]
