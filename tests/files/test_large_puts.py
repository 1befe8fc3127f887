"""Large bodies are stored only for a version that takes them."""

import pytest

from apps.blobs.models import ObjectIntent
from apps.workspaces.models import Workspace
from tests.files.client import Api

LARGE = b"l" * 100_000


def nothing_was_stored(api: Api) -> bool:
    return api.object_keys() == [] and not ObjectIntent.objects.exists()


def test_a_refused_put_stores_nothing(api: Api) -> None:
    assert api.put("a", LARGE, If_Match='"1"').status_code == 412

    assert nothing_was_stored(api)


@pytest.mark.parametrize("quota", ["quota_files", "quota_live_bytes", "quota_stored_bytes"])
def test_a_put_over_a_quota_stores_nothing(api: Api, quota: str) -> None:
    Workspace.objects.update(**{quota: 0})

    assert api.put("a", LARGE).json()["limit"] == quota

    assert nothing_was_stored(api)


def test_bytes_that_the_workspace_has_are_not_stored_again(api: Api) -> None:
    api.put("a", LARGE)
    before = api.object_keys()

    assert api.put("b", LARGE).status_code == 201
    assert api.put("a", LARGE, If_Match='"1"').json()["result"] == "unchanged"

    assert api.object_keys() == before
    assert not ObjectIntent.objects.exists()
    assert b"".join(api.get("files/b").streaming_content) == LARGE
