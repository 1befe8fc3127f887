"""Targets in the console: the operator's alone, tested at a press, and silent about what is secret."""

from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from apps.snapshots.models import RemoteTarget, Restore
from apps.snapshots.policies import set_policy
from apps.snapshots.targets import add_target
from apps.workspaces.models import Workspace
from tests.conftest import Bucket
from tests.console import Console, member
from tests.factories import ACTOR, make_workspace
from tests.files.client import nothing_changes, statements_sent
from tests.snapshots.admin.kept import Kept
from tests.snapshots.work import run, tree

pytestmark = pytest.mark.django_db

LIST, PAGE, NEW = (f"/admin/snapshots/remotetarget/{page}" for page in ("", "page/", "new/"))
EDIT, TEST, REMOVE = (f"/admin/snapshots/remotetarget/{page}/" for page in ("change", "test", "remove"))
HELD, RECOVER = (f"/admin/snapshots/remotetarget/{page}/" for page in ("held", "recover"))
SECRET = "wJalrXUtnFEMI-K7MDENG"
KEYS = {"access_key": "AKIAEXAMPLE", "secret_key": SECRET}


def bucket_form(**changes: str) -> dict[str, str]:
    return {"name": "cloud", "bucket": "memories", **changes}


def test_the_kinds_of_targets_are_offered_with_presets(root: Console) -> None:
    choices = root.get(NEW).context["choices"]

    titles = [choice.title for choice in choices]
    assert titles[:5] == ["Amazon S3", "Backblaze B2", "MinIO", "DigitalOcean Spaces", "Wasabi"]
    assert {root.http.get(choice.address).status_code for choice in choices} == {200}


def test_a_directory_is_added_and_tested(root: Console, tmp_path: Path) -> None:
    form = {"name": "disk", "directory": str(tmp_path / "copies")}

    answer = root.post(NEW, form, kind="directory")
    root.post(TEST, {}, name="disk")

    text = root.http.get(answer.url).content.decode()
    target = RemoteTarget.objects.get()
    assert (target.kind, target.options, target.workspace, target.is_encrypted) == (
        "directory",
        {"directory": form["directory"]},
        None,
        False,
    )
    assert target.check_result is not None
    assert target.check_result["can_delete"]
    assert "disk was tested: no problem." in text
    assert "A small read" in text
    assert [row.health[0] for row in root.get(LIST).context["rows"]] == ["well"]


def test_a_preset_knows_the_endpoint_of_a_region(root: Console) -> None:
    form = root.get(NEW, kind="s3", preset="wasabi").context["form"]
    shown = {field.name: field.value() for field in form if field.value()}

    root.post(NEW, bucket_form(**shown | {"region": "eu-central-2"}, **KEYS), kind="s3", preset="wasabi")

    assert RemoteTarget.objects.get().options == {
        "bucket": "memories",
        "region": "eu-central-2",
        "endpoint_url": "https://s3.eu-central-2.wasabisys.com",
        "addressing_style": "path",
        "checksum_mode": "when_required",
    }


@pytest.mark.parametrize(
    ("form", "parameters", "field"),
    [
        (bucket_form(name="No Name"), {"kind": "s3"}, "name"),
        (bucket_form(bucket=""), {"kind": "s3"}, "bucket"),
        (bucket_form(access_key="AKIAEXAMPLE"), {"kind": "s3"}, "secret_key"),
        (bucket_form(), {"kind": "s3", "preset": "minio"}, "endpoint_url"),
        (bucket_form(is_encrypted="on"), {"kind": "s3"}, "__all__"),
        ({"name": "disk", "directory": "not/whole"}, {"kind": "directory"}, "directory"),
        ({"name": "g", "settings": "no json"}, {"kind": "gcs"}, "settings"),
        ({"name": "g", "settings": "[1]"}, {"kind": "gcs"}, "settings"),
        ({"name": "g", "settings": '{"account_key": "x"}'}, {"kind": "azure"}, "settings"),
        ({"name": "g", "settings": '{"params": {"password": "x"}}'}, {"kind": "sftp"}, "settings"),
        ({"name": "g", "settings": '{"host": "h"}', "secret_settings": "{"}, {"kind": "sftp"}, "secret_settings"),
    ],
)
def test_what_cannot_be_is_told_at_the_field(
    root: Console, form: dict[str, str], parameters: dict[str, object], field: str
) -> None:
    answer = root.post(NEW, form, **parameters)

    assert set(answer.context["form"].errors) == {field}
    assert not RemoteTarget.objects.exists()


