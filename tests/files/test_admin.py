"""Files in the console: who sees what, and that a version that is brought back is an ordinary write."""

from typing import Any

import pytest

from apps.accounts.models import User
from apps.files import queries
from apps.workspaces import actions as workspace_actions
from apps.workspaces.models import Membership
from tests.conftest import Bucket
from tests.console import Console, member
from tests.factories import ACTOR, make_user, make_workspace
from tests.files.client import Api, statements_sent

pytestmark = pytest.mark.django_db

FILES, PAGE, COMPARE = "/admin/files/file/", "/admin/files/file/page/", "/admin/files/file/compare/"
BYTES, BRING_BACK = "/admin/files/file/bytes/", "/admin/files/file/bring-back/"
SETS, SET, STORAGE = "/admin/files/changeset/", "/admin/files/changeset/page/", "/admin/blobs/blob/"


@pytest.fixture
def root() -> Console:
    return Console(make_user("root", is_staff=True, is_superuser=True))


@pytest.fixture
def slug(api: Api) -> str:
    return api.workspace.slug


def write(api: Api, path: str, data: bytes, *, type: str = "text/markdown") -> None:
    """The newest version of a path, whatever is there."""
    api.put(path, data, type=type, query="?overwrite=true")


def names(answer: Any) -> list[str]:
    return [entry.name for entry in answer.context["entries"]]


# --- Folders


def test_a_folder_shows_its_files_and_the_folders_in_it_once(api: Api, slug: str, root: Console) -> None:
    for path in ("a.md", "b/one.md", "b/two.md", "b/c/three.md", "b", "b.md", "d/x"):
        write(api, path, b"x")

    assert names(root.get(FILES, workspace=slug)) == ["a.md", "b", "b.md", "b", "d"]
    assert names(root.get(FILES, workspace=slug, folder="b")) == ["c", "one.md", "two.md"]
    assert names(root.get(FILES, workspace=slug, folder="b/c")) == ["three.md"]
    assert names(root.get(FILES, workspace=slug, folder="never")) == []


def test_deleted_files_are_shown_when_asked_for(api: Api, slug: str, root: Console) -> None:
    write(api, "a.md", b"x")
    write(api, "old/b.md", b"x")
    api.delete("old/b.md")

    assert names(root.get(FILES, workspace=slug)) == ["a.md"]
    assert names(root.get(FILES, workspace=slug, deleted=1)) == ["a.md", "old"]
    assert names(root.get(FILES, workspace=slug, folder="old", deleted=1)) == ["b.md"]


def test_pages_of_a_folder_hold_every_entry_once(api: Api, slug: str, root: Console) -> None:
    wanted = sorted([*(f"{number:03}.md" for number in range(150)), *(f"{number:03}x/f" for number in range(150))])
    api.put_many(*(({"path": path, "if_version": "any"}, b"x") for path in wanted))

    found, page = [], root.get(FILES, workspace=slug)
    while True:
        found += names(page)
        if not page.context["next_page"]:
            break
        page = root.http.get(page.context["next_page"])

    assert found == [path.removesuffix("/f") for path in wanted]


def test_a_search_finds_words_in_paths_of_all_folders(api: Api, slug: str, root: Console) -> None:
    for path in ("a/Plan.md", "b/plan_100%.md", "b/other.md"):
        write(api, path, b"x")

    assert names(root.get(FILES, workspace=slug, q="plan")) == ["a/Plan.md", "b/plan_100%.md"]
    assert names(root.get(FILES, workspace=slug, q="_100%")) == ["b/plan_100%.md"]
    assert names(root.get(FILES, workspace=slug, q="nothing")) == []


def test_without_a_workspace_one_chooses_among_ones_own(api: Api, slug: str) -> None:
    other = make_workspace("other")
    both = member(other, "viewer", "both")
    Membership.objects.create(workspace=api.workspace, user=User.objects.get(username="both"), role="viewer")

    assert member(other, "viewer").get(FILES).url == f"{FILES}?workspace=other"
    assert [workspace.slug for workspace, _ in both.get(FILES).context["rows"]] == sorted(["other", slug])


