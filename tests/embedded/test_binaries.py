"""Finding the programs of PostgreSQL and Valkey."""

import subprocess
from pathlib import Path

import pytest

from memoryhub.embedded import accounts
from memoryhub.embedded.binaries import PostgresPrograms, find_postgres, find_valkey, within_reach
from memoryhub.embedded.errors import HubError
from tests.embedded.marks import as_root


def fake_postgres(directory: Path, version: str) -> Path:
    """A directory with an `initdb` and a `postgres` that tells a version."""
    directory.mkdir(parents=True)
    for name in ("postgres", "initdb"):
        program = directory / name
        program.write_text(f"#!/bin/sh\necho 'postgres (PostgreSQL) {version}'\n")
        program.chmod(0o755)
    return directory


def test_the_wheel_is_found_without_any_setting() -> None:
    found = find_postgres({"PATH": "/nowhere"})

    assert (found.origin, found.major) == ("wheel", 18)
    assert found.program("postgres").is_file()


def test_a_named_directory_wins(tmp_path: Path) -> None:
    directory = fake_postgres(tmp_path / "bin", "17.4 (Debian 17.4-1)")

    found = find_postgres({"MEMORYHUB_PG_BINDIR": str(directory)})

    assert found == PostgresPrograms(directory, "17.4", "environment")
    assert found.major == 17


def test_a_named_directory_without_the_programs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HubError, match=r"where there is no postgres and initdb\.$"):
        find_postgres({"MEMORYHUB_PG_BINDIR": str(tmp_path)})


def test_a_named_directory_of_an_old_version_is_refused(tmp_path: Path) -> None:
    directory = fake_postgres(tmp_path / "bin", "14.2")

    with pytest.raises(HubError, match="holds PostgreSQL 14.2; version 15 or newer is needed"):
        find_postgres({"MEMORYHUB_PG_BINDIR": str(directory)})


def test_a_named_program_that_does_not_run_is_told(tmp_path: Path) -> None:
    directory = fake_postgres(tmp_path / "bin", "17.4")
    (directory / "postgres").write_text("#!/bin/sh\nexit 3\n")

    with pytest.raises(HubError, match="does not run on this machine"):
        find_postgres({"MEMORYHUB_PG_BINDIR": str(directory)})


def test_valkey_of_the_wheel_is_found() -> None:
    program, origin = find_valkey({"PATH": "/nowhere"})

    assert (program.name, origin) == ("valkey-server", "wheel")


def test_a_named_valkey_wins_and_must_be_a_program(tmp_path: Path) -> None:
    program = tmp_path / "server"
    program.write_text("#!/bin/sh\n")

    with pytest.raises(HubError, match="is not a program that can be run"):
        find_valkey({"MEMORYHUB_VALKEY_SERVER": str(program)})
    program.chmod(0o755)

    assert find_valkey({"MEMORYHUB_VALKEY_SERVER": str(program)}) == (program, "environment")


def test_programs_that_the_account_can_run_stay_where_they_are() -> None:
    programs = find_postgres({"PATH": "/nowhere"})

    assert within_reach(programs, accounts.current()) is programs


@as_root
def test_programs_below_a_closed_directory_are_copied_once_and_run(open_directory: Path) -> None:
    wheel = find_postgres({"PATH": "/nowhere"}).directory.parents[1]
    closed = open_directory / "closed"
    closed.mkdir(mode=0o700)
    package = closed / wheel.name
    package.symlink_to(wheel)
    subprocess.run(["cp", "-r", f"{wheel}.libs", closed], check=True)
    programs = PostgresPrograms(package / "pginstall" / "bin", "18.6", "wheel")
    copies = open_directory / "copies"
    account = accounts.for_postgres()

    copied = within_reach(programs, account, copies=copies)
    again = within_reach(programs, account, copies=copies)

    assert copied == again
    assert [path.parent for path in copied.directory.parents if path.parent == copies] == [copies]
    # psql needs a library of the wheel, which it finds by a path relative to itself.
    said = subprocess.run(
        [copied.program("psql"), "--version"],
        capture_output=True,
        text=True,
        check=True,
        cwd="/",
        **account.popen_arguments(),
    )
    assert said.stdout.startswith("psql (PostgreSQL) 18.")
    assert closed.stat().st_mode & 0o777 == 0o700


@as_root
def test_named_programs_out_of_reach_are_refused(open_directory: Path) -> None:
    closed = open_directory / "closed"
    closed.mkdir(mode=0o700)
    programs = PostgresPrograms(fake_postgres(closed / "bin", "17.4"), "17.4", "environment")

    with pytest.raises(HubError, match="The account 'nobody', which has to run PostgreSQL, cannot reach"):
        within_reach(programs, accounts.for_postgres(), copies=open_directory / "copies")

    assert not (open_directory / "copies").exists()
