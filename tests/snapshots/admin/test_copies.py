"""Copies in the console: those of all hubs listed, verified, pinned, deleted."""

from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from django.utils import timezone

from apps.jobs.models import Job
from apps.snapshots.actions import delete_snapshot
from apps.snapshots.copies import pin_copy, request_upload
from apps.snapshots.models import CopyState, RemoteCopy, RemoteTarget, Repository
from tests.console import Console, member
from tests.factories import ACTOR, make_workspace
from tests.files.client import statements_sent
from tests.snapshots.admin.kept import Kept
from tests.snapshots.work import directory_target, fill, uploaded

pytestmark = pytest.mark.django_db

LIST, PAGE = "/admin/snapshots/remotecopy/", "/admin/snapshots/remotecopy/page/"
REFRESH, RESUME = "/admin/snapshots/remotecopy/refresh/", "/admin/snapshots/remotecopy/resume/"
VERIFY, PIN = "/admin/snapshots/remotecopy/verify/", "/admin/snapshots/remotecopy/pin/"
DELETE = "/admin/snapshots/remotecopy/delete/"
YES = {"confirmed": "yes"}
HERE = {"workspace": "mine", "target": "offsite", "name": "first"}


def copy_row(
    repository: Repository, name: str, *, writer: UUID, parent: UUID | None = None, age_h: int = 0
) -> RemoteCopy:
    at = timezone.now() - timedelta(hours=age_h)
    return RemoteCopy.objects.create(
        repository=repository, name=name, writer=writer, parent=parent, kind="manual", state="sealed",
        created_at=at, sealed_at=at,
    )  # fmt: skip


def test_copies_of_all_hubs_are_listed_newest_first(kept: Kept, root: Console) -> None:
    copy_row(kept.copy.repository, "theirs", writer=uuid4(), age_h=1)

    answer = root.get(LIST, workspace=kept.slug)

    rows = answer.context["rows"]
    assert [(row.copy.name, row.target, row.is_ours) for row in rows] == [
        ("first", "offsite", True),
        ("theirs", "offsite", False),
    ]
    assert "another hub" in answer.content.decode()


def test_hubs_that_have_gone_different_ways_are_told(kept: Kept, root: Console) -> None:
    copy_row(kept.copy.repository, "theirs", writer=uuid4(), age_h=1)

    (place,) = root.get(LIST, workspace=kept.slug).context["places"]

    assert sorted(fork.copy.name for fork in place.forks) == ["first", "theirs"]
    assert "Hubs have gone different ways in offsite" in root.text(LIST, workspace=kept.slug)


def test_a_copy_that_grew_from_ours_is_no_fork(kept: Kept, root: Console) -> None:
    copy_row(kept.copy.repository, "theirs", writer=uuid4(), parent=kept.copy.public_id)

    (place,) = root.get(LIST, workspace=kept.slug).context["places"]

    assert place.forks == []


def test_pages_hold_each_copy_once(kept: Kept, root: Console) -> None:
    for number in range(70):
        copy_row(kept.copy.repository, f"c{number}", writer=kept.copy.writer, age_h=1 + number)

    first = root.get(LIST, workspace=kept.slug)
    second = root.http.get(first.context["next_page"])

    shown = [row.copy.name for page in (first, second) for row in page.context["rows"]]
    assert shown == ["first", *(f"c{number}" for number in range(70))]


def test_only_copies_in_one_target_are_shown(kept: Kept, root: Console, tmp_path: Path) -> None:
    uploaded(kept.workspace, directory_target(tmp_path / "other", "other"), "third")

    assert [row.copy.name for row in root.get(LIST, workspace=kept.slug, target="other").context["rows"]] == ["third"]


def test_without_a_target_the_operator_is_told_to_add_one(root: Console) -> None:
    workspace = make_workspace()

    assert "Add a target" in root.text(LIST, workspace=workspace.slug)
    assert "Add a target" not in member(workspace, "owner").text(LIST, workspace=workspace.slug)


def test_a_refresh_lists_what_another_hub_has_put_there(kept: Kept, target: RemoteTarget) -> None:
    theirs = make_workspace("theirs")
    fill(theirs, {"x.md": b"of another hub"})
    copy = uploaded(theirs, target, "of-another")
    folder = Path(target.options["directory"])
    (folder / "theirs" / "of-another").rename(folder / "mine" / "of-another")
    editor = member(kept.workspace, "editor")

    answer = editor.post(REFRESH, {"target": "offsite"}, workspace=kept.slug)

    found = RemoteCopy.objects.get(repository__workspace=kept.workspace, name="of-another")
    assert answer.url == f"{LIST}?workspace=mine"
    assert found.writer == copy.writer
    assert "offsite holds 2 copies of mine." in editor.text(LIST, workspace=kept.slug)


def test_a_target_that_cannot_be_listed_is_told(kept: Kept, root: Console, target: RemoteTarget) -> None:
    directory = Path(target.options["directory"])
    directory.rename(directory.with_name("away"))
    directory.write_text("in the way")

    root.post(REFRESH, {"target": "offsite"}, workspace=kept.slug)

    messages = root.get(LIST, workspace=kept.slug).context["messages"]
    assert [message.level_tag for message in messages] == ["error"]
    assert RemoteCopy.objects.count() == 1


