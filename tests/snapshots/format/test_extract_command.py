"""`memoryhub snapshot extract`: no hub, no database, no settings of one; and without a bucket, no network."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Bucket
from tests.services import ROOT
from tests.snapshots.format.test_fixtures import COPIES, FIRST, FIXTURES, SECOND, every_fixture
from tests.snapshots.format.writing import KEY, MASTER_TEXT, Content, data_of, folder_of, write_copy

KEYS = {"MEMORYHUB_SNAPSHOT_KEY": MASTER_TEXT}
PLAIN_FIRST = FIXTURES / "v1/plain/first/manifest.mhs"
ENCRYPTED_FIRST = FIXTURES / "v1/encrypted/first/manifest.mhs"
NO_DATABASE = (
    "import sys\n"
    "for name in ('psycopg', 'celery', 'redis', 'django.db.backends.postgresql'): sys.modules[name] = None\n"
)
NO_NETWORK = (
    "import socket\n"
    "def refused(*_, **__): raise AssertionError('the network was asked')\n"
    "socket.socket.connect = socket.getaddrinfo = refused\n"
)


def typed(
    *arguments: str | Path, before: str = NO_DATABASE + NO_NETWORK, **environment: str
) -> "subprocess.CompletedProcess[str]":
    """The command, in an environment with nothing but a path."""
    script = f"{before}from memoryhub.cli import main\nmain()\n"
    return subprocess.run(
        [sys.executable, "-c", script, "snapshot", "extract", *arguments],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd="/",
    )


@every_fixture
def test_a_copy_is_extracted_without_a_database(version: str, kind: str, name: str, tmp_path: Path) -> None:
    manifest = FIXTURES / version / kind / name / "manifest.mhs"

    done = typed(manifest, "--to", tmp_path / "out", **(KEYS if kind == "encrypted" else {}))

    assert (done.returncode, done.stderr) == (0, "")
    opened, finished = map(json.loads, done.stdout.splitlines())
    assert (opened["name"], opened["files"], opened["is_encrypted"]) == (name, len(COPIES[name]), kind == "encrypted")
    assert finished == {
        "event": "finished",
        "is_whole": True,
        "files": len(COPIES[name]),
        "size_bytes": sum(len(content.data) for content in COPIES[name].values()),
        "problems": 0,
    }
    assert folder_of(tmp_path / "out") == data_of(COPIES[name])


def test_the_folder_of_a_copy_stands_for_its_manifest_and_a_part_can_be_named(tmp_path: Path) -> None:
    done = typed(PLAIN_FIRST.parent, "--to", tmp_path / "out", "--path", "notes/2026/")

    assert done.returncode == 0
    assert folder_of(tmp_path / "out") == {"notes/2026/02/plan.md": b"- one\n- two\n"}


def test_what_a_copy_holds_is_listed(tmp_path: Path) -> None:
    done = typed(PLAIN_FIRST, "--list", "--path", "notes")
    as_json = typed(PLAIN_FIRST, "--list", "--json", "--path", "notes/old")

    assert done.stdout.splitlines() == [
        "        12  notes/2026/02/plan.md",
        "         8  notes/M\u00fcller \u2603 \U0001f40d.md",
        "         3  notes/old",
        "3 files, 23 bytes, not encrypted. first is a manual snapshot of the workspace default at "
        "2026-02-14 12:00:00 UTC.",
    ]
    header_line, file_line = map(json.loads, as_json.stdout.splitlines())
    assert header_line["event"] == "opened"
    assert (file_line["path"], file_line["size_bytes"], file_line["changed_at_ms"]) == ("notes/old", 3, -14_182_940_000)


def test_keys_can_lie_in_a_file(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text(f"new:{'00' * 32},{MASTER_TEXT}\n")

    done = typed(ENCRYPTED_FIRST, "--list", MEMORYHUB_SNAPSHOT_KEY_FILE=str(keys))

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "environment", "code", "sentence"),
    [
        ([ENCRYPTED_FIRST], {}, 2, "The copy is encrypted: set MEMORYHUB_SNAPSHOT_KEY"),
        ([ENCRYPTED_FIRST], {"MEMORYHUB_SNAPSHOT_KEY": f"k:{'00' * 32}"}, 2, "under the master key 'test-1'"),
        ([ENCRYPTED_FIRST], {"MEMORYHUB_SNAPSHOT_KEY": f"test-1:{'00' * 32}"}, 2, "but not the one"),
        ([ENCRYPTED_FIRST], {"MEMORYHUB_SNAPSHOT_KEY": "nonsense"}, 2, "MEMORYHUB_SNAPSHOT_KEY must be"),
        ([ENCRYPTED_FIRST], {"MEMORYHUB_SNAPSHOT_KEY_FILE": "/nowhere"}, 2, "cannot be read"),
        ([PLAIN_FIRST.parent.parent / "third/manifest.mhs"], {}, 2, "is not there"),
        ([PLAIN_FIRST.parent.parent], {}, 2, "is not there"),
        ([Path(__file__)], {}, 2, "A manifest is called manifest.mhs"),
        ([PLAIN_FIRST, "--path", "nothing"], {}, 2, "The copy holds nothing under this path."),
        ([PLAIN_FIRST, "--list"], {}, 2, "Give either --to"),
    ],
)
def test_what_stops_it_is_a_sentence_and_nothing_is_made(
    tmp_path: Path, arguments: list[str | Path], environment: dict[str, str], code: int, sentence: str
) -> None:
    done = typed(*arguments, "--to", tmp_path / "out", **environment)

    assert (done.returncode, done.stdout.count("\n")) == (code, done.stdout.count('{"event": "opened"'))
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_neither_a_directory_nor_the_wish_for_a_list_is_a_sentence() -> None:
    done = typed(PLAIN_FIRST)

    assert (done.returncode, done.stderr) == (2, "Give either --to with a directory for the files, or --list.\n")


def test_other_settings_do_not_matter(tmp_path: Path) -> None:
    done = typed(
        PLAIN_FIRST,
        "--list",
        DATABASE_URL="nonsense",
        MEMORYHUB_NO_SUCH_SETTING="1",
        MEMORYHUB_TOKEN_KEY="bad",
        DJANGO_SETTINGS_MODULE="",
    )

    assert (done.returncode, done.stderr) == (0, "")


def test_a_plain_copy_is_told_from_encrypted_ones() -> None:
    done = typed(PLAIN_FIRST, "--list", **KEYS)

    assert (done.returncode, done.stderr) == (0, "This copy is not encrypted: your key says nothing of who wrote it.\n")


def test_a_directory_in_use_is_refused_and_can_be_overwritten(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    second = PLAIN_FIRST.parent.parent / "second/manifest.mhs"

    refused = typed(second, "--to", tmp_path)
    taken = typed(second, "--to", tmp_path, "--overwrite")

    assert (refused.returncode, taken.returncode) == (2, 0)
    assert "is not empty" in refused.stderr
    assert folder_of(tmp_path) == data_of(SECOND) | {"mine": b"mine"}


def test_damage_stops_it_or_is_left_out(tmp_path: Path) -> None:
    files = {path: Content(path.encode()) for path in "abc"}
    write_copy(tmp_path / "copies", files=files, files_a_pack=1)
    packs = sorted((tmp_path / "copies/.memoryhub/packs").rglob("*"))
    next(path for path in packs if path.is_file()).write_bytes(b"gone bad")
    manifest = tmp_path / "copies/first/manifest.mhs"

    stopped = typed(manifest, "--to", tmp_path / "stopped")
    went_on = typed(manifest, "--to", tmp_path / "went-on", "--keep-going")

    assert (stopped.returncode, went_on.returncode) == (1, 1)
    assert stopped.stderr.endswith("A pack is shorter than its head.\n")
    problem, finished = map(json.loads, went_on.stdout.splitlines()[1:])
    assert problem["about"] == "A pack is shorter than its head."
    assert (finished["is_whole"], finished["files"], finished["problems"]) == (False, 2, 1)
    assert folder_of(tmp_path / "went-on") == {path: path.encode() for path in files if path != problem["path"]}


def test_a_tampered_manifest_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    write_copy(tmp_path / "copies", seal=KEY)
    manifest = tmp_path / "copies/first/manifest.mhs"
    manifest.write_bytes(manifest.read_bytes().replace(b"default", b"defaulx"))

    done = typed(manifest, "--to", tmp_path / "out", **KEYS)

    assert (done.returncode, done.stderr) == (1, "A manifest does not have its sha256.\n")
    assert not (tmp_path / "out").exists()


# --- Buckets


@pytest.fixture
def filled(s3_server: Bucket) -> Bucket:
    """A bucket with the encrypted fixture at the prefix `hub/default`."""
    for path, data in folder_of(FIXTURES / "v1/encrypted").items():
        s3_server.client().put_object(Bucket=s3_server.name, Key=f"hub/default/{path}", Body=data)
    return s3_server


def aws(bucket: Bucket) -> dict[str, str]:
    return {
        "AWS_ACCESS_KEY_ID": bucket.access_key,
        "AWS_SECRET_ACCESS_KEY": bucket.secret_key,
        "S3_ENDPOINT_URL": bucket.endpoint_url,
    }


def cloud_sync(bucket: Bucket) -> dict[str, str]:
    return {
        "CLOUD_SYNC_ACCESS_KEY": bucket.access_key,
        "CLOUD_SYNC_SECRET_KEY": bucket.secret_key,
        "CLOUD_SYNC_ENDPOINT": bucket.endpoint_url,
    }


def typed_at(bucket: Bucket, *arguments: str | Path, name: str = "first", **environment: str) -> Any:
    address = f"s3://{bucket.name}/hub/default/{name}/manifest.mhs"
    return typed(address, *arguments, before=NO_DATABASE, **KEYS, **environment)


@pytest.mark.parametrize("reached", [aws, cloud_sync])
def test_a_copy_is_extracted_from_a_bucket(
    filled: Bucket, tmp_path: Path, reached: Callable[[Bucket], dict[str, str]]
) -> None:
    done = typed_at(filled, "--to", tmp_path / "out", **reached(filled))

    assert (done.returncode, done.stderr) == (0, "")
    assert folder_of(tmp_path / "out") == data_of(FIRST)


def test_each_bucket_is_reached_by_its_own_keys(filled: Bucket) -> None:
    others = {name: "http://127.0.0.1:9" if name.endswith("ENDPOINT") else "x" for name in cloud_sync(filled)}

    of_another = typed_at(filled, "--list", **aws(filled), **others, CLOUD_SYNC_BUCKET="another")
    of_this = typed_at(
        filled, "--list", **cloud_sync(filled), S3_ENDPOINT_URL="http://127.0.0.1:9", CLOUD_SYNC_BUCKET=filled.name
    )

    assert (of_another.returncode, of_this.returncode) == (0, 0)


def test_what_a_bucket_does_not_hold_is_a_sentence(filled: Bucket, tmp_path: Path) -> None:
    done = typed_at(filled, "--to", tmp_path / "out", name="third", **aws(filled))

    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.startswith("There is no manifest")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("address", ["s3://", "s3://bucket", "s3://bucket/manifest.mhs", "s3://bucket/a/b/other.mhs"])
def test_an_address_that_names_no_manifest_is_a_sentence(address: str) -> None:
    done = typed(address, "--list")

    assert (done.returncode, done.stderr.count("\n")) == (2, 1)


def test_half_a_pair_of_keys_is_a_sentence() -> None:
    done = typed("s3://bucket/a/manifest.mhs", "--list", AWS_ACCESS_KEY_ID="x")

    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
