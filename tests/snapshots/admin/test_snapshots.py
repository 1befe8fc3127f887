"""Snapshots in the console: listed, made, compared, pinned, deleted, uploaded."""

import pytest

from apps.snapshots.actions import create_snapshot, pin_snapshot
from apps.snapshots.models import CopyState, RemoteCopy, Snapshot
from tests.console import Console, member
from tests.factories import ACTOR, make_workspace
from tests.files.client import statements_sent
from tests.snapshots.admin.kept import Kept
from tests.snapshots.work import fill

pytestmark = pytest.mark.django_db

LIST, PAGE, MAKE = "/admin/snapshots/snapshot/", "/admin/snapshots/snapshot/page/", "/admin/snapshots/snapshot/make/"
COMPARE, PIN = "/admin/snapshots/snapshot/compare/", "/admin/snapshots/snapshot/pin/"
DELETE, UPLOAD = "/admin/snapshots/snapshot/delete/", "/admin/snapshots/snapshot/upload/"
YES = {"confirmed": "yes"}


def test_snapshots_come_newest_first_with_their_copies(kept: Kept, root: Console) -> None:
    answer = root.get(LIST, workspace=kept.slug)

    rows = answer.context["rows"]
    assert [row.snapshot.name for row in rows] == ["second", "first"]
    assert [[(copy.target, copy.state[0]) for copy in row.copies] for row in rows] == [[], [("offsite", "sealed")]]
    assert "the old layout" in answer.content.decode()


def test_pages_hold_each_snapshot_once(root: Console) -> None:
    workspace = make_workspace()
    names = [create_snapshot(workspace, name=f"s{number}", actor=ACTOR).name for number in range(70)]

    first = root.get(LIST, workspace=workspace.slug)
    second = root.http.get(first.context["next_page"])

    shown = [row.snapshot.name for page in (first, second) for row in page.context["rows"]]
    assert shown == names[::-1]
    assert second.context["next_page"] == ""


def test_only_snapshots_of_a_kind_are_shown(kept: Kept, root: Console) -> None:
    create_snapshot(kept.workspace, name="before", kind="safety", actor=ACTOR)

    assert [row.snapshot.name for row in root.get(LIST, workspace=kept.slug, kind="safety").context["rows"]] == [
        "before"
    ]
    assert root.get(LIST, workspace=kept.slug, kind="never").url == f"{LIST}?workspace={kept.slug}"


def test_without_a_workspace_one_chooses_among_ones_own(kept: Kept) -> None:
    make_workspace("other")

    assert member(kept.workspace, "viewer").get(LIST).url == f"{LIST}?workspace={kept.slug}"


def test_an_empty_list_says_what_to_do(root: Console) -> None:
    text = root.text(LIST, workspace=make_workspace().slug)

    assert "No snapshot yet" in text
    assert "Make the first one" in text


def test_a_snapshot_is_made_with_name_message_and_tags(kept: Kept) -> None:
    editor = member(kept.workspace, "editor")

    answer = editor.post(MAKE, {"name": "third", "message": "why", "tags": "a, b,, a"}, workspace=kept.slug)

    made = Snapshot.objects.get(name="third")
    assert answer.url == f"{PAGE}?workspace={kept.slug}&name=third"
    assert (made.message, made.tags, made.kind, made.actor) == ("why", ["a", "b"], "manual", "user:staff")


@pytest.mark.parametrize(
    ("name", "said"), [("first", "A snapshot has this name."), ("../up", "A name is 1 to 100 of A-Z")]
)
def test_a_name_that_is_refused_is_told_on_the_form(kept: Kept, root: Console, name: str, said: str) -> None:
    text = root.post(MAKE, {"name": name}, workspace=kept.slug).content.decode()

    assert said in text
    assert Snapshot.objects.count() == 2


def test_a_snapshot_shows_what_it_holds_and_where_its_copies_are(kept: Kept, root: Console) -> None:
    answer = root.get(PAGE, workspace=kept.slug, name="first")

    text = answer.content.decode()
    assert answer.context["targets"] == []
    assert answer.context["row"].copies[0].copy.new_bytes == 26
    assert "the old layout" in text
    assert [name for name, _at in answer.context["others"]] == ["second"]


def test_two_snapshots_are_compared_by_path(kept: Kept, root: Console) -> None:
    answer = root.get(COMPARE, workspace=kept.slug, **{"from": "first", "to": "second"})

    assert [(row.path, row.kind) for row in answer.context["rows"]] == [
        ("a.md", "changed"),
        ("gone.md", "deleted"),
        ("new.md", "added"),
    ]
    assert [(kind, number) for kind, number, _colour in answer.context["counts"]] == [
        ("added", 1),
        ("changed", 1),
        ("deleted", 1),
    ]


def test_each_compared_path_leads_to_its_lines_or_its_only_text(kept: Kept, root: Console) -> None:
    rows = root.get(COMPARE, workspace=kept.slug, **{"from": "first", "to": "now"}).context["rows"]

    texts = [root.http.get(row.address).content.decode() for row in rows]

    assert "<ins>grand</ins>" in texts[0]
    assert "secret words" in texts[1]
    assert "new" in texts[2]


def test_a_comparison_turned_round_says_the_opposite(kept: Kept, root: Console) -> None:
    first = root.get(COMPARE, workspace=kept.slug, **{"from": "first", "to": "second"})

    turned = root.http.get(first.context["turned"])

    kinds = {row.path: row.kind for row in turned.context["rows"]}
    assert kinds == {"a.md": "changed", "gone.md": "added", "new.md": "deleted"}