def test_a_copy_shows_whose_it_is_and_how_it_was_found(kept: Kept, root: Console) -> None:
    RemoteCopy.objects.update(damage="A pack is gone.")

    text = root.text(PAGE, **HERE)

    assert "this hub" in text
    assert "It is damaged" in text
    assert "A pack is gone." in text
    assert "damaged" in root.text(LIST, workspace=kept.slug)


@pytest.mark.parametrize("mode", ["listing", "sample", "full", "trial"])
def test_a_look_at_a_copy_is_asked_for(kept: Kept, mode: str) -> None:
    editor = member(kept.workspace, "editor")

    editor.post(VERIFY, {"mode": mode}, **HERE)

    job = Job.objects.get(kind="snapshots.verify")
    (work,) = editor.get(PAGE, **HERE).context["work"]
    assert job.subject == f"{kept.copy.public_id}:{mode}"
    assert work.title == f"Verifying first in offsite ({mode})"


def test_an_unknown_look_is_refused(kept: Kept, root: Console) -> None:
    root.post(VERIFY, {"mode": "glance"}, **HERE)

    assert "One of listing, sample, full, trial." in root.text(PAGE, **HERE)
    assert not Job.objects.filter(kind="snapshots.verify").exists()


def test_a_copy_is_pinned_and_let_go(kept: Kept) -> None:
    editor = member(kept.workspace, "editor")

    editor.post(PIN, {"pinned": "yes"}, **HERE)
    is_pinned = RemoteCopy.objects.get().is_pinned
    editor.post(PIN, {"pinned": "no"}, **HERE)

    assert (is_pinned, RemoteCopy.objects.get().is_pinned) == (True, False)


def test_a_copy_is_deleted_once_that_was_asked(kept: Kept, target: RemoteTarget) -> None:
    editor = member(kept.workspace, "editor")
    manifest = Path(target.options["directory"]) / "mine" / "first" / "manifest.mhs"

    asked = editor.text(DELETE, **HERE)
    was_there = manifest.exists()
    answer = editor.post(DELETE, YES, **HERE)

    assert "Delete first from offsite?" in asked
    assert was_there
    assert not manifest.exists()
    assert not RemoteCopy.objects.exists()
    assert answer.url == f"{LIST}?workspace=mine"


def test_deleting_a_pinned_copy_is_refused(kept: Kept, root: Console) -> None:
    pin_copy(kept.copy, is_pinned=True, actor=ACTOR)

    root.post(DELETE, YES, **HERE)

    assert "Unpin it first." in root.text(PAGE, **HERE)
    assert RemoteCopy.objects.get().state == CopyState.SEALED


def test_an_upload_that_has_ended_too_early_goes_on(kept: Kept) -> None:
    copy = request_upload(kept.workspace, kept.second, kept.target, actor=ACTOR)
    Job.objects.filter(subject=str(copy.public_id)).update(state="failed", finished_at=timezone.now())
    editor = member(kept.workspace, "editor")
    second = HERE | {"name": "second"}

    offered = editor.get(PAGE, **second).context["may_resume"]
    editor.post(RESUME, {}, **second)

    assert offered
    assert Job.objects.filter(subject=str(copy.public_id), state="queued").count() == 1
    assert not editor.get(PAGE, **second).context["may_resume"]


def test_an_upload_whose_snapshot_is_gone_cannot_go_on(kept: Kept, root: Console) -> None:
    copy = request_upload(kept.workspace, kept.second, kept.target, actor=ACTOR)
    Job.objects.filter(subject=str(copy.public_id)).update(state="failed", finished_at=timezone.now())
    delete_snapshot(kept.workspace, kept.second, actor=ACTOR)
    second = HERE | {"name": "second"}

    root.post(RESUME, {}, **second)

    assert "Its snapshot is gone" in root.text(PAGE, **second)


def test_viewers_read_and_press_nothing(kept: Kept) -> None:
    viewer = member(kept.workspace, "viewer")

    text = viewer.text(PAGE, **HERE)

    for page in ("pin/", "delete/", "verify/", "ask/"):
        assert page not in text
    for page in (REFRESH, RESUME, VERIFY, PIN, DELETE):
        form = YES | {"pinned": "yes", "mode": "full", "target": "offsite"}
        assert viewer.post(page, form, **HERE).status_code == 404
    assert not RemoteCopy.objects.get().is_pinned
    assert not Job.objects.filter(kind="snapshots.verify").exists()


@pytest.mark.parametrize(("page", "parameters", "budget"), [(LIST, {"workspace": "mine"}, 13), (PAGE, HERE, 8)])
def test_a_page_costs_the_same_for_one_row_and_for_500(
    kept: Kept, root: Console, page: str, parameters: dict[str, object], budget: int
) -> None:
    copy_row(kept.copy.repository, "theirs", writer=uuid4(), age_h=1)
    root.get(page, **parameters)
    with statements_sent() as for_one:
        root.get(page, **parameters)
    for number in range(250):
        for writer in (kept.copy.writer, uuid4()):
            copy_row(kept.copy.repository, f"c{number}{writer.hex}", writer=writer, age_h=number)

    with statements_sent() as for_many:
        root.get(page, **parameters)

    assert (len(for_one), len(for_many)) == (budget, budget)