def test_a_name_is_given_once(root: Console, target: RemoteTarget) -> None:
    answer = root.post(NEW, {"name": "offsite", "directory": "/tmp/x"}, kind="directory")

    assert "A target has this name." in answer.content.decode()


def test_credentials_are_never_shown(root: Console) -> None:
    root.post(NEW, bucket_form(**KEYS), kind="s3")
    secret_settings = f'{{"params": {{"password": "{SECRET}"}}}}'
    root.post(NEW, {"name": "far", "settings": '{"host": "h"}', "secret_settings": secret_settings}, kind="sftp")
    wrong = [
        root.post(NEW, bucket_form(name="No Name", **KEYS), kind="s3"),
        root.post(NEW, {"name": "g", "settings": "{", "secret_settings": secret_settings}, kind="sftp"),
        root.post(NEW, {"name": "g", "settings": "{}", "secret_settings": secret_settings + "}"}, kind="sftp"),
    ]

    pages = [root.get(page, name=name) for name in ("cloud", "far") for page in (LIST, PAGE, EDIT)]

    texts = [answer.content.decode() for answer in [*pages, *wrong]]
    assert [text for text in texts if SECRET in text or "AKIAEXAMPLE" in text] == []
    assert "set" in [row.has_secrets and "set" for row in root.get(LIST).context["rows"]]
    with connection.cursor() as cursor:
        cursor.execute("SELECT string_agg(details::text, '') FROM accounts_auditevent")
        assert SECRET not in cursor.fetchone()[0]


def test_a_change_leaves_credentials_and_place_as_they_are(root: Console) -> None:
    root.post(NEW, bucket_form(**KEYS), kind="s3")
    before = RemoteTarget.objects.get().secrets

    root.post(EDIT, {"bucket": "another", "region": "eu-west-1"}, name="cloud")

    target = RemoteTarget.objects.get()
    assert target.options == {"bucket": "memories", "region": "eu-west-1"}
    assert target.secrets == before


def test_credentials_are_replaced_and_forgotten(root: Console) -> None:
    root.post(NEW, bucket_form(**KEYS), kind="s3")
    before = RemoteTarget.objects.get().secrets

    root.post(EDIT, {"access_key": "AKIAOTHER", "secret_key": "other"}, name="cloud")
    replaced = RemoteTarget.objects.get().secrets
    root.post(EDIT, {"forget_secrets": "on"}, name="cloud")

    assert replaced not in ("", before)
    assert RemoteTarget.objects.get().secrets == ""


def test_a_bucket_that_is_not_there_is_found_out(root: Console, s3_server: Bucket) -> None:
    options = {"bucket": "never-made", "endpoint_url": s3_server.endpoint_url}
    add_target("cloud", kind="s3", options=options, secrets={"access_key": "x", "secret_key": "y"}, actor=ACTOR)

    root.post(TEST, {}, name="cloud")

    text = root.text(PAGE, name="cloud")
    assert [row.health[0] for row in root.get(LIST).context["rows"]] == ["no copies can be kept"]
    assert "cloud was tested:" in text
    assert "hub-line-warning" in text


def test_a_target_is_removed_once_its_name_was_typed(root: Console, target: RemoteTarget) -> None:
    asked = root.text(REMOVE, name="offsite")
    root.post(REMOVE, {"confirmed": "yes", "typed": "other"}, name="offsite")
    still_there = RemoteTarget.objects.exists()
    answer = root.post(REMOVE, {"confirmed": "yes", "typed": "offsite"}, name="offsite")

    assert "Remove offsite?" in asked
    assert still_there
    assert not RemoteTarget.objects.exists()
    assert answer.url == LIST


