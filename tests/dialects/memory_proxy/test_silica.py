"""Two machines with the unmodified client's algorithm, and what the original did to them."""

import gzip
import json
from typing import Any

import pytest

from tests.dialects.memory_proxy.proxy import BASE, Proxy
from tests.dialects.memory_proxy.silica import Fatal, Silica, Step, md5_of

NAMESPACE = "personas/default/memory"


@pytest.fixture
def machines(proxy: Proxy) -> tuple[Silica, Silica]:
    return Silica(proxy.http), Silica(proxy.http)


def history(proxy: Proxy, path: str, namespace: str = NAMESPACE) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = proxy.native("GET", f"history/{namespace}/{path}").json()["items"]
    return items


def test_the_first_sync_uploads_all_and_the_second_plans_nothing(proxy: Proxy, machines: tuple[Silica, Silica]) -> None:
    a, b = machines
    a.files = {"persona.md": b"who I am", "deep/folder/note.md": b"note", "blob/x.md": b"x", "a b/é.md": b"e"}

    first, second, other = a.sync(), a.sync(), b.sync()

    assert [step.verb for step in first] == ["upload"] * 4
    assert second == []
    assert [step.verb for step in other] == ["download"] * 4
    assert b.files == a.files
    assert b.sync() == []


def test_a_change_travels_and_versions_grow_each_time(machines: tuple[Silica, Silica]) -> None:
    a, b = machines
    a.files["f"] = b"one"
    a.sync()
    b.sync()
    seen = [a.index["f"]["version"]]

    for text in (b"two", b"one", b"one again", b"one"):
        a.files["f"] = text
        assert [step.verb for step in a.sync()] == ["upload"]
        assert [step.verb for step in b.sync()] == ["download"]
        seen.append(b.index["f"]["version"])

    assert b.files == {"f": b"one"}
    assert seen == sorted(set(seen))


def test_a_deletion_travels_as_a_tombstone_and_is_not_downloaded_again(machines: tuple[Silica, Silica]) -> None:
    a, b = machines
    a.files = {"f": b"one", "g": b"two", "h": b"three"}
    a.sync()
    b.sync()
    a.files.clear()

    assert [step.verb for step in a.sync()] == ["delete_remote"] * 3
    assert [step.verb for step in b.sync()] == ["delete_local"] * 3

    assert b.files == {}
    assert a.sync() == b.sync() == []


def test_both_sides_changed_is_a_conflict_that_keeps_both_texts(machines: tuple[Silica, Silica]) -> None:
    a, b = machines
    a.files["f"] = b"one"
    a.sync()
    b.sync()
    a.files["f"], b.files["f"] = b"from a", b"from b"

    a.sync()
    b.sync()
    a.sync()

    assert a.files == b.files == {"f": b"from b\nfrom a"}


def test_machines_that_never_met_merge_and_the_remote_wins(machines: tuple[Silica, Silica]) -> None:
    a, b = machines
    a.files = {"same": b"s", "f": b"from a", "only-a": b"a"}
    b.files = {"same": b"s", "f": b"from b", "only-b": b"b"}

    a.sync()
    b.sync()
    a.sync()

    assert a.files == b.files == {"same": b"s", "f": b"from a", "only-a": b"a", "only-b": b"b"}


def test_a_cleared_local_index_downloads_again_and_deletes_nothing(machines: tuple[Silica, Silica]) -> None:
    a, _ = machines
    a.files = {"f": b"one", "g": b"two"}
    a.sync()
    a.files, a.index = {}, {}

    assert [step.verb for step in a.sync()] == ["download", "download"]
    assert a.files == {"f": b"one", "g": b"two"}


def test_the_local_index_equals_the_remote_one_and_survives_a_restart(
    proxy: Proxy, machines: tuple[Silica, Silica]
) -> None:
    a, _ = machines
    a.files = {"f": b"one", "g": b"two"}
    a.sync()
    del a.files["g"]
    a.sync()
    remote = proxy.get(f"/sync/{NAMESPACE}").json()["files"]

    restarted = Silica(proxy.http, files=dict(a.files), index=json.loads(a.saved_index())["files"])

    assert a.index == remote
    assert restarted.sync() == []


def test_the_clients_own_index_files_are_never_sent(proxy: Proxy, machines: tuple[Silica, Silica]) -> None:
    a, _ = machines
    a.files = {"f": b"one", ".sync-index.json": b"{}", "sub/.sync-log-memory.jsonl": b""}

    a.sync()

    assert list(proxy.get("/sync").json()["files"]) == [f"{NAMESPACE}/f"]


def another_machine_writes_in_the_middle_of_a_sync(a: Silica, b: Silica) -> list[Step]:
    """B changes f2 and adds f3 after A has planned its upload of f1. Returns what A had planned, and has done."""
    a.sync()
    b.sync()
    a.files["f1"] = b"one from a"
    steps = a.plan()
    b.files |= {"f2": b"two from b", "f3": b"three from b"}
    b.sync()
    for step in steps:
        a.execute(step)
    return steps


