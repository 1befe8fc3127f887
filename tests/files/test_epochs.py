"""After the database went back in time, no number is given out twice and no client deletes anything."""

import pytest

from apps.files.epochs import SEQUENCE_JUMP, notice_restored_database, renew_epochs
from apps.files.models import DatabaseIdentity
from apps.workspaces.models import Workspace
from tests.factories import make_workspace
from tests.files.client import Api, assert_sound, everything, nothing_changes, problem


def test_a_new_epoch_jumps_over_every_number_that_was_ever_given_out(api: Api) -> None:
    make_workspace()
    before = Workspace.objects.get(pk=api.workspace.pk).epoch
    first = api.put("a", b"one").json()["version"]

    assert renew_epochs() == 2
    second = api.put("a", b"two", If_Match='"1"').json()["version"]
    renew_epochs()
    third = api.put("b", b"three").json()["version"]

    assert (first, second, third) == (1, SEQUENCE_JUMP + 2, 2 * SEQUENCE_JUMP + 3)
    assert Workspace.objects.get(pk=api.workspace.pk).epoch != before
    assert len(set(Workspace.objects.values_list("epoch", flat=True))) == 2
    assert [item["version"] for item in api.get("history/a").json()["items"]] == [second, first]
    assert_sound()


def test_every_cursor_and_tag_of_the_old_epoch_is_void(api: Api) -> None:
    api.put("a", b"one")
    cursor, tag = api.get("changes").json()["cursor"], api.get("index")["ETag"]

    renew_epochs()

    assert problem(api.get(f"changes?since={cursor}")) == (410, "epoch_changed")
    assert api.get("index", If_None_Match=tag).status_code == 200
    fresh = api.get("changes").json()
    assert [item["path"] for item in fresh["items"]] == ["a"]
    assert api.get(f"changes?since={fresh['cursor']}").json()["items"] == []


def test_the_first_start_only_notes_which_database_it_is(api: Api) -> None:
    with nothing_changes():
        assert notice_restored_database() is False
        assert notice_restored_database() is False

    assert DatabaseIdentity.objects.count() == 1


@pytest.mark.parametrize("change", [{"system_identifier": "1"}, {"timeline": 99}])
def test_another_cluster_or_timeline_begins_a_new_epoch_once(api: Api, change: dict[str, object]) -> None:
    api.put("a", b"one")
    notice_restored_database()
    seen = DatabaseIdentity.objects.get()
    DatabaseIdentity.objects.update(**change)

    assert notice_restored_database() is True

    after = everything()
    assert api.put("b", b"x").json()["version"] == SEQUENCE_JUMP + 2
    api.delete("b")
    assert notice_restored_database() is False
    assert DatabaseIdentity.objects.get().timeline == seen.timeline
    assert DatabaseIdentity.objects.get().system_identifier == seen.system_identifier
    assert after["WorkspaceCounter"][0][1] == SEQUENCE_JUMP + 1
