"""Places of plain values: what is refused before anybody is asked, and what providers want."""

import subprocess
import sys
from dataclasses import fields
from typing import Any

import pytest

from apps.common.errors import Invalid
from apps.snapshots.places.opening import BACKENDS, S3Options, s3_place, storage_place
from apps.snapshots.places.presets import PRESETS, endpoint_of
from tests.house.tree import ROOT

PAIR = {"access_key": "AKIA", "secret_key": "secret"}


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"bucket": ""}, "bucket"),
        ({"access_key": "AKIA"}, "secret_key"),
        ({"secret_key": "secret"}, "secret_key"),
        ({"access_key": "AKIA", "secret_key": "secret\n"}, "secret_key"),
        (PAIR | {"session_token": "a b"}, "session_token"),
        ({"endpoint_url": "minio:9000"}, "endpoint_url"),
        ({"endpoint_url": "ftp://minio"}, "endpoint_url"),
        ({"endpoint_url": "http://user:password@minio:9000"}, "endpoint_url"),
        ({"endpoint_url": "http://minio:port"}, "endpoint_url"),
        ({"endpoint_url": "http://mi nio"}, "endpoint_url"),
        ({"endpoint_url": "http://minio/?x=1"}, "endpoint_url"),
        ({"prefix": "a//b"}, "prefix"),
        ({"prefix": "../other"}, "prefix"),
        ({"addressing_style": "auto"}, "addressing_style"),
        ({"checksum_mode": "always"}, "checksum_mode"),
        ({"sse_kms_key_id": "alias/x"}, "sse_kms_key_id"),
        ({"sse_kms_key_id": "alias/x", "server_side_encryption": "AES256"}, "sse_kms_key_id"),
    ],
)
def test_options_that_no_bucket_has_are_refused_by_their_name(options: dict[str, str], field: str):
    with pytest.raises(Invalid) as refused:
        s3_place(S3Options(**({"bucket": "memories"} | options)))

    assert [error["field"] for error in refused.value.fields["errors"]] == [field]
    assert "password" not in str(refused.value)


@pytest.mark.parametrize(
    ("options", "style"),
    [
        ({}, "auto"),
        ({"endpoint_url": "http://minio:9000"}, "path"),
        ({"endpoint_url": "https://nyc3.digitaloceanspaces.com", "addressing_style": "virtual"}, "virtual"),
        ({"addressing_style": "path"}, "path"),
    ],
)
def test_buckets_are_addressed_by_path_at_an_endpoint_of_ones_own(options: dict[str, str], style: str):
    place: Any = s3_place(S3Options("memories", **options))

    assert place._bucket.client_config.s3 == {"addressing_style": style}


def test_time_outs_and_checksums_are_those_of_the_options():
    place: Any = s3_place(S3Options("memories", timeout_s=7, checksum_mode="when_supported"))

    config = place._bucket.client.meta.config
    assert (config.read_timeout, config.connect_timeout) == (7, 5)
    assert config.request_checksum_calculation == "when_supported"
    assert config.response_checksum_validation == "when_supported"


@pytest.mark.parametrize("backend", sorted(BACKENDS))
def test_a_library_that_is_not_installed_is_named_with_its_extra(backend: str):
    script = (
        "import sys; sys.modules.update(dict.fromkeys(['google', 'google.cloud', 'azure', 'azure.core', 'paramiko']))\n"
        "from apps.snapshots.places.errors import TargetDenied\n"
        "from apps.snapshots.places.opening import storage_place\n"
        "try:\n"
        f"    storage_place({backend!r}, {{}}, prefix='copies')\n"
        "except TargetDenied as error:\n"
        "    print(error)\n"
    )

    finished = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)

    assert (finished.stderr, finished.stdout) == (
        "", f"This needs a library that is not installed: pip install 'memoryhub[{backend}]'\n"
    )  # fmt: skip


def test_an_unknown_storage_is_refused():
    with pytest.raises(Invalid, match="A storage is one of gcs, azure, sftp"):
        storage_place("apps.blobs.local.LocalBlobStorage", {})


@pytest.mark.parametrize("params", ["username=hub", "[]", ["hub"]])
def test_the_params_of_sftp_are_an_object(params: object):
    with pytest.raises(Invalid, match="The params of SFTP are a JSON object"):
        storage_place("sftp", {"host": "example.org", "params": params})


@pytest.mark.parametrize(("options", "prefix"), [({}, "/"), ({}, ".copies"), ({"location": ".hub"}, "copies")])
def test_azure_needs_a_folder_that_begins_with_no_dot(options: dict[str, str], prefix: str):
    with pytest.raises(Invalid, match="Copies in Azure need a prefix that begins with no dot"):
        storage_place("azure", options, prefix=prefix)


@pytest.mark.parametrize(
    ("preset", "region", "endpoint"),
    [
        ("aws", "eu-central-1", ""),
        ("backblaze-b2", "eu-central-003", "https://s3.eu-central-003.backblazeb2.com"),
        ("backblaze-b2", "", "https://s3.us-west-004.backblazeb2.com"),
        ("minio", "us-east-1", ""),
        ("digitalocean-spaces", "ams3", "https://ams3.digitaloceanspaces.com"),
        ("wasabi", "eu-central-1", "https://s3.eu-central-1.wasabisys.com"),
        ("cloudflare-r2", "auto", ""),
    ],
)
def test_providers_have_their_addresses(preset: str, region: str, endpoint: str):
    assert endpoint_of(preset, region) == endpoint


def test_every_preset_is_one_that_can_be_opened():
    opened = []
    for name, preset in PRESETS.items():
        endpoint = endpoint_of(name, preset.region) or preset.example
        s3_place(
            S3Options(
                "memories",
                region=preset.region,
                endpoint_url=endpoint,
                addressing_style=preset.addressing_style,
                checksum_mode=preset.checksum_mode,
            )
        )
        opened.append((name, endpoint.startswith("http://")))

    # Only MinIO is usually spoken to without TLS, and only those whose address is one's own have none.
    assert opened == [(name, preset.is_plain_http_usual) for name, preset in PRESETS.items()]
    assert [name for name, preset in PRESETS.items() if preset.needs_endpoint] == ["minio", "cloudflare-r2"]


def test_presets_are_about_options_that_exist():
    assert {"addressing_style", "checksum_mode", "region"} <= {field.name for field in fields(S3Options)}
