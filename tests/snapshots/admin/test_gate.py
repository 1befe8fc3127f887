"""Who may not see a workspace finds nothing of it on any page about snapshots, and changes nothing by any button."""

import pytest

from apps.snapshots.actions import create_snapshot
from apps.snapshots.targets import add_target
from apps.workspaces import actions as workspace_actions
from apps.workspaces.models import Membership
from tests.console import Console, member
from tests.factories import ACTOR, make_user, make_workspace
from tests.files.client import nothing_changes
from tests.snapshots.admin.kept import Kept
from tests.snapshots.work import restored

pytestmark = pytest.mark.django_db

BELOW = "/admin/snapshots"
NAMED: dict[str, object] = {"name": "first"}
COPY: dict[str, object] = {"name": "first", "target": "offsite"}
PAGES: dict[str, dict[str, object]] = {
    f"{BELOW}/snapshot/": {},
    f"{BELOW}/snapshot/page/": NAMED,
    f"{BELOW}/snapshot/make/": {},
    f"{BELOW}/snapshot/compare/": {"from": "first", "to": "second"},
    f"{BELOW}/snapshot/pin/": NAMED,
    f"{BELOW}/snapshot/delete/": NAMED,
    f"{BELOW}/snapshot/upload/": NAMED,
    f"{BELOW}/remotecopy/": {},
    f"{BELOW}/remotecopy/page/": COPY,
    f"{BELOW}/remotecopy/refresh/": {},
    f"{BELOW}/remotecopy/resume/": COPY,
    f"{BELOW}/remotecopy/verify/": COPY,
    f"{BELOW}/remotecopy/pin/": COPY,
    f"{BELOW}/remotecopy/delete/": COPY,
    f"{BELOW}/restore/": {},
    f"{BELOW}/restore/page/": {"id": ""},
    f"{BELOW}/restore/ask/": {"snapshot": "first", "delete": 1},
    f"{BELOW}/snapshotpolicy/": {},
    f"{BELOW}/snapshotpolicy/retention/": {"target": "offsite"},
}
FORM = {
    "confirmed": "yes",
    "pinned": "yes",
    "target": "offsite",
    "mode": "full",
    "name": "made",
    "schedule": "@daily",
    "timezone": "UTC",
    "save": "",
}
RESTORE = f"{BELOW}/restore/page/"


@pytest.fixture
def asked(kept: Kept) -> dict[str, dict[str, object]]:
    """Every page with the parameters that name rows of `mine`."""
    restore = restored(kept.workspace, snapshot=kept.first)
    return {page: names | ({"id": restore.public_id} if page == RESTORE else {}) for page, names in PAGES.items()}


@pytest.mark.parametrize("page", PAGES)
def test_staff_of_another_workspace_see_nothing(kept: Kept, asked: dict[str, dict[str, object]], page: str) -> None:
    stranger = member(make_workspace("elsewhere"), "owner")

    answer = stranger.get(page, workspace="mine", **asked[page])

    assert answer.status_code == 404
    assert answer.content == stranger.get(page, workspace="never-was", **asked[page]).content
    assert "mine" not in stranger.http.get(page, follow=True).content.decode()


@pytest.mark.parametrize("page", PAGES)
def test_staff_of_another_workspace_change_nothing(kept: Kept, asked: dict[str, dict[str, object]], page: str) -> None:
    stranger = member(make_workspace("elsewhere"), "owner")

    with nothing_changes():
        answer = stranger.post(page, FORM, workspace="mine", **asked[page])

    assert answer.status_code == 404


@pytest.mark.parametrize("page", PAGES)
def test_rows_of_another_workspace_are_not_reached_from_ones_own(
    kept: Kept, asked: dict[str, dict[str, object]], page: str
) -> None:
    """A target of all workspaces, and the names of `mine` asked for in `elsewhere`."""
    stranger = member(make_workspace("elsewhere"), "owner")

    text = stranger.http.get(page, {"workspace": "elsewhere", **asked[page]}).content.decode()

    assert "first of mine" not in text
    assert "the old layout" not in text
    assert "secret" not in text


@pytest.mark.parametrize("page", PAGES)
def test_who_is_not_staff_signs_in_first(kept: Kept, asked: dict[str, dict[str, object]], page: str) -> None:
    user = make_user("plain")
    Membership.objects.create(workspace=kept.workspace, user=user, role="owner")

    answer = Console(user).get(page, workspace="mine", **asked[page])

    assert answer.status_code == 302
    assert answer.url.startswith("/admin/login/")


@pytest.mark.parametrize("page", PAGES)
def test_an_archived_workspace_is_gone(
    kept: Kept, asked: dict[str, dict[str, object]], root: Console, page: str
) -> None:
    workspace_actions.archive_workspace(kept.workspace, actor=ACTOR)

    assert root.get(page, workspace="mine", **asked[page]).status_code == 404


@pytest.mark.parametrize(
    "page", ["snapshot/page/", "snapshot/compare/", "remotecopy/page/", "restore/page/", "restore/ask/"]
)
def test_an_address_that_leads_nowhere_is_404(kept: Kept, root: Console, page: str) -> None:
    nowhere = {"name": "ne\0ver", "from": "never", "target": "offsite", "id": "never", "snapshot": "never"}

    assert root.get(f"{BELOW}/{page}", workspace="mine", **nowhere).status_code == 404
    assert root.get(f"{BELOW}/{page}", workspace="mi\0ne", **nowhere).status_code == 404


def test_a_target_of_another_workspace_is_neither_shown_nor_used(kept: Kept) -> None:
    elsewhere = make_workspace("elsewhere")
    add_target("private", kind="directory", options={"directory": "/nowhere"}, workspace=kept.workspace, actor=ACTOR)
    stranger = member(elsewhere, "owner")
    own = create_snapshot(elsewhere, name="own", actor=ACTOR)

    pages = [
        stranger.text(f"{BELOW}/remotecopy/", workspace="elsewhere"),
        stranger.text(f"{BELOW}/snapshotpolicy/", workspace="elsewhere"),
        stranger.text(f"{BELOW}/snapshot/page/", workspace="elsewhere", name=own.name),
    ]
    with nothing_changes():
        for page in ("snapshot/upload/", "remotecopy/refresh/", "remotecopy/verify/"):
            stranger.post(f"{BELOW}/{page}", {"target": "private"}, workspace="elsewhere", name="own", target="private")

    assert [page for page in pages if "private" in page] == []
    assert all("offsite" in page for page in pages)


def test_a_path_that_none_can_have_is_told_and_leads_back(kept: Kept, root: Console) -> None:
    for page, names in (("snapshot/compare/", {"from": "first"}), ("restore/ask/", {"snapshot": "first"})):
        answer = root.get(f"{BELOW}/{page}", workspace="mine", prefix="../up", **names)

        assert (answer.status_code, answer.url) == (302, f"{BELOW}/snapshot/?workspace=mine")
