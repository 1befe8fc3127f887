"""The console's first page and its navigation: what an operator is told, and what staff are not."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test import override_settings
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from apps.files.models import SEQUENCE_BITS, ChangeSet
from apps.jobs import registry
from apps.jobs.models import Job, JobState, Tick
from apps.operations import dashboard, probes
from apps.snapshots.models import RemoteCopy, RemoteTarget, Repository, SnapshotPolicy
from apps.workspaces import actions
from apps.workspaces.models import Membership, Workspace, WorkspaceCounter
from tests.factories import ACTOR, make_user, make_workspace
from tests.operations.stores import local_storage

pytestmark = pytest.mark.django_db

NOW = timezone.now()


@pytest.fixture
def root(client):
    """A client signed in as a superuser."""
    client.force_login(make_user("root", is_staff=True, is_superuser=True))
    return client


def staff_of(client, workspace, role):
    user = make_user("staff", is_staff=True)
    Membership.objects.create(workspace=workspace, user=user, role=role)
    client.force_login(user)
    return client


def changed(workspace, *, sequence=1, at=NOW, message="written"):
    """A change set as the change functions write them."""
    key = workspace.pk << SEQUENCE_BITS | sequence
    return ChangeSet.objects.create(
        id=key, last=key, origin="put", actor="token:x", message=message, put_count=1, delete_count=0, created_at=at
    )


def failed(workspace, kind="files.upload", detail="No answer"):
    return Job.objects.create(
        kind=kind,
        subject=f"{workspace}",
        workspace=workspace,
        state=JobState.FAILED,
        next_run_at=NOW,
        error_code="unavailable",
        error_detail=detail,
        finished_at=NOW,
    )


def shown(client):
    answer = client.get("/admin/")
    assert answer.status_code == 200
    return answer.context["overview"], answer.content.decode()


def test_an_operator_is_told_the_sums_the_latest_changes_and_failures(root):
    mine, quiet = make_workspace("mine"), make_workspace("quiet")
    WorkspaceCounter.objects.filter(pk=mine.pk).update(live_files=12_345, live_bytes=2048, stored_bytes=3 * 2**20)
    changed(mine, sequence=1, message="the first one")
    changed(mine, sequence=2, message="newest")
    changed(quiet, at=NOW - timedelta(days=1), message="yesterday")
    job = failed(mine)

    overview, text = shown(root)

    assert (overview.usage.workspaces, overview.usage.live_files) == (2, 12_345)
    assert [(each.workspace.slug, each.number) for each in overview.changes] == [("mine", 2), ("quiet", 1)]
    assert [each.pk for each in overview.failures] == [job.pk]
    assert "12,345" in text
    assert "3.0\xa0MB" in text
    assert "the first one" not in text


def test_what_needs_somebody_comes_first_and_nothing_is_said_when_nothing_does(root):
    Tick.objects.create(at=timezone.now())
    workspace = make_workspace("mine")
    quiet = shown(root)[0].lines
    failed(workspace)
    Job.objects.create(kind="files.upload", subject="x", next_run_at=NOW - timedelta(hours=1))
    Tick.objects.update(at=NOW - timedelta(hours=1))

    lines = shown(root)[0].lines

    assert quiet == []
    assert [(line.kind, line.text) for line in lines] == [
        ("danger", "Scheduler: needs attention"),
        ("danger", "Worker: needs attention"),
        ("danger", "1 job stuck"),
        ("warning", "1 job failed"),
    ]


def test_a_storage_that_is_away_is_told_and_the_page_still_opens(root, tmp_path):
    Tick.objects.create(at=timezone.now())
    in_the_way = tmp_path / "file"
    in_the_way.write_text("no directory")

    with override_settings(STORAGES=local_storage(in_the_way)):
        overview, text = shown(root)

    states = {service.name: service.is_well for service in overview.services}
    assert states == {"Postgres": True, "Redis": True, "Storage": False, "Scheduler": True, "Worker": True}
    assert "The directory does not answer" in text
    assert [line.text for line in overview.lines] == ["Storage: needs attention"]


def test_findings_of_the_system_checks_are_told_to_operators_only(root, settings):
    settings.API_KEY, settings.API_KEY_WORKSPACE = "k" * 20, "nowhere"

    answer = root.get("/admin/")

    assert "API_KEY_WORKSPACE names the workspace nowhere" in answer.content.decode()


@pytest.mark.parametrize("role", ["viewer", "owner"])
def test_staff_are_told_of_their_workspaces_and_nothing_of_the_hub(client, settings, role):
    settings.API_KEY, settings.API_KEY_WORKSPACE = "k" * 20, "nowhere"
    mine, theirs = make_workspace("mine"), make_workspace("theirs")
    WorkspaceCounter.objects.update(live_files=5)
    for workspace in (mine, theirs):
        changed(workspace, message=f"change in {workspace.slug}")
        failed(workspace, detail=f"failure in {workspace.slug}")
    Job.objects.create(kind="files.plan_uploads", subject="", state=JobState.FAILED, next_run_at=NOW, finished_at=NOW)
    staff = staff_of(client, mine, role)

    overview, text = shown(staff)

    assert (overview.usage.workspaces, overview.usage.live_files, overview.jobs["failed"]) == (1, 5, 1)
    assert (overview.services, overview.standing) == ([], None)
    assert "change in mine" in text
    assert "failure in mine" in text
    assert "theirs" not in text
    assert "nowhere" not in text
    assert "files.plan_uploads" not in text


def test_staff_of_no_workspace_are_told_what_to_do(client):
    make_workspace("theirs")
    client.force_login(make_user("newcomer", is_staff=True))

    overview, text = shown(client)

    assert overview.usage.workspaces == 0
    assert "add you by your user name, newcomer" in text
    assert "theirs" not in text


@pytest.mark.parametrize(
    ("role", "titles"),
    [
        (
            "viewer",
            [
                "Overview",
                "Workspaces",
                "Files",
                "Change sets",
                "Snapshots",
                "Copies",
                "Restores",
                "Policies",
                "Agents",
                "Between pulls",
                "Peers",
                "Settings",
                "Jobs",
            ],
        ),
        (
            "admin",
            [
                "Overview",
                "Workspaces",
                "Files",
                "Change sets",
                "Snapshots",
                "Copies",
                "Restores",
                "Policies",
                "Agents",
                "Between pulls",
                "Peers",
                "Settings",
                "Members",
                "Tokens",
                "Identities",
                "Jobs",
                "Webhooks",
                "Deliveries",
                "Audit trail",
            ],
        ),
    ],
)
def test_the_sidebar_leads_only_where_one_may_go(client, role, titles):
    staff = staff_of(client, make_workspace("mine"), role)

    sections = staff.get("/admin/").context["sidebar_navigation"]

    items = [item for section in sections for item in section["items"]]
    assert [item["title"] for item in items if "/blobs/" not in item["link"]] == titles
    assert {staff.get(item["link"], follow=True).status_code for item in items} == {200}


def test_the_last_change_of_each_workspace_is_one_query(django_assert_num_queries):
    mine, quiet, empty = make_workspace("mine"), make_workspace("quiet"), make_workspace("empty")
    changed(mine, sequence=1, at=NOW - timedelta(days=2))
    changed(mine, sequence=2, at=NOW)
    changed(quiet, at=NOW - timedelta(days=1))

    with django_assert_num_queries(1):
        found = dashboard.last_changes([mine.pk, quiet.pk, empty.pk])

    assert found == {mine.pk: NOW, quiet.pk: NOW - timedelta(days=1)}


def test_the_last_change_of_a_workspace_is_a_step_of_the_primary_key():
    workspace = make_workspace("mine")
    ChangeSet.objects.bulk_create(
        ChangeSet(
            id=workspace.pk << SEQUENCE_BITS | n,
            last=workspace.pk << SEQUENCE_BITS | n,
            origin="put",
            actor="x",
            put_count=1,
            delete_count=0,
            created_at=NOW,
        )
        for n in range(1, 2001)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE files_changeset")
    with CaptureQueriesContext(connection) as captured:
        dashboard.last_changes([workspace.pk])

    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN " + captured.captured_queries[0]["sql"])
        plan = "\n".join(row[0] for row in cursor.fetchall())

    assert "Seq Scan on files_changeset" not in plan
    assert "Backward using files_changeset_pkey" in plan


def test_the_list_of_workspaces_shows_their_last_change(root):
    mine = make_workspace("mine")
    make_workspace("quiet")
    changed(mine, at=timezone.now() - timedelta(hours=3))

    text = root.get(reverse("admin:workspaces_workspace_changelist")).content.decode()

    assert "3\xa0hours ago" in text
    assert "nothing yet" in text


@pytest.mark.parametrize("number", [1, 500])
def test_the_first_page_costs_as_much_for_500_workspaces_as_for_one(root, number):
    made = Workspace.objects.bulk_create(Workspace(slug=f"w{n}") for n in range(number))
    WorkspaceCounter.objects.bulk_create(WorkspaceCounter(workspace=each) for each in made)
    for each in made:
        changed(each)
    probes.migrations.is_well()

    with CaptureQueriesContext(connection) as captured:
        shown(root)

    # Of kinds that never ran only that is asked.
    assert len(captured) - len(registry.periodic_kinds()) == 15


def copied(workspace, *, failing_since=None, newest_at=NOW):
    """A policy of a workspace that names a target, with a copy there."""
    target, _ = RemoteTarget.objects.get_or_create(name="offsite", kind="directory", options={"directory": "/nowhere"})
    SnapshotPolicy.objects.create(workspace=workspace, target=target, alarm_after_hours=1)
    repository = Repository.objects.create(
        target=target, workspace=workspace, failing_since=failing_since, failure="The bucket is gone."
    )
    RemoteCopy.objects.create(
        repository=repository,
        name="one",
        writer=repository.writer,
        kind="manual",
        state="sealed",
        manifest_sha256=b"x" * 32,
        created_at=newest_at,
        sealed_at=newest_at,
    )


def test_alarms_about_copies_and_the_last_ones_are_told(root):
    Tick.objects.create(at=timezone.now())
    well, late = make_workspace("well"), make_workspace("late")
    copied(well)
    copied(late, failing_since=NOW, newest_at=NOW - timedelta(hours=3))
    changed(late, at=NOW - timedelta(hours=2))

    overview, text = shown(root)

    assert [(line.kind, line.text) for line in overview.lines] == [
        ("danger", "late: The newest copy in offsite is too old"),
        ("danger", "late: Uploads to offsite fail"),
    ]
    assert [(each.workspace, each.text) for each, _address in overview.copies] == [
        ("late", "uploads fail"),
        ("well", "up to date"),
    ]
    assert "3\xa0hours ago" in text


def test_staff_are_told_of_copies_of_their_workspaces_only(client):
    mine, theirs = make_workspace("mine"), make_workspace("theirs")
    for workspace in (mine, theirs):
        copied(workspace, failing_since=NOW)

    overview, text = shown(staff_of(client, mine, "viewer"))

    assert [line.text for line in overview.lines] == ["mine: Uploads to offsite fail"]
    assert [each.workspace for each, _address in overview.copies] == ["mine"]
    assert "theirs" not in text


def test_too_many_workspaces_are_not_looked_through():
    changed(make_workspace("one"))
    Workspace.objects.bulk_create(Workspace(slug=f"w{n}") for n in range(dashboard.MOST_LOOKED_THROUGH))

    assert dashboard.overview_of_hub().changes == []


def test_an_archived_workspace_is_in_no_sum_and_no_list(root):
    mine = make_workspace("mine")
    changed(mine)
    actions.archive_workspace(mine, actor=ACTOR)

    overview, _text = shown(root)

    assert (overview.usage.workspaces, overview.changes) == (0, [])
