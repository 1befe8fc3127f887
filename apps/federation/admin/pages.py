"""What the pages of this app share: the tabs of a workspace, and addresses."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from django.template.response import TemplateResponse

from apps.accounts.scopes import WORKSPACE_ADMIN
from apps.common.errors import NotFound
from apps.workspaces import pages
from apps.workspaces.console import may
from apps.workspaces.models import Workspace
from apps.workspaces.pages import address, tabs_of

READ, WRITE, MANAGE = "federation:read", "federation:write", WORKSPACE_ADMIN
PAGE_ROWS = 50

AGENTS = "federation_agent_changelist"
TOPICS = "federation_agent_topics"
PULLS = "federation_pull_changelist"
PEERS = "federation_peer_changelist"
SETTINGS = "federation_federation_changelist"
_TABS = [
    (AGENTS, "Agents", "smart_toy"),
    (TOPICS, "Over time", "show_chart"),
    (PULLS, "Between pulls", "difference"),
    (PEERS, "Peers", "hub"),
    (SETTINGS, "Settings", "tune"),
]


class Pages(pages.Pages):
    """A model whose rows are looked at by workspace."""

    folder = "federation"
    home = AGENTS
    read_scope = READ

    def of_workspace(
        self, request: HttpRequest, template: str, workspace: Workspace, *, tab: str, **context: Any
    ) -> TemplateResponse:
        """A page below the tabs of a workspace."""
        return self.rendered(
            request,
            template,
            workspace=workspace,
            tabs=tabs_of(workspace, _TABS, tab),
            may_write=may(request, WRITE, workspace.pk),
            may_manage=may(request, MANAGE, workspace.pk),
            **context,
        )


def agent_page(workspace: Workspace, agent_id: UUID) -> str:
    return address("federation_agent_page", workspace=workspace.slug, id=agent_id)


def agents_about(workspace: Workspace, topic: str) -> str:
    """The page of the agents that know about a topic; empty for the topic without a name, which nobody can look for."""
    return address(AGENTS, workspace=workspace.slug, topic=topic) if topic else ""


def moment(text: str) -> datetime:
    """A moment of an address. Raises `NotFound` for what is none."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise NotFound from error
    if found.tzinfo is None:
        raise NotFound
    return found
