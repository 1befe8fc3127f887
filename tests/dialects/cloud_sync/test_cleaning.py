"""Downloaded copies of workspaces that are gone."""

from pathlib import Path

import pytest
from django.utils import timezone

from apps.dialects.cloud_sync.backups import home_of
from apps.dialects.cloud_sync.cleaning import KIND
from apps.workspaces.models import Workspace
from tests.dialects.cloud_sync.service import Service
from tests.files.work import run

pytestmark = pytest.mark.django_db


def test_the_downloads_of_a_purged_workspace_are_removed(own_data: Path) -> None:
    gone, there = Service.of_new_workspace().workspace, Service.of_new_workspace().workspace
    for workspace in (gone, there):
        home_of(workspace).mkdir(parents=True)
        (home_of(workspace) / "first").mkdir()
        (home_of(workspace) / "first/a.md").write_text("in clear")
    Workspace.objects.filter(pk=gone.pk).update(archived_at=timezone.now(), purged_at=timezone.now())

    assert run(KIND) == {"folders": 1}

    assert [path.name for path in (own_data / "backups").iterdir()] == [there.slug]
    assert run(KIND) == {"folders": 0}


def test_where_nothing_was_ever_downloaded_there_is_nothing_to_remove() -> None:
    assert run(KIND) == {"folders": 0}
