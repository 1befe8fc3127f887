"""What commands learn from a running hub: where its services are, and when they must be told."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from memoryhub.embedded.choices import KEY_MAKERS, read_choices
from memoryhub.embedded.errors import HubError
from memoryhub.embedded.layout import HubLock, Layout, write_private
from memoryhub.embedded.running import RunningHub, environment_of, hub_beside, running_hub

NO_FILE = {"MEMORYHUB_ENV_FILE": "none"}
OWN = RunningHub(os.getpid(), "http://127.0.0.1:1", 0, "postgres:///own", "unix:///own", "/programs", "/sockets")


@pytest.fixture
def layout(tmp_path: Path) -> Iterator[Layout]:
    """A data directory whose lock is held, as by a hub that runs on it."""
    places = Layout(tmp_path / "hub")
    places.prepare()
    for name, make in KEY_MAKERS.items():
        write_private(places.secrets / name.lower(), make())
    lock = HubLock(places.lock_file)
    assert lock.acquire()
    yield places
    lock.release()


def test_a_running_hub_tells_where_its_services_are(layout: Layout, tmp_path: Path) -> None:
    write_private(layout.state_file, OWN.to_json())

    environment = environment_of(layout.data, NO_FILE, tmp_path)

    assert running_hub(layout) == OWN
    assert (environment["DATABASE_URL"], environment["REDIS_URL"]) == ("postgres:///own", "unix:///own")


@pytest.mark.parametrize(
    ("hub", "what", "name"),
    [
        (replace(OWN, database_url=None), "database", "DATABASE_URL"),
        (replace(OWN, uses_bucket=True), "bucket", "S3_BUCKET"),
    ],
)
def test_services_that_the_operator_named_at_the_start_must_be_named_again(
    layout: Layout, tmp_path: Path, hub: RunningHub, what: str, name: str
) -> None:
    write_private(layout.state_file, hub.to_json())

    with pytest.raises(HubError) as refusal:
        environment_of(layout.data, NO_FILE, tmp_path)

    assert str(refusal.value) == (
        f"The hub on {layout.data} uses the {what} that {name} named when it was started: set {name} here too."
    )


def test_a_bucket_that_is_named_again_is_taken(layout: Layout, tmp_path: Path) -> None:
    write_private(layout.state_file, replace(OWN, uses_bucket=True).to_json())

    environment = environment_of(layout.data, {**NO_FILE, "S3_BUCKET": "b"}, tmp_path)

    assert (environment["DATABASE_URL"], environment["S3_BUCKET"]) == ("postgres:///own", "b")


def test_with_a_database_named_no_hub_need_run_here(tmp_path: Path) -> None:
    named = read_choices({**NO_FILE, "DATABASE_URL": "postgres:///theirs"}, tmp_path)

    assert hub_beside(Layout(tmp_path / "none"), named) is None
    with pytest.raises(HubError, match=r"^No hub runs on"):
        hub_beside(Layout(tmp_path / "none"), read_choices(NO_FILE, tmp_path))
