"""Restores in the console: shown before they are asked for, followed, and undone."""

from pathlib import Path

import pytest

from apps.accounts.models import User
from apps.jobs import actions as jobs
from apps.jobs.models import Job
from apps.snapshots.models import RemoteTarget, Restore, RestoreState
from apps.workspaces.actions import set_member
from tests.console import Console, member
from tests.factories import ACTOR, make_workspace
from tests.files.client import statements_sent
from tests.snapshots.admin.kept import Kept
from tests.snapshots.work import restored, run, tree

pytestmark = pytest.mark.django_db

LIST, PAGE, ASK = "/admin/snapshots/restore/", "/admin/snapshots/restore/page/", "/admin/snapshots/restore/ask/"
YES = {"confirmed": "yes"}
FIRST = {"workspace": "mine", "snapshot": "first"}
COPY = {"workspace": "mine", "target": "offsite", "copy": "first"}
THEN = {"a.md": b"one fine day\n", "gone.md": b"secret words\n"}
NOW = {"a.md": b"one grand day\n", "new.md": b"new\n"}


def finish(restore: Restore) -> Restore:
    outcome, job = run("snapshots.restore", str(restore.public_id))
    assert outcome == "succeeded", job.error_detail
    restore.refresh_from_db()
    return restore


@pytest.mark.parametrize("source", [FIRST, COPY])
def test_what_a_restore_would_change_is_shown_first(kept: Kept, root: Console, source: dict[str, object]) -> None:
    overlay = root.get(ASK, **source).context["plan"]
    exact = root.get(ASK, delete=1, **source).context["plan"]

    assert (overlay.put, overlay.deleted, overlay.paths) == (2, 0, [("a.md", False), ("gone.md", False)])
    assert (exact.put, exact.deleted) == (2, 1)
    assert exact.paths[-1] == ("new.md", True)
    assert not Restore.objects.exists()
    assert tree(kept.workspace) == NOW


@pytest.mark.parametrize("source", [FIRST, COPY])
def test_only_a_folder_is_shown(kept: Kept, root: Console, source: dict[str, object]) -> None:
    plan = root.get(ASK, delete=1, prefix="notes", **source).context["plan"]

    assert (plan.put, plan.deleted, plan.paths) == (0, 0, [])


@pytest.mark.parametrize("source", [FIRST, COPY])
def test_a_restore_is_asked_for_followed_and_done(kept: Kept, source: dict[str, object]) -> None:
    admin = member(kept.workspace, "admin")

    answer = admin.post(ASK, YES | {"message": "back"}, delete=1, **source)
    restore = Restore.objects.get()
    (work,) = admin.http.get(answer.url).context["work"]
    finish(restore)

    text = admin.http.get(answer.url).content.decode()
    assert work.subject == str(restore.public_id)
    assert (restore.put, restore.deleted, restore.message, restore.actor) == (2, 1, "back", "user:staff")
    assert tree(kept.workspace) == THEN
    assert restore.safety is not None
    assert restore.safety.name in text


def test_undo_brings_back_the_state_before(kept: Kept, root: Console) -> None:
    restored(kept.workspace, snapshot=kept.first, delete=True)
    (row,) = root.get(LIST, workspace=kept.slug).context["rows"]

    plan = root.http.get(row.undo).context["plan"]
    root.http.post(row.undo, YES)
    finish(Restore.objects.latest("pk"))

    assert (plan.put, plan.deleted) == (2, 1)
    assert tree(kept.workspace) == NOW


def test_asking_alone_changes_nothing(kept: Kept, root: Console) -> None:
    answer = root.post(ASK, {"message": "no yes"}, **FIRST)

    assert answer.status_code == 405
    assert not Restore.objects.exists()


def test_a_second_restore_is_refused_while_one_is_on_its_way(kept: Kept, root: Console) -> None:
    root.post(ASK, YES, **FIRST)

    answer = root.post(ASK, YES, **FIRST)

    assert "Another restore of this workspace is running" in root.http.get(answer.url).content.decode()
    assert Restore.objects.count() == 1