def test_pages_of_a_comparison_hold_every_path_once_and_only_of_the_folder(kept: Kept, root: Console) -> None:
    fill(kept.workspace, {f"many/{number:03}": b"x" for number in range(250)})

    found, page = [], root.get(COMPARE, workspace=kept.slug, prefix="many/", **{"from": "second"})
    while True:
        found += [row.path for row in page.context["rows"]]
        if not page.context["next_page"]:
            break
        page = root.http.get(page.context["next_page"])

    assert found == [f"many/{number:03}" for number in range(250)]


def test_equal_states_are_told(kept: Kept, root: Console) -> None:
    assert "No difference" in root.text(COMPARE, workspace=kept.slug, **{"from": "second", "to": "now"})


def test_a_snapshot_is_pinned_and_let_go(kept: Kept) -> None:
    editor = member(kept.workspace, "editor")

    editor.post(PIN, {"pinned": "yes"}, workspace=kept.slug, name="first")
    is_pinned = Snapshot.objects.get(name="first").is_pinned
    editor.post(PIN, {"pinned": "no"}, workspace=kept.slug, name="first")

    assert (is_pinned, Snapshot.objects.get(name="first").is_pinned) == (True, False)


def test_a_snapshot_is_deleted_once_that_was_asked(kept: Kept) -> None:
    editor = member(kept.workspace, "editor")

    asked = editor.text(DELETE, workspace=kept.slug, name="first")
    still_there = Snapshot.objects.filter(name="first").exists()
    answer = editor.post(DELETE, YES, workspace=kept.slug, name="first")

    assert "Delete first?" in asked
    assert still_there
    assert not Snapshot.objects.filter(name="first").exists()
    assert answer.url == f"{LIST}?workspace={kept.slug}"


def test_a_refusal_is_a_message(kept: Kept, root: Console) -> None:
    pin_snapshot(kept.first, is_pinned=True, actor=ACTOR)

    root.post(DELETE, YES, workspace=kept.slug, name="first")

    assert "Unpin it first." in root.text(PAGE, workspace=kept.slug, name="first")
    assert Snapshot.objects.filter(name="first").exists()


def test_an_upload_is_asked_for_and_can_be_followed(kept: Kept) -> None:
    editor = member(kept.workspace, "editor")

    editor.post(UPLOAD, {"target": "offsite"}, workspace=kept.slug, name="second")

    copy = RemoteCopy.objects.get(name="second")
    page = editor.get(PAGE, workspace=kept.slug, name="second")
    (work,) = page.context["work"]
    assert copy.state == CopyState.UPLOADING
    assert (work.title, work.state[0]) == ("Uploading second to offsite", "queued")
    assert f'data-hub-live="/admin/jobs/job/{work.job.pk}/live/"' in page.content.decode()
    assert editor.http.get(f"/admin/jobs/job/{work.job.pk}/live/").json()["is_open"] is True


def test_a_target_that_is_not_there_is_told(kept: Kept, root: Console) -> None:
    root.post(UPLOAD, {"target": "nowhere"}, workspace=kept.slug, name="second")

    assert "There is no target of this name." in root.text(PAGE, workspace=kept.slug, name="second")
    assert RemoteCopy.objects.count() == 1


def test_viewers_read_and_press_nothing(kept: Kept) -> None:
    viewer = member(kept.workspace, "viewer")

    text = viewer.text(PAGE, workspace=kept.slug, name="first")

    for page in ("pin/", "delete/", "upload/", "/restore/ask/"):
        assert page not in text
    for page in (MAKE, PIN, DELETE, UPLOAD):
        assert viewer.post(page, YES | {"pinned": "yes"}, workspace=kept.slug, name="first").status_code == 404
    assert (Snapshot.objects.count(), Snapshot.objects.filter(is_pinned=True).count()) == (2, 0)


def test_what_is_let_go_says_when_it_goes(kept: Kept, root: Console) -> None:
    Snapshot.objects.filter(pk=kept.first.pk).update(doomed_at=kept.first.created_at)

    assert "let go" in root.text(LIST, workspace=kept.slug)
    assert "Pin it to keep it" in root.text(PAGE, workspace=kept.slug, name="first")


@pytest.mark.parametrize(
    ("page", "parameters", "budget"),
    [
        (LIST, {}, 7),
        (COMPARE, {"from": "s0", "to": "now"}, 8),
        (PAGE, {"name": "s0"}, 10),
    ],
)
def test_a_page_costs_the_same_for_one_row_and_for_500(
    kept: Kept, root: Console, page: str, parameters: dict[str, object], budget: int
) -> None:
    create_snapshot(kept.workspace, name="s0", actor=ACTOR)
    root.get(page, workspace=kept.slug, **parameters)
    with statements_sent() as for_one:
        root.get(page, workspace=kept.slug, **parameters)
    for number in range(1, 500):
        made = create_snapshot(kept.workspace, name=f"s{number}", actor=ACTOR)
        copies = RemoteCopy(
            repository_id=kept.copy.repository_id, name=made.name, snapshot=made, writer=kept.copy.writer,
            kind="manual", state="sealed", created_at=made.created_at, sealed_at=made.created_at,
        )  # fmt: skip
        copies.save(force_insert=True)
    fill(kept.workspace, {f"f{number}": b"x" for number in range(500)})

    with statements_sent() as for_many:
        root.get(page, workspace=kept.slug, **parameters)

    assert (len(for_one), len(for_many)) == (budget, budget)
