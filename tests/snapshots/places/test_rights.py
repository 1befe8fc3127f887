"""The published IAM policies, enforced as written; and credentials that are wrong."""

from collections.abc import Callable
from pathlib import Path

import pytest

from apps.common.errors import DomainError
from apps.snapshots.places import s3
from apps.snapshots.places.base import Place
from apps.snapshots.places.errors import DeleteRefused, TargetDenied
from tests.fakes.s3_rights import S3WithRights, allows, wanted
from tests.snapshots.places.conftest import COLLECTOR, OWNER, SECRET, policy

Opener = Callable[..., Place]
TOKEN = "FwoGZXIvYXdzEXAMPLETOKEN"


def everything_but_delete(place: Place, folder: Path) -> None:
    """Every step of a copy, a restore and a look at the target."""
    source = folder / "source"
    source.write_bytes(bytes(s3.AT_ONCE_BYTES + 1))
    place.put("copies/one", b"one")
    place.put("copies/two", b"two", fresh=True)
    place.put("copies/large", source)
    assert place.takes_parts("parts", complete=False) is True
    assert [entry.name for entry in place.names()] == ["copies/large", "copies/one", "copies/two"]
    assert list(place.folders()) == ["copies"]
    assert place.read("copies/one", most_bytes=100) == b"one"
    assert place.beginning("copies/one", 2) == b"on"
    assert place.stat("copies/none") is None


def test_with_the_policy_that_deletes_everything_works(open_as: Opener, tmp_path: Path):
    place = open_as(OWNER)

    everything_but_delete(place, tmp_path)
    place.delete("copies/one")

    assert place.stat("copies/one") is None


def test_with_the_policy_that_only_adds_everything_works_but_delete(
    open_as: Opener, rights: S3WithRights, tmp_path: Path
):
    place = open_as(COLLECTOR)

    everything_but_delete(place, tmp_path)
    with pytest.raises(DeleteRefused, match="The credentials may not delete there") as refused:
        place.delete("copies/one")

    assert (refused.value.code, refused.value.status) == ("delete_refused", 409)
    assert place.read("copies/one", most_bytes=100) == b"one"
    assert {line.partition(" ")[0] for line in rights.seen} == {
        "s3:ListBucket", "s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload", "s3:DeleteObject"
    }  # fmt: skip


@pytest.mark.parametrize("action", ["s3:ListBucket", "s3:GetObject", "s3:PutObject"])
def test_each_right_of_the_policies_is_needed(open_as: Opener, rights: S3WithRights, action: str):
    document = policy("snapshots-with-delete.json")
    for statement in document["Statement"]:
        statement["Action"] = [each for each in statement["Action"] if each != action]
    rights.policies = {OWNER: document}
    place = open_as(OWNER)
    steps: dict[str, Callable[[], object]] = {
        "s3:ListBucket": lambda: list(place.names()),
        "s3:GetObject": lambda: place.read("one", most_bytes=100),
        "s3:PutObject": lambda: place.put("one", b"one"),
    }

    with pytest.raises(TargetDenied, match=r"The credentials may not \w+ there \(AccessDenied\)") as refused:
        steps[action]()

    assert (refused.value.code, refused.value.status) == ("target_denied", 409)


def test_unknown_credentials_are_told_without_showing_them(open_as: Opener):
    place = open_as("AKIASOMEBODY", session_token=TOKEN)
    steps: list[Callable[[], object]] = [
        lambda: place.put("one", b"data"),
        lambda: place.put("one", b"data", fresh=True),
        lambda: place.read("one", most_bytes=100),
        lambda: place.stat("one"),
        lambda: list(place.names()),
        lambda: place.delete("one"),
    ]

    for step in steps:
        with pytest.raises(TargetDenied) as refused:
            step()

        # The server repeats the signature and the token in its answer; HEAD has no answer but 403.
        assert "(InvalidAccessKeyId)" in str(refused.value) or "(403)" in str(refused.value)
        for secret in (SECRET, TOKEN, "Signature="):
            assert secret not in f"{refused.value} {refused.value!r} {refused.value.fields}"
        assert SECRET not in repr(refused.value.__cause__)


def test_nothing_that_is_opened_shows_its_secrets(open_as: Opener):
    from apps.snapshots.places.opening import S3Options

    place = open_as(OWNER, session_token=TOKEN)
    options = S3Options("bucket", access_key=OWNER, secret_key=SECRET, session_token=TOKEN)

    for shown in (repr(options), str(options), repr(place)):
        assert SECRET not in shown
        assert TOKEN not in shown


def test_a_missing_delete_right_is_not_taken_for_bad_credentials(open_as: Opener):
    with pytest.raises(DomainError) as unknown:
        open_as("AKIASOMEBODY").delete("one")

    assert type(unknown.value) is TargetDenied


@pytest.mark.parametrize(
    ("method", "path", "action", "resource"),
    [
        ("GET", "/b?list-type=2&prefix=x%2F&encoding-type=url", "s3:ListBucket", "b"),
        ("HEAD", "/b", "s3:ListBucket", "b"),
        ("GET", "/b?uploads", "s3:ListBucketMultipartUploads", "b"),
        ("GET", "/b?policy", "s3:Unknown", "b"),
        ("POST", "/b?delete", "s3:DeleteObject", "b"),
        ("DELETE", "/b", "s3:Unknown", "b"),
        ("GET", "/b/a%20b/c", "s3:GetObject", "b/a b/c"),
        ("HEAD", "/b/a", "s3:GetObject", "b/a"),
        ("PUT", "/b/a?partNumber=1&uploadId=u", "s3:PutObject", "b/a"),
        ("POST", "/b/a?uploads", "s3:PutObject", "b/a"),
        ("DELETE", "/b/a?uploadId=u", "s3:AbortMultipartUpload", "b/a"),
        ("DELETE", "/b/a", "s3:DeleteObject", "b/a"),
        ("DELETE", "/b/a?versionId=v", "s3:DeleteObjectVersion", "b/a"),
    ],
)
def test_the_fake_asks_for_the_actions_that_amazon_documents(method: str, path: str, action: str, resource: str):
    assert wanted(method, path) == (action, resource)


def test_the_fake_reads_policies_as_amazon_does():
    both = {
        "Statement": [
            {"Effect": "Allow", "Action": "s3:*Object", "Resource": "arn:aws:s3:::b/*"},
            {"Effect": "Deny", "Action": ["s3:PutObject"], "Resource": ["arn:aws:s3:::b/kept/*"]},
        ]
    }

    asked = [("s3:PutObject", "b/x"), ("s3:PutObject", "b/kept/x"), ("s3:GetObject", "b"), ("s3:ListBucket", "b/x")]

    assert [allows(both, action, f"arn:aws:s3:::{resource}") for action, resource in asked] == [
        True, False, False, False
    ]  # fmt: skip