def test_a_copy_that_cannot_be_read_is_told_before_anything_is_asked_for(
    kept: Kept, root: Console, target: RemoteTarget
) -> None:
    (Path(target.options["directory"]) / "mine" / "first" / "manifest.mhs").write_bytes(b"no manifest")

    answer = root.get(ASK, **COPY)

    assert answer.context["refusal"]
    assert "It cannot be read" in answer.content.decode()
    assert 'name="message"' not in answer.content.decode()


def test_a_restore_whose_job_was_cancelled_has_ended(kept: Kept, root: Console) -> None:
    root.post(ASK, YES, **FIRST)
    jobs.cancel(Job.objects.get(kind="snapshots.restore"))

    (row,) = root.get(LIST, workspace=kept.slug).context["rows"]

    assert (row.restore.state, row.restore.error_code) == (RestoreState.FAILED, "cancelled")
    assert "Nothing was changed." in root.http.get(row.address).content.decode()


@pytest.mark.parametrize("source", [FIRST, COPY])
def test_a_state_is_brought_into_another_workspace_where_one_may_restore(kept: Kept, source: dict[str, object]) -> None:
    other = make_workspace("other")
    viewer = member(kept.workspace, "viewer")
    set_member(other, User.objects.get(username="staff"), "admin", actor=ACTOR)

    viewer.post(ASK, YES, into="other", **source)
    finish(Restore.objects.get())

    assert tree(other) == THEN
    assert tree(kept.workspace) == NOW


@pytest.mark.parametrize("role", ["viewer", "editor"])
def test_only_who_may_restore_there_is_asked(kept: Kept, role: str) -> None:
    other = make_workspace("other")
    staff = member(kept.workspace, role)
    set_member(other, User.objects.get(username="staff"), role, actor=ACTOR)

    for names in ({}, {"into": "other"}, {"into": "never"}):
        assert staff.get(ASK, **FIRST, **names).status_code == 404
        assert staff.post(ASK, YES, **FIRST, **names).status_code == 404

    assert not Restore.objects.exists()


def test_a_state_is_not_brought_out_of_a_workspace_of_others(kept: Kept) -> None:
    stranger = member(make_workspace("elsewhere"), "owner")

    for source in (FIRST, COPY):
        assert stranger.post(ASK, YES, into="elsewhere", **source).status_code == 404

    assert not Restore.objects.exists()


def test_pages_hold_each_restore_once(kept: Kept, root: Console) -> None:
    done = restored(kept.workspace, snapshot=kept.first)
    for number in range(60):
        done.pk = None
        done.public_id = Restore._meta.get_field("public_id").get_default()
        done.source = f"r{number}"
        done.save(force_insert=True)

    first = root.get(LIST, workspace=kept.slug)
    second = root.http.get(first.context["next_page"])

    shown = [row.restore.source for page in (first, second) for row in page.context["rows"]]
    assert shown == [*(f"r{number}" for number in reversed(range(60))), "first of mine"]


def test_an_address_that_leads_nowhere_is_404(kept: Kept, root: Console) -> None:
    nowhere: list[tuple[str, dict[str, object]]] = [
        (PAGE, {}),
        (PAGE, {"id": "no-uuid"}),
        (PAGE, {"id": "01890000-0000-7000-8000-000000000000"}),
        (ASK, {}),
        (ASK, {"snapshot": "never"}),
        (ASK, {"copy": "first", "target": "never"}),
        (ASK, {"copy": "never", "target": "offsite"}),
    ]

    answers = [root.get(page, workspace=kept.slug, **parameters).status_code for page, parameters in nowhere]

    assert answers == [404] * len(nowhere)


def test_the_list_costs_the_same_for_one_row_and_for_500(kept: Kept, root: Console) -> None:
    done = restored(kept.workspace, snapshot=kept.first)
    root.get(LIST, workspace=kept.slug)
    with statements_sent() as for_one:
        root.get(LIST, workspace=kept.slug)
    for _ in range(500):
        done.pk = None
        done.public_id = Restore._meta.get_field("public_id").get_default()
        done.save(force_insert=True)

    with statements_sent() as for_many:
        root.get(LIST, workspace=kept.slug)

    assert (len(for_one), len(for_many)) == (6, 6)
