"""What the pages of this app share."""

from django.http import HttpRequest

from apps.common.errors import NotFound
from apps.workspaces import pages
from apps.workspaces.models import Workspace
from apps.workspaces.pages import workspaces_for

PAGE_ROWS = 100


class Pages(pages.Pages):
    """A model whose rows are looked at by workspace and path."""

    folder = "files"
    home = "files_file_changelist"


def may(request: HttpRequest, workspace: Workspace, scope: str) -> bool:
    return workspaces_for(request, scope).filter(pk=workspace.pk).exists()


def number(text: str | None) -> int | None:
    """A sequence from an address. None for nothing; raises `NotFound` for what is none."""
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 13):
        raise NotFound
    return int(text)