def test_fault_1_another_machines_work_survives_a_write_in_the_middle_of_a_sync(
    proxy: Proxy, machines: tuple[Silica, Silica]
) -> None:
    """The original's whole index in A's answer made A overwrite f2 with old text and delete f3."""
    a, b = machines
    a.files = {"f1": b"one", "f2": b"two"}
    steps = another_machine_writes_in_the_middle_of_a_sync(a, b)

    next_steps = a.sync()
    b.sync()

    assert steps == [Step("upload", "f1", BASE + 1)]
    assert sorted((step.verb, step.path) for step in next_steps) == [("download", "f2"), ("download", "f3")]
    assert a.files == b.files == {"f1": b"one from a", "f2": b"two from b", "f3": b"three from b"}


class ClientOfTheOriginal(Silica):
    """The same client where a write's answer holds the whole index, as the original's did."""

    def _take_over(self, body: dict[str, Any]) -> None:
        super()._take_over(body)
        self.index |= self._remote_index()


def test_control_with_the_originals_answers_the_same_story_loses_the_other_machines_work(proxy: Proxy) -> None:
    a, b = ClientOfTheOriginal(proxy.http, files={"f1": b"one", "f2": b"two"}), Silica(proxy.http)
    another_machine_writes_in_the_middle_of_a_sync(a, b)

    a.sync()
    b.sync()

    assert b.files == {"f1": b"one from a", "f2": b"two"}


def test_fault_2_a_name_written_anew_after_its_deletion_comes_back_from_history(
    proxy: Proxy, machines: tuple[Silica, Silica]
) -> None:
    """The client deletes it by its own rule; the text that the hub has seen can be brought back."""
    a, b = machines
    a.files["f"] = b"first"
    a.sync()
    b.sync()
    del a.files["f"]
    a.sync()
    b.files["f"] = b"edited while the other deleted"
    b.sync()
    assert b.files == {}

    version = history(proxy, "f")[-1]["version"]
    body = json.dumps({"items": [{"path": f"{NAMESPACE}/f", "version": version, "if_version": "any"}]}).encode()
    reverted = proxy.native("POST", "files:revert", body, Content_Type="application/json")

    assert reverted.status_code == 200
    assert [step.verb for step in b.sync()] == ["download"]
    assert b.files == {"f": b"first"}


def test_fault_3_a_compressed_session_that_is_sent_again_is_refused_and_stays_whole(proxy: Proxy) -> None:
    """The client compares the plain MD5 with that of the gzip and always uploads as new: 412, and nothing is lost."""
    client = Silica(proxy.http, namespace="personas/default/history/s1")
    turns = gzip.compress(b"turn 1" * 100, mtime=0)
    client.write("session.json.gz", turns, 0)

    again = proxy.put("/personas%2Fdefault%2Fhistory%2Fs1/blob/session.json.gz", b"new", If_Match_Version="0")

    assert again.status_code == 412
    assert again.json()["context"] == {"current_version": str(BASE + 1), "provided_version": "0"}
    assert client.read("session.json.gz") == (turns, md5_of(turns), BASE + 1)


def test_fault_4_a_users_own_gz_file_that_the_client_deletes_comes_back_from_history(proxy: Proxy) -> None:
    client = Silica(proxy.http)
    version = client.write("x.gz", b"\x1f\x8b mine", 0)
    client.erase("x.gz", version)

    states = history(proxy, "x.gz")
    old = proxy.native("GET", f"files/{NAMESPACE}/x.gz?version={states[1]['version']}")

    assert [state["is_deleted"] for state in states] == [True, False]
    assert old.content == b"\x1f\x8b mine"


def test_fault_5_files_below_a_folder_named_blob_stay_in_their_namespace(machines: tuple[Silica, Silica]) -> None:
    a, b = machines
    a.files = {"blob/x.md": b"x", "a/blob/y.md": b"y", "a/blob/blob/z.md": b"z"}

    a.sync()
    b.sync()
    b.files["a/blob/y.md"] = b"y from b"
    del b.files["blob/x.md"]
    b.sync()
    a.sync()

    assert a.files == b.files == {"a/blob/y.md": b"y from b", "a/blob/blob/z.md": b"z"}
    assert a.sync() == []


def test_a_client_that_moves_here_sees_growth_over_the_versions_that_it_remembers(proxy: Proxy) -> None:
    """The original's versions were milliseconds since the epoch."""
    Silica(proxy.http, files={"f": b"changed by another machine since"}).sync()
    remembered = {"md5": md5_of(b"old"), "version": 1_763_600_000_000, "size": 3, "is_deleted": False}
    moved = Silica(proxy.http, files={"f": b"old"}, index={"f": remembered})

    assert [step.verb for step in moved.sync()] == ["download"]
    assert moved.files == {"f": b"changed by another machine since"}


def test_a_namespace_that_cannot_be_told_apart_stops_the_sync_before_any_write(proxy: Proxy) -> None:
    client = Silica(proxy.http, namespace="personas/blob/memory", files={"f": b"one"})

    with pytest.raises(Fatal, match="^400 "):
        client.sync()

    assert proxy.get("/sync").json()["files"] == {}


def test_a_wrong_token_stops_the_client_at_its_first_request(proxy: Proxy) -> None:
    with proxy.with_token("key_wrong") as http:
        client = Silica(http, files={"f": b"one"})

        with pytest.raises(Fatal, match="^401 "):
            client.sync()

    assert client.asked == 1