def test_a_target_in_use_is_not_removed(kept: Kept, root: Console) -> None:
    set_policy(kept.workspace, {"target": "offsite"}, actor=ACTOR)

    root.post(REMOVE, {"confirmed": "yes", "typed": "offsite"}, name="offsite")

    messages = root.get(PAGE, name="offsite").context["messages"]
    assert [str(message) for message in messages] == ["A workspace's policy sends its snapshots there."]


def test_a_lost_workspace_is_brought_back(kept: Kept, root: Console) -> None:
    # Another hub had it under this name.
    folder = Path(kept.target.options["directory"])
    (folder / "mine").rename(folder / "lost")

    found = [each for each, _address in root.get(HELD, name="offsite").context["rows"]]
    answer = root.post(RECOVER, {"workspace": "lost"}, name="offsite")
    run("snapshots.restore", str(Restore.objects.get().public_id))

    lost = Workspace.objects.get(slug="lost")
    assert [(each.slug, each.copies, each.is_here) for each in found] == [("lost", 1, False)]
    assert answer.url.startswith("/admin/snapshots/restore/page/?workspace=lost&id=")
    assert tree(lost) == {"a.md": b"one fine day\n", "gone.md": b"secret words\n"}


def test_a_workspace_that_is_here_is_not_brought_back(kept: Kept, root: Console) -> None:
    root.post(RECOVER, {"workspace": "mine"}, name="offsite")

    messages = root.get(HELD, name="offsite").context["messages"]
    assert ["The workspace has been written to here" in str(message) for message in messages] == [True]
    assert not Restore.objects.exists()


def test_what_the_settings_describe_is_not_changed_here(root: Console, target: RemoteTarget) -> None:
    RemoteTarget.objects.update(is_from_settings=True, kind="s3", options={"bucket": "b"})

    text = root.text(PAGE, name="offsite")
    root.post(EDIT, {"region": "x"}, name="offsite")

    assert "/change/" not in text
    assert "/remove/" not in text
    assert RemoteTarget.objects.get().options == {"bucket": "b"}


@pytest.mark.parametrize("page", [LIST, PAGE, NEW, EDIT, TEST, REMOVE, HELD, RECOVER])
def test_whoever_is_no_operator_finds_nothing_there(target: RemoteTarget, page: str) -> None:
    owner = member(make_workspace(), "owner")
    form = {"confirmed": "yes", "typed": "offsite", "name": "disk", "directory": "/tmp/x", "workspace": "offsite"}

    with nothing_changes():
        answers = [
            owner.get(page, name="offsite", kind="directory"),
            owner.post(page, form, name="offsite", kind="directory"),
        ]
        nowhere = owner.get(page, name="never-was", kind="directory")

    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].content == nowhere.content


def test_the_list_costs_the_same_for_one_row_and_for_500(root: Console, target: RemoteTarget) -> None:
    def cost() -> int:
        with statements_sent() as sent:
            root.get(LIST)
        return len(sent)

    root.get(LIST)
    for_one = cost()
    RemoteTarget.objects.bulk_create(
        RemoteTarget(name=f"t{number}", kind="directory", options={"directory": "/x"}) for number in range(500)
    )

    assert (for_one, cost()) == (3, 3)


def test_an_unknown_kind_or_target_is_404(root: Console) -> None:
    names: list[tuple[str, dict[str, Any]]] = [
        (NEW, {"kind": "tape"}),
        (NEW, {"kind": "s3", "preset": "never"}),
        (PAGE, {}),
        (PAGE, {"name": "ne\0ver"}),
        (HELD, {"name": "never"}),
    ]

    assert [root.get(page, **parameters).status_code for page, parameters in names] == [404] * len(names)
