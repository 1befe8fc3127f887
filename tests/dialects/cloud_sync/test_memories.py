"""The stock command line, unmodified: what it sends, what it prints, and with which code it ends."""

import pytest

from apps.snapshots.models import Snapshot
from tests.dialects.cloud_sync.memories import Memories
from tests.dialects.cloud_sync.service import Service
from tests.factories import make_token


def installed(service: Service, key: str | None = None, *, is_terminal: bool = False) -> Memories:
    environment = {
        "MEMORIES_URL": f"http://hub/w/{service.workspace.slug}/cloud-sync/",
        "MEMORIES_API_KEY": service.token if key is None else key,
    }
    return Memories(environment, is_terminal=is_terminal, transport=service.http._transport)


def test_off_is_shown_and_uploads_are_refused(service: Service) -> None:
    cli = installed(service)

    assert cli.run("sync", "status").data == {"enabled": False, "message": "Cloud sync not configured"}
    assert cli.run("sync", "upload").error == (1, "GENERAL_ERROR")
    assert cli.run("--pretty", "sync", "status").out == "Sync enabled: False"


def test_copies_are_shown_to_programs_and_to_people(disk: Service) -> None:
    cli, person = installed(disk), installed(disk, is_terminal=True)
    assert person.run("sync", "snapshots").out == "No snapshots found."
    disk.post("/backup", prefix="nightly")

    assert cli.run("sync", "snapshots").data == {"snapshots": [], "count": 0}
    assert cli.run("sync", "status").data["local_count"] == 1
    [latest] = Snapshot.objects.values_list("name", flat=True)
    assert person.run("sync", "status").out.splitlines() == [
        "Sync enabled: True",
        f"Latest local: {latest}",
        "Remote snapshots: 0",
        "Local snapshots: 1",
    ]


def test_the_prefix_in_the_body_is_read_and_the_path_is_printed(service: Service) -> None:
    """With the original it made `manual_...` and printed `?`."""
    person = installed(service, is_terminal=True)

    out = person.run("backup", "create", "--prefix", "nightly").out

    [name] = Snapshot.objects.values_list("name", flat=True)
    assert person.sent == [("POST", "/backup", {"prefix": "nightly"})]
    assert name.startswith("nightly_")
    assert out.startswith("Backup created: /") and out.endswith(f"/{name}")


def test_the_list_shows_dates(service: Service) -> None:
    person = installed(service, is_terminal=True)
    assert person.run("backup", "list").out == "No backups found."
    service.post("/backup")

    [line] = person.run("backup", "list").out.splitlines()

    [snapshot] = Snapshot.objects.all()
    assert line == f"  {snapshot.name}  ({snapshot.created_at.isoformat(timespec='milliseconds')[:-6]}Z)"


def test_a_restore_asks_first_and_prints_how_many_came_back(service: Service) -> None:
    person = installed(service, is_terminal=True)
    service.write("a.md", "one")
    name = service.post("/backup").json()["name"]
    service.write("a.md", "changed")
    now = service.files()

    aborted = person.run("backup", "restore", name)
    assert (aborted.out, service.files(), person.sent) == ("Aborted.", now, [])
    restored = person.run("backup", "restore", name, typed="y")

    assert restored.out == f"Restored 1 memories from '{name}'"
    assert installed(service).run("backup", "restore", name, "--yes").data["restored"] == 1


def test_confirm_in_the_body_is_read(disk: Service) -> None:
    """With the original both always ended in 400."""
    cli = installed(disk)

    unconfirmed = [cli.run("sync", "download"), cli.run("sync", "restore", "manual_20260101_000000")]
    confirmed = [
        cli.run("sync", "download", "--confirm"),
        cli.run("sync", "download", "--confirm", "--backup-name", "manual_20260101_000000"),
        cli.run("sync", "restore", "manual_20260101_000000", "--confirm"),
    ]

    assert [each.error for each in unconfirmed] == [(1, "GENERAL_ERROR")] * 2
    assert [each.error for each in confirmed] == [(2, "NOT_FOUND")] * 3
    assert cli.sent[3][2] == {"confirm": True, "backup_name": "manual_20260101_000000"}


@pytest.mark.parametrize("key", ["", "wrong", "mh_x"])
def test_a_wrong_key_is_exit_code_4(service: Service, key: str) -> None:
    assert installed(service, key).run("sync", "status").error == (4, "AUTH_REQUIRED")


def test_a_reader_may_look_and_may_not_upload(disk: Service) -> None:
    cli = installed(disk, make_token(disk.workspace, "snapshots:read"))

    assert cli.run("sync", "status").data["enabled"] is True
    assert cli.run("sync", "upload").error == (4, "AUTH_REQUIRED")
    assert cli.run("backup", "create").error == (4, "AUTH_REQUIRED")
    assert not Snapshot.objects.exists()
