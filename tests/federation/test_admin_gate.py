"""Who may not see a workspace finds nothing of it on any page of federation, and changes nothing by any button."""

import pytest

from apps.federation.models import Agent
from apps.federation.peers import create_peer
from apps.workspaces.actions import archive_workspace
from apps.workspaces.models import Membership, Workspace
from tests.console import Console, member
from tests.factories import ACTOR, make_user, make_workspace
from tests.federation import pages
from tests.federation.pages import filled, operator
from tests.files.client import nothing_changes

pytestmark = pytest.mark.django_db

LISTS = [pages.AGENTS, pages.TOPICS, pages.PULLS, pages.PEERS, pages.SETTINGS]
OF_AGENTS = [pages.AGENT, pages.WITHDRAW]
OF_PEERS = [pages.PEER, pages.EDIT, pages.EXCHANGE, pages.REMOVE]
PAGES = [*LISTS, *OF_AGENTS, *OF_PEERS, pages.NEW, pages.RESET]
FORM = {
    "confirmed": "yes", "typed": "mine", "mode": "sum", "min_agents": "2", "noise_budget": "1", "noise_bound": "1",
    "noise_hours": "1", "name": "new", "url": "https://example.com", "pushes": "on", "timezone": "UTC",
}  # fmt: skip


@pytest.fixture
def mine(db: None) -> Workspace:
    """With two agents and a peer."""
    workspace = filled()
    create_peer(workspace, "other", {"url": "https://hub.example.com/secret"}, actor=ACTOR)
    return workspace


def names(page: str) -> dict[str, object]:
    """What names the rows of `mine` on that page."""
    if page in OF_AGENTS:
        return {"id": Agent.objects.get(name="ada").pk}
    return {"name": "other"} if page in OF_PEERS else {}


@pytest.mark.parametrize("page", PAGES)
def test_staff_of_another_workspace_see_and_change_nothing(mine: Workspace, page: str) -> None:
    stranger = member(make_workspace("elsewhere"), "owner")

    answer = stranger.get(page, workspace="mine", **names(page))
    with nothing_changes():
        pressed = stranger.post(page, FORM, workspace="mine", **names(page))

    assert (answer.status_code, pressed.status_code) == (404, 404)
    assert answer.content == stranger.get(page, workspace="never-was", **names(page)).content
    assert "mine" not in stranger.http.get(page, follow=True).content.decode()


@pytest.mark.parametrize("page", [*OF_AGENTS, *OF_PEERS])
def test_rows_of_another_workspace_are_not_reached_from_ones_own(mine: Workspace, page: str) -> None:
    stranger = member(make_workspace("elsewhere"), "owner")

    with nothing_changes():
        answers = [
            stranger.get(page, workspace="elsewhere", **names(page)),
            stranger.post(page, FORM, workspace="elsewhere", **names(page)),
        ]

    assert [answer.status_code for answer in answers] == [404, 404]


@pytest.mark.parametrize("page", PAGES)
def test_who_is_not_staff_signs_in_first(mine: Workspace, page: str) -> None:
    user = make_user("plain")
    Membership.objects.create(workspace=mine, user=user, role="owner")

    answer = Console(user).get(page, workspace="mine", **names(page))

    assert answer.status_code == 302
    assert answer.url.startswith("/admin/login/")


@pytest.mark.parametrize("page", PAGES)
def test_an_archived_workspace_is_gone(mine: Workspace, page: str) -> None:
    archive_workspace(mine, actor=ACTOR)

    assert operator().get(page, workspace="mine", **names(page)).status_code == 404


@pytest.mark.parametrize("page", LISTS)
def test_a_workspace_is_chosen_where_there_are_several(mine: Workspace, page: str) -> None:
    root = operator()

    alone = root.get(page)
    make_workspace("second")

    assert alone.url == f"{page}?workspace=mine"
    assert f'href="{page}?workspace=second"' in root.text(page)


@pytest.mark.parametrize("page", [*OF_AGENTS, *OF_PEERS])
def test_an_address_that_leads_nowhere_is_404(mine: Workspace, page: str) -> None:
    root = operator()

    assert root.get(page, workspace="mine", id="ne\0ver", name="ne\0ver").status_code == 404
    assert root.get(page, workspace="ne\0ver", **names(page)).status_code == 404


@pytest.mark.parametrize("page", LISTS)
def test_viewers_read_every_page(mine: Workspace, page: str) -> None:
    assert member(mine, "viewer").get(page, workspace="mine").status_code == 200