# --- One file


def test_a_file_shows_its_newest_version_and_its_history(api: Api, slug: str, root: Console) -> None:
    write(api, "a.md", b"# One")
    write(api, "a.md", b"# Two")

    page = root.get(PAGE, workspace=slug, path="a.md")

    assert page.context["preview"].text.strip() == "<h1>Two</h1>"
    assert [row.version for row in page.context["rows"]] == [2, 1]
    old = root.get(PAGE, workspace=slug, path="a.md", version=1)
    assert old.context["preview"].text.strip() == "<h1>One</h1>"


def test_stored_html_is_shown_as_text(api: Api, slug: str, root: Console) -> None:
    write(api, "a.html", b"<script>alert(1)</script>", type="text/html")

    text = root.text(PAGE, workspace=slug, path="a.html")

    assert "<script>alert(1)" not in text
    assert "&lt;script&gt;alert(1)" in text


def test_the_beginning_of_a_large_text_is_shown(api: Api, slug: str, root: Console) -> None:
    write(api, "a.txt", "ä".encode() * 200_000, type="text/plain")

    preview = root.get(PAGE, workspace=slug, path="a.txt").context["preview"]

    assert (preview.kind, len(preview.text), preview.is_cut) == ("text", 128 * 1024, True)


@pytest.mark.parametrize(
    ("data", "content_type", "kind"),
    [
        (b"", "text/plain", "empty"),
        (b"\x00\x01", "application/octet-stream", "none"),
        (b"\xff\xfe", "text/plain", "none"),
        (b"<svg/>", "image/svg+xml", "image"),
        (b"{}", "application/json", "text"),
    ],
)
def test_a_preview_is_what_the_bytes_are(
    api: Api, slug: str, root: Console, data: bytes, content_type: str, kind: str
) -> None:
    write(api, "a", data, type=content_type)

    assert root.get(PAGE, workspace=slug, path="a").context["preview"].kind == kind


def test_bytes_are_given_as_little_trusted_as_by_the_api(api: Api, slug: str, root: Console) -> None:
    write(api, "a.html", b"<script>alert(1)</script>", type="text/html")

    answer = root.get(BYTES, workspace=slug, path="a.html")

    assert b"".join(answer) == b"<script>alert(1)</script>"
    assert answer["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert answer["Content-Disposition"] == "attachment"
    assert "no-store" in answer["Cache-Control"]


def test_two_versions_are_shown_beside_each_other(api: Api, slug: str, root: Console) -> None:
    write(api, "a.md", b"one fine day\n")
    write(api, "a.md", b"one grand day\n")

    text = root.text(COMPARE, workspace=slug, path="a.md", **{"from": 1, "to": 2})

    assert "<del>fine</del>" in text
    assert "<ins>grand</ins>" in text


def test_a_deletion_is_compared_as_an_empty_file(api: Api, slug: str, root: Console) -> None:
    write(api, "a.md", b"text\n")
    api.delete("a.md")

    comparison = root.get(COMPARE, workspace=slug, path="a.md", **{"from": 1}).context["comparison"]

    assert (comparison.added, comparison.removed) == (0, 1)


# --- Bringing a version back


def test_a_version_that_is_brought_back_is_the_newest_again(api: Api, slug: str) -> None:
    write(api, "a.md", b"one")
    write(api, "a.md", b"two")

    answer = member(api.workspace, "editor").post(
        BRING_BACK, {"live": "2", "message": "better"}, workspace=slug, path="a.md", version=1
    )

    assert answer.status_code == 302
    newest = queries.history(api.workspace.pk, "a.md", before=None, limit=1)[0]
    assert (newest.version, newest.origin, newest.actor, newest.message) == (3, "admin", "user:staff", "better")
    assert api.get("files/a.md").content == b"one"


def test_a_deleted_file_comes_back(api: Api, slug: str, root: Console) -> None:
    write(api, "a.md", b"one")
    api.delete("a.md")

    root.post(BRING_BACK, {"live": ""}, workspace=slug, path="a.md", version=1)

    assert api.get("files/a.md").content == b"one"


def test_what_somebody_wrote_meanwhile_is_not_written_over(api: Api, slug: str, root: Console) -> None:
    write(api, "a.md", b"one")
    write(api, "a.md", b"two")
    write(api, "a.md", b"three")

    root.post(BRING_BACK, {"live": "2"}, workspace=slug, path="a.md", version=1)

    assert api.get("files/a.md").content == b"three"
    assert len(queries.history(api.workspace.pk, "a.md", before=None, limit=9)) == 3


def test_asking_alone_changes_nothing(api: Api, slug: str, root: Console) -> None:
    write(api, "a.md", b"one")
    write(api, "a.md", b"two")

    assert "Bring version 1 back?" in root.text(BRING_BACK, workspace=slug, path="a.md", version=1)

    assert api.get("files/a.md").content == b"two"


def test_a_viewer_cannot_bring_a_version_back(api: Api, slug: str) -> None:
    write(api, "a.md", b"one")
    write(api, "a.md", b"two")
    viewer = member(api.workspace, "viewer")

    assert "bring-back" not in viewer.text(PAGE, workspace=slug, path="a.md")
    assert viewer.get(BRING_BACK, workspace=slug, path="a.md", version=1).status_code == 404
    assert viewer.post(BRING_BACK, {"live": "2"}, workspace=slug, path="a.md", version=1).status_code == 404

    assert api.get("files/a.md").content == b"two"


# --- Change sets and storage


def test_change_sets_come_newest_first_with_their_versions(api: Api, slug: str, root: Console) -> None:
    write(api, "a.md", b"one")
    api.put_many(*(({"path": path, "if_version": "any"}, b"x") for path in ("b", "c")))
    api.delete("a.md")

    assert [row.first for row, _ in root.get(SETS, workspace=slug).context["rows"]] == [4, 2, 1]
    shown = root.get(SET, workspace=slug, number=2).context
    assert [(row.path, row.version) for row, _ in shown["rows"]] == [("b", 2), ("c", 3)]
    assert root.get(SET, workspace=slug, number=3).status_code == 404


def test_pages_of_change_sets_hold_each_once(api: Api, slug: str, root: Console) -> None:
    for number in range(120):
        write(api, "a.md", b"%d" % number)

    first = root.get(SETS, workspace=slug)
    second = root.http.get(first.context["next_page"])

    numbers = [row.first for page in (first, second) for row, _ in page.context["rows"]]
    assert numbers == list(range(120, 0, -1))


def test_what_waits_for_its_upload_is_listed(bucket: Bucket, api: Api, slug: str, root: Console) -> None:
    write(api, "a.md", b"one")
    write(api, "b.md", b"two")
    api.delete("b.md")

    overview = root.get(STORAGE)
    waiting = root.get(STORAGE, workspace=slug)

    assert [(lag.workspace.slug, lag.versions) for lag in overview.context["lags"]] == [(slug, 3)]
    assert [row.path for row, _ in waiting.context["rows"]] == ["a.md", "b.md"]


def test_the_storage_is_tried_out_when_a_superuser_asks(bucket: Bucket, api: Api, root: Console) -> None:
    assert root.get(STORAGE).context["capabilities"] is None
    assert root.post(STORAGE, {}).context["capabilities"].kind == "bucket"
    assert member(api.workspace, "owner").post(STORAGE, {}).context["capabilities"] is None


# --- Strangers, and addresses that lead nowhere

PAGES: dict[str, dict[str, object]] = {
    FILES: {},
    PAGE: {"path": "a.md"},
    COMPARE: {"path": "a.md", "from": 1, "to": 2},
    BYTES: {"path": "a.md"},
    BRING_BACK: {"path": "a.md", "version": 1},
    SETS: {},
    SET: {"number": 1},
    STORAGE: {},
}


@pytest.mark.parametrize("page", PAGES)
def test_staff_of_another_workspace_see_nothing(api: Api, slug: str, page: str) -> None:
    write(api, "a.md", b"secret one")
    write(api, "a.md", b"secret two")
    stranger = member(make_workspace("elsewhere"), "owner")

    answer = stranger.get(page, workspace=slug, **PAGES[page])

    assert answer.status_code == 404
    assert answer.content == stranger.get(page, workspace="never-was", **PAGES[page]).content
    assert slug not in stranger.http.get(page, follow=True).content.decode()


@pytest.mark.parametrize("page", PAGES)
def test_who_is_not_staff_signs_in_first(api: Api, slug: str, page: str) -> None:
    write(api, "a.md", b"one")
    user = make_user("plain")
    Membership.objects.create(workspace=api.workspace, user=user, role="owner")

    answer = Console(user).get(page, workspace=slug, **PAGES[page])

    assert answer.status_code == 302
    assert answer.url.startswith("/admin/login/")


@pytest.mark.parametrize("page", PAGES)
def test_an_archived_workspace_is_gone(api: Api, slug: str, root: Console, page: str) -> None:
    write(api, "a.md", b"one")
    write(api, "a.md", b"two")
    workspace_actions.archive_workspace(api.workspace, actor=ACTOR)

    assert root.get(page, workspace=slug, **PAGES[page]).status_code == 404


@pytest.mark.parametrize(
    ("page", "parameters"),
    [
        (FILES, {"workspace": "no\0ne"}),
        (PAGE, {"path": "never"}),
        (PAGE, {"path": "a.md", "version": "99"}),
        (PAGE, {"path": "a.md", "version": "-1"}),
        (PAGE, {"path": "a.md", "version": "9" * 40}),
        (PAGE, {"path": "a.md", "before": "x"}),
        (COMPARE, {"path": "a.md"}),
        (COMPARE, {"path": "a.md", "from": "99"}),
        (BYTES, {"path": "never"}),
        (BRING_BACK, {"path": "a.md"}),
        (SET, {}),
        (SET, {"number": "7"}),
        (SETS, {"before": "x"}),
    ],
)
def test_an_address_that_leads_nowhere_is_404(
    api: Api, slug: str, root: Console, page: str, parameters: dict[str, object]
) -> None:
    write(api, "a.md", b"one")

    assert root.get(page, **{"workspace": slug} | parameters).status_code == 404


@pytest.mark.parametrize("path", ["../up", "a//b", "a\0b", "", ".memoryhub/x"])
def test_a_path_that_none_can_have_is_told_and_leads_back(slug: str, root: Console, path: str) -> None:
    answer = root.get(PAGE, workspace=slug, path=path)

    assert (answer.status_code, answer.url) == (302, f"{FILES}?workspace={slug}")


# --- Costs


@pytest.mark.parametrize(
    ("page", "parameters", "budget"),
    [
        (FILES, {}, 4),
        (FILES, {"q": "f"}, 4),
        (FILES, {"deleted": 1}, 4),
        (PAGE, {"path": "f"}, 6),
        (SETS, {}, 4),
    ],
)
def test_a_page_costs_the_same_for_one_row_and_for_many(
    api: Api, slug: str, root: Console, page: str, parameters: dict[str, object], budget: int
) -> None:
    write(api, "f", b"x")
    root.get(page, workspace=slug, **parameters)

    with statements_sent() as for_one:
        root.get(page, workspace=slug, **parameters)
    for number in range(40):
        write(api, "f", b"%d" % number)
    api.put_many(*(({"path": f"f{number}", "if_version": "any"}, b"x") for number in range(500)))
    with statements_sent() as for_many:
        root.get(page, workspace=slug, **parameters)

    assert (len(for_one), len(for_many)) == (budget, budget)
